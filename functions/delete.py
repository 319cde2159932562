"""deleteOne, deleteMany."""

from typing import Any

import azure.functions as func

from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Call, action
from shared.requests import Request

bp = func.Blueprint()


class Delete(Request, frozen=True, kw_only=True):
    """The members of deleteOne and deleteMany; without a filter nothing is deleted."""

    filter: Document

    def interpreted(self) -> tuple[Any, ...]:
        """The filter is a query."""
        return (self.filter,)


@bp.route(ACTION_ROUTE + "deleteOne", methods=ALL_METHODS)
@action("deleteOne")
async def delete_one(call: Call) -> bytes:
    """Delete the first document that matches."""
    asked = call.typed(Delete)
    return await call.access(asked).delete_one(asked.filter)


@bp.route(ACTION_ROUTE + "deleteMany", methods=ALL_METHODS)
@action("deleteMany")
async def delete_many(call: Call) -> bytes:
    """Delete all documents that match."""
    asked = call.typed(Delete)
    return await call.access(asked).delete_many(asked.filter)
