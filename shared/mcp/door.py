"""POST /mcp: a message in, one reply out, and nothing kept."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func
import orjson
from pymongo.errors import PyMongoError

from shared.app.signatures import verify
from shared.auth.accounts import Caller
from shared.endpoint.actions import VERSIONS, Action, not_found
from shared.endpoint.addresses import client_address
from shared.endpoint.bodies import decoded_body, document_in, refuse_body
from shared.endpoint.http import CREDENTIAL_HEADERS, Exchange, failed
from shared.endpoint.request_view import RequestView
from shared.endpoint.terms import TERMS, terms_of
from shared.endpoint.user_functions import UserFunctions
from shared.errors import (
    CallerLeftError,
    DataAPIError,
    InvalidJSONError,
    InvalidParameterError,
    MethodNotAllowedError,
    OriginRefusedError,
    UnconfirmedWriteError,
)
from shared.mcp import protocol
from shared.mcp.agent import Agent, Sent
from shared.mcp.hints import hint, of_lost_write, written
from shared.mcp.protocol import Message, ProtocolError
from shared.mcp.tools import digest
from shared.mcp.visible import visible
from shared.mongo.deadlines import driver_call
from shared.mongo.outcomes import may_have_written

_NAME = "mcp"
MOST_BODY = 1024 * 1024
"""The largest message."""

_ALLOWED_HEADERS = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Idempotency-Key"


async def answer(exchange: Exchange, actions: Mapping[str, Action]) -> func.HttpResponse:
    """Return the response to one message; what is wrong before it is read is an error with the status of an action's.

    Only its body is of JSON-RPC, and wrong credentials are 400.
    """
    _refuse_closed(exchange)
    try:
        return await _answer(exchange, actions)
    except CallerLeftError:
        raise
    except DataAPIError as error:
        failure = failed(error, exchange.line, exchange.headers)
        body, status = protocol.refused(failure.status_code, failure.get_body())
        return func.HttpResponse(body, status_code=status, headers=failure.headers, mimetype="application/json")


async def _answer(exchange: Exchange, actions: Mapping[str, Action]) -> func.HttpResponse:
    req, settings = exchange.request, exchange.service.settings
    if req.method == "OPTIONS":
        allowed = [_ALLOWED_HEADERS, *([CREDENTIAL_HEADERS] if settings.cors_allow_credential_headers else [])]
        return exchange.preflight("POST, OPTIONS", ", ".join(allowed))
    refuse_body(exchange)
    key = _key_of(req.headers)
    with driver_call(settings.mongo_db_timeout_ms, exchange.arrived) as deadline:
        address = client_address(req.headers, settings.trusted_proxies)
        view = RequestView(req, _NAME, address)
        functions = UserFunctions(exchange, view)
        caller = await exchange.service.credentials.authenticate(req.headers, address, functions)
        if req.method != "POST":  # not before: a client whose POST fails tries GET, and says what it gets
            raise MethodNotAllowedError("method not allowed", ("POST",))
        await exchange.identify(caller)
        exchange.line.is_system = caller.is_system
        if functions.untold:
            await functions.tell()
        limit = min(settings.max_body_bytes, MOST_BODY)
        body = await exchange.body(limit)
        if exchange.app is not None:
            verify(exchange.app.data_api, req.headers, req.params, body)
        body = await decoded_body(exchange, body, limit)
        deadline.refuse_late()
    return await _Answer(exchange, actions, caller, view, key).to(body)


def _key_of(headers: Mapping[str, str]) -> str | None:
    """Return the Idempotency-Key, the only term that a request has; raise InvalidParameterError for another."""
    terms = terms_of(headers, changes_one=True)
    if terms is None:
        return None
    if any(terms._replace(key=None)):
        raise InvalidParameterError(f"/mcp takes the first of {TERMS} alone: its tools have dryRun and maxAffected")
    return terms.key


def _refuse_closed(exchange: Exchange) -> None:
    """Raise where there is no door, and for a page that is not named: its reader did not ask for this."""
    settings, app, req = exchange.service.settings, exchange.app, exchange.request
    data_api = None if app is None else app.data_api
    versions = VERSIONS if data_api is None or data_api.versions is None else data_api.versions
    if settings.mcp == "off" or (data_api is not None and data_api.disabled) or VERSIONS.isdisjoint(versions):
        raise not_found(req)
    named = settings.allowed_origins or (app.allowed_request_origins if app else frozenset())
    if "origin" in req.headers and req.headers["origin"] not in named:
        raise OriginRefusedError("origin not allowed")


def _told(failure: func.HttpResponse, lost: str | None) -> bytes:
    """Return an error for an agent, to which the header Retry-After says nothing: with it, nothing was written.

    `lost` is what to do about a write that may have happened.
    """
    members = orjson.loads(failure.get_body())
    if (seconds := failure.headers.get("Retry-After")) is not None:
        members["retryAfterSeconds"] = int(seconds)
    if what := lost or hint(members.get("error_code")):
        members["hint"] = what
    return visible(orjson.dumps(members))


def _is_unknown(error: Exception) -> bool:
    """Tell whether a write that ended so may have happened; what neither MongoDB nor Dozen says proves nothing."""
    is_known = isinstance(error, DataAPIError | PyMongoError) and not isinstance(error, UnconfirmedWriteError)
    return not is_known or may_have_written(error)


class _Answer:
    """The answer to one message."""

    def __init__(
        self, exchange: Exchange, actions: Mapping[str, Action], caller: Caller, view: RequestView, key: str | None
    ) -> None:
        self._exchange = exchange
        self._key = key
        self._actions = actions
        self._caller = caller
        self._view = view

    async def to(self, body: bytes) -> func.HttpResponse:
        found, stateless = None, True
        try:
            parsed = protocol.parsed(body)
            found = protocol.id_of(parsed)
            asked = protocol.message(parsed)
            stateless = protocol.is_stateless(asked, self._exchange.request.headers)
            if asked.id is None:
                return func.HttpResponse(status_code=HTTPStatus.ACCEPTED, headers=self._exchange.headers)
            members = await self._result(asked, body, stateless=stateless)
        except ProtocolError as error:
            self._exchange.line.error_code = f"MCP{error.code}"
            # to an older client, a status that is none of success is a failure of HTTP, whose body it does not read
            return self._response(error.reply(found), error.status if stateless else HTTPStatus.OK)
        return self._response(protocol.result(asked, members, stateless=stateless), HTTPStatus.OK)

    async def _result(self, asked: Message, body: bytes, *, stateless: bool) -> dict[str, Any]:
        match asked.method:
            case "server/discover" if stateless:
                return protocol.discovered()
            case "initialize" if not stateless:
                return protocol.initialized(asked)
            case "ping" if not stateless:
                return {}
            case "tools/list":
                return protocol.listed(await self._tools(asked, len(body)), stateless=stateless)
            case "tools/call":
                return await self._called(asked, body)
        raise protocol.unknown(asked)

    async def _tools(self, asked: Message, size: int) -> list[dict[str, Any]]:
        if asked.params.get("cursor") is not None:
            raise ProtocolError(protocol.INVALID_PARAMS, "'params.cursor': the list of tools has one page")
        with driver_call(self._exchange.service.settings.mongo_db_timeout_ms, self._exchange.arrived):
            return await self._agent(size).listed()

    async def _called(self, asked: Message, body: bytes) -> dict[str, Any]:
        """Return the result of a tool, or what its action refuses, from which an agent can learn."""
        exchange, agent = self._exchange, self._agent(len(body))
        name = asked.text("name")
        tool = agent.tool(name)
        if tool is None:
            raise ProtocolError(protocol.INVALID_PARAMS, f"no tool '{name[:100]}'")
        exchange.line.operation = tool.action
        raw = asked.params.get("arguments")
        try:
            with driver_call(exchange.service.settings.mongo_db_timeout_ms, exchange.arrived) as deadline:
                sent = Sent(await self._arguments(body), digest(raw) if tool.writes else b"", self._key)
                if not tool.writes:
                    deadline.end_at(exchange.departure)
                result = await agent.result(tool, sent)
            exchange.line.documents = result.documents
            return protocol.called(result.text, is_error=False)
        except CallerLeftError:
            raise
        except Exception as error:  # noqa: BLE001  it ends here as any other does at the edge
            given = raw if isinstance(raw, dict) else {}
            has_key = self._key is not None or "idempotencyKey" in given
            is_lost = tool.writes and given.get("dryRun") is False and _is_unknown(error)
            lost = of_lost_write(has_key=has_key) if is_lost else None
            return protocol.called(_told(failed(error, exchange.line, {}), lost), is_error=True)

    async def _arguments(self, body: bytes) -> Any:
        """Return the arguments with the values that Extended JSON has in them."""
        try:
            params = (await document_in(body, self._exchange.service)).get("params")
        except InvalidJSONError as error:
            raise InvalidParameterError(f"arguments: {written(error.reason)}") from error
        given = params.get("arguments") if type(params) is dict else None
        return {} if given is None else given

    def _agent(self, size: int) -> Agent:
        return Agent(self._exchange, self._actions, self._caller, self._view, size)

    def _response(self, text: bytes, status: int) -> func.HttpResponse:
        headers = {**self._exchange.headers, "Cache-Control": "no-store"}
        return func.HttpResponse(text, status_code=status, headers=headers, mimetype="application/json")
