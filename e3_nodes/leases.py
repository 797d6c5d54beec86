"""What every step of an attempt asks of its lease."""

from __future__ import annotations

from .errors import LeaseLost
from .model import Job


def token_of(job: Job) -> str:
    """Return the token of a job's lease.

    Raises:
        LeaseLost: It has none.
    """
    token = job.get("lease_token")
    if not token:
        raise LeaseLost(f"{job['config_name']} has no lease; only a leased job can be executed")
    return token


def fenced(held: bool, job: Job) -> None:
    """Refuse to go on when a guarded change found no row.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    if not held:
        raise lost(job)


def lost(job: Job) -> LeaseLost:
    """Say that another worker owns the job."""
    return LeaseLost(f"another worker has taken {job['config_name']} over")
