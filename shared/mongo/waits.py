"""Who waits in MongoDB for changes: callers who do so for long must leave its connections to calls."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from shared.admission import Departure, Places

_TURN_MS = 1_000
_SHORT_MS = 50  # where there are so few connections that one is much
_LEAST_MS = 10
_PART = 4  # of the connections, which is one of them


class Waits:
    """The connections of a data source at which callers wait, in turns that are the shorter the more callers there are.

    They belong to the event loop in which they are used.
    """

    def __init__(self, pool: int, places: Places) -> None:
        """Take how many connections there are, and the places for calls at them, of which each turn takes one."""
        self._at_once = max(1, pool // _PART)
        self._longest_ms = _TURN_MS if pool >= _PART else _SHORT_MS
        self._turns = asyncio.Semaphore(self._at_once)
        self._places = places
        self._callers = 0

    @property
    def turn_ms(self) -> int:
        """How long a turn takes at most where nothing comes: all have theirs in about a second."""
        return max(_LEAST_MS, min(self._longest_ms, _TURN_MS * self._at_once // max(1, self._callers)))

    @contextmanager
    def caller(self) -> Iterator[None]:
        """Count a caller."""
        self._callers += 1
        try:
            yield
        finally:
            self._callers -= 1

    @asynccontextmanager
    async def turn(self, departure: Departure | None) -> AsyncIterator[None]:
        """Have a connection for one turn."""
        async with self._turns:
            await self._places.enter(departure)
            try:
                yield
            finally:
                self._places.leave()
