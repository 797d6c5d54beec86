"""Job files judged together: all of them are taken in, or none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import judging, monitor
from comfyui_e3.e3_nodes.errors import DiskFull
from comfyui_e3.e3_nodes.file_utils import linking
from comfyui_e3.e3_nodes.judging import Candidate
from fakes import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.db.close()


def candidate(home: Home, number: int = 1, **changes: Any) -> Candidate:
    name = f"T2I_20250101120000_{number}_test.yaml"
    body = home.body(name.removesuffix(".yaml"), **changes)
    found = Candidate(name, name, json.dumps(body, indent=1).encode())
    judging.judge(found, home.cfg, home.workflows)
    return found


def codes(found: Candidate) -> list[tuple[str, int | None]]:
    return [(problem.code, problem.line) for problem in found.problems]


def test_judging_judge_gives_the_row_of_a_good_file(home: Home) -> None:
    found = candidate(home)

    assert found.problems == [] and found.row is not None
    assert found.row["config_name"] == "T2I_20250101120000_1_test.yaml"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"inputs": {"widht": 3, "width": "wide"}}, [("input_unknown", 5), ("bad_type", 6)]),
        ({"job_type": "I2I"}, [("bad_value", 2)]),
        ({"outputs": {"file_path": "elsewhere/a.png"}}, [("path_outside", 8)]),
        ({"priority": "high", "retry_limit": "some"}, [("bad_type", 10), ("bad_type", 11)]),
    ],
    ids=["inputs", "type", "path", "fields"],
)
def test_judging_judge_places_every_problem(home: Home, changes: dict[str, Any], wanted: list[Any]) -> None:
    assert codes(candidate(home, **changes)) == wanted


def test_judging_judge_tells_a_bad_name_beside_bad_content(home: Home) -> None:
    found = Candidate("knight.yaml", "knight.yaml", b"job_tpye: T2I\n")

    judging.judge(found, home.cfg, home.workflows)

    assert codes(found)[:2] == [("name_invalid", None), ("unknown_field", 1)]


def test_judging_deliver_takes_all_in(home: Home) -> None:
    found = [candidate(home, number) for number in (1, 2)]
    judging.judge_names(found, home.cfg, home.db)

    findings = judging.deliver(found, home.cfg, home.workflows, home.db)

    assert [finding.get("status") for finding in findings] == ["accepted", "accepted"]
    assert home.db.count_by_status()["pending"] == 2
    assert not [path for path in home.processing.iterdir() if path.name.startswith(".")]


def test_judging_deliver_a_full_disk_takes_none(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [candidate(home, number) for number in (1, 2, 3)]
    fill, written = linking._fill, []

    def fill_twice(*args: Any) -> None:
        if len(written) == 2:
            raise DiskFull("no room")
        written.append(fill(*args))

    monkeypatch.setattr(linking, "_fill", fill_twice)

    with pytest.raises(DiskFull):
        judging.deliver(found, home.cfg, home.workflows, home.db)

    assert list(home.processing.iterdir()) == [] and home.db.count_by_status()["pending"] == 0


def test_judging_deliver_bears_with_another_process_that_is_faster(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [candidate(home, number) for number in (1, 2)]
    first = home.processing / found[0].name

    def look_at_once(hidden: str) -> None:
        Path(hidden).unlink()
        if first.exists():
            monitor.take_files([str(first)], home.cfg, home.workflows, home.db)
            first.unlink()

    monkeypatch.setattr(judging, "remove_quietly", look_at_once)

    findings = judging.deliver(found, home.cfg, home.workflows, home.db)

    assert [finding.get("config_name") for finding in findings] == [found[1].name]
    assert home.db.count_by_status()["pending"] == 2


def test_judging_deliver_again_does_nothing(home: Home) -> None:
    first, again = candidate(home), candidate(home)
    judging.deliver([first], home.cfg, home.workflows, home.db)

    judging.judge_names([again], home.cfg, home.db)

    assert again.is_known and again.problems == []
    assert judging.deliver([again], home.cfg, home.workflows, home.db) == []
