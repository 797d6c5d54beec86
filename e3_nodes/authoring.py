"""Jobs that are made here rather than dropped: named, written as YAML, copied from others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from . import monitor, validation
from .errors import InvalidConfig, NameConflict
from .model import Job, Workflow
from .parsing import strict_yaml
from .queue_manager import find_job
from .store.protocol import JobStore
from .validation import names

MAX_JOBNAME_BYTES = 60
MOST_NAMES = 100_000

_COPIED = ("job_type", "workflow_id", "retry_limit", "timeout_seconds", "outputs", "metadata")


def submit_new(
    given: Mapping[str, Any] | bytes,
    name: str | None,
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
) -> Job:
    """Take a job in that came through a door: judged strictly, named if it has no name, written as a file.

    Args:
        given: The job, or the bytes of its YAML. It may carry its own ``name``.
        name: Its name; ``TYPE_<now>_<n>_<workflow>`` when None.
        cfg: The settings.
        workflows: The workflows that it may name.
        db: The store.

    Returns:
        Its row.

    Raises:
        InvalidConfig: It breaks a rule; a number out of range is refused here, not clamped.
        NameConflict: A job or a file of that name is there already.
    """
    job = dict(strict_yaml.read(given).data if isinstance(given, bytes) else given)
    own_name = job.pop("name", None)
    name = name or own_name
    validation.validate_config_schema(job, workflows, job_types=cfg["job_types"], strict=True)
    data = given if isinstance(given, bytes) and own_name is None else write_yaml(job)
    if name is None:
        return _submit_under_free_name(job, data, job["workflow_id"], cfg, workflows, db)
    if not isinstance(name, str):
        raise InvalidConfig(f"name must be text such as {names.SHAPE}, got {name!r}", code="bad_type")
    return monitor.submit_job(name, data, cfg, workflows, db)


def copy_job(
    db: JobStore,
    config_name: str,
    inputs: Mapping[str, Any],
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
) -> Job:
    """Make a new job from another one, with some inputs changed and a result path of its own.

    Args:
        db: The store.
        config_name: The job to copy, in whatever state.
        inputs: Inputs that differ; null leaves one out, so that a random one is drawn anew.
        cfg: The settings.
        workflows: The workflows; the copy is pinned to its workflow as it is now.

    Returns:
        The new row.

    Raises:
        UnknownJob: No job has that name.
        InvalidConfig: The copy breaks a rule, for instance because the workflow has changed.
    """
    source = find_job(db, config_name)
    config = source["config"]
    job = {key: config[key] for key in _COPIED if key in config}
    job["priority"] = source["priority"]
    merged = {**config["inputs"], **inputs}
    job["inputs"] = {key: value for key, value in merged.items() if value is not None}
    validation.validate_config_schema(job, workflows, job_types=cfg["job_types"], strict=True)
    jobname = names.parse_config_name(source["config_name"], job_types=cfg["job_types"])["jobname"]
    return _submit_under_free_name(job, None, jobname, cfg, workflows, db, copied=source["config_name"])


def write_yaml(job: Mapping[str, Any]) -> bytes:
    """Write a job as the YAML that E3 reads back as the same job.

    Examples:
        >>> write_yaml({"inputs": {"prompt": "no: 1e5", "steps": 30}}).decode()
        'inputs:\\n  prompt: "no: 1e5"\\n  steps: 30\\n'
    """
    text = yaml.dump(dict(job), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**9)
    return text.encode()


def free_name(job_type: str, jobname: str, cfg: Mapping[str, Any], db: JobStore, now: datetime) -> str:
    """Return ``TYPE_<now>_<n>_<jobname>.yaml`` with the first number that no job and no file has.

    Args:
        job_type: The TYPE word.
        jobname: What it is about; characters that a name may not have become ``-``.
        cfg: The settings.
        db: The store.
        now: The local time.

    Raises:
        NameConflict: Every number of this second is taken.
    """
    folder = Path(cfg["paths"]["jobs_processing"]) / names.media_of_type(job_type, cfg["job_types"])
    for number in range(1, MOST_NAMES):
        name = f"{job_type}_{now:%Y%m%d%H%M%S}_{number}_{_as_jobname(jobname)}.yaml"
        if db.get_job(name) is None and not (folder / name).exists():
            return name
    raise NameConflict(f"more than {MOST_NAMES} jobs of this second are called {jobname}; wait a second")


def _submit_under_free_name(
    job: dict[str, Any],
    data: bytes | None,
    jobname: str,
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    *,
    copied: str | None = None,
) -> Job:
    """Submit under the first free name; one that somebody else takes at the same moment is passed over."""
    for _ in range(MOST_NAMES):
        name = free_name(job["job_type"], jobname, cfg, db, datetime.now())
        content = data or write_yaml(_with_own_path(job, name, copied))
        try:
            return monitor.submit_job(name, content, cfg, workflows, db)
        except NameConflict:
            continue
    raise NameConflict(f"no free name was found for {jobname}; give the job a name")


def _with_own_path(job: dict[str, Any], name: str, copied: str | None) -> dict[str, Any]:
    """Give a copy's result a path of its own: the new job's name where the old one's stood."""
    if copied is None:
        return job
    old, new = copied.removesuffix(".yaml"), name.removesuffix(".yaml")
    path = PurePosixPath(job["outputs"]["file_path"].replace("\\", "/"))
    stem = path.stem.replace(old, new)
    if stem == path.stem:
        stem = f"{new}_{{index}}" if "{index}" in path.name else new
    return {**job, "outputs": {**job["outputs"], "file_path": str(path.with_name(f"{stem}{path.suffix}"))}}


def _as_jobname(text: str) -> str:
    """Turn any text into a jobname: other characters become ``-``, and it starts with a letter or digit."""
    safe = re.sub(r"[^\w.-]|_(?=_)", "-", text).lstrip("._-") or "job"
    return safe.encode()[:MAX_JOBNAME_BYTES].decode("utf-8", "ignore")


class _Dumper(yaml.SafeDumper):
    """Puts every text in double quotes but plain words: no other reader's rules decide what it means."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out: E3 takes no aliases."""
        return True


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*([./-][A-Za-z0-9_]+)*")
_WORDS_OF_YAML = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent_text)
