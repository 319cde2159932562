"""The generations of collections: marks in the store that every write changes, and that every kept reply carries."""

from collections.abc import Sequence
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from shared import settings
from shared.cache import entries
from shared.cache.store import EPOCH, Store

if TYPE_CHECKING:
    from redis.asyncio import Redis

_LONGEST_MARK = 64
_MARK_SECONDS = 7 * 24 * 3600


class Found(NamedTuple):
    """What the store says before a read: the kept reply or none, and the marks of what it is read from.

    Without marks nothing may be kept.
    """

    body: bytes | None
    marks: bytes | None


async def find(store: Store, entry: str, namespaces: Sequence[str]) -> Found:
    """Look for a reply that was kept under this name and is younger than the last write to each of these."""
    return await store.ask(lambda client: _find(client, entry, namespaces))


async def keep(store: Store, entry: str, marks: bytes, body: bytes, seconds: float) -> None:
    """Keep a reply that was read after its marks were."""
    content = marks + body
    if len(content) <= entries.LARGEST:
        await entries.put(store, entry, entries.sealed(entry, content, seconds), seconds)


async def renew(store: Store, namespace: str, closed_seconds: float = 0) -> None:
    """Make useless what was kept of a collection; after a write that may still happen, keep nothing for a while."""
    await store.tell(lambda client: _renew(client, namespace, closed_seconds))


async def written(namespace: str) -> None:
    """Make useless what was kept of a collection that an admin process has written to."""
    store = entries.store() if namespace in settings.current().cached else None
    if store is not None:
        await renew(store, namespace)


async def _find(client: "Redis", entry: str, namespaces: Sequence[str]) -> Found:
    keys = [EPOCH, *(_generation(each) for each in namespaces)]
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.getrange(key, 0, _LONGEST_MARK)
    pipeline.expire(EPOCH, _MARK_SECONDS)  # a replica refuses that: what it knows may be old
    pipeline.exists(*(_closed(each) for each in namespaces))
    pipeline.getrange(entry, 0, entries.MOST_BYTES)
    *given, prolonged, closed, value = await pipeline.execute(raise_on_error=False)
    if isinstance(prolonged, Exception):
        raise prolonged
    if b"" in given:
        given = await _begun(client, keys)
    if closed != 0 or not all(isinstance(mark, bytes) and mark for mark in given):
        return Found(None, None)
    marks = sha256(repr(given).encode()).digest()
    kept = entries.opened(entry, value)
    is_young = kept is not None and kept.content.startswith(marks)
    return Found(kept.content[len(marks) :] if kept is not None and is_young else None, marks)


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
