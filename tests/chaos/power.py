"""Loss of power, replayed (F50): every state of the disk that a power cut may leave, and the recovery from it.

One life of E3 with one job is traced (strace): each write, sync, link, rename and removal, SQLite's own included.
From the trace a disk is built that forgets what was never synced. At every point of that life the power may fail, and
of what was not synced yet anything may be lost: all of it, the names, the bytes, or any part. Each such state is put
on the real disk, E3 starts on it, and the invariants must hold.

    python tests/chaos/power.py             # every point, in every way: about an hour
    python tests/chaos/power.py --most 100  # so many of them, evenly spread

What is assumed of a disk: what was synced stays, a name appears or goes as a whole, a rename is one step. A new
file's name needs a sync of its folder; that ext4 is kinder is not relied on.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import os
import pickle
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from comfyui_e3.e3_nodes.selftest import engine, invariants, rounds
from comfyui_e3.e3_nodes.selftest.scene import Ledger, Scene

CALLS = (
    "openat,write,pwrite64,ftruncate,fsync,fdatasync,link,linkat,unlink,unlinkat,"
    "rename,renameat,renameat2,mkdir,mkdirat,rmdir"
)
WAYS = ("nothing unsynced is left", "names without bytes", "bytes without names", "any part", "any other part")

Call = tuple[str, str, int]
"""The name of a system call, its arguments as strace writes them, and its result."""

AT_ONCE = (
    invariants.i4_done_stays_done,
    invariants.i8_no_file_without_intent,
    invariants.i11_done_means_delivered,
    invariants.i13_job_files_keep_their_bytes,
    invariants.i23_one_path_one_job,
)
"""What a power cut itself must leave true."""

_LINE = re.compile(r"(\d+)\s+(\w+)\((.*)\)\s+= (\d+)(?:<(.*)>)?$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_AT = re.compile(r'(?:(AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"((?:\\x[0-9a-f]{2})*)"')


@dataclass
class Inode:
    """A file's bytes as they are, as they were synced last, and the writes since."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    writes: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass
class Change:
    """A change of names that no sync has made durable yet: a path's new file, or None."""

    names: dict[str, Inode | None]


class Disk:
    """A disk that knows what it would forget.

    Args:
        root: The folder that it holds, whose content counts as synced.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders = {str(path) for path in [root, *root.rglob("*")] if path.is_dir()}
        files = [path for path in root.rglob("*") if path.is_file()]
        self.synced: dict[str, Inode | None] = {str(path): _inode(path.read_bytes()) for path in files}
        self.unsynced: list[Change] = []
        self.open: dict[int, Inode | str] = {}
        self.places: dict[int, int] = {}

    def names(self) -> dict[str, Inode]:
        """Return what is seen while there is power."""
        return _after(self.synced, self.unsynced)

    def change(self, names: dict[str, Inode | None]) -> None:
        """Change names."""
        self.unsynced.append(Change(names))

    def sync(self, what: Inode | str) -> None:
        """Make a file's bytes, or a folder's names, durable."""
        if isinstance(what, Inode):
            what.synced, what.writes = bytes(what.data), []
            return
        done = [one for one in self.unsynced if any(str(Path(path).parent) == what for path in one.names)]
        for one in done:
            self.synced.update(one.names)
        self.unsynced = [one for one in self.unsynced if one not in done]

    def write(self, inode: Inode, offset: int, data: bytes) -> None:
        """Write bytes."""
        inode.data.extend(bytes(max(0, offset - len(inode.data))))
        inode.data[offset : offset + len(data)] = data
        inode.writes.append((offset, data))

    def left(self, way: str, chance: random.Random) -> dict[str, bytes]:
        """Return the files that a power cut leaves now."""
        if way in WAYS[:2]:
            names = self.names() if way == WAYS[1] else _after(self.synced, [])
            return {path: inode.synced for path, inode in names.items()}
        if way == WAYS[2]:
            return {path: bytes(inode.data) for path, inode in _after(self.synced, []).items()}
        kept = [one for one in self.unsynced if chance.random() < 0.5]
        return {path: _torn(inode, chance) for path, inode in _after(self.synced, kept).items()}


def _inode(data: bytes) -> Inode:
    return Inode(bytearray(data), data)


def _after(synced: dict[str, Inode | None], changes: list[Change]) -> dict[str, Inode]:
    names = dict(synced)
    for change in changes:
        names.update(change.names)
    return {path: inode for path, inode in names.items() if inode is not None}


def _torn(inode: Inode, chance: random.Random) -> bytes:
    """Keep some of the unsynced writes, whole or cut at a sector."""
    data = bytearray(inode.synced)
    for offset, written in inode.writes:
        if chance.random() < 0.5:
            part = written if chance.random() < 0.5 else written[: len(written) // 1024 * 512]
            data.extend(bytes(max(0, offset - len(data))))
            data[offset : offset + len(part)] = part
    return bytes(data)


class Replay:
    """Repeats a trace on a disk, call by call."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def apply(self, call: str, given: str, result: int) -> bool:
        """Repeat one call; tell whether it concerned the disk."""
        if call in ("write", "pwrite64", "fsync", "fdatasync", "ftruncate"):
            return self._on_descriptor(call, given)
        paths = [os.path.normpath(Path(at or "", _text(path))) for _, at, path in _AT.findall(given)]
        paths = [path for path in paths if path.startswith(str(self.disk.root))]
        if call == "openat":
            self.disk.open.pop(result, None)
            self.disk.places[result] = 0
        return bool(paths) and self._on_names(call, paths, given, result)

    def _on_descriptor(self, call: str, given: str) -> bool:
        number = int(re.match(r"\d+", given)[0])  # type: ignore[index]
        target = self.disk.open.get(number)
        if target is None:
            return False
        if call.startswith("f") and call.endswith("sync"):
            self.disk.sync(target)
            return True
        if isinstance(target, str):
            return False
        if call == "ftruncate":
            del target.data[int(given.rpartition(", ")[2]) :]
            return False
        data = _text(_TEXT.search(given)[1]).encode("latin-1")  # type: ignore[index]
        offset = int(given.rpartition(", ")[2]) if call == "pwrite64" else self.disk.places[number]
        self.disk.write(target, offset, data)
        self.disk.places[number] = offset + len(data)
        return True

    def _on_names(self, call: str, paths: list[str], given: str, result: int) -> bool:
        names = self.disk.names()
        if call == "openat":
            self.disk.open[result] = self._opened(paths[0], given, names)
            return "O_CREAT" in given and paths[0] not in names
        if call.startswith("mkdir"):
            self.disk.folders.add(paths[0])
        elif call.startswith("link") and len(paths) == 2 and paths[0] in names:
            self.disk.change({paths[1]: names[paths[0]]})
        elif call.startswith("rename") and len(paths) == 2:
            self.disk.change(_moved(names, *paths))
            self.disk.folders |= {folder.replace(*paths) for folder in self.disk.folders if folder.startswith(paths[0])}
        elif call.startswith("unlink") and paths[0] in names:
            self.disk.change({paths[0]: None})
        return True

    def _opened(self, path: str, given: str, names: dict[str, Inode]) -> Inode | str:
        if path in self.disk.folders and path not in names:
            return path
        if path not in names:
            self.disk.change({path: Inode()})
        found = self.disk.names()[path]
        if "O_TRUNC" in given:
            found.data.clear()
        return found


def _moved(names: dict[str, Inode], source: str, target: str) -> dict[str, Inode | None]:
    """Return what a rename of a file or a folder changes."""
    moved = [path for path in names if path == source or path.startswith(f"{source}/")]
    changes: dict[str, Inode | None] = dict.fromkeys(moved)
    return changes | {target + path[len(source) :]: names[path] for path in moved}


def _text(escaped: str) -> str:
    return bytes.fromhex(escaped.replace("\\x", "")).decode("latin-1")


def trace(scene: Scene, out: Path) -> list[Call]:
    """Let E3 live on a scene until all is done, and return its system calls."""
    luggage = out.with_suffix(".scene")
    luggage.write_bytes(pickle.dumps({key: value for key, value in vars(scene).items() if key != "_numbers"}))
    command = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(out)]
    command += [sys.executable, __file__, "--live", str(luggage)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"E3 did not live to its end:\n{done.stderr[-2000:]}")
    found = (_LINE.match(line) for line in _whole_lines(out.read_text("utf-8", "replace")))
    return [(match[2], _unescaped(match[3]), int(match[4])) for match in found if match]


def _whole_lines(text: str) -> Iterator[str]:
    """Put calls together that other threads have interrupted; a call counts where it ended."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        pid = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>")
        elif "resumed>" in line:
            yield begun.pop(pid, pid) + line.partition("resumed>")[2]
        else:
            yield line


def _unescaped(given: str) -> str:
    """Read the paths that strace writes behind descriptors, which are escaped as well."""
    return re.sub(r"<((?:\\x[0-9a-f]{2})+)>", lambda match: f"<{_text(match[1])}>", given)


def live(luggage: str) -> int:
    """Be the traced life."""
    scene = Scene.__new__(Scene)
    vars(scene).update(pickle.loads(Path(luggage).read_bytes()))  # noqa: S301 - written by this very program
    engine.run_engine(scene, until=engine.is_all_ended(scene))
    return 0


@dataclass(frozen=True)
class Cut:
    """A moment at which the power fails: after which call, and what is lost then."""

    number: int
    call: str
    way: str


def cut_power(folder: Path, report: rounds.Report, most: int | None = None, seed: int = 1) -> int:
    """Cut the power again and again, and let E3 recover from each.

    Args:
        folder: An empty folder.
        report: Told of what is found.
        most: How many cuts, evenly spread; all when None.
        seed: Repeats what is lost.

    Returns:
        How many cuts there could have been.
    """
    (folder / "scene").mkdir()
    scene = Scene(folder / "scene")
    for batch in (1, 2):
        scene.drop(batch=batch)
    disk = Disk(folder / "scene")
    calls = trace(scene, folder / "trace.txt")
    scene.bury(int((folder / "trace.txt").read_text("utf-8", "replace").partition(" ")[0]))
    cuts = _cuts(copy.deepcopy(disk), calls)
    step = 1.0 if most is None else max(1.0, len(cuts) / most)
    chosen = [cuts[int(number * step)] for number in range(int(len(cuts) / step))]
    _cut_at(chosen, scene, disk, calls, report, random.Random(seed))
    return len(cuts)


def _cuts(disk: Disk, calls: Sequence[Call]) -> list[Cut]:
    replay = Replay(disk)
    points = [number for number, call in enumerate(calls) if replay.apply(*call)]
    _check_replay(disk)
    return [Cut(number, calls[number][0], way) for number in points for way in WAYS]


def _check_replay(disk: Disk) -> None:
    """A replay that ends at another disk than the real one has missed something, and would prove nothing."""
    files = {str(path): path.read_bytes() for path in disk.root.rglob("*") if path.is_file()}
    ours = {path: bytes(inode.data) for path, inode in disk.names().items()}
    other = [path for path in files.keys() | ours.keys() if files.get(path) != ours.get(path)]
    if wrong := [path for path in other if not path.endswith("-shm")]:  # which SQLite maps, and makes anew
        raise RuntimeError(f"the trace does not tell how {', '.join(wrong)} came to be")


def _cut_at(
    chosen: Sequence[Cut], scene: Scene, disk: Disk, calls: Sequence[Call], report: rounds.Report, chance: random.Random
) -> None:
    replay, done = Replay(disk), 0
    for cut in chosen:
        for call in calls[done : cut.number + 1]:
            replay.apply(*call)
        done = cut.number + 1
        _put(disk, disk.left(cut.way, chance))
        _recover(scene, report, f"power lost after call {cut.number} ({cut.call}), {cut.way}")
        report.kills[f"power lost, {cut.way}"] += 1


def _put(disk: Disk, files: dict[str, bytes]) -> None:
    """Put a state on the real disk; folders count as synced."""
    shutil.rmtree(disk.root)
    for folder in sorted(disk.folders):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)


def _recover(scene: Scene, report: rounds.Report, what: str) -> None:
    """Check what must be true at once, let E3 start, and check everything."""
    scene.ledger = Ledger(buried=scene.ledger.buried)
    if sqlite_is_whole(scene):
        report.check(scene, f"{what}, before E3 has started", AT_ONCE)
    rounds.settle(scene, report, what)


def sqlite_is_whole(scene: Scene) -> bool:
    """Tell whether there is a table yet; a cut in its first moments leaves a file that E3 sets aside."""
    path = Path(scene.cfg["paths"]["database"])
    try:
        with contextlib.closing(sqlite3.connect(path)) as con:
            return con.execute("SELECT count(*) FROM sqlite_master WHERE name = 'workers'").fetchone()[0] == 1
    except sqlite3.DatabaseError:
        return False


def main(argv: list[str]) -> int:
    """Live the traced life, or cut the power."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, help="how many cuts; all without it")
    parser.add_argument("--seed", type=int, default=1, help="repeats what is lost")
    parser.add_argument("--live", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.live:
        return live(args.live)
    report, began = rounds.Report(print), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="e3-power-", ignore_cleanup_errors=True) as folder:
        cuts = cut_power(Path(folder), report, args.most, args.seed)
    print(f"{sum(report.kills.values())} of {cuts} power cuts in {time.monotonic() - began:.0f} s; ", end="")
    print(f"{report.checks} checks, {len(report.violations)} violations (seed {args.seed})")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
