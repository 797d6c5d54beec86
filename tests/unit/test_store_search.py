"""The search index: what it is asked, what makes it useless, and that no fault of it costs more than speed."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes.store import SqlJobStore, init_db, opening, search_index, searching
from comfyui_e3.tests.stores import Clock, add_jobs, job_name, lease, make_row

NAMES = ["knight", "castle", "dragon", "forest", "meadow"]


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every table large, and let nothing rest."""
    monkeypatch.setattr(searching, "LEAST_BEHIND", 1)
    monkeypatch.setattr(search_index, "REST_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "e3.sqlite3"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_db(path: Path, clock: Clock) -> Iterator[Callable[[], SqlJobStore]]:
    opened: list[SqlJobStore] = []

    def factory() -> SqlJobStore:
        opened.append(init_db(path, clock=clock))
        return opened[-1]

    yield factory
    for db in opened:
        db.close()


@pytest.fixture
def db(open_db: Callable[[], SqlJobStore]) -> SqlJobStore:
    """A table of twenty jobs, all of them in its index."""
    db = open_db()
    fill(db, 1, 20)
    db.index_names()
    return db


def name_of(number: int) -> str:
    return job_name(number, NAMES[number % len(NAMES)])


def fill(db: SqlJobStore, first: int, last: int) -> None:
    db.ingest_jobs([make_row(number, config_name=name_of(number)) for number in range(first, last + 1)])


def found(db: SqlJobStore, q: str) -> list[str]:
    page = db.list_jobs({"q": q})
    assert sum(page["totals"].values()) == len(page["jobs"])
    return [job["config_name"] for job in page["jobs"]]


def walks(db: SqlJobStore, q: str) -> bool:
    """Tell whether a search walks the table."""
    asked: list[str] = []
    with db._db.reading() as con:
        con.set_trace_callback(asked.append)
    db.list_jobs({"q": q})
    with db._db.reading() as con:
        con.set_trace_callback(None)
    return any("INDEXED BY closed_name_idx" in statement for statement in asked)


def newest_known(db: SqlJobStore) -> int | None:
    mark = db._index.mark() if db._index else None
    return mark["id"] if mark else None


def index_of(path: Path) -> Path:
    return Path(f"{path}-search")


def run_sql(path: Path, *statements: str) -> None:
    con = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        con.execute(statement)
    con.close()


def test_store_search_few_jobs_make_no_index(
    open_db: Callable[[], SqlJobStore], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LEAST_BEHIND", 21)
    db = open_db()
    fill(db, 1, 20)

    db.index_names()

    assert not index_of(path).exists()
    assert found(db, "_7_") == [name_of(7)]


@pytest.mark.parametrize(
    ("q", "numbers"),
    [
        ("_7_", [7]),
        ("castle", [1, 6, 11, 16]),
        ("1_CASTLE", [1, 11]),
        ("zebra", []),
        ('a"b', []),
        ("%_%", []),
        ("castle OR dragon", []),
        ("(castle)", []),
        ("*castle", []),
    ],
)
def test_store_search_asks_the_index(db: SqlJobStore, q: str, numbers: list[int]) -> None:
    assert found(db, q) == [name_of(number) for number in numbers]
    assert not walks(db, q)


@pytest.mark.parametrize("q", ["t2", "_", "a\0b", "portrait", "wf_"], ids=["two", "one", "nul", "workflow", "prefix"])
def test_store_search_walks_for_what_the_index_cannot_know(db: SqlJobStore, q: str) -> None:
    assert walks(db, q)
    assert len(found(db, q)) == (0 if "\0" in q else 20)


def test_store_search_walks_where_many_are_found(db: SqlJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "MOST_HINTS", 3)

    assert walks(db, "castle") and not walks(db, "_7_")
    assert len(found(db, "castle")) == 4


def test_store_search_looks_at_a_few_jobs_that_came_later(db: SqlJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_BEHIND", 3)
    fill(db, 21, 23)
    assert not walks(db, "_23_") and found(db, "_23_") == [name_of(23)]

    fill(db, 24, 24)
    assert walks(db, "_24_") and found(db, "_24_") == [name_of(24)]

    db.index_names()
    assert not walks(db, "_24_") and found(db, "_24_") == [name_of(24)]


def test_store_search_builds_in_slices(open_db: Callable[[], SqlJobStore], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "SLICE", 4)
    db = open_db()
    fill(db, 1, 20)
    db.index_names(0)
    assert newest_known(db) == 4

    db.index_names()

    assert newest_known(db) == 20
    assert [found(db, f"_{number}_") for number in range(1, 21)] == [[name_of(number)] for number in range(1, 21)]


def test_store_search_serves_bulk_actions(db: SqlJobStore) -> None:
    answers = db.bulk("cancel", where={"q": "castle", "status": ["pending", "failed"]})

    assert [answer["config_name"] for answer in answers] == found(db, "castle")
    assert db.count_by_status()["cancelled"] == 4


def test_store_search_finds_a_job_that_comes_back(open_db: Callable[[], SqlJobStore]) -> None:
    db = open_db()
    fill(db, 1, 20)
    db.remove_job(name_of(7))
    db.index_names()
    assert found(db, "_7_") == [] and not walks(db, "_7_")

    db.restore_job(name_of(7))

    assert found(db, "_7_") == [name_of(7)] and not walks(db, "_7_")


def test_store_search_walks_where_many_could_come_back(
    open_db: Callable[[], SqlJobStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "MOST_GAPS", 2)
    db = open_db()
    fill(db, 1, 20)
    for number in (3, 7, 12):
        db.remove_job(name_of(number))
    db.index_names()

    assert walks(db, "_5_")


def test_store_search_outlives_the_removal_of_the_newest_job(db: SqlJobStore, clock: Clock) -> None:
    db.remove_job(name_of(20))
    fill(db, 21, 21)
    assert not walks(db, "_21_") and found(db, "_20_") == []

    clock.forward(8 * 24 * 3600)
    db.purge_removed()
    assert walks(db, "_21_") and found(db, "_21_") == [name_of(21)]

    db.index_names()
    assert not walks(db, "_21_") and found(db, "_21_") == [name_of(21)]


def older_copy(path: Path, clock: Clock) -> None:
    """The table as it was once."""
    (path.parent / "copy.sqlite3").replace(path)


def older_copy_that_grew(path: Path, clock: Clock) -> None:
    """The table as it was once; other jobs have got the ids that were given since, and more."""
    older_copy(path, clock)
    clock.forward(1)
    with init_db(path, clock=clock) as db:
        fill(db, 101, 130)


def another_home(path: Path, clock: Clock) -> None:
    """Another table, with more jobs."""
    path.unlink()
    clock.forward(1)
    with init_db(path, clock=clock) as db:
        fill(db, 101, 150)


def emptied(path: Path, clock: Clock) -> None:
    """The table is gone, and begun anew."""
    path.unlink()
    clock.forward(1)
    with init_db(path, clock=clock) as db:
        fill(db, 5, 8)


@pytest.mark.parametrize(
    "change", [older_copy, older_copy_that_grew, another_home, emptied], ids=lambda change: change.__name__
)
def test_store_search_believes_no_index_of_another_table(
    path: Path, open_db: Callable[[], SqlJobStore], clock: Clock, change: Callable[[Path, Clock], None]
) -> None:
    with open_db() as db:
        fill(db, 1, 10)
    shutil.copy2(path, path.parent / "copy.sqlite3")
    with open_db() as db:
        fill(db, 11, 20)
        db.index_names()
    change(path, clock)

    db = open_db()

    names = [job["config_name"] for job in db.list_jobs()["jobs"]]
    assert walks(db, "_9_") and all(found(db, name) == [name] for name in names)
    db.index_names()
    assert not walks(db, "_9_") and all(found(db, name) == [name] for name in names)


def test_store_search_finds_what_an_older_copy_had_and_the_index_never_saw(
    path: Path, open_db: Callable[[], SqlJobStore], clock: Clock
) -> None:
    with open_db() as db:
        fill(db, 1, 20)
    shutil.copy2(path, path.parent / "copy.sqlite3")
    with open_db() as db:
        db.remove_job(name_of(7))
        clock.forward(8 * 24 * 3600)
        db.purge_removed()
        db.index_names()

    older_copy(path, clock)

    db = open_db()
    assert found(db, "_7_") == [name_of(7)] and not walks(db, "_7_")


def gone(index: Path) -> None:
    index.unlink()


def zeroed(index: Path) -> None:
    index.write_bytes(bytes(index.stat().st_size))


def emptied_file(index: Path) -> None:
    index.write_bytes(b"")


def a_text(index: Path) -> None:
    index.write_text("these are my notes, not a database\n" * 100)


def torn_tail(index: Path) -> None:
    index.write_bytes(index.read_bytes()[:4096])


def no_names(index: Path) -> None:
    run_sql(index, "INSERT INTO names (names) VALUES ('delete-all')")


def no_table(index: Path) -> None:
    run_sql(index, "DROP TABLE gaps")


def other_format(index: Path) -> None:
    run_sql(index, f"PRAGMA user_version = {search_index.FORMAT + 1}")


@pytest.mark.parametrize(
    "damage",
    [gone, zeroed, emptied_file, a_text, torn_tail, no_names, no_table, other_format],
    ids=lambda damage: damage.__name__,
)
def test_store_search_builds_a_damaged_index_anew(
    path: Path,
    db: SqlJobStore,
    open_db: Callable[[], SqlJobStore],
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    db.close()
    damage(index_of(path))

    db = open_db()

    assert found(db, "_7_") == [name_of(7)]
    db.index_names()
    db.index_names()
    assert not walks(db, "_7_") and found(db, "_7_") == [name_of(7)]
    assert len([line for line in caplog.records if line.name == "e3.search"]) <= 1


def test_store_search_notices_an_index_that_is_taken_away(path: Path, db: SqlJobStore) -> None:
    assert not walks(db, "_7_")

    for ending in search_index.FILES:
        Path(f"{path}{ending}").unlink(missing_ok=True)

    assert walks(db, "_7_")
    db.index_names()
    assert not walks(db, "_7_") and found(db, "_7_") == [name_of(7)]


def test_store_search_leaves_another_programs_file_alone(path: Path, open_db: Callable[[], SqlJobStore]) -> None:
    run_sql(index_of(path), "CREATE TABLE notes (text)", "INSERT INTO notes VALUES ('mine')")
    before = index_of(path).read_bytes()
    db = open_db()
    fill(db, 1, 20)

    db.index_names()

    assert found(db, "_7_") == [name_of(7)] and walks(db, "_7_")
    assert index_of(path).read_bytes() == before


def no_fts5(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    script = folder / "0001_index.sql"
    script.write_text("CREATE VIRTUAL TABLE names USING fts99(identity);\n")
    monkeypatch.setattr(search_index, "migration_files", lambda dialect: [script])


def full_disk(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(search_index, "_PRAGMAS", ("max_page_count = 12",))


def a_folder_in_its_place(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    index_of(folder / "e3.sqlite3").mkdir()


@pytest.mark.parametrize("fault", [no_fts5, full_disk, a_folder_in_its_place], ids=lambda fault: fault.__name__)
def test_store_search_goes_on_without_an_index_and_says_so_once(
    open_db: Callable[[], SqlJobStore],
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Callable[[pytest.MonkeyPatch, Path], None],
) -> None:
    fault(monkeypatch, tmp_path)
    db = open_db()
    fill(db, 1, 500)

    for _ in range(3):
        db.index_names()
        assert found(db, "_7_") == [name_of(7)] and walks(db, "_7_")

    assert [line.levelno for line in caplog.records if line.name == "e3.search"] == [logging.WARNING]
    assert db.quick_check() == []
    assert not index_of(path).is_file() or index_of(path).stat().st_size <= 4096


def test_store_search_rests_after_a_fault(db: SqlJobStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "REST_SECONDS", 3600.0)
    no_table(index_of(path))
    assert walks(db, "_7_") and not index_of(path).exists()

    db.index_names()

    assert walks(db, "_7_") and not index_of(path).exists()


def test_store_search_waits_for_nobody_who_builds(
    db: SqlJobStore, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "BUSY_SECONDS", 0.0)
    fill(db, 21, 21)
    other = sqlite3.connect(index_of(path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    db.index_names()

    assert not walks(db, "_21_") and found(db, "_21_") == [name_of(21)]
    other.close()
    assert caplog.records == []


def test_store_search_builds_while_a_writer_holds_the_table(db: SqlJobStore) -> None:
    fill(db, 21, 21)

    with db._db.transaction() as con:
        con.execute("UPDATE jobs SET priority = 9")
        db.index_names()
        assert newest_known(db) == 21


def test_store_search_keeps_no_writer_waiting(db: SqlJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(db, 21, 21)
    assert db._index is not None
    add_slice = db._index._add_slice

    def while_another_writes(con: sqlite3.Connection) -> bool:
        with opening.begun(con):
            con.execute("SELECT count(*) FROM jobs").fetchone()
            db.set_priority(name_of(21), 9)
        return add_slice(con)

    monkeypatch.setattr(db._index, "_add_slice", while_another_writes)
    db.index_names()

    assert not walks(db, "_21_") and db.list_jobs({"q": "_21_"})["jobs"][0]["priority"] == 9


def test_store_search_never_writes_to_the_table(db: SqlJobStore) -> None:
    fill(db, 21, 40)
    before = db.change_counter()

    db.index_names()
    found(db, "castle")

    assert db.change_counter() == before


def test_store_search_needs_a_write_ahead_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_choose_journal", lambda con, path: "it cannot carry a write-ahead log")
    with init_db(path) as db:
        fill(db, 1, 20)

        db.index_names()

        assert found(db, "_7_") == [name_of(7)]
    assert not index_of(path).exists()


def test_store_search_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's 100% #1 & ünï;"
    folder.mkdir()
    with init_db(folder / "e3.sqlite3") as db:
        fill(db, 1, 20)

        db.index_names()

        assert not walks(db, "_7_") and found(db, "_7_") == [name_of(7)]


def test_store_search_in_memory_walks() -> None:
    with init_db(":memory:") as db:
        add_jobs(db, 7)

        db.index_names()

        assert found(db, "_7_") == [job_name(7)]


def test_store_search_goes_on_after_reopen(db: SqlJobStore) -> None:
    lease(db)

    db.reopen()

    assert not walks(db, "_7_") and found(db, "_1_") == [name_of(1)]


def test_store_search_two_processes_share_an_index(db: SqlJobStore, open_db: Callable[[], SqlJobStore]) -> None:
    other = open_db()
    fill(other, 21, 30)

    other.index_names()

    assert newest_known(db) == 30
    assert not walks(db, "_30_") and found(db, "_30_") == [name_of(30)]


def test_store_search_names_beyond_ascii(open_db: Callable[[], SqlJobStore]) -> None:
    db = open_db()
    names = [job_name(1, "straße"), job_name(2, "日本語の城"), job_name(3, "e\u0301cole")]
    db.ingest_jobs([make_row(number, config_name=name) for number, name in enumerate(names, 1)])
    db.index_names()

    assert found(db, "STRASSE") == [name for name in found(db, "1_stra")]
    assert [len(found(db, q)) for q in ("strasse", "本語の", "ÉCOLE", "ecole")] == [1, 1, 1, 0]
    assert not walks(db, "本語の")
