"""Failpoints: asleep unless armed, exact when armed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import failpoints

ENGINE = Path(failpoints.__file__).parent


def test_failpoints_reach_does_nothing_unless_armed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)

    for name in failpoints.CATALOGUE:
        failpoints.reach(name)


def test_failpoints_reach_passes_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, "done.committed:kill")

    failpoints.reach("publish.linked")


@pytest.mark.parametrize(
    "armed", ["publish.linked", "publish.link:kill", "publish.linked:explode", "publish.linked:x:kill", ":::"]
)
def test_failpoints_reach_refuses_what_it_cannot_understand(armed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, armed)

    with pytest.raises(ValueError, match="E3_FAILPOINT must be"):
        failpoints.reach("publish.linked")


def test_failpoints_reach_kills_at_the_given_passage() -> None:
    code = (
        "from comfyui_e3.e3_nodes.failpoints import reach\n"
        "for n in range(1, 4): print(n, flush=True); reach('publish.linked')"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, failpoints.VARIABLE: "publish.linked:2:kill"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert done.stdout.split() == ["1", "2"]


def test_failpoints_catalogue_knows_every_name_in_the_engine() -> None:
    used = {
        name
        for path in ENGINE.rglob("*.py")
        for name in re.findall(r'failpoints\.reach\(\s*"([^"]+)"', path.read_text("utf-8"))
    }

    assert used <= set(failpoints.CATALOGUE)
