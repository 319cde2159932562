"""updateOne, updateMany, replaceOne."""

from shared.access.protocol import Reply
from shared.documents.stored import Stored
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.requests import sort_keys
from shared.rules.ruleset import could_update
from shared.writes import ReplaceOne, UpdateMany, UpdateOne

bp = Actions()

_STORED = Stored("replacement", are_new=False)


@bp.route(ACTION_ROUTE + "updateOne", methods=ALL_METHODS)
@bp.action("updateOne", UpdateOne, reads=False, changes_one=True, could=could_update)
async def update_one(call: Call) -> Reply:
    """Change the first document that matches."""
    request = await call.typed(UpdateOne)
    sort = sort_keys(request.sort)
    async with call.access(request) as access:
        return await access.update_one(
            request.filter, request.update, request.array_filters or None, upsert=bool(request.upsert), sort=sort
        )


@bp.route(ACTION_ROUTE + "updateMany", methods=ALL_METHODS)
@bp.action("updateMany", UpdateMany, reads=False, could=could_update)
async def update_many(call: Call) -> Reply:
    """Change all documents that match."""
    request = await call.typed(UpdateMany)
    async with call.access(request) as access:
        return await access.update_many(
            request.filter, request.update, request.array_filters or None, upsert=bool(request.upsert)
        )


@bp.route(ACTION_ROUTE + "replaceOne", methods=ALL_METHODS)
@bp.action("replaceOne", ReplaceOne, reads=False, changes_one=True, stores=_STORED, could=could_update)
async def replace_one(call: Call) -> Reply:
    """Put another document in the place of the first that matches; its _id stays."""
    request = await call.typed(ReplaceOne)
    sort = sort_keys(request.sort)
    async with call.access(request) as access:
        return await access.replace_one(
            request.filter, request.replacement.content, upsert=bool(request.upsert), sort=sort
        )
