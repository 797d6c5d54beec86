"""What both backends say to ``POST /prompt``, and how they read its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import PromptRefused
from .base import Prompt

BATCH_NUMBER = 1e9
"""ComfyUI runs the lowest number first and counts a person's prompts from 0: the batch comes after them."""

STAGING = "e3"
"""The folder under ComfyUI's output and input folders in which everything of E3 lies."""


def prompt_body(prompt: Prompt, client_id: str, number: float) -> dict[str, Any]:
    """Build the body of ``POST /prompt``.

    ``preview_method`` spares ComfyUI from encoding previews that nobody looks at (0.5.0 and later).
    Without targets every output node runs.

    Examples:
        >>> body = prompt_body(Prompt("id", "token", {}, ["9"]), "me", BATCH_NUMBER)
        >>> body["partial_execution_targets"], body["number"]
        (['9'], 1000000000.0)
    """
    return {
        "prompt": prompt.graph,
        "prompt_id": prompt.prompt_id,
        "client_id": client_id,
        "number": number,
        "partial_execution_targets": list(prompt.targets) or None,
        "extra_data": {"e3_job": prompt.job_name, "e3_token": prompt.token, "preview_method": "none"},
    }


def check_accepted(status: int, answer: Mapping[str, Any]) -> None:
    """Raise PromptRefused unless the whole prompt was accepted.

    A 200 with ``node_errors`` means that ComfyUI has queued the prompt and would run a part of its graph; the
    caller takes it back.
    """
    node_errors = answer.get("node_errors") or {}
    if status == 200 and not node_errors:
        return
    raise PromptRefused(refusal_of(answer.get("error"), node_errors))


def refusal_of(error: Any, node_errors: Mapping[str, Any]) -> str:
    """Put ComfyUI's refusal into words that name each node, its type, and what is wrong.

    Examples:
        >>> refusal_of({"message": "Prompt outputs failed validation"}, {"3": {"class_type": "KSampler",
        ...     "errors": [{"message": "Value not in list", "details": "ckpt_name: 'x' not in []"}]}})
        "ComfyUI refuses the prompt: node 3 (KSampler): Value not in list: ckpt_name: 'x' not in []"
    """
    found = [
        f"node {node} ({what.get('class_type', '?')}): {_words(problem)}"
        for node, what in node_errors.items()
        for problem in what.get("errors", ())
    ]
    general = _words(error) if isinstance(error, Mapping) else str(error or "no reason given")
    return "ComfyUI refuses the prompt: " + ("; ".join(found) or general)


def _words(problem: Mapping[str, Any]) -> str:
    parts = (str(problem.get(key) or "").strip() for key in ("message", "details"))
    return ": ".join(part for part in parts if part)
