"""What an update would make of a document: MongoDB's own answer, in a transaction that is always aborted."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument

from shared.documents.ejson import Document
from shared.documents.elements import decoded
from shared.mongo.clients import RAW
from shared.service import Service

_COLLECTION = "explained"  # of the control database: no transaction on it is ever committed


class Change(NamedTuple):
    """An update, operators or a pipeline, with its arrayFilters; or a replacement."""

    update: Any
    array_filters: list[Document] | None = None
    is_replacement: bool = False


async def dry_run(service: Service, document: Mapping[str, Any], change: Change) -> tuple[bytes, bytes]:
    """Return a document as it would be stored, and what the change would make of it.

    Nothing is written, neither there nor in the collection that the document comes from. Raise what MongoDB raises.
    """
    database = service.control.database
    collection = database.get_collection(_COLLECTION, codec_options=RAW)
    old = RawBSONDocument(bson.encode({"_id": bson.ObjectId(), **document}), RAW)
    async with database.client.start_session() as session:
        await session.start_transaction()
        try:
            await collection.insert_one(old, session=session)
            by_id = {"_id": {"$eq": decoded(bytes(old.raw))["_id"]}}
            new: Any
            if change.is_replacement:
                new = await collection.find_one_and_replace(
                    by_id, change.update, return_document=ReturnDocument.AFTER, session=session
                )
            else:
                new = await collection.find_one_and_update(
                    by_id,
                    change.update,
                    array_filters=change.array_filters,
                    return_document=ReturnDocument.AFTER,
                    session=session,
                )
        finally:
            if session.in_transaction:
                await session.abort_transaction()
    return bytes(old.raw), bytes(new.raw)
