"""The law of the search index: whatever happened to it and to the table, a search says what a walk says."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from comfyui_e3.e3_nodes.errors import E3Error
from comfyui_e3.e3_nodes.model import Status
from comfyui_e3.e3_nodes.store import SqlJobStore, init_db, lists, search_index, searching
from comfyui_e3.e3_nodes.store.operator import VERBS
from comfyui_e3.tests.stores import Clock, make_row
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

SMALL = {
    (searching, "LEAST_BEHIND"): 2,
    (searching, "MOST_BEHIND"): 4,
    (searching, "MOST_FOUND"): 6,
    (search_index, "MOST_HINTS"): 8,
    (search_index, "MOST_GAPS"): 6,
    (search_index, "LETTERS_ASKED"): 2,
    (search_index, "SLICE"): 3,
    (search_index, "REST_SECONDS"): 0.0,
}
"""Numbers so small that every limit is met."""

WORDS = st.lists(st.sampled_from(["a", "b", "ab", "é", '"', "日", "-"]), min_size=1, max_size=5).map("".join)
WORKFLOWS = ["wf_one", "wf_two", "aba"]


def name_of(number: int, word: str) -> str:
    return f"T2I_20250809123001_{number}_{word}.yaml"


class SearchedTable(RuleBasedStateMachine):
    """One store that has an index, and another one on the same table that walks."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [mock.patch.object(module, name, value) for (module, name), value in SMALL.items()]
        for patch in self.patches:
            patch.start()
        self.folder = Path(tempfile.mkdtemp(prefix="e3-search-"))
        self.path = self.folder / "e3.sqlite3"
        self.clock = Clock()
        self.copies: list[Path] = []
        self.open()

    def teardown(self) -> None:
        self.close()
        for patch in self.patches:
            patch.stop()
        shutil.rmtree(self.folder)

    def open(self) -> None:
        self.db = init_db(self.path, clock=self.clock)
        self.walker = init_db(self.path, clock=self.clock)
        self.walker._index = None

    def close(self) -> None:
        self.db.close()
        self.walker.close()

    # --- the table ---

    @initialize(words=st.lists(WORDS, min_size=4, max_size=12))
    def begin(self, words: list[str]) -> None:
        self.add(words, WORKFLOWS[0], "image")
        self.db.index_names()

    @rule(
        words=st.lists(WORDS, min_size=1, max_size=6),
        workflow_id=st.sampled_from(WORKFLOWS),
        media=st.sampled_from(["image", "video"]),
    )
    def add(self, words: list[str], workflow_id: str, media: str) -> None:
        self.clock.forward(1)
        rows = [
            make_row(number, config_name=name_of(number, word), workflow_id=workflow_id, media=media)
            for number, word in enumerate(words)
        ]
        self.db.ingest_jobs(rows)

    @rule(data=st.data(), verb=st.sampled_from(["remove_job", "remove_job", "cancel_job", "god_mode"]))
    def act(self, data: st.DataObject, verb: str) -> None:
        names = self.names()
        if names:
            self.attempt(verb, data.draw(st.sampled_from(names)))

    @rule()
    def restore_removed(self) -> None:
        with self.db._db.reading() as con:
            removed = [row["identity"] for row in con.execute("SELECT identity FROM removed_jobs")]
        for name in removed:
            self.attempt("restore_job", name)

    @rule(is_long=st.booleans())
    def run_next(self, is_long: bool) -> None:
        self.clock.forward(1)
        job = self.db.lease_next_job("worker", 60)
        if job and not is_long:
            self.db.complete_job(job["id"], success=True, updates={}, lease_token=job["lease_token"])

    @rule()
    def forget_removed(self) -> None:
        self.clock.forward(8 * 24 * 3600)
        self.db.purge_removed()

    @rule()
    def purge_done(self) -> None:
        self.db.mark_filed(*(job["id"] for job in self.db.unfiled_jobs()))
        self.db.purge_done(self.clock.now + 1)

    # --- the files ---

    @rule(seconds=st.sampled_from([0.0, 10.0]))
    def index_names(self, seconds: float) -> None:
        self.db.index_names(seconds)

    @rule()
    def keep_a_copy(self) -> None:
        self.close()
        self.copies.append(Path(shutil.copy2(self.path, self.folder / f"copy-{len(self.copies)}")))
        self.open()

    @rule(data=st.data())
    def go_back_to_a_copy(self, data: st.DataObject) -> None:
        if self.copies:
            self.close()
            shutil.copy2(data.draw(st.sampled_from(self.copies)), self.path)
            self.open()

    @rule()
    def begin_a_new_table(self) -> None:
        self.close()
        self.path.unlink()
        self.open()

    @rule(is_built=st.booleans())
    def lose_the_index(self, is_built: bool) -> None:
        search_index.remove_index(self.path)
        if is_built:
            self.db.index_names(10.0)

    @rule(data=st.data())
    def a_job_is_away_while_the_index_is_made(self, data: st.DataObject) -> None:
        if names := self.names():
            name = data.draw(st.sampled_from(names))
            self.attempt("remove_job", name)
            self.lose_the_index(True)
            self.attempt("restore_job", name)

    @rule()
    def reopen(self) -> None:
        self.db.reopen()

    # --- the law ---

    @rule(
        word=WORDS,
        status=st.sets(st.sampled_from(list(Status)), max_size=3),
        media=st.sampled_from([None, "image"]),
        workflow_id=st.sampled_from([None, *WORKFLOWS]),
        sort=st.sampled_from([sign + sort for sort in lists.SORTS for sign in ("", "-")]),
        limit=st.integers(1, 4),
    )
    def search(self, word: str, status: set[Status], limit: int, **where: Any) -> None:
        self.compare({"q": word, "status": sorted(status), **where}, limit)

    @invariant()
    def each_name_is_found_by_its_parts(self) -> None:
        for name in self.names():
            assert name in [job["config_name"] for job in self.compare({"q": name}, 1000)]
            self.compare({"q": name.removesuffix(".yaml")[-5:]}, 3)

    # --- helpers ---

    def compare(self, where: Any, limit: int) -> list[Any]:
        pages = [all_pages(db, where, limit) for db in (self.db, self.walker)]
        assert pages[0] == pages[1]
        ids = [db._matching(where, VERBS["delete"]) for db in (self.db, self.walker)]
        assert ids[0] == ids[1]
        return [job for page in pages[0] for job in page["jobs"]]

    def names(self) -> list[str]:
        return [job["config_name"] for job in self.walker.list_jobs(limit=1000)["jobs"]]

    def attempt(self, verb: str, name: str) -> None:
        self.clock.forward(1)
        try:
            getattr(self.db, verb)(name)
        except E3Error:
            return


def all_pages(db: SqlJobStore, where: Any, limit: int) -> list[Any]:
    pages = [db.list_jobs(where, limit=limit)]
    while cursor := pages[-1]["next"]:
        pages.append(db.list_jobs(where, limit=limit, cursor=cursor))
    return pages


SearchedTable.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestSearchedTable = SearchedTable.TestCase
