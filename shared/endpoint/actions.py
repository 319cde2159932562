"""The actions of the Data API: request -> Call, Reply -> response."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, TypedDict, Unpack

import azure.functions as func

from shared import turns
from shared.access.bulk import Bulk
from shared.access.cached import invalidating
from shared.access.opening import is_callable, open_access, open_uncached
from shared.access.paging import Page
from shared.access.protocol import Access, Reply, Wanted
from shared.access.tags import Expected
from shared.app.model import App
from shared.app.signatures import verify
from shared.auth.accounts import Caller
from shared.documents import large_bodies, tables
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.documents.stored import Stored
from shared.endpoint.accept import Media, reply_media
from shared.endpoint.addresses import client_address
from shared.endpoint.bodies import decoded_body, document_in, may_be_large, refuse_body
from shared.endpoint.contexts import CallContext
from shared.endpoint.cursors import Asked, Continued, Cursors
from shared.endpoint.http import ALL_METHODS, CREDENTIAL_HEADERS, NO_CONTEXT, Exchange, Function, path_of, respond
from shared.endpoint.openings import Opening
from shared.endpoint.polling import Poll, Polling
from shared.endpoint.request_view import RequestView
from shared.endpoint.responses import response
from shared.endpoint.rule_functions import answers_of
from shared.endpoint.terms import TERMS, TermedWrite, Terms, refuse_condition, refuse_terms, terms_of
from shared.endpoint.transactions import Transaction
from shared.endpoint.user_functions import UserFunctions
from shared.errors import (
    DataAPIError,
    EndpointNotFoundError,
    InvalidParameterError,
    MethodNotAllowedError,
    NotCallableError,
)
from shared.guard.walk import walk
from shared.mongo import concerns
from shared.mongo.deadlines import atomically, driver_call, within
from shared.options import Options
from shared.requests import GetMore, Request
from shared.rules.answers import Answers, answered
from shared.rules.expressions import Expansions
from shared.rules.ruleset import Could, could_see
from shared.service import Service
from shared.turns import Steps
from shared.writes import BulkWrite, Operation, TransactionRequest

if TYPE_CHECKING:
    from shared.access.changes import ChangeView

__all__ = ["ACTION_ROUTE", "ALL_METHODS", "Action", "Actions", "Call", "answer"]

ACTION_ROUTE = "app/{app_id}/endpoint/data/{version}/action/"
VERSIONS = frozenset({"v1", "beta"})

type Handler = Callable[[Call], Awaitable[Reply]]

_ALLOWED_HEADERS = "Authorization, Content-Type, Accept, If-None-Match"
_CACHE_HEADERS = "Cache-Control"
_LONGEST_NAMESPACES = 500  # characters, in the log line
_LONGEST_PATH = 200  # characters of what a caller sent, in an error's text


class Call:
    """One authenticated and parsed call of an action."""

    __slots__ = (
        "_caller", "_context", "_request_view", "answers", "body", "columns", "conditions", "continued", "deadline",
        "digest", "expected",
        "form", "is_of_data_api", "media", "sent_headers", "size", "writes",
    )  # fmt: skip

    def __init__(
        self,
        context: CallContext,
        body: Document,
        caller: Caller,
        request_view: RequestView,
        media: Media,
        *,
        size: int = 0,
    ) -> None:
        """Take what it is counted on, whose log line gets the namespace once the request is typed."""
        self.answers: Answers | None = None
        self.writes = False
        self.is_of_data_api = True
        self._context = context
        self.sent_headers = context.sent_headers
        self._caller = caller
        self._request_view = request_view
        self.body = body
        self.media = media
        self.form: Format = media.form
        self.size = size
        self.columns: Sequence[str] = ()
        self.conditions = 0
        self.digest = b""
        self.deadline: driver_call | None = None
        self.continued: Continued | None = None
        self.expected: Expected | None = None

    async def typed[R: Request](self, kind: type[R]) -> R:
        """Return the body as this kind of request; raise if it asks for too much or for what is refused."""
        request = kind.from_body(self.body)
        service = self._context.service
        service.guard.namespace(request.database, request.collection)
        namespace = f"{request.database}.{request.collection}" if request.collection else request.database
        self._context.line.namespace = namespace
        if request.written is not None:
            self._go_on()
        checks = self._checked(request)
        is_large = self.size >= large_bodies.LARGE
        self.conditions = await turns.taken(checks) if is_large else turns.at_once(checks)
        return request

    def _go_on(self) -> None:
        """Note that this call of an action that reads will write: it is not given up when its caller leaves.

        Raise InvalidParameterError for terms, which are kept by transactions: MongoDB has no such write in one.
        """
        refuse_terms(self.sent_headers)
        self.writes = True
        if self._context.departure is not None:
            self._context.departure.tell(None)

    def tabulate(self, columns: Sequence[str], projection: Document) -> None:
        """Name the columns, if the reply is a table: those that are asked for, else those of the projection."""
        if self.media.shape == "rows":
            self.columns = tables.named(columns, projection)

    async def operations(self, request: BulkWrite) -> list[Operation]:
        """Return the operations of a request, each refused as the action that it would be by itself, or together."""
        found = await turns.taken(self._operations(request))
        for name in {each.name for each in found}:
            await answered(partial(self._refuse_uncallable, self._request_view.of(name)))
        return found

    def _operations(self, request: BulkWrite) -> Steps[list[Operation]]:
        found: list[Operation] = []
        try:
            for operation in request.operations():
                self.conditions += yield from self._checked(operation.request)
                found.append(operation)
                yield
        except DataAPIError as error:
            error.at(f"requests[{len(found)}]")
            raise
        self._context.service.complexity.operations(self.conditions, len(found))
        return found

    def _checked(self, request: Request) -> Steps[int]:
        """Return how many paths and conditions a request has; raise if it asks for too much or for what is refused."""
        service = self._context.service
        placed = request.interpreted()
        if request.options:
            service.guard.options(request.options, is_system=self._caller.is_system)
            placed += request.options.interpreted()
        met = yield from walk(placed)
        conditions = service.complexity.call(placed, met.documents, *request.targets())
        service.guard.operators(met, request.database, is_system=self._caller.is_system)
        return conditions

    def _refuse_uncallable(self, view: RequestView) -> None:
        if self.is_of_data_api and not self._caller.is_system:
            refuse_uncallable(self._context.app, Expansions(self._caller.user, view, self.answers))

    async def bulk_write(self, request: BulkWrite, operations: list[Operation]) -> Reply:
        """Do the operations of a request, each with the access that the action has which it would be by itself."""
        context, service = self._context, self._context.service
        wanted = Wanted(self.form, answers=self.answers)

        def opened(action: str, own: Options) -> Access:
            view = self._request_view.of(action)
            return open_uncached(service, request.with_options(action, own), self._caller, view, wanted)

        target = service.clients.collection(request.data_source, request.database, request.collection)
        writing = Bulk(
            concerns.applied(target, request.options),
            within(service.settings, request.options),
            (self.form, service.transcoder.writer),
            opened,
            {"ordered": request.ordered, **request.options.only("bypassDocumentValidation", "comment", "let")},
        )
        async with Opening(lambda: writing, partial(service.clients.places, request.data_source), context.departure):
            namespaces = [f"{request.database}.{request.collection}"]
            return await invalidating(writing.reply(operations), service.generations, namespaces, service.settings)

    async def transaction(self, request: TransactionRequest, actions: "Mapping[str, Action]") -> Reply:
        """Do the operations of a request, which are some of these actions, in one transaction."""
        context, service = self._context, self._context.service
        asked = Transaction(self, service, request.operations, actions)
        settings = within(service.settings, request.options)
        target = service.clients.collection(asked.data_source, service.settings.dozen_database, "transactions")
        target = concerns.applied(target, request.options)
        timeout_ms = min(settings.mongo_db_timeout_ms, settings.transaction_timeout_ms)
        try:
            async with Opening(lambda: target, partial(service.clients.places, asked.data_source), context.departure):
                work = atomically(target, asked.attempt, timeout_ms)
                return await invalidating(work, service.generations, asked.written, service.settings)
        finally:
            context.line.namespace = ", ".join(asked.namespaces)[:_LONGEST_NAMESPACES]

    async def on_terms(self, action: "Action", terms: Terms) -> Reply:
        """Do a write on the terms of its caller; raise InvalidParameterError if it cannot be part of a transaction."""
        if not action.can_be_undone:
            raise InvalidParameterError(f"{action.name} cannot be undone, so it takes none of {TERMS}")
        self.expected = terms.expected
        request = sha256(f"{action.name} {self.form} ".encode() + self.digest).digest()
        writing = TermedWrite(terms, self._context.service, self._caller, self.body, request)
        reply = await writing.reply(lambda: action.handle(self), self._context.departure)
        self._context.headers |= writing.headers
        return reply

    async def part(self, action: str, body: Document, form: Format) -> "Call":
        """Return the call of an action that is part of this one; raise NotCallableError if it could not be called."""
        view = self._request_view.of(action)
        await answered(partial(self._refuse_uncallable, view))
        part = Call(self._context, body, self._caller, view, Media(form), size=self.size)
        part.answers = self.answers
        return part

    async def page(self, request: Request, asked: Asked) -> Page:
        """Return the batch that a call with a cursor is to reply."""
        return await Cursors(self._context.service, self._caller).page(request, self.body, asked, self.continued)

    async def more(self, request: GetMore, actions: "Mapping[str, Action]") -> Reply:
        """Go on with one of these actions, as if it were called anew with what stands in the cursor."""
        continued = await Cursors(self._context.service, self._caller).opened(request)
        part = await self.part(continued.action, continued.body, self.form)
        part.continued, part.media = continued, self.media
        reply = await actions[continued.action].handle(part)
        self.columns = part.columns
        return reply

    async def polled(
        self,
        request: Request,
        open_: Callable[[Service, Request, Caller, RequestView, Wanted], "ChangeView"],
        poll: Poll,
    ) -> Reply:
        """Return what has changed of a collection; the wait for it comes on top of the time that the call has."""
        context = self._context
        view = open_(context.service, request, self._caller, self._request_view, Wanted(self.form))
        if self.deadline is not None:
            self.deadline.extend(poll.await_ms)
        return await Polling(context, view, request.data_source, poll).reply(self.form)

    def access(self, request: Request) -> "Opening[Access]":
        """Give what the caller may do to the collection that a request names, as `opened` does."""
        return self.opened(request, open_access)

    def opened[T](
        self, request: Request, open_: Callable[[Service, Request, Caller, RequestView, Wanted], T]
    ) -> "Opening[T]":
        """Give what is opened to the caller for a request, as soon as a connection is left for it.

        Raise OverloadedError if none is left in time.
        """
        context = self._context
        wanted = Wanted(self.form, self.media.shape != "object", self.expected, self.answers)
        opened = partial(open_, context.service, request, self._caller, self._request_view, wanted)
        return Opening(opened, partial(context.service.clients.places, request.data_source), context.departure)


class Action(NamedTuple):
    """An action: its name in paths and in the log, what it does to a request of which type, whether it only reads, the
    status of its success, and what the rules of a collection have to allow.

    Replies to what only reads can be cached, and get a tag then. What is stored may be read to BSON at once. What
    returns documents may do so in lines or rows, and what writes one document takes If-Match. No transaction has a
    part that cannot be undone.
    """

    name: str
    handle: Handler
    request: type[Request]
    reads: bool
    success: HTTPStatus
    stores: Stored | None = None
    lists: bool = False
    changes_one: bool = False
    can_be_undone: bool = True
    could: Could = could_see
    administers: bool = False

    def call(self, context: CallContext, body: Document, caller: Caller, view: RequestView, size: int) -> Call:
        """Return the call that a method of a data source is: of a body of so many bytes, beside the Data API."""
        view = view.of(self.name)
        call = Call(context, body, caller, view, Media("EJSON"), size=size)
        call.answers = answers_of(context, caller, view)
        call.is_of_data_api = False
        return call


class More(TypedDict, total=False):
    """What only some actions do: see Action."""

    stores: Stored
    lists: bool
    changes_one: bool
    can_be_undone: bool
    could: Could
    administers: bool


class Actions(func.Blueprint):
    """A blueprint of actions, which other spellings of their paths find by name."""

    def __init__(self) -> None:
        """Begin without an action."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_name: dict[str, Action] = {}
        self.parts: Mapping[str, Action] = {}
        """The actions that an action of this blueprint may be made of."""

    def action(
        self,
        name: str,
        request: type[Request],
        *,
        reads: bool,
        success: HTTPStatus = HTTPStatus.OK,
        **more: Unpack[More],
    ) -> Callable[[Handler], Function]:
        """Make an Azure Function of a handler: the one decorator of ours, directly above def and below @bp.route."""

        def decorate(handle: Handler) -> Function:
            made = self.by_name[name] = Action(name, handle, request, reads, success, **more)
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
    """Return the response of an action; without one there is none at the request's path.

    Where the path names no app, the body need not name a data source.
    """

    async def work(exchange: Exchange) -> func.HttpResponse:
        served = _served(exchange, action, app_id, version)
        if req.method == "OPTIONS":
            return _preflight(exchange)
        source = None if app_id else next(iter(exchange.service.settings.data_sources))
        if not may_be_large(req):
            return await _run(exchange, served, source)
        with exchange.service.full_collections:  # until what was read is gone
            return await _run(exchange, served, source)

    return await respond(req, context, action.name if action else "unknown", work)


def _served(exchange: Exchange, action: Action | None, app_id: str | None, version: str) -> Action:
    """Raise EndpointNotFoundError or UnknownAppError if the app does not serve the action, or not in this version."""
    if action is None or version not in VERSIONS:
        raise not_found(exchange.request)
    exchange.refuse_other_app(app_id)
    app = exchange.app
    if app is not None:
        data_api = app.data_api
        if data_api.disabled or (data_api.versions is not None and version not in data_api.versions):
            raise not_found(exchange.request)
    return action


def not_found(req: func.HttpRequest) -> EndpointNotFoundError:
    """Return the error that says that nothing is served at a request's path."""
    return EndpointNotFoundError(f"no endpoint found for '{path_of(req)[:_LONGEST_PATH]}'")


async def _run(exchange: Exchange, action: Action, source: str | None) -> func.HttpResponse:
    req, service = exchange.request, exchange.service
    if req.method != "POST":
        raise MethodNotAllowedError("method not allowed")
    refuse_body(exchange)
    with driver_call(service.settings.mongo_db_timeout_ms, exchange.arrived) as deadline:
        call = await _call(exchange, action, source)
        call.deadline = deadline
        deadline.refuse_late()
        if action.reads:
            deadline.end_at(exchange.departure)
            refuse_condition(req.headers)
        terms = None if action.reads else terms_of(req.headers, changes_one=action.changes_one)
        reply = await (action.handle(call) if terms is None else call.on_terms(action, terms))
        if call.columns:
            reply = reply._replace(parts=await turns.taken(tables.table(reply.parts, call.columns)))
    exchange.line.documents = reply.documents
    return await response(exchange, reply, call.media.type, action.success, reads=action.reads and not call.writes)


async def _call(exchange: Exchange, action: Action, source: str | None) -> Call:
    req, service, app = exchange.request, exchange.service, exchange.app
    address = client_address(req.headers, service.settings.trusted_proxies)
    view = RequestView(req, action.name, address)
    functions = UserFunctions(exchange, view)
    caller = await service.credentials.authenticate(req.headers, address, functions)
    await exchange.identify(caller)
    exchange.line.is_system = caller.is_system
    if functions.untold:
        await functions.tell()
    body = await exchange.body(service.settings.max_body_bytes)
    if app is not None and len(body) < large_bodies.LARGE:
        verify(app.data_api, req.headers, req.params, body)
    elif app is not None:
        await asyncio.to_thread(verify, app.data_api, req.headers, req.params, body)
    answers = answers_of(exchange, caller, view)
    if not caller.is_system:
        await answered(partial(refuse_uncallable, app, Expansions(caller.user, view, answers)))
    body = await decoded_body(exchange, body)
    document = await document_in(body, service, action.stores)
    if source is not None and not _names_source(document):
        document["dataSource"] = source
    media = reply_media(req.headers.get("accept"), service.settings, app, lists=action.lists)
    call = Call(exchange, document, caller, view, media, size=len(body))
    call.answers = answers
    if "idempotency-key" in req.headers:
        digested = sha256(body) if len(body) < large_bodies.LARGE else await asyncio.to_thread(sha256, body)
        call.digest = digested.digest()
    return call


def _names_source(body: Document) -> bool:
    """Tell whether a body names a data source, or an operation in it does, or the cursor that it continues."""
    operations = body.get("operations")
    parts = [body, *(operations if type(operations) is list else ())]
    is_named = any(type(each) is dict and each.get("dataSource") is not None for each in parts)
    return is_named or type(body.get("cursor")) is str


def refuse_uncallable(app: App | None, expansions: Expansions) -> None:
    """Raise NotCallableError unless the app lets the caller call this action."""
    if not is_callable(app, expansions):
        raise NotCallableError("endpoint not callable")


def _preflight(exchange: Exchange) -> func.HttpResponse:
    settings = exchange.service.settings
    allowed = [_ALLOWED_HEADERS, TERMS]
    if settings.cors_allow_credential_headers:
        allowed.append(CREDENTIAL_HEADERS)
    if settings.cached:
        allowed.append(_CACHE_HEADERS)
    return exchange.preflight("POST, OPTIONS", ", ".join(allowed))
