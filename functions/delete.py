"""deleteOne, deleteMany."""

from shared.access.protocol import Reply
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.rules.ruleset import could_delete
from shared.writes import Delete

bp = Actions()


@bp.route(ACTION_ROUTE + "deleteOne", methods=ALL_METHODS)
@bp.action("deleteOne", Delete, reads=False, changes_one=True, could=could_delete)
async def delete_one(call: Call) -> Reply:
    """Delete the first document that matches."""
    request = await call.typed(Delete)
    async with call.access(request) as access:
        return await access.delete_one(request.filter)


@bp.route(ACTION_ROUTE + "deleteMany", methods=ALL_METHODS)
@bp.action("deleteMany", Delete, reads=False, could=could_delete)
async def delete_many(call: Call) -> Reply:
    """Delete all documents that match."""
    request = await call.typed(Delete)
    async with call.access(request) as access:
        return await access.delete_many(request.filter)
