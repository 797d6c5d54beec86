"""Lists: keyset pages that merge each status's own sort index, and totals that are kept, not counted."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from .. import errors
from ..model import Job, Status
from . import mapping
from .protocol import JobFilter, JobPage
from .searching import SearchStore

MAX_LIMIT = 1000

SORTS: dict[str, tuple[str, ...]] = {
    "order": ("priority", "position", "tie"),
    "created": ("created_at", "tie"),
    "ended": ("ended_key", "created_at", "tie"),
    "duration": ("duration_key", "created_at", "tie"),
    "name": ("identity", "tie"),
}
"""The columns of each sort. ``closed_<sort>_idx`` is its index for closed jobs, after the status, and
``open_<sort>_idx`` for the others; jobs that wait have no end and no duration, and lie as they were created."""

_OPEN_SORTS = {"order": "order", "created": "created", "ended": "created", "duration": "created", "name": "name"}

_FILTER_KEYS = ("status", "media", "workflow_id", "q", "sort")


class ListStore(SearchStore):
    """Reading many rows; ``protocol.JobStore`` says what each method promises."""

    def list_jobs(self, where: JobFilter | None = None, *, limit: int = 100, cursor: str | None = None) -> JobPage:
        where = where or {}
        with self._db.reading() as con:
            found_names = self._few_found(con, filter_values(where))
            sql, values = page_query(self._sql, where, limit, cursor, found_names)
            totals = _totals(self._run(con, _totals_query(values), **values).fetchall())
            is_empty = not any(totals[status] for status in statuses(where))
            found = [] if is_empty else con.execute(sql, values).fetchall()
        follows = encode_cursor(_sort_of(where), found[limit - 1]) if len(found) > limit else None
        jobs = [mapping.light_job_from(row) for row in found[:limit]]
        return {"jobs": jobs, "next": follows, "totals": totals}

    def get_job(self, config_name: str) -> Job | None:
        found = self._fetch("job_by_identity", identity=mapping.identity(config_name))
        return mapping.job_from(found[0]) if found else None

    def get_jobs(self, config_names: Sequence[str]) -> list[Job]:
        identities = mapping.to_json([mapping.identity(name) for name in config_names])
        return [mapping.job_from(row) for row in self._fetch("jobs_by_identity", identities=identities)]

    def count_by_status(self) -> dict[str, int]:
        return _totals(self._fetch("totals", media=None, workflow_id=None))


def page_query(
    sql: Mapping[str, str], where: JobFilter, limit: int, cursor: str | None, found: Sequence[int] | None = None
) -> tuple[str, dict[str, Any]]:
    """Write the statement of one page: a branch a status, each on its index, merged in order.

    Args:
        sql: The named queries.
        where: The filter.
        limit: 1 to 1000; one row more is asked for, to know whether a page follows.
        cursor: Where the page before ended.
        found: The ids that a search has found already, when they are few.

    Returns:
        The statement and its named values.

    Raises:
        InvalidConfig: A status, sort, limit or cursor that is none.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise errors.InvalidConfig(f"limit must be 1-{MAX_LIMIT}, got {limit!r}")
    sort = _sort_of(where)
    name, columns = sort.removeprefix("-"), SORTS[sort.removeprefix("-")]
    direction, comparison = ("DESC", "<") if sort.startswith("-") else ("ASC", ">")
    values = {**_found_values(where, found), "limit": limit + 1}
    after = ""
    if cursor is not None:
        after = f"AND ({', '.join(columns)}) {comparison} ({', '.join(':' + column for column in columns)})"
        values |= zip(columns, _decode(sort, cursor), strict=True)
    branches = [sql["page_branch"].format(after=after, **way) for way in _ways(statuses(where), name, found)]
    order = ", ".join(f"{column} {direction}" for column in columns)
    return f"{' UNION ALL '.join(branches)}\nORDER BY {order}\nLIMIT :limit", values


def ids_query(
    sql: Mapping[str, str], where: JobFilter, chosen: Sequence[Status], found: Sequence[int] | None = None
) -> tuple[str, dict[str, Any]]:
    """Write the statement that finds the ids a bulk action means, in running order; empty for no status."""
    branches = [sql["matching_ids"].format(**way) for way in _ways(chosen, "order", found)]
    ordered = f"{' UNION ALL '.join(branches)}\nORDER BY priority, position, tie" if branches else ""
    return ordered, _found_values(where, found)


def _ways(chosen: Sequence[Status], sort: str, found: Sequence[int] | None) -> list[dict[str, str]]:
    """Say how each branch finds its rows: one that reads what a search has found, or walks of each status."""
    if found is None or not chosen:
        return [walk for status in chosen for walk in _walks(status, sort)]
    names = ", ".join(f"'{status.value}'" for status in chosen)
    return [{"way": "NOT INDEXED", "which": f"id IN (SELECT value FROM json_each(:found)) AND status IN ({names})"}]


def _walks(status: Status, sort: str) -> list[dict[str, str]]:
    """Say by which indexes a status is found; a partial index is used where its condition is written out."""
    which = f"status = '{status.value}'"
    at_work = {"way": "INDEXED BY turn_idx", "which": f"turn = 1 AND {which}"}
    closed = {"way": f"INDEXED BY closed_{sort}_idx", "which": f"closed = 1 AND {which}"}
    if status is Status.PENDING:
        way = f"INDEXED BY open_{_OPEN_SORTS[sort]}_idx"
        return [{"way": way, "which": f"closed = 0 AND {which}{_unset(sort)}"}]
    if status is Status.PROCESSING:
        return [at_work]
    return [closed, at_work] if status is Status.DONE else [closed]


def _unset(sort: str) -> str:
    """Say what a waiting job has not: written out, it needs no sorting by it."""
    return f" AND {SORTS[sort][0]} = 0" if sort in ("ended", "duration") else ""


def statuses(where: JobFilter) -> list[Status]:
    """Return the statuses that a filter means: all when it names none.

    Raises:
        InvalidConfig: A word that is no status.

    Examples:
        >>> [status.value for status in statuses({"status": ["failed", "done", "failed"]})]
        ['failed', 'done']
    """
    asked = where.get("status") or list(Status)
    words = [asked] if isinstance(asked, str) else list(asked)
    known = {status.value: status for status in Status}
    unknown = [word for word in words if word not in known]
    if unknown:
        raise errors.InvalidConfig(f"status must be one of {', '.join(known)}, got {unknown[0]!r}")
    return [known[word] for word in dict.fromkeys(words)]


def filter_values(where: JobFilter) -> dict[str, Any]:
    """Return the values by which rows are chosen, the searched text as names are compared."""
    unknown = sorted(set(where) - set(_FILTER_KEYS))
    if unknown:
        raise errors.InvalidConfig(f"a filter takes {', '.join(_FILTER_KEYS)}, got {unknown[0]!r}")
    q = unicodedata.normalize("NFC", where.get("q") or "").casefold()
    return {"media": where.get("media"), "workflow_id": where.get("workflow_id"), "q": q or None}


def _found_values(where: JobFilter, found: Sequence[int] | None) -> dict[str, Any]:
    """Add what a search has found to the values of a filter."""
    return filter_values(where) | ({} if found is None else {"found": mapping.to_json(found)})


def _totals_query(values: Mapping[str, Any]) -> str:
    if not values["q"]:
        return "totals"
    return "totals_of_found" if "found" in values else "totals_of_search"


def _sort_of(where: JobFilter) -> str:
    sort = where.get("sort") or "order"
    if sort.removeprefix("-") not in SORTS:
        raise errors.InvalidConfig(f"sort must be one of {', '.join(SORTS)}, with - for descending, got {sort!r}")
    return sort


def encode_cursor(sort: str, row: mapping.Row) -> str:
    keys = [row[column] for column in SORTS[sort.removeprefix("-")]]
    return base64.urlsafe_b64encode(mapping.to_json([sort, *keys]).encode()).decode()


def _decode(sort: str, cursor: str) -> list[Any]:
    """Read a cursor; it belongs to the sort that made it."""
    try:
        made_by, *keys = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError) as exc:
        raise errors.InvalidConfig("the cursor is none that a list has answered; begin without one") from exc
    columns = SORTS[sort.removeprefix("-")]
    kinds = [str if column == "identity" else int for column in columns]
    if made_by != sort or [type(key) for key in keys] != kinds or not all(map(_is_storable, keys)):
        raise errors.InvalidConfig(f"the cursor does not belong to a list sorted by {sort}; begin without one")
    return keys


def _is_storable(key: Any) -> bool:
    return isinstance(key, str) or -(2**63) <= key < 2**63


def _totals(found: Sequence[mapping.Row]) -> dict[str, int]:
    return {status.value: 0 for status in Status} | {row["status"]: row["n"] for row in found}
