"""What the rules of the app let through: documents trimmed to what may be read, writes checked before they count.

A write that changes or removes documents reads them, checks what becomes of them and is kept or undone in one
transaction, so that no other write comes between the check and what was checked.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, NamedTuple, NoReturn

import bson
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument
from pymongo.errors import OperationFailure

from shared.access.full import Changes, FullAccess
from shared.access.trimming import View
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import split
from shared.errors import (
    CommandFailedError,
    DataAPIError,
    DeniedWriteError,
    NoRoleError,
    SchemaFailedError,
)
from shared.mongo import clients as mongo
from shared.mongo import reads
from shared.mongo.clients import Session
from shared.mongo.reads import Reading
from shared.rules import field_paths
from shared.rules.expressions import Expansions
from shared.rules.roles import Decision
from shared.rules.ruleset import NO_ROLE, OPTIONS, Rights
from shared.rules.schema import Schema
from shared.rules.values import Path

_SMALLEST_BATCH, _LARGEST_BATCH = 32, 1_000
_AT_ONCE = 1_000  # documents of an update that are changed with one command
_NOBODY: Document = {"$nor": [{}]}
_SIMPLE = {"locale": "simple"}  # rules compare texts as they are, whatever the collection's own collation


class RuledAccess:
    """One collection as the rules open it to one call."""

    __slots__ = ("_expansions", "_full", "_rights", "_schema", "_target")

    def __init__(self, full: FullAccess, rights: Rights, schema: Schema | None, expansions: Expansions) -> None:
        """Take the unbound access, the rights of the caller, the schema of the collection, and what expansions mean."""
        self._full = full
        self._target = full.target
        self._rights = rights
        self._schema = schema
        self._expansions = expansions

    @property
    def full(self) -> FullAccess:
        """The unbound access."""
        return self._full

    async def find_one(self, reading: Reading) -> bytes:
        """Return the first visible document that matches, or null."""
        if self._rights.is_full:
            return await self._full.find_one(reading)
        found = await self._found(reading)
        self._full.documents = min(len(found), 1)
        return replies.rendered_document(found[0] if found else None)

    async def find(self, reading: Reading) -> bytes:
        """Return the visible documents that match, in the order asked for; those that are not visible do not count."""
        if self._rights.is_full:
            return await self._full.find(reading)
        found = await self._found(reading)
        self._full.documents = len(found)
        return replies.rendered_documents(found)

    async def aggregate(self, pipeline: list[Document]) -> bytes:
        """Run a pipeline on what stages can make of the collection for this caller; refuse if they cannot."""
        if self._rights.is_full:
            return await self._full.aggregate(pipeline)
        field_paths.refuse_stages(pipeline)
        stages = self._rights.readable_stages()
        if stages is None:
            raise NoRoleError("aggregate cannot be used with the rules of this collection: use find").because(
                "the rules cannot be written as stages of a pipeline"
            )
        return await self._full.aggregate([*stages, *pipeline], collation=_SIMPLE)

    async def insert_one(self, document: Document) -> bytes:
        """Insert a document if its role and the schema allow it."""
        new = self._insertable(document)
        await self._target.insert_one(new)
        return self._reply({"insertedId": new["_id"]})

    async def insert_many(self, documents: list[Document]) -> bytes:
        """Insert all documents, or none."""
        new = [self._insertable(each) for each in documents]
        if len(new) == 1:
            await self._target.insert_one(new[0])
        else:
            await mongo.transaction(self._target, lambda session: self._target.insert_many(new, session=session))
        return self._reply({"insertedIds": [each["_id"] for each in new]})

    async def update_one(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> bytes:
        """Change the first visible document that matches."""
        update = _Update(condition, changes, array_filters, self._touched(changes, array_filters), upsert)
        return self._reply(await mongo.transaction(self._target, lambda session: self._update_one(session, update)))

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> bytes:
        """Change all visible documents that match, or none."""
        update = _Update(condition, changes, array_filters, self._touched(changes, array_filters), upsert)
        return self._reply(await mongo.transaction(self._target, lambda session: self._update_many(session, update)))

    async def replace_one(self, condition: Document, replacement: Document, *, upsert: bool) -> bytes:
        """Put another document in the place of the first visible one that matches."""
        update = _Update(condition, replacement, None, None, upsert, is_replacement=True)
        return self._reply(await mongo.transaction(self._target, lambda session: self._update_one(session, update)))

    async def delete_one(self, condition: Document) -> bytes:
        """Delete the first visible document that matches."""
        count = await mongo.transaction(self._target, lambda session: self._delete(session, condition, 1))
        return self._reply({"deletedCount": count})

    async def delete_many(self, condition: Document) -> bytes:
        """Delete all visible documents that match, or none."""
        count = await mongo.transaction(self._target, lambda session: self._delete(session, condition, None))
        return self._reply({"deletedCount": count})

    @property
    def documents(self) -> int | None:
        """How many a call read, inserted, matched or deleted, for the log."""
        return self._full.documents

    def _reply(self, members: Mapping[str, Any]) -> bytes:
        self._full.documents = _concerned(members)
        return replies.reply(members, self._full.form)

    # what may be read

    async def _found(self, reading: Reading) -> list[dict[str, Any]]:
        """Return the visible documents, rendered and trimmed."""
        view = View.of(reading.projection, self._rights)
        used = self._asked(self._used(reading.filter) | field_paths.of_sort(dict(reading.sort or ()))) | view.parts
        self._asked(view.parts | view.sliced)
        is_exact = self._rights.finds_just_visible(used)
        sent = Reading(
            self._condition(reading.filter),
            view.sent,
            reading.sort,
            limit=reading.limit if is_exact else 0,
            skip=reading.skip if is_exact else 0,
        )
        if is_exact and (reading.limit, reading.skip) == (1, 0):
            raw = await reads.first(self._target, sent, self._full.settings)
            return [] if raw is None else list(view.shown(raw, used, self._full.form))
        batch_size = 0 if is_exact else _batch_size((reading.end or _LARGEST_BATCH) + 1)
        start, end = (0, None) if is_exact else (reading.skip, reading.end)
        found: list[dict[str, Any]] = []
        async with aclosing(reads.find(self._target, sent, self._full.settings, batch_size)) as batches:
            async for batch in batches:
                found += view.shown(batch, used, self._full.form)
                if end is not None and len(found) >= end:
                    break
        return found[start:end]

    def _used(self, condition: Document) -> set[Path]:
        return set() if self._rights.is_full else field_paths.of_filter(condition)

    def _asked(self, used: set[Path]) -> set[Path]:
        """Return the paths that must be readable for a document to match; refuse those that never can be."""
        if self._full.settings.rules_allow_hidden_field_queries:
            return set()
        hidden = self._rights.hidden(used)
        if hidden is not None:
            raise NoRoleError(f"no role lets you read the field '{'.'.join(hidden)[:200]}', which the call uses")
        return used

    def _condition(self, condition: Document) -> Document:
        """Return the caller's condition with what is known of the documents that are visible."""
        visible = self._rights.query.query
        return {"$and": [condition, visible]} if condition and visible else condition or visible

    # what may be written

    def _insertable(self, document: Document) -> RawBSONDocument:
        """Return a new document as the bytes that were checked."""
        if "_id" not in document:
            document = {"_id": ObjectId(), **document}
        raw = bson.encode(document)
        self._check_insert(raw)
        return RawBSONDocument(raw, self._target.codec_options)

    def _check_insert(self, new: bytes) -> None:
        decision = self._rights.insert(new)
        if not decision.allowed:
            _deny("insert", decision)
        self._check_schema("insert", None, new)

    def _check_schema(self, verb: str, old: bytes | None, new: bytes) -> None:
        if self._schema is None:
            return
        after = bson.decode(new, OPTIONS)
        before = None if old is None else bson.decode(old, OPTIONS)
        allowed = self._full.settings.schema_null_type_validation
        failures = self._schema.failures(after, before, self._expansions, null_allowed=allowed)
        if failures:
            raise SchemaFailedError(f"{verb} not permitted: schema validation failed: {'; '.join(failures)}")

    def _touched(self, changes: Changes, array_filters: list[Any] | None) -> set[Path] | None:
        """Return the paths that an update names; None stands for all, as for a pipeline that may read any."""
        if isinstance(changes, list):
            if not self._rights.is_full:
                field_paths.refuse_expressions(changes)
            return None
        return field_paths.of_update(changes, array_filters or [])

    async def _update_one(self, session: Session, update: "_Update") -> dict[str, Any]:
        found = await self._visible(session, update.condition, 1)
        if not found:
            return await self._upserted(session, update)
        self._check_touched(found, update)
        condition = {"$and": [{"_id": {"$eq": _id(found[0])}}, update.condition]}
        new = await self._changed(session, condition, update, upsert=False)
        self._check_update(found[0], new)
        return {"matchedCount": 1, "modifiedCount": int(found[0] != new)}

    async def _update_many(self, session: Session, update: "_Update") -> dict[str, Any]:
        found = await self._visible(session, update.condition, None)
        if not found:
            return await self._upserted(session, update)
        self._check_touched(found, update)
        modified = 0
        for start in range(0, len(found), _AT_ONCE):
            old = {_key(each): each for each in found[start : start + _AT_ONCE]}
            ids = {"_id": {"$in": [_id(each) for each in old.values()]}}
            with self._telling_nothing():
                await self._target.update_many(
                    {"$and": [ids, update.condition]},
                    update.changes,
                    array_filters=update.array_filters,
                    session=session,
                )
            for new in await self._stored(session, ids):
                before = old.pop(_key(new))
                self._check_update(before, new)
                modified += before != new
        return {"matchedCount": len(found), "modifiedCount": modified}

    async def _upserted(self, session: Session, update: "_Update") -> dict[str, Any]:
        if not update.upsert:
            return {"matchedCount": 0, "modifiedCount": 0}
        # a document that the caller cannot see may match: it is not to be met
        new = await self._changed(session, {"$and": [update.condition, _NOBODY]}, update, upsert=True)
        self._check_insert(new)
        return {"matchedCount": 0, "modifiedCount": 0, "upsertedId": _id(new)}

    async def _changed(self, session: Session, condition: Document, update: "_Update", *, upsert: bool) -> bytes:
        """Change or insert one document inside the transaction, and return what became of it."""
        new: Any
        with self._telling_nothing():
            if update.is_replacement:
                new = await self._target.find_one_and_replace(
                    condition, update.changes, upsert=upsert, return_document=ReturnDocument.AFTER, session=session
                )
            else:
                new = await self._target.find_one_and_update(
                    condition,
                    update.changes,
                    upsert=upsert,
                    array_filters=update.array_filters,
                    return_document=ReturnDocument.AFTER,
                    session=session,
                )
        return bytes(new.raw)

    @contextmanager
    def _telling_nothing(self) -> Iterator[None]:
        """Leave out the text of a refusal of MongoDB's: it may show values of the document that are hidden."""
        try:
            yield
        except OperationFailure as error:
            refusal = mongo.translated(error)
            if not isinstance(refusal, CommandFailedError) or self._rights.shows_everything:
                raise
            name = str(refusal).partition(")")[0]
            raise CommandFailedError(f"{name}) MongoDB cannot make this change of the document") from error

    def _check_touched(self, found: Iterable[bytes], update: "_Update") -> None:
        """Deny before MongoDB is asked: its refusals tell the type of what they are about."""
        for old in found:
            decision = self._rights.replace(old) if update.is_replacement else self._rights.touch(old, update.touched)
            if not decision.allowed:
                _deny("update", decision)

    def _check_update(self, old: bytes, new: bytes) -> None:
        decision = self._rights.update(old, new)
        if not decision.allowed:
            _deny("update", decision)
        self._check_schema("update", old, new)

    async def _delete(self, session: Session, condition: Document, limit: int | None) -> int:
        ids = []
        for old in await self._visible(session, condition, limit):
            decision = self._rights.delete(old)
            if not decision.allowed:
                _deny("delete", decision)
            ids.append(_id(old))
        count = 0
        for start in range(0, len(ids), _AT_ONCE):
            some = {"_id": {"$in": ids[start : start + _AT_ONCE]}}
            count += (await self._target.delete_many(some, session=session)).deleted_count
        return count

    async def _visible(self, session: Session, condition: Document, limit: int | None) -> list[bytes]:
        """Return the stored bytes of the first documents that match and that the caller sees."""
        used = self._asked(self._used(condition))
        cursor = self._target.find_raw_batches(
            self._condition(condition), batch_size=_batch_size(limit or _LARGEST_BATCH), session=session
        )
        found: list[bytes] = []
        async with aclosing(reads.batches(cursor, self._full.settings)) as batches:
            async for batch in batches:
                documents = bson.decode_all(batch, OPTIONS)
                masks = self._rights.masks(documents, used)
                found += [raw for raw, mask in zip(split(batch), masks, strict=True) if mask is not None]
                if limit is not None and len(found) >= limit:
                    break
        return found[:limit]

    async def _stored(self, session: Session, condition: Document) -> list[bytes]:
        cursor = self._target.find_raw_batches(condition, session=session)
        batches = reads.batches(cursor, self._full.settings)
        return [raw async for batch in batches for raw in split(batch)]


class _Update(NamedTuple):
    condition: Document
    changes: Any
    array_filters: list[Any] | None
    touched: Iterable[Path] | None
    upsert: bool
    is_replacement: bool = False


def _concerned(members: Mapping[str, Any]) -> int:
    """Return how many documents a write's reply tells of."""
    if "insertedIds" in members:
        return len(members["insertedIds"])
    if "insertedId" in members or "upsertedId" in members:
        return 1
    count: int = members["matchedCount"] if "matchedCount" in members else members["deletedCount"]
    return count


def _batch_size(wanted: int) -> int:
    return max(_SMALLEST_BATCH, min(wanted, _LARGEST_BATCH))


def _id(raw: bytes) -> Any:
    return bson.decode(raw, OPTIONS)["_id"]


def _key(raw: bytes) -> bytes:
    return bson.encode({"_id": _id(raw)})


def _deny(verb: str, decision: Decision) -> NoReturn:
    error: DataAPIError = (
        NoRoleError(NO_ROLE) if decision.reason == NO_ROLE else DeniedWriteError(f"{verb} not permitted")
    )
    raise error.because(str(decision))
