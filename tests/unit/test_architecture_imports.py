"""The layers of the engine: imports point down only. Move a module here first, then in code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "e3_nodes"
ROOT = ENGINE.parent

LAYERS = {
    8: "bench cli nodes selftest",
    7: "runtime pulse",
    6: "executor station leases delivery endings adoption crashes filer publisher turnstile watching recovery "
    "guardrails rebuilding caretaker",
    5: "monitor job_rows queue_manager judging authoring job_views removal stats thumbnails",
    4: "config_loader workflow_files drop_folder file_events inputs outputs store backends embedded",
    3: "file_utils host inotify locks",
    2: "validation parsing payload logger failpoints batch",
    1: "model errors",
}
LAYER_OF = {name: number for number, names in LAYERS.items() for name in names.split()}
FORBIDDEN = {"subprocess", "pickle", "marshal", "shelve", "multiprocessing"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
MODULES = sorted(path for path in ENGINE.rglob("*.py"))


def _top(path: Path) -> str:
    """Name the module or package directly under e3_nodes/ that a file belongs to."""
    first = path.relative_to(ENGINE).parts[0]
    return first.removesuffix(".py")


def _engine_imports(path: Path) -> set[str]:
    """Collect the top names of e3_nodes that a file imports, wherever in the file."""
    depth = len(path.relative_to(ENGINE).parts)
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_architecture_imports_point_down(path: Path) -> None:
    own = _top(path)
    if own in ("__init__", "__main__"):
        return

    assert own in LAYER_OF, f"{own} has no layer; put it into LAYERS first"
    upward = {name for name in _engine_imports(path) if LAYER_OF.get(name, 0) > LAYER_OF[own]}
    assert not upward, f"{own} (layer {LAYER_OF[own]}) imports upwards: {sorted(upward)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_architecture_imports_are_relative(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert not (node.module or "").startswith("comfyui_e3"), f"{path.name}:{node.lineno}"


def _imported_files(path: Path) -> set[Path]:
    """Resolve the relative imports of a file to the project's own files."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            names = [base, *(base / alias.name for alias in node.names)]
            files = {file for name in names for file in (name.with_suffix(".py"), name / "__init__.py")}
            found |= {file for file in files if file.is_file()}
    return found


def _reached_from_the_door() -> list[Path]:
    """Follow every import from ComfyUI's door, those inside functions included."""
    seen: set[Path] = set()
    waiting = [ROOT / "__init__.py"]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += _imported_files(path)
    return sorted(seen)


def test_architecture_imports_door_reaches_the_engine_but_not_the_command_line() -> None:
    reached = {str(path.relative_to(ROOT)) for path in _reached_from_the_door()}

    assert {str(Path("e3_nodes", "executor.py")), str(Path("server_routes", "routes.py"))} <= reached
    assert not {name for name in reached if Path(name).parts[:2] in (("e3_nodes", "cli"), ("e3_nodes", "embedded"))}


@pytest.mark.parametrize("path", _reached_from_the_door(), ids=lambda path: str(path.relative_to(ROOT)))
def test_architecture_imports_keep_the_registry_rules(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert not FORBIDDEN & {alias.name.split(".")[0] for alias in node.names}, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in FORBIDDEN, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, f"{path.name}:{node.lineno}"
