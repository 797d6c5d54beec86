"""Read files that strangers may have prepared: only regular ones, only whole ones, and never for ever."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..errors import FileChanging, InvalidConfig
from . import disk

_READ = os.O_RDONLY | disk.NO_FOLLOW | disk.NO_WAIT | disk.PRIVATE
_CHUNK = 1 << 20


def open_regular(path: str | os.PathLike[str], *, dir_fd: int | None = None) -> int:
    """Open a regular file for reading, and nothing else: no link, pipe, device or folder; it never blocks.

    Args:
        path: The file, relative to ``dir_fd`` where that is given.
        dir_fd: An open folder.

    Returns:
        The file descriptor; the caller closes it.

    Raises:
        InvalidConfig: ``not_regular``.
        FileChanging: If another file took its place at that moment.
        OSError: If it is missing or cannot be opened.
    """
    return _opened(path, dir_fd)[0]


def _opened(path: str | os.PathLike[str], dir_fd: int | None) -> tuple[int, os.stat_result]:
    """Open a regular file; return its stat as well."""
    seen = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    if not stat.S_ISREG(seen.st_mode):
        kind = _kind(seen.st_mode)
        raise InvalidConfig(f"{os.fspath(path)} must be a regular file, not {kind}", code="not_regular")
    try:
        fd = os.open(path, _READ, dir_fd=dir_fd)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO):
            raise _changing(path) from exc
        raise
    opened = os.fstat(fd)
    if not _is_same(seen, opened):
        os.close(fd)
        raise _changing(path)
    return fd, opened


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    # Some Pythons on Windows give a path and an open file different widths of st_dev.
    return one.st_ino == other.st_ino and (os.name == "nt" or one.st_dev == other.st_dev)


def _changing(path: str | os.PathLike[str]) -> FileChanging:
    return FileChanging(f"{os.fspath(path)} changed while it was read; it is read again once it is still")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}
    return kinds.get(stat.S_IFMT(mode), "a socket or a device")


def read_regular_file(
    path: str | os.PathLike[str], max_bytes: int, *, may_have_other_names: bool = False
) -> tuple[bytes, os.stat_result]:
    """Read a small file that a stranger may have prepared.

    Args:
        path: The file.
        max_bytes: The size up to which it is read.
        may_have_other_names: Whether a file with a second hard link is read as well.

    Returns:
        Its bytes, and its stat, which was the same before and after.

    Raises:
        InvalidConfig: ``not_regular`` (also with a second hard link), ``too_large`` or ``unreadable``.
        FileChanging: If it was replaced or written to meanwhile.
        FileNotFoundError: If it is gone.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "job.yaml"
        >>> _ = path.write_bytes(b"job_type: T2I")
        >>> read_regular_file(path, 100)[0]
        b'job_type: T2I'
    """
    try:
        fd, before = _opened(path, None)
        try:
            if before.st_nlink > 1 and not may_have_other_names:
                message = f"{path} has a second name (a hard link); put a copy there"
                raise InvalidConfig(message, code="not_regular")
            return _read_still(fd, path, before, max_bytes)
        finally:
            os.close(fd)
    except (FileChanging, FileNotFoundError):
        raise
    except OSError as exc:
        raise InvalidConfig(f"{path} cannot be read: {exc.strerror}", code="unreadable") from exc


def _read_still(
    fd: int, path: str | os.PathLike[str], before: os.stat_result, max_bytes: int
) -> tuple[bytes, os.stat_result]:
    if before.st_size > max_bytes:
        raise InvalidConfig(f"{path} has {before.st_size} bytes, the limit is {max_bytes}", code="too_large")
    data = read_whole(fd, before.st_size)
    after = os.fstat(fd)  # what was written behind the end that was known shows in it
    if _version(before) != _version(after) or len(data) != after.st_size:
        raise _changing(path)
    return data, after


def read_whole(fd: int, size: int) -> bytes:
    """Read so many bytes of an open file, or what there is; the system may hand them out in pieces."""
    data = os.read(fd, size)
    while len(data) < size and (piece := os.read(fd, size - len(data))):
        data += piece
    return data


def _version(seen: os.stat_result) -> tuple[int, int, int]:
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def sha256_of(path: str | os.PathLike[str], *, dir_fd: int | None = None) -> str:
    """Return the sha256 of a regular file as hex.

    Args:
        path: The file, relative to ``dir_fd`` where that is given.
        dir_fd: An open folder.

    Raises:
        InvalidConfig: ``not_regular``.
        OSError: If it is missing or cannot be read.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a"
        >>> _ = path.write_bytes(b"abc")
        >>> sha256_of(path)[:8]
        'ba7816bf'
    """
    fd = open_regular(path, dir_fd=dir_fd)
    try:
        return digest_of(partial(os.read, fd))
    finally:
        os.close(fd)


def chunks(read: Callable[[int], bytes], digest: Any = None) -> Iterator[bytes]:
    """Read an open file to its end, feeding what is read to a digest.

    Args:
        read: Returns so many bytes, or fewer; none at the end.
        digest: As ``hashlib`` makes them.

    Examples:
        >>> import io
        >>> list(chunks(io.BytesIO(b"abc").read))
        [b'abc']
    """
    while data := read(_CHUNK):
        if digest is not None:
            digest.update(data)
        yield data


def digest_of(read: Callable[[int], bytes]) -> str:
    """Return the sha256 of an open file, from where it stands to its end, as hex; ``read`` as for ``chunks``."""
    digest = hashlib.sha256()
    for _ in chunks(read, digest):
        pass
    return digest.hexdigest()
