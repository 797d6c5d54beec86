"""Publishing under fire: full disks, crashes at every step, strangers, adversaries, poor filesystems."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import outputs
from comfyui_e3.e3_nodes.errors import (
    DiskFull,
    E3Error,
    FilesystemUnsupported,
    LeaseLost,
    OutputError,
    OutputExists,
    StagingLost,
)
from comfyui_e3.e3_nodes.file_utils import linking

posix_only = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
TOKEN = "0123456789abcdef" * 2
BIG = 4 << 20


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels: bytes = b"pixels") -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0" * 13) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


class Attempt:
    """An attempt with staged files, and the folder that its results go to."""

    def __init__(self, root: Path, finished: Path | None = None) -> None:
        self.finished = finished or root / "finished"
        self.staging = root / "output" / "e3" / TOKEN
        self.finished.mkdir(exist_ok=True)
        self.staging.mkdir(parents=True)
        self.intents: list[Any] = []

    @property
    def dest(self) -> dict[str, Any]:
        return {
            "file_path": str(self.finished / "image" / "cat.png"),
            "if_exists": "fail",
            "roots": [str(self.finished)],
            "staging": str(self.staging),
        }

    @property
    def final(self) -> Path:
        return self.finished / "image" / "cat.png"

    def stage(self, *contents: bytes) -> dict[str, Any]:
        artifacts = []
        for number, data in enumerate(contents):
            path = self.staging / f"{number}.png"
            path.write_bytes(data)
            artifacts.append({"node": "9", "path": str(path)})
        return {"outcome": "success", "artifacts": artifacts}

    def commit(self, intents: list[Any]) -> bool:
        self.intents = intents
        return True

    def publish(self, *contents: bytes, holds_lease: Callable[[], bool] | None = None, **changes: Any) -> Any:
        return outputs.write_outputs(
            self.stage(*contents),
            {**self.dest, **changes},
            commit_intents=self.commit,
            holds_lease=holds_lease,
        )

    def roll_forward(self) -> Any:
        return outputs.deliver(self.intents, roots=[str(self.finished)])

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.finished).as_posix(): path.read_bytes()
            for path in self.finished.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(tmp_path)


def mount(*args: str) -> bool:
    return subprocess.run(["mount", *args], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Another filesystem of one megabyte, where the machine lets us mount one."""
    point = tmp_path / "disk"
    point.mkdir()
    if not (sys.platform == "linux" and os.geteuid() == 0 and mount("-t", "tmpfs", "-o", "size=1m", "e3", str(point))):
        pytest.skip("may not mount a filesystem here")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make staging seem to lie on another filesystem: a link out of it fails, as does a rename."""
    link = os.link

    def link_nearby(src: Any, dst: Any, **kwargs: Any) -> None:
        if TOKEN in str(src):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        link(src, dst, **kwargs)

    monkeypatch.setattr(linking.os, "link", link_nearby)


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(linking.os, "link", refuse)


def fsync_fails(monkeypatch: pytest.MonkeyPatch, is_doomed: Callable[[str], bool], code: int = errno.EIO) -> None:
    """Make fsync fail for the files and folders whose path is doomed."""
    fsync = os.fsync

    def fsync_or_fail(fd: int) -> None:
        if is_doomed(str(Path(f"/proc/self/fd/{fd}").readlink())):
            raise OSError(code, os.strerror(code))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fsync_or_fail)


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


# --- no room --------------------------------------------------------------------------------------
def test_publish_faults_full_disk_leaves_nothing_and_is_mended_later(small_disk: Path, tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (700 << 10))

    with pytest.raises(DiskFull):
        attempt.publish(png(b"x" * (600 << 10)))

    assert list(attempt.files()) == ["ballast"]
    ballast.unlink()
    saved = attempt.roll_forward()
    assert attempt.files() == {"image/cat.png": png(b"x" * (600 << 10))}
    assert not saved["linked"]


def test_publish_faults_read_only_folder_is_found_by_preflight(small_disk: Path, tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, small_disk)
    outputs.preflight(attempt.dest)
    assert mount("-o", "remount,ro", str(small_disk))

    with pytest.raises(DiskFull):
        outputs.preflight(attempt.dest)


@posix_only
def test_publish_faults_file_size_limit_pauses_like_a_full_disk(tmp_path: Path) -> None:
    """RLIMIT_FSIZE gives a real EFBIG; the cross-filesystem copy runs into it."""
    attempt = Attempt(tmp_path)
    result = attempt.stage(png(b"x" * 50_000))
    script = f"""
import os, resource, signal
from comfyui_e3.e3_nodes import outputs
from comfyui_e3.e3_nodes.file_utils import linking
from comfyui_e3.e3_nodes.errors import DiskFull
link = os.link
def far(src, dst, **kwargs):
    if {TOKEN!r} in str(src): raise OSError(18, "Cross-device link")
    link(src, dst, **kwargs)
linking.os.link = far
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    outputs.write_outputs({result!r}, {attempt.dest!r})
except DiskFull as exc:
    print(exc.errno)
"""

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(errno.EFBIG)
    assert attempt.files() == {}


# --- a disk that fails ------------------------------------------------------------------------------
@linux_only
@pytest.mark.parametrize("doomed", [TOKEN, "image"], ids=["staged file", "final folder"])
def test_publish_faults_failing_fsync_is_never_called_done(
    doomed: str, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync_fails(monkeypatch, lambda path: doomed in path)

    with pytest.raises(OutputError) as raised:
        attempt.publish(png())

    assert raised.value.errno == errno.EIO


def test_publish_faults_unreadable_staged_file_promises_nothing(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fd: int, _length: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "read", fail)

    with pytest.raises(OutputError, match=r"0\.png"):
        attempt.publish(png())

    assert not attempt.intents
    assert attempt.files() == {}


# --- filesystems that cannot ------------------------------------------------------------------------
def test_publish_faults_other_filesystem_gets_a_copy(small_disk: Path, tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, small_disk)

    saved = attempt.publish(png(b"a"), png(b"b"))

    assert attempt.files() == {"image/cat.png": png(b"a"), "image/cat_2.png": png(b"b")}
    assert not saved["linked"]


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize("policy", ["fail", "overwrite"])
def test_publish_faults_copy_leaves_no_part_behind(policy: str, attempt: Attempt) -> None:
    attempt.publish(png(), if_exists=policy)

    assert attempt.files() == {"image/cat.png": png()}


@pytest.mark.usefixtures("no_links")
def test_publish_faults_without_links_the_staged_file_is_renamed(attempt: Attempt) -> None:
    outputs.preflight(attempt.dest)

    saved = attempt.publish(png())

    assert attempt.files() == {"image/cat.png": png()}
    assert not saved["linked"]
    assert attempt.roll_forward() == {key: value for key, value in saved.items() if key != "warnings"}


@posix_only
@pytest.mark.usefixtures("no_links")
def test_publish_faults_unsupported_filesystem_is_found_by_preflight(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "_RENAME_NEW", {})

    with pytest.raises(FilesystemUnsupported):
        outputs.preflight(attempt.dest)

    assert attempt.files() == {}


# --- the first instant ------------------------------------------------------------------------------
class Watcher(threading.Thread):
    """Looks at a path as fast as it can, and remembers every state other than absent and complete."""

    def __init__(self, path: Path, complete: bytes) -> None:
        super().__init__()
        self.path, self.complete = path, complete
        self.stop = threading.Event()
        self.sizes: set[int] = set()
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.sizes.add(self.path.stat().st_size)
                if self.path.read_bytes() != self.complete:
                    self.wrong.append("incomplete")
            except FileNotFoundError:
                continue

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop.set()
        self.join()


@pytest.mark.parametrize("way", ["link", "copy", "rename", "replace"])
def test_publish_faults_watcher_never_sees_an_unfinished_file(
    way: str, attempt: Attempt, request: pytest.FixtureRequest
) -> None:
    if way in ("copy", "rename"):
        request.getfixturevalue({"copy": "far_away", "rename": "no_links"}[way])
    data = png(os.urandom(BIG))

    with Watcher(attempt.final, data) as watcher:
        attempt.publish(data, if_exists="overwrite" if way == "replace" else "fail")

    assert not watcher.wrong
    assert watcher.sizes <= {len(data)}


# --- strangers at the last moment -------------------------------------------------------------------
def place_stranger(attempt: Attempt, data: bytes = b"theirs") -> Callable[[], bool]:
    def place() -> bool:
        attempt.final.write_bytes(data)
        return True

    return place


@pytest.mark.parametrize("far", [False, True], ids=["link", "copy"])
def test_publish_faults_stranger_at_the_last_moment_stays(
    far: bool, attempt: Attempt, request: pytest.FixtureRequest
) -> None:
    if far:
        request.getfixturevalue("far_away")

    with pytest.raises(OutputExists):
        attempt.publish(png(), holds_lease=place_stranger(attempt))

    assert attempt.files() == {"image/cat.png": b"theirs"}


def test_publish_faults_equal_stranger_at_the_last_moment_is_still_a_stranger(attempt: Attempt) -> None:
    with pytest.raises(OutputExists):
        attempt.publish(png(), holds_lease=place_stranger(attempt, png()))

    for earlier in ([], attempt.intents):
        with pytest.raises(OutputExists):
            outputs.deliver(attempt.intents, roots=[str(attempt.finished)], earlier=earlier)


def test_publish_faults_two_jobs_with_one_path_have_one_winner(tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    attempts = [
        Attempt(tmp_path / str(number), finished) for number in range(4) if not (tmp_path / str(number)).mkdir()
    ]
    ready = threading.Barrier(4)
    ended: list[str] = []

    def run(attempt: Attempt) -> None:
        def wait() -> bool:
            ready.wait(10)
            return True

        try:
            attempt.publish(png(b"equal bytes"), holds_lease=wait)
            ended.append("done")
        except OutputExists:
            ended.append("output_exists")

    threads = [threading.Thread(target=run, args=(attempt,)) for attempt in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ended) == ["done", "output_exists", "output_exists", "output_exists"]


# --- adversaries ------------------------------------------------------------------------------------
@posix_only
def test_publish_faults_swapped_parent_never_leads_outside(attempt: Attempt, tmp_path: Path) -> None:
    """A parent of the final path flips between a folder and a link out of the root, as fast as it can."""
    outside, parent = tmp_path / "outside", attempt.finished / "image"
    outside.mkdir()
    stop = threading.Event()

    def swap() -> None:
        real, link = tmp_path / "real", tmp_path / "link"
        real.mkdir()
        link.symlink_to(outside)
        while not stop.is_set():
            for one in (real, link):
                try:
                    one.rename(parent)
                    parent.rename(one)
                except OSError:
                    continue

    adversary = threading.Thread(target=swap)
    adversary.start()
    try:
        for number in range(100):
            try:
                attempt.publish(png(), file_path=str(parent / f"{number}.png"))
            except E3Error:
                continue
    finally:
        stop.set()
        adversary.join()

    assert not list(outside.iterdir())


@posix_only
@pytest.mark.parametrize("policy", ["fail", "overwrite"])
@pytest.mark.parametrize("kind", ["link to a secret", "other file"])
@pytest.mark.parametrize("far", [False, True], ids=["link", "copy"])
def test_publish_faults_swapped_staged_file_is_not_published(
    far: bool, kind: str, policy: str, attempt: Attempt, request: pytest.FixtureRequest
) -> None:
    if far:
        request.getfixturevalue("far_away")
    secret = attempt.staging.parent / "secret"
    secret.write_bytes(b"secret")

    def swap() -> bool:
        staged = attempt.staging / "0.png"
        staged.unlink()
        if kind == "other file":
            staged.write_bytes(b"unfinished")
        else:
            staged.symlink_to(secret)
        return True

    if policy == "fail":
        with pytest.raises(StagingLost):
            attempt.publish(png(), holds_lease=swap)
        assert not os.path.lexists(attempt.final)
    else:
        attempt.publish(png(), holds_lease=swap, if_exists=policy)
        assert attempt.files() == {"image/cat.png": png()}


@posix_only
def test_publish_faults_removed_parent_is_made_again_by_delivering_again(attempt: Attempt) -> None:
    def remove_parent() -> bool:
        attempt.final.parent.rmdir()
        return True

    with pytest.raises(OutputError):
        attempt.publish(png(), holds_lease=remove_parent)
    attempt.roll_forward()

    assert attempt.files() == {"image/cat.png": png()}


@posix_only
def test_publish_faults_moved_parent_is_noticed(attempt: Attempt, tmp_path: Path) -> None:
    def move_parent() -> bool:
        attempt.final.parent.rename(tmp_path / "moved")
        return True

    with pytest.raises(OutputError, match="moved or replaced"):
        attempt.publish(png(), holds_lease=move_parent)

    assert attempt.files() == {}


# --- crashes ----------------------------------------------------------------------------------------
def run_armed(attempt: Attempt, failpoint: str, call: str) -> subprocess.Popen[bytes]:
    """Start a process that publishes and files as the executor does, armed with a failpoint."""
    result = {"artifacts": [{"node": "9", "path": str(path)} for path in sorted(attempt.staging.iterdir())]}
    script = f"""
import json, pathlib
from comfyui_e3.e3_nodes import outputs
def commit(intents):
    pathlib.Path({str(attempt.staging.parent / "intents")!r}).write_text(json.dumps(intents))
    return True
{call.format(result=result, dest=attempt.dest)}
"""
    env = {**os.environ, "E3_FAILPOINT": failpoint}
    return subprocess.Popen([sys.executable, "-c", script], env=env)


PUBLISH = "outputs.write_outputs({result!r}, {dest!r}, commit_intents=commit)"


@pytest.mark.parametrize(
    ("failpoint", "visible", "promised"),
    [
        ("publish.hashed:kill", 0, False),
        ("publish.intent_committed:kill", 0, True),
        ("publish.before_link:kill", 0, True),
        ("publish.before_link:3:kill", 2, True),
        ("publish.linked:kill", 1, True),
        ("publish.linked:2:kill", 2, True),
        ("publish.linked:3:kill", 3, True),
        ("publish.dir_synced:kill", 3, True),
    ],
)
def test_publish_faults_kill_at_each_step_is_rolled_forward(
    failpoint: str, visible: int, promised: bool, attempt: Attempt
) -> None:
    contents = [png(b"a"), png(b"b"), png(b"c")]
    attempt.stage(*contents)

    assert run_armed(attempt, failpoint, PUBLISH).wait() != 0

    record = attempt.staging.parent / "intents"
    assert list(attempt.files().values()) == contents[:visible]
    assert record.exists() is promised
    if promised:
        attempt.intents = json.loads(record.read_text())
        assert attempt.roll_forward() == attempt.roll_forward()
        assert list(attempt.files().values()) == contents


def test_publish_faults_kill_while_a_copy_is_at_hand_leaves_nothing_after_recovery(
    small_disk: Path, tmp_path: Path
) -> None:
    attempt = Attempt(tmp_path, small_disk)
    attempt.stage(png())
    assert run_armed(attempt, "publish.before_link:2:kill", PUBLISH).wait() != 0
    leftover = [path for path in attempt.files() if path.endswith(".part")]

    attempt.intents = json.loads((attempt.staging.parent / "intents").read_text())
    attempt.roll_forward()

    assert len(leftover) == 1
    assert attempt.files() == {"image/cat.png": png()}


@posix_only
@pytest.mark.parametrize("meanwhile", ["stranger", "fenced"])
def test_publish_faults_frozen_worker_touches_nothing_when_it_wakes(meanwhile: str, attempt: Attempt) -> None:
    attempt.stage(png())
    worker = run_armed(attempt, "publish.before_link:stop", PUBLISH)
    assert os.WIFSTOPPED(os.waitpid(worker.pid, os.WUNTRACED)[1])

    if meanwhile == "stranger":
        attempt.final.write_bytes(b"theirs")
    else:
        outputs.fence_staging(str(attempt.staging.parent.parent), TOKEN)
    before = attempt.files()
    os.kill(worker.pid, signal.SIGCONT)

    assert worker.wait() != 0
    assert attempt.files() == before


FILE = """
cfg = {{"paths": {{"jobs_finished": {dest[roots][0]!r}, "jobs_processing": {dest[staging]!r}}}}}
job = json.loads(pathlib.Path({dest[staging]!r}, "job.json").read_text())
outputs.file_jobs([(job, {{"config_name": job["config_name"]}})], cfg)
"""


@pytest.mark.parametrize(
    ("failpoint", "in_processing", "in_finished"),
    [("receipt.after:kill", True, False), ("yaml.linked:kill", True, True), ("yaml.moved:kill", False, True)],
)
def test_publish_faults_kill_while_filing_is_mended_by_filing_again(
    failpoint: str, in_processing: bool, in_finished: bool, attempt: Attempt
) -> None:
    text = "job_type: T2I\n"
    source = attempt.staging / "image" / "T2I_20250101000000_1_cat.yaml"
    source.parent.mkdir()
    source.write_text(text)
    job = {
        "config_name": source.name,
        "media": "image",
        "config_path": str(source),
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "source_yaml": text,
    }
    (attempt.staging / "job.json").write_text(json.dumps(job))
    target = attempt.finished / "image" / source.name

    assert run_armed(attempt, failpoint, FILE).wait() != 0
    assert (source.exists(), target.exists()) == (in_processing, in_finished)
    paths = {"jobs_finished": str(attempt.finished), "jobs_processing": str(attempt.staging)}
    for _ in range(2):
        assert outputs.file_jobs([(job, {"config_name": source.name})], {"paths": paths}) == {}

    assert not source.exists()
    left = sorted(name for name in attempt.files() if not name.endswith(".part"))  # parts are swept up later
    assert left == [f"image/{source.stem}.result.json", f"image/{source.name}"]


def test_publish_faults_set_of_many_stops_whole_when_the_lease_is_lost(attempt: Attempt) -> None:
    answers = iter([True] * 100 + [False])

    with pytest.raises(LeaseLost):
        attempt.publish(*[png(b"%d" % n) for n in range(150)], holds_lease=lambda: next(answers))
    attempt.roll_forward()

    assert sorted(attempt.files().values()) == sorted(png(b"%d" % n) for n in range(150))


# --- loss of power ----------------------------------------------------------------------------------
@linux_only
@pytest.mark.parametrize("far", [False, True], ids=["link", "copy"])
def test_publish_faults_order_survives_a_loss_of_power(
    far: bool, attempt: Attempt, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Bytes are durable before the promise, and names before anybody is told: no kill can show this."""
    if far:
        request.getfixturevalue("far_away")
    (attempt.finished / "image").mkdir()
    happened: list[str] = []
    fsync, link = os.fsync, linking.os.link

    def note_fsync(fd: int) -> None:
        path = str(Path(f"/proc/self/fd/{fd}").readlink())
        happened.append("part" if path.endswith(".part") else "staged" if TOKEN in path else "folder")
        fsync(fd)

    def note_link(*args: Any, **kwargs: Any) -> None:
        link(*args, **kwargs)
        happened.append("link")

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(linking.os, "link", note_link)

    outputs.write_outputs(attempt.stage(png()), attempt.dest, commit_intents=lambda _: not happened.append("promise"))

    assert happened == ["staged", "promise", *(["part"] if far else []), "link", "folder"]
