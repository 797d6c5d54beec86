"""Which filesystem a folder is on, as far as the system tells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

NETWORK = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "davfs", "fuse.sshfs", "fuse.rclone"),
        *("9p", "drvfs", "vboxsf", "virtiofs", "glusterfs", "ceph"),
    ]
)
_DRIVE_REMOTE = 4


def filesystem_of(path: Path) -> str:
    """Return the type of the filesystem that holds a folder, or an empty text.

    Args:
        path: A folder that exists.
    """
    try:
        real = Path(os.path.realpath(path))
        if sys.platform == "win32":
            return _of_drive(real)
        return _of_mounts(real, _mounts())
    except (OSError, subprocess.SubprocessError):
        return ""


def is_network(filesystem: str) -> bool:
    """Tell whether a filesystem is another computer's.

    Examples:
        >>> is_network("nfs4"), is_network("ext4")
        (True, False)
    """
    return filesystem in NETWORK


def _of_mounts(path: Path, mounts: dict[str, str]) -> str:
    """Return the type of the innermost mount around a path.

    Examples:
        >>> _of_mounts(Path("/srv/e3/jobs"), {"/": "ext4", "/srv": "nfs4"})
        'nfs4'
    """
    return next((mounts[str(place)] for place in (path, *path.parents) if str(place) in mounts), "")


def _mounts() -> dict[str, str]:
    if sys.platform == "darwin":
        said = subprocess.run(["mount"], capture_output=True, text=True, timeout=5, check=True).stdout
        return dict(re.findall(r"^.* on (.+) \((\w+)", said, re.MULTILINE))
    lines = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    fields = (line.split(" ") for line in lines)
    return {re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), field[1]): field[2] for field in fields}


def _of_drive(path: Path) -> str:
    if sys.platform != "win32":
        return ""
    import ctypes

    is_remote = ctypes.windll.kernel32.GetDriveTypeW(f"{path.drive}\\") == _DRIVE_REMOTE
    return "cifs" if is_remote or path.drive.startswith("\\\\") else "local"
