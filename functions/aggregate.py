"""aggregate."""

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.operators import Place, Placed
from shared.requests import Request

bp = Actions()


class Aggregate(Request, frozen=True, kw_only=True):
    """The members of aggregate; an empty pipeline gives all documents."""

    pipeline: list[Document]

    def interpreted(self) -> tuple[Placed, ...]:
        """All of it is stages and expressions."""
        return ((Place.PIPELINE, self.pipeline),)


@bp.route(ACTION_ROUTE + "aggregate", methods=ALL_METHODS)
@bp.action("aggregate", reads=True)
async def aggregate(call: Call) -> Reply:
    """Run a pipeline and return what comes out, cut off at the cap."""
    request = await call.typed(Aggregate)
    async with call.access(request) as access:
        return await access.aggregate(request.pipeline)
