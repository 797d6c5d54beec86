"""Every mutant is killed by the family that is named for it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes.selftest.processes import CAN_FORK

sys.path.insert(0, str(Path(__file__).parent))

import mutants


@pytest.mark.skipif(not CAN_FORK or shutil.which("strace") is None, reason="needs fork and strace")
def test_mutants_all_die(capsys: pytest.CaptureFixture[str]) -> None:
    survived = mutants.main([])

    assert not survived, capsys.readouterr().out


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_mutants_fit_the_source(mutant: mutants.Mutant, tmp_path: Path) -> None:
    target = tmp_path / "e3_nodes" / mutant.file
    target.parent.mkdir(parents=True)
    shutil.copy(mutants.REPO / "e3_nodes" / mutant.file, target)

    mutants.apply(mutant, tmp_path)

    assert target.read_bytes() != (mutants.REPO / "e3_nodes" / mutant.file).read_bytes()
