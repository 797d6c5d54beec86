"""Put the file of a done job where it belongs, with the result file beside it; each step may be repeated."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from .. import failpoints, file_utils
from ..batch import Batch, Once
from ..errors import DiskFull, E3Error, InvalidConfig, OutputError, OutputExists
from ..file_utils import disk, linking, reading
from ..model import MAX_CONFIG_BYTES
from . import publishing
from .publishing import Signature

_MAX_RESULT_BYTES = 16 * 1024 * 1024
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def finished_path(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> Path:
    """Say where the file of a done job belongs: finished/, in the subfolder that it had in processing/.

    Where an older job of that name has left its file, the new one gets ``_v2`` and so on.

    Args:
        job: The row.
        cfg: The settings.

    Returns:
        A path that is free, or already holds this very file.
    """
    return Path(_place(job, cfg)[0])


def file_jobs(
    jobs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], cfg: Mapping[str, Any]
) -> dict[str, Exception]:
    """Move the files of done jobs from processing/ to finished/, as the bytes that ran, a result file beside each.

    ``<stem>.result.json`` is for scripts that see only the folder. The job file itself is moved, by a second name and
    then without the first, while it still holds those bytes: nothing is written, and no inode is given back, which
    would slow every new file of the disk down for a minute (ext4 looks through those just freed). An edited file is a
    new submission and stays, as does one on another disk until its copy is durable; instead of them, and of a missing
    one, the bytes that ran are written from the row. Many jobs share the work of making files and folders durable.

    Args:
        jobs: Rows of done jobs (config_name, media, config_path, config_sha256, source_yaml), each with the content
            of its result file, whose ``config_name`` tells whose file it is.
        cfg: The settings.

    Returns:
        By config_name, what kept a job from being filed, such as DiskFull, OutputError, or OutputExists where the
        result file's name is a stranger's; such a job can be filed again.

    Raises:
        ValueError: A content cannot be said in strict JSON.
    """
    once = Once()
    with ExitStack() as parts:
        filings = Batch([_Filing(job, content, cfg, parts, once) for job, content in jobs], (E3Error, OSError))
        for step in (
            _Filing.write,
            _Filing.harden,
            _Filing.appear,
            _Filing.settle,
            _Filing.leave,
            _Filing.clear,
        ):
            filings.step(step)
    ends = zip(jobs, filings.ends, strict=True)
    return {job["config_name"]: end for (job, _), end in ends if isinstance(end, Exception)}


class _Filing:
    """One job of a batch on its way to finished/; the steps are taken by all of the batch in turn."""

    def __init__(
        self, job: Mapping[str, Any], content: Mapping[str, Any], cfg: Mapping[str, Any], parts: ExitStack, once: Once
    ) -> None:
        self._job, self._content, self._cfg, self._parts, self._once = job, content, cfg, parts, once
        self._source: str = job["config_path"]
        self._target = self._result = self._folder = ""
        self._hidden_result = self._hidden_job = ""
        self._ran: Signature | None = None
        self._is_missing = False

    def write(self) -> None:
        """Look whether the job file can be moved as it is, and write what is missing under hidden names."""
        self._target, self._is_missing = _place(self._job, self._cfg)
        self._result = _result_path(self._target)
        self._folder = os.path.dirname(self._target)  # noqa: PTH120 - text: asked for every job
        self._once.do(("made", self._folder), lambda: file_utils.make_folder(self._folder))
        told = _result_bytes(self._result, self._content)
        if told is not None:
            self._hidden_result = self._hide(told)
        self._ran = self._look_at_source()
        if self._is_missing and not self._is_beside():
            self._hidden_job = self._hide(_bytes_that_ran(self._job))

    def _look_at_source(self) -> Signature | None:
        """Return by what the job file is known again, if it still is what ran."""
        signature = publishing.signature_at(self._source)
        data = _read(self._source, is_to_be_durable=True)
        return signature if data is not None and _sha256(data) == self._job["config_sha256"] else None

    def _is_beside(self) -> bool:
        """Tell whether what ran lies on the disk of finished/, so that it can probably be moved."""
        return self._ran is not None and self._ran[0] == os.stat(self._folder).st_dev  # noqa: PTH116

    def _hide(self, data: bytes) -> str:
        return self._parts.enter_context(linking.hidden_file([data], self._folder, durable=False))

    def harden(self) -> None:
        """Make what was written durable."""
        for hidden in filter(None, (self._hidden_result, self._hidden_job)):
            file_utils.fsync_file(hidden)
        if self._is_missing and not self._hidden_job:
            try:
                file_utils.fsync_file(self._source)
            except OutputError:  # it is gone, or not ours to open: the row has its bytes
                self._hidden_job = self._copy()

    def appear(self) -> None:
        """Give the files their names."""
        if self._hidden_result:
            with disk.naming_faults(self._result):
                disk.patiently(os.replace, self._hidden_result, self._result)
        failpoints.reach("receipt.after")
        if self._is_missing and (self._hidden_job or not self._move()):
            linking.link_or_rename_new(self._hidden_job or self._copy(), self._target)
        failpoints.reach("yaml.linked")

    def _move(self) -> bool:
        """Give the job file its new name; False where it was edited, or where the system forbids that.

        It does so where there are no links, between two mounts of one disk, and where the file is somebody else's.
        It is not renamed then: what somebody puts in its place at that very moment would go unread.
        """
        if publishing.signature_at(self._source) != self._ran:
            return False
        try:
            linking.link_new(self._source, self._target)
        except (OutputExists, DiskFull):
            raise
        except OutputError:
            return False
        return True

    def _copy(self) -> str:
        hidden = self._hide(_bytes_that_ran(self._job))
        file_utils.fsync_file(hidden)
        return hidden

    def settle(self) -> None:
        """Make the names durable."""
        self._once.do(("settled", self._folder), lambda: file_utils.fsync_dir(self._folder))

    def leave(self) -> None:
        """Remove the job file from processing/, if it is still what ran."""
        try:
            if _hash_of(self._source) == self._job["config_sha256"]:
                with disk.naming_faults(self._source), contextlib.suppress(FileNotFoundError):
                    disk.patiently(os.unlink, self._source)
        finally:
            self._part()
        failpoints.reach("yaml.moved")

    def _part(self) -> None:
        """Where the file in processing/ stays, give the finished one bytes of its own: an edit must not be in both."""
        if disk.is_one_file(self._source, self._target):
            with linking.hidden_file([_bytes_that_ran(self._job)], self._folder) as hidden:
                disk.patiently(os.replace, hidden, self._target)
            file_utils.fsync_dir(self._folder)

    def clear(self) -> None:
        """Make its absence durable."""
        folder = os.path.dirname(self._source)  # noqa: PTH120
        self._once.do(("cleared", folder), lambda: os.path.isdir(folder) and file_utils.fsync_dir(folder))  # noqa: PTH112


def result_of(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the result file says, if this very job is done: its bytes lie beside it in finished/.

    Args:
        job: The row.
        cfg: The settings.

    Returns:
        The content of the result file, or None when the job has not run yet.
    """
    job_file, is_free = _place(job, cfg)
    told = None if is_free else read_result_file(Path(_result_path(job_file)))
    is_told = told is not None and all(told.get(key) == job[key] for key in ("config_name", "config_sha256"))
    return told if is_told else None


def read_result_file(path: Path) -> dict[str, Any] | None:
    """Read a result file; None for anything that does not tell of a done job."""
    try:
        told = json.loads(_read(path, _MAX_RESULT_BYTES) or b"")
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and told.get("status") == "done" else None


def _place(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> tuple[str, bool]:
    """Say where the file of a done job belongs, and whether nothing is there yet."""
    name = os.path.splitext(job["config_name"])[0]  # noqa: PTH122 - text, as the next line
    stem = os.path.join(cfg["paths"]["jobs_finished"], _subfolder(job, cfg), name)  # noqa: PTH118
    paths = (f"{stem}.yaml" if number == 1 else f"{stem}_v{number}.yaml" for number in count(1))
    places = ((path, not os.path.lexists(path)) for path in paths)
    return next((path, is_free) for path, is_free in places if is_free or _is_of(job, path))


def _is_of(job: Mapping[str, Any], path: str) -> bool:
    """Tell whether a file in finished/ is the job's: its bytes, or a second name that a crash left to its file."""
    return disk.is_one_file(job["config_path"], path) or _hash_of(path) in (
        job["config_sha256"],
        _sha256(_snapshot(job)),
    )


def _result_path(job_file: str) -> str:
    """Name the result file that lies beside a finished job file.

    Examples:
        >>> _result_path("finished/a.yaml")
        'finished/a.result.json'
    """
    return f"{job_file.removesuffix('.yaml')}.result.json"


def _subfolder(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> str:
    """Mirror the folders under processing/; a file from elsewhere goes straight into its medium's folder."""
    root = os.path.join(cfg["paths"]["jobs_processing"], "")  # noqa: PTH118 - text: asked for every job
    if not file_utils.lies_below(job["config_path"], root):
        return job["media"]
    return os.path.dirname(job["config_path"][len(root) :])  # noqa: PTH120


def _result_bytes(path: str, content: Mapping[str, Any]) -> bytes | None:
    """Return what a result file has to hold; None if it holds that already."""
    data = _laid_out(content).encode()
    if not os.path.lexists(path):
        return data
    if not _tells_of(path, content.get("config_name")):
        raise OutputExists(f"{path} is not the result file of {content.get('config_name')}; move it away")
    return None if _read(path, _MAX_RESULT_BYTES) == data else data


def _laid_out(content: Mapping[str, Any]) -> str:
    """Write JSON with a line for each key: as a whole, ``json`` would indent it in Python, with ComfyUI waiting.

    Examples:
        >>> print(_laid_out({"status": "done", "metadata": {"bytes": 5}}), end="")
        {
          "status": "done",
          "metadata": {"bytes": 5}
        }
    """
    lines = [f"  {_ENCODE(key)}: {_ENCODE(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _bytes_that_ran(job: Mapping[str, Any]) -> bytes:
    """Return the job file's bytes as they ran: what the row keeps of them, unless that lacks what text leaves out."""
    kept = _snapshot(job)
    if _sha256(kept) == job["config_sha256"]:
        return kept
    data = _read(job["config_path"])
    return data if data and _sha256(data) == job["config_sha256"] else kept


def _tells_of(path: str, config_name: str | None) -> bool:
    try:
        known = json.loads(_read(path, _MAX_RESULT_BYTES) or b"")
    except (ValueError, RecursionError):
        return False
    return isinstance(known, dict) and known.get("config_name") == config_name


def _snapshot(job: Mapping[str, Any]) -> bytes:
    return job["source_yaml"].encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hash_of(path: str) -> str | None:
    data = _read(path)
    return None if data is None else _sha256(data)


def _read(path: str | Path, limit: int = MAX_CONFIG_BYTES, *, is_to_be_durable: bool = False) -> bytes | None:
    """Return the bytes of a regular file, or None for anything else."""
    try:
        with os.fdopen(file_utils.open_regular(path), "rb", buffering=0) as file:
            data = reading.read_whole(file.fileno(), limit + 1)
            if is_to_be_durable:
                disk.start_writeback(file.fileno())
    except (InvalidConfig, OSError):
        return None
    return data if len(data) <= limit else None
