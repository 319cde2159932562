"""bulkWrite."""

from shared.access.protocol import Reply
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.writes import BulkWrite

bp = Actions()


@bp.route(ACTION_ROUTE + "bulkWrite", methods=ALL_METHODS)
@bp.action("bulkWrite", BulkWrite, reads=False)
async def bulk_write(call: Call) -> Reply:
    """Insert, change and delete documents in one call, and return what all of it came to."""
    request = await call.typed(BulkWrite)
    return await call.bulk_write(request, await call.operations(request))
