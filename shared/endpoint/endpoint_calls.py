"""A call of an HTTPS endpoint: who makes it and how it proves itself, what its function is given, what is answered."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func
import orjson

from shared import turns
from shared.access.opening import refuse_endpoint
from shared.app.model import ANSWERING, ANY_METHOD, App, Endpoint, methods_of
from shared.app.signatures import SIGNATURE, verify
from shared.auth.accounts import NOBODY, Caller
from shared.auth.credentials import are_sent
from shared.documents import large_bodies, replies
from shared.documents.ejson import Document
from shared.documents.replies import CONTENT_TYPES
from shared.endpoint.accept import reply_form
from shared.endpoint.addresses import client_address
from shared.endpoint.bodies import document_in
from shared.endpoint.function_calls import FunctionCall
from shared.endpoint.function_responses import Made, function_response
from shared.endpoint.http import Exchange
from shared.endpoint.request_view import RequestView
from shared.endpoint.rule_functions import answers_of
from shared.endpoint.user_functions import UserFunctions
from shared.errors import (
    BodyTooLargeError,
    FunctionFailedError,
    InvalidJSONError,
    InvalidParameterError,
    MethodNotAllowedError,
)
from shared.guard.complexity import memory_of
from shared.rules.answers import answered
from shared.rules.expressions import Expansions

_SECRET = "secret"  # noqa: S105  the name of a member of the query
_OLD_SIGNATURE = "x-hook-signature"
_MOST_OF_NOBODY = 64 * 1024  # bytes of a body that may hold the credentials of its sender
_CREDENTIALS = ("apikey", "api-key", "email", "password", "jwttokenstring")


def endpoint_for(method: str, endpoints: Mapping[str, Endpoint]) -> Endpoint:
    """Return the endpoint for a method, or that for any; raise MethodNotAllowedError without either."""
    if method not in methods_of(endpoints):
        raise MethodNotAllowedError("method not allowed", methods_of(endpoints))
    return endpoints.get(method) or endpoints[ANY_METHOD]


class EndpointCall:
    """A call of an endpoint."""

    def __init__(self, exchange: Exchange, app: App, endpoint: Endpoint, route: str) -> None:
        """Take the request, and what answers it."""
        request, service = exchange.request, exchange.service
        self._exchange = exchange
        self._endpoint = endpoint
        self._functions = app.endpoints.functions
        self._function = self._functions.by_name[endpoint.function]
        self._headers: Mapping[str, str] = request.headers
        self._query = _first(parse_qsl(request.url.partition("?")[2], keep_blank_values=True))
        self._address = client_address(request.headers, service.settings.trusted_proxies)
        self._view = RequestView(request, "", self._address, route)

    async def response(self) -> func.HttpResponse:
        """Return what the function makes of the response; who calls and how it proves itself is looked at before."""
        exchange, endpoint = self._exchange, self._endpoint
        exchange.line.function = endpoint.function
        most = exchange.service.settings.max_body_bytes
        if endpoint.validation == "SECRET_AS_QUERY_PARAM":
            verify(endpoint, {}, self._query, b"")
            del self._query[_SECRET]
        may_be_in_body = endpoint.is_webhook and endpoint.needs_credentials
        if may_be_in_body and not are_sent(self._headers):
            body = await exchange.body(min(most, _MOST_OF_NOBODY))
            caller = await self._caller({**self._headers, **_members(body)})
        else:
            caller = await self._caller(self._headers)
            body = await exchange.body(most)
            if may_be_in_body and _members(body):
                raise InvalidParameterError("credentials are sent in headers or in the body, not in both")
        if endpoint.validation == "VERIFY_PAYLOAD":
            await self._verify_signature(body)
        expansions = Expansions(caller.user, self._view, answers_of(exchange, caller, self._view))
        await answered(partial(refuse_endpoint, self._endpoint, self._function, expansions))
        return await self._answer(caller, body)

    async def _caller(self, headers: Mapping[str, str]) -> Caller:
        credentials = self._exchange.service.credentials.on(self._endpoint)
        if self._endpoint.needs_credentials:
            functions = UserFunctions(self._exchange, self._view)
            caller = await credentials.authenticate(headers, self._address, functions)
            if functions.untold:
                await functions.tell()
        elif self._endpoint.run_as_user_id:
            caller = await credentials.without()
        else:
            caller = NOBODY
        await self._exchange.identify(caller)
        return caller

    async def _verify_signature(self, body: bytes) -> None:
        header = _OLD_SIGNATURE if self._endpoint.is_webhook and _OLD_SIGNATURE in self._headers else SIGNATURE
        if len(body) < large_bodies.LARGE:
            verify(self._endpoint, self._headers, {}, body, header)
        else:
            await asyncio.to_thread(verify, self._endpoint, self._headers, {}, body, header)

    async def _answer(self, caller: Caller, body: bytes) -> func.HttpResponse:
        exchange, endpoint = self._exchange, self._endpoint
        if len(body) >= large_bodies.LARGE:
            await exchange.share.work_on(2 * len(body))  # its base64, here and where the function is
            given = await asyncio.to_thread(self._given, body)
        else:
            given = self._given(body)
        call = FunctionCall(exchange, caller, self._view, self._functions)
        try:
            is_anybodys = not endpoint.needs_credentials
            text = await call.result_of(ANSWERING, given, endpoint.function, is_anybodys=is_anybodys)
        finally:
            exchange.line.function, exchange.line.namespace = endpoint.function, None
            exchange.line.documents = call.documents
        answer = await self._read(text.encode())
        made = Made.of(answer)
        form = reply_form(self._headers.get("accept"), endpoint.return_type or "JSON")
        kind = CONTENT_TYPES["JSON"]
        if endpoint.is_webhook and endpoint.respond_result:
            made = made._replace(content=made.content or b"")
        elif endpoint.respond_result and made.content is None:
            made = made._replace(content=await turns.taken(self._rendered(answer.get("result"), form)))
            kind = CONTENT_TYPES[form]
        return function_response(exchange, made, kind)

    def _given(self, body: bytes) -> str:
        """Return what is given as Extended JSON, in which the names of a query are values: they may be of its own."""
        name = orjson.dumps(self._endpoint.function).decode()
        query = orjson.dumps([*self._query.items()]).decode()
        binary = f',"body":{{"$binary":{{"base64":"{b64encode(body).decode()}","subType":"00"}}}}' if body else ""
        returns = "true" if self._endpoint.respond_result else "false"
        return f'[{name},{{"query":{query}{binary}}},{returns}]'

    async def _read(self, text: bytes) -> Document:
        """Return what a function made of the response; raise FunctionFailedError if a reply cannot hold it."""
        if len(text) >= large_bodies.LARGE:
            await self._exchange.share.work_on(await turns.taken(memory_of(text)))
        try:
            return await document_in(text, self._exchange.service)
        except InvalidJSONError as error:
            raise FunctionFailedError(f"what the function returns cannot be sent: {error.reason}") from error
        except BodyTooLargeError as error:
            raise FunctionFailedError(f"what the function returns cannot be sent: {error}") from error

    def _rendered(self, value: Any, form: replies.Format) -> turns.Steps[bytes]:
        """Return a value as the text of a reply."""
        writer = self._exchange.service.transcoder.writer
        if type(value) is dict and value:
            return (yield from replies.long_members(value, form, writer))
        values = value if type(value) is list else [value]
        text = (yield from replies.long_reply("", values, form, writer)).removeprefix(b'{"":').removesuffix(b"}")
        return text if type(value) is list else text[1:-1]


def _first(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the members of a query, each with the first of its values."""
    members: dict[str, str] = {}
    for name, value in pairs:
        members.setdefault(name, value)
    return members


def _members(body: bytes) -> dict[str, str]:
    """Return the credentials that are members of a body, as headers would have them; of a large one, none."""
    try:
        members = orjson.loads(body) if len(body) <= _MOST_OF_NOBODY else None
    except orjson.JSONDecodeError:
        return {}  # what is no JSON holds none
    if type(members) is not dict:
        return {}
    sent = {name.lower(): value for name, value in members.items() if type(value) is str}
    return {name: sent[name] for name in _CREDENTIALS if sent.get(name)}
