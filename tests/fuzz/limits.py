"""What one input may cost, and what may come out: 200 ms of CPU, 50 MB, and no exception of anybody else's."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import re
import time
from collections.abc import Callable, Iterator

from comfyui_e3.e3_nodes.errors import E3Error

CPU_MS = 200.0
MEMORY_MB = 50.0
LONGEST_MESSAGE = 8 * 1024

_RESET_PEAK = "/proc/self/clear_refs"


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one input has cost."""

    cpu_ms: float
    memory_mb: float

    @property
    def is_too_much(self) -> bool:
        """Tell whether a limit is passed."""
        return self.cpu_ms > CPU_MS or self.memory_mb > MEMORY_MB

    def __str__(self) -> str:
        return f"{self.cpu_ms:.1f} ms of CPU and {self.memory_mb:.1f} MB"


def cost_of(work: Callable[[bytes], None], data: bytes) -> Cost:
    """Let a target read one input, and measure it; CPU time, so that a busy machine raises no false alarm."""
    before = _peak_mb(reset=True)
    start = time.process_time()
    work(data)
    return Cost((time.process_time() - start) * 1000, _peak_mb() - before)


def least_cost_of(work: Callable[[bytes], None], data: bytes, times: int = 3) -> Cost:
    """Measure several times and take the least of each: what the input costs, not what was cleaned up meanwhile."""
    gc.collect()
    costs = [cost_of(work, data) for _ in range(times)]
    return Cost(min(cost.cpu_ms for cost in costs), min(cost.memory_mb for cost in costs))


def _peak_mb(*, reset: bool = False) -> float:
    """Return the most memory since the last reset, where the system tells it (Linux)."""
    try:
        import resource
    except ImportError:
        return 0.0
    if reset:
        with contextlib.suppress(OSError):
            descriptor = os.open(_RESET_PEAK, os.O_WRONLY)
            os.write(descriptor, b"5")
            os.close(descriptor)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if os.path.exists(_RESET_PEAK) else 0.0  # noqa: PTH110


@contextlib.contextmanager
def refusals(allowed: type[E3Error]) -> Iterator[None]:
    """Let a refusal pass that is one: of the allowed class, with a code, a place and words that can be stored."""
    try:
        yield
    except allowed as refusal:
        said = str(refusal)
        assert re.fullmatch("[a-z][a-z_0-9]*", refusal.code), f"the code is {refusal.code!r}"
        assert 0 < len(said.encode()) < LONGEST_MESSAGE, f"a message of {len(said)} characters"
        assert all(place is None or place >= 1 for place in (refusal.line, refusal.column)), said
