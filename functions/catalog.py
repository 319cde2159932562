"""listDatabases, listCollections, listIndexes."""

from shared.access.catalog import open_catalog
from shared.access.protocol import Reply
from shared.access.whole import open_whole
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.operators import Placed
from shared.options import OF_ALL
from shared.requests import ExactRequest
from shared.rules.ruleset import could_see_all

bp = Actions()


class Listing(ExactRequest, frozen=True, kw_only=True):
    """A request for what there is, of which MongoDB interprets nothing."""

    takes = OF_ALL | {"readPreference"}

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing."""
        return ()


class ListDatabases(Listing, frozen=True, kw_only=True):
    """The members of listDatabases."""

    database: str = ""
    collection: str = ""
    name_only: bool = False


class ListCollections(Listing, frozen=True, kw_only=True):
    """The members of listCollections."""

    collection: str = ""
    name_only: bool = False


class ListIndexes(Listing, frozen=True, kw_only=True):
    """The members of listIndexes: none of its own."""


@bp.route(ACTION_ROUTE + "listDatabases", methods=ALL_METHODS)
@bp.action("listDatabases", ListDatabases, reads=True)
async def list_databases(call: Call) -> Reply:
    """Return the databases that the caller may know of."""
    request = await call.typed(ListDatabases)
    async with call.opened(request, open_catalog) as catalog:
        return await catalog.list_databases(is_name_only=request.name_only)


@bp.route(ACTION_ROUTE + "listCollections", methods=ALL_METHODS)
@bp.action("listCollections", ListCollections, reads=True)
async def list_collections(call: Call) -> Reply:
    """Return the collections of a database that the caller may know of."""
    request = await call.typed(ListCollections)
    async with call.opened(request, open_catalog) as catalog:
        return await catalog.list_collections(is_name_only=request.name_only)


@bp.route(ACTION_ROUTE + "listIndexes", methods=ALL_METHODS)
@bp.action("listIndexes", ListIndexes, reads=True, could=could_see_all)
async def list_indexes(call: Call) -> Reply:
    """Return the indexes of a collection of which nothing is hidden from the caller."""
    request = await call.typed(ListIndexes)
    async with call.opened(request, open_whole) as collection:
        return await collection.list_indexes()
