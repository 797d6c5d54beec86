"""The rules of a job: its fields, its output path, its full form."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from comfyui_e3.e3_nodes import validation
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.parsing import strict_yaml
from comfyui_e3.e3_nodes.validation import job_schema

WORKFLOWS: Any = {
    "wf_portrait": {
        "required_inputs": ["prompt", "seed"],
        "inputs": {"prompt": {"node": "6", "field": "text"}},
    },
    "wf_film": {"required_inputs": []},
}
DEFAULTS = {"default_priority": 50, "retry_limit": 2}


@pytest.fixture
def make_job() -> Callable[..., dict[str, Any]]:
    def make(**changes: Any) -> dict[str, Any]:
        job = {
            "job_type": "T2I",
            "workflow_id": "wf_portrait",
            "inputs": {"prompt": "a knight", "seed": 7},
            "outputs": {"file_path": "jobs/finished/image/knight.png"},
        }
        return {key: value for key, value in {**job, **changes}.items() if value is not ...}

    return make


def codes(cfg: Any, **options: Any) -> list[str]:
    return [problem.code for problem in validation.problems(cfg, WORKFLOWS, **options)]


# -- fields --------------------------------------------------------------------------------------------


def test_validation_validate_config_schema_lets_a_good_job_pass(make_job: Any) -> None:
    job = make_job(
        priority=20,
        retry_limit=None,
        timeout_seconds=900,
        outputs={"file_path": "a.png", "if_exists": "version", "nodes": ["9"]},
        metadata={"creator": "cli", "tags": ["a", 1, None, {"deep": 1.5}]},
    )

    validation.validate_config_schema(job, WORKFLOWS)


@pytest.mark.parametrize("field", ["job_type", "workflow_id", "inputs", "outputs"])
def test_validation_validate_config_schema_names_a_missing_field(make_job: Any, field: str) -> None:
    with pytest.raises(InvalidConfig, match=f"^{field} is missing$") as caught:
        validation.validate_config_schema(make_job(**{field: ...}), WORKFLOWS)

    assert caught.value.code == "missing_field"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workflow_id": "wf_portait"}, "no workflow text 'wf_portait'; did you mean wf_portrait?"),
        ({"job_type": "T2X"}, "job_type must be one of T2I, I2I"),
        ({"priority": "50"}, "priority must be a whole number, got text '50'"),
        ({"inputs": {"prompt": "a"}}, "inputs.seed is missing, which wf_portrait requires"),
        ({"inputs": {"promt": "a", "seed": 1}}, "inputs.prompt is missing, which wf_portrait requires; is"),
        ({"inputs": {"prompt": None, "seed": 1}}, "must be text or a number or true or false, got nothing"),
        ({"outputs": {"file_path": "a.png", "nodes": ["9", 12]}}, "outputs.nodes[1] must be text, got 12"),
        ({"outputs": {"file_path": "a.png", "if_exits": "fail"}}, "did you mean outputs.if_exists?"),
        ({"outputs": {"file_path": "a.tiff"}}, "outputs.file_path 'a.tiff' must end in one of:"),
        ({"timeout_seconds": 0}, "timeout_seconds must be above 0"),
        ({"metadata": {"x": {1: "a"}}}, "a key of metadata.x must be text, got 1"),
        ({"metadata": {"x": float("nan")}}, "metadata.x must be JSON-like data"),
        ({"metadata": {"x": ["a\x1b[0m"]}}, "metadata.x[0] holds the control character U+001B"),
        ({"inputs": {"prompt": "a\0", "seed": 1}}, "inputs.prompt holds the control character U+0000"),
        ({"inputs": {"prompt": b"a", "seed": 1}}, "got a bytes"),
        ({"inputs": {"prompt": ["4", 0], "seed": 1}}, "inputs.prompt has the form of a link"),
    ],
)  # fmt: skip
def test_validation_problems_say_what_would_be_right(make_job: Any, changes: Any, message: str) -> None:
    found = validation.problems(make_job(**changes), WORKFLOWS)

    assert [message in problem.message for problem in found] == [True]


def test_validation_problems_finds_all_of_them(make_job: Any) -> None:
    job = make_job(priority="high", ouputs={}, outputs={"file_path": "../x.exe", "nodes": []}, workflow_id="wf")

    assert sorted(codes(job)) == [
        "bad_type",
        "bad_value",
        "path_outside",
        "unknown_field",
        "workflow_unknown",
    ]


def test_validation_validate_config_schema_raises_the_first_and_counts_the_others(make_job: Any) -> None:
    job = make_job(priority="high", retry_limit="no", timeout_seconds="5m")

    with pytest.raises(InvalidConfig, match=r"^priority must be .* \(and 2 more problems\)$"):
        validation.validate_config_schema(job, WORKFLOWS)


def test_validation_problems_carry_line_and_column() -> None:
    document = strict_yaml.read(b"job_type: T2I\nworkflow_id: wf_film\ninputs:\n  a: [x]\noutputs:\n  nodes: ['9']\n")

    found = validation.problems(document.data, WORKFLOWS, position=document.position)

    assert [(problem.path, problem.line, problem.column) for problem in found] == [
        (("inputs", "a"), 4, 3),
        (("outputs", "file_path"), 5, 1),
    ]


def test_validation_problems_stop_at_a_number_that_people_read() -> None:
    assert len(codes({f"field{number}": 1 for number in range(10_000)})) == validation.MAX_PROBLEMS


@pytest.mark.parametrize("cfg", [None, [], "text", 7])
def test_validation_problems_wants_a_mapping(cfg: Any) -> None:
    assert codes(cfg) == ["not_a_mapping"]


@pytest.mark.parametrize("slot", [{"default": 30}, {"random": True}], ids=["default", "random"])
def test_validation_problems_does_not_miss_an_input_that_the_workflow_fills(make_job: Any, slot: Any) -> None:
    workflows: Any = {"wf_portrait": {"required_inputs": ["prompt", "seed"], "inputs": {"seed": slot}}}

    assert validation.problems(make_job(inputs={"prompt": "a"}), workflows) == []


@pytest.mark.parametrize(
    ("field", "value"), [("priority", 0), ("priority", 1200), ("retry_limit", 21), ("retry_limit", -1)]
)
def test_validation_problems_refuse_a_number_out_of_range_only_at_a_strict_door(
    make_job: Any, field: str, value: int
) -> None:
    job = make_job(**{field: value})

    assert codes(job) == []
    assert codes(job, strict=True) == ["bad_value"]


def test_validation_problems_knows_the_types_of_the_settings(make_job: Any) -> None:
    job = make_job(job_type="UPSCALE")

    assert codes(job) == ["bad_value"]
    assert codes(job, job_types={"UPSCALE": "image"}) == []


# -- the full form -------------------------------------------------------------------------------------


def test_validation_normalize_config_fills_in_the_defaults(make_job: Any) -> None:
    job = validation.normalize_config(make_job(), {"default_priority": 40, "retry_limit": 3})

    assert (job["priority"], job["retry_limit"], job["metadata"]) == (40, 3, {})
    assert job["outputs"] == {"file_path": "jobs/finished/image/knight.png", "if_exists": "fail"}
    assert "timeout_seconds" not in job


def test_validation_normalize_config_preserves_what_is_given(make_job: Any) -> None:
    given = {"priority": 7, "retry_limit": 0, "timeout_seconds": 9.5, "metadata": {"a": 1}}
    outputs = {"file_path": "a.png", "if_exists": "version", "nodes": ["9"]}

    job = validation.normalize_config(make_job(**given, outputs=outputs), DEFAULTS)

    assert job == {**make_job(), **given, "outputs": outputs}


def test_validation_normalize_config_takes_null_as_default(make_job: Any) -> None:
    nulls = dict.fromkeys(["priority", "retry_limit", "timeout_seconds", "metadata"])
    outputs = {"file_path": "a.png", "if_exists": None, "nodes": None}

    job = validation.normalize_config(make_job(**nulls, outputs=outputs), DEFAULTS)

    assert job == validation.normalize_config(make_job(outputs={"file_path": "a.png"}), DEFAULTS)


@pytest.mark.parametrize(
    ("field", "value", "taken", "warning"),
    [
        ("priority", 0, 1, "priority 0 is outside 1-999; taken as 1"),
        ("priority", 1000, 999, "priority 1000 is outside 1-999; taken as 999"),
        ("priority", -1, 1, "priority -1 is outside 1-999; taken as 1"),
        ("retry_limit", 1_000_000, 20, "retry_limit 1000000 is outside 0-20; taken as 20"),
        ("retry_limit", -1, 0, "retry_limit -1 is outside 0-20; taken as 0"),
    ],
)
def test_validation_normalize_config_clamps_and_clamp_warnings_says_so(
    make_job: Any, field: str, value: int, taken: int, warning: str
) -> None:
    job = make_job(**{field: value})

    assert validation.normalize_config(job, DEFAULTS)[field] == taken
    assert validation.clamp_warnings(job) == [warning]


@pytest.mark.parametrize("changes", [{}, {"priority": 1, "retry_limit": 20}, {"priority": None}])
def test_validation_clamp_warnings_is_silent_within_range(make_job: Any, changes: Any) -> None:
    assert validation.clamp_warnings(make_job(**changes)) == []


def test_validation_normalize_config_leaves_its_argument_alone(make_job: Any) -> None:
    job = make_job(metadata={"tags": ["a"]})
    before = copy.deepcopy(job)

    validation.normalize_config(job, DEFAULTS)["metadata"]["tags"].append("b")

    assert job == before


# -- paths and schema ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("C:/out/x.png", None),
        ("C:\\out\\x.png", None),
        ("C:x.png", "path_outside"),
        ("C:/a:b.png", "path_invalid"),
    ],
)
def test_validation_check_output_path_knows_drives_on_windows(path: str, code: str | None) -> None:
    try:
        validation.check_output_path(path, windows=True)
    except InvalidConfig as refusal:
        assert refusal.code == code
    else:
        assert code is None


def test_validation_check_output_path_hints_at_single_quotes() -> None:
    document = strict_yaml.read(b'outputs: {file_path: "C:\\new\\table.png"}')

    with pytest.raises(InvalidConfig, match="use single quotes"):
        validation.check_output_path(document.data["outputs"]["file_path"])


def test_validation_job_schema_describes_every_field() -> None:
    schema = job_schema.job_schema({"UPSCALE": "image"})

    fields = [*schema["properties"].values(), *schema["properties"]["outputs"]["properties"].values()]
    assert all(field["description"].endswith(".") for field in fields)
    assert "UPSCALE" in schema["properties"]["job_type"]["enum"]
