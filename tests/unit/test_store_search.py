"""Search: the index of names and the walk over every name find the same jobs, whatever is asked."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_e3.e3_nodes.model import Status
from comfyui_e3.e3_nodes.store import init_db, lists
from comfyui_e3.e3_nodes.store.sql_store import SqlJobStore
from comfyui_e3.tests.stores import add_jobs, bring_to, job_name, lease

WORDS = ("knight", "Kathedrale", "\u00e4u\u00dfere", "\u65e5\u672c\u8a9e")
QUESTIONS = (
    "kni", "knight", "KNIGHT", "_1_", "kathedrale", "\u00c4USSERE", "\u65e5\u672c\u8a9e", "\u672c\u8a9e", "ni", "",
    "zebra", 'kni"', '"', "kni OR 1", "kni*", "NEAR(kni)", "identity:kni", "kni\0ght", "\0\0\0", "wf_b", "WF_", "^t2i",
)  # fmt: skip


def stocked(path: str = ":memory:") -> SqlJobStore:
    """Make a table of jobs in several states, with names in several scripts."""
    db = init_db(path)
    for number in range(1, 9):
        name = f"T2I_20250101120000_{number}_{WORDS[number % len(WORDS)]}.yaml"
        add_jobs(db, number, config_name=name, workflow_id="wf_b" if number == 8 else "wf_a")
    lease(db)
    return db


def answer(db: SqlJobStore, where: Any) -> tuple[list[str], dict[str, int]]:
    """Page through a list; return the names and the totals."""
    names: list[str] = []
    cursor = None
    while True:
        page = db.list_jobs(where, limit=2, cursor=cursor)
        names += [job["config_name"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            return names, page["totals"]


@pytest.mark.parametrize("sort", ["order", "-created", "name"])
@pytest.mark.parametrize("q", QUESTIONS, ids=ascii)
def test_store_search_by_the_index_answers_as_the_walk_does(q: str, sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where = {"q": q, "sort": sort, "status": [Status.PENDING.value, Status.PROCESSING.value]}
    with stocked() as db:
        by_the_index = answer(db, where)
        monkeypatch.setattr(lists, "_phrase", lambda q: "")
        by_the_walk = answer(db, where)

    assert by_the_index == by_the_walk


def test_store_search_walks_where_many_may_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_FOUND", 1)
    with stocked() as db:
        monkeypatch.setattr(db, "_sql", {**db._sql, "totals_of_found": "not to be asked"})
        names, totals = answer(db, {"q": "knight"})

    assert (len(names), sum(totals.values())) == (2, 2)


def test_store_search_forgets_a_job_that_is_removed_or_purged_and_knows_it_again_when_restored() -> None:
    with init_db(":memory:") as db:
        bring_to(db, "done", 2)
        add_jobs(db, 1)
        db.mark_filed(*[job["id"] for job in db.list_jobs({"status": ["done"]})["jobs"]])

        assert db.purge_done(2**62) == 1
        db.bulk("delete", names=[job_name(1)])
        forgotten = db._fetch("names_like", phrase='"t2i"', limit=9)
        db.restore_job(job_name(1))

        assert forgotten == []
        assert answer(db, {"q": "_1_"})[0] == [job_name(1)]
