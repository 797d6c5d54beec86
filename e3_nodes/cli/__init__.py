"""The command ``e3``: parse, call one function of the engine, print, and exit 0, 1 or 2.

Commands work on the database directly, so they work while ComfyUI is down; a running plugin notices at once.
What is heavy is imported by the command that needs it, so that the others start quickly.
"""

from __future__ import annotations

from .main import main

__all__ = ["main"]
