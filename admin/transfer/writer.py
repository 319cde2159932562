"""Documents into a collection, so that one that comes again is recognized: never lost, never doubled."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from admin.namespace import RawCollection
from admin.transfer.retries import TRANSIENT, wait_or_raise
from shared.documents import elements
from shared.errors import Unavailable, UnconfirmedWriteError
from shared.mongo.refusals import translated

type OnConflict = Literal["fail", "skip", "replace"]

_DUPLICATE_KEY = 11000
_LONGEST_REASON = 300
_BATCH_SECONDS = 300  # a server that is gone is noticed much sooner


class Entry(NamedTuple):
    """A document, the line that it stands in, and the document of its _id alone."""

    line: int
    document: bytes
    identity: bytes


class Failure(NamedTuple):
    """A document that was not stored, and why."""

    line: int
    reason: str


class Counts(msgspec.Struct):
    """What became of documents; `unchanged` are those that were stored already, byte for byte."""

    inserted: int = 0
    replaced: int = 0
    skipped: int = 0
    unchanged: int = 0
    failed: int = 0

    def since(self, before: "Counts") -> "Counts":
        """Return what was counted since then."""
        earlier = msgspec.structs.asdict(before)
        return Counts(**{name: count - earlier[name] for name, count in msgspec.structs.asdict(self).items()})

    @property
    def total(self) -> int:
        """All of them."""
        return self.inserted + self.replaced + self.skipped + self.unchanged + self.failed


class CollectionWriter:
    """Writes batches; when `write` returns, a majority of the replica set has each document on its disks."""

    def __init__(self, collection: RawCollection, on_conflict: OnConflict, counts: Counts) -> None:
        """Take the collection, what happens to a document whose _id another has, and the counts to add to."""
        self._collection = collection
        self._on_conflict = on_conflict
        self._counts = counts

    async def write(self, entries: Sequence[Entry]) -> list[Failure]:
        """Write a batch, again when the connection is lost, and return what was refused, in the order of lines."""
        attempt = 1
        while True:
            before = msgspec.structs.asdict(self._counts)
            try:
                async with asyncio.timeout(_BATCH_SECONDS):
                    return sorted(await self._write(entries))
            except (PyMongoError, TimeoutError, *TRANSIENT) as error:
                for name, count in before.items():
                    setattr(self._counts, name, count)
                await wait_or_raise(error, attempt)
                attempt += 1

    async def _write(self, entries: Sequence[Entry]) -> list[Failure]:
        refused = await self._insert(entries)
        self._counts.inserted += len(entries) - len(refused)
        conflicts = [entry for entry in entries if _is_about_id(refused.get(entry.line))]
        conflicting = {entry.line for entry in conflicts}
        failures = [Failure(line, _reason(error)) for line, error in refused.items() if line not in conflicting]
        if self._on_conflict == "replace":
            failures += await self._replace(conflicts)
        else:
            failures += await self._compare(conflicts)
        self._counts.failed += len(failures)
        return failures

    async def _insert(self, entries: Sequence[Entry]) -> dict[int, dict[str, Any]]:
        """Insert what is not there, and return the server's errors by line."""
        usual = [entry for entry in entries if not elements.has_empty_timestamp(entry.document)]
        refused: dict[int, dict[str, Any]] = {}
        if usual:
            documents = [RawBSONDocument(entry.document) for entry in usual]
            refused = await _errors(usual, lambda: self._collection.insert_many(documents, ordered=False))
        others = [entry for entry in entries if elements.has_empty_timestamp(entry.document)]
        if others:
            # An insert would put the server's time into the empty timestamp; a pipeline does not. Its filter matches
            # nothing, so that it inserts, or fails as an insert would.
            writes = [_update(entry, {"$nor": [{}]}) for entry in others]
            refused |= await _errors(others, lambda: self._collection.bulk_write(writes, ordered=False))
        return refused

    async def _replace(self, conflicts: Sequence[Entry]) -> list[Failure]:
        """Replace one after the other: of lines with the same _id the last counts."""
        failures = []
        for entry in conflicts:
            write = _update(entry, {})
            try:
                result = await self._collection.bulk_write([write])
            except BulkWriteError as error:
                failures.append(Failure(entry.line, _reason(_write_errors(error)[0])))
            else:
                changed = result.modified_count + result.upserted_count
                self._counts.replaced += changed
                self._counts.unchanged += 1 - changed
        return failures

    async def _compare(self, conflicts: Sequence[Entry]) -> list[Failure]:
        failures = []
        unchanged = {line async for line in self._unchanged(conflicts)}
        self._counts.unchanged += len(unchanged)
        for entry in conflicts:
            if entry.line in unchanged:
                continue
            if self._on_conflict == "skip":
                self._counts.skipped += 1
            else:
                failures.append(Failure(entry.line, "another document with this _id is stored already"))
        return failures

    async def _unchanged(self, conflicts: Sequence[Entry]) -> AsyncIterator[int]:
        """Yield the lines of the documents that are stored byte for byte."""
        if not conflicts:
            return
        by_identity: dict[bytes, list[Entry]] = {}
        for entry in conflicts:
            by_identity.setdefault(entry.identity, []).append(entry)
        async for stored in self._collection.find(RawBSONDocument(elements.among(by_identity))):
            document = bytes(stored.raw)
            for entry in by_identity.get(elements.identity(document) or b"", ()):
                if entry.document == document:
                    yield entry.line


def _update(entry: Entry, condition: dict[str, Any]) -> UpdateOne:
    same_id = RawBSONDocument(elements.valued("$eq", entry.identity))
    literal = RawBSONDocument(elements.wrapped("$literal", entry.document))
    return UpdateOne({"_id": same_id, **condition}, [{"$replaceWith": literal}], upsert=True)


async def _errors(entries: Sequence[Entry], write: Any) -> dict[int, dict[str, Any]]:
    try:
        await write()
    except BulkWriteError as error:
        return {entries[each["index"]].line: each for each in _write_errors(error)}
    return {}


def _write_errors(error: BulkWriteError) -> list[dict[str, Any]]:
    """Return what the server refused; raise if it did not confirm the rest, or refused for a transient reason."""
    details = error.details or {}
    refused: list[dict[str, Any]] = details.get("writeErrors") or []
    if details.get("writeConcernErrors") or not refused:
        raise UnconfirmedWriteError(Unavailable.UNCONFIRMED)
    for each in refused:
        one = translated(BulkWriteError({"writeErrors": [each], "writeConcernErrors": []}))
        if isinstance(one, TRANSIENT):
            raise one
    return refused


def _is_about_id(error: dict[str, Any] | None) -> bool:
    if error is None or error.get("code") != _DUPLICATE_KEY:
        return False
    if "keyPattern" in error:
        return set(error["keyPattern"]) == {"_id"}
    return " _id_ " in str(error.get("errmsg"))  # servers that do not name the key name the index


def _reason(error: dict[str, Any]) -> str:
    return str(error.get("errmsg", "MongoDB refuses it"))[:_LONGEST_REASON]
