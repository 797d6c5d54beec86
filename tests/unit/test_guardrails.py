"""What pauses the queue by itself, and what lets it go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import guardrails
from comfyui_e3.e3_nodes.errors import DiskFull
from comfyui_e3.e3_nodes.guardrails import Guardrails
from fakes import Home

NO_MODEL = "ComfyUI refuses the prompt: node 4 (CheckpointLoaderSimple): Value not in list: ckpt_name: 'x' not in []"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.db.close()


def reason(home: Home) -> str | None:
    return home.db.queue_state()["auto_reason"]


def ended(number: int, status: str = "failed", error_type: str = "error") -> Any:
    return {"id": number, "status": status, "error_type": error_type}


@pytest.mark.parametrize(
    ("kinds", "pauses"),
    [
        (["error", "error", "error"], True),
        (["error", "error"], False),
        (["error", "oom", "error"], False),
        (["oom", "error", "error", "error"], True),
    ],
)
def test_guardrails_pause_after_failures_of_one_kind(home: Home, kinds: list[str], pauses: bool) -> None:
    guard = Guardrails(failure_limit=3)

    for number, kind in enumerate(kinds):
        guard.note_failure(ended(number, error_type=kind), "boom", home.db)

    assert (reason(home) is not None) is pauses


def test_guardrails_never_pause_for_failures_unless_told(home: Home) -> None:
    guard = Guardrails()

    for number in range(50):
        guard.note_failure(ended(number), "node 3 (X): ValueError: no", home.db)

    assert reason(home) is None


def test_guardrails_count_failures_anew_after_a_success(home: Home) -> None:
    guard = Guardrails(failure_limit=2)

    guard.note_failure(ended(1), "boom", home.db)
    guard.note_success()
    guard.note_failure(ended(2), "boom", home.db)

    assert reason(home) is None


@pytest.mark.parametrize(
    ("cause", "is_the_hosts"),
    [
        (NO_MODEL, True),
        ("node 3 (KSampler): RuntimeError: CUDA error: device-side assert triggered", True),
        ("ComfyUI refuses the prompt: node 7 (Gone): Node 'Gone' not found; missing node type", True),
        ("node 3 (X): ValueError: out of luck", False),
    ],
)
def test_guardrails_pause_when_three_jobs_suffer_one_fault_of_the_host(
    home: Home, cause: str, is_the_hosts: bool
) -> None:
    guard = Guardrails()
    for number in (1, 2, 2, 1):
        guard.note_failure(ended(number, status="pending"), cause, home.db)
    assert reason(home) is None

    guard.note_failure(ended(3, status="pending"), f"{cause}\nand a traceback", home.db)

    assert (reason(home) or "").startswith("host_fault") is is_the_hosts


def test_guardrails_pause_after_three_evictions_and_count_anew_after_a_resume(home: Home) -> None:
    guard = Guardrails()
    for _ in range(3):
        assert reason(home) is None
        guard.note_eviction(home.db)
    assert (reason(home) or "").startswith("evicted")

    home.db.set_user_paused(False)
    guard.note_eviction(home.db)

    assert reason(home) is None


def test_guardrails_resume_if_disk_has_room(home: Home, tmp_path: Path) -> None:
    home.db.set_auto_pause(guardrails.DISK_FULL)

    assert guardrails.resume_if_disk_has_room(home.cfg, tmp_path, home.db)

    assert reason(home) is None
    assert not list(tmp_path.rglob("*.part"))


def test_guardrails_stay_paused_while_the_probe_finds_no_room(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any, **_more: Any) -> Any:
        raise DiskFull("no room")

    monkeypatch.setattr(guardrails.linking, "hidden_file", full)
    home.db.set_auto_pause(guardrails.DISK_FULL)

    assert not guardrails.resume_if_disk_has_room(home.cfg, tmp_path, home.db)
    assert reason(home) == guardrails.DISK_FULL


@pytest.mark.parametrize("other", ["evicted: x", "failures: y", None])
def test_guardrails_room_lifts_no_other_pause(home: Home, other: str | None) -> None:
    home.db.set_auto_pause(other)

    assert not guardrails.resume_if_disk_has_room(home.cfg, None, home.db)
    assert reason(home) == other


def test_guardrails_room_never_lifts_a_persons_pause(home: Home) -> None:
    home.db.set_user_paused(True)
    home.db.set_auto_pause(guardrails.DISK_FULL)

    guardrails.resume_if_disk_has_room(home.cfg, None, home.db)

    assert home.db.queue_state()["paused"]
