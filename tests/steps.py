"""How work that is done in turns is cut into steps."""

import time
from typing import Any

from shared.turns import Steps


def share_of_longest(steps: Steps[Any]) -> float:
    """Return which part of all processor time one step takes at most; what the work comes to does not matter."""
    longest = total = 0.0
    while True:
        started = time.thread_time()
        try:
            next(steps)
        except Exception:  # noqa: BLE001  it ends or fails: both take time
            return longest / (total + time.thread_time() - started)
        took = time.thread_time() - started
        longest, total = max(longest, took), total + took
