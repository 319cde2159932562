"""The edge of the client API, with which users log in and manage themselves: request -> ClientCall -> response."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func
import orjson

from shared import telemetry
from shared.auth import limits, sessions
from shared.auth.users import User
from shared.endpoint.actions import NO_CONTEXT, Function, configured, cors, exported, failed, json_response
from shared.endpoint.addresses import client_address
from shared.errors import (
    BadRequestError,
    BodyTooLargeError,
    InvalidJSONError,
    InvalidSessionError,
    MethodNotAllowedError,
    MissingParameterError,
    UnknownAppError,
)
from shared.mongo import clients as mongo
from shared.settings import Settings

CLIENT_ROUTE = "api/client/v2.0/"
MAX_BODY_BYTES = 64 * 1024
_SHOWN = 200

type Answer = tuple[HTTPStatus, Mapping[str, Any] | list[Any] | None]
type ClientHandler = Callable[[ClientCall], Awaitable[Answer]]


class ClientCall:
    """One call of the client API."""

    def __init__(self, req: func.HttpRequest, address: str, line: telemetry.RequestLine) -> None:
        """Take the request, its address for the limits, and the log line, which gets the user's id."""
        self.method: str = req.method
        self.url: str = req.url
        self.forwarded_scheme = "https" if req.headers.get("x-forwarded-proto") == "https" else ""
        self.parameters: Mapping[str, str] = req.route_params
        self.query: Mapping[str, str] = req.params
        self.address = address
        self._req = req
        self._line = line
        self._members: dict[str, Any] | None = None

    @property
    def members(self) -> dict[str, Any]:
        """The members of the body; an empty one has none. Raise InvalidJSONError for anything but an object."""
        if self._members is None:
            body: bytes = self._req.get_body()
            if len(body) > MAX_BODY_BYTES:
                raise BodyTooLargeError(f"request body too large: the limit is {MAX_BODY_BYTES} bytes")
            try:
                parsed = orjson.loads(body) if body.strip() else {}
            except orjson.JSONDecodeError as error:
                raise InvalidJSONError(str(error)).in_body() from error
            if type(parsed) is not dict:
                raise InvalidJSONError("it must be an object").in_body()
            self._members = parsed
        return self._members

    def text(self, *names: str) -> str:
        """Return the first of these members that is there; raise MissingParameterError if none is a text."""
        for name in names:
            value = self.members.get(name)
            if isinstance(value, str) and value:
                if "\0" in value:
                    raise BadRequestError(f"'{name}' must not hold a NUL character")
                return value
        raise MissingParameterError(f"must provide a '{names[0]}' field")

    @property
    def token(self) -> str:
        """The Bearer token; raise InvalidSessionError without one."""
        scheme, _, token = self._req.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise InvalidSessionError("must authenticate first")
        return str(token.strip())

    async def user_of_refresh(self) -> User:
        """Return the user whose refresh token came along."""
        return self.seen(await sessions.user_of_refresh(self.token))

    async def user_of_access(self) -> User:
        """Return the user whose access token came along."""
        return self.seen(await sessions.holder(self.token))

    def seen(self, user: User) -> User:
        """Name the user in the log."""
        self._line.caller = user.id
        return user

    async def count_attempt(self, noun: str) -> None:
        """Raise TooManyLoginsError if this address does something too often that costs others."""
        await limits.attempt(limits.keys(f"{noun} {self.address}", self.address))


def client_function(name: str, *methods: str) -> Callable[[ClientHandler], Function]:
    """Make a function of the client API of a handler: the one decorator of ours, directly above def."""

    def decorate(handle: ClientHandler) -> Function:
        async def respond(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
            line = telemetry.begin(name, req.method, req.headers, context)
            response = await _answer(req, line, methods, handle)
            telemetry.request(line, response.status_code, len(req.get_body()), len(response.get_body()))
            return response

        respond.__name__ = name  # functools.wraps would show the worker the handler's signature
        return respond

    return decorate


async def _answer(
    req: func.HttpRequest, line: telemetry.RequestLine, methods: tuple[str, ...], handle: ClientHandler
) -> func.HttpResponse:
    headers = {"Vary": "Origin"}
    try:
        given = configured()
        headers |= cors(req.headers, given, exported())
        _refuse_unknown(req, methods, given)
        if req.method == "OPTIONS":
            return func.HttpResponse(status_code=HTTPStatus.NO_CONTENT, headers=headers | _preflight(methods))
        call = ClientCall(req, client_address(req.headers, None, given.trusted_proxies), line)
        with mongo.driver_call():
            status, members = await handle(call)
        return _response(status, members, headers)
    except Exception as error:  # noqa: BLE001  the one place that turns any failure into a reply
        return failed(error, line, headers)


def _response(
    status: HTTPStatus, members: Mapping[str, Any] | list[Any] | None, headers: Mapping[str, str]
) -> func.HttpResponse:
    """Return the answer; tokens and keys in it are nobody's to keep."""
    headers = {**headers, "Cache-Control": "no-store"}
    if members is None:
        return func.HttpResponse(status_code=status, headers=headers, mimetype="application/json")
    return json_response(members, status, headers)


def _refuse_unknown(req: func.HttpRequest, methods: tuple[str, ...], given: Settings) -> None:
    app_id = req.route_params.get("app_id")
    if app_id is not None and given.app_id and app_id != given.app_id:
        raise UnknownAppError(f"cannot find app using Client App ID '{app_id[:_SHOWN]}'")
    if req.method not in (*methods, "OPTIONS"):
        raise MethodNotAllowedError("method not allowed", methods)


def _preflight(methods: tuple[str, ...]) -> dict[str, str]:
    return {
        "Access-Control-Allow-Methods": ", ".join([*methods, "OPTIONS"]),
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept",
        "Access-Control-Max-Age": "7200",
    }
