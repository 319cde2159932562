"""changes."""

from functools import partial
from typing import Literal

from msgspec import field

from shared.access.changes import Watch, open_changes
from shared.access.protocol import Reply
from shared.documents.ejson import Document
from shared.endpoint.actions import ACTION_ROUTE, ALL_METHODS, Actions, Call
from shared.endpoint.polling import MOST_AWAIT_MS, Poll
from shared.errors import InvalidParameterError
from shared.operators import Place, Placed
from shared.options import whole
from shared.requests import EventsRequest

bp = Actions()

_MOST = 1_000


class Changes(EventsRequest, frozen=True, kw_only=True):
    """The members of changes."""

    resume_after: str | Document | None = None
    full_document: Literal["default", "updateLookup", "whenAvailable", "required"] = "updateLookup"
    full_document_before_change: Literal["off", "whenAvailable", "required"] = "off"
    max_await_time_ms: int | float = field(default=0, name="maxAwaitTimeMS")
    limit: int | float = _MOST

    def __post_init__(self) -> None:
        """Raise InvalidParameterError for a wait or a number that cannot be, too."""
        super().__post_init__()
        if not 1 <= whole("limit", self.limit) <= _MOST:
            raise InvalidParameterError(f"'limit' must be from 1 to {_MOST}")
        if whole("maxAwaitTimeMS", self.max_await_time_ms) > MOST_AWAIT_MS:
            raise InvalidParameterError(f"'maxAwaitTimeMS' must be at most {MOST_AWAIT_MS}")

    def interpreted(self) -> tuple[Placed, ...]:
        """A token is compared with, too."""
        after = self.resume_after if isinstance(self.resume_after, dict) else {}
        return *super().interpreted(), (Place.DATA, after)


@bp.route(ACTION_ROUTE + "changes", methods=ALL_METHODS)
@bp.action("changes", Changes, reads=True)
async def changes(call: Call) -> Reply:
    """Return what has changed in a collection since a token, or what changes within a time."""
    request = await call.typed(Changes)
    watch = Watch(request.condition, request.full_document, request.full_document_before_change)
    poll = Poll(request.resume_after, int(request.max_await_time_ms), int(request.limit))
    return await call.polled(request, partial(open_changes, watch=watch), poll)
