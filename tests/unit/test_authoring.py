"""Jobs written, named and copied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import authoring
from comfyui_e3.e3_nodes.errors import InvalidConfig, NameConflict
from comfyui_e3.e3_nodes.parsing import strict_yaml
from comfyui_e3.e3_nodes.validation import names
from fakes import Home
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2025, 8, 9, 12, 30, 1)
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
        lambda char: char in "\t\n" or (not 0x7F <= ord(char) <= 0x9F and ord(char) >= 0x20)
    )
    | st.sampled_from(list(":#-?'\"\\|>%@`{}[],&*!\u0085\u2028\u2029\ufeff \n\t~<=01eE.+"))
)
WORDS = st.sampled_from(
    ["", "no", "NO", "null", "~", "1e5", "0o17", "0x1F", "1:30", "2024-01-01", "-", "? a", "<<", "y"]
)
SCALARS = TEXT | WORDS | st.integers(-(2**63) + 1, 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | WORDS, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.db.close()


@given(st.dictionaries(TEXT | WORDS, VALUES, min_size=1, max_size=4))
def test_authoring_write_yaml_is_read_back_as_the_same(job: dict[str, Any]) -> None:
    document = strict_yaml.read(authoring.write_yaml(job))

    assert document.data == job
    assert document.warnings == []


def test_authoring_write_yaml_reads_like_a_person_wrote_it() -> None:
    text = authoring.write_yaml(
        {
            "job_type": "T2I",
            "inputs": {"prompt": "a cat: #1", "steps": 30},
            "outputs": {"file_path": "a/b_1.png"},
        }
    )

    assert text.decode().splitlines() == [
        "job_type: T2I",
        "inputs:",
        '  prompt: "a cat: #1"',
        "  steps: 30",
        "outputs:",
        "  file_path: a/b_1.png",
    ]


@pytest.mark.parametrize(
    "jobname",
    ["wf", "../../etc", "ünïcödé", "_x", "", "...", "a b/c\\d", "x" * 500, "é" * 200, "<script>", "a__b"],
)
def test_authoring_free_name_is_always_a_good_name(home: Home, jobname: str) -> None:
    name = authoring.free_name("T2I", jobname, home.cfg, home.db, NOW)

    parsed = names.parse_config_name(name)
    assert (parsed["timestamp"], parsed["index"]) == ("20250809123001", 1)


def test_authoring_free_name_passes_over_rows_and_files(home: Home) -> None:
    home.submit(name="T2I_20250809123001_1_wf.yaml")
    (home.processing / "T2I_20250809123001_2_wf.yaml").write_text("still growing")

    assert authoring.free_name("T2I", "wf", home.cfg, home.db, NOW) == "T2I_20250809123001_3_wf.yaml"


def test_authoring_free_name_refuses_an_unknown_type(home: Home) -> None:
    with pytest.raises(InvalidConfig, match="T2X"):
        authoring.free_name("T2X", "wf", home.cfg, home.db, NOW)


def test_authoring_submit_new_passes_over_a_name_that_was_just_taken(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = home.submit(name="T2I_20250809123001_1_wf.yaml")
    offered = iter([taken["config_name"], "T2I_20250809123001_2_wf.yaml"])
    monkeypatch.setattr(authoring, "free_name", lambda *args: next(offered))

    job = authoring.submit_new(home.body("new"), None, home.cfg, home.workflows, home.db)

    assert job["config_name"] == "T2I_20250809123001_2_wf.yaml"


@pytest.mark.parametrize("name", [5, ["x"], {"a": 1}], ids=str)
def test_authoring_submit_new_refuses_a_name_that_is_no_text(home: Home, name: Any) -> None:
    with pytest.raises(InvalidConfig, match="name must be text"):
        authoring.submit_new({"name": name, **home.body("x")}, None, home.cfg, home.workflows, home.db)


def test_authoring_submit_new_keeps_a_name_that_is_taken_for_its_owner(home: Home) -> None:
    job = home.submit()

    with pytest.raises(NameConflict):
        authoring.submit_new(home.body("other"), job["config_name"], home.cfg, home.workflows, home.db)


@pytest.mark.parametrize(
    ("file_path", "expected"),
    [
        ("jobs/finished/image/{old}.png", "jobs/finished/image/{new}.png"),
        ("jobs/finished/image/{old}_big.png", "jobs/finished/image/{new}_big.png"),
        ("jobs/finished/image/cat.png", "jobs/finished/image/{new}.png"),
        ("jobs/finished/image/cat_{{index}}.png", "jobs/finished/image/{new}_{{index}}.png"),
        ("jobs\\finished\\image\\cat.png", "jobs/finished/image/{new}.png"),
    ],
)
def test_authoring_copy_job_names_the_result_after_the_copy(home: Home, file_path: str, expected: str) -> None:
    stem = "T2I_20250101120000_7_cat"
    home.submit(name=f"{stem}.yaml", outputs={"file_path": file_path.format(old=stem)})

    copy = authoring.copy_job(home.db, stem, {}, home.cfg, home.workflows)

    new = copy["config_name"].removesuffix(".yaml")
    assert copy["config"]["outputs"]["file_path"] == expected.format(new=new)


def test_authoring_copy_job_keeps_the_priority_of_now(home: Home) -> None:
    job = home.submit(priority=40, retry_limit=1, timeout_seconds=9)
    home.db.set_priority(job["config_name"], 3)

    copy = authoring.copy_job(home.db, job["config_name"], {"width": 48}, home.cfg, home.workflows)

    assert (copy["priority"], copy["retry_limit"], copy["config"]["timeout_seconds"]) == (3, 1, 9)
    assert copy["config"]["inputs"]["width"] == 48
