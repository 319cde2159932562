"""openapi.json: what the API is, and of an app what its caller may do."""

import asyncio
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import azure.functions as func

from shared.auth import credentials
from shared.endpoint import etags
from shared.endpoint.actions import Actions
from shared.endpoint.addresses import client_address
from shared.endpoint.http import ALL_METHODS, CREDENTIAL_HEADERS, NO_CONTEXT, Exchange, respond
from shared.endpoint.request_view import PlainHead, RequestView
from shared.endpoint.rule_functions import answers_of
from shared.endpoint.user_functions import UserFunctions
from shared.errors import MethodNotAllowedError, NotCallableError
from shared.mongo.deadlines import driver_call
from shared.ttl_cache import Cache

if TYPE_CHECKING:
    from shared.openapi.told import Told

_NAME = "openapi"
_TYPE = "application/json"
_MOST_MADE = 20
_MOST_BYTES = 16 * 1024 * 1024
_SECONDS = 3_600.0
_ALLOWED_HEADERS = "Authorization, If-None-Match"


class _Documents:
    """The documents that were made, by what is told in them: each is made when it is first asked for."""

    def __init__(self, groups: Iterable[Actions]) -> None:
        """Take the actions that are served."""
        self.groups = tuple(groups)
        self._actions = {name: action for group in self.groups for name, action in group.by_name.items()}
        self._made: Cache[Told, tuple[bytes, str]] = Cache(_MOST_MADE)
        self._bytes = 0
        self._turn = asyncio.Lock()

    async def of(self, told: "Told") -> tuple[bytes, str]:
        """Return a document with its tag; one is made at a time, in a thread: of a large app it takes long."""
        made = self._made.get(told)
        if made is not None:
            return made
        async with self._turn:
            made = self._made.get(told)
            if made is None:
                made = await asyncio.to_thread(self._make, told)
            if self._bytes + len(made[0]) > _MOST_BYTES:
                self._made, self._bytes = Cache(_MOST_MADE), 0
            self._bytes += len(made[0])
            self._made.put(told, made, _SECONDS)
        return made

    def _make(self, told: "Told") -> tuple[bytes, str]:
        from shared.openapi import document  # noqa: PLC0415  nothing else needs it

        body = document.written(document.document(self._actions, told))
        return body, etags.tag(_TYPE, [body])


def blueprint(groups: Iterable[Actions]) -> func.Blueprint:
    """Return the function that describes these actions, and the rest of the API."""
    documents = _Documents(groups)
    bp = func.Blueprint()

    @bp.route("openapi.json", methods=ALL_METHODS)
    async def openapi(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
        """Answer the document: without credentials one that names nothing of an app."""
        return await respond(req, context, _NAME, partial(_answer, documents))

    return bp


async def _answer(documents: _Documents, exchange: Exchange) -> func.HttpResponse:
    req, settings = exchange.request, exchange.service.settings
    if req.method == "OPTIONS":
        allowed = [_ALLOWED_HEADERS, *([CREDENTIAL_HEADERS] if settings.cors_allow_credential_headers else [])]
        return exchange.preflight("GET, HEAD, OPTIONS", ", ".join(allowed))
    if req.method not in {"GET", "HEAD"}:
        raise MethodNotAllowedError("method not allowed", ("GET", "HEAD"))
    with driver_call(settings.mongo_db_timeout_ms, exchange.arrived):
        body, tag = await documents.of(await _told(exchange, documents.groups))
    headers = {**exchange.headers, **etags.CACHED, "ETag": tag}
    if "if-none-match" in req.headers and etags.matches(req.headers["if-none-match"], tag):
        return func.HttpResponse(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers, mimetype=_TYPE)
    return func.HttpResponse(body, status_code=HTTPStatus.OK, headers=headers, mimetype=_TYPE)


async def _told(exchange: Exchange, groups: Iterable[Actions]) -> "Told":
    """Return what the caller is told, which is nothing of an app without credentials; raise as an action does."""
    from shared.openapi import told  # noqa: PLC0415

    req, service = exchange.request, exchange.service
    if not credentials.are_sent(req.headers):
        return told.NOTHING
    address = client_address(req.headers, service.settings.trusted_proxies)
    # %%request is what a call of an action would be, from the same place with the same headers
    view = RequestView(PlainHead("POST", req.url, req.headers), _NAME, address)
    functions = UserFunctions(exchange, view)
    caller = await service.credentials.authenticate(req.headers, address, functions)
    await exchange.identify(caller)
    if functions.untold:
        await functions.tell()

    def of_endpoint(method: str, route: str) -> RequestView:
        return RequestView(PlainHead(method, req.url, req.headers), "", address, route)

    asking = told.Asking(caller, view.of, of_endpoint, answers_of(exchange, caller, view))
    found = await told.told_of(service, groups, asking)
    if found.is_refused:
        raise NotCallableError("endpoint not callable")
    return found
