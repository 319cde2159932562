"""How often somebody may fail to log in: counted for each account and each address, in Redis if there is one."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from shared.cache.store import AwayError, LazyStore
from shared.errors import TooManyLoginsError
from shared.memory import Cache
from shared.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MOST_COUNTED = 100_000
_PREFIX = "dozen:logins:"


class LoginLimits:
    """Counters of failures, each for LOGIN_WINDOW_SECONDS from its first one."""

    def __init__(self, lazy_store: LazyStore, settings: Settings) -> None:
        """Take where all processes count together, and how much is allowed."""
        self._lazy_store = lazy_store
        self._settings = settings
        self._counts: Cache[str, int] = Cache(_MOST_COUNTED)

    async def attempt(self, counters: Sequence[str]) -> None:
        """Count an attempt, before it is verified; raise TooManyLoginsError if there were too many in this window."""
        for counter in counters:
            count, seconds = await self._add(counter, 1)
            if count > self._settings.login_attempts:
                raise TooManyLoginsError(max(1, round(seconds)))

    async def succeeded(self, counters: Sequence[str]) -> None:
        """Take back an attempt that was right."""
        for counter in counters:
            await self._add(counter, -1)

    async def _add(self, counter: str, by: int) -> tuple[int, float]:
        """Change a counter; return its value, and for how many seconds its window goes on."""
        count, left = self._add_here(counter, by)
        store = self._lazy_store.store
        if store is None:
            return count, left
        try:
            total, seconds = await store.ask(lambda client: self._add_there(client, counter, by))
        except AwayError:
            return count, left
        return max(count, total), max(left, seconds)

    def _add_here(self, counter: str, by: int) -> tuple[int, float]:
        count, left = self._counts.timed(counter) or (0, self._settings.login_window_seconds)
        count = max(0, count + by)
        self._counts.put(counter, count, left)
        return count, left

    async def _add_there(self, client: "Redis", counter: str, by: int) -> tuple[int, float]:
        window = self._settings.login_window_seconds
        pipeline = client.pipeline(transaction=True)
        pipeline.set(counter, 0, ex=window, nx=True)
        pipeline.incrby(counter, by)
        pipeline.ttl(counter)
        _, total, seconds = await pipeline.execute()
        if total < 0:  # the window in which the attempt was counted is over
            await client.incrby(counter, -total)
        if seconds < 0:  # not set by us: it would count for ever
            await client.expire(counter, window)
        return total, seconds


def counters(account: str, address: str) -> list[str]:
    """Return the counters of an attempt; accounts and addresses are hashed."""
    named = [f"account {account}"] + ([f"address {address}"] if address else [])
    return [_PREFIX + sha256(each.encode(errors="surrogatepass")).hexdigest() for each in named]
