"""Many documents on their way to MongoDB: encoded in steps, sent in commands that others need not wait for."""

from collections.abc import Iterator, Sequence
from typing import Any

from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError

from shared.documents import elements
from shared.documents.ejson import Document
from shared.documents.stored import Encoded, Storable
from shared.errors import InvalidParameterError
from shared.mongo.clients import RAW, Collection
from shared.mongo.deadlines import Session, is_current
from shared.mongo.outcomes import note_write
from shared.mongo.refusals import is_unconfirmed
from shared.turns import Steps

MOST_DOCUMENTS = 2_000
"""Of one command: the driver needs some milliseconds for them."""

MOST_BYTES = 4 * 1024 * 1024
"""Of one command, unless a document has more."""

MOST_OF_ONE = 16 * 1024 * 1024 + 16 * 1024
"""Bytes of a document: MongoDB refuses a whole command with a larger one, and smaller ones each by itself."""


def sent(document: Storable) -> Document | RawBSONDocument:
    """Return a document as the driver takes it."""
    return RawBSONDocument(document.raw, RAW) if isinstance(document, Encoded) else document


def encoded(document: Storable) -> Steps[Encoded]:
    """Return a new document as it is sent."""
    if isinstance(document, Encoded):
        return document
    if "_id" not in document:
        document = {"_id": ObjectId(), **document}
    return Encoded((yield from elements.encoded(document)), document["_id"])


def all_encoded(documents: Sequence[Storable]) -> Steps[list[Encoded]]:
    """Return new documents as they are sent, all of them before the first is."""
    new = []
    for document in documents:
        new.append((yield from encoded(document)))
        yield
    return new


def refuse_large(raw: bytes) -> None:
    """Raise InvalidParameterError for a document that no command may hold."""
    if len(raw) > MOST_OF_ONE:
        raise InvalidParameterError(f"the document is too large: it has {len(raw)} bytes, MongoDB takes 16 MiB")


async def insert(
    target: Collection,
    documents: Sequence[bytes],
    session: Session | None = None,
    *,
    ordered: bool = True,
    **options: Any,
) -> None:
    """Insert documents in order, up to the first that fails, by as many commands as they need.

    Without an order, all are inserted that do not fail. Nothing else is sent if MongoDB cannot read one.
    """
    refused = next(([each] for each in documents if len(each) > MOST_OF_ONE), None)
    sent, first_failure = 0, None
    for some in _commands(documents) if refused is None else [refused]:
        new = [RawBSONDocument(each, RAW) for each in some]
        try:
            await target.insert_many(new, ordered=ordered, session=session, **options)
        except BaseException as error:
            if isinstance(error, BulkWriteError):
                for each in error.details["writeErrors"]:
                    each["index"] += sent
                if not (ordered or is_unconfirmed(error) or is_current()):
                    first_failure = first_failure or error
                    sent += len(some)
                    continue
            if sent and session is None and not is_current():
                note_write(error)
            raise
        sent += len(some)
    if first_failure is not None:
        raise first_failure


def _commands(documents: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    start, size = 0, 0
    for place, document in enumerate(documents):
        if place - start == MOST_DOCUMENTS or (size and size + len(document) > MOST_BYTES):
            yield documents[start:place]
            start, size = place, 0
        size += len(document)
    yield documents[start:]
