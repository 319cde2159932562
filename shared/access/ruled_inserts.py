"""New documents under the rules of the app: checked before they are stored."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, NamedTuple, NoReturn

import bson
from bson.raw_bson import RawBSONDocument

from shared import turns
from shared.access import inserts
from shared.access.protocol import Reply
from shared.access.ruled import Ruled
from shared.access.schema_check import SchemaCheck
from shared.documents.ejson import Document
from shared.documents.elements import (
    ARRAY,
    DBREF_MARK,
    array_of,
    decoded,
    elements,
    has_empty_timestamp,
    identity,
    wrapped,
)
from shared.documents.stored import Encoded, Storable
from shared.errors import DataAPIError, DeniedWriteError, InvalidParameterError, NoRoleError
from shared.mongo.clients import RAW
from shared.mongo.deadlines import Session, transaction
from shared.rules.answers import answered, in_turns
from shared.rules.writing import NO_ROLE, Decision
from shared.turns import Waiting


class RuledInserts(Ruled):
    """The inserts into one collection as the rules open it to one call."""

    async def insert_one(self, document: Storable) -> Reply:
        """Insert a document if its role and the schema allow it."""
        (new,) = await turns.taken(self._insertable([document]))
        if new.is_dated:
            await self._transaction(lambda session: self._inserted(session, [new]))
        else:
            await self.target.insert_one(RawBSONDocument(new.raw, RAW), **self._commented)
        return self.full.reply({"insertedId": new.id}, 1)

    async def insert_many(self, documents: Sequence[Storable]) -> Reply:
        """Insert all documents, or none."""
        if "ordered" in self.full.options.given:
            raise InvalidParameterError("option 'ordered' is not allowed where rules apply: all are inserted, or none")
        new = await turns.taken(self._insertable(documents))
        if len(new) == 1 and not new[0].is_dated:
            await self.target.insert_one(RawBSONDocument(new[0].raw, RAW), **self._commented)
        else:
            await self._transaction(lambda session: self._inserted(session, new))
        return await self.full.inserted([each.id for each in new])

    async def _transaction[T](self, work: Callable[[Session], Awaitable[T]]) -> T:
        return await transaction(self.target, work, self.settings.mongo_db_timeout_ms)

    @property
    def _commented(self) -> dict[str, Any]:
        return self.full.options.only("comment")

    @cached_property
    def _schema_check(self) -> SchemaCheck:
        return SchemaCheck(self.schema, self.rights, self.expansions, self.settings)

    def _insertable(self, documents: Sequence[Storable]) -> Waiting[list["_New"]]:
        """Return new documents as the bytes that were checked, all of them before the first is sent."""
        new = []
        for position, document in enumerate(documents):
            raw, id_ = yield from inserts.encoded(document)
            yield None
            # a reference is an object here that is stored as a document
            values = None if isinstance(document, Encoded) or DBREF_MARK in raw else {"_id": id_, **document}
            with _about(position):
                inserts.refuse_large(raw)
                yield from in_turns(partial(self._refuse_insert, raw, values))
            new.append(_New(id_, raw, has_empty_timestamp(raw)))
            yield None
        return new

    async def _inserted(self, session: Session, new: "Sequence[_New]") -> None:
        """Insert documents inside the transaction, and check again what MongoDB has stored in place of some."""
        await inserts.insert(self.target, [each.raw for each in new], session, **self._commented)
        dated = {bson.encode({"_id": each.id}): position for position, each in enumerate(new) if each.is_dated}
        ids = [new[position].id for position in dated.values()]
        for stored in await self.stored(session, {"_id": {"$in": ids}}) if ids else ():
            with _about(dated.get(key_of(stored), 0)):
                await self._check_insert(stored)

    async def _check_insert(self, new: bytes) -> None:
        await answered(partial(self._refuse_insert, new))

    def _refuse_insert(self, new: bytes, values: Document | None = None) -> None:
        decision = self.rights.may_insert(new, values)
        if not decision.allowed:
            deny("insert", decision)
        self._schema_check.refuse("insert", None, new)


class _New(NamedTuple):
    id: Any
    raw: bytes
    is_dated: bool
    """Whether MongoDB will put its own time into it, so that what is stored is not what was checked."""


def id_of(raw: bytes) -> Any:
    """Return the _id of a stored document."""
    return decoded(raw)["_id"]


def key_of(raw: bytes) -> bytes:
    """Return the _id of a stored document as bytes, by which documents can be told apart."""
    return identity(raw) or b""


def the_same(documents: Iterable[bytes]) -> Document:
    """Return the filter for documents that were found: by the very bytes of their _id, which decoding may bend."""
    ids = [elements(key_of(each))["_id"] for each in documents]
    return {"_id": RawBSONDocument(wrapped("$in", array_of(ids), ARRAY))}


@contextmanager
def _about(position: int) -> Iterator[None]:
    """Note of a refusal which of several documents it is about."""
    try:
        yield
    except DataAPIError as error:
        error.position = position
        raise


def deny(verb: str, decision: Decision) -> NoReturn:
    """Raise what a caller gets whose write is denied."""
    error: DataAPIError = (
        NoRoleError(NO_ROLE) if decision.reason == NO_ROLE else DeniedWriteError(f"{verb} not permitted")
    )
    raise error.because(str(decision))
