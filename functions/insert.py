"""insertOne, insertMany."""

from http import HTTPStatus
from typing import Any

import azure.functions as func

from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Call, action
from shared.errors import InvalidParameterError
from shared.requests import Request

bp = func.Blueprint()

MAX_DOCUMENTS = 100_000  # what MongoDB takes in one batch


class InsertOne(Request, frozen=True, kw_only=True):
    """The members of insertOne."""

    document: Document

    def interpreted(self) -> tuple[Any, ...]:
        """Nothing: a document is stored as it is."""
        return ()


class InsertMany(Request, frozen=True, kw_only=True):
    """The members of insertMany."""

    documents: list[Document]

    def interpreted(self) -> tuple[Any, ...]:
        """Nothing: documents are stored as they are."""
        return ()


@bp.route(ACTION_ROUTE + "insertOne", methods=ALL_METHODS)
@action("insertOne", success=HTTPStatus.CREATED)
async def insert_one(call: Call) -> bytes:
    """Insert a document and return its _id, made here if it brought none."""
    asked = call.typed(InsertOne)
    return await call.access(asked).insert_one(asked.document)


@bp.route(ACTION_ROUTE + "insertMany", methods=ALL_METHODS)
@action("insertMany", success=HTTPStatus.CREATED)
async def insert_many(call: Call) -> bytes:
    """Insert documents in order and return their _ids."""
    asked = call.typed(InsertMany)
    if not 1 <= len(asked.documents) <= MAX_DOCUMENTS:
        raise InvalidParameterError(f"'documents' must hold 1 to {MAX_DOCUMENTS} documents")
    return await call.access(asked).insert_many(asked.documents)
