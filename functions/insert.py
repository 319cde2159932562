"""insertOne, insertMany."""

from http import HTTPStatus

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.errors import InvalidParameterError
from shared.operators import Placed
from shared.requests import Request

bp = Actions()

MAX_DOCUMENTS = 100_000  # what MongoDB takes in one batch


class InsertOne(Request, frozen=True, kw_only=True):
    """The members of insertOne."""

    document: Document

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: a document is stored as it is."""
        return ()


class InsertMany(Request, frozen=True, kw_only=True):
    """The members of insertMany."""

    documents: list[Document]

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: documents are stored as they are."""
        return ()


@bp.route(ACTION_ROUTE + "insertOne", methods=ALL_METHODS)
@bp.action("insertOne", reads=False, success=HTTPStatus.CREATED)
async def insert_one(call: Call) -> Reply:
    """Insert a document and return its _id, made here if it brought none."""
    request = call.typed(InsertOne)
    async with call.access(request) as access:
        return await access.insert_one(request.document)


@bp.route(ACTION_ROUTE + "insertMany", methods=ALL_METHODS)
@bp.action("insertMany", reads=False, success=HTTPStatus.CREATED)
async def insert_many(call: Call) -> Reply:
    """Insert documents in order and return their _ids."""
    request = call.typed(InsertMany)
    if not 1 <= len(request.documents) <= MAX_DOCUMENTS:
        raise InvalidParameterError(f"'documents' must hold 1 to {MAX_DOCUMENTS} documents")
    async with call.access(request) as access:
        return await access.insert_many(request.documents)
