"""The strict reader: what it says of a document besides its values."""

from __future__ import annotations

import pytest
import yaml
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.parsing import strict_yaml

JOB = b"""\
job_type: T2I
outputs:
    file_path: a.png
    nodes: ["9", "12"]
"""


@pytest.mark.parametrize(
    ("path", "position"),
    [
        (("job_type",), (1, 1)),
        (("outputs", "file_path"), (3, 5)),
        (("outputs", "nodes", 1), (4, 18)),
        (("outputs", "if_exists"), (2, 1)),
        (("metadata", "a", "b"), None),
        ((), None),
    ],
    ids=["top", "nested", "item", "missing-inside", "missing-at-top", "document"],
)
def test_strict_yaml_position_names_the_key_or_the_nearest_around_it(
    path: strict_yaml.KeyPath, position: strict_yaml.Position | None
) -> None:
    document = strict_yaml.read(JOB)

    assert document.position(path) == position


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_strict_yaml_read_counts_lines_by_any_line_end(line_end: str) -> None:
    text = line_end.join(["a: 1", "b: '\U0001f600'", "a: 2", ""])

    with pytest.raises(InvalidConfig) as caught:
        strict_yaml.read(text.encode())

    assert (caught.value.line, caught.value.column) == (3, 1)


def test_strict_yaml_read_opens_a_refusal_with_the_source() -> None:
    with pytest.raises(InvalidConfig, match=r"^a\.yaml: 'a' is there twice") as caught:
        strict_yaml.read(b"a: 1\na: 2", source="a.yaml")

    assert (caught.value.code, caught.value.line, caught.value.column) == ("yaml_duplicate_key", 2, 1)


def test_strict_yaml_read_without_source_says_only_what_is_wrong() -> None:
    with pytest.raises(InvalidConfig, match=r"^nothing in it"):
        strict_yaml.read(b"")


@pytest.mark.parametrize("foreign", [ValueError, RecursionError, KeyError, AttributeError, MemoryError, yaml.YAMLError])
def test_strict_yaml_read_wraps_whatever_the_parser_raises(
    foreign: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*_: object, **__: object) -> object:
        raise foreign("inside the parser")

    monkeypatch.setattr(yaml, "parse", parse)

    with pytest.raises(InvalidConfig, match="inside the parser") as caught:
        strict_yaml.read(b"a: [1]")

    assert caught.value.code == "yaml_syntax"


def test_strict_yaml_read_says_only_so_many_warnings() -> None:
    document = strict_yaml.read(b"".join(b"k%d: a #b\n" % number for number in range(100)))

    assert len(document.warnings) == strict_yaml.MAX_WARNINGS


def test_strict_yaml_read_takes_a_file_at_the_limit() -> None:
    data = b"a: 1\n" + b"#" * (256 * 1024 - 5)

    assert strict_yaml.read(data).data == {"a": 1}


def test_strict_yaml_read_json_tells_where_the_mistake_is() -> None:
    with pytest.raises(InvalidConfig) as caught:
        strict_yaml.read_json(b'{"a": 1,\n "b" 2}')

    assert (caught.value.code, caught.value.line, caught.value.column) == ("bad_json", 2, 6)
