"""The operator's verbs."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import queue_manager
from comfyui_e3.e3_nodes.errors import InvalidConfig, UnknownJob, WrongState
from fakes import Home


@pytest.fixture
def home(tmp_path: Path):
    home = Home(tmp_path)
    yield home
    home.db.close()


def _names(home: Home, status: str | None = "pending") -> list[str]:
    return [row["config_name"] for row in queue_manager.list_queue(home.db, status)]


@pytest.mark.parametrize(("busy", "may"), [(True, False), (False, True)], ids=["busy", "idle"])
def test_queue_manager_should_run_next_only_when_idle(busy: bool, may: bool) -> None:
    assert queue_manager.should_run_next(busy) is may


def test_queue_manager_list_queue_filters_by_status(home) -> None:
    first, second = home.submit(), home.submit()
    home.db.cancel_job(second["config_name"])

    assert _names(home) == [first["config_name"]]
    assert _names(home, "cancelled") == [second["config_name"]]
    assert len(_names(home, None)) == 2


def test_queue_manager_job_details_has_everything(home) -> None:
    job = home.submit(metadata={"creator": "me"})

    details = queue_manager.job_details(home.db, job["config_name"].removesuffix(".yaml"))

    assert details["inputs"] == {"width": 32} and details["metadata"] == {"creator": "me"}
    assert details["attempts"] == [] and details["error_trace"] is None


@pytest.mark.parametrize("verb", ["job_details", "retry_job", "god_mode", "cancel_job", "apply_god_mode"])
def test_queue_manager_verbs_name_an_unknown_job(home, verb: str) -> None:
    with pytest.raises(UnknownJob, match="T2I_20250101120000_9_none"):
        getattr(queue_manager, verb)(home.db, "T2I_20250101120000_9_none.yaml")


def test_queue_manager_set_priority_persists(home) -> None:
    first, second = home.submit(), home.submit()

    queue_manager.set_priority(home.db, second["config_name"], 10)

    assert home.row(second)["priority"] == 10
    assert _names(home) == [second["config_name"], first["config_name"]]


@pytest.mark.parametrize("priority", [0, 1000, -1, 2**63, "1", 1.5, True, None])
def test_queue_manager_set_priority_refuses_what_is_no_priority(home, priority) -> None:
    job = home.submit()

    with pytest.raises(InvalidConfig, match="1-999"):
        queue_manager.set_priority(home.db, job["config_name"], priority)


def test_queue_manager_god_mode_last_click_wins(home) -> None:
    first, second, third = home.submit(), home.submit(), home.submit()

    queue_manager.god_mode(home.db, second["config_name"])
    queue_manager.god_mode(home.db, third["config_name"])

    assert _names(home) == [third["config_name"], second["config_name"], first["config_name"]]


def test_queue_manager_apply_god_mode_sets_priority_one(home) -> None:
    job = home.submit(priority=700)

    assert queue_manager.apply_god_mode(home.db, job["config_name"]) is None

    assert home.row(job)["priority"] == 1


def test_queue_manager_move_job_puts_it_before_another(home) -> None:
    first, second, third = home.submit(), home.submit(), home.submit()

    queue_manager.move_job(home.db, third["config_name"], first["config_name"])
    queue_manager.move_job(home.db, first["config_name"], None)

    assert _names(home) == [third["config_name"], second["config_name"], first["config_name"]]


def test_queue_manager_retry_job_only_of_what_failed(home) -> None:
    job = home.submit()
    with pytest.raises(WrongState, match="pending"):
        queue_manager.retry_job(home.db, job["config_name"])
    home.db.cancel_job(job["config_name"])

    assert queue_manager.retry_job(home.db, job["config_name"])["status"] == "pending"


def test_queue_manager_pause_queue_holds_leases_back(home) -> None:
    home.submit()

    queue_manager.pause_queue(home.db)
    assert home.db.lease_next_job("w", 60) is None

    queue_manager.resume_queue(home.db)
    assert home.db.lease_next_job("w", 60) is not None
