"""The functions of function_app served by Uvicorn on LISTEN_PORT: the container and the local run."""

import asyncio
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func
import uvicorn
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from server.draining import DrainingProtocol, DrainingServer
from shared import settings, telemetry
from shared.cache import store as cache
from shared.endpoint.actions import Function
from shared.mongo import clients as mongo
from shared.settings import SettingsError

telemetry.log_to_stdout()
import function_app  # noqa: E402  it says at its import whether the settings are right

KEEP_ALIVE_SECONDS = 75  # longer than the proxies in front keep their connections, so that they end them, not we
MOST_HEADER_BYTES = 64 * 1024
BODY_SECONDS = 120  # for a body to arrive whole

_CATCH_ALL = "{*path}"
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_NOSNIFF = (b"x-content-type-options", b"nosniff")  # host.json has Azure's host send it


class FunctionRoute:
    """Serves one function over ASGI with what Azure's host would pass it: joined headers, no empty query values."""

    def __init__(self, function: Function) -> None:
        """Keep the registered function."""
        self.function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that leaves before its body is whole is not answered and nothing is done."""
        headers = _headers(scope)
        if scope["client"]:  # as a proxy does, and Azure's front end
            chain = headers.get("x-forwarded-for")
            headers["x-forwarded-for"] = f"{chain},{scope['client'][0]}" if chain else scope["client"][0]
        body = await _body(headers, receive)
        if body is None:
            return
        response = await self.function(Request(scope, headers, body))
        content = response.get_body()
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.items()]
        sent += ((b"content-type", _content_type(response)), _NOSNIFF)
        if response.status_code not in (204, 304):
            sent.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": response.status_code, "headers": sent})
        await send({"type": "http.response.body", "body": content})


def _content_type(response: func.HttpResponse) -> bytes:
    """Return what Azure's worker makes of a response's mimetype."""
    if response.mimetype.startswith("text/"):
        return f"{response.mimetype}; charset={response.charset}".encode()
    return str(response.mimetype).encode()


class Request(func.HttpRequest):
    """What Azure's host would pass, without the copies that its base makes; the headers' names are lower-case."""

    def __init__(self, scope: Scope, headers: dict[str, str], body: bytes) -> None:
        """Take the parts of a request."""
        host = headers.get("host", "")
        if not _HOST.fullmatch(host):  # a path or a query in it would be taken for the request's own
            host = "localhost"
        url = f"{scope['scheme']}://{host}{scope['raw_path'].decode('latin-1')}"
        query = scope["query_string"].decode("latin-1")
        self._method: str = scope["method"]
        self._url = f"{url}?{query}" if query else url
        self._headers = headers
        self._params = dict(parse_qsl(query)) if query else {}
        self._route_params: Mapping[str, str] = scope.get("path_params", {})
        self._body = body

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

    def get_body(self) -> bytes:
        """Return the body."""
        return self._body


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.strip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


async def _body(headers: dict[str, str], receive: Receive) -> bytes | None:
    """Return the body; of one that is too large no more than shows that it is; None if the client left meanwhile."""
    limit = _max_body_bytes()
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        return b""
    parts: list[bytes] = []
    size = 0
    while size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body", False):
            break
    return b"".join(parts)


def _max_body_bytes() -> int:
    try:
        return settings.current().max_body_bytes
    except SettingsError:  # the function answers with the sentence, whatever the body
        return 0


class Protocol(DrainingProtocol):
    """Uvicorn's protocol with limits that it leaves to a proxy: the size of the headers, the time for a body."""

    _head_bytes = 0
    _in_head = True
    _body_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Count what arrives before the headers are whole, and start the clock for a body that is not."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head:
            if self._body_timer is None:
                self._body_timer = self.loop.call_later(BODY_SECONDS, self.transport.close)
        elif self._head_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("Request headers too large.")

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock; what comes next are the headers of another request."""
        self._in_head, self._head_bytes = True, 0
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        super().on_message_complete()


def _routes() -> list[Route]:
    routes = []
    for function in function_app.app.get_functions():
        trigger: Any = function.get_trigger()
        path = "/" + trigger.route.replace(_CATCH_ALL, "{path:path}")
        # the last function takes what no other does, whatever the method: Starlette's own 405 would be plain text
        methods = None if trigger.route == _CATCH_ALL else [method.value for method in trigger.methods]
        route = Route(path, FunctionRoute(function.get_user_function()), methods=methods)
        # as Azure's host matches: in any case, with or without a slash at the end
        route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + "/?$", re.IGNORECASE)
        routes.append(route)
    return routes


class Functions:
    """The ASGI application: an exact path is looked up; every other one, and the process's life, are the router's."""

    def __init__(self, routes: list[Route]) -> None:
        """Note of each route which segments of a path are its own and which are parameters."""
        # a bare router: shared.endpoint answers every error itself, so Starlette's middleware would have nothing to do
        self._router = Router(routes=routes, lifespan=_lifespan, redirect_slashes=False)
        exact = [ExactRoute(route) for route in routes if not route.path.endswith("}")]
        self._exact = {(len(each.segments), each.segments[-1]): each for each in reversed(exact)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            segments = scope["path"].split("/")
            exact = self._exact.get((len(segments), segments[-1]))
            if exact is not None and exact.matches(scope, segments):
                await exact.function(scope, receive, send)
                return
        await self._router(scope, receive, send)


class ExactRoute:
    """A route that ends with a word of its own, matched without a regular expression: in the case it is written."""

    def __init__(self, route: Route) -> None:
        """Take one of the router's routes."""
        self.segments = route.path.split("/")
        self.function: Any = route.endpoint
        self._methods = route.methods or set()
        self._own = [(at, segment) for at, segment in enumerate(self.segments) if segment[:1] != "{"]
        self._parameters = [(at, segment[1:-1]) for at, segment in enumerate(self.segments) if segment[:1] == "{"]

    def matches(self, scope: Scope, segments: list[str]) -> bool:
        """Tell whether these are the segments of a path of this route; note its parameters if they are."""
        if scope["method"] not in self._methods:
            return False
        for at, segment in self._own:
            if segments[at] != segment:
                return False
        parameters = {name: segments[at] for at, name in self._parameters}
        if "" in parameters.values():
            return False
        scope["path_params"] = parameters
        return True


@asynccontextmanager
async def _lifespan(_app: object) -> AsyncIterator[None]:
    yield
    await cache.close()
    await mongo.close()
    telemetry.event(logging.INFO, "stopped")
    await asyncio.to_thread(telemetry.flush, 5.0)


app = Functions(_routes())


def _grace_seconds() -> int:
    """Return how long a call in flight may take at the end: a little longer than its own deadline."""
    try:
        return settings.current().mongo_db_timeout_ms // 1000 + 2
    except SettingsError:  # then every call is refused at once
        return 1


def _config() -> uvicorn.Config:
    host, port = settings.listen_address(os.environ)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Protocol,
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        workers=1,  # else Uvicorn reads WEB_CONCURRENCY by itself
        timeout_graceful_shutdown=_grace_seconds(),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


def serve(sockets: list[socket.socket] | None = None) -> None:
    """Serve in this process until SIGTERM or SIGINT; requests in flight are answered first."""
    # once all is answered, Uvicorn raises the signal again for whoever waits for it: an orderly end, so exit code 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    DrainingServer(_config()).run(sockets)


def main() -> None:
    """Serve in WEB_CONCURRENCY processes."""
    try:
        config, count = _config(), settings.process_count(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    if count == 1:
        serve()
    else:
        from server.processes import Supervisor  # noqa: PLC0415  most containers have one process

        sys.exit(Supervisor(serve, config.bind_socket(), count, _grace_seconds()).run())
