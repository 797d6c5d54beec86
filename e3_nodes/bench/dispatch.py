"""Jobs per second through E3 against the same prompts posted straight to the queue, and the gaps between them."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from . import homes
from .figures import Figure, Target, median, percentile
from .hosts import Host, named_comfyui
from .scale import Scale

Measured = dict[str, Any]
"""What ComfyUI was seen to do in one chunk: seconds, gaps, runs, CPU."""

NAMES = {True: "dispatch.comfyui", False: "dispatch.embedded"}
GPU_SECONDS = 0.1
"""A job so short hardly any GPU makes; one without any is the worst that can be asked."""


def measure(scale: Scale) -> list[Figure]:
    """Run the pairs on the embedded host, and on a real ComfyUI where ``COMFYUI_PATH`` names one."""
    comfyui = named_comfyui()
    places = [None, *([comfyui] if comfyui else [])]
    return [figure for place in places for figure in _measure_on(place, scale)]


def _measure_on(comfyui: Path | None, scale: Scale) -> list[Figure]:
    name = NAMES[comfyui is not None]
    pairs = _pairs(comfyui, homes.Work(scale.side), scale.jobs, scale.pairs)
    gpu_pairs = _pairs(comfyui, homes.Work(scale.side, GPU_SECONDS), scale.gpu_jobs, scale.pairs)
    return [*_figures(name, pairs), _rate(f"{name}.rate_gpu", gpu_pairs, f"jobs of {GPU_SECONDS} s of a GPU")]


def _pairs(comfyui: Path | None, work: homes.Work, jobs: int, pairs: int) -> list[tuple[Measured, Measured]]:
    """Run jobs through E3 and the same prompts straight, in turns; what comes first only warms up."""
    with tempfile.TemporaryDirectory(prefix="e3-bench-") as folder:
        home = homes.Home(Path(folder, "home"), {"pending_warning_threshold": 10**8}, work)
        with Host(Path(folder, "base"), home.folder, comfyui) as host:
            host.wait_for_e3()
            per_chunk = max(1, jobs // pairs)
            _bare(host, min(per_chunk, 20), work)
            _through_e3(host, home, min(per_chunk, 20))
            return [(_through_e3(host, home, per_chunk), _bare(host, per_chunk, work)) for _ in range(pairs)]


def _bare(host: Host, count: int, work: homes.Work) -> Measured:
    """Post prompts as fast as the server takes them; measure until the last one has run."""
    prompts = [homes.prompt(number, work) for number in range(count)]
    host.post("/bench/reset")
    began = time.time()
    for prompt in prompts:
        host.post("/prompt", prompt)
    return _measured(host, count, began)


def _through_e3(host: Host, home: homes.Home, count: int) -> Measured:
    """Let jobs wait in a paused queue, then run; measure until the last one is done, and wait until it is filed."""
    host.post("/e3/queue/pause")
    done = host.get("/e3/jobs?limit=1")["totals"].get("done", 0)
    home.drop(count)
    while host.get("/e3/jobs?limit=1")["totals"].get("pending", 0) < count:
        time.sleep(0.05)
    time.sleep(0.5)
    host.post("/bench/reset")
    began = time.time()
    host.post("/e3/queue/resume")
    measured = _measured(host, count, began)
    while host.get("/e3/jobs?limit=1")["totals"].get("done", 0) < done + count:
        time.sleep(0.002)
    done_seconds = time.time() - began
    while any(home.processing.iterdir()):  # or the floor that follows would pay for it
        time.sleep(0.05)
    return {**measured, "done_seconds": done_seconds}


def _measured(host: Host, count: int, began: float) -> Measured:
    while (ended := host.get("/bench/count")["ends"]) < count:
        time.sleep(0.05 if count - ended > 10 else 0.005)
    seen = host.get("/bench/report")
    starts = [start for _, start in seen["starts"]]
    gaps = [1000 * (start - end) for end, start in zip(seen["ends"], starts[1:], strict=False)]
    runs = [1000 * (end - start) for start, end in zip(starts, seen["ends"], strict=False)]
    return {
        "seconds": seen["ends"][-1] - began,
        "gaps": gaps,
        "runs": runs,
        "count": count,
        "cpu_ms": 1000 * seen["cpu_seconds"] / count,
    }


def _rate(name: str, pairs: list[tuple[Measured, Measured]], note: str = "") -> Figure:
    rate = median([run["count"] / run["seconds"] for run, _ in pairs])
    ratio = median([bare["seconds"] / ours["seconds"] for ours, bare in pairs])
    return Figure(name, rate, "jobs/s", rate / ratio, Target(0.95, "ratio", at_least=True), note)


def _figures(name: str, pairs: list[tuple[Measured, Measured]]) -> list[Figure]:
    ours, bare = ([pair[side] for pair in pairs] for side in (0, 1))
    rate = _rate(f"{name}.rate", pairs)
    done = median([run["count"] / run["done_seconds"] for run in ours])
    gaps, bare_gaps = ([gap for run in runs for gap in run["gaps"]] for runs in (ours, bare))
    run, bare_run = (median([ms for each in runs for ms in each["runs"]]) for runs in (ours, bare))
    cpu, bare_cpu = (median([each["cpu_ms"] for each in runs]) for runs in (ours, bare))
    floor_gap, floor_p95 = median(bare_gaps), percentile(bare_gaps, 0.95)
    return [
        rate,
        Figure(f"{name}.rate_done", done, "jobs/s", rate.floor, note="until the last row is done"),
        Figure(f"{name}.gap_median", median(gaps), "ms", floor_gap, Target(0.5, "excess")),
        Figure(f"{name}.gap_p95", percentile(gaps, 0.95), "ms", floor_p95, Target(2.0, "ratio")),
        Figure(f"{name}.cpu", cpu, "ms/job", bare_cpu, note="of the whole process"),
        Figure(f"{name}.run_median", run, "ms", bare_run, note="a prompt inside ComfyUI"),
    ]
