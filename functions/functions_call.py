"""functions/call: functions of the app, and MongoDB, as the SDKs of App Services call them, for logged-in users."""

from contextlib import nullcontext
from functools import partial
from http import HTTPStatus

import azure.functions as func

from shared.access.changes import Watch, open_changes
from shared.access.protocol import Reply
from shared.auth.accounts import Caller
from shared.auth.sent_once import bearer_token
from shared.documents.ejson import Document
from shared.endpoint.accept import Media
from shared.endpoint.actions import Call
from shared.endpoint.addresses import client_address
from shared.endpoint.bodies import decoded_body, document_in, may_be_large, refuse_body
from shared.endpoint.client import ALL_METHODS, ALLOWED_HEADERS, CLIENT_ROUTE
from shared.endpoint.function_calls import FunctionCall, arguments_of
from shared.endpoint.http import NO_CONTEXT, Exchange, respond
from shared.endpoint.request_view import RequestView
from shared.endpoint.responses import response
from shared.endpoint.rule_functions import answers_of
from shared.endpoint.service_calls import refuse_unknown, service_call
from shared.endpoint.terms import TERMS, refuse_condition, terms_of
from shared.endpoint.watch import Watching, WatchRequest
from shared.errors import (
    CommandFailedError,
    InvalidParameterError,
    InvalidSessionError,
    MethodNotAllowedError,
)
from shared.mongo.deadlines import driver_call

_NAME = "functionsCall"
_RESULT = "application/json"  # the type that SDKs parse
_DOCUMENT = "application/json; charset=utf-8"  # else one SDK takes a document with a member `error` for an error
_DUPLICATES = frozenset({"E11000", "(DuplicateKey)"})  # the second alone where rules hide the values
_VALUES = Media("EJSON")  # what they expect in it


bp = func.Blueprint()


async def functions_call(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
    """Answer the result of a function, or of a method of a data source, or with a stream of changes."""

    async def work(exchange: Exchange) -> func.HttpResponse:
        with exchange.service.full_collections if may_be_large(req) else nullcontext():
            try:
                return await _answer(exchange)
            except CommandFailedError as error:
                if not _DUPLICATES.isdisjoint(str(error).split()):
                    error.args = (f"Duplicate key error: {error}",)  # what programs look for
                raise

    return await respond(req, context, _NAME, work)


functions_call.__name__ = _NAME  # in both hosts
bp.route(CLIENT_ROUTE + "app/{app_id}/functions/call", methods=ALL_METHODS)(functions_call)


async def _answer(exchange: Exchange) -> func.HttpResponse:
    req, service = exchange.request, exchange.service
    exchange.refuse_other_app(req.route_params.get("app_id"))
    if req.method == "OPTIONS":
        return exchange.preflight("GET, POST, OPTIONS", ALLOWED_HEADERS)
    if req.method == "GET":
        return await _watch(exchange)
    if req.method != "POST":
        raise MethodNotAllowedError("method not allowed", ("GET", "POST"))
    refuse_body(exchange)
    with driver_call(service.settings.mongo_db_timeout_ms, exchange.arrived) as deadline:
        token = bearer_token(req.headers.get("authorization", ""))
        if not token:
            raise InvalidSessionError("must authenticate first")
        caller = await service.sessions.caller(token)
        await exchange.identify(caller)
        body = await decoded_body(exchange, await exchange.body(service.settings.max_body_bytes))
        document = await document_in(body, service)
        if document.get("service") is None:
            return await _function(exchange, caller, document)
        asked = service_call(document)
        refuse_unknown(exchange.app, asked.body["dataSource"])
        action = exchange.actions[asked.action]
        exchange.line.operation = action.name
        deadline.refuse_late()
        if action.reads:
            deadline.end_at(exchange.departure)
            refuse_condition(req.headers)
        elif terms_of(req.headers, changes_one=action.changes_one) is not None:
            raise InvalidParameterError(f"functions/call does not take {TERMS}")
        view = RequestView(req, action.name, client_address(req.headers, service.settings.trusted_proxies))
        reply = await action.handle(action.call(exchange, asked.body, caller, view, len(body)))
    exchange.line.documents = reply.documents
    result = asked.result_of(reply)
    return await response(exchange, result, _kind(result) if asked.is_document else _RESULT, HTTPStatus.OK, reads=False)


async def _function(exchange: Exchange, caller: Caller, body: Document) -> func.HttpResponse:
    """Answer what a function of the app returns."""
    req, service = exchange.request, exchange.service
    if terms_of(req.headers, changes_one=True) is not None:
        raise InvalidParameterError(f"functions/call does not take {TERMS}")
    view = RequestView(req, _NAME, client_address(req.headers, service.settings.trusted_proxies))
    answers = answers_of(exchange, caller, view)
    reply = await FunctionCall(exchange, caller, view).reply(*arguments_of(body), answers)
    return await response(exchange, reply, _kind(reply), HTTPStatus.OK, reads=False)


def _kind(result: Reply) -> str:
    """Return the content type of a result that may be a document."""
    first = result.parts[0]
    return _DOCUMENT if first.startswith(b"{") and b'"error' in first else _RESULT


async def _watch(exchange: Exchange) -> func.HttpResponse:
    """Return the response that goes on; all that is wrong is said before it begins."""
    with driver_call(exchange.service.settings.mongo_db_timeout_ms, exchange.arrived) as deadline:
        deadline.end_at(exchange.departure)
        watching = await Watching.begun(exchange)
        argument = await watching.argument()
        call = Call(exchange, argument, watching.caller, watching.view, _VALUES, size=len(watching.body))
        call.is_of_data_api = False
        asked = await call.typed(WatchRequest)
        deadline.refuse_late()
        watch = Watch(asked.condition, shares=True)
        return await watching.response(asked, partial(open_changes, watch=watch))
