"""From a dropped job file to the finished file, as a person sees it.

The suite runs with E3 inside ComfyUI as a plugin, and with E3 outside as an agent; on the embedded host always, and on
the ComfyUI that ``COMFYUI_PATH`` and ``COMFYUI_PYTHON`` name.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import available_hosts
from studio import AgentStudio, Studio, audio_graph, image_graph, through, video_graph, write_whole

SURFACES = [(kind, host) for kind in (Studio, AgentStudio) for host in available_hosts()]


@pytest.fixture(scope="module", params=SURFACES, ids=lambda surface: f"{surface[0].__name__}-{surface[1].name}")
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio that stays open for the whole file; its plugin folder has a space and a dot in its name."""
    kind, host = request.param
    with kind(host(), tmp_path_factory.mktemp(host.name), plugin_folder="My E3.plugin") as studio:
        studio.workflow("image", image_graph())
        studio.workflow("batch", image_graph(batch=3))
        studio.workflow("video", video_graph())
        studio.workflow("audio", audio_graph())
        studio.workflow("raises", through("TestRaises", message="out of luck"))
        studio.workflow("unknown_node", through("NoSuchNode"))
        studio.workflow("slow", through("TestSleeps", seconds=1.0))
        yield studio


@pytest.fixture(autouse=True)
def _resumed(studio: Studio) -> Iterator[None]:
    """Leave the queue running for the next test."""
    yield
    studio.post("queue/resume")


def _is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def test_acceptance_image_job_becomes_its_file(studio: Studio) -> None:
    job = studio.job("image", {"width": 96})

    studio.drop(job)

    row = studio.ended(job)
    assert _is_png(job["result"])
    assert (row["run_count"], row["retries_attempted"]) == (1, 0)
    assert row["start_time"] <= row["end_time"] and row["duration"] >= 0
    assert not (studio.processing / "image" / job["name"]).exists()
    assert (studio.finished / "image" / job["name"]).exists()


@pytest.mark.parametrize(
    ("workflow_id", "job_type", "extension", "magic"),
    [("video", "T2V", "mp4", b"ftyp"), ("audio", "AUDIO", "flac", b"fLaC"), ("audio", "SPEECH", "flac", b"fLaC")],
    ids=["video", "audio", "speech"],
)
def test_acceptance_other_media_become_their_files(
    studio: Studio, workflow_id: str, job_type: str, extension: str, magic: bytes
) -> None:
    job = studio.job(workflow_id, job_type=job_type, extension=extension)

    studio.drop(job)

    studio.ended(job)
    assert magic in job["result"].read_bytes()[:12]


def test_acceptance_three_images_become_numbered_files(studio: Studio) -> None:
    job = studio.job("batch")

    studio.drop(job)

    row = studio.ended(job)
    stem = job["result"].with_suffix("")
    assert row["metadata"]["saved"] == [str(job["result"]), f"{stem}_2.png", f"{stem}_3.png"]
    assert all(_is_png(Path(path)) for path in row["metadata"]["saved"])


def test_acceptance_same_graph_again_still_yields_its_file(studio: Studio) -> None:
    jobs = [studio.job("image", {"width": 80}) for _ in range(3)]

    studio.drop(*jobs)

    for job in jobs:
        studio.ended(job)
        assert _is_png(job["result"])


def test_acceptance_unknown_node_fails_at_once(studio: Studio) -> None:
    job = studio.job("unknown_node")

    studio.drop(job)

    row = studio.ended(job, "failed")
    assert (row["error_type"], row["run_count"]) == ("invalid", 1)
    assert "NoSuchNode" in row["error_trace"]
    assert (studio.processing / "image" / job["name"]).exists()


def test_acceptance_raising_node_is_retried_and_keeps_its_trace(studio: Studio) -> None:
    job = studio.job("raises", retry_limit=0)

    studio.drop(job)

    row = studio.ended(job, "failed")
    assert row["error_type"] == "error"
    assert "node 5 (TestRaises): ValueError: out of luck" in row["error_trace"]
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["failed"]


def test_acceptance_retry_waits_before_it_runs_again(studio: Studio) -> None:
    job = studio.job("raises", retry_limit=1)

    studio.drop(job)

    studio.until(lambda: studio.row(job).get("retries_attempted") == 1, "the first retry")
    row = studio.row(job)
    assert row["status"] == "pending" and row["not_before"] > time.time() * 1000
    studio.post(f"jobs/{job['name']}/cancel")


def test_acceptance_bad_files_are_rejected_and_harm_nothing(studio: Studio) -> None:
    good, bad = studio.job("image"), studio.job("image", wrokflow="x")
    broken = studio.processing / "image" / "T2I_20250101120000_900_broken.yaml"

    write_whole(broken, "job_type: T2I\ninputs: [unclosed\n")
    studio.drop(bad, good)

    studio.ended(good)
    studio.until(lambda: {bad["name"], broken.name} <= set(studio.rejections()), "both rejections")
    rejections = studio.rejections()
    assert rejections[bad["name"]]["code"] == "unknown_field"
    assert rejections[broken.name]["code"] == "yaml_syntax" and rejections[broken.name]["line"] >= 2
    assert broken.exists() and (studio.processing / "image" / bad["name"]).exists()


def test_acceptance_mended_file_is_taken(studio: Studio) -> None:
    job = studio.job("image")
    wrong = {**job, "body": {**job["body"], "workflow_id": "imgae"}}
    studio.drop(wrong)
    studio.until(lambda: job["name"] in studio.rejections(), "the rejection")
    assert "did you mean image" in studio.rejections()[job["name"]]["reason"]

    studio.drop(job)

    studio.ended(job)
    assert job["name"] not in studio.rejections()


def test_acceptance_half_written_file_is_taken_when_it_is_whole(studio: Studio) -> None:
    import json

    job = studio.job("image", {"width": 72})
    text = json.dumps(job["body"], indent=1)
    path = studio.processing / "image" / job["name"]
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, len(text), 60):
            file.write(text[start : start + 60])
            file.flush()
            time.sleep(0.05)

    studio.ended(job)
    assert _is_png(job["result"])


@pytest.mark.parametrize(
    "path", ["../../x.png", "jobs/finished/../../x.png", "/etc/x.png", "workflows/x.png", "jobs/processing/image/x.png"]
)
def test_acceptance_paths_outside_are_refused(studio: Studio, path: str) -> None:
    job = studio.job("image", outputs={"file_path": path})

    studio.drop(job)

    studio.until(lambda: job["name"] in studio.rejections(), "the rejection")
    assert studio.rejections()[job["name"]]["code"] == "path_outside"


def test_acceptance_strangers_file_is_never_replaced(studio: Studio) -> None:
    job = studio.job("image")
    job["result"].parent.mkdir(parents=True, exist_ok=True)
    job["result"].write_bytes(b"mine")

    studio.drop(job)

    row = studio.ended(job, "failed")
    assert row["error_type"] == "output_exists"
    assert job["result"].read_bytes() == b"mine"


def test_acceptance_order_is_god_mode_priority_arrival(studio: Studio) -> None:
    studio.post("queue/pause")
    first, second = studio.job("image", title="first"), studio.job("image", title="second")
    urgent, late = studio.job("image", priority=10, title="urgent"), studio.job("image", title="god")
    for job in (first, second, urgent, late):
        studio.drop(job)
        studio.becomes(job, "pending")
    studio.post(f"jobs/{late['name']}/god-mode")

    time.sleep(0.5)
    assert studio.row(first)["status"] == "pending"
    studio.post("queue/resume")

    rows = [studio.ended(job) for job in (late, urgent, first, second)]
    starts = [row["start_time"] for row in rows]
    assert starts == sorted(starts)


def test_acceptance_persons_prompt_goes_before_the_waiting_batch(studio: Studio) -> None:
    jobs = [studio.job("slow", {"seconds": 1.0 + number / 100}) for number in range(3)]
    studio.drop(*jobs)
    studio.until(lambda: studio.row(jobs[0]).get("phase") == "executing", "the first job to run")

    prompt_id = str(uuid.uuid4())
    status, _ = studio.host.post("/prompt", {"prompt": image_graph(width=123), "prompt_id": prompt_id})

    assert status == 200
    entry = studio.host.wait_for(prompt_id)
    rows = [studio.ended(job) for job in jobs]
    ended = entry["status"]["messages"][-1][1]["timestamp"]
    assert rows[0]["end_time"] <= ended <= rows[1]["start_time"] + 50


def test_acceptance_cancel_stops_only_the_job_that_is_meant(studio: Studio) -> None:
    meant, other = studio.job("slow", {"seconds": 30.0}), studio.job("image")
    studio.drop(meant)
    studio.until(lambda: studio.row(meant).get("phase") == "executing", "the job to run")
    studio.drop(other)

    status, _ = studio.post(f"jobs/{meant['name']}/cancel")

    assert status == 200
    assert studio.ended(meant, "cancelled")["error_type"] == "interrupted"
    studio.ended(other)


def test_acceptance_stop_button_cancels_and_is_not_retried(studio: Studio) -> None:
    job = studio.job("slow", {"seconds": 29.0})
    studio.drop(job)
    studio.until(lambda: studio.row(job).get("phase") == "executing", "the job to run")

    studio.until(
        lambda: studio.host.post("/interrupt", {}) and studio.row(job).get("status") != "processing", "the stop"
    )

    assert studio.ended(job, "cancelled")["error_type"] == "interrupted"


def test_acceptance_timeout_interrupts_and_is_typed(studio: Studio) -> None:
    job = studio.job("slow", {"seconds": 28.0}, timeout_seconds=1, retry_limit=0)

    studio.drop(job)

    row = studio.ended(job, "failed")
    assert row["error_type"] == "timeout" and "1 s" in row["error_trace"]


def test_acceptance_more_urgent_job_takes_the_waiting_ones_place(studio: Studio) -> None:
    running = studio.job("slow", {"seconds": 2.0})
    waiting, urgent = studio.job("image", {"width": 65}), studio.job("image", {"width": 66}, priority=1)
    studio.drop(running)
    studio.until(lambda: studio.row(running).get("phase") == "executing", "the first job to run")
    studio.drop(waiting)
    studio.until(lambda: studio.row(waiting).get("phase") == "submitted", "the second to wait in ComfyUI")

    studio.drop(urgent)

    rows = {title: studio.ended(job) for title, job in (("urgent", urgent), ("waiting", waiting))}
    assert rows["urgent"]["start_time"] <= rows["waiting"]["start_time"]
    assert rows["waiting"]["run_count"] == 1
    assert "returned" in [attempt["outcome"] for attempt in rows["waiting"]["attempts"]]


def test_acceptance_e3_inputs_take_values_by_name(studio: Studio) -> None:
    graph = image_graph()
    graph["20"] = {
        "class_type": "E3InputInteger",
        "inputs": {"name": "side", "value": 64, "required": True, "min": 16, "max": 512},
    }
    graph["1"]["inputs"]["width"] = ["20", 0]
    graph["1"]["inputs"]["height"] = ["20", 0]
    studio.workflow("described", graph)
    job = studio.job("described", {"side": 160})

    studio.drop(job)

    studio.ended(job)
    assert job["result"].read_bytes()[16:24] == (160).to_bytes(4, "big") * 2


def test_acceptance_file_input_is_delivered(studio: Studio) -> None:
    source = studio.job("image", {"width": 48})
    studio.drop(source)
    studio.ended(source)
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    studio.workflow("copy", graph, inputs={"image": {"node": "1", "field": "image", "type": "file"}})
    job = studio.job("copy", {"image": str(source["result"].relative_to(studio.home))})

    studio.drop(job)

    studio.ended(job)
    assert job["result"].read_bytes()[16:20] == (48).to_bytes(4, "big")
