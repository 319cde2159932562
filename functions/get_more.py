"""getMore."""

from shared.access.protocol import Reply
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.requests import GetMore

bp = Actions()


@bp.route(ACTION_ROUTE + "getMore", methods=ALL_METHODS)
@bp.action("getMore", GetMore, reads=True, lists=True)
async def get_more(call: Call) -> Reply:
    """Return the next documents of a find or an aggregate that was called with a cursor."""
    return await call.more(GetMore.from_body(call.body), bp.parts)
