"""Writes under the rules of the app: checked before they count.

A write that changes or removes documents reads them, checks what becomes of them and is kept or undone in one
transaction, so that no other write comes between the check and what was checked.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument
from pymongo.errors import OperationFailure

from shared import turns
from shared.access import inserts
from shared.access.protocol import Changes, Reply
from shared.access.ruled import in_parts
from shared.access.ruled_matches import AT_ONCE, RuledMatches
from shared.access.schema_check import SchemaCheck
from shared.documents.ejson import Document
from shared.documents.elements import DBREF_MARK, decoded, has_empty_timestamp
from shared.documents.stored import Encoded, Storable
from shared.errors import CommandFailedError, DataAPIError, DeniedWriteError, NoRoleError
from shared.mongo.clients import RAW
from shared.mongo.deadlines import Session, transaction
from shared.mongo.refusals import translated
from shared.rules import field_paths
from shared.rules.field_paths import Touched
from shared.rules.ruleset import NO_ROLE, Rights
from shared.rules.writing import Decision
from shared.turns import Steps

_NOBODY: Document = {"$nor": [{}]}


class RuledWrites(RuledMatches):
    """The writes of one collection as the rules open it to one call."""

    async def insert_one(self, document: Storable) -> Reply:
        """Insert a document if its role and the schema allow it."""
        (new,) = await turns.taken(self._insertable([document]))
        if new.is_dated:
            await self._transaction(lambda session: self._inserted(session, [new]))
        else:
            await self.target.insert_one(RawBSONDocument(new.raw, RAW))
        return self.full.reply({"insertedId": new.id}, 1)

    async def insert_many(self, documents: Sequence[Storable]) -> Reply:
        """Insert all documents, or none."""
        new = await turns.taken(self._insertable(documents))
        if len(new) == 1 and not new[0].is_dated:
            await self.target.insert_one(RawBSONDocument(new[0].raw, RAW))
        else:
            await self._transaction(lambda session: self._inserted(session, new))
        return await self.full.inserted([each.id for each in new])

    async def update_one(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        """Change the first visible document that matches."""
        update = _Update(condition, changes, array_filters, self._touched(changes, array_filters), upsert)
        return self._updated(await self._transaction(lambda session: self._update_one(session, update)))

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        """Change all visible documents that match, or none."""
        update = _Update(condition, changes, array_filters, self._touched(changes, array_filters), upsert)
        return self._updated(await self._transaction(lambda session: self._update_many(session, update)))

    async def replace_one(self, condition: Document, replacement: Storable, *, upsert: bool) -> Reply:
        """Put another document in the place of the first visible one that matches."""
        update = _Update(condition, inserts.sent(replacement), None, None, upsert, is_replacement=True)
        return self._updated(await self._transaction(lambda session: self._update_one(session, update)))

    async def delete_one(self, condition: Document) -> Reply:
        """Delete the first visible document that matches."""
        count = await self._transaction(lambda session: self._delete(session, condition, 1))
        return self.full.reply({"deletedCount": count}, count)

    async def delete_many(self, condition: Document) -> Reply:
        """Delete all visible documents that match, or none."""
        count = await self._transaction(lambda session: self._delete(session, condition, None))
        return self.full.reply({"deletedCount": count}, count)

    def _updated(self, counts: Mapping[str, Any]) -> Reply:
        return self.full.reply(counts, 1 if "upsertedId" in counts else counts["matchedCount"])

    async def _transaction[T](self, work: Callable[[Session], Awaitable[T]]) -> T:
        return await transaction(self.target, work, self.settings.mongo_db_timeout_ms)

    @cached_property
    def _schema_check(self) -> SchemaCheck:
        return SchemaCheck(self.schema, self.rights, self.expansions, self.settings)

    def _insertable(self, documents: Sequence[Storable]) -> Steps[list["_New"]]:
        """Return new documents as the bytes that were checked, all of them before the first is sent."""
        new = []
        for position, document in enumerate(documents):
            raw, id_ = yield from inserts.encoded(document)
            yield
            # a reference is an object here that is stored as a document
            values = None if isinstance(document, Encoded) or DBREF_MARK in raw else {"_id": id_, **document}
            with _about(position):
                inserts.refuse_large(raw)
                self._check_insert(raw, values)
            new.append(_New(id_, raw, has_empty_timestamp(raw)))
            yield
        return new

    async def _inserted(self, session: Session, new: "Sequence[_New]") -> None:
        """Insert documents inside the transaction, and check again what MongoDB has stored in place of some."""
        await inserts.insert(self.target, [each.raw for each in new], session)
        dated = {bson.encode({"_id": each.id}): position for position, each in enumerate(new) if each.is_dated}
        ids = [new[position].id for position in dated.values()]
        for stored in await self.stored(session, {"_id": {"$in": ids}}) if ids else ():
            with _about(dated.get(_key(stored), 0)):
                self._check_insert(stored)

    def _check_insert(self, new: bytes, values: Document | None = None) -> None:
        decision = self.rights.may_insert(new, values)
        if not decision.allowed:
            _deny("insert", decision)
        self._schema_check.refuse("insert", None, new)

    def _touched(self, changes: Changes, array_filters: list[Any] | None) -> Touched | None:
        """Return the paths that an update names; None stands for all, as for a pipeline that may read any."""
        if isinstance(changes, list):
            if not self.rights.is_full:
                field_paths.refuse_stages(changes)
            return None
        return field_paths.of_update(changes, array_filters or [])

    async def _update_one(self, session: Session, update: "_Update") -> dict[str, Any]:
        found = await self.visible(session, update.condition, 1)
        if not found:
            return await self._upserted(session, update)
        await self._check_touched(found, update)
        update = update.of_existing()
        if not update.is_replacement and not update.changes:
            return {"matchedCount": 1, "modifiedCount": 0}
        condition = self.again({"_id": {"$eq": _id(found[0])}}, update.condition)
        new = await self._changed(session, condition, update, upsert=False)
        self._check_update(found[0], new)
        return {"matchedCount": 1, "modifiedCount": int(found[0] != new)}

    async def _update_many(self, session: Session, update: "_Update") -> dict[str, Any]:
        found = await self.visible(session, update.condition, None)
        if not found:
            return await self._upserted(session, update)
        await self._check_touched(found, update)
        update = update.of_existing()
        modified = 0
        for start in range(0, len(found) if update.changes else 0, AT_ONCE):
            old = {_key(each): each for each in found[start : start + AT_ONCE]}
            ids = {"_id": {"$in": [_id(each) for each in old.values()]}}
            with _without_text(self.rights):
                await self.target.update_many(
                    self.again(ids, update.condition),
                    update.changes,
                    array_filters=update.array_filters,
                    session=session,
                )
            async for some in in_parts(await self.stored(session, ids)):
                for new in some:
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
        with _without_text(self.rights):
            if update.is_replacement:
                new = await self.target.find_one_and_replace(
                    condition, update.changes, upsert=upsert, return_document=ReturnDocument.AFTER, session=session
                )
            else:
                new = await self.target.find_one_and_update(
                    condition,
                    update.changes,
                    upsert=upsert,
                    array_filters=update.array_filters,
                    return_document=ReturnDocument.AFTER,
                    session=session,
                )
        return bytes(new.raw)

    async def _check_touched(self, found: Sequence[bytes], update: "_Update") -> None:
        """Deny before MongoDB tries: its refusals name the type of what they refuse."""
        rights = self.rights
        async for some in in_parts(found, 0 if update.touched is None else len(update.touched.paths)):
            for old in some:
                decision = rights.may_replace(old) if update.is_replacement else rights.may_touch(old, update.touched)
                if not decision.allowed:
                    _deny("update", decision)

    def _check_update(self, old: bytes, new: bytes) -> None:
        decision = self.rights.may_update(old, new)
        if not decision.allowed:
            _deny("update", decision)
        self._schema_check.refuse("update", old, new)

    async def _delete(self, session: Session, condition: Document, limit: int | None) -> int:
        ids = []
        async for part in in_parts(await self.visible(session, condition, limit)):
            for old in part:
                decision = self.rights.may_delete(old)
                if not decision.allowed:
                    _deny("delete", decision)
                ids.append(_id(old))
        count = 0
        for start in range(0, len(ids), AT_ONCE):
            some = {"_id": {"$in": ids[start : start + AT_ONCE]}}
            count += (await self.target.delete_many(some, session=session)).deleted_count
        return count


class _New(NamedTuple):
    id: Any
    raw: bytes
    is_dated: bool
    """Whether MongoDB will put its own time into it, so that what is stored is not what was checked."""


class _Update(NamedTuple):
    condition: Document
    changes: Any
    array_filters: list[Any] | None
    touched: Touched | None
    upsert: bool
    is_replacement: bool = False

    def of_existing(self) -> "_Update":
        """Return what it does to a document that is there, where $setOnInsert does nothing but tell by its errors."""
        if self.is_replacement or not isinstance(self.changes, dict):
            return self
        return self._replace(changes={name: self.changes[name] for name in self.changes if name != "$setOnInsert"})


@contextmanager
def _without_text(rights: Rights) -> Iterator[None]:
    """Leave out the text of a refusal of MongoDB's: it may repeat values of the document that are hidden."""
    try:
        yield
    except OperationFailure as error:
        refusal = translated(error)
        if not isinstance(refusal, CommandFailedError) or rights.shows_everything:
            raise
        name = str(refusal).partition(")")[0]
        raise CommandFailedError(f"{name}) MongoDB cannot make this change of the document") from error


@contextmanager
def _about(position: int) -> Iterator[None]:
    """Note of a refusal which of several documents it is about."""
    try:
        yield
    except DataAPIError as error:
        error.position = position
        raise


def _id(raw: bytes) -> Any:
    return decoded(raw)["_id"]


def _key(raw: bytes) -> bytes:
    return bson.encode({"_id": _id(raw)})


def _deny(verb: str, decision: Decision) -> NoReturn:
    error: DataAPIError = (
        NoRoleError(NO_ROLE) if decision.reason == NO_ROLE else DeniedWriteError(f"{verb} not permitted")
    )
    raise error.because(str(decision))
