"""``workflows.yaml``: which workflows there are, where their templates lie, what their inputs are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, cast

from .errors import InvalidConfig, InvalidWorkflow
from .model import MAX_CONFIG_BYTES, Workflow, WorkflowInput
from .parsing import strict_yaml
from .payload import slots, templates

ENTRY_FIELDS: dict[str, tuple[str, type]] = {
    "template_path": ("the path of a template", str),
    "required_inputs": ("a list of names", list),
    "inputs": ("a mapping of names to places", dict),
    "description": ("text", str),
    "needs": ("a list of texts", list),
}
INPUT_FIELDS = ("node", "field", "type", "min", "max", "default", "random")


def load_workflows(path: str) -> dict[str, Workflow]:
    """Read one ``workflows.yaml`` and the templates that it names.

    Args:
        path: The file, or the folder that holds a ``workflows.yaml``.

    Returns:
        The workflows by id, each with its template and fingerprint; empty for an empty file.

    Raises:
        InvalidWorkflow: If the file or an entry cannot be used; the message names the file, the entry
            and what would be right.

    Examples:
        >>> shipped = load_workflows(str(Path(__file__).parents[1] / "workflows"))
        >>> "wf_realistic_portrait" in shipped
        True
    """
    return _load(Path(path), _raise)


def load_all_workflows(
    paths: Iterable[str], on_error: Callable[[InvalidWorkflow], None] | None = None
) -> dict[str, Workflow]:
    """Read several files; where two define the same id, the later one wins.

    Args:
        paths: The files, the shipped one first.
        on_error: Told of each file or entry that cannot be used, which is then left out; without it
            the first one is raised.

    Returns:
        The workflows by id.

    Raises:
        InvalidWorkflow: If something cannot be used and ``on_error`` is not given.

    Examples:
        >>> load_all_workflows([])
        {}
    """
    workflows: dict[str, Workflow] = {}
    for path in paths:
        workflows |= _load(Path(path), on_error or _raise)
    return workflows


def _raise(error: InvalidWorkflow) -> None:
    raise error


def _load(path: Path, on_error: Callable[[InvalidWorkflow], None]) -> dict[str, Workflow]:
    path = path / "workflows.yaml" if path.is_dir() else path
    workflows = {}
    try:
        document = _read_yaml(path)
    except InvalidWorkflow as exc:
        on_error(exc)
        return {}
    for workflow_id in document.data:
        try:
            workflows[workflow_id] = _load_entry(path, document, workflow_id)
        except InvalidWorkflow as exc:
            on_error(exc)
    return workflows


def _read_yaml(path: Path) -> strict_yaml.Document:
    data = _read_bytes(path, MAX_CONFIG_BYTES)
    if not re.sub(rb"#[^\n]*|\s", b"", data.removeprefix(b"\xef\xbb\xbf")):
        return strict_yaml.Document({}, [], "")
    try:
        return strict_yaml.read(data, source=str(path))
    except InvalidConfig as exc:
        raise InvalidWorkflow(str(exc), code=exc.code, line=exc.line, column=exc.column) from exc


def _read_bytes(path: Path, limit: int) -> bytes:
    """Read one byte more than is allowed at most, so that the reader can refuse what is too long."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as exc:
        raise InvalidWorkflow(f"{path} cannot be read: {exc.strerror or exc}") from exc


def _load_entry(path: Path, document: strict_yaml.Document, workflow_id: str) -> Workflow:
    """Check one entry and load its template; every message begins with file and workflow."""
    try:
        entry = _checked_entry(document.data[workflow_id])
        template_path = _template_path(path.parent, entry.get("template_path", ""))
        data = _read_bytes(template_path, templates.MAX_TEMPLATE_BYTES)
        template = templates.parse_template(data, entry.get("template_path", ""))
        sha256 = templates.workflow_sha256(template, entry)
        workflow = cast(Workflow, {**entry, "template": template, "sha256": sha256, "source": str(path)})
        _check_inputs(workflow)
        return workflow
    except (InvalidConfig, InvalidWorkflow) as exc:
        line, column = document.position((workflow_id,)) or (None, None)
        message = f"{path}: workflow {workflow_id}: {exc}"
        raise InvalidWorkflow(message, line=line, column=column) from exc


def _checked_entry(entry: Any) -> Workflow:
    if not isinstance(entry, dict):
        raise InvalidWorkflow("an entry must be a mapping with template_path and required_inputs")
    _check_known(entry, ENTRY_FIELDS)
    for field in ("template_path", "required_inputs"):
        if field not in entry:
            raise InvalidWorkflow(f"{field} is missing; it must be {ENTRY_FIELDS[field][0]}")
    for field, value in entry.items():
        words, kind = ENTRY_FIELDS[field]
        if not isinstance(value, kind) or (kind is list and not all(isinstance(item, str) for item in value)):
            raise InvalidWorkflow(f"{field} must be {words}, got {value!r}")
    inputs = {name: _checked_input(name, declared) for name, declared in entry.get("inputs", {}).items()}
    return cast(Workflow, {**entry, "inputs": inputs})


def _check_known(given: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in given:
        if key not in known:
            raise InvalidWorkflow(f"the key {key!r} is unknown; {slots.nearest(key, known)}")


def _checked_input(name: str, declared: Any) -> WorkflowInput:
    if not isinstance(declared, dict):
        raise InvalidWorkflow(f"input {name} must be a mapping such as {{node: '3', field: seed}}")
    _check_known(declared, INPUT_FIELDS)
    if isinstance(declared.get("node"), int):
        declared = {**declared, "node": str(declared["node"])}
    for key in ("node", "field"):
        if not isinstance(declared.get(key), str):
            raise InvalidWorkflow(f"input {name}: {key} must be text, got {declared.get(key)!r}")
    if declared.get("type", "string") not in list(slots.TYPES):  # a list finds what cannot be hashed, too
        raise InvalidWorkflow(f"input {name}: type must be one of {', '.join(slots.TYPES)}")
    if not isinstance(declared.get("random", False), bool):
        raise InvalidWorkflow(f"input {name}: random must be true or false, got {declared['random']!r}")
    for key in ("min", "max"):
        if key in declared and type(declared[key]) not in (int, float):
            raise InvalidWorkflow(f"input {name}: {key} must be a number, got {declared[key]!r}")
    return cast(WorkflowInput, declared)


def _template_path(folder: Path, text: str) -> Path:
    """Place a template's path inside the folder of the file that names it; links out of it are followed."""
    if PureWindowsPath(text).anchor or ".." in text.replace("\\", "/").split("/"):
        raise InvalidWorkflow(f"template_path must stay inside {folder}, got {text!r}")
    path = (folder / text.replace("\\", "/")).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidWorkflow(f"template_path must stay inside {folder}, and {text!r} leads to {path}")
    return path


def _check_inputs(workflow: Workflow) -> None:
    """Find every promise of an entry in its template, so that no job can fail over the workflow itself."""
    known = slots.input_slots(workflow)
    for name, declared in workflow.get("inputs", {}).items():
        slot = known[name]
        if slot.get("random") and slot["type"] not in ("int", "float"):
            raise InvalidWorkflow(f"input {name}: only a number can be random, not {slot['type']}")
        if slot.get("min", 0) > slot.get("max", slot.get("min", 0)):
            raise InvalidWorkflow(f"input {name}: min {slot.get('min')} is above max {slot.get('max')}")
        if "default" in declared:
            slots.check_value(name, declared["default"], slot)
    for name in workflow.get("required_inputs", []):
        slots.resolve(workflow, name)
