"""The agent outside ComfyUI dies, or ComfyUI does, while a prompt is under way; nothing runs twice or gets lost.

On the embedded host always, and on the ComfyUI that ``COMFYUI_PATH`` and ``COMFYUI_PYTHON`` name.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hosts import Host, available_hosts
from studio import PACKS, Agent, AgentStudio, image_graph, through

SETTINGS = {"lease_seconds": 8, "crash_limit": 2, "retry_limit": 0}


@pytest.fixture(params=available_hosts(), ids=lambda host: host.name)
def studio(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AgentStudio]:
    with AgentStudio(request.param(), tmp_path, settings=SETTINGS) as studio:
        studio.workflow("image", image_graph())
        studio.workflow("slow", through("TestSleeps", seconds=1.0))
        yield studio


def executions(host: Host, job: Mapping[str, Any]) -> int:
    """Count how often a ComfyUI has run a job, by its own history."""
    _, history = host.get("/history")
    return sum(entry["prompt"][3].get("e3_job") == job["name"] for entry in history.values())


def drop_and_wait(studio: AgentStudio, job: Mapping[str, Any], phase: str = "executing") -> dict[str, Any]:
    """Drop a job, and return its row when ComfyUI runs it."""
    studio.drop(job)
    studio.until(lambda: studio.row(job).get("phase") == phase, f"{job['name']} to be {phase}")
    return studio.row(job)


def check_ran_once(studio: AgentStudio, job: Mapping[str, Any]) -> None:
    row = studio.ended(job)
    assert job["result"].read_bytes().endswith(b"IEND\xaeB`\x82")
    assert (row["run_count"], row["crash_count"], row["retries_attempted"]) == (1, 0, 0)
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["done"]
    assert executions(studio.host, job) == 1


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "stopped"])
def test_adoption_prompt_that_runs_is_gone_on_with(studio: AgentStudio, kill: bool) -> None:
    job = studio.job("slow", {"seconds": 4.0})
    before = drop_and_wait(studio, job)

    studio.stop_agent(kill=kill)
    studio.start_agent()

    check_ran_once(studio, job)
    row = studio.row(job)
    assert row["attempts"][0]["worker_id"] != before["worker_id"]
    assert abs(row["start_time"] - before["start_time"]) < 2000


def test_adoption_prompt_that_ended_meanwhile_gives_its_file(studio: AgentStudio) -> None:
    job = studio.job("slow", {"seconds": 1.5})
    before = drop_and_wait(studio, job)

    studio.stop_agent(kill=True)
    studio.host.wait_for(before["prompt_id"])
    studio.start_agent()

    check_ran_once(studio, job)


def test_adoption_prompt_that_waits_behind_a_persons_prompt(studio: AgentStudio) -> None:
    theirs = str(uuid.uuid4())
    graph = through("TestSleeps", seconds=5.0)
    assert studio.host.post("/prompt", {"prompt": graph, "prompt_id": theirs})[0] == 200
    job = studio.job("image")
    before = drop_and_wait(studio, job, "submitted")
    studio.until(lambda: before["prompt_id"] in str(studio.host.get("/queue")[1]["queue_pending"]), "the prompt")

    studio.stop_agent(kill=True)
    studio.start_agent()

    check_ran_once(studio, job)
    ended = studio.host.wait_for(theirs)["status"]["messages"][-1][1]["timestamp"]
    assert ended <= studio.row(job)["start_time"]


def test_adoption_prompt_of_an_agent_that_died_twice(studio: AgentStudio) -> None:
    job = studio.job("slow", {"seconds": 8.0})
    token = drop_and_wait(studio, job)["lease_token"]

    for _ in range(2):
        studio.stop_agent(kill=True)
        studio.start_agent()
        studio.until(lambda token=token: studio.row(job)["lease_token"] not in (None, token), "the adoption")
        token = studio.row(job)["lease_token"]

    check_ran_once(studio, job)


def test_adoption_adopted_job_can_be_cancelled(studio: AgentStudio) -> None:
    job = studio.job("slow", {"seconds": 60.0})
    before = drop_and_wait(studio, job)
    studio.stop_agent(kill=True)
    studio.start_agent()
    studio.until(lambda: studio.row(job)["lease_token"] != before["lease_token"], "the adoption")

    studio.post(f"jobs/{job['name']}/cancel")

    assert studio.ended(job, "cancelled")["error_type"] == "interrupted"
    studio.until(lambda: not studio.host.get("/queue")[1]["queue_running"], "ComfyUI to be idle")


def test_adoption_adopted_job_keeps_its_timeout(studio: AgentStudio) -> None:
    job = studio.job("slow", {"seconds": 60.0}, timeout_seconds=6, retry_limit=0)
    drop_and_wait(studio, job)
    time.sleep(2)
    studio.stop_agent(kill=True)
    studio.start_agent()

    row = studio.ended(job, "failed")

    assert row["error_type"] == "timeout"
    assert row["duration"] < 10_000


def test_adoption_waits_for_a_comfyui_that_does_not_answer(studio: AgentStudio) -> None:
    """Both die, and the agent is back first: nobody can tell yet, so nothing is decided."""
    job = studio.job("slow", {"seconds": 2.0})
    before = drop_and_wait(studio, job)
    studio.stop_agent(kill=True)
    studio.host.kill()
    studio.start_agent()
    time.sleep(3)
    left = studio.row(job)
    assert (left["status"], left["lease_token"]) == ("processing", before["lease_token"])

    studio.start_host()

    row = studio.ended(job)
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["crashed", "done"]
    assert row["crash_count"] == 0 and row["run_count"] == 2


def test_adoption_a_night_off_is_no_crash(studio: AgentStudio) -> None:
    """Both are shut down while a job runs, as when somebody turns the machine off; nobody died of the job."""
    job = studio.job("slow", {"seconds": 3.0})
    drop_and_wait(studio, job)
    studio.stop_agent()
    studio.host.kill()
    studio.start_host()

    studio.start_agent()

    row = studio.ended(job)
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["returned", "done"]
    assert (row["crash_count"], row["run_count"]) == (0, 1)


@pytest.mark.skipif(os.name == "nt", reason="Windows freezes no process")
def test_adoption_frozen_agent_touches_nothing_when_it_wakes(studio: AgentStudio) -> None:
    """SIGSTOP past the lease: another agent adopts the prompt; the first one wakes and is fenced."""
    job = studio.job("slow", {"seconds": 12.0})
    before = drop_and_wait(studio, job)
    frozen = studio.agent
    assert frozen is not None
    frozen.process.send_signal(signal.SIGSTOP)
    second = Agent(studio.home, studio.host.url, studio.folder / "second.log")
    try:
        studio.until(lambda: studio.row(job)["lease_token"] != before["lease_token"], "the adoption")
        studio.until(lambda: studio.row(job)["phase"] == "executing", "the run to go on")
        frozen.process.send_signal(signal.SIGCONT)
        check_ran_once(studio, job)
        time.sleep(1)
        check_ran_once(studio, job)
    finally:
        second.stop()


def test_adoption_comfyui_killed_in_the_middle_of_everything(studio: AgentStudio) -> None:
    jobs = [studio.job("image", {"width": 64 + 8 * number}) for number in range(20)]
    slow = studio.job("slow", {"seconds": 3.0}, priority=1)
    drop_and_wait(studio, slow)
    studio.drop(*jobs)
    studio.until(lambda: all(studio.row(job) for job in jobs), "the jobs to be taken in")

    studio.host.kill()
    time.sleep(2)
    studio.start_host()
    studio.until(lambda: sum(studio.row(job)["status"] == "done" for job in jobs) > 3, "some to be done")
    studio.host.kill()
    studio.start_host()

    rows = [studio.ended(job) for job in [slow, *jobs]]
    for job, row in zip([slow, *jobs], rows, strict=True):
        assert job["result"].read_bytes().endswith(b"IEND\xaeB`\x82")
        assert [attempt["outcome"] for attempt in row["attempts"]].count("done") == 1
        assert row["retries_attempted"] == 0
    assert len(list(studio.finished.rglob("*.png"))) == len(jobs) + 1
    assert rows[0]["attempts"][0]["outcome"] == "crashed"


def test_adoption_job_that_kills_its_comfyui_is_set_aside(studio: AgentStudio) -> None:
    poison, other = studio.job("slow", {"seconds": 30.0}), studio.job("image")
    studio.drop(poison)
    for _ in range(SETTINGS["crash_limit"]):
        studio.until(lambda: studio.row(poison).get("phase") == "executing", "the poison to run")
        time.sleep(1)
        studio.host.kill()
        studio.start_host()
        studio.until(lambda: studio.row(poison)["status"] != "processing", "the crash to be counted")
    studio.drop(other)

    row = studio.ended(poison, "failed")
    assert (row["error_type"], row["crash_count"]) == ("crash", 2)
    assert "node 5 (TestSleeps)" in row["error_trace"]
    assert studio.row(poison)["evict_count"] == 0
    studio.ended(other)


def test_adoption_cleared_queue_is_no_crash(studio: AgentStudio) -> None:
    """ComfyUI lives: whoever clears its queue costs a job nothing."""
    running, waiting = studio.job("slow", {"seconds": 5.0}), studio.job("image")
    drop_and_wait(studio, running)
    prompt_id = drop_and_wait(studio, waiting, "submitted")["prompt_id"]
    studio.until(lambda: prompt_id in str(studio.host.get("/queue")[1]["queue_pending"]), "the prompt")

    studio.host.post("/queue", {"clear": True})

    studio.until(lambda: studio.row(waiting)["evict_count"] == 1, "the eviction")
    assert studio.row(waiting)["crash_count"] == 0
    studio.ended(running)


@pytest.fixture
def other_host(studio: AgentStudio, tmp_path: Path) -> Iterator[Host]:
    """A ComfyUI of another agent's."""
    with type(studio.host)() as host:
        yield host.start(tmp_path / "other", {"troublemakers": PACKS / "troublemakers"})


@contextmanager
def second_agent(studio: AgentStudio, host: Host) -> Iterator[None]:
    """Start another agent on the same home, for a ComfyUI of its own."""
    agent = Agent(studio.home, host.url, studio.folder / "second.log")
    try:
        yield
    finally:
        agent.stop()


def test_adoption_agent_of_another_comfyui_takes_over_after_a_while(studio: AgentStudio, other_host: Host) -> None:
    job = studio.job("slow", {"seconds": 2.0})
    drop_and_wait(studio, job)
    studio.stop_agent(kill=True)

    with second_agent(studio, other_host):
        row = studio.ended(job)
        studio.start_agent()
        time.sleep(2)

    assert (executions(studio.host, job), executions(other_host, job)) == (1, 1)
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["crashed", "done"]
    assert studio.row(job)["run_count"] == 2
    assert len(list(studio.finished.rglob("*.png"))) == 1


def test_adoption_agent_of_another_comfyui_leaves_time_to_come_back(studio: AgentStudio, other_host: Host) -> None:
    job, more = studio.job("slow", {"seconds": 3.0}), studio.job("image")
    drop_and_wait(studio, job)
    studio.stop_agent(kill=True)

    with second_agent(studio, other_host):
        studio.drop(more)
        studio.until(lambda: studio.row(more), "the other job to be taken in")
        studio.start_agent()
        check_ran_once(studio, job)
        studio.ended(more)

    assert executions(other_host, job) == 0
