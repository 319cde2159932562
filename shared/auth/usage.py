"""How much of their quotas keys have used: counted by all processes together in Valkey, or by each alone without it."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shared.auth.quota import Limit, Noun, Quota
from shared.cache.store import AwayError, LazyStore
from shared.errors import QuotaExceededError
from shared.ttl_cache import Cache

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PREFIX = "dozen:quota:"
_MOST_COUNTED = 100_000
_LONGER = 60  # seconds that a counter outlives its window: clocks differ


class Used(NamedTuple):
    """A limit, how much of it is used in the window of now, and in how many seconds the next one begins."""

    limit: Limit
    amount: int
    seconds: int

    @property
    def left(self) -> int:
        """How much is left."""
        return max(self.limit.most - self.amount, 0)


class _Window(NamedTuple):
    """A counter of the store, and for how long it counts."""

    key: str
    seconds: float


class Usage:
    """Counts what keys use. Nothing is refused because the store is away: each process counts alone then."""

    def __init__(self, lazy_store: LazyStore, clock: Callable[[], float] = time.time) -> None:
        """Take where all processes count together; the clock counts seconds since 1970."""
        self._lazy_store = lazy_store
        self._clock = clock
        self._counts: Cache[str, int] = Cache(_MOST_COUNTED, clock)

    async def begin(self, quota: Quota) -> dict[str, str]:
        """Count a call, and return what its response says of the quota.

        Raise QuotaExceededError, and count nothing, where a limit of calls is used up or one of documents reached.
        """
        used = await self._added(quota, {"calls": 1})
        over = [each for each in used if each.amount > each.limit.most - (each.limit.noun != "calls")]
        if not over:
            return headers(used)
        await self._added(quota, {"calls": -1})
        longest = max(over, key=lambda each: each.seconds)
        spent = [each._replace(amount=each.limit.most) if each in over else each for each in used]
        raise QuotaExceededError(str(longest.limit), longest.seconds, headers(spent))

    async def add_documents(self, quota: Quota, count: int) -> None:
        """Count the documents that a call has read or written."""
        if any(limit.noun == "documents" for limit in quota.limits):
            await self._added(quota, {"documents": count})

    async def of(self, quota: Quota) -> list[Used]:
        """Return what is used now."""
        return await self._added(quota, {})

    async def _added(self, quota: Quota, amounts: dict[Noun, int]) -> list[Used]:
        now = self._clock()
        windows = [self._window(quota.key_id, limit, now) for limit in quota.limits]
        by = [amounts.get(limit.noun, 0) for limit in quota.limits]
        counts = [self._add_here(window, amount) for window, amount in zip(windows, by, strict=True)]
        store = self._lazy_store.store
        if store is not None:
            try:
                totals = await store.ask(lambda client: _add_there(client, windows, by))
                counts = [max(here, there) for here, there in zip(counts, totals, strict=True)]
            except AwayError:
                pass
        return [
            Used(limit, count, max(1, math.ceil(window.seconds)))
            for limit, count, window in zip(quota.limits, counts, windows, strict=True)
        ]

    def _window(self, key_id: str, limit: Limit, now: float) -> _Window:
        index = int(now // limit.seconds)
        key = f"{_PREFIX}{key_id}:{limit.noun}:{limit.seconds}:{index}"
        return _Window(key, (index + 1) * limit.seconds - now)

    def _add_here(self, window: _Window, amount: int) -> int:
        count = max((self._counts.get(window.key) or 0) + amount, 0)
        if amount:
            self._counts.put(window.key, count, window.seconds)
        return count


async def _add_there(client: "Redis", windows: Sequence[_Window], by: Sequence[int]) -> list[int]:
    pipeline = client.pipeline(transaction=False)
    for window, amount in zip(windows, by, strict=True):
        if amount:
            pipeline.incrby(window.key, amount)
            pipeline.expire(window.key, math.ceil(window.seconds) + _LONGER)
        else:
            pipeline.get(window.key)
            pipeline.ping()
    return [int(count or 0) for count in (await pipeline.execute())[::2]]


def headers(used: Iterable[Used]) -> dict[str, str]:
    """Return what a response says: as the IETF's draft has it now, and as its earlier ones had, which clients read."""
    all_used = list(used)
    tightest = min(all_used, key=lambda each: each.left / each.limit.most)
    policies = (f'"{each.limit.noun}";q={each.limit.most};w={each.limit.seconds}' for each in all_used)
    states = (f'"{each.limit.noun}";r={each.left};t={each.seconds}' for each in all_used)
    return {
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": ", ".join(states),
        "RateLimit-Limit": str(tightest.limit.most),
        "RateLimit-Remaining": str(tightest.left),
        "RateLimit-Reset": str(tightest.seconds),
    }
