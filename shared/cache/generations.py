"""The generations of collections: marks in the store that every write changes, and that every cached reply carries."""

from collections.abc import Sequence
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.cache.entries import MOST_BYTES, Entries
from shared.cache.store import EPOCH, Store
from shared.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

_LONGEST_MARK = 64
_MARK_SECONDS = 7 * 24 * 3600


class Lookup(NamedTuple):
    """What the store says before a read: the cached reply or none, and the marks of what it is read from.

    Without marks nothing may be cached.
    """

    body: bytes | None
    marks: bytes | None


class Generations:
    """Cached replies, each of the generation of every collection that it was read from."""

    def __init__(self, entries: Entries, settings: Settings) -> None:
        """Take where replies are cached, and which collections have cached ones."""
        self._entries = entries
        self._settings = settings

    @property
    def store(self) -> Store | None:
        """The store, None if nothing can be cached."""
        return self._entries.store

    def name(self, content: bytes) -> str:
        """Return the name of a reply that follows from this content, besides the documents."""
        return self._entries.name("reply", content)

    async def find(self, store: Store, entry: str, namespaces: Sequence[str]) -> Lookup:
        """Look up a reply that is younger than the last write to each of these; raise AwayError."""
        found = await store.ask(lambda client: self._find(client, entry, namespaces))
        store.counts.look(found.body)
        return found

    async def put(self, entry: str, marks: bytes, body: bytes, seconds: float) -> None:
        """Cache a reply that was read after its marks were."""
        await self._entries.put_named(entry, marks + body, seconds)

    async def invalidate(self, store: Store, namespace: str, closed_seconds: float = 0) -> None:
        """Begin a new generation of a collection; after a write that may still happen, cache nothing for a while."""
        await store.change(lambda client: _renew(client, namespace, closed_seconds))

    async def invalidate_if_cached(self, namespace: str) -> None:
        """Begin a new generation of a collection that an admin process has written to."""
        store = self.store if namespace in self._settings.cached else None
        if store is not None:
            await self.invalidate(store, namespace)

    async def _find(self, client: "Redis", entry: str, namespaces: Sequence[str]) -> Lookup:
        keys = [EPOCH, *(_generation(each) for each in namespaces)]
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.getrange(key, 0, _LONGEST_MARK)
        pipeline.expire(EPOCH, _MARK_SECONDS)  # a replica refuses that: what it knows may be old
        pipeline.exists(*(_closed(each) for each in namespaces))
        pipeline.getrange(entry, 0, MOST_BYTES)
        *generations, prolonged, closed, value = await pipeline.execute(raise_on_error=False)
        if isinstance(prolonged, Exception):
            raise prolonged
        if b"" in generations:
            generations = await _begun(client, keys)
        if closed != 0 or not all(isinstance(mark, bytes) and mark for mark in generations):
            return Lookup(None, None)
        marks = sha256(repr(generations).encode()).digest()
        cached = self._entries.unsealed(entry, value)
        is_young = cached is not None and cached.content.startswith(marks)
        return Lookup(cached.content[len(marks) :] if cached is not None and is_young else None, marks)


async def _begun(client: "Redis", keys: Sequence[str]) -> list[Any]:
    """Return the marks, new ones where there are none."""
    pipeline = client.pipeline(transaction=True)
    for key in keys:
        pipeline.set(key, token_hex(16), ex=_MARK_SECONDS, nx=True)
        pipeline.getrange(key, 0, _LONGEST_MARK)
    return (await pipeline.execute(raise_on_error=False))[1::2]


async def _renew(client: "Redis", namespace: str, closed_seconds: float) -> None:
    """Remove the mark, which needs no memory: the next reader makes a random one, so that no lost one comes again."""
    pipeline = client.pipeline(transaction=False)
    pipeline.delete(_generation(namespace))
    if closed_seconds > 0:
        pipeline.set(_closed(namespace), 1, px=int(closed_seconds * 1000))
        pipeline.delete(_generation(namespace))  # one that a reader made before it was closed
    await pipeline.execute()


def _generation(namespace: str) -> str:
    return f"dozen:generation:{_hash(namespace)}"


def _closed(namespace: str) -> str:
    return f"dozen:closed:{_hash(namespace)}"


def _hash(namespace: str) -> str:
    return sha256(namespace.encode(errors="surrogatepass")).hexdigest()
