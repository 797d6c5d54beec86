"""Runs a Python program that ends when whoever started it is gone, however that ended.

    python tether.py PROGRAM [ARGUMENTS]

Stdin is the tether: a pipe that its starter holds open and never writes to. A kill of the starter closes it.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def end_with_stdin() -> None:
    """End the process at once when stdin ends; correctness after a kill is E3's everyday business."""
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_stdin, name="tether", daemon=True).start()
    del sys.argv[0]
    sys.path[0] = sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
