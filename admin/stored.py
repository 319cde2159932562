"""What the control database holds: what somebody else has put there is named and left out, and ends no list.

Documents come as their bytes: the driver decodes a batch as a whole, and one that cannot be decoded would end it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import bson
import msgspec
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from admin.namespace import RAW
from admin.process import note
from shared.auth.printable import printable
from shared.auth.quota import Noun
from shared.mongo.control import ControlCollection

_LONGEST = 100  # characters of an id


_LENIENT: CodecOptions[dict[str, Any]] = RAW.with_options(document_class=dict)


class Shape(msgspec.Struct, kw_only=True):
    """The members that every document of a collection has."""

    id: ObjectId = msgspec.field(name="_id")
    created: datetime


class _Until(msgspec.Struct):
    expires: datetime


class _Identity(msgspec.Struct):
    provider_type: str
    id: str


class _StoredLimit(msgspec.Struct):
    noun: Noun
    most: int
    seconds: int


class Key(Shape, kw_only=True):
    """What is stored of a key."""

    name: str
    disabled: bool
    system: bool | None = None
    user_id: ObjectId | None = None
    expires: datetime | None = None
    used: datetime | None = None
    made_by: str | None = None
    former: tuple[_Until, ...] = ()
    quota: tuple[_StoredLimit, ...] = ()


class StoredUser(Shape, kw_only=True):
    """What is stored of a user."""

    identities: list[_Identity]
    data: dict[str, Any]
    disabled: bool
    confirmed: bool
    expires: datetime | msgspec.UnsetType = msgspec.UNSET


class Session(Shape, kw_only=True):
    """What is stored of a session."""

    user_id: ObjectId
    provider_type: str
    expires: datetime
    key_id: ObjectId | msgspec.UnsetType = msgspec.UNSET


class _Suspended(msgspec.Struct):
    reason: str


class _Failure(msgspec.Struct):
    at: datetime
    function: str
    error: str


class TriggerRecord(msgspec.Struct, kw_only=True):
    """What is stored of a trigger."""

    id: str = msgspec.field(name="_id")
    suspended: _Suspended | None = None
    stored: datetime | None = None
    failed: int = 0
    failures: list[_Failure] = []


_Kind = Literal["key", "user", "session", "trigger"]
_SHAPES: dict[_Kind, type[msgspec.Struct]] = {
    "key": Key, "user": StoredUser, "session": Session, "trigger": TriggerRecord,
}  # fmt: skip


async def found(
    kind: _Kind,
    collection: ControlCollection,
    chosen: Mapping[str, Any],
    *,
    hidden: Sequence[str] = (),
    by: Sequence[tuple[str, int]] = (("_id", 1),),
    most: int = 0,
) -> list[dict[str, Any]]:
    """Return the documents of a kind without what is to be hidden, in an order; at most so many, but for 0."""
    raw: Any = collection.with_options(codec_options=RAW)
    cursor = raw.find(chosen, dict.fromkeys(hidden, 0)).sort(list(by)).limit(most)
    return list(genuine(kind, await cursor.to_list()))


def genuine(kind: _Kind, documents: Iterable[RawBSONDocument]) -> Iterator[dict[str, Any]]:
    """Give the documents that are of a kind; name the others on standard error."""
    for each in documents:
        try:
            document = bson.decode(each.raw)
            msgspec.convert(document, _SHAPES[kind])
        except (msgspec.ValidationError, BSONError, ValueError, OverflowError, RecursionError) as error:
            note(f"a stored document is no {kind}, and left out: _id {_name(bytes(each.raw))}: {printable(str(error))}")
        else:
            yield document


def _name(raw: bytes) -> str:
    """Return the _id of a document as far as it can be read."""
    try:
        text = str(bson.decode(raw, _LENIENT).get("_id"))
    except (BSONError, ValueError, OverflowError, RecursionError):
        text = "that cannot be read"
    return printable(text[:_LONGEST])
