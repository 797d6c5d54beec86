"""What tests of the job table share: a clock of their own, rows, and jobs brought to a state."""

from __future__ import annotations

from typing import Any

from comfyui_e3.e3_nodes.model import Intent
from comfyui_e3.e3_nodes.store.protocol import JobStore, Promise


class Clock:
    """A time that the test chooses."""

    def __init__(self) -> None:
        self.now = 1_750_000_000_000

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


def job_name(number: int, name: str = "knight") -> str:
    return f"T2I_20250809123001_{number}_{name}.yaml"


def make_row(number: int = 1, **columns: Any) -> dict[str, Any]:
    return {
        "config_name": job_name(number),
        "job_type": "T2I",
        "media": "image",
        "workflow_id": "wf_portrait",
        "config": {"inputs": {"seed": number}},
        "config_path": f"/home/jobs/processing/image/{job_name(number)}",
        "config_sha256": f"{number:064x}",
        **columns,
    }


def add_jobs(db: JobStore, *numbers: int, **columns: Any) -> list[int]:
    return [db.upsert_job(make_row(number, **columns)) for number in numbers]


def promise(db: JobStore, job_id: int, lease_token: str, *intents: Intent) -> bool:
    """Write down what one attempt is about to make appear; tell whether it still owned its job."""
    [held] = db.record_intents([Promise(job_id=job_id, lease_token=lease_token, intents=intents)])
    return held


def lease(db: JobStore, worker_id: str = "worker", seconds: int = 60) -> Any:
    job = db.lease_next_job(worker_id, seconds)
    assert job is not None
    return job


def start(db: JobStore, phase: str = "executing") -> Any:
    """Lease the next job and bring its attempt to a phase."""
    job = lease(db)
    owned = (job["id"], job["lease_token"])
    steps = {
        "submitted": lambda: db.record_submission(*owned, "prompt-1"),
        "executing": lambda: db.record_start(*owned, job["updated_at"]),
        "publishing": lambda: promise(db, *owned, make_intent(1)),
    }
    for name, step in steps.items():
        if phase == "leased":
            break
        assert step()
        if name == phase:
            break
    return db.get_job(job["config_name"])


def make_intent(number: int) -> Any:
    return {
        "number": number,
        "staged_path": f"/out/e3/{number}.png",
        "final_path": f"/home/{number}.png",
        "bytes": 7,
        "sha256": "ab",
    }


def fail(db: JobStore, job: Any, error_type: str = "error", trace: str = "boom") -> bool:
    updates = {"error_type": error_type, "error_trace": trace}
    return db.complete_job(job["id"], success=False, updates=updates, lease_token=job["lease_token"])


def finish(db: JobStore, job: Any, **updates: Any) -> bool:
    return db.complete_job(job["id"], success=True, updates=updates, lease_token=job["lease_token"])


def bring_to(db: JobStore, state: str, number: int = 1) -> str:
    """Add a job and bring it to a state; return its name."""
    name = job_name(number)
    add_jobs(db, number, priority=1, retry_limit=0)
    if state == "processing":
        lease(db)
    elif state == "done":
        finish(db, lease(db))
    elif state == "failed":
        fail(db, lease(db))
    elif state == "cancelled":
        db.cancel_job(name)
    assert status_of(db, name) == state
    return name


def row_of(db: JobStore, name: str | int) -> Any:
    row = db.get_job(job_name(name) if isinstance(name, int) else name)
    assert row is not None
    return row


def status_of(db: JobStore, name: str | int) -> str:
    return row_of(db, name)["status"]


def names_in_order(db: JobStore, **where: Any) -> list[str]:
    return [job["config_name"] for job in db.list_jobs(where)["jobs"]]  # type: ignore[arg-type]


def leased_numbers(db: JobStore, count: int) -> list[int]:
    return [int(lease(db)["config_name"].split("_")[2]) for _ in range(count)]
