"""insertOne, insertMany."""

from http import HTTPStatus
from typing import Any

from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.documents.stored import Encoded, Stored
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.errors import InvalidParameterError
from shared.operators import Placed
from shared.options import OF_WRITES
from shared.requests import Request, StoredDocument, wrong_type

bp = Actions()

MAX_DOCUMENTS = 100_000  # what MongoDB takes in one batch


class InsertOne(Request, frozen=True, kw_only=True):
    """The members of insertOne."""

    takes = OF_WRITES | {"bypassDocumentValidation"}

    document: StoredDocument

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: a document is stored as it is."""
        return ()


class InsertMany(Request, frozen=True, kw_only=True):
    """The members of insertMany."""

    takes = OF_WRITES | {"bypassDocumentValidation", "ordered"}

    documents: list[Any]

    def __post_init__(self) -> None:
        """Raise for too many or too few documents, and for what is none; these are not converted, as they are many."""
        if not 1 <= len(self.documents) <= MAX_DOCUMENTS:
            raise InvalidParameterError(f"'documents' must hold 1 to {MAX_DOCUMENTS} documents")
        for place, each in enumerate(self.documents):
            if type(each) is not dict and type(each) is not Encoded:
                raise wrong_type(f"documents[{place}]", each, Document)

    def interpreted(self) -> tuple[Placed, ...]:
        """Nothing: documents are stored as they are."""
        return ()


@bp.route(ACTION_ROUTE + "insertOne", methods=ALL_METHODS)
@bp.action("insertOne", reads=False, success=HTTPStatus.CREATED, stores=Stored("document"))
async def insert_one(call: Call) -> Reply:
    """Insert a document and return its _id, made here if it brought none."""
    request = await call.typed(InsertOne)
    async with call.access(request) as access:
        return await access.insert_one(request.document.content)


@bp.route(ACTION_ROUTE + "insertMany", methods=ALL_METHODS)
@bp.action("insertMany", reads=False, success=HTTPStatus.CREATED, stores=Stored("documents", are_many=True))
async def insert_many(call: Call) -> Reply:
    """Insert documents in order and return their _ids."""
    request = await call.typed(InsertMany)
    async with call.access(request) as access:
        return await access.insert_many(request.documents)
