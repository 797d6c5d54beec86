"""Every row of bad input that a reader or a rule must refuse, and its well-meant neighbours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from bad_input import bytes_of, cases
from comfyui_e3.e3_nodes import validation
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.parsing import strict_yaml

GOOD_JOB = "job_type: T2I\nworkflow_id: wf\ninputs:\n  prompt: a cat\n"
GOOD_OUTPUTS = "outputs:\n  file_path: jobs/finished/image/cat.png\n"
WORKFLOWS: Any = {"wf": {"required_inputs": ["prompt"]}}


def table(name: str) -> Any:
    chosen = cases(name)
    return pytest.mark.parametrize("case", chosen, ids=[case["id"] for case in chosen])


def assert_refused(case: dict[str, Any], refusal: InvalidConfig) -> None:
    assert refusal.code in case.get("codes", [case.get("code")]), str(refusal)
    assert refusal.line == case.get("line", refusal.line)
    assert refusal.column == case.get("column", refusal.column)
    assert case.get("message", "") in str(refusal)


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    elif not hasattr(yaml, "CSafeLoader"):
        pytest.skip("PyYAML has no libyaml here")


@pytest.mark.usefixtures("parser")
@table("yaml.json")
def test_strict_yaml_read_gives_the_value_or_the_code_of_each_row(case: dict[str, Any]) -> None:
    data = bytes_of(case)
    if "code" in case or "codes" in case:
        with pytest.raises(InvalidConfig) as caught:
            strict_yaml.read(data)
        assert_refused(case, caught.value)
        return

    document = strict_yaml.read(data)

    assert document.data == case.get("value", document.data)
    assert [type(value) for value in document.data.values()] == [
        type(value) for value in case.get("value", document.data).values()
    ]
    assert case.get("warning", "") in "".join(document.warnings)
    assert len(document.warnings) == ("warning" in case)


@table("json.json")
def test_strict_yaml_read_json_gives_the_value_or_the_code_of_each_row(case: dict[str, Any]) -> None:
    data = bytes_of(case)
    if "code" in case:
        with pytest.raises(InvalidConfig) as caught:
            strict_yaml.read_json(data)
        assert_refused(case, caught.value)
    else:
        assert strict_yaml.read_json(data) == case["value"]


READ_BOMBS = """
import json, sys, time
import yaml
from comfyui_e3.e3_nodes.parsing import strict_yaml
from comfyui_e3.e3_nodes.errors import InvalidConfig

def peak_mib():
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

def code_of(read, data):
    try:
        read(data)
    except InvalidConfig as exc:
        return exc.code

if sys.argv[1] == "pure" and hasattr(yaml, "CSafeLoader"):
    del yaml.CSafeLoader
bombs, base, seen = json.load(sys.stdin), peak_mib(), {}
for name, reader, data in bombs:
    start = time.monotonic()
    code = code_of(getattr(strict_yaml, reader), data.encode())
    seen[name] = [code, time.monotonic() - start]
print(json.dumps({"seen": seen, "grown_mib": peak_mib() - base}))
"""


@pytest.mark.parametrize("which", ["libyaml", "pure"])
def test_strict_yaml_read_survives_every_bomb_in_bounded_time_and_memory(which: str) -> None:
    readers = {"read": cases("yaml.json", bombs=True), "read_json": cases("json.json", bombs=True)}
    bombs = [(case["id"], reader, bytes_of(case).decode()) for reader in readers for case in readers[reader]]

    run = subprocess.run(
        [sys.executable, "-c", READ_BOMBS, which],
        input=json.dumps(bombs),
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    expected = {case["id"]: case.get("code") for found in readers.values() for case in found}
    assert {name: code for name, (code, _) in report["seen"].items()} == expected
    assert max(seconds for _, seconds in report["seen"].values()) < 20
    assert report["grown_mib"] < 50


def test_strict_yaml_read_never_runs_what_a_tag_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    case = next(case for case in cases("yaml.json") if case["id"] == "Y29")

    with pytest.raises(InvalidConfig):
        strict_yaml.read(bytes_of(case))

    assert list(tmp_path.iterdir()) == []


@table("jobs.json")
def test_validation_problems_gives_the_code_of_each_row(case: dict[str, Any]) -> None:
    extra_input = f"  {case['input']}\n" if "input" in case else ""
    outputs = f"outputs:\n  {case['outputs']}\n" if "outputs" in case else GOOD_OUTPUTS
    text = case.get("text", GOOD_JOB + extra_input + outputs + case.get("top", ""))
    document = strict_yaml.read(text.encode())

    found = validation.problems(document.data, WORKFLOWS, position=document.position)

    assert [problem.code for problem in found][:1] == ([case["code"]] if "code" in case else [])


@table("paths.json")
def test_validation_check_output_path_gives_the_code_of_each_row(case: dict[str, Any]) -> None:
    if "code" not in case:
        validation.check_output_path(case["path"], windows=False)
        return

    with pytest.raises(InvalidConfig) as caught:
        validation.check_output_path(case["path"], windows=False)

    assert_refused(case, caught.value)
    str(caught.value).encode()  # a message can always be stored


@table("names.json")
def test_validation_parse_config_name_gives_the_code_of_each_row(case: dict[str, Any]) -> None:
    if "code" not in case:
        assert validation.parse_config_name(case["name"])["job_type"]
        return

    with pytest.raises(InvalidConfig) as caught:
        validation.parse_config_name(case["name"])

    assert_refused(case, caught.value)
    assert str(caught.value).isprintable()
