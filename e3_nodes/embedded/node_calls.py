"""Calling a node's function: its inputs gathered, once for each element of the longest list."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .progress import ExecutionContext, current_node
from .registry import Graph, input_info, input_types, is_link

Lists = dict[str, list[Any]]
"""Input name to the list of its values; a plain value is a list of one."""


class ExecutionBlocker:
    """A value that keeps everything that takes it from running; with a message, it is an error."""

    def __init__(self, message: str | None) -> None:
        self.message = message


def gather_inputs(
    node_class: type,
    node_id: str,
    inputs: dict[str, Any],
    outputs: Mapping[str, list[Any]] | None = None,
    graph: Graph | None = None,
    extra_data: Mapping[str, Any] | None = None,
) -> Lists:
    """Collect what a node's function is called with.

    Args:
        node_class: The node's class.
        node_id: Its id in the graph, for nodes that ask for ``UNIQUE_ID``.
        inputs: Its values and links.
        outputs: What the nodes before it gave; without it, links become None.
        graph: The prompt, for nodes that ask for ``PROMPT``.
        extra_data: The prompt's extra data, for nodes that ask for ``EXTRA_PNGINFO``.

    Returns:
        A list of values for each input that the class declares.
    """
    declared = input_types(node_class, inputs)
    gathered: Lists = {}
    for name, value in inputs.items():
        info = input_info(declared, name)
        if is_link(value) and not (info and info.options.get("rawLink")):
            gathered[name] = _linked(value, outputs)
        elif info is not None:
            gathered[name] = [value]
    return gathered | _hidden(declared.get("hidden", {}), node_id, graph, extra_data or {})


def _linked(link: list[Any], outputs: Mapping[str, list[Any]] | None) -> list[Any]:
    given = (outputs or {}).get(link[0])
    return [None] if given is None or int(link[1]) >= len(given) else given[int(link[1])]


def _hidden(wanted: Mapping[str, Any], node_id: str, graph: Graph | None, extra_data: Mapping[str, Any]) -> Lists:
    known = {
        "PROMPT": {} if graph is None else graph,
        "EXTRA_PNGINFO": extra_data.get("extra_pnginfo"),
        "UNIQUE_ID": node_id,
        "DYNPROMPT": None,
    }
    kinds = {name: kind[0] if isinstance(kind, tuple) else kind for name, kind in wanted.items()}
    return {name: [known[kind]] for name, kind in kinds.items() if kind in known}


async def call_over_lists(
    target: Any,
    function: str,
    inputs: Lists,
    context: ExecutionContext,
    before: Callable[[], None] = lambda: None,
    on_block: Callable[[ExecutionBlocker], Any] = lambda blocker: blocker,
) -> list[Any]:
    """Call ``target.function`` once for each element of the longest list; short lists repeat their last.

    Args:
        target: A node, or its class for class methods.
        function: The name of the function.
        inputs: The lists to take arguments from.
        context: Names the node to progress bars.
        before: Called first each time; raises when the prompt was interrupted.
        on_block: Turns a blocked call into its result.

    Returns:
        One result for each call. A node with ``INPUT_IS_LIST`` gets the lists themselves, in one call.
    """
    if getattr(target, "INPUT_IS_LIST", False):
        calls: list[dict[str, Any]] = [dict(inputs)]
    else:
        count = max((len(values) for values in inputs.values()), default=1)
        calls = [{name: values[min(i, len(values) - 1)] for name, values in inputs.items()} for i in range(count)]
    results = []
    for index, arguments in enumerate(calls):
        before()
        blocker = next((b for b in map(_blocker_in, arguments.values()) if b is not None), None)
        if blocker is not None:
            results.append(on_block(blocker))
        else:
            here = context._replace(list_index=index)
            results.append(await _call(getattr(target, function), arguments, here))
    return results


def _blocker_in(value: Any) -> ExecutionBlocker | None:
    candidates = value if isinstance(value, list) else [value]
    return next((item for item in candidates if isinstance(item, ExecutionBlocker)), None)


async def _call(function: Callable[..., Any], arguments: dict[str, Any], context: ExecutionContext) -> Any:
    token = current_node.set(context)
    try:
        result = function(**arguments)
        return await result if inspect.isawaitable(result) else result
    finally:
        current_node.reset(token)


def split_results(results: list[Any], node_class: type) -> tuple[list[list[Any]], dict[str, list[Any]]]:
    """Sort what the calls returned into outputs (a list for each socket) and what the browser is shown.

    Args:
        results: One value for each call: a tuple, or a dict with ``result`` and ``ui``.
        node_class: Tells how many outputs there are and which of them are lists.

    Returns:
        The outputs by socket, and the ``ui`` entries of all calls joined by key.

    Raises:
        NotImplementedError: The node wants to add nodes to the graph while it runs.
    """
    tuples, shown = [], []
    for result in results:
        if isinstance(result, dict):
            if "expand" in result:
                raise NotImplementedError("the embedded host runs no nodes that expand the graph; use ComfyUI")
            shown += [result["ui"]] if "ui" in result else []
            if "result" not in result:
                continue
            result = result["result"]
        tuples.append(_spread(result, node_class))
    ui = {key: [item for one in shown for item in one[key]] for key in shown[0]} if shown else {}
    return _by_socket(tuples, node_class), ui


def _spread(result: Any, node_class: type) -> Any:
    count = len(node_class.RETURN_TYPES)  # type: ignore[attr-defined]
    return (result,) * count if isinstance(result, ExecutionBlocker) else result


def _by_socket(tuples: list[Any], node_class: type) -> list[list[Any]]:
    if not tuples:
        return []
    are_lists = getattr(node_class, "OUTPUT_IS_LIST", [False] * len(tuples[0]))
    sockets: list[list[Any]] = []
    for index, is_list in zip(range(len(tuples[0])), are_lists, strict=False):
        values = [one[index] for one in tuples]
        if is_list:
            values = [item for v in values for item in ([v] if isinstance(v, ExecutionBlocker) else v)]
        sockets.append(values)
    return sockets
