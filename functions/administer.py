"""createIndexes, dropIndexes, createCollection, dropCollection."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.access.administration import open_administration
from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.errors import InvalidParameterError
from shared.operators import Place, Placed
from shared.options import OF_WRITES
from shared.requests import ExactRequest, Request, wrong_type
from shared.rules.ruleset import does_all

bp = Actions()

_MOST_INDEXES = 64  # of a collection
_SHOWN = 100  # characters of a name in an error's text

type _Number = int | float

_OF_INDEX: Mapping[str, Any] = {
    "key": Document, "name": str, "unique": bool, "sparse": bool, "hidden": bool, "background": bool,
    "expireAfterSeconds": _Number, "partialFilterExpression": Document, "collation": Document,
    "wildcardProjection": Document, "weights": Document, "default_language": str, "language_override": str,
    "textIndexVersion": _Number, "2dsphereIndexVersion": _Number, "bits": _Number, "min": _Number, "max": _Number,
}  # fmt: skip
"""What an index may be made with, and of which type each is."""


class Administering(ExactRequest, frozen=True, kw_only=True):
    """A request that changes a collection or its indexes."""

    takes = OF_WRITES

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing."""
        return ()


class CreateIndexes(Administering, frozen=True, kw_only=True):
    """The members of createIndexes."""

    indexes: list[Document]

    def __post_init__(self) -> None:
        """Raise for too many or too few indexes, and for what none may be made with."""
        if not 1 <= len(self.indexes) <= _MOST_INDEXES:
            raise InvalidParameterError(f"'indexes' must hold 1 to {_MOST_INDEXES} indexes")
        for place, each in enumerate(self.indexes):
            _refuse(f"indexes[{place}]", each)

    def interpreted(self) -> tuple[Placed, ...]:
        """The filter of a partial index is a query."""
        found: list[Placed] = []
        for each in self.indexes:
            found += [(_PLACES.get(name, Place.DATA), value) for name, value in each.items()]
        return tuple(found)

    @property
    def named(self) -> list[Document]:
        """The indexes, each with a name, as the driver gives it."""
        given = [{name: value for name, value in each.items() if value is not None} for each in self.indexes]
        return [{**each, "name": each.get("name", _name(each["key"]))} for each in given]


_PLACES = {"partialFilterExpression": Place.QUERY, "wildcardProjection": Place.PROJECTION}


class DropIndexes(Administering, frozen=True, kw_only=True):
    """The members of dropIndexes; `index` is a name, keys, several names, or "*" for all but that on `_id`."""

    index: str | Document | list[str]

    def interpreted(self) -> tuple[Placed, ...]:
        """Keys are data."""
        return ((Place.DATA, self.index),)


class CreateCollection(Administering, frozen=True, kw_only=True):
    """The members of createCollection."""

    capped: bool | None = None
    size: int | float | None = None
    max: int | float | None = None
    validator: Document | None = None
    validation_level: str | None = None
    validation_action: str | None = None
    timeseries: Document | None = None
    expire_after_seconds: int | float | None = None
    clustered_index: Document | None = None
    change_stream_pre_and_post_images: Document | None = None
    collation: Document | None = None

    def interpreted(self) -> tuple[Placed, ...]:
        """The validator is a query."""
        placed = ((Place.QUERY if name == "validator" else Place.DATA, value) for name, value in self.given.items())
        return tuple(placed)

    @property
    def given(self) -> Document:
        """What the collection is made with, as MongoDB names it."""
        place = {*Request.__struct_encode_fields__}
        members = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        names = dict(zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True))
        return {names[name]: value for name, value in members.items() if names[name] not in place}


class DropCollection(Administering, frozen=True, kw_only=True):
    """The members of dropCollection: none of its own."""


@bp.route(ACTION_ROUTE + "createIndexes", methods=ALL_METHODS)
@bp.action("createIndexes", CreateIndexes, reads=False, can_be_undone=False, could=does_all, administers=True)
async def create_indexes(call: Call) -> Reply:
    """Make indexes and return their names."""
    request = await call.typed(CreateIndexes)
    async with call.opened(request, open_administration) as administration:
        return await administration.create_indexes(request.named)


@bp.route(ACTION_ROUTE + "dropIndexes", methods=ALL_METHODS)
@bp.action("dropIndexes", DropIndexes, reads=False, can_be_undone=False, could=does_all, administers=True)
async def drop_indexes(call: Call) -> Reply:
    """Drop indexes."""
    request = await call.typed(DropIndexes)
    async with call.opened(request, open_administration) as administration:
        return await administration.drop_indexes(request.index)


@bp.route(ACTION_ROUTE + "createCollection", methods=ALL_METHODS)
@bp.action("createCollection", CreateCollection, reads=False, can_be_undone=False, could=does_all, administers=True)
async def create_collection(call: Call) -> Reply:
    """Make a collection."""
    request = await call.typed(CreateCollection)
    async with call.opened(request, open_administration) as administration:
        return await administration.create_collection(request.given)


@bp.route(ACTION_ROUTE + "dropCollection", methods=ALL_METHODS)
@bp.action("dropCollection", DropCollection, reads=False, can_be_undone=False, could=does_all, administers=True)
async def drop_collection(call: Call) -> Reply:
    """Drop a collection."""
    request = await call.typed(DropCollection)
    async with call.opened(request, open_administration) as administration:
        return await administration.drop_collection()


def _refuse(path: str, index: Document) -> None:
    """Raise for what an index is not made with, and for a value of another type."""
    if not index.get("key"):
        raise InvalidParameterError(f"'{path}' must have a 'key' that names fields")
    for name, value in index.items():
        if name not in _OF_INDEX:
            raise InvalidParameterError(f"'{path}': '{name[:_SHOWN]}' is not an option of an index")
        try:
            msgspec.convert(value, _OF_INDEX[name] | None)
        except msgspec.ValidationError as error:
            raise wrong_type(f"{path}.{name}", value, _OF_INDEX[name]) from error


def _name(key: Document) -> str:
    return "_".join(f"{field}_{_whole(kind)}" for field, kind in key.items())


def _whole(kind: Any) -> Any:
    return int(kind) if type(kind) is float and kind.is_integer() else kind
