"""findOne, find."""

from msgspec import field

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.endpoint.cursors import Asked
from shared.operators import Place, Placed
from shared.options import OF_READS, whole
from shared.requests import DEFAULT_LIMIT, MAX_LIMIT, Batches, Reading, Request, sort_keys

bp = Actions()


class FindOne(Request, frozen=True, kw_only=True):
    """The members of findOne; `sort` was never documented for it, but clients send it."""

    takes = OF_READS | {
        "allowDiskUse", "allowPartialResults", "batchSize", "collation", "hint", "let", "max", "min", "returnKey",
        "showRecordId",
    }  # fmt: skip

    filter: Document = field(default_factory=dict)
    projection: Document = field(default_factory=dict)
    sort: Document = field(default_factory=dict)
    skip: int | float = 0

    def interpreted(self) -> tuple[Placed, ...]:
        """Everything here is a query."""
        return (Place.QUERY, self.filter), (Place.PROJECTION, self.projection), (Place.SORT, self.sort)


class Find(FindOne, frozen=True, kw_only=True):
    """The members of find; a limit of 0 means no limit but the cap, and `columns` are those of a table."""

    limit: int | float | None = None
    cursor: Batches | None = None
    columns: list[str] = field(default_factory=list)


@bp.route(ACTION_ROUTE + "findOne", methods=ALL_METHODS)
@bp.action("findOne", FindOne, reads=True)
async def find_one(call: Call) -> Reply:
    """Return the first document that matches, or null."""
    request = await call.typed(FindOne)
    reading = Reading(request.filter, request.projection, sort_keys(request.sort), skip=whole("skip", request.skip))
    async with call.access(request) as access:
        return await access.find_one(reading)


@bp.route(ACTION_ROUTE + "find", methods=ALL_METHODS)
@bp.action("find", Find, reads=True, lists=True)
async def find(call: Call) -> Reply:
    """Return the documents that match, in the order of the sort."""
    request = await call.typed(Find)
    call.tabulate(request.columns, request.projection)
    limit = DEFAULT_LIMIT if request.limit is None else whole("limit", request.limit) or MAX_LIMIT + 1
    reading = Reading(
        request.filter,
        request.projection,
        sort_keys(request.sort),
        limit=min(limit, MAX_LIMIT),
        skip=whole("skip", request.skip),
        says_cut=request.limit is None or limit > MAX_LIMIT,
    )
    if request.cursor is None:
        async with call.access(request) as access:
            return await access.find(reading)
    limit = 0 if request.limit is None else whole("limit", request.limit)
    page = await call.page(request, Asked("find", request.cursor, reading.sort, limit, reading.skip))
    async with call.access(request) as access:
        return await access.find(reading._replace(sort=list(page.sort), says_cut=False), page)
