"""The functions of function_app served by Uvicorn on LISTEN_PORT: the container and the local run."""

import logging
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func
import uvicorn
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from shared import mongo, settings, telemetry
from shared.endpoint import Function
from shared.settings import SettingsError

telemetry.log_to_stdout()
import function_app  # noqa: E402  it says at its import whether the settings are right

GRACE_SECONDS = 20
KEEP_ALIVE_SECONDS = 75  # longer than the proxies in front keep their connections, so that they end them, not we


class FunctionRoute:
    """Serves one function over ASGI with what Azure's host would pass it: joined headers, no empty query values."""

    def __init__(self, function: Function) -> None:
        """Keep the registered function."""
        self.function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that leaves before its body is whole is not answered and nothing is done."""
        headers = _headers(scope)
        body = await _body(headers, receive)
        if body is None:
            return
        response = await self.function(_request(scope, headers, body))
        content = response.get_body()
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers.items()]
        if "content-type" not in response.headers:
            sent.append((b"content-type", f"{response.mimetype}; charset={response.charset}".encode()))
        if response.status_code != 204:
            sent.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": response.status_code, "headers": sent})
        await send({"type": "http.response.body", "body": content})


def _request(scope: Scope, headers: dict[str, str], body: bytes) -> func.HttpRequest:
    query = scope["query_string"].decode("latin-1")
    url = f"{scope['scheme']}://{headers.get('host', 'localhost')}{scope['raw_path'].decode('latin-1')}"
    return func.HttpRequest(
        scope["method"],
        f"{url}?{query}" if query else url,
        headers=headers,
        params=dict(parse_qsl(query)) if query else {},
        route_params=scope["path_params"],
        body=body,
    )


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
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


def _routes() -> list[Route]:
    routes = []
    for function in function_app.app.get_functions():
        trigger: Any = function.get_trigger()
        path = "/" + trigger.route.replace("{*path}", "{path:path}")
        methods = [method.value for method in trigger.methods]
        route = Route(path, FunctionRoute(function.get_user_function()), methods=methods)
        # as Azure's host matches: in any case, with or without a slash at the end
        route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + "/?$", re.IGNORECASE)
        routes.append(route)
    return routes


@asynccontextmanager
async def _lifespan(_app: object) -> AsyncIterator[None]:
    yield
    await mongo.close()
    telemetry.event(logging.INFO, "stopped")


# a bare router: shared.endpoint answers every error itself, so Starlette's middleware would have nothing to do
app = Router(routes=_routes(), lifespan=_lifespan, redirect_slashes=False)


def main() -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered first."""
    try:
        host, port = settings.listen_address(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    # once all is answered, Uvicorn raises the signal again for whoever waits for it: an orderly end, so exit code 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    main()
