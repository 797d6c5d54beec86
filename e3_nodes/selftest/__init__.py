"""The promise, tried: kill E3 at every place and at any time, and check what must be true after it.

``e3 selftest --chaos`` runs it in throw-away homes; see docs/durability.md.
"""

from __future__ import annotations

from .chaos import run_chaos

__all__ = ["run_chaos"]
