"""aggregate."""

from typing import Any

import azure.functions as func

from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Call, action
from shared.requests import Request

bp = func.Blueprint()


class Aggregate(Request, frozen=True, kw_only=True):
    """The members of aggregate; an empty pipeline gives all documents."""

    pipeline: list[Document]

    def interpreted(self) -> tuple[Any, ...]:
        """All of it is stages and expressions."""
        return (self.pipeline,)


@bp.route(ACTION_ROUTE + "aggregate", methods=ALL_METHODS)
@action("aggregate")
async def aggregate(call: Call) -> bytes:
    """Run a pipeline and return what comes out, cut off at the cap."""
    asked = call.typed(Aggregate)
    return await call.access(asked).aggregate(asked.pipeline)
