"""``python <plugin>/e3_nodes …`` is the command ``e3``, for people who installed through ComfyUI-Manager."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path


def _import_plugin() -> str:
    """Make the plugin's folder importable as ``comfyui_e3``, whatever the folder is called."""
    here = Path(__file__).resolve().parent
    # Python puts a started folder in front; our module names would then hide other people's.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    root = here.parent
    spec = importlib.util.spec_from_file_location(
        "comfyui_e3", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{root} cannot be imported; is it E3's folder?")
    sys.modules["comfyui_e3"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    return "comfyui_e3.e3_nodes"


if __name__ == "__main__":
    cli = importlib.import_module(".cli", __package__ or _import_plugin())
    sys.exit(cli.main())
