"""Files to rows."""

from __future__ import annotations

import gc
import json
import threading
import time
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import monitor
from comfyui_e3.e3_nodes.drop_folder import DropFolder
from comfyui_e3.e3_nodes.errors import InvalidConfig, NameConflict
from fakes import Home


@pytest.fixture
def home(tmp_path: Path):
    home = Home(tmp_path, poll_interval_ms=50)
    yield home
    home.db.close()


@pytest.fixture
def scan(home: Home):
    """Scan with two looks at once: the files of a test do not grow."""

    def scan_once() -> list:
        return monitor.scan_once(home.cfg, home.workflows, home.db, sleep=lambda seconds: None, folder=_instant(home))

    return scan_once


def _instant(home: Home) -> DropFolder:
    """A folder whose files count as whole at the second look, however soon."""
    ticks = iter(range(0, 10**9, 10))
    folder = DropFolder(home.cfg["paths"]["jobs_processing"], clock=lambda: float(next(ticks)))
    folder.look()
    return folder


def _scan_twice(home: Home, folder: DropFolder) -> None:
    """See a file, and find it unchanged."""
    for _ in range(2):
        monitor.scan_once(home.cfg, home.workflows, home.db, folder=folder)


def _by_name(findings: list) -> dict:
    return {Path(finding["path"]).name: finding for finding in findings}


def test_monitor_scan_once_takes_good_files_as_pending_rows(home, scan) -> None:
    path = home.write(metadata={"creator": "me"}, priority=20)

    findings = scan()

    assert [(finding["path"], finding["status"]) for finding in findings] == [(str(path), "accepted")]
    row = home.db.get_job(path.name)
    assert (row["status"], row["priority"], row["media"]) == ("pending", 20, "image")
    assert row["metadata"] == {"creator": "me"} and row["config"]["inputs"] == {"width": 32}
    assert path.exists()


def test_monitor_scan_once_without_memory_takes_its_two_looks(home) -> None:
    path = home.write()
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.sleep(seconds)

    (finding,) = monitor.scan_once(home.cfg, home.workflows, home.db, sleep=sleep)

    assert finding["status"] == "accepted" and finding["path"] == str(path)
    assert waited[0] == 2.0


def test_monitor_scan_once_without_memory_leaves_a_growing_file_alone(home) -> None:
    path = home.write()

    def grow(seconds: float) -> None:
        if seconds:
            path.write_text(path.read_text("utf-8") + " ", "utf-8")

    findings = monitor.scan_once(home.cfg, home.workflows, home.db, sleep=grow)

    assert [finding["status"] for finding in findings] == ["settling"]
    assert home.db.get_job(path.name) is None


def test_monitor_scan_once_ignores_what_is_no_job_file(home, scan) -> None:
    (home.processing / "notes.txt").write_text("x", "utf-8")
    (home.processing / ".hidden.yaml").write_text("x", "utf-8")

    assert scan() == []


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("T2I_20250101120000_1_a.yaml", "[", "yaml_syntax"),
        ("T2I_20250101120000_1_a.yaml", "job_type: T2I", "missing_field"),
        ("T2I_20250230120000_1_a.yaml", "{}", "name_invalid"),
        ("T2I_20250101120000_1_a.yml", "{}", "extension"),
        ("T2V_20250101120000_1_a.yaml", "{}", "bad_value"),
    ],
    ids=["syntax", "missing", "date", "yml", "wrong folder"],
)
def test_monitor_scan_once_rejects_with_a_reason_and_keeps_the_file(home, scan, name, text, code) -> None:
    path = home.processing / name
    path.write_text(text, "utf-8")

    finding = _by_name(scan())[name]

    assert (finding["status"], finding["code"]) == ("rejected", code)
    (rejection,) = home.db.list_rejections()
    assert (rejection["path"], rejection["code"]) == (str(path), code) and rejection["reason"]
    assert path.exists()


def test_monitor_scan_once_names_line_and_column(home, scan) -> None:
    path = home.write()
    path.write_text("job_type: T2I\nworkflow_id: wf\ninputs: {}\noutputs: {file_path: a.png}\nbogus: 1\n", "utf-8")

    (finding,) = scan()

    assert (finding["code"], finding["line"], finding["column"]) == ("unknown_field", 5, 1)


def test_monitor_scan_once_names_the_right_folder(home, scan) -> None:
    path = Path(home.cfg["paths"]["jobs_processing"]) / "T2I_20250101120000_1_a.yaml"
    path.write_text("{}", "utf-8")

    (finding,) = scan()

    assert finding["status"] == "rejected" and str(path.parent / "image") in finding["reason"]


def test_monitor_scan_once_rejects_a_type_that_is_not_the_names(home, scan) -> None:
    home.write(job_type="I2I")

    (finding,) = scan()

    assert finding["status"] == "rejected" and "T2I" in finding["reason"] and "I2I" in finding["reason"]


def test_monitor_scan_once_clamps_a_priority_with_a_warning(home, scan) -> None:
    path = home.write(priority=5000)

    scan()

    row = home.db.get_job(path.name)
    assert row["priority"] == 999 and "5000" in row["warnings"][0]


def test_monitor_scan_once_calls_the_same_file_again_a_duplicate(home, scan) -> None:
    home.write()
    scan()

    (finding,) = scan()

    assert finding["status"] == "duplicate"
    assert home.db.count_by_status()["pending"] == 1


def test_monitor_scan_once_gives_an_edited_job_its_new_content(home, scan) -> None:
    path = home.write()
    scan()
    path.write_text(json.dumps(home.body(path.stem, inputs={"width": 99})), "utf-8")

    (finding,) = scan()

    assert finding["status"] == "accepted"
    assert home.db.get_job(path.name)["config"]["inputs"] == {"width": 99}


def test_monitor_scan_once_shows_a_conflict_with_a_running_job(home, scan) -> None:
    path = home.write()
    scan()
    home.db.lease_next_job("w", 60)
    path.write_text(json.dumps(home.body(path.stem, inputs={"width": 99})), "utf-8")

    (finding,) = scan()

    assert (finding["status"], finding["code"]) == ("rejected", "name_conflict")
    assert home.db.get_job(path.name)["config"]["inputs"] == {"width": 32}


def test_monitor_scan_once_forgets_a_rejection_when_the_file_is_mended(home) -> None:
    folder = _instant(home)
    path = home.write(workflow_id="fw")
    _scan_twice(home, folder)
    assert home.db.list_rejections()

    path.write_text(json.dumps(home.body(path.stem)), "utf-8")
    folder.hint(str(path), "renamed")
    _scan_twice(home, folder)

    assert home.db.list_rejections() == []


def test_monitor_scan_once_forgets_a_rejection_when_the_file_is_gone(home) -> None:
    folder = _instant(home)
    path = home.write(workflow_id="fw")
    _scan_twice(home, folder)
    assert home.db.list_rejections()

    path.unlink()
    _scan_twice(home, folder)

    assert home.db.list_rejections() == []


def test_monitor_run_monitor_loop_judges_again_when_workflows_change(home) -> None:
    path = home.write(workflow_id="later")
    stop, folder = threading.Event(), DropFolder(home.cfg["paths"]["jobs_processing"])
    folder.hint(str(path), "renamed")

    def refresh() -> bool:
        if not home.db.list_rejections() or "later" in home.workflows:
            return False
        home.workflows["later"] = home.workflows["wf"]
        return True

    loop = threading.Thread(
        target=monitor.run_monitor_loop,
        args=(home.cfg, home.workflows, home.db, stop),
        kwargs={"folder": folder, "refresh": refresh},
    )
    loop.start()
    deadline = time.monotonic() + 10
    while home.db.get_job(path.name) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    loop.join(10)

    assert home.db.get_job(path.name)["status"] == "pending"
    assert home.db.list_rejections() == []


def test_monitor_run_monitor_loop_survives_a_fault(home, monkeypatch) -> None:
    scans: list[int] = []
    stop = threading.Event()

    def fail_once(*_args, **_kwargs):
        scans.append(1)
        if len(scans) == 1:
            raise OSError("the disk coughed")
        stop.set()
        return []

    monkeypatch.setattr(monitor, "_scan", fail_once)
    monitor.run_monitor_loop(home.cfg, home.workflows, home.db, stop)

    assert len(scans) == 2


def test_monitor_scan_that_is_not_heard_to_its_end_looks_at_the_rest_again(home, monkeypatch) -> None:
    monkeypatch.setattr(monitor, "BATCH", 1)
    folder = _instant(home)
    paths = [str(home.write()) for _ in range(3)]
    folder.look()

    next(findings := monitor._scan(home.cfg, home.workflows, home.db, folder))
    findings.close()

    assert folder.settling() == paths
    assert len(home.db.list_jobs()["jobs"]) == 1


def test_monitor_scan_leaves_the_garbage_collector_at_rest(home) -> None:
    """A full collection stops ComfyUI's loop; what a scan holds at a time must not bring one about."""
    folder = _instant(home)
    for _ in range(5 * monitor.BATCH):
        folder.hint(str(home.write()), "renamed")
    gc.collect()
    before = gc.get_stats()[1]["collections"]

    accepted = sum(
        finding["status"] == "accepted" for finding in monitor._scan(home.cfg, home.workflows, home.db, folder)
    )

    assert accepted == 5 * monitor.BATCH
    assert gc.get_stats()[1]["collections"] == before


def test_monitor_submit_job_writes_the_file_and_the_row(home) -> None:
    job = home.submit()

    assert job["status"] == "pending"
    assert (home.processing / job["config_name"]).exists()


def test_monitor_submit_job_refuses_before_it_writes(home) -> None:
    with pytest.raises(InvalidConfig, match="did you mean"):
        home.submit(wrokflow_id="x")

    assert not list(home.processing.iterdir())


def test_monitor_submit_job_refuses_a_name_that_is_taken(home) -> None:
    job = home.submit()

    with pytest.raises(NameConflict, match=job["config_name"]):
        home.submit(name=job["config_name"].upper().replace(".YAML", ".yaml").replace("TEST", "test"))
