"""The bytes of a connection to requests: what Uvicorn's protocol leaves to a proxy, or reads as nobody meant it."""

import asyncio
import logging
import time
from http import HTTPStatus

import httptools

from server.draining import make_last
from server.refusals import RefusedError
from server.watching import WatchedProtocol
from shared.telemetry.log import event

MOST_HEAD_BYTES = 64 * 1024


class Protocol(WatchedProtocol):
    """Uvicorn's protocol for a process that may stand without a proxy.

    An offer to upgrade is declined by reading its request again without it. Trailers are dropped. What cannot be read
    is refused once, after the answers that are due before it, and nothing behind it is read. Heads are limited in
    size and time, bodies in time, and connections in number.
    """

    _head_bytes = 0  # of the request that is arriving
    _packet_bytes = 0  # that are being read
    _unframed_bytes = 0  # since a body's last byte: lines between chunks, trailers
    _in_head = True
    _has_begun = False  # a head has, and is not whole
    _is_counted = True  # all of the head is, as no other request came in the packet in which it begins
    _is_refused = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; the first request must come soon."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.server_state.limits.head_seconds, self._end_late)
        self.server_state.open_connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_timer()
        self._unset_keepalive_if_required()
        self.server_state.open_connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what arrives, within the limits of size and time."""
        if self._is_refused or self.is_lingering:
            return
        if self._is_idle and self.is_refused_whole(data):
            self._stop_timer()
            return
        self._packet_bytes = len(data)
        if self._in_head:
            self._is_counted |= not self._has_begun
            self._head_bytes += self._packet_bytes
        else:
            self._unframed_bytes += self._packet_bytes
        try:
            self._read(data)
            self._limit_sizes()
        except RefusedError as refused:
            self._refuse(refused)
            return
        if self._timer is None and (self._has_begun or not self._in_head):
            limits = self.server_state.limits
            seconds = limits.head_seconds if self._in_head else limits.body_seconds
            self._timer = self.loop.call_later(seconds, self._end_late)
            self.server_state.open_connections.begun(self)

    @property
    def _is_idle(self) -> bool:
        is_answered = self.cycle is None or self.timeout_keep_alive_task is not None
        return is_answered and self._in_head and not self._has_begun and not self._head_bytes

    def _read(self, data: bytes) -> None:
        """Have the parser call the methods below; raise RefusedError for what it cannot read."""
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                self._decline(offer, data)
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, RefusedError):  # a method raised it
                raise error.__context__ from None
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Invalid HTTP request received.") from error

    def _limit_sizes(self) -> None:
        if self._in_head:
            if self._head_bytes > MOST_HEAD_BYTES:
                raise _too_large(self.url if self._has_begun else b"")
        elif self._unframed_bytes > MOST_HEAD_BYTES:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Chunk extensions or trailers too large.")

    def _decline(self, offer: httptools.HttpParserUpgrade | None, data: bytes) -> None:
        """Read the rest of what arrived, from the head that ends with an offer on."""
        rest = memoryview(data)
        while offer is not None:
            rest, offer = rest[offer.args[0] :], None
            self._read_without_offer()
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as another:
                offer = another

    def _read_without_offer(self) -> None:
        """Read the head again without what made the parser stop behind it (RFC 9110, section 7.8)."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, "This is no proxy.")
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as Uvicorn sets it
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def on_message_begin(self) -> None:
        """Begin with a head; bytes that begin none, such as empty lines, keep no connection open."""
        super().on_message_begin()
        self._has_begun = True
        self._unset_keepalive_if_required()

    def on_headers_complete(self) -> None:
        """Go on to the body; the time that the call may take begins."""
        if self.parser.should_upgrade():
            return  # the parser stops behind this head, which is then read again
        may_be_large = not self._is_counted or max(self._head_bytes, self._packet_bytes) > MOST_HEAD_BYTES
        if may_be_large and _size_of(self.url, self.headers) > MOST_HEAD_BYTES:
            raise _too_large(self.url if self._has_begun else b"")
        if not self.url.startswith(b"/"):
            self.url = _origin_form(self.url)
        if self.expect_100_continue:
            self.expect_100_continue = self.parser.get_http_version() != "1.0"
        self.scope["arrived"] = time.monotonic()  # type: ignore[typeddict-unknown-key]
        self._unset_keepalive_if_required()  # an answer that was due has started its clock meanwhile
        super().on_headers_complete()
        self.headers = []  # the request's own are complete: what the parser finds behind the body are trailers
        self._in_head = self._has_begun = False
        self._unframed_bytes = 0
        self._stop_timer()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unframed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock; what comes next are the headers of another request."""
        if self._in_head:
            return  # of an offer
        self._in_head, self._head_bytes, self._is_counted = True, 0, False
        self._stop_timer()
        self.cycle.waiting_for_100_continue = False
        super().on_message_complete()
        if not self.cycle.response_complete:
            self.server_state.open_connections.arrived(self)

    def on_response_complete(self) -> None:
        """Go on to the next request of the pipeline, or wait for one."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            self.server_state.open_connections.answered(self)
        elif self.transport.is_closing():
            self.watch_client()

    def drop(self) -> None:
        """End at once: nothing is owed to the client."""
        self.transport.abort()

    def turn_away(self) -> None:
        """Say that there is no room, and end."""
        self._refuse(RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections."))

    def _end_late(self) -> None:
        """End a connection whose request did not arrive in time, or that never began one."""
        self._timer = None
        if self._in_head and not self._has_begun:
            self.transport.close()
        else:
            self._refuse(RefusedError(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time."))

    def _refuse(self, refused: RefusedError) -> None:
        """Answer with it in its turn, if an answer is due, and end the connection: what follows cannot be read."""
        self._is_refused = True
        self._stop_timer()
        if refused.status not in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.SERVICE_UNAVAILABLE}:
            event(logging.WARNING, "a request was refused unread", status=refused.status, reason=str(refused))
        newest = self.cycle
        if newest is None or (self._in_head and newest.response_complete):
            self._end_with(refused)
        elif self._in_head:
            make_last(newest)
        elif self.pipeline and self.pipeline[0][0] is newest:
            self.pipeline[0] = (newest, refused.answer)
        elif newest.response_started:
            self.transport.close()
        else:
            newest.disconnected = True  # for the application, which waits for the rest of the body
            newest.message_event.set()
            self._end_with(refused)

    def _end_with(self, refused: RefusedError) -> None:
        if not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.transport.write(refused.response())
            self.linger()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _too_large(url: bytes) -> RefusedError:
    if len(url) > MOST_HEAD_BYTES // 2:
        return RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, "Request target too long.")
    return RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Request headers too large.")


def _size_of(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


def _origin_form(target: bytes) -> bytes:
    """Return the path and the query of a target in absolute form, which HTTP/1.1 allows everybody to send."""
    _, _, rest = target.partition(b"://")
    _, slash, path = rest.partition(b"/")
    return slash + path if slash else b"/"
