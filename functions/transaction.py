"""transaction."""

from shared.access.protocol import Reply
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.writes import TransactionRequest

bp = Actions()


@bp.route(ACTION_ROUTE + "transaction", methods=ALL_METHODS)
@bp.action("transaction", TransactionRequest, reads=False)
async def transaction(call: Call) -> Reply:
    """Do several actions, all of them or none, and return their replies."""
    return await call.transaction(await call.typed(TransactionRequest), bp.parts)
