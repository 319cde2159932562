"""How many calls have a place at a time, how many wait for one, and whether somebody still waits for the answer.

What the others are told is in `errors.Unavailable`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from shared.errors import CallerLeftError, OverloadedError, Unavailable
from shared.telemetry.log import event

if TYPE_CHECKING:
    from shared.telemetry.requests import RequestLine

WAITING = 128
"""How many calls wait at most for their turn in a process."""

WAIT_SECONDS = 1.0
"""How long a call waits at most for its turn."""

DEPARTURE_SECONDS = 0.2
"""How long a read goes on without its caller: one that ends by itself leaves its connection to MongoDB whole."""

PATIENT_SECONDS = 0.1
"""How long the queue may be for the first to come to be the first; behind it the newest is, whom somebody awaits."""

_LOOK_SECONDS = 0.1
_LOG_SECONDS = 10.0
_TURN_MS = 1_000
_SHORT_MS = 50  # where there are so few connections that one is much
_LEAST_MS = 10
_PART = 4  # of the connections, one of which callers wait at


class Departure:
    """Whether the caller has left, as far as a server can tell."""

    __slots__ = ("_callback", "has_happened")

    def __init__(self) -> None:
        """Begin with a caller who waits for the answer."""
        self.has_happened = False
        self._callback: Callable[[], object] | None = None

    def tell(self, callback: Callable[[], object] | None) -> None:
        """Have this called soon after the caller has left; None for nobody."""
        self._callback = callback
        if self.has_happened:
            self._call()

    def happen(self) -> None:
        """Note that the caller has left."""
        self.has_happened = True
        asyncio.get_running_loop().call_later(DEPARTURE_SECONDS, self._call)

    def _call(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class _Waiting(NamedTuple):
    begun: asyncio.Future[
        bool
    ]  # whether it has a place; an error would hold the frames of the call, and they the future
    since: float
    departure: Departure | None


class Places:
    """Places for so many calls, and a queue behind them: short, so that whoever is served is served in time.

    The first to come is the first to be served, until somebody has waited so long that more come than can be served.
    Then it is the last: those who waited may have given up, and if not, are soon told that there is no place.

    They belong to the event loop in which they are used.
    """

    def __init__(self, places: int, waiting: int, seconds: float, text: Unavailable) -> None:
        """Take how many calls have a place at a time, how many wait, how long, and what the others are told."""
        self.places = self._free = places
        self.shed = 0
        """How many calls were refused so far."""
        self._most_waiting = waiting
        self._seconds = seconds
        self._text = text
        self._waiting: deque[_Waiting] = deque()
        self._looking: asyncio.TimerHandle | None = None
        self._refused = 0
        self._log_again = 0.0

    @classmethod
    def for_calls(cls, places: int) -> Self:
        """Return the places for the calls of a process."""
        return cls(places, WAITING, WAIT_SECONDS, Unavailable.TOO_MANY_CALLS)

    @classmethod
    def for_streams(cls, places: int) -> Self:
        """Return the places for callers who wait for changes: nobody waits for a place."""
        return cls(places, 0, 0.0, Unavailable.TOO_MANY_STREAMS)

    @property
    def taken(self) -> int:
        """How many calls have a place."""
        return self.places - self._free

    @property
    def waiting(self) -> int:
        """How many calls wait for one."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether the next call is refused."""
        return len(self._waiting) >= self._most_waiting

    async def enter(self, departure: Departure | None = None) -> None:
        """Take a place, now or when one is left; raise OverloadedError if there is none, CallerLeftError for nobody."""
        if self._free:
            self._free -= 1
            return
        if self.is_full:
            raise self.refusal()
        loop = asyncio.get_running_loop()
        begun = loop.create_future()
        self._waiting.append(_Waiting(begun, loop.time(), departure))
        if self._looking is None:
            self._looking = loop.call_later(_LOOK_SECONDS, self._look, loop)
        try:
            has_place = await begun
        except asyncio.CancelledError:
            if not begun.cancelled() and begun.result():  # it was begun in the same moment
                self.leave()
            raise
        if not has_place:
            raise CallerLeftError if departure is not None and departure.has_happened else self.refusal()

    def leave(self) -> None:
        """Give a place back, which the next call gets."""
        if self._waiting:
            is_late = asyncio.get_running_loop().time() - self._waiting[0].since > PATIENT_SECONDS
            following = self._waiting.pop if is_late else self._waiting.popleft
            while self._waiting:
                if self._begin(following()):
                    return
        self._free += 1

    def refusal(self) -> OverloadedError:
        """Count a call that is refused, and return the error; the log says now and then how many were."""
        self._refused += 1
        self.shed += 1
        now = asyncio.get_running_loop().time()
        if now >= self._log_again:
            event(logging.WARNING, "calls are refused", reason=self._text.value, refused=self._refused)
            self._refused, self._log_again = 0, now + _LOG_SECONDS
        return OverloadedError(self._text)

    @staticmethod
    def _begin(waiting: _Waiting) -> bool:
        begun, _, departure = waiting
        if begun.done():
            return False
        has_place = departure is None or not departure.has_happened
        begun.set_result(has_place)
        return has_place

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse what has waited too long."""
        while self._waiting and loop.time() - self._waiting[0].since >= self._seconds:
            begun = self._waiting.popleft().begun
            if not begun.done():
                begun.set_result(False)
        self._looking = loop.call_later(_LOOK_SECONDS, self._look, loop) if self._waiting else None


class Entrant(Protocol):
    """What has a place."""

    line: "RequestLine"

    @property
    def has_place(self) -> bool:
        """Whether it has one now."""

    async def enter(self) -> None:
        """Take a place, as `Places.enter`."""

    def leave(self) -> None:
        """Give it back."""


_entrant: ContextVar[Entrant | None] = ContextVar("entrant", default=None)
"""The call that the task works on; a module's, because that is how they are made."""


class placed:  # noqa: N801  used as a context manager; a class costs half of what a generator does
    """Have what is done inside be done in the place of a call."""

    __slots__ = ("_entrant", "_token")

    def __init__(self, entrant: Entrant) -> None:
        """Take the call."""
        self._entrant = entrant

    def __enter__(self) -> None:
        """Begin."""
        self._token = _entrant.set(self._entrant)

    def __exit__(self, *_: object) -> None:
        """End."""
        _entrant.reset(self._token)


def current_line() -> "RequestLine | None":
    """Return the log line of the call that the task works on, None outside of calls."""
    entrant = _entrant.get()
    return None if entrant is None else entrant.line


def step_aside() -> None:
    """Give the place of the call that the task works on to others, for good: nothing of MongoDB is needed any more."""
    if (entrant := _entrant.get()) is not None:
        entrant.leave()


@asynccontextmanager
async def aside() -> AsyncIterator[None]:
    """Do without that place while something else than MongoDB is waited for, and take one again for what follows."""
    entrant = _entrant.get()
    if entrant is None or not entrant.has_place:
        yield
        return
    entrant.leave()
    yield
    await entrant.enter()


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
