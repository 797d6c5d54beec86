"""The quick reader of plain YAML: it gives what the parser gives, or leaves the text to it."""

from __future__ import annotations

import os
from typing import Any

import pytest
import yaml
from comfyui_e3.e3_nodes import config_loader
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.parsing import plain_yaml, strict_values, strict_yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

JOB = """\
# a portrait
job_type: T2I
workflow_id: wf_hello_image
priority: 50

inputs:
  prompt: (a cat:1.2), at 12:30, "so-called" - über 北京 ’s
  negative: "#1: no, 'really'"
  seed: -1
  scale: 1.5e0
  is_tiled: true
outputs:
  file_path: 'jobs/finished/image/cat {index}.png'
  if_exists:
metadata:
    deep:
      deeper: C:/x
    57.3-a: ~
"""

keys = st.sampled_from(
    ["a", "b", "key", "57.3", "a-b", "ü", "null", "true", "-", "1", "<<", "a b", "'a'", "", "---", "x" * 300]
)
words = st.sampled_from(
    [
        *(
            "",
            "cat",
            "-1",
            "- 1",
            "--- a",
            "010",
            "1e3",
            "1e999",
            ".inf",
            "~",
            "null",
            "true",
            "no",
            "12:30",
            "a: b",
            "a:",
        ),
        *(
            "'q'",
            '"q"',
            "'it''s'",
            '"\\n"',
            '"a" b',
            "'a' # b",
            "'",
            '"',
            "a #b",
            "a  # b",
            "a#b",
            "#a",
            "[1]",
            "a [1], {b}",
        ),
        *(
            "{a: 1}",
            "|",
            ">-",
            "&a b",
            "*a",
            "!t b",
            "%a",
            "@a",
            "`a",
            "? a",
            "?a",
            ":a",
            ",a",
            "a\tb",
            "a\x85b",
            "a\u2028b",
        ),
        *(
            "é",
            "e\u0301",
            "\ufeff",
            "\U0001f600",
            "\u00a0",
            "\u3000a",
            "99999999999999999999999",
            "...",
            "=",
            "<",
            "a 'b\"",
        ),
    ]
)
spaces = st.sampled_from(["", " ", "  ", "   ", "    ", "\t"])
ends = st.sampled_from(
    ["\n", "\r\n", "\n\n", " \n", "\r", "\n# c\n", "\n    # c\n", "\n...\n", "\n---\n", "\u2029", ""]
)
lines = st.builds(lambda *parts: "".join(parts), spaces, keys, st.sampled_from([": ", ":", ":  ", " : "]), words, ends)
plain_lines = st.builds(
    lambda indent, key, value, end: f"{'  ' * indent}{key}:{value}{end}",
    st.integers(0, 3),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["", " x", " 1", " 'y'"]),
    st.sampled_from(["\n", "\n\n", "\r\n"]),
)
texts = st.lists(lines, max_size=5).map("".join) | st.lists(plain_lines, max_size=8).map("".join)
soup = st.text(st.sampled_from("ab1:#-?'\" \n\t[,~.%<|\u2028"), max_size=30)


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


def by_parser(text: str) -> strict_yaml.Document:
    return strict_yaml._Reader(text).document()


def shown(value: Any) -> str:
    return repr(value)  # tells 1 from True and 1.0


@pytest.mark.usefixtures("parser")
@settings(
    max_examples=500,
    deadline=None,
    database=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts | soup)
@example(JOB)
@example("a: b\n  c: d\n")
@example("a:\n  b: 1\n c: 2\n")
@example("a:\n    b: 1\n  c: 2\n")
@example("a: x\n  y\n")
@example("a: ''\n")
def test_plain_yaml_read_gives_what_the_parser_gives_or_nothing(text: str) -> None:
    try:
        text = strict_values.decode(text.encode("utf-8", "surrogatepass"))
    except InvalidConfig:
        return
    plain = plain_yaml.read(text)

    if plain is not None:
        document = by_parser(text)
        assert shown(plain) == shown(document.data)
        assert document.warnings == []


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_plain_yaml_read_knows_how_jobs_are_written(line_end: str) -> None:
    plain = plain_yaml.read(JOB.replace("\n", line_end))

    assert plain == by_parser(JOB).data
    assert list(plain["inputs"]) == ["prompt", "negative", "seed", "scale", "is_tiled"]


def test_plain_yaml_read_knows_the_examples() -> None:
    examples = (config_loader.plugin_folder() / "jobs" / "examples").glob("**/*.yaml")

    read = [plain_yaml.read(path.read_text("utf-8")) for path in examples]

    assert any(plain is not None for plain in read)


@pytest.mark.parametrize(
    "text",
    ["", "# only this\n", "a: 1\na: 2\n", "a: 010\n", "a: x #1\n", "a:\n- 1\n", "a: " + "x" * plain_yaml.MAX_LENGTH],
    ids=["empty", "comment", "key-twice", "zero-first", "dropped-text", "list", "long"],
)
def test_plain_yaml_read_leaves_to_the_parser_what_it_must_judge(text: str) -> None:
    assert plain_yaml.read(text) is None


def test_plain_yaml_read_leaves_great_depth_to_the_parser() -> None:
    text = "".join(f"{' ' * depth}a:\n" for depth in range(plain_yaml.MAX_DEPTH + 1))

    assert plain_yaml.read(text) is None


@pytest.mark.parametrize("data", [b"a: 1\nb:\n  c: x\n", b"a: 1\nb: {c: x}\n"], ids=["plain", "by-the-parser"])
def test_strict_yaml_read_finds_positions_either_way(data: bytes) -> None:
    document = strict_yaml.read(data)

    assert document.data == {"a": 1, "b": {"c": "x"}}
    assert document.position(("b",)) == (2, 1)
    assert document.position(("b", "c")) is not None
