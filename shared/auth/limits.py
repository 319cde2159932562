"""How often somebody may fail to log in: counted per account and per address, in Redis if there is one."""

import time
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from shared import settings
from shared.cache import store as cache
from shared.cache.store import AwayError
from shared.errors import TooManyLoginsError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MOST_COUNTED = 100_000
_PREFIX = "dozen:logins:"
_counts: dict[str, tuple[int, float]] = {}


def keys(account: str, address: str) -> list[str]:
    """Return the counters of an attempt; accounts and addresses are kept as hashes."""
    named = [f"account {account}"] + ([f"address {address}"] if address else [])
    return [_PREFIX + sha256(each.encode(errors="surrogatepass")).hexdigest() for each in named]


async def attempt(counters: Sequence[str]) -> None:
    """Count an attempt, before it is looked at; raise TooManyLoginsError if there were too many in this window."""
    most = settings.current().login_attempts
    for counter in counters:
        count, seconds = await _add(counter, 1)
        if count > most:
            raise TooManyLoginsError(max(1, round(seconds)))


async def succeeded(counters: Sequence[str]) -> None:
    """Take back an attempt that was right."""
    for counter in counters:
        await _add(counter, -1)


def forget_counts() -> None:
    """Start to count anew, in this process."""
    _counts.clear()


async def _add(counter: str, by: int) -> tuple[int, float]:
    """Change a counter; return what it is then, and for how many seconds it goes on."""
    count, left = _add_here(counter, by)
    store = cache.store()
    if store is None:
        return count, left
    try:
        total, seconds = await store.ask(lambda client: _add_there(client, counter, by))
    except AwayError:
        return count, left
    return max(count, total), max(left, seconds)


async def _add_there(client: "Redis", counter: str, by: int) -> tuple[int, float]:
    window = settings.current().login_window_seconds
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


def _add_here(counter: str, by: int) -> tuple[int, float]:
    count, left = _local(counter)
    if len(_counts) >= _MOST_COUNTED:
        _forget_expired()
    left = left or settings.current().login_window_seconds
    _counts[counter] = max(0, count + by), time.monotonic() + left
    return _counts[counter][0], left


def _local(counter: str) -> tuple[int, float]:
    count, ends = _counts.get(counter, (0, 0.0))
    left = ends - time.monotonic()
    return (count, left) if left > 0 else (0, 0.0)


def _forget_expired() -> None:
    now = time.monotonic()
    for counter in [counter for counter, (_, ends) in _counts.items() if ends < now] or list(_counts)[
        : _MOST_COUNTED // 2
    ]:
        del _counts[counter]
