"""Documents as lines of a file and back, exactly: canonical Extended JSON, and BSON for what that cannot say (pure).

Extended JSON bends a few values that programs may have stored: symbols, the payload of a NaN, bytes that are not
UTF-8, equal names in one document, names such as `$oid`. Such a document is written as `{"$dozenBSON": "<base64>"}`.
No line is written that was not read back to the same bytes.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import bson
import orjson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from shared.documents import ejson, replies
from shared.documents.elements import ARRAY, DOCUMENT, UnreadDocument, is_document, spans, with_id_first
from shared.errors import InvalidJSONError

LARGEST = 16 * 1024 * 1024
"""Bytes of the largest document that MongoDB stores."""

_DEEPEST = 200
"""Levels of documents in each other that MongoDB takes."""

_ANY_VALUES: CodecOptions[Any] = CodecOptions(
    document_class=UnreadDocument,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)
_EXACT = "$dozenBSON"
_EXACT_START = b'{"$dozenBSON":'


class LineError(Exception):
    """A line is not a document that can be stored; the message says why."""


def encode(document: bytes) -> bytes:
    """Return the line of a BSON document, without the line's end."""
    line, _ = replies.batch_of_documents(document, "EJSON", None)
    if _reads_back(line, document):
        return line
    return orjson.dumps({_EXACT: b64encode(document).decode()})


def decode(line: bytes) -> bytes:
    """Return the BSON document of a line, its _id in front; raise LineError if it is none."""
    try:
        document = _decoded(line)
    except InvalidJSONError as error:
        raise LineError(str(error)) from None
    except (BSONError, OverflowError) as error:
        raise LineError(f"BSON cannot hold it: {error}") from None
    return sized(document)


def of_bson(document: bytes) -> bytes:
    """Return a BSON document that others wrote, its _id in front; raise LineError if it is none, at any depth."""
    if not _is_sound(document):
        raise LineError("it is no BSON")
    return with_id_first(sized(document))


def sized(document: bytes) -> bytes:
    """Return a document; raise LineError if it is larger than MongoDB stores."""
    if len(document) > LARGEST:
        raise LineError(f"the document has {len(document)} bytes, and MongoDB stores {LARGEST} at most")
    return document


def _reads_back(line: bytes, document: bytes) -> bool:
    if line.startswith(_EXACT_START):  # a document of this very name would be taken for our own form
        return False
    try:
        return bson.encode(ejson.document(line)) == document
    except (InvalidJSONError, BSONError, OverflowError):
        return False


def _decoded(line: bytes) -> bytes:
    members = ejson.document(line)
    if members.keys() == {_EXACT}:
        return with_id_first(_exact(members[_EXACT]))
    if "_id" in members:
        members = {"_id": members["_id"]} | members
    return bson.encode(members)


def _exact(text: object) -> bytes:
    try:
        document = b64decode(text if isinstance(text, str) else "", validate=True)
    except ValueError:
        document = b""
    if not _is_sound(document):
        raise LineError(f"malformed {_EXACT}")
    return document


def _is_sound(document: bytes) -> bool:
    """Tell whether a document and all in it are some; levels are counted first, as a hostile one may be deep."""
    level = [document]
    for _ in range(_DEEPEST):
        if not all(map(is_document, level)):
            return False
        level = [inner for each in level for inner in _documents_in(each)]
        if not level:
            return _is_readable(document)
    return False


def _documents_in(document: bytes) -> Iterator[bytes]:
    for _, start, value, end in spans(document):
        if document[start] in {DOCUMENT, ARRAY}:
            yield document[value:end]


def _is_readable(document: bytes) -> bool:
    try:
        bson.decode(document, _ANY_VALUES)
    except (BSONError, ValueError, OverflowError, RecursionError):
        return False
    return True
