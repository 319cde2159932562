"""Documents as lines of a file and back, exactly: canonical Extended JSON, and BSON for what that cannot say (pure).

Extended JSON bends a few values that programs may have stored: symbols, the payload of a NaN, bytes that are not
UTF-8, equal names in one document, names such as `$oid`. Such a document is written as `{"$dozenBSON": "<base64>"}`.
No line is written that was not read back to the same bytes.
"""

from base64 import b64decode, b64encode

import bson
import orjson
from bson.errors import BSONError

from shared.documents import ejson, replies
from shared.documents.elements import is_document, with_id_first
from shared.errors import InvalidJSONError

LARGEST = 16 * 1024 * 1024
"""Bytes of the largest document that MongoDB stores."""

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
    if not is_document(document):
        raise LineError(f"malformed {_EXACT}")
    return document
