"""How long a step of work that is done in turns takes."""

import time
from typing import Any

from shared.turns import Steps


def longest_step(steps: Steps[Any]) -> float:
    """Return the most seconds of processor that one step takes; what the work comes to does not matter."""
    longest = 0.0
    while True:
        started = time.thread_time()
        try:
            next(steps)
        except Exception:  # noqa: BLE001  it ends or fails: both take time
            return max(longest, time.thread_time() - started)
        longest = max(longest, time.thread_time() - started)
