"""BSON documents cut and joined as the bytes that are stored, so that no value changes on the way (pure).

An identity is the document `{"_id": …}` with the bytes of a document's _id.
"""

import struct
from collections.abc import Iterable

from shared.documents.elements import ARRAY, DOCUMENT, spans

_TIMESTAMP = 0x11
_MAX_KEY = 0x7F
_ID = b"_id"
_NAME_ENDS = 8  # in an identity: four bytes of length, one of the value's kind, three of the name


def identity(document: bytes) -> bytes | None:
    """Return a document's identity, None if it has no _id."""
    for name, start, _, end in spans(document):
        if name == _ID:
            return join(document[start:end])
    return None


def is_max_key(identified: bytes) -> bool:
    """Tell whether the _id is MaxKey, which no other follows."""
    return identified[4] == _MAX_KEY


def under(name: str, identified: bytes) -> bytes:
    """Return the document `{name: …}` with the value of an identity."""
    return join(_named(name, identified))


def any_of(identities: Iterable[bytes]) -> bytes:
    """Return the filter `{"_id": {"$in": […]}}` with the values of these identities."""
    values = join(b"".join(_named(str(position), each) for position, each in enumerate(identities)))
    return join(_embedded(DOCUMENT, "_id", join(_embedded(ARRAY, "$in", values))))


def literal(document: bytes) -> bytes:
    """Return the expression `{"$literal": document}`."""
    return join(_embedded(DOCUMENT, "$literal", document))


def with_identity(identified: bytes, document: bytes) -> bytes:
    """Return a document that has no _id with this one in front."""
    return join(identified[4:-1] + document[4:-1])


def with_id_first(document: bytes) -> bytes:
    """Return a document with its _id in front, where MongoDB puts it."""
    first = True
    for name, start, _, end in spans(document):
        if name == _ID:
            return document if first else join(document[start:end] + document[4:start] + document[end:-1])
        first = False
    return document


def has_empty_timestamp(document: bytes) -> bool:
    """Tell whether MongoDB would put its own time into a member, as it does when such a document is inserted."""
    if bytes(8) not in document:
        return False
    return any(
        document[start] == _TIMESTAMP and not any(document[value:end])
        for name, start, value, end in spans(document)
        if name != _ID
    )


def join(elements: bytes) -> bytes:
    """Return the document of these elements."""
    return struct.pack("<i", len(elements) + 5) + elements + b"\0"


def _named(name: str, identified: bytes) -> bytes:
    return identified[4:5] + name.encode() + identified[_NAME_ENDS:-1]


def _embedded(kind: int, name: str, document: bytes) -> bytes:
    return bytes((kind,)) + name.encode() + b"\0" + document
