"""Every function that the build plan names exists under its name, and tests prove what it does."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import store

TESTS = Path(__file__).parents[1]

FUNCTIONS = {
    "config_loader": "load_global_config load_workflows",
    "file_utils": "ensure_directories list_yaml_under safe_move",
    "validation": "parse_config_name validate_config_schema normalize_config",
    "store": "init_db",
    "payload": "build_payload",
    "backends.http": "invoke_comfyui",
    "outputs": "write_outputs",
    "queue_manager": "should_run_next apply_god_mode list_queue set_priority retry_job job_details god_mode",
    "monitor": "scan_once run_monitor_loop",
    "executor": "execute_job run_once run_loop",
    "logger": "get_logger",
    "cli": "main",
}
STORE_METHODS = ["upsert_job", "lease_next_job", "complete_job", "recover_orphans"]
PLANNED = [(module, name) for module, names in FUNCTIONS.items() for name in names.split()]


def _tests_that_mention(name: str) -> list[str]:
    """List the test functions whose own name has the function's name in it."""
    found = []
    for path in TESTS.rglob("test_*.py"):
        found += re.findall(rf"def (test_\w*{name}\w*)\(", path.read_text("utf-8"))
    return found


@pytest.mark.parametrize(("module", "name"), PLANNED, ids=lambda value: value)
def test_build_plan_function_exists_and_is_documented(module: str, name: str) -> None:
    function = getattr(importlib.import_module(f"comfyui_e3.e3_nodes.{module}"), name)

    assert callable(function) and inspect.getdoc(function)


@pytest.mark.parametrize("name", STORE_METHODS)
def test_build_plan_store_method_exists_and_is_documented(name: str) -> None:
    with store.init_db(":memory:") as db:
        assert callable(getattr(db, name))
    assert inspect.getdoc(getattr(store.protocol.JobStore, name))


@pytest.mark.parametrize("name", [*(name for _, name in PLANNED), *STORE_METHODS])
def test_build_plan_function_is_tested_under_its_name(name: str) -> None:
    assert _tests_that_mention(name), f"no test is named after {name}"


@pytest.mark.parametrize("name", ["list_queue", "set_priority", "retry_job", "job_details", "god_mode"])
def test_build_plan_handlers_have_the_planned_names(name: str) -> None:
    handlers = [importlib.import_module(f"comfyui_e3.server_routes.{module}") for module in ("jobs", "queue")]

    assert any(inspect.iscoroutinefunction(getattr(module, name, None)) for module in handlers)
