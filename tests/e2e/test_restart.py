"""ComfyUI killed and started anew, and ComfyUI started where E3 cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosts import REPO, Host, available_hosts
from studio import Studio, image_graph, through


@pytest.mark.parametrize("host", available_hosts(), ids=lambda host: host.name)
def test_restart_pending_jobs_survive_a_kill_and_a_restart(host: type[Host], tmp_path: Path) -> None:
    studio = Studio(host(), tmp_path)
    with studio:
        studio.workflow("slow", through("TestSleeps", seconds=1.0))
        studio.workflow("image", image_graph())
        slow, jobs = studio.job("slow", {"seconds": 5.0}), [studio.job("image") for _ in range(3)]
        studio.drop(slow)
        studio.until(lambda: studio.row(slow).get("phase") == "executing", "the slow job to run")
        studio.drop(*jobs)
        for job in jobs:
            studio.until(lambda job=job: studio.row(job), f"{job['name']} to be taken")
        studio.host.kill()

    with studio:
        for job in jobs:
            row = studio.ended(job)
            assert row["retries_attempted"] == 0
        studio.until(lambda: studio.row(slow)["crash_count"] == 1, "the crash to be counted")


@pytest.mark.parametrize("host", available_hosts(), ids=lambda host: host.name)
@pytest.mark.parametrize(
    ("settings", "said"),
    [("retry_limt: 3", "retry_limit"), ("paths: {jobs_processing: /dev/null/jobs}", "/dev/null")],
    ids=["broken settings", "unwritable home"],
)
def test_restart_comfyui_starts_when_e3_cannot(host: type[Host], settings: str, said: str, tmp_path: Path) -> None:
    studio = Studio(host(), tmp_path)
    (studio.home / "global_config.yaml").write_text(settings, "utf-8")
    studio.host.start(studio.base, {"comfyui-e3": REPO}, env={"E3_HOME": str(studio.home)})
    try:
        studio.until(lambda: said in str(studio.host.get("/e3/health")[1]), "health to say what is wrong")
        assert studio.host.get("/system_stats")[0] == 200
        assert said in studio.host.log_tail()
        assert studio.host.get("/e3/jobs")[0] == 503
    finally:
        studio.close()
