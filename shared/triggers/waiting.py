"""Waiting until a moment or an event, and longer from one failure to the next."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 30.0


async def comes(event: asyncio.Event, seconds: float) -> bool:
    """Tell whether an event comes within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return event.is_set()


async def before(event: asyncio.Event, work: Coroutine[Any, Any, Any]) -> bool:
    """Tell whether work is done before an event comes; else it is given up."""
    done, came = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({done, came}, return_when=asyncio.FIRST_COMPLETED)
        return done.done()
    finally:
        done.cancel()
        came.cancel()


def growing() -> Iterator[float]:
    """Give the seconds to wait after one failure, the next and so on."""
    seconds = _FIRST_SECONDS
    while True:
        yield seconds
        seconds = min(seconds * 2, _LONGEST_SECONDS)
