"""How much is measured: the full sizes for a table, small ones for a look or a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Sizes of every section.

    Attributes:
        jobs: Jobs that are dispatched.
        pairs: In how many interleaved pairs with the floor things are measured.
        gpu_jobs: Jobs that are dispatched besides, of 0.1 s of a GPU each.
        side: Width and height of a job's picture.
        drops: Files that are dropped one by one.
        awaited: Jobs that `e3 wait` waits for.
        files: How many files arrive at once, one measurement each.
        rows: Rows in the table of idle, api, start and memory.
        waiting_files: Files in processing/ while E3 idles.
        idle_seconds: How long it idles.
        backlogs: Pending jobs behind which leases are timed.
        backoffs: Jobs that wait for their retry.
        leases: Jobs leased and completed a measurement.
        requests: Requests of each kind.
        bulk: Jobs of the bulk action.
        starts: Starts with the plugin and without.
    """

    jobs: int = 1000
    gpu_jobs: int = 200
    pairs: int = 8
    side: int = 512
    drops: int = 120
    awaited: int = 100
    files: tuple[int, ...] = (10_000, 100_000)
    rows: int = 1_000_000
    waiting_files: int = 100_000
    idle_seconds: float = 600.0
    backlogs: tuple[int, ...] = (0, 10_000, 1_000_000)
    backoffs: int = 200_000
    leases: int = 4000
    requests: int = 200
    bulk: int = 10_000
    starts: int = 5


FULL = Scale()
QUICK = Scale(
    jobs=40, gpu_jobs=10, pairs=2, drops=5, awaited=20, files=(1000,), rows=5000, waiting_files=500, idle_seconds=3.0,
    backlogs=(0, 5000), backoffs=2000, leases=100, requests=30, bulk=500, starts=1,
)  # fmt: skip
