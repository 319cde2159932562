"""insertOne, insertMany."""

from http import HTTPStatus

from shared.access.protocol import Reply
from shared.documents.stored import Stored
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.rules.ruleset import could_insert
from shared.writes import InsertMany, InsertOne

bp = Actions()

_ONE, _SEVERAL = Stored("document"), Stored("documents", are_many=True)


@bp.route(ACTION_ROUTE + "insertOne", methods=ALL_METHODS)
@bp.action("insertOne", InsertOne, reads=False, success=HTTPStatus.CREATED, stores=_ONE, could=could_insert)
async def insert_one(call: Call) -> Reply:
    """Insert a document and return its _id, made here if it brought none."""
    request = await call.typed(InsertOne)
    async with call.access(request) as access:
        return await access.insert_one(request.document.content)


@bp.route(ACTION_ROUTE + "insertMany", methods=ALL_METHODS)
@bp.action("insertMany", InsertMany, reads=False, success=HTTPStatus.CREATED, stores=_SEVERAL, could=could_insert)
async def insert_many(call: Call) -> Reply:
    """Insert documents in order and return their _ids."""
    request = await call.typed(InsertMany)
    async with call.access(request) as access:
        return await access.insert_many(request.documents)
