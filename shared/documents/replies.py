"""BSON -> the text of a reply, as plain JSON or as canonical Extended JSON (pure).

Documents arrive as the bytes that MongoDB sent. PyMongo's C decoder reads them and hands every value of a type that
JSON lacks, by the table of the wanted format, to a function below; orjson then writes what comes out. Where there is
native code, it is asked first, and gives the same bytes or None.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import batched
from math import copysign
from typing import Any, Literal

import bson
import orjson
from bson.binary import Binary
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from orjson import Fragment

from shared.documents import dates, decimals
from shared.documents.elements import DBREF_MARK, UnreadDocument, document_of, pieces, spans, split
from shared.documents.transcoder import Writer as Native
from shared.turns import Steps

type Format = Literal["JSON", "EJSON"]
type Writer = Callable[[Any], Any]

CONTENT_TYPES: dict[Format, str] = {"JSON": "application/json", "EJSON": "application/ejson"}

COMMA, LINE = b",", b"\n"
"""What is between the texts of documents."""

PIECE = 64 * 1024
"""Bytes of documents that are made text, or decided on, at once: some milliseconds."""

NATIVE_PIECE = 512 * 1024
"""The same in native code."""

_VALUES_AT_ONCE = 500
_EXACT_DOUBLE = 2.0**53
_REGEX_LETTERS = ((2, "i"), (4, "l"), (8, "m"), (16, "s"), (32, "u"), (64, "x"))  # re's flags, in BSON's order


def reply(members: Mapping[str, Any], form: Format, native: Native | None) -> bytes:
    """Return a reply made of Python values, such as counters and inserted ids."""
    return _text(bson.encode(members), form, native)


def long_reply(name: str, values: Sequence[Any], form: Format, native: Native | None) -> Steps[bytes]:
    """Return a reply of one list of Python values."""
    texts = []
    for start in range(0, len(values), _VALUES_AT_ONCE):
        some = _text(bson.encode({"": values[start : start + _VALUES_AT_ONCE]}), form, native)
        texts.append(some.removeprefix(b'{"":[').removesuffix(b"]}"))
        yield
    return b'{"%b":[%b]}' % (name.encode(), b",".join(texts))


def long_members(values: Mapping[str, Any], form: Format, native: Native | None) -> Steps[bytes]:
    """Return an object of many Python values."""
    texts = []
    for some in batched(values.items(), _VALUES_AT_ONCE, strict=False):
        texts.append(reply(dict(some), form, native)[1:-1])
        yield
    return b"{%b}" % b",".join(texts)


def one_document(document: bytes | None, form: Format, native: Native | None) -> bytes:
    """Return findOne's reply for the BSON bytes of a document, or for none."""
    if document is None:
        return b'{"document":null}'
    made = None if native is None else native.document(document, form)
    return orjson.dumps({"document": _decode(document, form)}) if made is None else b'{"document":%b}' % made


def batch_of_documents(batch: bytes, form: Format, native: Native | None) -> tuple[bytes, int]:
    """Return concatenated BSON documents, as a cursor gives them, as texts with commas between, and their number."""
    made = None if native is None else native.batch(batch, form)
    if made is not None:
        return made
    decoded = _decode_all(batch, form) if batch else []
    return orjson.dumps(decoded)[1:-1], len(decoded)


def texts_of_documents(
    batch: bytes, form: Format, native: Native | None, separator: bytes = COMMA
) -> Steps[tuple[list[bytes], int]]:
    """Return the same in several texts, or with the ends of lines between."""
    if native is None:
        return (yield from _texts_of_objects(batch, form, separator))
    if separator != COMMA:
        return (yield from _separated(batch, form, native, separator))
    found, documents = [], 0
    for piece in pieces(batch, NATIVE_PIECE):
        made = native.batch(piece, form)
        yield
        texts, number = (yield from _texts_of_objects(piece, form, COMMA)) if made is None else ([made[0]], made[1])
        found += texts
        documents += number
    return found, documents


def _separated(batch: bytes, form: Format, native: Native, separator: bytes) -> Steps[tuple[list[bytes], int]]:
    found, documents = [], 0
    for piece in pieces(batch, PIECE):
        each = split(piece)
        found.append(separator.join([_text(document, form, native) for document in each]))
        documents += len(each)
        yield
    return found, documents


def _texts_of_objects(batch: bytes, form: Format, separator: bytes) -> Steps[tuple[list[bytes], int]]:
    """Return them where only a piece is objects at a time, which take many times its bytes."""
    found, documents = [], 0
    for piece in pieces(batch, PIECE):
        decoded = _decode_all(piece, form) if piece else []
        yield  # both take long where a document is large
        is_one = separator == COMMA
        found.append(orjson.dumps(decoded)[1:-1] if is_one else separator.join(map(orjson.dumps, decoded)))
        documents += len(decoded)
        yield
    return found, documents


def texts_of_values(array: bytes, form: Format) -> Steps[tuple[list[bytes], int]]:
    """Return the values of a BSON array in the same way."""
    found, values, piece_starts = [], 0, None
    for _, start, _, end in spans(array):
        piece_starts = start if piece_starts is None else piece_starts
        values += 1
        if end - piece_starts >= PIECE:
            found.append(_text_of_values(array[piece_starts:end], form))
            piece_starts = None
            yield
    if piece_starts is not None:
        found.append(_text_of_values(array[piece_starts:-1], form))
    return found, values


def _text_of_values(content: bytes, form: Format) -> bytes:
    return orjson.dumps([*_decode(document_of(content), form).values()])[1:-1]


def rendered(batch: bytes, form: Format) -> list[dict[str, Any]]:
    """Return concatenated BSON documents with their structure and names, every value made what JSON has for it."""
    return _decode_all(batch, form)


def text(rendered: Mapping[str, Any]) -> bytes:
    """Return a rendered document as text, without the room that orjson keeps behind its own."""
    return b"".join((orjson.dumps(rendered), b""))


def only_document(found: Iterable[bytes]) -> bytes:
    """Return findOne's reply for at most one document that is text already."""
    return b'{"document":%b}' % (b"".join(found) or b"null")


def many_documents(texts: Iterable[bytes], cursor: str | None = None) -> list[bytes]:
    """Return find's reply in parts, for documents that are text already, with a cursor if there are others."""
    parts = listed("documents", texts)
    return parts if cursor is None else [*parts[:-1], b'],"cursor":"%b"}' % cursor.encode()]


def events(texts: Iterable[bytes], resume_token: str) -> list[bytes]:
    """Return the reply of events that are text already, with the token behind them."""
    return [*listed("events", texts)[:-1], b'],"resumeToken":"%b"}' % resume_token.encode()]


def listed(name: str, texts: Iterable[bytes]) -> list[bytes]:
    """Return a reply of one list in parts, whose items are text already."""
    parts = [b'{"%b":[' % name.encode()]
    for text in texts:
        if text:
            parts += (text, b",")
    return [*parts[: max(1, len(parts) - 1)], b"]}"]


def lines(texts: Iterable[bytes]) -> list[bytes]:
    """Return the same documents in parts, a line for each; they are text with the ends of lines between."""
    return [part for text in texts if text for part in (text, LINE)]


def without_last(
    texts: Sequence[bytes], document: bytes, form: Format, native: Native | None, separator: bytes
) -> list[bytes]:
    """Return texts of documents without the last, which is this."""
    *others, text = (each for each in texts if each)
    shorter = text.removesuffix(_text(document, form, native)).removesuffix(separator)
    return [*others, shorter]


def _text(document: bytes, form: Format, native: Native | None) -> bytes:
    made = None if native is None else native.document(document, form)
    return orjson.dumps(_decode(document, form)) if made is None else made


def _decode(document: bytes, form: Format) -> Any:
    return bson.decode(document, _options(document, form))


def _decode_all(batch: bytes, form: Format) -> list[Any]:
    return bson.decode_all(batch, _options(batch, form))


def _options(data: bytes, form: Format) -> CodecOptions[Any]:
    return (_EXACT_OPTIONS if DBREF_MARK in data else _OPTIONS)[form]


def _json_double(value: float) -> Any:
    """Write a whole double without a point, as Go and JavaScript do; orjson itself writes NaN and infinity as null."""
    if not value.is_integer():
        return value
    if -_EXACT_DOUBLE <= value <= _EXACT_DOUBLE:
        return int(value) if value or copysign(1, value) > 0 else Fragment(b"-0")
    shortest = repr(value)
    return Fragment((shortest if abs(value) >= 1e21 else str(int(Decimal(shortest)))).encode())


def _canonical_double(value: float) -> Any:
    if 1e-3 <= value < 1e15:  # orjson gives the same digits as repr, sooner
        return {"$numberDouble": orjson.dumps(value).decode()}
    shortest = repr(value)
    return {"$numberDouble": _NOT_FINITE.get(shortest, shortest)}


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _canonical_binary(value: bytes) -> Any:
    return {"$binary": {"base64": _base64(value), "subType": f"{_subtype(value):02x}"}}


def _subtype(value: bytes) -> int:
    return value.subtype if isinstance(value, Binary) else 0


def _regex_options(value: Regex[Any]) -> str:
    return "".join(letter for flag, letter in _REGEX_LETTERS if value.flags & flag)


def _json_code(value: Code) -> Any:
    return str(value) if value.scope is None else {"Code": str(value), "Scope": value.scope}


def _canonical_code(value: Code) -> Any:
    return {"$code": str(value)} if value.scope is None else {"$code": str(value), "$scope": value.scope}


_JSON: dict[type, Writer] = {
    Binary: lambda value: {"Subtype": value.subtype, "Data": _base64(value)},
    Code: _json_code,
    DBRef: lambda value: {"DB": value.collection, "Pointer": str(value.id)},
    DatetimeMS: lambda value: dates.to_iso(int(value)),
    Decimal128: lambda value: decimals.text(value.bid),
    MaxKey: lambda _value: {},
    MinKey: lambda _value: {},
    ObjectId: lambda value: value.binary.hex(),
    Regex: lambda value: {"Pattern": value.pattern, "Options": _regex_options(value)},
    Timestamp: lambda value: {"T": value.time, "I": value.inc},
    bytes: lambda value: {"Subtype": 0, "Data": _base64(value)},
    datetime: dates.json_date,
    float: _json_double,
}

_CANONICAL: dict[type, Writer] = {
    Binary: _canonical_binary,
    Code: _canonical_code,
    DBRef: lambda value: {"$dbPointer": {"$ref": value.collection, "$id": {"$oid": str(value.id)}}},
    DatetimeMS: dates.canonical_far_date,
    Decimal128: lambda value: {"$numberDecimal": decimals.text(value.bid)},
    Int64: lambda value: {"$numberLong": str(value)},
    MaxKey: lambda _value: {"$maxKey": 1},
    MinKey: lambda _value: {"$minKey": 1},
    ObjectId: lambda value: {"$oid": value.binary.hex()},
    Regex: lambda value: {"$regularExpression": {"pattern": value.pattern, "options": _regex_options(value)}},
    Timestamp: lambda value: {"$timestamp": {"t": value.time, "i": value.inc}},
    bytes: _canonical_binary,
    datetime: dates.canonical_date,
    float: _canonical_double,
    int: lambda value: {"$numberInt": str(value)},
}


def _decoder(kind: type, write: Writer) -> TypeDecoder:
    """Return PyMongo's form of "values of this type go through this function"."""
    members = {"bson_type": kind, "transform_bson": staticmethod(write)}
    return type("Decoder", (TypeDecoder,), members)()  # type: ignore[no-any-return]


def _codec(form: Format, document_class: type) -> CodecOptions[Any]:
    writers = {"JSON": _JSON, "EJSON": _CANONICAL}[form]
    return CodecOptions(
        document_class=document_class,
        type_registry=TypeRegistry([_decoder(kind, write) for kind, write in writers.items()]),
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        unicode_decode_error_handler="replace",  # text that is not UTF-8 must not make a document unreadable
    )


def _codecs(document_class: type) -> dict[Format, CodecOptions[Any]]:
    return {"JSON": _codec("JSON", document_class), "EJSON": _codec("EJSON", document_class)}


_OPTIONS = _codecs(dict)
_EXACT_OPTIONS = _codecs(UnreadDocument)
