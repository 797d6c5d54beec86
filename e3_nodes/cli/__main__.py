"""``python -m comfyui_e3.e3_nodes.cli`` is the command ``e3``."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
