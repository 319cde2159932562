"""How often somebody may fail to log in: counted per account and per address, in Redis if there is one."""

import asyncio
import logging
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from shared import settings, telemetry
from shared.errors import TooManyLoginsError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MOST_COUNTED = 100_000
_REDIS_SECONDS = 0.5  # a counter that is not there in time is not waited for
_PREFIX = "dozen:logins:"
_counts: dict[str, tuple[int, float]] = {}
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, "Redis"] = WeakKeyDictionary()


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


async def close() -> None:
    """Close this event loop's connection to Redis."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


async def _add(counter: str, by: int) -> tuple[int, float]:
    """Change a counter; return what it is then, and for how many seconds it goes on."""
    count, left = _add_here(counter, by)
    client = _redis()
    if client is None:
        return count, left
    from redis.exceptions import RedisError  # noqa: PLC0415

    window = settings.current().login_window_seconds
    try:
        async with asyncio.timeout(_REDIS_SECONDS):
            await client.set(counter, 0, ex=window, nx=True)
            total = await client.incrby(counter, by)
            return max(count, total), max(left, await client.ttl(counter))
    except (RedisError, TimeoutError, OSError) as error:
        _report(error)
        return count, left


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


def _redis() -> "Redis | None":
    url = settings.current().redis_url
    if not url:
        return None
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        from redis.asyncio import Redis  # noqa: PLC0415  only a deployment that has one pays for it

        _clients[loop] = Redis.from_url(url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS)
    return _clients[loop]


def _report(error: Exception) -> None:
    telemetry.event(logging.WARNING, "login counters are counted in this process only", cause=type(error).__name__)
