"""What the control database holds: what somebody else has put there is named and left out, and ends no list."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec
from bson.objectid import ObjectId

from admin.process import note
from shared.auth.quota import Noun

_LONGEST = 100  # characters of an id


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


_Kind = Literal["key", "user", "session"]
_SHAPES: dict[_Kind, type[Shape]] = {"key": Key, "user": StoredUser, "session": Session}


def genuine(kind: _Kind, documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give the documents that are of a kind, as they are; name the others on standard error."""
    for each in documents:
        try:
            msgspec.convert(each, _SHAPES[kind])
        except msgspec.ValidationError as error:
            note(f"a stored document is no {kind}, and left out: _id {str(each.get('_id'))[:_LONGEST]}: {error}")
        else:
            yield each
