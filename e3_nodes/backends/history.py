"""What ComfyUI's history says of a prompt: the verdict, its times, and the files it names.

The verdict comes from the status messages first. ``status_str`` alone cannot tell a person's Stop from an
error, and after some failures it keeps the value of the prompt before.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from ..model import ErrorType, Result

_ENDS = {
    "execution_success": "success",
    "execution_error": "error",
    "execution_interrupted": "interrupted",
}


class Given(NamedTuple):
    """What ComfyUI was given, as it kept it: the graph, the output nodes to run, the token of the attempt."""

    graph: Mapping[str, Any]
    targets: Sequence[str]
    token: str


class NamedFile(TypedDict):
    """A file as history names it: relative to the folder that ``type`` stands for."""

    node: str
    filename: str
    subfolder: str
    type: str


def read_verdict(entry: Mapping[str, Any]) -> Result:
    """Tell how a prompt ended.

    Args:
        entry: One history entry, ``{"outputs": {...}, "status": {"messages": [[event, data], ...]}}``.

    Returns:
        A result without artifacts: outcome, times in UTC ms, and for a failure its type and trace.

    Examples:
        >>> read_verdict({"status": {"messages": [["execution_success", {"timestamp": 5}]]}})
        {'outcome': 'success', 'end_time': 5}
    """
    status = entry.get("status") or {}
    messages = [(str(name), data or {}) for name, data in status.get("messages") or ()]
    ends = [(name, data) for name, data in messages if name in _ENDS]
    name, data = ends[-1] if ends else (_end_without_message(status), {})
    result = Result(outcome=_ENDS[name])  # type: ignore[typeddict-item]
    result.update(_times(messages, data))
    if name == "execution_error":
        result.update(error_type=error_type_of(data).value, error_trace=error_trace_of(data))
    if name == "execution_interrupted":
        result.update(
            error_type=ErrorType.INTERRUPTED.value,
            error_trace="interrupted in ComfyUI at " + _node_of(data),
        )
    return result


def _end_without_message(status: Mapping[str, Any]) -> str:
    return "execution_success" if status.get("status_str") == "success" else "execution_error"


def _times(messages: Sequence[tuple[str, Mapping[str, Any]]], end: Mapping[str, Any]) -> Result:
    times = Result()
    for name, data in messages:
        if name == "execution_start" and "timestamp" in data:
            times["start_time"] = int(data["timestamp"])
    if "timestamp" in end:
        times["end_time"] = int(end["timestamp"])
    return times


def what_was_given(entry: Mapping[str, Any]) -> Given:
    """Read from a history entry what ComfyUI was given; whatever is missing is empty.

    Examples:
        >>> what_was_given({"prompt": [1, "id", {"9": {}}, {"e3_token": "ab"}, ["9"]]})
        Given(graph={'9': {}}, targets=['9'], token='ab')
        >>> what_was_given({})
        Given(graph={}, targets=[], token='')
    """
    kept = entry.get("prompt")
    if not isinstance(kept, (list, tuple)) or len(kept) < 5:
        return Given({}, [], "")
    graph, extra, targets = kept[2:5]
    token = extra.get("e3_token") if isinstance(extra, Mapping) else None
    return Given(graph if isinstance(graph, Mapping) else {}, targets or [], token if isinstance(token, str) else "")


def error_type_of(data: Mapping[str, Any]) -> ErrorType:
    """Tell an exhausted memory, which a retry may cure once memory is freed, from any other error.

    Examples:
        >>> error_type_of({"exception_type": "torch.OutOfMemoryError"}).value
        'oom'
    """
    kind = str(data.get("exception_type", ""))
    text = str(data.get("exception_message", "")).lower()
    is_oom = "OutOfMemory" in kind or kind.endswith("MemoryError") or "out of memory" in text
    return ErrorType.OOM if is_oom else ErrorType.ERROR


def error_trace_of(data: Mapping[str, Any]) -> str:
    """Name node, node type and message on the first line, then the traceback.

    Examples:
        >>> error_trace_of({"node_id": "3", "node_type": "KSampler", "exception_type": "ValueError",
        ...                 "exception_message": "no model", "traceback": []})
        'node 3 (KSampler): ValueError: no model'
    """
    if not data:
        return "ComfyUI reports an error without saying which; see its log"
    message = str(data.get("exception_message", "")).strip()
    head = f"{_node_of(data)}: {data.get('exception_type', 'error')}: {message}"
    trace = "".join(str(line) for line in data.get("traceback") or ()).rstrip()
    return f"{head}\n{trace}" if trace else head


def _node_of(data: Mapping[str, Any]) -> str:
    return f"node {data.get('node_id', '?')} ({data.get('node_type', '?')})"


def named_files(outputs: Mapping[str, Any] | None) -> Iterator[NamedFile]:
    """Walk every list of every node's output for files, whatever its key is called.

    Core and custom nodes use ``images``, ``gifs``, ``audio``, ``3d``, ``files`` and more; what they share is
    a mapping with ``filename`` and ``type``. Previews (``temp``) and inputs are no results.

    Examples:
        >>> ui = {"9": {"images": [{"filename": "a.png", "subfolder": "e3", "type": "output"}]}}
        >>> [file["filename"] for file in named_files(ui)]
        ['a.png']
    """
    seen: set[tuple[str, str]] = set()
    for node, shown in (outputs or {}).items():
        for values in (shown or {}).values():
            for value in values if isinstance(values, (list, tuple)) else ():
                if not isinstance(value, Mapping) or value.get("type") != "output" or not value.get("filename"):
                    continue
                name, folder = str(value["filename"]), str(value.get("subfolder") or "").replace("\\", "/")
                if (folder, name) not in seen:
                    seen.add((folder, name))
                    yield NamedFile(node=str(node), filename=name, subfolder=folder, type="output")


def files_of_attempt(outputs: Mapping[str, Any] | None, folder: str) -> list[NamedFile]:
    """List the named files in the attempt's own folder: a cached node names those of another attempt.

    Args:
        outputs: The ``outputs`` of a history entry.
        folder: The attempt's folder, relative to ComfyUI's output folder, such as ``e3/<token>``.

    Examples:
        >>> ui = {"9": {"images": [{"filename": "a.png", "subfolder": "e3/old", "type": "output"}]}}
        >>> files_of_attempt(ui, "e3/new")
        []
    """
    return [file for file in named_files(outputs) if _path_of(file).startswith(f"{folder}/")]


def why_nothing(entry: Mapping[str, Any]) -> str:
    """Say which nodes saved without telling where: over HTTP there is no other way to find their files.

    Examples:
        >>> why_nothing({"prompt": [1, "id", {"9": {"class_type": "ModelSave"}}, {}, ["9"]]})[:77]
        'ComfyUI reports success, but its history names no file of node 9 (ModelSave),'
    """
    given, told = what_was_given(entry), {file["node"] for file in named_files(entry.get("outputs"))}
    silent = [f"node {node} ({_class_of(given.graph.get(node))})" for node in given.targets if node not in told]
    nodes = ", ".join(silent) or "the workflow's save nodes"
    return (
        f"ComfyUI reports success, but its history names no file of {nodes}, and over HTTP only files that it names"
        " can be fetched; where a node does not tell what it saved, run the job with E3 as a plugin in that ComfyUI"
    )


def _class_of(node: Any) -> str:
    return str(node.get("class_type", "?")) if isinstance(node, Mapping) else "?"


def _path_of(file: NamedFile) -> str:
    """Spell the file's path without detours; a backslash leads on as well where ComfyUI runs on Windows."""
    return posixpath.normpath(f"{file['subfolder']}/{file['filename']}".replace("\\", "/"))
