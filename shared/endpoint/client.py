"""The client API, with which users log in and manage themselves: request -> ClientCall, Answer -> response."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func

from shared.auth.accounts import User
from shared.auth.sent_once import bearer_token
from shared.documents import ejson
from shared.endpoint.addresses import client_address
from shared.endpoint.bodies import refused_body
from shared.endpoint.content_encoding import decoded
from shared.endpoint.http import ALL_METHODS, NO_CONTEXT, Exchange, Function, json_response, respond
from shared.endpoint.request_view import RequestView
from shared.endpoint.user_functions import UserFunctions
from shared.errors import (
    BadRequestError,
    BodyTooLargeError,
    InvalidJSONError,
    InvalidSessionError,
    MethodNotAllowedError,
    MissingParameterError,
)
from shared.mongo.deadlines import driver_call

__all__ = ["ALL_METHODS", "CLIENT_ROUTE", "Answer", "ClientCall", "client_function"]

CLIENT_ROUTE = "api/client/v2.0/"
MAX_BODY_BYTES = 64 * 1024
ALLOWED_HEADERS = "Authorization, Content-Type, Accept"

type Answer = tuple[HTTPStatus, Mapping[str, Any] | list[Any]]
"""What is answered: where there is nothing to say, an empty object, because the SDKs parse every body."""
type ClientHandler = Callable[[ClientCall], Awaitable[Answer]]


class ClientCall:
    """One call of the client API."""

    def __init__(self, exchange: Exchange, body: bytes) -> None:
        """Take the exchange, whose log line gets the user's id, and the decoded body."""
        req = exchange.request
        self.service = exchange.service
        self.method: str = req.method
        self.url: str = req.url
        first, *_ = req.headers.get("x-forwarded-proto", "").split(",")  # each proxy may add its own
        self.forwarded_scheme = "https" if first.strip().lower() == "https" else ""
        self.parameters: Mapping[str, str] = req.route_params
        self.query: Mapping[str, str] = req.params
        self.address = client_address(req.headers, self.service.settings.trusted_proxies)
        self.functions = UserFunctions(exchange, RequestView(req, exchange.line.operation, self.address))
        self._req = req
        self._body = body
        self._line = exchange.line
        self._members: dict[str, Any] | None = None

    @property
    def members(self) -> dict[str, Any]:
        """The members of the body, which is Extended JSON; an empty one has none.

        Raise InvalidJSONError for anything but an object.
        """
        if self._members is None:
            body = self._body
            if len(body) > MAX_BODY_BYTES:
                raise BodyTooLargeError(f"request body too large: the limit is {MAX_BODY_BYTES} bytes")
            try:
                self._members = ejson.loads(body) if body.strip() else {}
            except InvalidJSONError as error:
                raise refused_body(error, body) from error
        return self._members

    def text(self, *names: str) -> str:
        """Return the first of these members that is there; raise MissingParameterError if none is a text."""
        for name in names:
            value = self.members.get(name)
            if type(value) is str and value:  # Code is a str, too, and would be another identity
                if "\0" in value:
                    raise BadRequestError(f"'{name}' must not hold a NUL character")
                return value
        raise MissingParameterError(f"must provide a '{names[0]}' field")

    async def function(self, name: str, *arguments: Any) -> Any:
        """Return what a function of the app returns, which has all rights; raise as UserFunctions.value."""
        return await self.functions.value(name, *arguments)

    @property
    def token(self) -> str:
        """The Bearer token; raise InvalidSessionError without one."""
        token = bearer_token(self._req.headers.get("authorization", ""))
        if not token:
            raise InvalidSessionError("must authenticate first")
        return token

    async def user_of_refresh(self) -> User:
        """Return the user whose refresh token came along."""
        return self.logged(await self.service.sessions.user_of_refresh(self.token))

    async def user_of_access(self) -> User:
        """Return the user whose access token came along, as MongoDB has it now."""
        return self.logged(await self.service.sessions.user_of_access(self.token))

    def logged(self, user: User) -> User:
        """Name the user in the log."""
        self._line.caller = user.id
        return user


def client_function(
    name: str, *methods: str, other_method: Callable[[Mapping[str, str]], str] = lambda _: "method not allowed"
) -> Callable[[ClientHandler], Function]:
    """Make a function of the client API of a handler: the one decorator of ours, directly above def.

    `other_method` says of the parameters of a path why it is not called by another method.
    """

    def decorate(handle: ClientHandler) -> Function:
        async def work(exchange: Exchange) -> func.HttpResponse:
            exchange.refuse_other_app(exchange.request.route_params.get("app_id"))
            if exchange.request.method == "OPTIONS":
                return exchange.preflight(", ".join([*methods, "OPTIONS"]), ALLOWED_HEADERS)
            if exchange.request.method not in methods:
                raise MethodNotAllowedError(other_method(exchange.request.route_params), methods)
            return await _answer(exchange, handle)

        async def function(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
            return await respond(req, context, name, work)

        function.__name__ = name  # functools.wraps would show the worker the handler's signature
        return function

    return decorate


async def _answer(exchange: Exchange, handle: ClientHandler) -> func.HttpResponse:
    req = exchange.request
    with driver_call(exchange.service.settings.mongo_db_timeout_ms, exchange.arrived) as deadline:
        body = await exchange.body(MAX_BODY_BYTES)
        if "content-encoding" in req.headers:
            body = await decoded(body, req.headers["content-encoding"], MAX_BODY_BYTES, exchange.share)
        call = ClientCall(exchange, body)
        deadline.refuse_late()
        status, members = await handle(call)
        if call.functions.untold:
            await call.functions.tell()
    headers = {**exchange.headers, "Cache-Control": "no-store"}  # tokens and keys are nobody's to keep
    return json_response(members, status, headers)
