"""What the processes of a deployment share in Redis or Valkey: one client per process, behind a circuit breaker.

It is only ever a cache or a counter: where it cannot be reached, AwayError is raised, and callers go on without it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from shared.telemetry.log import event

if TYPE_CHECKING:
    from redis.asyncio import Redis

EPOCH = "dozen:epoch"
"""The key of the mark that all cached replies carry; without it a new one begins, and they are useless."""

_SECONDS = 0.5  # what is not there in time is not waited for
_MOST_FAILURES = 3
_MOST_CONNECTIONS = 20
_LAST_TRY_SECONDS = 0.25  # what a write waits, at most, while the server is away
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 1.0  # seconds between two tries to reach a server that is away
_BETWEEN_REPORTS = 60.0


class Counts:
    """How often what was looked for was there or not, and how many commands failed, so far."""

    hits = misses = errors = 0

    def look(self, found: object) -> None:
        """Count what was looked for; None is a miss."""
        if found is None:
            self.misses += 1
        else:
            self.hits += 1


class AwayError(Exception):
    """The store did not run the commands."""


class Store:
    """A client that gives up soon.

    After some failures in a row, or one that lost a change, nobody asks the server any more: a task tries to begin a
    new epoch until it can, because changes may have been missed meanwhile.
    """

    def __init__(self, client: "Redis", counts: Counts) -> None:
        """Take a client that repeats nothing by itself, and where failures are counted."""
        from redis.exceptions import ReadOnlyError, RedisError, ResponseError  # noqa: PLC0415

        self._client = client
        self.counts = counts
        self._refusals, self._read_only = ResponseError, ReadOnlyError
        self._failed = (RedisError, TimeoutError, OSError)
        self._failures = 0
        self._lost = 0
        self._mending: asyncio.Task[None] | None = None
        self._next_report = 0.0

    async def ask[T](self, work: Callable[["Redis"], Awaitable[T]]) -> T:
        """Return what some commands give; raise AwayError if they fail, take too long, or are not tried now."""
        if self._mending is not None:
            self.counts.errors += 1
            raise AwayError
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await work(self._client)
        except self._refusals as error:  # it is there, and says no: a key of another type, no memory, no right
            self.counts.errors += 1
            if isinstance(error, self._read_only):  # no primary any more, so it misses what changes
                self._leave(error)
            self._report_refusal(error)
            raise AwayError from error
        except self._failed as error:
            self._failures += 1
            self.counts.errors += 1
            if self._failures >= _MOST_FAILURES:
                self._leave(error)
            raise AwayError from error
        self._failures = 0
        return answer

    async def change(self, work: Callable[["Redis"], Awaitable[object]]) -> None:
        """Run commands that invalidate; if they fail, nothing cached so far counts once the server is back."""
        is_done = False
        try:
            await self.ask(work)
            is_done = True
        except AwayError as error:
            self._leave(error.__cause__)
        finally:
            if not is_done:
                self._lost += 1
                self._leave(None)
        # others may reach a server that is back already: they must not go on with what this change makes useless
        if not is_done and await self._renewed(_LAST_TRY_SECONDS):
            self._return()

    async def close(self) -> None:
        """Stop trying, and close the connections."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.wait([self._mending])
        await self._client.aclose()

    def _leave(self, cause: BaseException | None) -> None:
        if self._mending is None:
            event(logging.WARNING, "the cache is away", cause=None if cause is None else type(cause).__name__)
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
            event(logging.INFO, "the cache is back")

    def _report_refusal(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._next_report:
            self._next_report = now + _BETWEEN_REPORTS
            event(logging.WARNING, "the cache refuses a command", cause=type(error).__name__)


class LazyStore:
    """The store behind REDIS_URL: connected to at first use, as importing its client takes longer than a call."""

    def __init__(self, url: str) -> None:
        """Take REDIS_URL; without it there is no store."""
        self._url = url
        self._is_open = False
        self._store: Store | None = None
        self.counts = Counts()

    @property
    def store(self) -> Store | None:
        """The store, None without REDIS_URL or with one that cannot be used."""
        if self._url and not self._is_open:
            self._is_open = True
            self._store = _new_store(self._url, self.counts)
        return self._store

    async def close(self) -> None:
        """Close the connections, if there are any."""
        if self._store is not None:
            await self._store.close()


def address(url: str) -> str:
    """Return REDIS_URL as the driver spells it, which knows no valkey://."""
    return url.replace("valkey", "redis", 1) if url.startswith("valkey") else url


def _new_store(url: str, counts: Counts) -> Store | None:
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
        event(logging.ERROR, "REDIS_URL cannot be used: there is no cache")
        return None
    return Store(Redis.from_pool(pool), counts)
