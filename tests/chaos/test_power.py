"""A few of the power cuts that ``power.py`` makes; all of them are one command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes.selftest.processes import CAN_FORK

SCRIPT = Path(__file__).with_name("power.py")


@pytest.mark.skipif(not CAN_FORK or shutil.which("strace") is None, reason="needs fork and strace")
def test_power_may_fail_at_any_moment() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--most", "12"], capture_output=True, text=True, timeout=280, check=False
    )
    if "not permitted" in done.stderr:
        pytest.skip("this system forbids strace")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("12 of ")
