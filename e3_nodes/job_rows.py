"""From a job file's bytes to the row that it would become: every rule is applied, nothing is written."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import file_utils, inputs, outputs, validation
from .drop_folder import Signature, signature_of
from .errors import InvalidConfig
from .model import MAX_CONFIG_BYTES, MEDIA, Workflow
from .parsing import strict_yaml


class Desk:
    """Judges job files; what many of them have in common is found out once, so it serves for a moment only.

    Args:
        cfg: The settings.
        workflows: The workflows that the jobs may name.
    """

    def __init__(self, cfg: Mapping[str, Any], workflows: Mapping[str, Workflow]) -> None:
        self._cfg = cfg
        self._workflows = workflows
        self._media: dict[str, str] = {}
        self._real_folders: dict[str, str] = {}
        self._rng = random.SystemRandom()
        self._glance = validation.Glance(workflows, cfg["job_types"])

    def read(self, path: str) -> tuple[dict[str, Any], Signature]:
        """Read one whole file and judge it.

        Returns:
            The row for the store, and the signature of what was read.

        Raises:
            InvalidConfig: The file is no job; code, reason, line and column say why.
            FileChanging: It changed while it was read; it is looked at again later.
        """
        folder, name = os.path.split(path)
        parsed = validation.parse_config_name(name, job_types=self._cfg["job_types"])
        if folder not in self._media:
            self._media[folder] = media_of(path, self._cfg)
        data, stat = file_utils.read_regular_file(path, MAX_CONFIG_BYTES)
        row = self._row(name, parsed, data, self._media[folder])
        row["config_path"] = path
        return row, signature_of(stat)

    def judge(self, name: str, data: bytes, media: str | None = None) -> dict[str, Any]:
        """Judge a job by its name and bytes; without ``media`` it lies where it belongs.

        Raises:
            InvalidConfig: It breaks a rule.
        """
        parsed = validation.parse_config_name(name, job_types=self._cfg["job_types"])
        return self._row(
            name, parsed, data, media or validation.media_of_type(parsed["job_type"], self._cfg["job_types"])
        )

    def _row(self, name: str, parsed: validation.ConfigName, data: bytes, media: str) -> dict[str, Any]:
        job_types = self._cfg["job_types"]
        validation.check_media(parsed["job_type"], media, job_types)
        document = strict_yaml.read(data, source=name)
        if not self._glance.knows(document.data):
            validation.validate_config_schema(
                document.data, self._workflows, job_types=job_types, position=document.position
            )
        _check_same_type(parsed["job_type"], document.data["job_type"], name)
        config = self._settled(document.data)
        return {
            "config_name": validation.canonical_config_name(name),
            "job_type": parsed["job_type"],
            "media": media,
            "workflow_id": config["workflow_id"],
            "workflow_sha256": self._workflows[config["workflow_id"]]["sha256"],
            "priority": config["priority"],
            "retry_limit": config["retry_limit"],
            "config": config,
            "config_sha256": hashlib.sha256(data).hexdigest(),
            "source_yaml": document.text,
            "warnings": [*document.warnings, *validation.clamp_warnings(document.data)],
            "metadata": config["metadata"],
        }

    def _settled(self, given: dict[str, Any]) -> dict[str, Any]:
        """Normalize a valid job, settle its inputs, and check that its result may lie where it asks."""
        config = validation.normalize_config(given, self._cfg)
        outputs.final_path(config["outputs"]["file_path"], self._cfg, self._real_folders)
        config["inputs"], config["files"] = inputs.settle_inputs(
            config["workflow_id"], config["inputs"], self._workflows, self._cfg, self._rng
        )
        return config


def check_job(name: str, data: bytes, cfg: Mapping[str, Any], workflows: Mapping[str, Workflow]) -> dict[str, Any]:
    """Judge a job that is not in a folder yet; return the row that it would become.

    Raises:
        InvalidConfig: It breaks a rule.
    """
    return Desk(cfg, workflows).judge(validation.canonical_config_name(name), data)


def job_row(
    name: str, data: bytes, media: str, cfg: Mapping[str, Any], workflows: Mapping[str, Workflow]
) -> dict[str, Any]:
    """Make a row of a job file's name and bytes.

    Args:
        name: The file's base name.
        data: Its bytes.
        media: The media folder that it lies in.
        cfg: The settings.
        workflows: The workflows that it may name.

    Raises:
        InvalidConfig: It breaks a rule.
    """
    return Desk(cfg, workflows).judge(name, data, media)


def media_of(path: str, cfg: Mapping[str, Any]) -> str:
    """Return the media folder that a job file lies in.

    Raises:
        InvalidConfig: It lies straight in processing/, or in a folder of no media.
    """
    root = cfg["paths"]["jobs_processing"]
    folders = Path(path).relative_to(root).parts[:-1]
    if folders and folders[0] in MEDIA:
        return folders[0]
    job_type = validation.parse_config_name(path, job_types=cfg["job_types"])["job_type"]
    right = validation.media_of_type(job_type, cfg["job_types"])
    raise InvalidConfig(
        f"{Path(path).name} belongs into {Path(root) / right}, got {Path(path).parent}", code="bad_value"
    )


def _check_same_type(in_name: str, in_body: str, name: str) -> None:
    if in_name != in_body:
        raise InvalidConfig(f"job_type must be {in_name}, as in the name {name}, got {in_body}")
