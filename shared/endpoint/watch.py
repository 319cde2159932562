"""The method `watch` of the SDKs: a request by GET -> the changes of a collection as they happen."""

from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

from bson.objectid import ObjectId

from shared import turns
from shared.access.protocol import Wanted
from shared.auth.accounts import Caller
from shared.auth.sent_once import bearer_token
from shared.budget import LARGE, Share
from shared.documents import compact_events, replies
from shared.documents.ejson import Document
from shared.endpoint.addresses import client_address
from shared.endpoint.bodies import document_in
from shared.endpoint.event_streams import EventStream, Standing
from shared.endpoint.request_view import RequestView
from shared.endpoint.service_calls import WATCH, refuse_unknown, watch_call
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
from shared.requests import EventsRequest
from shared.rules.changes import Shown

if TYPE_CHECKING:
    from shared.access.changes import ChangeView
    from shared.endpoint.http import Exchange
    from shared.service import Service

_REQUEST = ("baas_request", "stitch_request")
_TOKEN = ("baas_at", "stitch_at")
_ALPHABET = str.maketrans(" -_", "++/")  # what a plus is in a query, and what others have in its place
_ASK_MS = 5_000  # within which MongoDB must say what somebody may see, as others wait for their turn behind them
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class WatchRequest(EventsRequest, frozen=True, kw_only=True):
    """The argument of watch."""

    use_compact_events: bool = False


class Sight:
    """What a caller sees of events, as text."""

    def __init__(
        self, open_: Callable[[Caller], "ChangeView"], caller: Caller, service: "Service", *, is_compact: bool
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
        """Go on for the caller as they are now, who is told no end of what was shown to the one before."""
        self._view = self._open(caller)
        self._shown = Shown()

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


class Watching:
    """The request of a watch: who wants to be told, and of what."""

    def __init__(self, exchange: "Exchange", session_id: ObjectId, caller: Caller, body: bytes) -> None:
        """Take who asks, and the decoded request."""
        req, settings = exchange.request, exchange.service.settings
        self.caller = caller
        self.body = body
        self.view = RequestView(req, WATCH, client_address(req.headers, settings.trusted_proxies))
        self._exchange = exchange
        self._session_id = session_id

    @classmethod
    async def begun(cls, exchange: "Exchange") -> Self:
        """Read what stands in the query, and find whose session it is."""
        service, query = exchange.service, exchange.request.params
        exchange.line.operation = WATCH
        token = bearer_token(exchange.request.headers.get("authorization", "")) or _first(query, _TOKEN)
        if not token:
            raise InvalidSessionError("must authenticate first")
        session_id = service.sessions.session_of(token)
        caller = await service.sessions.living(session_id)
        await exchange.identify(caller)
        return cls(exchange, session_id, caller, _decoded(_first(query, _REQUEST), service.settings.max_body_bytes))

    async def argument(self) -> Document:
        """Return the argument of the method, with the data source."""
        argument = watch_call(await document_in(self.body, self._exchange.service))
        refuse_unknown(self._exchange.app, argument["dataSource"])
        return argument

    async def response(self, asked: WatchRequest, open_: Callable[..., "ChangeView"]) -> StreamedResponse:
        """Return the response that goes on; what is written from now on is told, as far as what is opened tells it."""
        exchange, service = self._exchange, self._exchange.service
        if not exchange.can_be_streamed:
            raise NotStreamedError

        def opened(caller: Caller) -> "ChangeView":
            return open_(service, asked, caller, self.view, Wanted("EJSON"))

        sight = Sight(opened, self.caller, service, is_compact=asked.use_compact_events)
        listener = await service.hubs.listen(asked.data_source, asked.database, asked.collection)
        standing = Standing(self.caller, self._now, service.settings.auth_cache_seconds, service.usage)
        share = Share(service.budget, exchange.departure)
        feed = EventStream(listener, sight, standing, share, exchange.line, exchange.unexpected)
        return StreamedResponse(feed, headers=exchange.headers | _HEADERS, mimetype="text/event-stream")

    async def _now(self) -> Caller:
        with driver_call(_ASK_MS):
            return await self._exchange.service.sessions.living(self._session_id)


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
