"""Fuzz E3's readers by coverage: ``python tests/fuzz/run.py [--target NAME] [--seconds 600]``.

Each target runs in a process of its own under atheris (``pip install atheris``; Linux and macOS). Every input is held
to the limits of ``limits.py`` and to what ``targets.py`` says of accepted input. The first broken promise ends the
target: its input is kept, with the command that reads it again. What was found on the way is kept in ``--corpus``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

_READERS = [
    f"comfyui_e3.e3_nodes.{name}"
    for name in ("config_loader", "inputs", "job_rows", "outputs", "parsing", "payload", "validation", "workflow_files")
]
WATCHED: dict[str, list[str]] = {
    "yaml": [*_READERS, "yaml"],
    "names": _READERS,
    "paths": [*_READERS, "comfyui_e3.e3_nodes.file_utils"],
    "requests": ["comfyui_e3"],
    "settings": _READERS,
    "workflows": _READERS,
    "long": _READERS,
}
"""The targets, and the modules whose coverage leads each; ``catalogue.TARGETS`` may be imported only when they are
known."""

NAMES = tuple(WATCHED)


def main(argv: list[str]) -> int:
    """Run some targets, one after the other; 1 when a promise was broken."""
    args = _arguments().parse_args(argv)
    if args.input:
        return _judge(args.target, Path(args.input))
    if args.child:
        return _fuzz(args.target, Path(args.child), args)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install atheris (Linux or macOS)", file=sys.stderr)
        return 2
    corpus = Path(args.corpus or tempfile.mkdtemp(prefix="e3-fuzz-corpus-")).resolve()
    print(f"The corpus is kept in {corpus}", flush=True)
    results = [_run(name, corpus, args) for name in ([args.target] if args.target else NAMES)]
    return 1 if any(results) else 0


def _arguments() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--target", choices=NAMES, help="one target; all, one after the other, without it")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long each target runs (600)")
    parser.add_argument("--runs", type=int, help="how many inputs each target reads, instead of a time")
    parser.add_argument("--seed", type=int, default=0, help="repeats the choices of a run; 0 draws one")
    parser.add_argument("--corpus", help="the folder of what was found, read at the start and added to")
    parser.add_argument("--input", help="read one saved input in a plain process, and judge it")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    return parser


def _work_folder() -> tempfile.TemporaryDirectory[str]:
    """Lend a folder on a disk in memory, where there is one."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="e3-fuzz-", dir=where, ignore_cleanup_errors=True)


# --- the process that starts the fuzzer ----------------------------------------------------------------
def _run(name: str, corpus: Path, args: argparse.Namespace) -> int:
    """Fuzz one target in a process of its own, and tell what came of it in one line."""
    folder = corpus / name
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--target", name, "--child", str(folder), "--seed", str(args.seed)]
    command += ["--runs", str(args.runs)] if args.runs else ["--seconds", str(args.seconds)]
    began = time.monotonic()
    with _work_folder() as work:
        command += ["--work", work]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    print(_summary(name, folder, done.stderr, time.monotonic() - began), flush=True)
    if done.returncode:
        print(_failure(name, folder, done.stdout + done.stderr), flush=True)
    return done.returncode


def _summary(name: str, folder: Path, log: str, seconds: float) -> str:
    runs = re.findall(r"^#(\d+)\s", log, re.MULTILINE)
    coverage = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
    edges, features, kept = coverage[-1] if coverage else ("?", "?", "?")
    told = _read_stats(folder)
    return (
        f"{name}: {int(runs[-1]) if runs else 0:,} inputs in {seconds:.0f} s; coverage: {edges} edges, {features} "
        f"features; {kept} inputs kept; dearest: {told.get('cpu_ms', 0):.1f} ms of CPU and "
        f"{told.get('memory_mb', 0):.1f} MB (in a plain process {told.get('plain', 'not measured')})"
    )


def _failure(name: str, folder: Path, log: str) -> str:
    saved = sorted((*folder.parent.glob(f"{name}-crash-*"), *folder.parent.glob(f"{name}-timeout-*")))
    saved += sorted(folder.parent.glob(f"{name}-oom-*"))
    repeat = f"python tests/fuzz/run.py --target {name} --input {saved[-1]}" if saved else "no input was saved"
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join([f"{name} FAILED; read it again with:  {repeat}", *lines[-40:]])


def _read_stats(folder: Path) -> dict[str, Any]:
    path = folder.with_suffix(".stats.json")
    told: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    dearest = folder.with_suffix(".dearest")
    if dearest.exists():
        plain = subprocess.run(_judging(folder.name, dearest), capture_output=True, text=True, check=False)
        told["plain"] = plain.stdout.strip().rpartition(": ")[2]
    return told


def _judging(name: str, path: Path) -> list[str]:
    return [sys.executable, __file__, "--target", name, "--input", str(path)]


def _judge(name: str, path: Path) -> int:
    """Read one input in this process, which nothing slows down, and say what it costs."""
    from fuzz import catalogue, limits

    try:
        with _work_folder() as work:
            cost = limits.least_cost_of(catalogue.TARGETS[name](Path(work)), path.read_bytes())
    except Exception:
        traceback.print_exc()
        return 1
    print(f"{path.name}: {cost}")
    return 1 if cost.is_too_much else 0


# --- the process that is the fuzzer --------------------------------------------------------------------
def _fuzz(name: str, folder: Path, args: argparse.Namespace) -> int:
    """Be the fuzzer of one target; it ends the process itself."""
    import atheris
    import comfyui_e3  # noqa: F401 - found as an editable install, which the import hook does not see

    with atheris.instrument_imports(include=WATCHED[name]):
        from fuzz import catalogue
    target = catalogue.TARGETS[name](Path(args.work))
    _write_seeds(target, folder)
    words = folder.with_suffix(".dict")
    options = [f"-artifact_prefix={folder.parent / name}-", f"-dict={words}", f"-max_len={target.longest}"]
    options += [f"-seed={args.seed or int.from_bytes(os.urandom(3), 'big')}", "-timeout=60", "-rss_limit_mb=2048"]
    options += [f"-runs={args.runs}"] if args.runs else [f"-max_total_time={args.seconds:.0f}"]
    atheris.Setup([sys.argv[0], *options, str(folder)], _Judge(target, folder))
    atheris.Fuzz()
    return 0


def _write_seeds(target: Any, folder: Path) -> None:
    for seed in target.seeds():
        if len(seed) <= 4 * target.longest:
            (folder / f"seed-{hashlib.sha256(seed).hexdigest()[:16]}").write_bytes(seed)
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.tokens)
    folder.with_suffix(".dict").write_text("".join(f'"{word}"\n' for word in escaped), "utf-8")


class _Judge:
    """Lets the target read an input, and holds it to its limits."""

    def __init__(self, target: Any, folder: Path) -> None:
        from fuzz import limits

        self.limits = limits
        self.target = target
        self.folder = folder
        self.dearest = self.largest = 0.0
        self.cleared: set[bytes] = set()

    def __call__(self, data: bytes) -> None:
        cost = self.limits.cost_of(self.target, data)
        if cost.cpu_ms > self.dearest or cost.memory_mb > self.largest:
            self.remember(data, cost)
        if cost.is_too_much and data not in self.cleared:
            self.judge_again(data)

    def remember(self, data: bytes, cost: Any) -> None:
        """Write down the dearest input so far; one that grows only by chance is measured again first."""
        cost = self.limits.least_cost_of(self.target, data) if self.dearest else cost
        if cost.cpu_ms > self.dearest:
            self.folder.with_suffix(".dearest").write_bytes(data)
        self.dearest, self.largest = max(self.dearest, cost.cpu_ms), max(self.largest, cost.memory_mb)
        told = {"cpu_ms": self.dearest, "memory_mb": self.largest}
        self.folder.with_suffix(".stats.json").write_text(json.dumps(told), "utf-8")

    def judge_again(self, data: bytes) -> None:
        """Ask a plain process: here every line is counted, which costs time of its own."""
        path = self.folder.with_suffix(".suspect")
        path.write_bytes(data)
        said = subprocess.run(_judging(self.target.name, path), capture_output=True, text=True, check=False)
        assert said.returncode == 0, f"over the limits: {said.stdout}{said.stderr}"
        self.cleared.add(data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
