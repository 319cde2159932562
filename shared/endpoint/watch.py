"""The method `watch` of the SDKs: a request by GET -> the changes of a collection as they happen."""

from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import azure.functions as func

from shared import turns
from shared.access.changes import ChangeView, Watch, open_changes
from shared.access.protocol import Wanted
from shared.auth.accounts import Caller
from shared.auth.sent_once import bearer_token
from shared.budget import LARGE, Share
from shared.documents import compact_events, replies
from shared.documents.ejson import Document
from shared.endpoint.accept import Media
from shared.endpoint.actions import Call
from shared.endpoint.addresses import client_address
from shared.endpoint.bodies import document_in
from shared.endpoint.event_streams import EventStream, Standing
from shared.endpoint.http import Exchange
from shared.endpoint.request_view import RequestView
from shared.endpoint.service_calls import WATCH, watch_call
from shared.endpoint.streams import StreamedResponse
from shared.errors import (
    BodyTooLargeError,
    InvalidParameterError,
    InvalidSessionError,
    MissingParameterError,
    NotStreamedError,
)
from shared.mongo.deadlines import driver_call
from shared.mongo.hubs import Event
from shared.operators import Place, Placed
from shared.requests import ExactRequest
from shared.rules.changes import Shown
from shared.service import Service

_REQUEST = ("baas_request", "stitch_request")
_TOKEN = ("baas_at", "stitch_at")
_ALPHABET = str.maketrans(" -_", "++/")  # what a plus is in a query, and what others have in its place
_ASK_MS = 5_000  # within which MongoDB must say what somebody may see, as others wait for their turn behind them
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class WatchRequest(ExactRequest, frozen=True, kw_only=True):
    """The argument of watch: a filter of events, or the `_id`s of documents."""

    filter: Document | None = None
    ids: list[Any] | None = None
    use_compact_events: bool = False

    @property
    def condition(self) -> Document:
        """The condition on events."""
        return (self.filter or {}) if self.ids is None else {"documentKey._id": {"$in": self.ids}}

    def interpreted(self) -> tuple[Placed, ...]:
        """The condition is a query."""
        return ((Place.QUERY, self.condition),)


class Sight:
    """What a caller sees of events, as text."""

    def __init__(
        self, open_: Callable[[Caller], ChangeView], caller: Caller, service: Service, *, is_compact: bool
    ) -> None:
        """Take what opens the changes to a caller; raise what it raises."""
        self._open = open_
        self._view = open_(caller)
        self._turns = service.hubs.turns
        self._native = service.transcoder.writer
        self._ask_ms = min(service.settings.mongo_db_timeout_ms, _ASK_MS)
        self._is_compact = is_compact
        self._shown = Shown()

    def see(self, caller: Caller) -> None:
        """Go on for the caller as they are now."""
        self._view = self._open(caller)

    async def texts(self, events: Sequence[Event]) -> list[bytes]:
        """Return the events that the caller sees, each as canonical Extended JSON."""
        view = self._view
        async with self._turns.asking if view.asks else self._turns.working:
            with driver_call(self._ask_ms):
                return await self._common(events) if view.is_common else await self._own(events)

    async def _own(self, events: Sequence[Event]) -> list[bytes]:
        seen = await self._view.seen([each.raw for each in events], self._shown)
        return [await self._text(each) for each in seen if each is not None]

    async def _common(self, events: Sequence[Event]) -> list[bytes]:
        new = [each for each in events if self._is_compact not in each.rendered]
        for each, common in zip(new, await self._view.seen([each.raw for each in new]), strict=True):
            each.rendered[self._is_compact] = None if common is None else await self._text(common)
        return [text for each in events if (text := each.rendered[self._is_compact]) is not None]

    async def _text(self, seen: bytes) -> bytes:
        if self._is_compact:
            seen = compact_events.compact(seen)
        if len(seen) < LARGE:
            return replies.batch_of_documents(seen, "EJSON", self._native)[0]
        texts, _ = await turns.taken(replies.texts_of_documents(seen, "EJSON", self._native))
        return b"".join(texts)


async def watch(exchange: Exchange) -> func.HttpResponse:
    """Return the response that goes on; all that is wrong is said before it begins."""
    service, query = exchange.service, exchange.request.params
    exchange.line.operation = WATCH
    with driver_call(service.settings.mongo_db_timeout_ms, exchange.arrived) as deadline:
        deadline.end_at(exchange.departure)
        token = bearer_token(exchange.request.headers.get("authorization", "")) or _first(query, _TOKEN)
        if not token:
            raise InvalidSessionError("must authenticate first")
        session_id = service.sessions.session_of(token)
        caller = await service.sessions.living(session_id)
        exchange.line.caller = caller.id
        body = _decoded(_first(query, _REQUEST), service.settings.max_body_bytes)
        view = RequestView(
            exchange.request, WATCH, client_address(exchange.request.headers, service.settings.trusted_proxies)
        )
        call = Call(
            exchange, watch_call(await document_in(body, service)), caller, view, Media("EJSON"), size=len(body)
        )
        call.is_of_data_api = False
        asked = await call.typed(WatchRequest)
        if asked.ids is not None and asked.filter:
            raise InvalidParameterError("give 'filter' or 'ids', not both")
        if not exchange.can_be_streamed:
            raise NotStreamedError
        wanted = Watch(asked.condition, shares=True)

        async def ask() -> Caller:
            with driver_call(_ASK_MS):
                return await service.sessions.living(session_id)

        def opened(caller: Caller) -> ChangeView:
            return open_changes(service, asked, caller, view, Wanted("EJSON"), wanted)

        sight = Sight(opened, caller, service, is_compact=asked.use_compact_events)
        deadline.refuse_late()
        listener = await service.hubs.listen(asked.data_source, asked.database, asked.collection)
    standing = Standing(caller, ask, service.settings.auth_cache_seconds)
    share = Share(service.budget, exchange.departure)
    feed = EventStream(listener, sight, standing, share, exchange.line)
    return StreamedResponse(feed, headers=exchange.headers | _HEADERS, mimetype="text/event-stream")


def _first(query: Mapping[str, str], names: Sequence[str]) -> str:
    return next((query[name] for name in names if name in query), "")


def _decoded(text: str, limit: int) -> bytes:
    """Return what is in base64, of either alphabet, with its padding or without."""
    if not text:
        raise MissingParameterError(f"must provide a '{_REQUEST[0]}' in the query")
    text = text.translate(_ALPHABET).rstrip("=")
    try:
        body = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Error, ValueError):  # not even ASCII
        raise InvalidParameterError(f"'{_REQUEST[0]}' must be JSON in base64") from None
    if len(body) > limit:
        raise BodyTooLargeError(f"request too large: the limit is {limit} bytes")
    return body
