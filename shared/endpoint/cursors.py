"""Cursors: texts in which all stands that the next batch needs, so that any process can answer."""

from typing import TYPE_CHECKING, NamedTuple

import bson

from shared.access.continuation import Position
from shared.access.paging import Page, Part, sort_of
from shared.auth.accounts import Caller
from shared.documents.ejson import Document
from shared.documents.elements import decoded, elements
from shared.errors import InvalidParameterError
from shared.guard import dependencies
from shared.guard.walk import nested
from shared.mongo.clients import SIMPLE
from shared.mongo.clients import Options as CollectionOptions
from shared.mongo.deadlines import is_current
from shared.options import OPTIONS, whole
from shared.requests import Batches, GetMore, Request, Sort

if TYPE_CHECKING:
    from shared.service import Service

SECONDS = 24 * 60 * 60
"""How long a cursor can be continued."""

MOST = 50_000
"""The largest batch."""

_BY_DISTANCE = frozenset({"$near", "$nearSphere"})
_PURPOSE = "cursor"


class Continued(NamedTuple):
    """What stands in a cursor."""

    action: str
    body: Document
    left: int
    """How many documents the limit still allows, 0 for any number."""
    position: Position


class Cursors:
    """The cursors of one caller."""

    def __init__(self, service: "Service", caller: Caller) -> None:
        """Take what seals them."""
        self._service = service
        self._caller = caller

    async def opened(self, request: GetMore) -> Continued:
        """Return what stands in a cursor; raise InvalidParameterError for one that is not its caller's."""
        await self._service.seals.load()
        found = elements(self._service.seals.opened(_PURPOSE, self._caller.id, request.cursor))
        asked = decoded(found["asked"].value)
        given = {"dataSource": request.data_source, "database": request.database, "collection": request.collection}
        for name, value in given.items():
            if value and value != asked["body"].get(name):
                raise InvalidParameterError(f"'{name}' is not that of the cursor")
        return Continued(asked["action"], asked["body"], asked["left"], Position.of(found["position"].value))

    async def page(self, request: Request, body: Document, asked: "Asked", before: Continued | None) -> Page:
        """Return which documents a call wants that gives a cursor, and what continues it."""
        _refuse(request, asked)
        await self._service.seals.load()
        sort = sort_of(asked.sort)
        left = asked.limit if before is None else before.left
        batch = whole("cursor.batchSize", asked.batches.batch_size)
        if not batch:
            raise InvalidParameterError("'cursor.batchSize' must be at least 1")
        size = min(batch, MOST, left or MOST)

        def seal(position: Position) -> str:
            members = {"action": asked.action, "body": _known(body, request), "left": left and left - size}
            content = bson.encode({"asked": members, "position": position.document()})
            return self._service.seals.sealed(_PURPOSE, self._caller.id, content, SECONDS)

        async def is_simple() -> bool | None:
            if request.options.collation is not None:
                return bool(request.options.collation.get("locale") == SIMPLE["locale"])
            found = await self._options(request)
            return None if found is None else found.is_simple

        async def is_view() -> bool | None:
            found = await self._options(request)
            return None if found is None else found.is_view or found.is_series

        skip, position = (asked.skip, None) if before is None else (0, before.position)
        return Page(sort, Part(size, skip, position, is_last=left == size), seal, is_simple, is_view)

    async def _options(self, request: Request) -> CollectionOptions | None:
        clients = self._service.clients
        return await clients.options(clients.collection(request.data_source, request.database, request.collection))


class Asked(NamedTuple):
    """What a call with a cursor asks for, over all batches."""

    action: str
    batches: Batches
    sort: Sort = None
    limit: int = 0
    skip: int = 0


def _refuse(request: Request, asked: Asked) -> None:
    """Raise InvalidParameterError for a call that a cursor cannot continue."""
    if is_current():
        raise InvalidParameterError("'cursor' cannot be used in a transaction, which replies once")
    if not request.collection:
        raise InvalidParameterError("'cursor' needs a 'collection'")
    interpreted = [request.options.given, *(value for _, value in request.interpreted())]
    if not dependencies.is_steady(interpreted):
        raise InvalidParameterError("'cursor': what gives something else each time cannot be continued")
    if not asked.sort and any(not _BY_DISTANCE.isdisjoint(each) for each in nested(interpreted)):
        raise InvalidParameterError("'cursor': an order by distance cannot be continued: add a 'sort'")
    if "returnKey" in request.options.given:
        raise InvalidParameterError("option 'returnKey' is not allowed beside 'cursor'")


def _known(body: Document, request: Request) -> Document:
    """Return the members of a body that count."""
    names = {*request.__struct_encode_fields__, *OPTIONS}
    return {name: value for name, value in body.items() if name in names and value is not None}
