"""What is known at a glance is what the rules say: a quick way answers as the careful one, or leaves it to that."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from comfyui_e3.e3_nodes import validation
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.parsing import strict_values
from comfyui_e3.e3_nodes.validation import glance, job_schema, names, output_paths
from hypothesis import example, given, settings
from hypothesis import strategies as st

WORKFLOWS: Any = {
    "wf": {
        "required_inputs": ["prompt", "seed", "steps"],
        "inputs": {"seed": {"random": True}, "steps": {"default": 20}, "prompt": {"node": "6", "field": "text"}},
    },
    "wf_free": {"required_inputs": []},
}
TYPES = {"DEPTH": "image", "mesh": "3d"}

words = st.sampled_from(
    ["T2I", "DEPTH", "wf", "wf_free", "nope", "fail", "version", "a\x1b", "\ud800", "ä\n北", "", "9"]
)
scalars = st.one_of(
    words,
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, 1, -1, 20, 21, 999, 1000, 2**64, 0.0, 1.5, 1.0, 2592000.0, 2592001, float("inf"), float("nan")]
    ),
)
keys = st.sampled_from(["prompt", "seed", "a", "9.text", "a\x07", "", 1, None])
data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)
file_paths = st.sampled_from(["a.png", "jobs/finished/image/cat_{index}.png", "../a.png", "con.png", "a.exe", "", 7])
jobs = st.fixed_dictionaries(
    {},
    optional={
        "job_type": words,
        "workflow_id": words,
        "priority": scalars,
        "retry_limit": scalars,
        "timeout_seconds": scalars,
        "inputs": st.dictionaries(keys, data, max_size=3) | data,
        "outputs": data
        | st.fixed_dictionaries(
            {"file_path": file_paths}, optional={"if_exists": words | st.none(), "nodes": data, "x": data}
        ),
        "metadata": data,
        "other": data,
    },
)
good_values = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=9) | st.integers() | st.booleans()
good_jobs = st.fixed_dictionaries(
    {
        "job_type": st.sampled_from(["T2I", "DEPTH"]),
        "workflow_id": st.just("wf"),
        "inputs": st.dictionaries(st.sampled_from(["prompt", "a"]), good_values).map(
            lambda given: {"prompt": "x", **given}
        ),
        "outputs": st.fixed_dictionaries(
            {"file_path": st.sampled_from(["a.png", "b/{index}.mp4"])},
            optional={"if_exists": st.sampled_from(["fail", None]), "nodes": st.sampled_from([["9"], None])},
        ),
    },
    optional={
        "priority": st.integers() | st.none(),
        "timeout_seconds": st.sampled_from([1, 0.5, None]),
        "metadata": st.none() | st.dictionaries(st.text("ab"), good_values | st.lists(good_values), max_size=3),
    },
)
changes = st.dictionaries(
    st.sampled_from(["job_type", "workflow_id", "priority", "inputs", "metadata", "x"]), data, max_size=2
)
name_parts = st.sampled_from(
    [
        "T2I",
        "t2i",
        "DEPTH",
        "mesh",
        "2",
        "20250809123001",
        "20250230123001",
        "1",
        "1" * 10,
        "cat",
        "-a",
        "a.b",
        "ä",
        "x" * 99,
        "y" * 100,
        "a b",
        "",
        "a\n",
        "dir/T2I",
        "a\\b",
        "٣",
        "yaml",
        "a.yml",
    ]
)
file_names = st.tuples(
    st.lists(name_parts, min_size=3, max_size=6).map("_".join),
    st.sampled_from([".yaml", ".yml", ".yaml.yaml", "", ".yaml\n"]),
).map("".join)
path_parts = st.sampled_from(
    [
        "a",
        "jobs",
        "cat_{index}",
        "CON",
        "con.",
        "conx",
        "LPT1",
        "com¹",
        "v1.2",
        ".",
        "..",
        "",
        "~",
        "$x",
        "%a%",
        "a b",
        " a",
        "a.",
        "x" * 240,
        "x" * 241,
        "ü" * 121,
        "a:",
        "C:",
        "a?",
        "\u202e",
        "a\\b",
        "nul.tar",
        "aux",
    ]
)
paths = st.tuples(
    st.lists(path_parts, max_size=5).map("/".join),
    st.sampled_from([".png", ".PNG", ".exe", ".result.json", "", ".", ".p ng", "\n"]),
).map("".join)

settled = settings(deadline=None, database=None, max_examples=300, derandomize=bool(os.environ.get("CI")))


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a call gives, or what it refuses."""
    try:
        return call(*args, **kwargs)
    except InvalidConfig as exc:
        return exc.code, str(exc), exc.line, exc.column


@settled
@given(jobs | st.builds(lambda job, changed: {**job, **changed}, good_jobs, changes) | data)
def test_glance_knows_no_job_that_breaks_a_rule(job: Any) -> None:
    known = validation.Glance(WORKFLOWS, TYPES).knows(job)

    assert not known or validation.problems(job, WORKFLOWS, job_types=TYPES) == []


@settled
@given(good_jobs)
def test_glance_knows_what_jobs_are_like(job: Any) -> None:
    assert validation.problems(job, WORKFLOWS, job_types=TYPES) == []
    assert validation.Glance(WORKFLOWS, TYPES).knows(job)


@pytest.mark.parametrize("given", [{"seed": 1}, {"promt": "x"}], ids=["none", "misspelt"])
def test_glance_leaves_a_missing_input_to_the_rules(given: dict[str, Any]) -> None:
    job = {"job_type": "T2I", "workflow_id": "wf", "inputs": given, "outputs": {"file_path": "a.png"}}

    assert not validation.Glance(WORKFLOWS).knows(job)


@settled
@given(data)
def test_glance_is_plain_data_is_what_the_rules_let_pass(value: Any) -> None:
    problems = list(validation._data_problems(value, ("metadata",)))

    assert glance.is_plain_data(value) == (problems == [])


@settled
@given(jobs | good_jobs | data)
def test_job_schema_fitting_is_what_breaks_nothing(value: Any) -> None:
    schema = job_schema.job_schema(TYPES)

    assert job_schema.fitting(schema)(value) == (list(job_schema.violations(value, schema)) == [])


@settled
@given(file_names)
@example("T2I_20250809123001_1_cat.yaml")
def test_names_parse_config_name_at_once_is_as_part_by_part(name: str) -> None:
    def part_by_part() -> names.ConfigName:
        return names._taken_apart(names._base_name(name), TYPES)

    assert outcome(names.parse_config_name, name, job_types=TYPES) == outcome(part_by_part)


@settled
@given(file_names)
@example("T2I_20250809123001_1_cat-sync-conflict-2025.yaml")
@example("T2I_20250809123001_1_catSFConflict.yaml")
@example("T2I_20250809123001_1_cat.yaml")
def test_names_is_ignored_name_at_once_is_as_with_care(name: str) -> None:
    assert names.is_ignored_name(name) == names._is_ignored(name.casefold())


@settled
@given(paths)
@example("x" * 1021 + ".png")
@example("a/" * 510 + ".png")
@example("a/" * 510 + "a.png")
@example("/a/b.png")
@example("//a/b.png")
def test_output_paths_check_output_path_at_once_is_as_part_by_part(path: str) -> None:
    found = outcome(output_paths.check_output_path, path, windows=False)

    assert found == outcome(output_paths._check_with_care, path, windows=False)


@settled
@given(st.binary(max_size=20) | st.text().map(lambda text: text.encode("utf-8", "replace")))
@example(b"\xef\xbb\xbfa")
@example(b"a: 1\t\r\n")
@example(b"\x7f")
def test_strict_values_decode_at_once_is_as_with_care(raw: bytes) -> None:
    assert outcome(strict_values.decode, raw) == outcome(strict_values._decode_with_care, raw)
