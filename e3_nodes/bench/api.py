"""What the panel asks for, at any size of the table: pages, search, counts, and a bulk action."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .. import store
from . import homes, tables
from .figures import Figure, Target, percentile
from .hosts import Host, named_comfyui
from .scale import Scale

MOST_BULK_NAMES = 2000
CROWD = 300
INDEX_SECONDS = 600.0
CALLERS = 50
"""Threads that ask; on a machine of few cores more of them would only measure themselves."""


def measure(scale: Scale) -> list[Figure]:
    """Ask a server whose table holds jobs of every state."""
    with tables.temporary() as folder:
        home = homes.Home(Path(folder, "home"), {"start_paused": True, "pending_warning_threshold": 10**8})
        table = tables.Tables(Path(folder)).copy_to(home.folder / "jobs" / "e3.sqlite3", scale.rows, mixed=True)
        with store.init_db(table) as db:
            db.index_names(INDEX_SECONDS)  # E3 does it in the background, in a minute or so
        with Host(Path(folder, "base"), home.folder, named_comfyui()) as host:
            host.wait_for_e3()
            floor = _times(lambda: host.get("/bench/count"), scale.requests)
            asked = {name: _times(_ask(host, path), scale.requests) for name, path in _paths(host, scale)}
            least, lags = (_crowd(host, path) for path in ("/bench/count", "/e3/jobs?limit=100"))
            asked["bulk"] = [_bulk(host, scale.bulk)]
    crowd = Figure("api.crowd.lag_p99", percentile(lags, 0.99), "ms", percentile(least, 0.99), Target(50))
    return [*_figures(asked, percentile(floor, 0.5)), crowd]


def _paths(host: Host, scale: Scale) -> Iterator[tuple[str, str]]:
    yield "first_page", "/e3/jobs?limit=100"
    yield "middle_page", f"/e3/jobs?limit=100&status=pending&sort=order{_cursor(host, scale.rows // 5)}"
    yield "last_page", "/e3/jobs?limit=100&status=pending&sort=-order"
    yield "search", f"/e3/jobs?limit=100&q=_{tables.OFFSET + scale.rows // 2}_"
    yield "search_miss", "/e3/jobs?limit=100&q=zebra"
    yield "counts", "/e3/queue"


def _cursor(host: Host, row: int) -> str:
    """Walk to the middle of the waiting jobs by pages as large as they come; return the cursor as a parameter."""
    cursor, seen = "", 0
    while seen < row:
        page = host.get(f"/e3/jobs?limit=1000&status=pending&sort=order{cursor}")
        seen += len(page["jobs"])
        if not page["next"]:
            break
        cursor = f"&cursor={page['next']}"
    return cursor


def _ask(host: Host, path: str) -> Callable[[], Any]:
    def ask() -> None:
        status, answer = host.request("GET", path)
        assert status == 200, answer

    return ask


def _times(ask: Callable[[], Any], count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - began))
    return times


def _crowd(host: Host, path: str) -> list[float]:
    """Ask the same of the server from many sides at once; return how late its event loop was, in milliseconds."""

    def ask(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=120)
        connection.request("GET", path)
        connection.getresponse().read()
        connection.close()

    host.post("/bench/reset")
    host.post("/bench/listen")
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(ask, range(CROWD)))
    return [1000 * lag for lag in host.get("/bench/report")["lags"]]


def _bulk(host: Host, count: int) -> float:
    """Set the priority of so many waiting jobs, in as few requests as the API allows; return milliseconds a request."""
    names: list[str] = []
    cursor = ""
    while len(names) < count:
        page = host.get(f"/e3/jobs?limit=1000&status=pending{'&cursor=' + cursor if cursor else ''}")
        names += [job["config_name"] for job in page["jobs"]]
        cursor = page["next"]
        if not cursor:
            break
    chunks = [names[start : start + MOST_BULK_NAMES] for start in range(0, len(names), MOST_BULK_NAMES)]
    began = time.perf_counter()
    for chunk in chunks:
        status, answer = host.request(
            "POST", "/e3/jobs/bulk", {"action": "set_priority", "names": chunk, "priority": 60}
        )
        assert status == 200, answer
    return 1000 * (time.perf_counter() - began)


def _figures(asked: dict[str, list[float]], floor: float) -> Iterator[Figure]:
    for name, times in asked.items():
        if name == "bulk":
            yield Figure("api.bulk", times[0], "ms", note="the whole bulk action, in requests of 2,000 names")
            continue
        yield Figure(f"api.{name}.p50", percentile(times, 0.5), "ms", floor)
        yield Figure(f"api.{name}.p99", percentile(times, 0.99), "ms", None, Target(25))
