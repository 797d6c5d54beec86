"""From a job's inputs to the graph that ComfyUI runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import InvalidConfig
from ..model import Workflow
from . import graph as graphs
from . import slots
from .graph import prepare_attempt as prepare_attempt
from .slots import input_slots as input_slots
from .templates import check_template as check_template

RANDOM_RANGE = (0, 2**53 - 1)
"""Where a random number without bounds is drawn: whole numbers that every JSON reader keeps exactly."""


class Rng(Protocol):
    """What is needed of ``random.Random``."""

    def randint(self, a: int, b: int, /) -> int: ...
    def uniform(self, a: float, b: float, /) -> float: ...


def build_payload(workflow_id: str, inputs: Mapping[str, Any], workflows: Mapping[str, Workflow]) -> graphs.Graph:
    """Put a job's inputs into its workflow's template.

    Args:
        workflow_id: A key of ``workflows``.
        inputs: The job's inputs; a file input is the name that ComfyUI's input folder knows it by.
        workflows: What ``config_loader.load_workflows`` returned.

    Returns:
        A fresh graph in API format without E3 nodes; the template stays as it is.

    Raises:
        InvalidConfig: If the workflow is unknown, or an input is missing, unknown, ambiguous, of the
            wrong type or out of range.

    Examples:
        >>> template = {"9": {"class_type": "SaveText", "inputs": {"text": "", "filename_prefix": "x"}}}
        >>> build_payload("wf", {"text": "hello"}, {"wf": {"template": template}})["9"]["inputs"]["text"]
        'hello'
    """
    workflow = find_workflow(workflow_id, workflows)
    filled = graphs.with_own_inputs(workflow.get("template", {}))
    for slot, value in _values(workflow, inputs):
        filled[slot["node"]]["inputs"][slot["field"]] = value
    return graphs.finish(filled)


def check_inputs(workflow: Workflow, inputs: Mapping[str, Any]) -> None:
    """Refuse inputs that ``build_payload`` would refuse, without building anything.

    Args:
        workflow: The job's workflow.
        inputs: The job's inputs.

    Raises:
        InvalidConfig: If an input is missing, unknown, ambiguous, of the wrong type or out of range.

    Examples:
        >>> check_inputs({"template": {"9": {"class_type": "SaveText", "inputs": {"text": ""}}}}, {"text": "hello"})
    """
    _values(workflow, inputs)


def find_workflow(workflow_id: str, workflows: Mapping[str, Workflow]) -> Workflow:
    """Look a workflow up, and name the nearest ones when it is not there.

    Args:
        workflow_id: The id that a job names.
        workflows: The workflows by id.

    Returns:
        The workflow.

    Raises:
        InvalidConfig: If there is none of that id (``workflow_unknown``).

    Examples:
        >>> find_workflow("wf_cat", {"wf_cat": {"template_path": "api/cat.json"}})
        {'template_path': 'api/cat.json'}
    """
    if isinstance(workflow_id, str) and workflow_id in workflows:
        return workflows[workflow_id]
    near = slots.nearest(str(workflow_id), workflows)
    raise InvalidConfig(f"workflow_id {workflow_id!r} is unknown; {near}", code="workflow_unknown")


def resolve_random(workflow: Workflow, inputs: Mapping[str, Any], rng: Rng) -> dict[str, Any]:
    """Draw the inputs that the workflow declares random and the job leaves open (absent, or -1).

    This happens once, when a job is taken in, so that every run of the job makes the same thing.

    Args:
        workflow: The job's workflow.
        inputs: The job's inputs; not changed.
        rng: Where the numbers come from, such as ``random.Random()``.

    Returns:
        The inputs with every drawn value in them.

    Raises:
        InvalidConfig: If an input fits nothing or several places.

    Examples:
        >>> import random
        >>> template = {"3": {"class_type": "KSampler", "inputs": {"seed": 0}}}
        >>> declared = {"seed": {"node": "3", "field": "seed", "random": True, "min": 7, "max": 7}}
        >>> resolve_random({"template": template, "inputs": declared}, {}, random.Random())
        {'seed': 7}
    """
    drawn, found = dict(inputs), slots.slots_of(workflow)
    given = {found.address_of(name) for name in inputs}
    for name, slot in found.drawn:
        is_open = drawn[name] == -1 if name in drawn else slots.address(slot) not in given
        if is_open:
            drawn[name] = _draw(slot, rng)
    return drawn


def file_inputs(workflow: Workflow, inputs: Mapping[str, Any]) -> list[str]:
    """Name the given inputs that are files, to be delivered into ComfyUI's input folder.

    Args:
        workflow: The job's workflow.
        inputs: The job's inputs.

    Returns:
        Their names, in the order of ``inputs``.

    Raises:
        InvalidConfig: If an input fits nothing or several places.

    Examples:
        >>> template = {"1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}}}
        >>> file_inputs({"template": template}, {"image": "jobs/cat.png"})
        ['image']
    """
    found = slots.slots_of(workflow)
    return [name for name in inputs if found.resolve(name)["type"] == "file"]


def _draw(slot: slots.Slot, rng: Rng) -> int | float:
    low, high = slot.get("min", RANDOM_RANGE[0]), slot.get("max", RANDOM_RANGE[1])
    if slot["type"] == "float":
        return rng.uniform(low, high)
    return rng.randint(int(low), int(high))


def _values(workflow: Workflow, inputs: Mapping[str, Any]) -> list[tuple[slots.Slot, Any]]:
    """Say what goes where: the job's inputs, and the map's defaults where the job is silent."""
    given: dict[str, str] = {}
    values: list[tuple[slots.Slot, Any]] = []
    found = slots.slots_of(workflow)
    for name, value in inputs.items():
        slot = found.resolve(name)
        slots.check_value(name, value, slot)
        place = found.address_of(name)
        if place in given:
            raise InvalidConfig(f"inputs {given[place]} and {name} both set {place}; give one of them")
        given[place] = name
        values.append((slot, value))
    values += [(slot, value) for slot, value in found.defaults if slots.address(slot) not in given]
    _check_required(found, inputs, values)
    return values


def _check_required(found: slots.Slots, inputs: Mapping[str, Any], values: list[tuple[slots.Slot, Any]]) -> None:
    missing = [name for name in found.needed if name not in inputs]
    if found.needed_places:
        places = {slots.address(slot) for slot, _ in values}
        missing += [name for name, place in found.needed_places if place not in places]
    if missing:
        message = f"the workflow needs {', '.join(missing)} among the inputs, and the job gives none"
        raise InvalidConfig(message, code="missing_field")
