"""The functions of function_app served by Uvicorn on LISTEN_PORT: the container and the local run."""

import asyncio
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from server.adapter import FunctionRoute
from server.draining import DrainingServer
from server.limits import Protocol
from shared import settings, telemetry
from shared.service import process
from shared.settings import SettingsError

telemetry.log_to_stdout()
import function_app  # noqa: E402  it says at its import whether the settings are right

KEEP_ALIVE_SECONDS = 75  # longer than the proxies in front keep their connections, so that they end them, not we

_CATCH_ALL = "{*path}"


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
    await process.close()
    telemetry.event(logging.INFO, "stopped")
    await asyncio.to_thread(process.reporting.flush, 5.0)


app = Functions(_routes())


def _grace_seconds() -> int:
    """Return how long a call in flight may take at the end: a little longer than its own deadline."""
    try:
        return process.service().settings.mongo_db_timeout_ms // 1000 + 2
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
