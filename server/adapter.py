"""A request of ASGI to what Azure's host would pass to a function, and the function's response to ASGI's."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func

from server.bodies import FIRST_BYTES, Body, Receive
from server.refusals import RefusedError
from server.routes import Routes
from shared.admission import Departure
from shared.budget import Share
from shared.endpoint.parts import PartedResponse, size_of
from shared.endpoint.streams import StreamedResponse

type Scope = Mapping[str, Any]
type Send = Callable[[dict[str, Any]], Awaitable[None]]

PIECE = 128 * 1024
"""Bytes of a body that are sent at a time."""

LAST_SECONDS = 1.0
"""How long a client may take for the last words of a stream: a process that ends waits no longer for it."""

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_NOSNIFF = (b"x-content-type-options", b"nosniff")  # host.json has Azure's host send it


class Functions:
    """The ASGI application: each request to its function, with what Azure's host would pass to it."""

    def __init__(self, routes: Routes, max_body_bytes: int, close: Callable[[], Awaitable[None]]) -> None:
        """Take the table of the functions, how large a body may be, and what ends the process."""
        self.routes = routes
        self._first_bytes = min(FIRST_BYTES, max_body_bytes)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that leaves before its body is whole is not answered and nothing is done."""
        if scope["type"] != "http":
            await self._live(receive, send)
            return
        function, parameters = self.routes.find(scope["method"], scope["path"])
        headers = _headers(scope)
        refused = _refused(scope, headers)
        if refused is not None:
            await refused.answer(scope, receive, send)
            return
        body = Body(receive)
        if self._is_read_first(headers):
            await body.begin(self._first_bytes)
            if body.has_left:
                return
        request = Request(scope, headers, parameters, body)
        try:
            await self._send(await function(request), request, send)
        finally:
            request.end()

    def _is_read_first(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a body is read before its function is called, which says whether it may be sent."""
        declared = headers.get("content-length", "0")
        return "expect" not in headers and declared.isdecimal() and int(declared) <= self._first_bytes

    async def _send(self, response: func.HttpResponse, request: "Request", send: Send) -> None:
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.items()]
        sent += ((b"content-type", _content_type(response)), _NOSNIFF)
        if isinstance(response, StreamedResponse):
            await _stream(response, sent, request, send)
            return
        if "expect" in request.headers and not request.is_whole:
            sent.append((b"connection", b"close"))  # a client that waits may leave out its body, which would be awaited
        if response.status_code not in (204, 304):
            sent.append((b"content-length", str(size_of(response)).encode()))
        await send({"type": "http.response.start", "status": response.status_code, "headers": sent})
        if isinstance(response, PartedResponse):
            for piece in _pieces(response.parts):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await asyncio.sleep(0)  # a client that reads fast would have all of it before others have their turn
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": response.get_body()})

    async def _live(self, receive: Receive, send: Send) -> None:
        """Speak ASGI's protocol of the life of a process; what goes wrong is Uvicorn's to log."""
        await receive()  # the start, at which there is nothing to do: clients are made at first use
        await send({"type": "lifespan.startup.complete"})
        await receive()  # the end: all requests are answered
        await self._close()
        await send({"type": "lifespan.shutdown.complete"})


async def _stream(
    response: StreamedResponse, headers: list[tuple[bytes, bytes]], request: "Request", send: Send
) -> None:
    """Send pieces as they come, until they end or the client leaves; the connection ends with them."""
    feed = response.feed
    request.departure.tell(feed.leave)
    feed.tell(partial(asyncio.get_running_loop().call_later, LAST_SECONDS, request.drop))
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    async with aclosing(feed.pieces()) as pieces:
        async for piece in pieces:
            for start in range(0, len(piece), PIECE):
                await send({"type": "http.response.body", "body": piece[start : start + PIECE], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _pieces(parts: list[bytes]) -> Iterator[bytes]:
    """Give a body in pieces, small parts put together; what was given is held no longer."""
    parts.reverse()
    while parts:
        part = parts.pop()
        if len(part) > PIECE:
            yield from (part[start : start + PIECE] for start in range(0, len(part), PIECE))
            continue
        some, size = [part], len(part)
        while parts and size + len(parts[-1]) <= PIECE:
            some.append(parts.pop())
            size += len(some[-1])
        yield b"".join(some)


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1")
        try:
            value = raw_value.strip(b" \t").decode()
        except UnicodeDecodeError:  # Latin-1 is what headers were in before everything was UTF-8
            value = raw_value.strip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if scope["client"]:  # as a proxy does, and Azure's front end
        chain = headers.get("x-forwarded-for")
        headers["x-forwarded-for"] = f"{chain},{scope['client'][0]}" if chain else scope["client"][0]
    return headers


def _refused(scope: Scope, headers: Mapping[str, str]) -> RefusedError | None:
    """Return why a request that could be read is no request of HTTP/1.0 or 1.1 that two readers read alike."""
    if scope["http_version"] not in ("1.1", "1.0"):
        return RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "Send HTTP/1.1.")
    if "transfer-encoding" in headers:
        if scope["http_version"] == "1.0":
            return RefusedError(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding.")
        if headers["transfer-encoding"].lower() != "chunked":
            return RefusedError(HTTPStatus.NOT_IMPLEMENTED, "The only Transfer-Encoding is chunked.")
    if "," in headers.get("host", ""):
        return RefusedError(HTTPStatus.BAD_REQUEST, "There must be one Host.")
    return None


def _content_type(response: func.HttpResponse) -> bytes:
    """Return what Azure's worker makes of a response's mimetype, and of a stream's the type that SDKs know."""
    if response.mimetype.startswith("text/") and not isinstance(response, StreamedResponse):
        return f"{response.mimetype}; charset={response.charset}".encode()
    return str(response.mimetype).encode()


class Request(func.HttpRequest):
    """A request without the copies that its base makes; the headers' names are lower-case.

    The headers of one name are joined, and members of the query without a value are left out, as by Azure's host.
    """

    def __init__(self, scope: Scope, headers: dict[str, str], parameters: Mapping[str, str], body: Body) -> None:
        """Take the parts of a request, of whose body more may come."""
        host = headers.get("host", "")
        if not _HOST.fullmatch(host):  # a path or a query in it would be taken for the request's own
            host = "localhost"
        url = f"{scope['scheme']}://{host}{scope['raw_path'].decode('latin-1')}"
        query = scope["query_string"].decode("latin-1")
        self.arrived: float = scope["arrived"]
        self.departure: Departure = scope["departure"]
        self.drop: Callable[[], None] = scope["drop"]
        self.can_be_streamed: bool = scope["http_version"] != "1.0"
        self._method: str = scope["method"]
        self._url = f"{url}?{query}" if query else url
        self._headers = headers
        self._params = dict(parse_qsl(query)) if query else {}
        self._route_params = parameters
        self._body = body
        self._share: Share | None = None

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return self._method

    @property
    def url(self) -> str:
        """The URL with its query."""
        return self._url

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by their lower-case names."""
        return self._headers

    @property
    def params(self) -> Mapping[str, str]:
        """The query's members."""
        return self._params

    @property
    def route_params(self) -> Mapping[str, str]:
        """The route's members."""
        return self._route_params

    @property
    def is_whole(self) -> bool:
        """Whether the body is there."""
        return self._body.is_whole

    @property
    def size(self) -> int:
        """The bytes of the body that are there."""
        return self._body.size

    def get_body(self) -> bytes:
        """Return the body, as far as it is there."""
        return self._body.content()

    async def read_body(self, limit: int, share: Share) -> None:
        """Read the rest of the body, as `Body.read`."""
        await self._body.read(limit, share.hold)

    def keep(self, share: Share) -> None:
        """Hold a share until the request is answered."""
        self._share = share

    def end(self) -> None:
        """Give back what was held."""
        if self._share is not None:
            self._share.end()
