"""What an update would make of a document: MongoDB's own answer, in a transaction that is always aborted."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument
from pymongo.errors import OperationFailure

from shared.documents.ejson import Document
from shared.documents.elements import decoded
from shared.errors import CommandFailedError
from shared.mongo.clients import RAW, Collection
from shared.mongo.deadlines import Session
from shared.mongo.refusals import translated
from shared.service import Service

_COLLECTION = "explained"  # of the control database: no transaction on it is ever committed


class Change(NamedTuple):
    """An update, operators or a pipeline, with its arrayFilters; or a replacement."""

    update: Any
    array_filters: list[Document] | None = None
    is_replacement: bool = False


class _Stored(NamedTuple):
    """A document in a transaction that is always aborted."""

    raw: bytes
    target: Collection
    session: Session
    by_id: Document


async def dry_run(service: Service, document: Mapping[str, Any], change: Change) -> tuple[bytes, bytes] | str:
    """Return a document as it would be stored, and what the change would make of it; or why MongoDB refuses it.

    Nothing is written, neither there nor in the collection that the document comes from.
    """
    async with _stored(service, document) as stored:
        try:
            return stored.raw, await _changed(stored, change)
        except OperationFailure as error:
            refusal = translated(error)
            if isinstance(refusal, CommandFailedError):
                return str(refusal)
            raise


async def is_found(service: Service, document: Mapping[str, Any], condition: Document) -> bool:
    """Tell whether a query would find a document, if it were stored."""
    async with _stored(service, document) as stored:
        found = await stored.target.find_one({"$and": [stored.by_id, condition]}, session=stored.session)
    return found is not None


async def _changed(stored: _Stored, change: Change) -> bytes:
    new: Any
    if change.is_replacement:
        new = await stored.target.find_one_and_replace(
            stored.by_id, change.update, return_document=ReturnDocument.AFTER, session=stored.session
        )
    else:
        new = await stored.target.find_one_and_update(
            stored.by_id,
            change.update,
            array_filters=change.array_filters,
            return_document=ReturnDocument.AFTER,
            session=stored.session,
        )
    return bytes(new.raw)


@asynccontextmanager
async def _stored(service: Service, document: Mapping[str, Any]) -> AsyncIterator[_Stored]:
    database = service.control.database
    target = database.get_collection(_COLLECTION, codec_options=RAW)
    raw = RawBSONDocument(bson.encode({"_id": bson.ObjectId(), **document}), RAW)
    by_id = {"_id": {"$eq": decoded(bytes(raw.raw))["_id"]}}
    async with database.client.start_session() as session:
        await session.start_transaction()
        try:
            await target.insert_one(raw, session=session)
            yield _Stored(bytes(raw.raw), target, session, by_id)
        finally:
            if session.in_transaction:
                await session.abort_transaction()
