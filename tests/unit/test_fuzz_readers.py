"""Whatever a stranger writes, each reader and rule answers or refuses; nothing else ever comes out."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from comfyui_e3.e3_nodes import validation
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.parsing import strict_yaml
from comfyui_e3.e3_nodes.parsing.strict_values import UNPRINTABLE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

fuzz = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

any_text = st.text(st.characters(exclude_categories=[]), max_size=60)
yaml_tokens = st.sampled_from(
    [
        *"\t\n:#-?[]{},&*!|>'\"%@`~ \\",
        ": ",
        "- ",
        "\n  ",
        "---\n",
        "...\n",
        "<<: ",
        "key",
        "010",
        ".inf",
        "\u2028",
    ]
)
yaml_soup = st.lists(yaml_tokens, max_size=40).map(lambda tokens: "".join(tokens).encode())
plain_text = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"], exclude_characters="\ufeff"), max_size=20
)
json_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4),
    max_leaves=15,
)
yaml_data = st.dictionaries(plain_text, json_data, max_size=4)
shapes = st.dictionaries(
    st.sampled_from(
        [
            "job_type",
            "workflow_id",
            "priority",
            "retry_limit",
            "timeout_seconds",
            "inputs",
            "outputs",
            "metadata",
            "x",
        ]
    ),
    json_data | st.fixed_dictionaries({"file_path": any_text}) | st.sampled_from(["T2I", "wf"]),
)


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


def ends_well(read: Any, *args: Any) -> Any:
    """Return what the reader gives, or None where it refuses in the right way."""
    try:
        return read(*args)
    except InvalidConfig as refusal:
        assert refusal.code and str(refusal)
        return None


@pytest.mark.usefixtures("parser")
@fuzz
@given(st.binary(max_size=200) | yaml_soup | any_text.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_strict_yaml_read_gives_a_document_or_a_refusal(data: bytes) -> None:
    document = ends_well(strict_yaml.read, data)

    if document is not None:
        assert json.loads(json.dumps(document.data, allow_nan=False)) == document.data


@fuzz
@given(yaml_data)
def test_strict_yaml_read_gives_back_what_was_written(data: dict[str, Any]) -> None:
    text = json.dumps(data, ensure_ascii=False)  # JSON is YAML

    assert strict_yaml.read(text.encode()).data == data


@fuzz
@given(st.binary(max_size=200) | json_data.map(lambda data: json.dumps(data).encode()))
def test_strict_yaml_read_json_gives_a_value_or_a_refusal(data: bytes) -> None:
    ends_well(strict_yaml.read_json, data)


@fuzz
@given(any_text | any_text.map(lambda text: f"T2I_20240101000000_1_{text}.yaml"))
def test_validation_parse_config_name_gives_parts_or_a_refusal(name: str) -> None:
    parts = ends_well(validation.parse_config_name, name)

    if parts is not None:
        canonical = validation.canonical_config_name(name)
        assert unicodedata.is_normalized("NFC", canonical) and canonical.isprintable()
        assert validation.parse_config_name(canonical) == parts
        assert validation.identity(canonical) == validation.identity(canonical.upper().lower())
        assert not validation.is_ignored_name(canonical)


@fuzz
@given(any_text | st.lists(st.sampled_from(["..", "a", "/", "\\", "C:", "~", ".png", " ", "nul"])).map("".join))
def test_validation_check_output_path_lets_only_harmless_paths_pass(path: str) -> None:
    def harmless(text: str) -> bool:
        validation.check_output_path(text, windows=False)
        return True

    if ends_well(harmless, path):
        parts = PurePosixPath(path.replace("\\", "/")).parts
        assert ".." not in parts
        assert UNPRINTABLE.search(path) is None


@fuzz
@given(json_data | shapes)
def test_validation_problems_judges_any_data(data: Any) -> None:
    workflows: Any = {"wf": {"required_inputs": ["prompt"]}}

    for problem in validation.problems(data, workflows):
        assert problem.code and problem.message
