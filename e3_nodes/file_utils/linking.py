"""Make files appear under a name whole, durable, and without replacing anything, on any filesystem.

Functions that take ``dir_fd`` read the name relative to that open folder, so that nobody can swap the
folder for another meanwhile. Where the system has no such thing (Windows) the name is a full path.
"""

from __future__ import annotations

import errno
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ..errors import FilesystemUnsupported, InvalidConfig, OutputError, OutputExists
from . import disk, reading

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
_RENAME_NEW = {"linux": ("renameat2", 1, -100), "darwin": ("renameatx_np", 4, -2)}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | disk.NO_FOLLOW | disk.PRIVATE


def link_or_rename_new(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
) -> bool:
    """Make ``dst`` appear as the whole of ``src``, and never over anything that is there.

    A hard link where the filesystem has them, else a rename that refuses to replace.

    Args:
        src: A complete file on the same filesystem.
        dst: The new name, in a folder that exists.
        src_dir_fd: The open folder that ``src`` is relative to.
        dst_dir_fd: The open folder that ``dst`` is relative to.

    Returns:
        True when ``src`` still has its old name as well (a link), False when it was renamed.

    Raises:
        OutputExists: If ``dst`` exists, as whatever.
        FilesystemUnsupported: If the filesystem offers neither way.
        DiskFull: If there is no room for the name.
        OutputError: For other faults; ``errno`` is EXDEV when the two lie on different filesystems.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a").write_text("whole")
        >>> _ = link_or_rename_new(folder / "a", folder / "b")
        >>> (folder / "b").read_text()
        'whole'
    """
    folders = {"src_dir_fd": src_dir_fd, "dst_dir_fd": dst_dir_fd}
    with disk.naming_faults(dst):
        try:
            _link(src, dst, folders)
            return True
        except OSError as exc:
            if exc.errno not in _NO_LINKS:
                raise
        _rename_new(src, dst, **folders)
        return False


def link_new(src: str | os.PathLike[str], dst: str | os.PathLike[str]) -> None:
    """Give a file a second name that nothing has yet.

    Args:
        src: The file.
        dst: The new name, in a folder that exists.

    Raises:
        OutputExists: If ``dst`` exists, as whatever.
        DiskFull: If there is no room for the name.
        OutputError: If the system refuses: there are no links, it is another mount, or somebody else's file.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a").write_text("whole")
        >>> link_new(folder / "a", folder / "b")
        >>> (folder / "b").samefile(folder / "a")
        True
    """
    with disk.naming_faults(dst):
        _link(src, dst, {})


def _link(src: str | os.PathLike[str], dst: str | os.PathLike[str], folders: dict[str, int | None]) -> None:
    extra = {**folders, "follow_symlinks": False} if disk.HAS_DIR_FD else {}
    disk.patiently(os.link, src, dst, **extra)


def _rename_new(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    src_dir_fd: int | None,
    dst_dir_fd: int | None,
) -> None:
    if os.name == "nt":
        disk.patiently(os.rename, src, dst)  # Windows refuses an existing target by itself
        return
    try:
        _rename_exclusively(src, dst, src_dir_fd, dst_dir_fd)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        raise FilesystemUnsupported(
            f"{os.fspath(dst)} is on a filesystem without hard links and without a rename that refuses to "
            "replace; choose an output folder on another one"
        ) from exc


def _rename_exclusively(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    src_dir_fd: int | None,
    dst_dir_fd: int | None,
) -> None:
    import ctypes

    name, flag, here = _RENAME_NEW.get(sys.platform, ("", 0, 0))
    rename = getattr(ctypes.CDLL(None, use_errno=True), name, None) if name else None
    if rename is None:
        raise OSError(errno.ENOSYS, "no exclusive rename on this system")
    old = here if src_dir_fd is None else src_dir_fd
    new = here if dst_dir_fd is None else dst_dir_fd
    if rename(old, os.fsencode(src), new, os.fsencode(dst), flag) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@contextmanager
def hidden_file(
    content: Iterable[bytes],
    folder: str | os.PathLike[str],
    *,
    dir_fd: int | None = None,
    stem: str = "new",
    durable: bool = True,
) -> Iterator[str]:
    """Write a hidden file beside where it will appear, lend its name, and remove that name.

    Args:
        content: The bytes, in pieces.
        folder: Where.
        dir_fd: The folder, held open.
        stem: A word in its name by which leftovers of a crash are found.
        durable: Whether its bytes are made to outlast a loss of power. Those of a mere probe need not be; those of
            several files are cheaper to begin first, and to ``fsync_file`` once all are begun.

    Yields:
        The name of the complete file: relative to ``dir_fd``, or a full path.

    Raises:
        DiskFull: If there is no room.
        OutputError: If it cannot be written.

    Examples:
        >>> import tempfile
        >>> with hidden_file([b"ab", b"c"], Path(tempfile.mkdtemp())) as name:
        ...     Path(name).read_bytes()
        b'abc'
    """
    name = at(hidden_name(stem), folder, dir_fd)
    try:
        with disk.naming_faults(folder):
            _fill(os.open(name, _NEW, 0o666, dir_fd=dir_fd), content, durable)
        yield name
    finally:
        disk.remove_quietly(name, dir_fd=dir_fd)


def _fill(fd: int, content: Iterable[bytes], durable: bool) -> None:
    try:
        for data in content:
            _write_all(fd, data)
        if durable:
            os.fsync(fd)
        else:
            disk.start_writeback(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def hidden_name(stem: str) -> str:
    """Make a new name that scanners and galleries overlook: ``.e3-<stem>-<random>.part``."""
    return f".e3-{stem}-{uuid.uuid4().hex[:12]}.part"


def at(name: str, folder: str | os.PathLike[str], dir_fd: int | None) -> str:
    """Say how a system call names a file of the folder: alone with an open folder, else as a full path.

    Examples:
        >>> at("cat.png", Path("out"), 7)
        'cat.png'
    """
    return name if dir_fd is not None else os.path.join(folder, name)  # noqa: PTH118 - text: asked for every job


def copy_whole(src: str | os.PathLike[str], dst: str | os.PathLike[str]) -> None:
    """Make ``dst`` appear as a complete, durable copy; an equal file that is there already will do.

    Args:
        src: A regular file.
        dst: The copy; its folder is created.

    Raises:
        OutputExists: If ``dst`` is something else.
        DiskFull: If there is no room.
        OutputError: If it cannot be written.
    """
    target = Path(dst)
    disk.make_folder(target.parent)
    fd = reading.open_regular(src)
    try:
        with hidden_file(reading.chunks(partial(os.read, fd)), target.parent) as hidden:
            link_or_rename_new(hidden, target)
    except OutputExists:
        if not _has_same_bytes(src, target):
            raise
    finally:
        os.close(fd)
    disk.fsync_dir(target.parent)


def _has_same_bytes(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    try:
        return reading.sha256_of(one) == reading.sha256_of(other)
    except InvalidConfig:
        return False


def place_new(src: str | os.PathLike[str], dst: str | os.PathLike[str]) -> None:
    """Give a file a second name, durably: a link, else a rename, and a copy on another filesystem.

    Args:
        src: A regular file; it keeps its name unless the filesystem has no links.
        dst: The new name; its folder is created. An equal file that is there already will do.

    Raises:
        OutputExists: If ``dst`` is something else.
        DiskFull: If there is no room.
        OutputError: If it cannot be written.
    """
    source, target = Path(src), Path(dst)
    disk.make_folder(target.parent)
    os.close(reading.open_regular(source))
    disk.fsync_file(source)
    try:
        link_or_rename_new(source, target)
    except OutputExists:
        if not _has_same_bytes(source, target):
            raise
    except OutputError as exc:
        if exc.errno != errno.EXDEV:
            raise
        copy_whole(source, target)
    disk.fsync_dir(target.parent)
