"""How work that is done in turns is cut into steps."""

import asyncio
import itertools
import time
from collections.abc import Awaitable
from typing import Any

from shared.turns import FullCollections, Steps


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


async def share_of_longest_turn(work: Awaitable[Any]) -> float:
    """Return which part of this thread's processor time others wait for their turn at most while work is done."""
    turns: list[float] = []

    async def watch() -> None:
        while True:
            turns.append(time.thread_time())
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    with FullCollections():
        await work
    watching.cancel()
    return max(after - before for before, after in itertools.pairwise(turns)) / (turns[-1] - turns[0])
