"""How much of their quotas keys have used: counted by all processes together in Valkey, or by each alone without it."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shared.auth.quota import NOUNS, Limit, Noun, Quota
from shared.cache.store import AwayError, LazyStore
from shared.errors import QuotaExceededError
from shared.ttl_cache import Cache

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PREFIX = "dozen:quota:"
_MOST_COUNTED = 100_000
_DOCUMENTS: tuple[Noun, ...] = ("documents",)
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found, is_full = {}, 0
for place, key in ipairs(KEYS) do
  local at = 6 * (place - 1)
  local seconds, most, stops = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 4] == '1'
  local window = math.floor(now / (seconds * 1000))
  local count = tonumber(redis.call('HGET', key, window) or '0')
  if tonumber(ARGV[at + 5]) == window then count = math.max(count, tonumber(ARGV[at + 6])) end
  found[#found + 1] = count
  found[#found + 1] = window
  found[#found + 1] = (window + 1) * seconds * 1000 - now
  if stops and count >= most then is_full = 1 end
end
for place, key in ipairs(KEYS) do
  local by = tonumber(ARGV[6 * (place - 1) + 3])
  if is_full == 0 and by > 0 then
    local count = found[3 * place - 2] + by
    found[3 * place - 2] = count
    redis.call('DEL', key)
    redis.call('HSET', key, found[3 * place - 1], string.format('%.0f', count))
    redis.call('PEXPIRE', key, math.max(found[3 * place], 1))
  end
end
found[#found + 1] = is_full
return found
"""
"""Counts everything or nothing. A counter is a hash of one member, whose name is its window by the store's clock."""


class Used(NamedTuple):
    """A limit, how much of it is used in the window of now, and in how many seconds the next one begins."""

    limit: Limit
    amount: int
    seconds: int

    @property
    def left(self) -> int:
        """How much is left."""
        return max(self.limit.most - self.amount, 0)


class _Count(NamedTuple):
    """What is counted in a window, its number since 1970, and for how many seconds it goes on."""

    amount: int
    window: int
    seconds: float


class _Taking(NamedTuple):
    """What is to be counted of a quota, unless a limit of these nouns is used up already."""

    quota: Quota
    by: Mapping[Noun, int]
    stops: Collection[Noun] = ()


class Usage:
    """Counts what keys use. Nothing is refused because the store is away: each process counts alone then."""

    def __init__(self, lazy_store: LazyStore, clock: Callable[[], float] = time.time) -> None:
        """Take where all processes count together; the clock, of who counts alone, has the seconds since 1970."""
        self._lazy_store = lazy_store
        self._clock = clock
        self._counts: Cache[str, _Count] = Cache(_MOST_COUNTED, clock)

    async def begin(self, quota: Quota) -> dict[str, str]:
        """Count a call, and return what its response says of the quota.

        Raise QuotaExceededError, and count nothing, where any limit is used up.
        """
        return headers(await self._taken(_Taking(quota, {"calls": 1}, NOUNS)))

    async def add_documents(self, quota: Quota, count: int) -> dict[str, str]:
        """Count the documents that a call has read or written, and return what its response says instead."""
        if all(limit.noun != "documents" for limit in quota.limits):
            return {}
        return headers(await self._taken(_Taking(quota, {"documents": count})))

    async def tell(self, quota: Quota, count: int) -> None:
        """Count documents that somebody is told of who called long ago.

        Raise QuotaExceededError, and count nothing, where a limit of documents is used up.
        """
        await self._taken(_Taking(quota, {"documents": count}, _DOCUMENTS))

    async def of(self, quota: Quota) -> list[Used] | None:
        """Return what is used now, None where it is not known: no store counts for all processes, or it is away."""
        counts, _ = await self._asked(_Taking(quota, {})) or (None, False)
        return None if counts is None else _used(quota, counts)

    async def _taken(self, taking: _Taking) -> list[Used]:
        counts, is_full = await self._asked(taking) or self._alone(taking)
        used = _used(taking.quota, counts)
        if is_full:
            over = (each for each in used if not each.left and each.limit.noun in taking.stops)
            longest = max(over, key=lambda each: each.seconds)
            raise QuotaExceededError(str(longest.limit), longest.seconds, headers(used))
        return used

    async def _asked(self, taking: _Taking) -> tuple[list[_Count], bool] | None:
        """Count in the store; None without one, or while it is away. What it says is known here from then on."""
        store = self._lazy_store.store
        if store is None:
            return None
        keys = [_key(taking.quota, limit) for limit in taking.quota.limits]
        known = [self._counts.get(key) for key in keys]
        try:
            counts, is_full = await store.ask(lambda client: _there(client, taking, keys, known))
        except AwayError:
            return None
        for key, count in zip(keys, counts, strict=True):
            self._keep(key, count)
        return counts, is_full

    def _keep(self, key: str, count: _Count) -> None:
        """Keep a count, unless more of the same window is known: answers may overtake each other."""
        known = self._counts.get(key)
        if count.amount and (known is None or (known.window, known.amount) < (count.window, count.amount)):
            self._counts.put(key, count, count.seconds)

    def _alone(self, taking: _Taking) -> tuple[list[_Count], bool]:
        limits = taking.quota.limits
        counts = [self._here(_key(taking.quota, limit), limit) for limit in limits]
        if any(
            limit.noun in taking.stops and each.amount >= limit.most for limit, each in zip(limits, counts, strict=True)
        ):
            return counts, True
        counts = [
            each._replace(amount=each.amount + taking.by.get(limit.noun, 0))
            for limit, each in zip(limits, counts, strict=True)
        ]
        for limit, count in zip(limits, counts, strict=True):
            self._keep(_key(taking.quota, limit), count)
        return counts, False

    def _here(self, key: str, limit: Limit) -> _Count:
        known = self._counts.timed(key)
        if known is not None:
            return known[0]._replace(seconds=known[1])
        now = self._clock()
        window = int(now // limit.seconds)
        return _Count(0, window, (window + 1) * limit.seconds - now)


def _key(quota: Quota, limit: Limit) -> str:
    return f"{_PREFIX}{{{quota.key_id}}}:{limit.noun}:{limit.seconds}"  # in braces what a cluster keeps together


def _used(quota: Quota, counts: Iterable[_Count]) -> list[Used]:
    return [
        Used(limit, count.amount, max(1, math.ceil(count.seconds)))
        for limit, count in zip(quota.limits, counts, strict=True)
    ]


async def _there(
    client: "Redis", taking: _Taking, keys: Sequence[str], known: Sequence[_Count | None]
) -> tuple[list[_Count], bool]:
    arguments: list[int] = []
    for limit, each in zip(taking.quota.limits, known, strict=True):
        stops = int(limit.noun in taking.stops)
        amount, window, _ = each or _Count(0, -1, 0)
        arguments += (limit.seconds, limit.most, taking.by.get(limit.noun, 0), stops, window, amount)
    *found, is_full = await client.register_script(_TAKE)(keys, arguments)
    amounts, windows, left = found[::3], found[1::3], found[2::3]
    return [_Count(a, w, ms / 1000) for a, w, ms in zip(amounts, windows, left, strict=True)], bool(is_full)


def headers(used: Iterable[Used]) -> dict[str, str]:
    """Return what a response says: as the IETF's draft has it now, and as its earlier ones had, which clients read."""
    all_used = list(used)
    tightest = min(all_used, key=lambda each: (each.left / each.limit.most, -each.seconds))
    policies = (f'"{each.limit.name}";q={each.limit.most};w={each.limit.seconds}' for each in all_used)
    states = (f'"{each.limit.name}";r={each.left};t={each.seconds}' for each in all_used)
    return {
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": ", ".join(states),
        "RateLimit-Limit": str(tightest.limit.most),
        "RateLimit-Remaining": str(tightest.left),
        "RateLimit-Reset": str(tightest.seconds),
    }
