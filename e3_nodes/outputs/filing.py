"""Put the file of a done job where it belongs, with the result file beside it; each step may be repeated."""

from __future__ import annotations

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
from ..errors import E3Error, InvalidConfig, OutputExists
from ..file_utils import disk, linking
from ..model import MAX_CONFIG_BYTES

_MAX_RESULT_BYTES = 16 * 1024 * 1024


def finished_path(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> Path:
    """Say where the file of a done job belongs: finished/, in the subfolder that it had in processing/.

    Where an older job of that name has left its file, the new one gets ``_v2`` and so on.

    Args:
        job: The row.
        cfg: The settings.

    Returns:
        A path that is free, or already holds this very file.
    """
    folder = Path(cfg["paths"]["jobs_finished"]) / _subfolder(job, cfg)
    stem = Path(job["config_name"]).stem
    versions = (folder / (f"{stem}.yaml" if n == 1 else f"{stem}_v{n}.yaml") for n in count(1))
    ours = {job["config_sha256"], _sha256(_snapshot(job))}
    return next(path for path in versions if not os.path.lexists(path) or _hash_of(path) in ours)


def file_job(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> Path:
    """Move the job file of a done job from processing/ to finished/, as the bytes that ran.

    The file appears in finished/ as a copy: a second hard link would change with an edit of the first. In
    processing/ it is removed only while it still holds those bytes; an edited file is a new submission and
    stays. A missing one is written from the row.

    Args:
        job: The row: config_name, media, config_path, config_sha256, source_yaml.
        cfg: The settings.

    Returns:
        Where it is now.

    Raises:
        DiskFull: There is no room.
        OutputError: finished/ or processing/ cannot be written.
    """
    source, target = Path(job["config_path"]), finished_path(job, cfg)
    if not os.path.lexists(target):
        file_utils.make_folder(target.parent)
        file_utils.write_atomically(target, _bytes_that_ran(job), replace=False)
    failpoints.reach("yaml.linked")
    _remove_if_unchanged(source, job["config_sha256"])
    failpoints.reach("yaml.moved")
    return target


def write_result_file(finished_yaml_path: str | Path, content: Mapping[str, Any]) -> Path:
    """Write ``<stem>.result.json`` beside a finished job file, for scripts that see only the folder.

    Args:
        finished_yaml_path: What ``finished_path`` or ``file_job`` returned.
        content: What to tell; ``config_name`` tells whose file it is.

    Returns:
        The path of the result file.

    Raises:
        ValueError: ``content`` cannot be said in strict JSON.
        OutputExists: A file of that name is not this job's.
        DiskFull: There is no room.
        OutputError: It cannot be written.
    """
    path = Path(finished_yaml_path).with_suffix(".result.json")
    data = _result_bytes(path, content)
    if data is not None:
        file_utils.make_folder(path.parent)
        file_utils.write_atomically(path, data)
    failpoints.reach("receipt.after")
    return path


def file_jobs(
    jobs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], cfg: Mapping[str, Any]
) -> dict[str, Exception]:
    """Do for many jobs what ``write_result_file`` and ``file_job`` do for one; each folder is synced once.

    Args:
        jobs: Rows of done jobs, each with the content of its result file.
        cfg: The settings.

    Returns:
        By config_name, what kept a job from being filed; such a job can be filed again.
    """
    synced = Once()
    with ExitStack() as parts:
        filings = Batch([_Filing(job, content, cfg, parts, synced) for job, content in jobs], (E3Error, OSError))
        for step in (_Filing.write, _Filing.sync, _Filing.appear, _Filing.settle, _Filing.leave, _Filing.clear):
            filings.step(step)
    ends = zip(jobs, filings.ends, strict=True)
    return {job["config_name"]: end for (job, _), end in ends if isinstance(end, Exception)}


class _Filing:
    """One job of a batch on its way to finished/; the steps are taken by all of the batch in turn."""

    def __init__(
        self,
        job: Mapping[str, Any],
        content: Mapping[str, Any],
        cfg: Mapping[str, Any],
        parts: ExitStack,
        synced: Once,
    ) -> None:
        self._job, self._content, self._cfg, self._parts, self._synced = job, content, cfg, parts, synced
        self._source = Path(job["config_path"])
        self._target = self._result = Path()
        self._hidden_result = self._hidden_job = ""

    def write(self) -> None:
        """Write what is missing under hidden names."""
        self._target = finished_path(self._job, self._cfg)
        self._result = self._target.with_suffix(".result.json")
        file_utils.make_folder(self._target.parent)
        told = _result_bytes(self._result, self._content)
        if told is not None:
            self._hidden_result = self._hide(told)
        if not os.path.lexists(self._target):
            self._hidden_job = self._hide(_bytes_that_ran(self._job))

    def _hide(self, data: bytes) -> str:
        return self._parts.enter_context(linking.hidden_file([data], self._target.parent, durable=False))

    def sync(self) -> None:
        """Make the bytes durable, before they have a name."""
        for hidden in filter(None, (self._hidden_result, self._hidden_job)):
            disk.fsync_file(hidden)

    def appear(self) -> None:
        """Give the files their names."""
        if self._hidden_result:
            with disk.naming_faults(self._result):
                disk.patiently(os.replace, self._hidden_result, self._result)
        failpoints.reach("receipt.after")
        if self._hidden_job:
            linking.link_or_rename_new(self._hidden_job, self._target)
        failpoints.reach("yaml.linked")

    def settle(self) -> None:
        """Make the names durable."""
        self._sync_folder(self._target.parent)

    def leave(self) -> None:
        """Remove the job file from processing/, if it is still what ran."""
        if _hash_of(self._source) == self._job["config_sha256"]:
            with disk.naming_faults(self._source):
                disk.patiently(self._source.unlink, missing_ok=True)
        failpoints.reach("yaml.moved")

    def clear(self) -> None:
        """Make its absence durable."""
        if self._source.parent.is_dir():
            self._sync_folder(self._source.parent)

    def _sync_folder(self, folder: Path) -> None:
        self._synced.do(folder, lambda: file_utils.fsync_dir(folder))


def result_of(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the result file says, if this very job is done: its bytes lie beside it in finished/.

    Args:
        job: The row.
        cfg: The settings.

    Returns:
        The content of the result file, or None when the job has not run yet.
    """
    folder = Path(cfg["paths"]["jobs_finished"]) / _subfolder(job, cfg)
    if not os.path.lexists(folder / f"{Path(job['config_name']).stem}.yaml"):
        return None
    job_file = finished_path(job, cfg)
    told = read_result_file(job_file.with_suffix(".result.json"))
    is_told = told is not None and told.get("config_sha256") == job["config_sha256"] and job_file.is_file()
    return told if is_told and told and told.get("config_name") == job["config_name"] else None


def read_result_file(path: Path) -> dict[str, Any] | None:
    """Read a result file; None for anything that does not tell of a done job."""
    try:
        told = json.loads(_read(path, _MAX_RESULT_BYTES) or b"")
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and told.get("status") == "done" else None


def _subfolder(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> Path:
    """Mirror the folders under processing/; a file from elsewhere goes straight into its medium's folder."""
    try:
        return Path(job["config_path"]).parent.relative_to(cfg["paths"]["jobs_processing"])
    except ValueError:
        return Path(job["media"])


def _remove_if_unchanged(path: Path, sha256: str) -> None:
    if _hash_of(path) == sha256:
        with disk.naming_faults(path):
            disk.patiently(path.unlink, missing_ok=True)
        file_utils.fsync_dir(path.parent)


def _result_bytes(path: Path, content: Mapping[str, Any]) -> bytes | None:
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
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _bytes_that_ran(job: Mapping[str, Any]) -> bytes:
    """Return the job file's bytes while they are those that ran, else what the row keeps of them."""
    data = _read(Path(job["config_path"]))
    return data if data and _sha256(data) == job["config_sha256"] else _snapshot(job)


def _tells_of(path: Path, config_name: str | None) -> bool:
    try:
        known = json.loads(_read(path, _MAX_RESULT_BYTES) or b"")
    except (ValueError, RecursionError):
        return False
    return isinstance(known, dict) and known.get("config_name") == config_name


def _snapshot(job: Mapping[str, Any]) -> bytes:
    return job["source_yaml"].encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hash_of(path: Path) -> str | None:
    data = _read(path)
    return None if data is None else _sha256(data)


def _read(path: Path, limit: int = MAX_CONFIG_BYTES) -> bytes | None:
    """Return the bytes of a regular file, or None for anything else."""
    try:
        with os.fdopen(file_utils.open_regular(path), "rb") as file:
            data = file.read(limit + 1)
    except (InvalidConfig, OSError):
        return None
    return data if len(data) <= limit else None
