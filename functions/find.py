"""findOne, find."""

from typing import Any

import azure.functions as func
from msgspec import field

from shared.access.opening import Reading
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Call, action
from shared.requests import Request, sort_keys, whole

bp = func.Blueprint()

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 50_000


class FindOne(Request, frozen=True, kw_only=True):
    """The members of findOne; `sort` was never documented for it, but clients send it."""

    filter: Document = field(default_factory=dict)
    projection: Document = field(default_factory=dict)
    sort: Document = field(default_factory=dict)

    def interpreted(self) -> tuple[Any, ...]:
        """Everything here is a query."""
        return self.filter, self.projection, self.sort


class Find(FindOne, frozen=True, kw_only=True):
    """The members of find; a limit of 0 means no limit but the cap."""

    limit: int | float = DEFAULT_LIMIT
    skip: int | float = 0


@bp.route(ACTION_ROUTE + "findOne", methods=ALL_METHODS)
@action("findOne")
async def find_one(call: Call) -> bytes:
    """Return the first document that matches, or null."""
    asked = call.typed(FindOne)
    return await call.access(asked).find_one(Reading(asked.filter, asked.projection, sort_keys(asked.sort)))


@bp.route(ACTION_ROUTE + "find", methods=ALL_METHODS)
@action("find")
async def find(call: Call) -> bytes:
    """Return the documents that match, in the order asked for."""
    asked = call.typed(Find)
    reading = Reading(
        asked.filter,
        asked.projection,
        sort_keys(asked.sort),
        limit=min(whole("limit", asked.limit) or MAX_LIMIT, MAX_LIMIT),
        skip=whole("skip", asked.skip),
    )
    return await call.access(asked).find(reading)
