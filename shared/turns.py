"""Turns on the event loop: long work is done in steps, and after some milliseconds of them others go first (pure)."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Generator

SECONDS = 0.002
"""How long a call works before the others have their turn."""

_NEVER = 1_000_000_000
_MOST_SECONDS = 60

type Steps[T] = Generator[None, None, T]
"""Work that yields after each step, which is short: at most some milliseconds."""

type Waiting[T] = Generator[Awaitable[None] | None, None, T]
"""The same, of which a step may yield what has to be waited for before the next one."""


async def taken[T](steps: Waiting[T]) -> T:
    """Return what comes of work that is done in turns with everything else on the event loop."""
    ends = time.monotonic() + SECONDS
    while True:
        try:
            waited_for = next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if waited_for is not None:
            await waited_for
        if time.monotonic() >= ends:
            await asyncio.sleep(0)
            ends = time.monotonic() + SECONDS


def at_once[T](steps: Steps[T]) -> T:
    """Return what comes of work that is little enough to be done without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


class FullCollections:
    """Collections of garbage that look at every object of the process at once, put off while calls hold very many.

    Young objects are collected meanwhile, and where such calls follow each other without end, all are once a minute.
    """

    def __init__(self) -> None:
        """Put off none."""
        self._calls = 0
        self._threshold = 0
        self._latest = 0.0

    def __enter__(self) -> None:
        """Put them off."""
        self._calls += 1
        if self._calls == 1:
            young, middle, self._threshold = gc.get_threshold()
            gc.set_threshold(young, middle, _NEVER)
            self._latest = time.monotonic()

    def __exit__(self, *_: object) -> None:
        """Put them off no longer, unless another call does."""
        self._calls -= 1
        young, middle, _never = gc.get_threshold()
        if self._calls == 0:
            gc.set_threshold(young, middle, self._threshold)
        elif time.monotonic() - self._latest > _MOST_SECONDS:
            gc.collect()
            self._latest = time.monotonic()
