"""The actions of the Data API: request -> Call, Reply -> response."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

import azure.functions as func

from shared import turns
from shared.access.opening import open_access
from shared.access.protocol import Access, Reply
from shared.admission import Departure, Places
from shared.app.model import App
from shared.app.signatures import verify
from shared.auth.accounts import Caller
from shared.documents import ejson, large_bodies, replies, stored_bodies
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.documents.stored import Stored
from shared.endpoint import etags
from shared.endpoint.accept import reply_format
from shared.endpoint.addresses import client_address
from shared.endpoint.content_encoding import decoded
from shared.endpoint.http import ALL_METHODS, NO_CONTEXT, Exchange, Function, path_of, respond
from shared.endpoint.parts import PartedResponse
from shared.endpoint.request_view import RequestView
from shared.errors import (
    BodyTooLargeError,
    EndpointNotFoundError,
    InvalidJSONError,
    LengthRequiredError,
    MethodNotAllowedError,
    NotCallableError,
)
from shared.guard.complexity import memory_of
from shared.guard.walk import walk, walked
from shared.mongo.deadlines import driver_call
from shared.requests import Request
from shared.rules.expressions import Expansions, holds
from shared.service import Service

__all__ = ["ACTION_ROUTE", "ALL_METHODS", "Action", "Actions", "Call", "answer"]

ACTION_ROUTE = "app/{app_id}/endpoint/data/{version}/action/"
VERSIONS = frozenset({"v1", "beta"})

type Handler = Callable[[Call], Awaitable[Reply]]

_ALLOWED_HEADERS = "Authorization, Content-Type, Accept"
_CREDENTIAL_HEADERS = "apiKey, api-key, email, password, jwtTokenString"
_CACHE_HEADERS = "Cache-Control, If-None-Match"
_ENCODINGS = frozenset({"content-encoding", "transfer-encoding"})
_LONGEST_PATH = 200  # characters of what a caller sent, in an error's text


class Call:
    """One authenticated and parsed call of an action."""

    __slots__ = ("_caller", "_exchange", "_is_large", "_request_view", "body", "form", "writes")

    def __init__(
        self,
        exchange: Exchange,
        body: Document,
        caller: Caller,
        request_view: RequestView,
        form: Format,
        *,
        is_large: bool = False,
    ) -> None:
        """Take the exchange, whose log line gets the namespace once the request is typed."""
        self.writes = False
        self._is_large = is_large
        self._exchange = exchange
        self._caller = caller
        self._request_view = request_view
        self.body = body
        self.form: Format = form

    async def typed[R: Request](self, kind: type[R]) -> R:
        """Return the body as this kind of request; raise if it asks for too much or for what is refused."""
        request = kind.from_body(self.body)
        service = self._exchange.service
        service.guard.namespace(request.database, request.collection)
        namespace = f"{request.database}.{request.collection}" if request.collection else request.database
        self._exchange.line.namespace = namespace
        if request.written is not None:
            self._go_on()
        placed = request.interpreted()
        if request.options:
            service.guard.options(request.options, is_system=self._caller.is_system)
            placed += request.options.interpreted()
        met = await turns.taken(walk(placed)) if self._is_large else walked(placed)
        service.complexity.call(placed, met.documents, *request.targets())
        service.guard.operators(met.operators, request.database, is_system=self._caller.is_system)
        return request

    def _go_on(self) -> None:
        """Note that this call of an action that reads will write: it is not given up when its caller leaves."""
        self.writes = True
        if self._exchange.departure is not None:
            self._exchange.departure.tell(None)

    def access(self, request: Request) -> "Opening":
        """Give what the caller may do to the collection that a request names, as soon as a connection is left for it.

        Raise OverloadedError if none is left in time.
        """
        exchange = self._exchange
        access = open_access(exchange.service, request, self._caller, self._request_view, self.form)
        return Opening(access, exchange.service.clients.places(request.data_source), exchange.departure)


class Opening:
    """A collection that is open while a call has a place at its data source's connections."""

    __slots__ = ("_access", "_departure", "_places")

    def __init__(self, access: Access, places: Places, departure: Departure | None) -> None:
        """Take what is opened, the places, and whether the caller is still there."""
        self._access = access
        self._places = places
        self._departure = departure

    async def __aenter__(self) -> Access:
        """Take a place."""
        await self._places.enter(self._departure)
        return self._access

    async def __aexit__(self, *_: object) -> None:
        """Give it back."""
        self._places.leave()


class Action(NamedTuple):
    """An action: its name in paths and in the log, what it does, whether it only reads, the status of its success.

    Replies to what only reads can be cached, and get a tag then. What is stored may be read to BSON at once.
    """

    name: str
    handle: Handler
    reads: bool
    success: HTTPStatus
    stores: Stored | None = None


class Actions(func.Blueprint):
    """A blueprint of actions, which other spellings of their paths find by name."""

    def __init__(self) -> None:
        """Begin without an action."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_name: dict[str, Action] = {}

    def action(
        self, name: str, *, reads: bool, success: HTTPStatus = HTTPStatus.OK, stores: Stored | None = None
    ) -> Callable[[Handler], Function]:
        """Make an Azure Function of a handler: the one decorator of ours, directly above def and below @bp.route."""

        def decorate(handle: Handler) -> Function:
            made = self.by_name[name] = Action(name, handle, reads, success, stores)
            # the platform matches routes without regard to case, Atlas did not
            is_exact = re.compile(rf"/app/[^/]+/endpoint/data/[^/]+/action/{name}/?").fullmatch

            async def function(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
                served = made if is_exact(path_of(req)) else None
                return await answer(req, served, req.route_params["app_id"], req.route_params["version"], context)

            function.__name__ = name  # functools.wraps would show the worker the handler's signature
            return function

        return decorate


async def answer(
    req: func.HttpRequest,
    action: Action | None,
    app_id: str | None = None,
    version: str = "v1",
    context: func.Context = NO_CONTEXT,
) -> func.HttpResponse:
    """Return the response of an action; without one there is none at the request's path."""

    async def work(exchange: Exchange) -> func.HttpResponse:
        served = _served(exchange, action, app_id, version)
        if req.method == "OPTIONS":
            return _preflight(exchange)
        if not _may_be_large(req):
            return await _run(exchange, served)
        with exchange.service.full_collections:  # until what was read is gone
            return await _run(exchange, served)

    return await respond(req, context, action.name if action else "unknown", work)


def _served(exchange: Exchange, action: Action | None, app_id: str | None, version: str) -> Action:
    """Raise EndpointNotFoundError or UnknownAppError if the app does not serve the action, or not in this version."""
    if action is None or version not in VERSIONS:
        raise _not_found(exchange.request)
    exchange.refuse_other_app(app_id)
    app = exchange.app
    if app is not None:
        data_api = app.data_api
        if data_api.disabled or (data_api.versions is not None and version not in data_api.versions):
            raise _not_found(exchange.request)
    return action


def _not_found(req: func.HttpRequest) -> EndpointNotFoundError:
    return EndpointNotFoundError(f"no endpoint found for '{path_of(req)[:_LONGEST_PATH]}'")


async def _run(exchange: Exchange, action: Action) -> func.HttpResponse:
    req, service = exchange.request, exchange.service
    if req.method != "POST":
        raise MethodNotAllowedError("method not allowed")
    _refuse_body(exchange)
    with driver_call(service.settings.mongo_db_timeout_ms, exchange.arrived) as deadline:
        call = await _call(exchange, action)
        deadline.refuse_late()
        if action.reads:
            deadline.end_at(exchange.departure)
        reply = await action.handle(call)
    exchange.line.documents = reply.documents
    is_large = reply.size >= large_bodies.LARGE
    media = replies.CONTENT_TYPES[call.form]
    response = (
        PartedResponse(reply.parts, status_code=action.success, headers=exchange.headers, mimetype=media)
        if is_large
        else func.HttpResponse(reply.body, status_code=action.success, headers=exchange.headers, mimetype=media)
    )
    if action.reads and not call.writes and exchange.line.namespace in service.settings.cached:
        if_none_match = req.headers.get("if-none-match", "")
        if is_large:
            return await asyncio.to_thread(etags.tagged, response, if_none_match)
        return etags.tagged(response, if_none_match)
    return response


async def _call(exchange: Exchange, action: Action) -> Call:
    req, service, app = exchange.request, exchange.service, exchange.app
    address = client_address(req.headers, service.settings.trusted_proxies)
    caller = await service.credentials.authenticate(req.headers, address)
    exchange.line.caller = caller.id
    body = await exchange.body(service.settings.max_body_bytes)
    if app is not None and len(body) < large_bodies.LARGE:
        verify(app.data_api, req.headers, req.params, body)
    elif app is not None:
        await asyncio.to_thread(verify, app.data_api, req.headers, req.params, body)
    view = RequestView(req, action.name, address)
    if not caller.is_system:
        _refuse_uncallable(app, Expansions(caller.user, view))
    if "content-encoding" in req.headers:
        encoding, limit = req.headers["content-encoding"], service.settings.max_body_bytes
        body = await decoded(body, encoding, limit, exchange.share)
    if len(body) >= large_bodies.LARGE:
        await exchange.share.work_on(await turns.taken(memory_of(body)))
    document = await _document(body, service, action.stores)
    form = reply_format(req.headers.get("accept"), service.settings, app)
    return Call(exchange, document, caller, view, form, is_large=len(body) >= large_bodies.LARGE)


def _refuse_uncallable(app: App | None, expansions: Expansions) -> None:
    can_evaluate = None if app is None else app.data_api.can_evaluate
    if can_evaluate is None or can_evaluate.constant is True or holds(can_evaluate, expansions.context()):
        return
    raise NotCallableError("endpoint not callable")


def _preflight(exchange: Exchange) -> func.HttpResponse:
    settings = exchange.service.settings
    allowed = [_ALLOWED_HEADERS]
    if settings.cors_allow_credential_headers:
        allowed.append(_CREDENTIAL_HEADERS)
    if settings.cached:
        allowed.append(_CACHE_HEADERS)
    return exchange.preflight("POST, OPTIONS", ", ".join(allowed))


def _may_be_large(req: func.HttpRequest) -> bool:
    """Tell whether a body may be large once it is read and decoded."""
    if not req.headers.keys().isdisjoint(_ENCODINGS) or len(req.get_body()) >= large_bodies.LARGE:
        return True
    declared = req.headers.get("content-length", "")
    return declared.isdecimal() and int(declared) >= large_bodies.LARGE


def _refuse_body(exchange: Exchange) -> None:
    """Refuse a body by what is known of it before all of it is read."""
    req, limit = exchange.request, exchange.service.settings.max_body_bytes
    size = len(req.get_body())
    declared = req.headers.get("content-length", "")
    if size > limit or (declared.isdecimal() and int(declared) > limit):
        raise BodyTooLargeError(f"request body too large: the limit is {limit} bytes")
    if not size and exchange.is_whole and "chunked" in req.headers.get("transfer-encoding", "").lower():
        raise LengthRequiredError("request body must be sent with a Content-Length")


async def _document(body: bytes, service: Service, stores: Stored | None) -> Document:
    settings = service.settings
    if not service.complexity.is_few(body):
        await turns.taken(service.complexity.body(body))
    reader = service.transcoder.reader
    if stores is not None and reader is not None:
        steps = stored_bodies.loads(reader, body, stores, settings.max_nesting, settings.max_members)
        if (document := await turns.taken(steps)) is not None:
            return document
    try:
        if len(body) < large_bodies.LARGE:
            return ejson.loads(body, settings.max_nesting, settings.max_members)
        return await turns.taken(large_bodies.loads(body, settings.max_nesting, settings.max_members))
    except InvalidJSONError as error:
        raise error.in_body() from error
