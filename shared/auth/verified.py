"""Credentials that were found to be somebody's: trusted for a while, and longer when MongoDB cannot be asked."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from math import inf
from typing import NamedTuple

from pymongo.errors import PyMongoError

from shared.errors import DataAPIError, UnavailableError
from shared.mongo.refusals import translated
from shared.ttl_cache import Cache

ON_SECONDS = 300.0
"""How much longer they are trusted at most while MongoDB cannot be asked."""

_MOST = 10_000
_ASKED_SECONDS = 2.5  # how long MongoDB is asked, where something is known; a wait for a connection ends before
_AGAIN_SECONDS = 5.0  # after which it is asked again


class Finding[T](NamedTuple):
    """Whose credentials are, for how many seconds that is trusted, and for how many it may count in any case."""

    owner: T
    seconds: float
    most: float = inf


class _Held[T](NamedTuple):
    owner: T
    trusted: float  # until then, by the clock


class Verified[K: Hashable, T]:
    """The owners of credentials by their hashes. The same object is returned while it is held."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold none yet; the clock counts seconds."""
        self._clock = clock
        self._held: Cache[K, _Held[T]] = Cache(_MOST, clock)

    def get(self, key: K) -> T | None:
        """Return the owner, None if somebody has to be asked."""
        held = self._held.get(key)
        return None if held is None or held.trusted <= self._clock() else held.owner

    async def find(self, key: K, ask: Callable[[], Awaitable[Finding[T]]]) -> T:
        """Ask for the owner; if MongoDB is away, the one that is known is trusted on. Raise what asking raises."""
        known = self._held.timed(key)
        ends = 0.0 if known is None else self._clock() + known[1]
        try:
            async with asyncio.timeout(None if known is None else _ASKED_SECONDS):
                owner, seconds, most = await ask()
        except DataAPIError:
            self._held.pop(key)
            raise
        except (PyMongoError, TimeoutError) as error:
            still = self._held.get(key)  # it may have been dropped, or its time be over
            now = self._clock()
            if known is None or still is None or now >= ends or not _is_away(error):
                raise
            self._held.put(key, _Held(still.owner, min(now + _AGAIN_SECONDS, ends)), ends - now)
            return still.owner
        trusted = self._clock() + seconds
        self._held.put(key, _Held(owner, trusted), min(seconds + ON_SECONDS, most) if seconds > 0 else 0)
        return owner

    def drop(self, key: K) -> None:
        """Forget an owner."""
        self._held.pop(key)


def _is_away(error: Exception) -> bool:
    return isinstance(error, TimeoutError) or isinstance(translated(error), UnavailableError)
