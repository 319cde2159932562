"""Entries of the store: sealed with a key derived from SESSION_SECRET, so that the store can neither forge an entry,
nor put one in another's place, nor prolong its life. Names are hashes: they tell nothing of what they stand for.
"""

import hmac
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.cache.store import AwayError, LazyStore, Store
from shared.settings import VERSION, Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

LARGEST = 1024 * 1024
"""Bytes of content; what is larger is not cached, and not read either."""

_MAC_BYTES = 32
_EXPIRES = struct.Struct(">d")
_OVERHEAD = _MAC_BYTES + _EXPIRES.size
MOST_BYTES = LARGEST + _OVERHEAD
"""The bytes of the largest sealed entry."""


class Entry(NamedTuple):
    """A cached content, and for how many seconds it still counts."""

    content: bytes
    seconds: float


class Entries:
    """The sealed entries of a deployment."""

    def __init__(self, lazy_store: LazyStore, settings: Settings) -> None:
        """Take where they are stored, and the secret that seals them."""
        self._lazy_store = lazy_store
        self._settings = settings
        self._key = hmac.digest(settings.session_secret.encode(), b"dozen cache", "sha256")

    @property
    def store(self) -> Store | None:
        """The store, None without REDIS_URL or without the secret that seals entries."""
        return self._lazy_store.store if self._settings.session_secret else None

    def name(self, purpose: str, *parts: str | bytes) -> str:
        """Return the key of an entry; deployments that share store and secret keep their control databases apart."""
        parts = (VERSION, self._settings.control_uri, self._settings.dozen_database, *parts)
        texts = [part if isinstance(part, bytes) else part.encode(errors="surrogateescape") for part in parts]
        joined = b"".join(len(text).to_bytes(8) + text for text in texts)
        return f"dozen:{purpose}:{self._mac(purpose.encode(), joined).hex()}"

    def sealed(self, entry: str, content: bytes, seconds: float) -> bytes:
        """Return what is stored under an entry's name."""
        signed = _EXPIRES.pack(time.time() + seconds) + content
        return self._mac(entry.encode(), signed) + signed

    def unsealed(self, entry: str, value: object) -> Entry | None:
        """Return what was sealed under this name, None if it is anything else or its time is over."""
        if not isinstance(value, bytes) or not _OVERHEAD <= len(value) <= MOST_BYTES:
            return None
        signed = value[_MAC_BYTES:]
        if not hmac.compare_digest(value[:_MAC_BYTES], self._mac(entry.encode(), signed)):
            return None
        left = _EXPIRES.unpack_from(signed)[0] - time.time()
        return Entry(signed[_EXPIRES.size :], left) if left > 0 else None

    async def get(self, purpose: str, *parts: str | bytes) -> Entry | None:
        """Return an entry, None if there is none or the store is away."""
        store = self.store
        if store is None:
            return None
        entry = self.name(purpose, *parts)
        try:
            value, milliseconds = await store.ask(lambda client: _value(client, entry))
        except AwayError:
            return None
        found = self.unsealed(entry, value)
        store.counts.look(found)
        if found is None or milliseconds <= 0:
            return None
        # the store's clock counts too: that of the process which stored the entry may be ahead
        return Entry(found.content, min(found.seconds, milliseconds / 1000))

    async def put(self, purpose: str, *parts: str | bytes, content: bytes, seconds: float) -> None:
        """Store an entry for some seconds, if the store can be reached."""
        if self.store is not None:
            await self.put_named(self.name(purpose, *parts), content, seconds)

    async def put_named(self, entry: str, content: bytes, seconds: float) -> None:
        """Store an entry under its name."""
        store = self.store
        if store is None or seconds <= 0 or len(content) > LARGEST:
            return
        value = self.sealed(entry, content, seconds)
        try:
            await store.ask(lambda client: client.set(entry, value, px=max(1, int(seconds * 1000))))
        except AwayError:
            return

    async def drop(self, purpose: str, *parts: str | bytes) -> None:
        """Drop an entry, if the store can be reached; else it runs out."""
        store = self.store
        if store is None:
            return
        entry = self.name(purpose, *parts)
        try:
            await store.ask(lambda client: client.delete(entry))
        except AwayError:
            return

    def _mac(self, *parts: bytes) -> bytes:
        return hmac.digest(self._key, b"\0".join(parts), "sha256")


async def _value(client: "Redis", entry: str) -> tuple[Any, int]:
    pipeline = client.pipeline(transaction=True)
    pipeline.getrange(entry, 0, MOST_BYTES)  # one byte more than an entry has: of a larger value no more is read
    pipeline.pttl(entry)
    value, milliseconds = await pipeline.execute()
    return value, milliseconds
