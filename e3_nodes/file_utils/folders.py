"""A folder held open while files appear in it, so that nobody can swap it for another one meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import file_utils
from ..errors import InvalidConfig, OutputError
from . import disk, linking, reading

_OPEN = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | disk.PRIVATE


@dataclass(frozen=True)
class Folder:
    """An open folder: by descriptor where the system can, else by its real path.

    Attributes:
        path: Where it is, without symbolic links.
        fd: Its descriptor; None on Windows.
    """

    path: Path
    fd: int | None

    def at(self, name: str) -> str:
        """Name a file of the folder as system calls want it, together with ``dir_fd=folder.fd``."""
        return linking.at(name, self.path, self.fd)

    def _path_of(self, name: str) -> str:
        return os.path.join(self.path, name)  # noqa: PTH118 - text: asked several times for every job

    def lstat(self, name: str) -> os.stat_result | None:
        """Look at a file without following it; None when it is absent."""
        with disk.naming_faults(self._path_of(name)):
            try:
                return os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def sha256(self, name: str) -> str:
        """Hash a regular file of the folder."""
        with disk.naming_faults(self._path_of(name)):
            return reading.sha256_of(self.at(name), dir_fd=self.fd)

    def replace(self, hidden: str, name: str) -> None:
        """Put a file of the folder, as named by ``at``, in place of another one."""
        with disk.naming_faults(self._path_of(name)):
            disk.patiently(os.replace, hidden, self.at(name), src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def remove(self, name: str) -> None:
        """Remove a file of the folder, if it is there."""
        disk.remove_quietly(self.at(name), dir_fd=self.fd)

    def probe(self) -> None:
        """Make sure that a hidden file can be written here and get a second name, which is all it takes.

        Raises:
            FilesystemUnsupported: Files cannot appear here without the risk of replacing others.
            DiskFull: There is no room, or the folder is read-only.
            OutputError: The folder cannot be written.
        """
        name = linking.hidden_name("probe")
        content = linking.hidden_file([b"e3"], self.path, dir_fd=self.fd, stem="probe", durable=False)
        try:
            with content as hidden:
                linking.link_or_rename_new(hidden, self.at(name), src_dir_fd=self.fd, dst_dir_fd=self.fd)
        finally:
            self.remove(name)

    def settle(self) -> None:
        """Make the names durable, and make sure that the folder is still where its path says.

        Raises:
            OutputError: The folder was moved or replaced meanwhile; deliver again.
        """
        with disk.naming_faults(self.path):
            if self.fd is not None:
                disk.sync_folder(self.fd)
        if not self._is_in_place():
            raise OutputError(f"{self.path} was moved or replaced while files were put into it")

    def _is_in_place(self) -> bool:
        if self.fd is None:
            return disk.real_path(self.path) == self.path
        try:
            return os.path.samestat(self.path.lstat(), os.fstat(self.fd))
        except OSError:
            return False


@contextmanager
def open_folder(path: Path, roots: Sequence[str]) -> Iterator[Folder]:
    """Open a folder under one of the roots, creating it; no link may lead the way out, now or later.

    Args:
        path: The folder.
        roots: The allowed folders, absolute.

    Yields:
        The folder, open until the end.

    Raises:
        InvalidConfig: ``path_outside``.
        DiskFull: It cannot be created for want of room.
        OutputError: It cannot be created or entered.

    Examples:
        >>> import tempfile
        >>> root = tempfile.mkdtemp()
        >>> with open_folder(Path(root, "image", "knights"), [root]) as folder:
        ...     folder.path.is_dir()
        True
    """
    real = disk.real_path(path)
    root = _root_of(real, path, roots)
    if not disk.HAS_DIR_FD:
        file_utils.make_folder(real)
        yield Folder(real, None)
        return
    file_utils.make_folder(root)
    with disk.naming_faults(real):
        fd = _descend(root, real.relative_to(root).parts)
    try:
        yield Folder(real, fd)
    finally:
        os.close(fd)


def _root_of(real: Path, asked: Path, roots: Sequence[str]) -> Path:
    for root in roots:
        resolved = Path(root) if file_utils.lies_below(real, root) else disk.real_path(root)
        if real.is_relative_to(resolved):
            return resolved
    raise InvalidConfig(f"{asked} leads out of the allowed folders", code="path_outside")


def _descend(root: Path, parts: Sequence[str]) -> int:
    """Walk down by descriptors; a link on the way, put there since the path was resolved, is refused."""
    fd = os.open(root, _OPEN | disk.NO_FOLLOW)
    for part in parts:
        above = fd
        try:
            fd = _enter(above, part)
        finally:
            os.close(above)
    return fd


def _enter(above: int, name: str) -> int:
    try:
        return os.open(name, _OPEN | disk.NO_FOLLOW, dir_fd=above)
    except FileNotFoundError:
        _make_inside(above, name)
        return os.open(name, _OPEN | disk.NO_FOLLOW, dir_fd=above)


def _make_inside(above: int, name: str) -> None:
    try:
        os.mkdir(name, dir_fd=above)
    except FileExistsError:
        return
    disk.sync_folder(above)
