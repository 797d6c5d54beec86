"""Judging a prompt before it is queued, with ComfyUI's own verdicts and words."""

from __future__ import annotations

import inspect
import logging
import traceback
from typing import Any

from .node_calls import ExecutionBlocker, call_over_lists, gather_inputs
from .progress import ExecutionContext
from .registry import Graph, InputInfo, NodeRegistry, full_type_name, input_info, input_types

Problem = dict[str, Any]
Verdict = tuple[bool, Problem | None, list[str], dict[str, Any]]
"""(may run, why not, the outputs that may run, the problems by node)."""

_CASTS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
_LONG_LIST = 20


async def validate_prompt(prompt_id: str, graph: Graph, targets: list[str] | None, registry: NodeRegistry) -> Verdict:
    """Judge every output of a graph; literal values in it are cast to their declared types.

    Args:
        prompt_id: Handed to nodes that look at it.
        graph: The prompt in API format; it is changed in place.
        targets: The outputs to run; None for all.
        registry: The known node classes.

    Returns:
        Whether at least one output may run, why not, the good outputs, and the problems of the others.
    """
    unknown = _unknown_class(graph, registry)
    if unknown is not None:
        return False, unknown, [], {}
    outputs = [
        node_id
        for node_id, node in graph.items()
        if registry.is_output(node["class_type"]) and (targets is None or node_id in targets)
    ]
    if not outputs:
        return False, _problem("prompt_no_outputs", "Prompt has no outputs", "", {}), [], {}
    return await _GraphJudge(prompt_id, graph, registry).judge(outputs)


def _unknown_class(graph: Graph, registry: NodeRegistry) -> Problem | None:
    for node_id, node in graph.items():
        class_type = node.get("class_type")
        if class_type in registry.classes:
            continue
        title = node.get("_meta", {}).get("title", class_type)
        told = f"Node '{title}' not found. The custom node may not be installed."
        if "class_type" not in node:
            told = (
                f"Node '{title or f'ID #{node_id}'}' has no class_type. "
                "The workflow may be corrupted or a custom node is missing."
            )
        extra = {"node_id": node_id, "class_type": class_type, "node_title": title}
        return _problem("missing_node_type", told, f"Node ID '#{node_id}'", extra)
    return None


class _GraphJudge:
    """Walks from the outputs to their sources and remembers the verdict of every node on the way."""

    def __init__(self, prompt_id: str, graph: Graph, registry: NodeRegistry) -> None:
        self._prompt_id = prompt_id
        self._graph = graph
        self._registry = registry
        self._verdicts: dict[str, tuple[bool, list[Problem]]] = {}
        self._path: list[str] = []

    async def judge(self, outputs: list[str]) -> Verdict:
        good: list[str] = []
        told: list[str] = []
        node_errors: dict[str, Any] = {}
        for output in outputs:
            is_good, problems = await self._judge_output(output)
            if is_good:
                good.append(output)
                continue
            logging.error("Failed to validate prompt for output %s:", output)
            told += [f"{problem['message']}: {problem['details']}" for problem in problems]
            self._collect(output, node_errors)
            logging.error("Output will be ignored")
        if good:
            return True, None, good, node_errors
        failed = "Prompt outputs failed validation"
        return (
            False,
            _problem("prompt_outputs_failed_validation", failed, "\n".join(told), {}),
            [],
            node_errors,
        )

    async def _judge_output(self, output: str) -> tuple[bool, list[Problem]]:
        try:
            return await self._judge_node(output)
        except Exception as error:
            extra = {"exception_type": full_type_name(type(error)), "traceback": _frames(error)}
            told = "Exception when validating node"
            self._verdicts[output] = (
                False,
                [_problem("exception_during_validation", told, str(error), extra)],
            )
            return self._verdicts[output]

    def _collect(self, output: str, node_errors: dict[str, Any]) -> None:
        """Tell each bad node that has a problem of its own which output it spoils."""
        for node_id, (is_good, problems) in self._verdicts.items():
            if is_good or not problems:
                continue
            class_type = self._graph[node_id]["class_type"]
            fresh = {"errors": problems, "dependent_outputs": [], "class_type": class_type}
            node_errors.setdefault(node_id, fresh)["dependent_outputs"].append(output)
            for problem in problems:
                logging.error("* %s %s: %s: %s", class_type, node_id, problem["message"], problem["details"])

    async def _judge_node(self, node_id: str) -> tuple[bool, list[Problem]]:
        if node_id in self._verdicts:
            return self._verdicts[node_id]
        if node_id in self._path:
            return self._note_cycle(node_id)
        node = self._graph[node_id]
        node_class = self._registry.classes[node["class_type"]]
        declared = input_types(node_class, node["inputs"])
        custom = getattr(node_class, "VALIDATE_INPUTS", None)
        spec = inspect.getfullargspec(custom) if custom is not None else None
        checked = set(spec.args) if spec else set()
        takes_all = spec is not None and spec.varkw is not None
        problems: list[Problem] = []
        received: dict[str, Any] = {}
        is_good = True
        for name in (*declared.get("required", {}), *declared.get("optional", {})):
            info = input_info(declared, name)
            assert info is not None
            if name not in node["inputs"]:
                if info.category == "required":
                    short = name.split(".")[-1]
                    problems.append(_about(name, "required_input_missing", "Required input is missing", short))
            elif isinstance(node["inputs"][name], list):
                sound = await self._judge_link(node_id, name, info, "input_types" in checked, received, problems)
                is_good = is_good and sound
            else:
                is_free = name in checked or takes_all
                problems += _judge_value(node["inputs"], name, info, is_free)
        if spec is not None and (len(checked) > 0 or takes_all):
            problems += await self._ask_node(node_id, node_class, checked, takes_all, received)
        return self._note(node_id, is_good, problems)

    def _note(self, node_id: str, is_good: bool, problems: list[Problem]) -> tuple[bool, list[Problem]]:
        """Remember the verdict; a cycle found on the way has already put its own problem here."""
        was_good, known = self._verdicts.get(node_id, (True, []))
        joined = known + [problem for problem in problems if problem not in known]
        self._verdicts[node_id] = (was_good and is_good and not problems, joined)
        return self._verdicts[node_id]

    def _note_cycle(self, node_id: str) -> tuple[bool, list[Problem]]:
        ring = [*self._path[self._path.index(node_id) :], node_id]
        told = " -> ".join(f"{member} ({self._graph[member]['class_type']})" for member in ring)
        members = list(dict.fromkeys(ring))
        for member in members:
            extra = {"node_id": member, "cycle_nodes": members}
            cycle = _problem("dependency_cycle", "Dependency cycle detected", told, extra)
            self._verdicts[member] = (False, [cycle])
        return self._verdicts[node_id]

    async def _judge_link(
        self,
        node_id: str,
        name: str,
        info: InputInfo,
        node_checks_types: bool,
        received: dict[str, Any],
        problems: list[Problem],
    ) -> bool:
        """Judge a link and the node behind it; tells whether that node is sound."""
        link = self._graph[node_id]["inputs"][name]
        config = (info.type, info.options)
        if len(link) != 2:
            told = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            extra = {"input_config": config, "received_value": link}
            problems.append(_about(name, "bad_linked_input", told, name, extra))
            return True
        source_class = self._registry.classes[self._graph[link[0]]["class_type"]]
        kind = received[name] = source_class.RETURN_TYPES[link[1]]  # type: ignore[attr-defined]
        if not node_checks_types and not types_fit(kind, info.type):
            told = f"{name}, received_type({kind}) mismatch input_type({info.type})"
            extra = {"input_config": config, "received_type": kind, "linked_node": link}
            mismatch = "Return type mismatch between linked nodes"
            problems.append(_about(name, "return_type_mismatch", mismatch, told, extra))
            return True
        self._path.append(node_id)
        try:
            return (await self._judge_node(link[0]))[0]
        except Exception as error:
            self._verdicts[link[0]] = (False, [_inner_failure(name, config, link, error)])
            return False
        finally:
            self._path.pop()

    async def _ask_node(
        self, node_id: str, node_class: type, checked: set[str], takes_all: bool, received: dict[str, Any]
    ) -> list[Problem]:
        inputs = gather_inputs(node_class, node_id, self._graph[node_id]["inputs"])
        asked = {name: values for name, values in inputs.items() if takes_all or name in checked}
        if "input_types" in checked:
            asked["input_types"] = [received]
        where = ExecutionContext(self._prompt_id, node_id, None)
        answers = await call_over_lists(node_class, "VALIDATE_INPUTS", asked, where)
        bad = [a for a in answers if a is not True and not isinstance(a, ExecutionBlocker)]
        told = "Custom validation failed for node"
        return [
            _about(name, "custom_validation_failed", told, name if answer is False else f"{name} - {answer}")
            for name in asked
            for answer in bad
        ]


def _judge_value(inputs: dict[str, Any], name: str, info: InputInfo, is_free: bool) -> list[Problem]:
    """Cast one literal in place and check it against its range or list (unless the node does that)."""
    value = inputs[name]
    config = (info.type, info.options)
    try:
        if isinstance(value, dict) and "__value__" in value:
            value = inputs[name] = value["__value__"]
        if isinstance(info.type, str) and info.type in _CASTS:
            value = inputs[name] = _CASTS[info.type](value)
    except Exception as error:
        told = f"Failed to convert an input value to a {info.type} value"
        extra = {"input_config": config, "received_value": value, "exception_message": str(error)}
        return [_about(name, "invalid_input_type", told, f"{name}, {value}, {error}", extra)]
    if is_free:
        return []
    seen = {"input_config": config, "received_value": value}
    low, high = info.options.get("min"), info.options.get("max")
    if low is not None and value < low:
        return [_about(name, "value_smaller_than_min", f"Value {value} smaller than min of {low}", name, seen)]
    if high is not None and value > high:
        return [_about(name, "value_bigger_than_max", f"Value {value} bigger than max of {high}", name, seen)]
    if isinstance(info.type, list) or info.type == "COMBO":
        return _judge_choice(name, value, info, seen)
    return []


def _judge_choice(name: str, value: Any, info: InputInfo, seen: dict[str, Any]) -> list[Problem]:
    choices = info.type if isinstance(info.type, list) else info.options.get("options", [])
    is_many = info.options.get("multiselect", False) and isinstance(value, list)
    bad = [item for item in (value if is_many else [value]) if item not in choices]
    if not bad:
        return []
    told = str(choices)
    if len(choices) > _LONG_LIST:
        told, seen = f"(list of length {len(choices)})", {**seen, "input_config": None}
    details = f"{name}: {', '.join(map(repr, bad))} not in {told}"
    return [_about(name, "value_not_in_list", "Value not in list", details, seen)]


def types_fit(given: Any, wanted: Any) -> bool:
    """Tell whether an output of one type may feed an input of another; ``*`` fits everything.

    Examples:
        >>> types_fit("IMAGE", "IMAGE,MASK"), types_fit("IMAGE", "*"), types_fit("IMAGE", "AUDIO")
        (True, True, False)
    """
    # Packs make "any" types by overriding != of a str, so this must ask for != and nothing else.
    if not given != wanted:  # noqa: SIM202
        return True
    if isinstance(given, list) and wanted == "COMBO":
        return True
    if not isinstance(given, str) or not isinstance(wanted, str):
        return "*" in (given, wanted)
    ours, theirs = ({part.strip() for part in kind.split(",")} for kind in (given, wanted))
    return bool(ours & theirs) or "*" in ours | theirs


def _inner_failure(name: str, config: tuple[Any, Any], link: list[Any], error: Exception) -> Problem:
    extra = {
        "input_config": config,
        "exception_message": str(error),
        "exception_type": full_type_name(type(error)),
        "traceback": _frames(error),
        "linked_node": link,
    }
    told = "Exception when validating inner node"
    return _about(name, "exception_during_inner_validation", told, str(error), extra)


def _problem(kind: str, message: str, details: str, extra_info: dict[str, Any]) -> Problem:
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def _about(name: str, kind: str, message: str, details: str, extra: dict[str, Any] | None = None) -> Problem:
    return _problem(kind, message, details, {"input_name": name, **(extra or {})})


def _frames(error: Exception) -> list[str]:
    return traceback.format_tb(error.__traceback__)
