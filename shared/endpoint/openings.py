"""What a call may use while it has a place at the connections of a data source."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar, Token
from typing import Any

from shared.admission import Departure, Places
from shared.mongo.deadlines import is_current
from shared.rules.answers import answered

_opened: ContextVar["Opening[Any] | None"] = ContextVar("opened", default=None)
"""What has the place that the task works in; a module's, because that is how they are made."""


class Opening[T]:
    """What is open while a call has a place at its data source's connections; a transaction has one for all of it."""

    __slots__ = ("_departure", "_open", "_places", "_places_of", "_token")

    def __init__(self, open_: Callable[[], T], places_of: Callable[[], Places], departure: Departure | None) -> None:
        """Take what opens it by the rules, what gives the places then, and whether the caller is still there."""
        self._open = open_
        self._places_of = places_of
        self._places: Places | None = None
        self._departure = departure
        self._token: Token[Opening[Any] | None] | None = None

    async def __aenter__(self) -> T:
        """Open it, and take a place."""
        opened = await answered(self._open)
        if not is_current():
            places = self._places_of()
            await places.enter(self._departure)
            self._places = places
            self._token = _opened.set(self)
        return opened

    async def __aexit__(self, *_: object) -> None:
        """Give it back."""
        if self._token is not None:
            _opened.reset(self._token)
        if self._places is not None:
            self._places.leave()

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Leave the place to others, and take one again at the end; raise OverloadedError if there is none in time."""
        places, self._places = self._places, None
        if places is not None:
            places.leave()
        yield
        if places is not None:
            await places.enter(self._departure)
            self._places = places


@asynccontextmanager
async def away() -> AsyncGenerator[None]:
    """Wait for something that needs connections of its own, without keeping one from it."""
    opened = _opened.get()
    if opened is None:
        yield
        return
    async with opened.away():
        yield
