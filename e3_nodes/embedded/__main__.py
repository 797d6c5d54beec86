"""``python e3_nodes/embedded`` (by path) and ``python -m comfyui_e3.e3_nodes.embedded``."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Read the command line and run the host until Ctrl-C.

    Args:
        argv: The arguments; None takes those of the process.

    Returns:
        0 after a stop, 1 when it could not start.
    """
    given = _parser().parse_args(argv)
    startup = importlib.import_module(".startup", __package__ or _import_plugin())
    options = startup.Options(**{**vars(given), "custom_nodes": tuple(given.custom_nodes)})
    try:
        startup.serve(options)
    except OSError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="embedded", description="A small ComfyUI-compatible host for E3.")
    parser.add_argument("--base-directory", type=Path, required=True, metavar="DIR")
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS")
    parser.add_argument("--port", type=int, default=8188, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, metavar="PATH", help="gets the port that was taken")
    parser.add_argument("--front-end-root", type=Path, metavar="DIR", help="an unpacked ComfyUI frontend")
    add = parser.add_argument
    add("--custom-node", type=Path, action="append", default=[], dest="custom_nodes", metavar="DIR")
    return parser


def _import_plugin() -> str:
    """Make the plugin's folder importable as ``comfyui_e3``, whatever its name, and name this package in it.

    Python put this folder in front of ``sys.path``; it goes, or ``server.py`` would be taken for ComfyUI's.
    """
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    root = here.parents[1]
    spec = importlib.util.spec_from_file_location(
        "comfyui_e3", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules["comfyui_e3"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    return "comfyui_e3.e3_nodes.embedded"


if __name__ == "__main__":
    sys.exit(main())
