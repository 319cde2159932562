"""Bodies whose documents are read to BSON at once, by native code, for calls that store them as they are (pure)."""

import struct
import time

from bson.objectid import ObjectId

from shared.documents import ejson, elements
from shared.documents.ejson import Document
from shared.documents.large_bodies import LARGE
from shared.documents.stored import Encoded, Stored
from shared.documents.transcoder import Reader
from shared.errors import InvalidJSONError
from shared.turns import Steps

_AT_ONCE = 64 * 1024  # bytes of text
_START = struct.Struct(">I5s")
_COUNTERS = 2**24


def loads(
    make_reader: type[Reader], body: bytes, stored: Stored, most_levels: int, most_members: int
) -> Steps[Document | None]:
    """Return what `ejson.loads` returns, its stored documents encoded; None to let it decide.

    That is so for whatever it would refuse, whose words are about the whole body.
    """
    reader = make_reader(
        body,
        stored.member.encode(),
        are_many=stored.are_many,
        new_ids=_new_ids if stored.are_new else None,
        most_levels=most_levels,
        most_members=most_members,
    )
    documents = (yield from _documents(reader, stored)) if reader.begin() else None
    rest = None if documents is None else reader.rest()
    if documents is None or rest is None or len(rest) >= LARGE:
        return None
    try:
        members = ejson.loads(rest, most_levels, most_members)
    except InvalidJSONError:
        return None
    members[stored.member] = documents if stored.are_many else documents[0]
    return members


def _documents(reader: Reader, stored: Stored) -> Steps[list[Encoded] | None]:
    documents: list[Encoded] = []
    while (found := reader.read(_AT_ONCE)) is not None:
        raws, ids = found
        if not raws:
            return documents
        documents += map(Encoded, raws, elements.decoded(ids).values()) if stored.are_new else map(Encoded, raws)
        yield
    return None


def _new_ids(count: int) -> bytes:
    """Return the first of so many new ObjectIds, which the driver makes one by one; they differ in their counter."""
    with ObjectId._inc_lock:
        first = ObjectId._inc
        ObjectId._inc = (first + count) % _COUNTERS
    return _START.pack(int(time.time()), ObjectId._random()) + first.to_bytes(3)
