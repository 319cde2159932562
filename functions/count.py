"""countDocuments, estimatedDocumentCount."""

from msgspec import field

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.operators import Place, Placed
from shared.options import OF_READS, whole
from shared.requests import Reading, Request

bp = Actions()


class CountDocuments(Request, frozen=True, kw_only=True):
    """The members of countDocuments; a limit of 0 means no limit."""

    takes = OF_READS | {"collation", "hint"}

    filter: Document = field(default_factory=dict)
    limit: int | float = 0
    skip: int | float = 0

    def interpreted(self) -> tuple[Placed, ...]:
        """The filter is a query."""
        return ((Place.QUERY, self.filter),)


class EstimatedDocumentCount(Request, frozen=True, kw_only=True):
    """The members of estimatedDocumentCount: none of its own."""

    takes = OF_READS

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing."""
        return ()


@bp.route(ACTION_ROUTE + "countDocuments", methods=ALL_METHODS)
@bp.action("countDocuments", CountDocuments, reads=True)
async def count_documents(call: Call) -> Reply:
    """Return how many documents match."""
    request = await call.typed(CountDocuments)
    reading = Reading(request.filter, {}, None, limit=whole("limit", request.limit), skip=whole("skip", request.skip))
    async with call.access(request) as access:
        return await access.count_documents(reading)


@bp.route(ACTION_ROUTE + "estimatedDocumentCount", methods=ALL_METHODS)
@bp.action("estimatedDocumentCount", EstimatedDocumentCount, reads=True)
async def estimated_document_count(call: Call) -> Reply:
    """Return how many documents there are, as MongoDB's metadata say; where something is hidden, how many are seen."""
    request = await call.typed(EstimatedDocumentCount)
    async with call.access(request) as access:
        return await access.estimated_document_count()
