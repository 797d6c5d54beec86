"""Make promised files appear at their final paths: whole, durable, never over somebody else's, once.

Delivering is idempotent: a crash at any instant is mended by delivering the same intents again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from .. import failpoints
from ..batch import Once
from ..errors import FileChanging, InvalidConfig, LeaseLost, OutputError, OutputExists, StagingLost
from ..file_utils import disk, linking, reading
from ..file_utils.folders import Folder, open_folder
from ..model import Intent

Signature = tuple[int, int, int, int]
"""Device, inode, size and mtime: equal ones mean the same bytes."""


def signature_of(seen: os.stat_result) -> Signature:
    """Reduce a stat to what tells a file that was not written to since."""
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


@dataclass(frozen=True)
class Terms:
    """On which terms files are delivered.

    Attributes:
        roots: The folders that they may appear in.
        if_exists: The job's own word: ``fail``, ``version`` or ``overwrite``.
        earlier: The intents of the job's attempts before; a file that matches one of them is the job's own.
        holds_lease: Asked right before each file appears.
        hashed: The signatures of staged files whose hash was just taken, by path.
    """

    roots: Sequence[str]
    if_exists: str = "fail"
    earlier: Sequence[Intent] = ()
    holds_lease: Callable[[], bool] | None = None
    hashed: Mapping[str, Signature] = field(default_factory=dict)


def deliver_all(intents: Sequence[Intent], terms: Terms) -> bool:
    """Deliver each intent, then make the folders durable.

    A final file with the promised bytes counts as delivered; an absent one is linked from staging.

    Args:
        intents: What was promised, and committed before.
        terms: On which terms.

    Returns:
        True when every staged file is the final file itself (a hard link), so that keeping it costs no disk.

    Raises:
        LeaseLost: Another worker owns the job.
        OutputExists: A path is taken by somebody else's file; the message lists what is delivered already.
        StagingLost: A staged file is gone or changed, and its final file is absent.
        DiskFull: There is no room; deliver again later.
        OutputError: Any other fault of the disk.
    """
    with Folders() as folders:
        deliver_into(folders, intents, terms)
        folders.settle(intents)
    return is_linked(intents)


class Folders:
    """The folders in which the files of one or several jobs appear: each is opened once, and made durable once."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[str, Folder] = {}
        self._settled = Once()

    def __enter__(self) -> Folders:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def of(self, path: str, roots: Sequence[str]) -> Folder:
        """Open the folder of a final path under one of the roots, unless it is open already."""
        parent = os.path.dirname(path)  # noqa: PTH120 - text: asked for every job
        if parent not in self._open:
            self._open[parent] = self._stack.enter_context(open_folder(Path(parent), roots))
        return self._open[parent]

    def settle(self, intents: Sequence[Intent]) -> None:
        """Make the names of delivered files durable; what is wrong with a folder is said to each that used it."""
        for parent in {os.path.dirname(intent["final_path"]): None for intent in intents}:  # noqa: PTH120
            self._settled.do(parent, self._open[parent].settle)
        failpoints.reach("publish.dir_synced")


def deliver_into(folders: Folders, intents: Sequence[Intent], terms: Terms) -> None:
    """Deliver each intent; the names are durable once ``folders`` is told to settle them.

    Args:
        folders: Where they appear.
        intents: What was promised, and committed before.
        terms: On which terms.

    Raises:
        OutputError: As ``deliver_all``.
    """
    delivered: list[str] = []
    for intent in intents:
        folder = folders.of(intent["final_path"], terms.roots)
        try:
            _deliver(intent, folder, terms)
        except OutputExists as exc:
            raise _taken(exc, terms, delivered) from exc
        failpoints.reach("publish.linked")
        delivered.append(intent["final_path"])


def is_linked(intents: Sequence[Intent]) -> bool:
    """Tell whether every staged file is the final file itself, so that keeping it costs no disk.

    Args:
        intents: What was delivered.
    """
    return all(disk.is_one_file(intent["staged_path"], intent["final_path"]) for intent in intents)


def remove_leftovers(intents: Sequence[Intent]) -> None:
    """Remove the hidden part files that a crash left beside the final paths of these intents.

    Args:
        intents: Those of a dead attempt.
    """
    for intent in intents:
        with contextlib.suppress(OSError):
            for leftover in Path(intent["final_path"]).parent.glob(f".e3-{_stem(intent)}-*.part"):
                disk.remove_quietly(leftover)


def is_own(path: str, earlier: Sequence[Intent], actual_sha256: Callable[[], str]) -> bool:
    """Tell whether a file is one that an earlier attempt of the same job put there.

    Args:
        path: Where the file is.
        earlier: The intents of the job's attempts before.
        actual_sha256: Hashes the file; asked only where an intent names the path.
    """
    promised = {intent["sha256"] for intent in earlier if intent["final_path"] == path}
    return bool(promised) and actual_sha256() in promised


def _taken(exc: OutputExists, terms: Terms, delivered: list[str]) -> OutputError:
    """Say what is in place already; a version that was taken meanwhile is no reason to give the job up."""
    done = f"; already delivered: {', '.join(delivered)}" if delivered else ""
    if terms.if_exists == "version":
        return OutputError(f"{exc}; the next run takes the next free version{done}")
    return OutputExists(f"{exc}{done}")


def _deliver(intent: Intent, folder: Folder, terms: Terms) -> None:
    name = os.path.basename(intent["final_path"])  # noqa: PTH119 - text: asked for every job
    present = folder.lstat(name)
    if present is not None and _is_delivered(intent, folder, name, present):
        return
    if present is not None:
        _check_replaceable(intent, folder, name, present, terms)
    expected = _check_staged(intent, terms)
    if present is not None or terms.if_exists == "overwrite":
        _replace(intent, folder, name, expected, terms)
    else:
        _add(intent, folder, name, expected, terms)


def _is_delivered(intent: Intent, folder: Folder, name: str, present: os.stat_result) -> bool:
    """Tell whether the final file is ours: equal bytes, and no stranger to a staged one on the same disk."""
    if not stat.S_ISREG(present.st_mode) or present.st_size != intent["bytes"]:
        return False
    with contextlib.suppress(OSError):
        staged = os.lstat(intent["staged_path"])
        if staged.st_dev == present.st_dev and staged.st_ino != present.st_ino:
            return False
    return folder.sha256(name) == intent["sha256"]


def _check_replaceable(intent: Intent, folder: Folder, name: str, present: os.stat_result, terms: Terms) -> None:
    if stat.S_ISREG(present.st_mode) and (
        terms.if_exists == "overwrite" or is_own(intent["final_path"], terms.earlier, lambda: folder.sha256(name))
    ):
        return
    raise OutputExists(f"{intent['final_path']} is taken by something that this job did not make")


def _check_staged(intent: Intent, terms: Terms) -> Signature:
    """Make sure that the staged file still holds the promised bytes; return its signature."""
    path = intent["staged_path"]
    if (hashed := terms.hashed.get(path)) is not None and signature_at(path) == hashed:
        return hashed
    with disk.naming_faults(path), _opened(path) as fd:
        signature = signature_of(os.fstat(fd))
        if reading.digest_of(partial(os.read, fd)) == intent["sha256"]:
            return signature
    raise StagingLost(f"{path} is not the file any more that was promised")


def signature_at(path: str) -> Signature | None:
    """Return the signature of what is at a path, which is not followed; None where nothing is."""
    try:
        return signature_of(os.lstat(path))
    except OSError:
        return None


@contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        fd = reading.open_regular(path)
    except (FileNotFoundError, InvalidConfig, FileChanging) as exc:
        raise StagingLost(f"{path} was promised and is gone: {exc}") from exc
    try:
        yield fd
    finally:
        os.close(fd)


def _add(intent: Intent, folder: Folder, name: str, expected: Signature, terms: Terms) -> None:
    """Give the staged file its final name; on another filesystem a hidden copy gets it."""
    try:
        _ask(terms, intent)
        linking.link_or_rename_new(intent["staged_path"], folder.at(name), dst_dir_fd=folder.fd)
    except OutputError as exc:
        if exc.errno != errno.EXDEV:
            raise
        with _copied(intent, folder) as part:
            _ask(terms, intent)
            linking.link_or_rename_new(part, folder.at(name), src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
        return
    if not _holds(intent, folder, name, expected):
        _withdraw(intent, folder, name)
        raise StagingLost(f"{intent['staged_path']} changed at the very moment of publishing")


def _withdraw(intent: Intent, folder: Folder, name: str) -> None:
    """Remove the name again that was just given to a swapped file; whatever else has that name now stays."""
    with contextlib.suppress(OSError):
        seen, staged = folder.lstat(name), os.lstat(intent["staged_path"])
        if seen is not None and os.path.samestat(seen, staged):
            folder.remove(name)


def _replace(intent: Intent, folder: Folder, name: str, expected: Signature, terms: Terms) -> None:
    """Replace the file of that name in one step, by a second name of the staged one or by a copy."""
    with _twin(intent, folder, expected) as part:
        _ask(terms, intent)
        folder.replace(part, name)


@contextmanager
def _twin(intent: Intent, folder: Folder, expected: Signature) -> Iterator[str]:
    hidden = linking.hidden_name(_stem(intent))
    try:
        linking.link_or_rename_new(intent["staged_path"], folder.at(hidden), dst_dir_fd=folder.fd)
    except OutputError as exc:
        if exc.errno != errno.EXDEV:
            raise
        with _copied(intent, folder) as part:
            yield part
        return
    try:
        if not _holds(intent, folder, hidden, expected):
            raise StagingLost(f"{intent['staged_path']} changed at the very moment of publishing")
        yield folder.at(hidden)
    finally:
        folder.remove(hidden)


@contextmanager
def _copied(intent: Intent, folder: Folder) -> Iterator[str]:
    """Lend a hidden, durable copy of the staged file in the final folder."""
    digest = sha256()
    with _opened(intent["staged_path"]) as fd:
        content = reading.chunks(partial(os.read, fd), digest)
        with linking.hidden_file(content, folder.path, dir_fd=folder.fd, stem=_stem(intent)) as part:
            if digest.hexdigest() != intent["sha256"]:
                raise StagingLost(f"{intent['staged_path']} changed while it was copied")
            yield part


def _holds(intent: Intent, folder: Folder, name: str, expected: Signature) -> bool:
    """Tell whether the name holds what was promised; where a filesystem makes inodes up, the hash tells."""
    seen = folder.lstat(name)
    if seen is None or not stat.S_ISREG(seen.st_mode):
        return False
    return signature_of(seen) == expected or folder.sha256(name) == intent["sha256"]


def _ask(terms: Terms, intent: Intent) -> None:
    failpoints.reach("publish.before_link")
    if terms.holds_lease is not None and not terms.holds_lease():
        raise LeaseLost(f"another worker owns the job now; {intent['final_path']} is left to it")


def _stem(intent: Intent) -> str:
    """Return the word by which the part files of an attempt are found: its staged path, hashed."""
    return sha256(os.fsencode(intent["staged_path"])).hexdigest()[:32]
