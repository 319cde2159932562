"""What the processes of a deployment share in Redis or Valkey: one client per event loop, behind a circuit breaker.

It is only ever a cache or a counter: whoever asks is told AwayError where it cannot be asked, and goes on without it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from shared import settings, telemetry

if TYPE_CHECKING:
    from redis.asyncio import Redis

EPOCH = "dozen:epoch"
"""The key of the mark that all kept replies carry; without it a new one begins, and they are useless."""

_SECONDS = 0.5  # what is not there in time is not waited for
_MOST_FAILURES = 3
_MOST_CONNECTIONS = 20
_LAST_TRY_SECONDS = 0.25  # what a write waits, at most, while the server is away
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 1.0  # seconds between two tries to reach a server that is away
_BETWEEN_REPORTS = 60.0


class AwayError(Exception):
    """The store did not do what it was asked for."""


class Store:
    """The client of one event loop.

    After some failures in a row, or one that lost a change, nobody asks the server any more: a task tries to begin a
    new epoch until it can, because changes may have been missed meanwhile.
    """

    def __init__(self, client: "Redis") -> None:
        """Take a client that repeats nothing by itself."""
        from redis.exceptions import ReadOnlyError, RedisError, ResponseError  # noqa: PLC0415

        self._client = client
        self._refusals, self._read_only = ResponseError, ReadOnlyError
        self._failed = (RedisError, TimeoutError, OSError)
        self._failures = 0
        self._lost = 0
        self._mending: asyncio.Task[None] | None = None
        self._next_report = 0.0

    async def ask[T](self, work: Callable[["Redis"], Awaitable[T]]) -> T:
        """Return what some commands give; raise AwayError if they fail, take too long, or are not tried now."""
        if self._mending is not None:
            raise AwayError
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await work(self._client)
        except self._refusals as error:  # it is there, and says no: a key of another type, no memory, no right
            if isinstance(error, self._read_only):  # no primary any more, so it misses what changes
                self._leave(error)
            self._report_refusal(error)
            raise AwayError from error
        except self._failed as error:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                self._leave(error)
            raise AwayError from error
        self._failures = 0
        return answer

    async def tell(self, work: Callable[["Redis"], Awaitable[object]]) -> None:
        """Run commands that change what counts; if that fails, nothing kept so far counts once the server is back."""
        is_told = False
        try:
            await self.ask(work)
            is_told = True
        except AwayError as error:
            self._leave(error.__cause__)
        finally:
            if not is_told:
                self._lost += 1
                self._leave(None)
        # others may reach a server that is back already: they must not go on with what this change makes useless
        if not is_told and await self._renewed(_LAST_TRY_SECONDS):
            self._return()

    async def close(self) -> None:
        """Stop trying, and close the connections."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.wait([self._mending])
        await self._client.aclose()

    def _leave(self, cause: BaseException | None) -> None:
        if self._mending is None:
            telemetry.event(logging.WARNING, "the cache is away", cause=None if cause is None else type(cause).__name__)
            self._mending = asyncio.create_task(self._mend())

    async def _mend(self) -> None:
        pause = _FIRST_PAUSE
        while not await self._renewed(_SECONDS):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._return()

    async def _renewed(self, seconds: float) -> bool:
        """Try to begin a new epoch; tell whether it began after the last change that was lost."""
        lost = self._lost
        try:
            async with asyncio.timeout(seconds):
                await self._client.delete(EPOCH)  # which needs no memory
        except self._failed:
            return False
        return lost == self._lost

    def _return(self) -> None:
        mending, self._mending, self._failures = self._mending, None, 0
        if mending is not None:
            if mending is not asyncio.current_task():
                mending.cancel()
            telemetry.event(logging.INFO, "the cache is back")

    def _report_refusal(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._next_report:
            self._next_report = now + _BETWEEN_REPORTS
            telemetry.event(logging.WARNING, "the cache refuses a command", cause=type(error).__name__)


_stores: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Store | None]] = WeakKeyDictionary()


def store() -> Store | None:
    """Return the store behind REDIS_URL, None if that is not set."""
    url = settings.current().redis_url
    if not url:
        return None
    stores = _stores.setdefault(asyncio.get_running_loop(), {})
    if url not in stores:
        stores[url] = _new_store(url)
    return stores[url]


async def close() -> None:
    """Close this event loop's stores; the next use makes new ones."""
    for each in _stores.pop(asyncio.get_running_loop(), {}).values():
        if each is not None:
            await each.close()


def address(url: str) -> str:
    """Return REDIS_URL as the driver spells it, which knows no valkey://."""
    return url.replace("valkey", "redis", 1) if url.startswith("valkey") else url


def _new_store(url: str) -> Store | None:
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415  only a deployment that has one pays for it
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    try:
        pool = BlockingConnectionPool.from_url(
            address(url),
            max_connections=_MOST_CONNECTIONS,
            timeout=_SECONDS,
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
    except ValueError:  # its text may hold the password
        telemetry.event(logging.ERROR, "REDIS_URL cannot be used: there is no cache")
        return None
    return Store(Redis.from_pool(pool))
