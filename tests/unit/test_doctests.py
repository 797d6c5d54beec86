"""The examples in the docstrings, under the package's own name whatever the folder of the clone is called."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("e3_nodes", "server_routes") for path in (ROOT / folder).rglob("*.py"))
WITH_EXAMPLES = [path for path in FILES if ">>> " in path.read_text("utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_doctests_hold(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(["comfyui_e3", *parts]).removesuffix(".__init__")

    found = doctest.testmod(importlib.import_module(name))

    assert found.attempted > 0
    assert found.failed == 0
