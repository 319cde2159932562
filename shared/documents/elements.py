"""BSON as the bytes it is stored in: every place that is cut out of it or put together (pure).

The bytes of a value tell it from another of any type, and are the value itself where decoding would bend it.
An identity is the document `{"_id": …}` of the very bytes of a document's _id.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import batched
from typing import Any, NamedTuple

import bson
from bson import _array_of_documents_to_buffer
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion

from shared.turns import Steps

DBREF_MARK = b"$ref\0"
"""What stands in the bytes of every document in which the decoder would make a DBRef of a document."""


class UnreadDocument(dict[str, Any]):
    """Hides its keys from the decoder, which looks for `$ref` to make a DBRef and would lose the members' order."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)


_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_EXACT_OPTIONS: CodecOptions[Any] = _OPTIONS.with_options(document_class=UnreadDocument)

DOCUMENT, ARRAY, SYMBOL, TIMESTAMP, MAX_KEY = 0x03, 0x04, 0x0E, 0x11, 0x7F

_MANY = 1_000  # members that are encoded at once
_INT32 = struct.Struct("<i")
_HEADER = 4  # bytes, the length before the elements of a document or an array
_INNER = _HEADER + 2 + _HEADER  # before the elements of a document that is the only element, without a name
_FRAME = _HEADER + 1  # with the zero byte after them
_ID = b"_id"
_ID_VALUE = _HEADER + 1 + len(_ID) + 1  # where the value of an identity starts
_BATCH = b"\x04firstBatch\0"
_BATCH_VALUE = _HEADER + len(_BATCH)
_NO_MORE = b"\x12id\0" + bytes(8)


class Element(NamedTuple):
    """A member's BSON type and the bytes of its value."""

    kind: int
    value: bytes

    @property
    def members(self) -> dict[str, "Element"]:
        """The members of an embedded document, or of an array by position."""
        return elements(self.value)


def encoded(document: dict[str, Any]) -> Steps[bytes]:
    """Return the bytes of a document as the driver sends it; lists and objects of many members in parts."""
    if not has_many(document):
        return bson.encode(document)
    if "_id" in document:
        document = {"_id": document["_id"], **document}
    parts: list[bytes] = []
    for name, value in document.items():
        if has_many({name: value}):
            kind = ARRAY if type(value) is list else DOCUMENT
            parts += (named(kind, name), (yield from _encoded_members(value)))
        else:
            parts.append(bson.encode({name: value})[_HEADER:-1])
            yield
    return document_of(b"".join(parts))


def has_many(document: dict[str, Any]) -> bool:
    """Tell whether a member of a document has so many of its own that they are encoded in parts."""
    return any((type(each) is list or type(each) is dict) and len(each) > _MANY for each in document.values())


def _encoded_members(value: list[Any] | dict[str, Any]) -> Steps[bytes]:
    members = value.items() if type(value) is dict else ((str(place), each) for place, each in enumerate(value))
    parts = []
    for some in batched(members, _MANY, strict=False):
        parts.append(bson.encode({"": dict(some)})[_INNER:-2])  # the driver puts the _id of the outermost in front
        yield
    return document_of(b"".join(parts))


def decoded(document: bytes) -> dict[str, Any]:
    """Return a document as rules and schemas see it: of dicts and lists alone, in the order of their members."""
    if DBREF_MARK not in document:
        return bson.decode(document, _OPTIONS)
    plain: dict[str, Any] = _plain(bson.decode(document, _EXACT_OPTIONS))
    return plain


def decoded_all(batch: bytes) -> list[dict[str, Any]]:
    """Return concatenated documents as rules and schemas see them."""
    if DBREF_MARK not in batch:
        return bson.decode_all(batch, _OPTIONS)
    return [_plain(each) for each in bson.decode_all(batch, _EXACT_OPTIONS)]


def _plain(value: Any) -> Any:
    if type(value) is UnreadDocument:
        return {name: _plain(each) for name, each in value.items()}
    if type(value) is Code and value.scope is not None:
        return Code(str(value), _plain(value.scope))
    return [_plain(each) for each in value] if type(value) is list else value


def elements(document: bytes) -> dict[str, Element]:
    """Return the members of a BSON document by name, in their order."""
    found: dict[str, Element] = {}
    position = _HEADER
    while (kind := document[position]) != 0:
        end = document.index(b"\0", position + 1)
        name = document[position + 1 : end].decode()
        position = end + 1
        size = _SIZES[kind](document, position)
        found[name] = Element(kind, document[position : position + size])
        position += size
    return found


def spans(document: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """Give of each member the bytes of its name, where it starts, where its value starts and where it ends.

    Raise ValueError or LookupError for bytes that are no document.
    """
    position = _HEADER
    while (kind := document[position]) != 0:
        name_ends = document.index(b"\0", position + 1)
        value = name_ends + 1
        end = value + _SIZES[kind](document, value)
        if end < value:
            raise ValueError("a negative length")
        yield document[position + 1 : name_ends], position, value, end
        position = end


def is_document(data: bytes) -> bool:
    """Tell whether bytes are a document, as far as its members, their types and their lengths go."""
    try:
        found = list(spans(data))
    except (ValueError, LookupError, struct.error):
        return False
    end = found[-1][3] if found else _HEADER
    return _length(data) == len(data) == end + 1


def document_of(content: bytes) -> bytes:
    """Return the document of these elements."""
    return _INT32.pack(len(content) + _FRAME) + content + b"\0"


def wrapped(name: str, value: bytes, kind: int = DOCUMENT) -> bytes:
    """Return the document `{name: value}` of a document, or of a value of another kind."""
    return document_of(named(kind, name) + value)


def split(batch: bytes) -> list[bytes]:
    """Return the documents that are concatenated in a batch."""
    found, start = [], 0
    while start < len(batch):
        end = start + _length(batch, start)
        found.append(batch[start:end])
        start = end
    return found


def pieces(batch: bytes, size: int) -> Iterator[bytes]:
    """Give concatenated documents in pieces of not much more than a size, none of them torn."""
    start = 0
    while len(batch) - start > size:
        end = start
        while end - start < size:
            end += _length(batch, end)
        yield batch[start:end]
        start = end
    if start < len(batch) or not batch:
        yield batch[start:]


def first_batch(cursor: bytes) -> tuple[bytes, bool]:
    """Return the concatenated documents of a reply's cursor, and whether there are no others."""
    if cursor.startswith(_BATCH, _HEADER):
        end = _BATCH_VALUE + _length(cursor, _BATCH_VALUE)
        if cursor.startswith(_NO_MORE, end):
            return _array_of_documents_to_buffer(cursor[_BATCH_VALUE:end]), True
    members = elements(cursor)  # another server's order of members, or more to come
    return _array_of_documents_to_buffer(members["firstBatch"].value), not any(members["id"].value)


def kinds_of(name: str, batch: bytes) -> set[bytes]:
    """Return at least the BSON types, as bytes, of all the elements of a name in concatenated documents.

    An element is stored as the byte of its type, its name, a zero byte and its value, so that before every place
    where the name stands with its zero byte, if that is an element, stands its type. Splitting finds every such place
    and none twice: a name holds no zero byte, so two of them cannot overlap. Other places count as well, such as the
    end of a longer name, of a text, or of the same name at another depth: they can add a type, and take none away.
    """
    before = batch.split(name.encode() + b"\0")
    before.pop()
    return {part[-1:] for part in before}


def has_empty_timestamp(document: bytes) -> bool:
    """Tell whether MongoDB would put its own time into a member, as it does when such a document is inserted."""
    if bytes(8) not in document:
        return False
    return any(
        document[start] == TIMESTAMP and not any(document[value:end])
        for name, start, value, end in spans(document)
        if name != _ID
    )


def identity(document: bytes) -> bytes | None:
    """Return the identity of a document, None if it has no _id."""
    for name, start, _, end in spans(document):
        if name == _ID:
            return document_of(document[start:end])
    return None


def with_identity(identified: bytes, document: bytes) -> bytes:
    """Return a document that has no _id with this one in front."""
    return document_of(identified[_HEADER:-1] + document[_HEADER:-1])


def with_id_first(document: bytes) -> bytes:
    """Return a document with its _id, if it has one, in front of all other members."""
    for name, start, _, end in spans(document):
        if name == _ID and start > _HEADER:
            return document_of(document[start:end] + document[_HEADER:start] + document[end:-1])
        if name == _ID:
            break
    return document


def valued(name: str, identified: bytes) -> bytes:
    """Return the document `{name: …}` with the value of an identity."""
    kind, value = _value_of(identified)
    return document_of(named(kind, name) + value)


def array_of(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the array of these types and the bytes of their values."""
    return document_of(b"".join(named(kind, str(position)) + value for position, (kind, value) in enumerate(elements)))


def array_in_steps(documents: Sequence[bytes]) -> Steps[bytes]:
    """Return the array of documents."""
    parts: list[bytes] = []
    for position, document in enumerate(documents):
        parts += (named(DOCUMENT, str(position)), document)
        yield
    return document_of(b"".join(parts))


def among(identities: Iterable[bytes]) -> bytes:
    """Return the filter `{"_id": {"$in": […]}}` of the values of identities."""
    return wrapped("_id", document_of(named(ARRAY, "$in") + array_of(map(_value_of, identities))))


def _value_of(identified: bytes) -> tuple[int, bytes]:
    return identified[_HEADER], identified[_ID_VALUE:-1]


def named(kind: int, name: str) -> bytes:
    """Return what stands in front of the value of an element."""
    return bytes([kind]) + name.encode() + b"\0"


def _length(data: bytes, position: int = 0) -> int:
    return int(_INT32.unpack_from(data, position)[0])


def _fixed(size: int) -> Callable[[bytes, int], int]:
    return lambda _data, _position: size


def _prefixed(extra: int) -> Callable[[bytes, int], int]:
    def size(data: bytes, position: int) -> int:
        return _length(data, position) + extra

    return size


def _two_strings(data: bytes, position: int) -> int:
    return data.index(b"\0", data.index(b"\0", position) + 1) + 1 - position


_SIZES: dict[int, Callable[[bytes, int], int]] = {
    0x01: _fixed(8),  # double
    0x02: _prefixed(4),  # string
    DOCUMENT: _prefixed(0),
    ARRAY: _prefixed(0),
    0x05: _prefixed(5),  # binary: its length does not count the length and the subtype
    0x06: _fixed(0),  # undefined
    0x07: _fixed(12),  # ObjectId
    0x08: _fixed(1),  # boolean
    0x09: _fixed(8),  # date
    0x0A: _fixed(0),  # null
    0x0B: _two_strings,  # regular expression
    0x0C: _prefixed(16),  # DBPointer
    0x0D: _prefixed(4),  # JavaScript
    0x0E: _prefixed(4),  # symbol
    0x0F: _prefixed(0),  # JavaScript with scope
    0x10: _fixed(4),  # int32
    TIMESTAMP: _fixed(8),
    0x12: _fixed(8),  # int64
    0x13: _fixed(16),  # Decimal128
    MAX_KEY: _fixed(0),
    0xFF: _fixed(0),  # MinKey
}
