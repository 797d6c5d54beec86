"""Knows a good job at a glance: what the jobs of a flood have in common is prepared once.

Of a job that it does not know to be good it says nothing, and ``problems`` is asked. A test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidConfig
from ..model import Workflow
from ..parsing import strict_values
from ..payload.slots import slots_of
from . import job_schema
from .output_paths import check_output_path


class Glance:
    """Looks at many jobs for the same workflows.

    Args:
        workflows: The known workflows by id; they stay as they are meanwhile.
        job_types: TYPE words besides the built-in ones.

    Examples:
        >>> job = {"job_type": "T2I", "workflow_id": "wf", "inputs": {}, "outputs": {"file_path": "a.png"}}
        >>> Glance({"wf": {"required_inputs": []}}).knows(job)
        True
    """

    def __init__(self, workflows: Mapping[str, Workflow], job_types: Mapping[str, str] | None = None) -> None:
        self._fits = job_schema.fitting(job_schema.job_schema(job_types))
        self._workflows = workflows

    def knows(self, cfg: Any) -> bool:
        """Tell whether a job is surely good: then ``problems`` finds nothing, if not strict."""
        return (
            self._fits(cfg)
            and self._gives_enough(cfg["workflow_id"], cfg["inputs"])
            and _is_allowed(cfg["outputs"]["file_path"])
            and is_plain_data(cfg["inputs"])
            and is_plain_data(cfg.get("metadata"))
        )

    def _gives_enough(self, workflow_id: str, inputs: Mapping[str, Any]) -> bool:
        workflow = self._workflows.get(workflow_id)
        return workflow is not None and all(name in inputs for name in slots_of(workflow).needed)


def is_plain_data(value: Any) -> bool:
    """Tell whether a value is what JSON, the database and a log can hold.

    Examples:
        >>> is_plain_data({"mood": ["calm", 1, None]}), is_plain_data("\\x1b[31m"), is_plain_data({1: "one"})
        (True, False, False)
    """
    kind = type(value)
    if kind is str:
        return value.isprintable() or strict_values.UNPRINTABLE.search(value) is None
    if kind is dict:
        return all(type(key) is str and is_plain_data(key) and is_plain_data(item) for key, item in value.items())
    if kind is list:
        return all(map(is_plain_data, value))
    return value is None or kind is bool or kind is int or (kind is float and -math.inf < value < math.inf)


def _is_allowed(file_path: str) -> bool:
    try:
        check_output_path(file_path)
    except InvalidConfig:
        return False
    return True
