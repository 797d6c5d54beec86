"""The disk's moods: faults that name what they are about, patience where Windows wants it, durability."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DiskFull, E3Error, OutputError, OutputExists

HAS_DIR_FD = {os.open, os.mkdir, os.stat, os.link, os.unlink, os.rename} <= os.supports_dir_fd
"""Whether names can be read relative to an open folder; Windows cannot."""

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe would keep its reader waiting for ever
PRIVATE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_FULL_WINDOWS = {19, 39, 112, 1295}  # write protected, disk full (twice), quota
_BAD_PATH = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
_SHARING_WINDOWS = {5, 32, 33}  # a virus scanner or an indexer holds the file for a moment
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)


@contextmanager
def naming_faults(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a fault of the operating system into an error that names the path and keeps the errno.

    Args:
        path: What the work inside is about.

    Raises:
        OutputExists: If something is already there.
        DiskFull: If there is no space or quota, or the folder is read-only.
        OutputError: For any other fault; its code is ``invalid`` where trying again cannot help.

    """
    try:
        yield
    except E3Error:
        raise
    except OSError as exc:
        raise _named(exc, os.fspath(path)) from exc


def _named(exc: OSError, path: str) -> OutputError:
    reason = exc.strerror or str(exc)
    windows = getattr(exc, "winerror", None)
    if isinstance(exc, FileExistsError):
        error: OutputError = OutputExists(f"{path} already exists, and E3 replaces nobody's file")
    elif exc.errno in _FULL or windows in _FULL_WINDOWS:
        error = DiskFull(f"{path} cannot be written: {reason}")
    else:
        permanent = exc.errno in _BAD_PATH and windows not in _SHARING_WINDOWS
        error = OutputError(f"{path} cannot be used: {reason}", code="invalid" if permanent else "error")
    error.errno = exc.errno
    return error


def patiently(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call; where Windows says that somebody holds the file, wait a little and call again, a few times.

    Examples:
        >>> patiently(len, "abc")
        3
    """
    for pause in _PAUSES:
        try:
            return call(*args, **kwargs)
        except OSError as exc:
            if getattr(exc, "winerror", None) not in _SHARING_WINDOWS:
                raise
            time.sleep(pause)
    return call(*args, **kwargs)


def remove_quietly(path: str | os.PathLike[str], *, dir_fd: int | None = None) -> None:
    """Remove a file if that is possible, and say nothing if not.

    Examples:
        >>> remove_quietly("/no/such/file")
    """
    with contextlib.suppress(OSError):
        patiently(os.unlink, path, dir_fd=dir_fd)


def fsync_dir(path: str | os.PathLike[str]) -> None:
    """Make the names in a folder durable. Windows has no way to ask for that, so there it does nothing.

    Args:
        path: The folder.

    Raises:
        OutputError: If the disk reports a fault; asking again would hide it.
    """
    if os.name == "nt":
        return
    with naming_faults(path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | PRIVATE)
        try:
            sync_folder(fd)
        finally:
            os.close(fd)


def sync_folder(fd: int) -> None:
    """Fsync an open folder; some network filesystems do not know the question, which is no fault."""
    try:
        os.fsync(fd)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def fsync_file(path: str | os.PathLike[str]) -> None:
    """Make the bytes of a file durable.

    Args:
        path: A regular file; a symbolic link is refused.

    Raises:
        OutputError: If the disk reports a fault; asking again would hide it.
    """
    access = os.O_RDWR if os.name == "nt" else os.O_RDONLY  # Windows flushes only what it may write
    with naming_faults(path):
        fd = os.open(path, access | NO_FOLLOW | NO_WAIT | PRIVATE)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def start_writeback(fd: int) -> None:
    """Have the system begin to write an open file: to fsync many that were begun takes one wait, not one for each.

    It is a hint. Linux writes what it is told that nobody needs soon (``POSIX_FADV_DONTNEED``, man 2 posix_fadvise);
    where there is no such thing, the fsync that follows does it all.

    Args:
        fd: The open file.
    """
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def real_path(path: str | os.PathLike[str]) -> Path:
    """Follow the symbolic links of a path, of which the last parts need not exist.

    Raises:
        OutputError: The path changed at that very moment.

    Examples:
        >>> real_path("a/../b") == Path.cwd().resolve() / "b"
        True
    """
    with naming_faults(path):
        return Path(os.path.realpath(path))


def real_text(path: str, seen: dict[str, str] | None) -> str:
    """Do as ``real_path`` does, in text, for many paths of a few folders.

    Args:
        path: The path.
        seen: The real paths of folders that were found a moment ago; it is added to.

    Raises:
        OutputError: The path changed at that very moment.
    """
    folder, name = os.path.split(path)
    if seen is None or name in ("", ".", "..") or os.name == "nt":  # there the disk also knows how a name is spelt
        return str(real_path(path))
    if folder not in seen:
        seen[folder] = real_text(folder, seen)
    real = os.path.join(seen[folder], name)  # noqa: PTH118 - text: asked for every job
    return str(real_path(real)) if _is_link(real) else real


def is_one_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Tell whether two paths are names of one regular file; a symbolic link is no name of what it leads to.

    Examples:
        >>> is_one_file("/no/such/file", "/no/such/file")
        False
    """
    try:
        seen = os.lstat(one)
        return stat.S_ISREG(seen.st_mode) and os.path.samestat(seen, os.lstat(other))
    except OSError:
        return False


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False


def make_folder(path: str | os.PathLike[str]) -> None:
    """Create a folder and those above it, durably; nothing happens where it exists.

    Args:
        path: The folder.

    Raises:
        OutputError: If it cannot be made, or is a file.

    Examples:
        >>> import tempfile
        >>> make_folder(tempfile.gettempdir())
    """
    folder = Path(path)
    with naming_faults(folder):
        if folder.is_dir():
            return
        if folder.parent != folder:
            make_folder(folder.parent)
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError as exc:
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way of the folder") from exc
    fsync_dir(folder.parent)
