"""Slots: the places in a template where a job's inputs go, how a name finds one, and what each takes.

A name is looked up in the workflow's ``inputs`` map, then among the E3 Input nodes, then as an address
``<node_id>.<field>`` or ``<node_id>_<field>``, then as a field that one node alone has.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any, TypedDict, cast

from ..errors import InvalidConfig
from ..model import Workflow, WorkflowInput
from .graph import E3_INPUTS, PREFIX, Graph, is_e3_input, is_link

FILE_FIELDS: frozenset[tuple[str, str]] = frozenset(
    {
        ("LoadImage", "image"),
        ("LoadImageMask", "image"),
        ("LoadAudio", "audio"),
        ("LoadVideo", "file"),
        ("LoadLatent", "latent"),
        ("Load3D", "model_file"),
        ("Load3DAdvanced", "model_file"),
        ("VHS_LoadVideo", "video"),
        ("VHS_LoadAudioUpload", "audio"),
    }
)
"""Fields that name a file of ComfyUI's input folder: a job's own file is delivered there for them."""

INT_RANGE = (-(2**63), 2**64 - 1)
"""What ComfyUI and JSON carry as a whole number; its seeds go up to 2^64 - 1."""

TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "string": ("text", (str,)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "bool": ("true or false", (bool,)),
    "file": ("the name of a file", (str,)),
}
"""The types of inputs: what a message calls them, and the Python types that they take."""


class Place(TypedDict):
    """A field of a node, the type it takes, and the value that the template holds there."""

    node: str
    field: str
    type: str
    default: Any


class Slot(Place, total=False):
    """A place where an input goes, and what it may be."""

    min: float
    max: float
    random: bool
    required: bool


def resolve(workflow: Workflow, name: str) -> Slot:
    """Find the one slot that an input's name means.

    Args:
        workflow: A workflow with its template.
        name: The input's name in the job.

    Returns:
        The slot.

    Raises:
        InvalidConfig: If the name fits nothing or several places (``input_unknown``), or a wire
            (``input_link``).

    Examples:
        >>> template = {"57:3": {"class_type": "KSampler", "inputs": {"seed": 0}}}
        >>> resolve({"template": template}, "57:3.seed") == resolve({"template": template}, "seed")
        True
    """
    return slots_of(workflow).resolve(name)


def input_slots(workflow: Workflow) -> dict[str, Slot]:
    """List what a job can set by name: the ``inputs`` map, E3 Input nodes, fields that one node alone has.

    Args:
        workflow: A workflow with its template.

    Returns:
        The slots by name, the declared ones first. Further fields can be reached by address.

    Raises:
        InvalidConfig: If the ``inputs`` map names a place that cannot be set.

    Examples:
        >>> template = {"3": {"class_type": "KSampler", "inputs": {"steps": 20, "model": ["4", 0]}}}
        >>> input_slots({"template": template})
        {'steps': {'node': '3', 'field': 'steps', 'type': 'int', 'default': 20}}
    """
    return dict(slots_of(workflow).by_name)


def slots_of(workflow: Workflow) -> Slots:
    """Return the slots of a workflow, which are found once for all of its jobs: a template may have 300 nodes.

    Args:
        workflow: A workflow with its template; neither is changed in place.

    Examples:
        >>> workflow: Workflow = {"sha256": "", "template": {}}
        >>> slots_of(workflow) is slots_of(workflow)
        True
    """
    place = _place_of(id(workflow))
    if not place or place[0].workflow is not workflow:
        place[:] = [Slots(workflow)]
    return place[0]


class Slots:
    """The slots of one workflow, for looking up many names.

    Args:
        workflow: A workflow with its template.

    Attributes:
        workflow: The same.
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self._template = workflow.get("template", {})
        self._declared = workflow.get("inputs", {})
        self._resolved: dict[str, Slot] = {}
        self._addresses: dict[str, str] = {}

    def resolve(self, name: str) -> Slot:
        """Find the one slot that a name means; see ``resolve``."""
        if name not in self._resolved:
            self._resolved[name] = self._find(name)
        return self._resolved[name]

    def _find(self, name: str) -> Slot:
        if name in self._declared:
            return _mapped(self._template, name, self._declared[name])
        slot = self._e3_inputs.get(name) or _addressed(self._template, name)
        if slot is not None:
            return slot
        found = self._by_field.get(name, [])
        if len(found) != 1:
            raise _unresolved(self.workflow, name, found)
        return found[0]

    def address_of(self, name: str) -> str:
        """Write the place that a name means as ``address`` does."""
        if name not in self._addresses:
            self._addresses[name] = address(self.resolve(name))
        return self._addresses[name]

    @cached_property
    def drawn(self) -> list[tuple[str, Slot]]:
        """What the map has drawn where a job leaves it open."""
        return [(name, self.resolve(name)) for name, declared in self._declared.items() if declared.get("random")]

    @cached_property
    def defaults(self) -> list[tuple[Slot, Any]]:
        """What the map gives where a job is silent."""
        found = [(self.resolve(name), declared) for name, declared in self._declared.items()]
        return [(slot, declared["default"]) for slot, declared in found if "default" in declared]

    @cached_property
    def needed(self) -> list[str]:
        """The inputs that the workflow requires and cannot fill itself."""
        required = self.workflow.get("required_inputs", [])
        return [name for name in required if not fills_itself(self.workflow, name)]

    @cached_property
    def needed_places(self) -> list[tuple[str, str]]:
        """Further inputs that some value has to reach, with their addresses."""
        return [
            (name, address(slot))
            for name, slot in self.by_name.items()
            if slot.get("required") and name not in self.needed
        ]

    @cached_property
    def by_name(self) -> Mapping[str, Slot]:
        """What a job can set by name; see ``input_slots``."""
        slots = {name: _mapped(self._template, name, declared) for name, declared in self._declared.items()}
        slots |= {name: slot for name, slot in self._e3_inputs.items() if name not in slots}
        taken = {address(slot) for slot in slots.values()}
        for field, found in self._by_field.items():
            if len(found) == 1 and address(found[0]) not in taken:
                slots.setdefault(field, found[0])
        for name in self.workflow.get("required_inputs", []):
            if name in slots and not fills_itself(self.workflow, name):
                slots[name] = cast(Slot, {**slots[name], "required": True})
        return slots

    @cached_property
    def _e3_inputs(self) -> dict[str, Slot]:
        return _e3_inputs(self._template)

    @cached_property
    def _by_field(self) -> dict[str, list[Slot]]:
        return _by_field(self._template)


@lru_cache(maxsize=64)
def _place_of(identity: int) -> list[Slots]:
    """Return where the slots of the workflow of that ``id`` are kept: with it, so that no other one gets the number."""
    return []


def address(slot: Place) -> str:
    """Write a slot's place as a job can write it.

    Examples:
        >>> address({"node": "57:3", "field": "seed", "type": "int", "default": 0})
        '57:3.seed'
    """
    return f"{slot['node']}.{slot['field']}"


def fills_itself(workflow: Workflow, name: str) -> bool:
    """Tell whether a job may leave an input out because the map has a default for it or draws it.

    Examples:
        >>> fills_itself({"inputs": {"seed": {"random": True}}}, "seed")
        True
    """
    declared = workflow.get("inputs", {}).get(name, {})
    return "default" in declared or declared.get("random", False)


def check_value(name: str, value: Any, slot: Slot) -> None:
    """Refuse a value that its slot does not take.

    Args:
        name: The input's name, for messages.
        value: What the job gives.
        slot: Where it goes.

    Raises:
        InvalidConfig: ``input_link``, ``bad_type`` or ``bad_value``.

    Examples:
        >>> check_value("steps", 30, {"node": "3", "field": "steps", "type": "int", "default": 20, "max": 50})
    """
    if is_link(value):
        raise InvalidConfig(
            f"input {name} must be a value, got {value!r}, which ComfyUI reads as a wire to node {value[0]}",
            code="input_link",
        )
    kind = slot["type"]
    words, classes = TYPES[kind]
    if not isinstance(value, classes) or (isinstance(value, bool) and kind != "bool"):
        message = f"input {name} must be {words}, got {_describe(value)}{_fix(kind, value)}"
        raise InvalidConfig(message, code="bad_type")
    if kind in ("int", "float"):
        _check_range(name, value, slot)
    if kind == "file" and not value:
        raise InvalidConfig(f"input {name} must name a file, got empty text")


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known words are near to one that is unknown, or else what there is.

    Examples:
        >>> nearest("promt", ["prompt", "seed"]), nearest("x", ["prompt", "seed"])
        ('nearest: prompt', 'there is: prompt, seed')
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3)
    return f"nearest: {', '.join(near)}" if near else f"there is: {', '.join(known[:12]) or 'nothing'}"


def _describe(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    names = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def _fix(kind: str, value: Any) -> str:
    if kind == "string" and isinstance(value, (bool, int, float)):
        return "; write it in quotes"
    if kind in ("int", "float", "bool") and isinstance(value, str):
        return "; write it without quotes"
    if kind == "int" and isinstance(value, float):
        return "; if the field takes fractions, say `type: float` in the workflow's inputs map"
    return ""


def _check_range(name: str, value: float, slot: Slot) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidConfig(f"input {name} must be a finite number, got {value}")
    low, high = INT_RANGE if isinstance(value, int) else (-math.inf, math.inf)
    low, high = max(low, slot.get("min", low)), min(high, slot.get("max", high))
    if not low <= value <= high:
        hint = "; -1 is random only where the workflow says `random: true`" if value == -1 else ""
        raise InvalidConfig(f"input {name} must be {low} to {high}, got {value}{hint}")


def _mapped(template: Graph, name: str, declared: WorkflowInput) -> Slot:
    """Read one entry of the ``inputs`` map: what it says, over what the template's value says."""
    node_id, field = declared.get("node", ""), declared.get("field", "")
    slot = _slot(template, node_id, field)
    if slot is None:
        raise _not_settable(template, name, node_id, field)
    return cast(Slot, {**slot, **declared})


def _e3_inputs(template: Graph) -> dict[str, Slot]:
    nodes = {node["inputs"]["name"]: node_id for node_id, node in template.items() if is_e3_input(node)}
    slots = {name: _slot(template, node_id, "value") for name, node_id in nodes.items()}
    return {name: slot for name, slot in slots.items() if slot is not None}


def _addressed(template: Graph, name: str) -> Slot | None:
    for node_id in sorted(template, key=len, reverse=True):
        field = name[len(node_id) + 1 :]
        if name.startswith((f"{node_id}.", f"{node_id}_")) and field in template[node_id]["inputs"]:
            slot = _slot(template, node_id, field)
            if slot is None:
                raise _not_settable(template, name, node_id, field)
            return slot
    return None


def _by_field(template: Graph) -> dict[str, list[Slot]]:
    """Gather the fields that hold values, by name; E3 Input nodes go by their own names."""
    found: dict[str, list[Slot]] = {}
    for node_id, node in template.items():
        for field in [] if is_e3_input(node) else node["inputs"]:
            if slot := _slot(template, node_id, field):
                found.setdefault(field, []).append(slot)
    return found


def _slot(template: Graph, node_id: str, field: str) -> Slot | None:
    """Describe a field by the value that the template holds there; None where no job may set it."""
    node = template.get(node_id)
    kind = _kind(node, field) if node else None
    if node is None or kind is None:
        return None
    slot: Slot = {"node": node_id, "field": field, "type": kind, "default": node["inputs"][field]}
    if is_e3_input(node):
        limits = {key: node["inputs"].get(key) for key in ("min", "max")}
        limits = {key: limit for key, limit in limits.items() if isinstance(limit, (int, float))}
        slot = cast(Slot, {**slot, **limits, "required": node["inputs"].get("required") is True})
    return slot


def _kind(node: Mapping[str, Any], field: str) -> str | None:
    value = node["inputs"].get(field)
    if is_e3_input(node):
        is_settable = field == "value" and not is_link(value)
        return E3_INPUTS[node["class_type"]] if is_settable else None
    if field == PREFIX:
        return None
    if isinstance(value, str):
        return "file" if (node["class_type"], field) in FILE_FIELDS else "string"
    kinds: dict[type, str] = {bool: "bool", int: "int", float: "float"}
    return kinds.get(type(value))


def _not_settable(template: Graph, name: str, node_id: str, field: str) -> InvalidConfig:
    """Say why the place that an input names cannot be set."""
    start = f"input {name} cannot be set"
    if node_id not in template:
        return InvalidConfig(f"{start}: there is no node {node_id!r}", code="input_unknown")
    value = template[node_id]["inputs"].get(field)
    if is_link(value):
        return InvalidConfig(f"{start}: {field} of node {node_id} is wired to node {value[0]}", code="input_link")
    if field == PREFIX:
        return InvalidConfig(f"{start}: outputs.file_path names the result", code="input_unknown")
    return InvalidConfig(f"{start}: node {node_id} has no value in {field!r}", code="input_unknown")


def _unresolved(workflow: Workflow, name: str, found: list[Slot]) -> InvalidConfig:
    if found:
        places = " or ".join(address(slot) for slot in found)
        return InvalidConfig(f"input {name} fits several nodes; write {places}", code="input_unknown")
    template = workflow.get("template", {})
    for node_id, node in template.items():
        if is_e3_input(node) and node["inputs"]["name"] == name:
            return _not_settable(template, name, node_id, "value")
        if name in node["inputs"] and not is_e3_input(node):
            return _not_settable(template, name, node_id, name)
    addresses = [address(slot) for slots in _by_field(template).values() for slot in slots]
    known = [*input_slots(workflow), *addresses]
    return InvalidConfig(f"input {name} is unknown; {nearest(name, known)}", code="input_unknown")
