"""What is kept in the store: sealed with a key derived from SESSION_SECRET, so that the store can neither forge an
entry, nor put one in another's place, nor prolong its life. Names are hashes: they tell nothing of what they stand for.
"""

import hmac
import struct
import time
from functools import cache as memoized
from typing import TYPE_CHECKING, Any, NamedTuple

from shared import settings
from shared.cache import store as cache
from shared.cache.store import AwayError, Store
from shared.settings import VERSION

if TYPE_CHECKING:
    from redis.asyncio import Redis

LARGEST = 1024 * 1024
"""Bytes of content; what is larger is not kept, and not read either."""

_MAC_BYTES = 32
_EXPIRES = struct.Struct(">d")
_OVERHEAD = _MAC_BYTES + _EXPIRES.size
MOST_BYTES = LARGEST + _OVERHEAD
"""The bytes of the largest sealed entry."""


class Entry(NamedTuple):
    """What was kept, and for how many seconds it still counts."""

    content: bytes
    seconds: float


def store() -> Store | None:
    """Return where entries are kept, None without REDIS_URL or without the secret that seals them."""
    return cache.store() if settings.current().session_secret else None


def name(purpose: str, *parts: str | bytes) -> str:
    """Return the key of an entry; deployments that share a store and its secret keep their control databases apart."""
    given = settings.current()
    parts = (VERSION, given.control_uri, given.dozen_database, *parts)
    texts = [part if isinstance(part, bytes) else part.encode(errors="surrogateescape") for part in parts]
    told = b"".join(len(text).to_bytes(8) + text for text in texts)
    return f"dozen:{purpose}:{_mac(purpose.encode(), told).hex()}"


def sealed(entry: str, content: bytes, seconds: float) -> bytes:
    """Return what is stored under an entry's name."""
    signed = _EXPIRES.pack(time.time() + seconds) + content
    return _mac(entry.encode(), signed) + signed


def opened(entry: str, value: object) -> Entry | None:
    """Return what was sealed under this name, None if it is anything else or its time is over."""
    if not isinstance(value, bytes) or not _OVERHEAD <= len(value) <= MOST_BYTES:
        return None
    signed = value[_MAC_BYTES:]
    if not hmac.compare_digest(value[:_MAC_BYTES], _mac(entry.encode(), signed)):
        return None
    left = _EXPIRES.unpack_from(signed)[0] - time.time()
    return Entry(signed[_EXPIRES.size :], left) if left > 0 else None


async def load(purpose: str, *parts: str | bytes) -> Entry | None:
    """Return an entry, None if there is none or it cannot be had."""
    where = store()
    if where is None:
        return None
    entry = name(purpose, *parts)
    try:
        value, milliseconds = await where.ask(lambda client: _value(client, entry))
    except AwayError:
        return None
    found = opened(entry, value)
    if found is None or milliseconds <= 0:
        return None
    # the store's clock counts too: that of the process which kept the entry may be ahead
    return Entry(found.content, min(found.seconds, milliseconds / 1000))


async def keep(purpose: str, *parts: str | bytes, content: bytes, seconds: float) -> None:
    """Keep an entry for some seconds, if it can be kept."""
    where = store()
    if where is None or seconds <= 0 or len(content) > LARGEST:
        return
    entry = name(purpose, *parts)
    await put(where, entry, sealed(entry, content, seconds), seconds)


async def put(where: Store, entry: str, value: bytes, seconds: float) -> None:
    """Store a sealed entry, if it can be stored."""
    try:
        await where.ask(lambda client: client.set(entry, value, px=max(1, int(seconds * 1000))))
    except AwayError:
        return


async def drop(purpose: str, *parts: str | bytes) -> None:
    """Forget an entry, if the store can be reached; else it runs out."""
    where = store()
    if where is None:
        return
    entry = name(purpose, *parts)
    try:
        await where.ask(lambda client: client.delete(entry))
    except AwayError:
        return


async def _value(client: "Redis", entry: str) -> tuple[Any, int]:
    pipeline = client.pipeline(transaction=True)
    pipeline.getrange(entry, 0, MOST_BYTES)  # one byte more than an entry has: of a larger value no more is read
    pipeline.pttl(entry)
    value, milliseconds = await pipeline.execute()
    return value, milliseconds


def _mac(*parts: bytes) -> bytes:
    return hmac.digest(_key(settings.current().session_secret), b"\0".join(parts), "sha256")


@memoized
def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"dozen cache", "sha256")
