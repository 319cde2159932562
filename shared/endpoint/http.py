"""The frame of every call, for all APIs: a response whatever happens, CORS, and one log line."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Protocol, cast
from uuid import uuid4

import azure.functions as func
import orjson

from shared import service as services
from shared.admission import Departure
from shared.app.files import AppError
from shared.app.model import App
from shared.auth.accounts import Caller
from shared.auth.quota import Quota
from shared.budget import LARGE, Share
from shared.endpoint.contexts import CallContext
from shared.endpoint.parts import size_of
from shared.errors import (
    BodyTooLargeError,
    DataAPIError,
    OriginRefusedError,
    OverloadedError,
    Unavailable,
    UnavailableError,
    UnknownAppError,
    for_operators,
)
from shared.mongo.refusals import in_part
from shared.service import Service
from shared.settings import Settings, SettingsError
from shared.telemetry.requests import RequestLine

ALL_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""Functions are registered for all of these: the platform answers an unregistered method with a bare 404, not a 405."""

NO_CONTEXT: func.Context = None  # type: ignore[assignment]  # outside Azure's worker there is none

HEADERS: Mapping[str, str] = {"Vary": "Origin"}
"""The headers that every response has."""

EXPOSED = (
    "ETag, Dozen-Truncated, Dozen-Cursor, Idempotent-Replayed, Dozen-Dry-Run, Preference-Applied, Dozen-Scan,"
    " Retry-After, RateLimit-Policy, RateLimit, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
)
"""The headers of replies that a page may read, beside those that any page may."""

CREDENTIAL_HEADERS = "apiKey, api-key, x-functions-key, email, password, jwtTokenString"
"""The headers that a page may send if CORS_ALLOW_CREDENTIAL_HEADERS says so."""

type Function = Callable[..., Awaitable[func.HttpResponse]]
"""Takes the request, and from Azure's worker the context, which must be annotated as just that."""

_LONGEST_ERROR = 1_000
_LONGEST_NAME = 200  # characters of what a caller sent, in an error's text
_PREFLIGHT_SECONDS = "7200"


class Arriving(Protocol):
    """A request as `server` has it: its function may be called before its body is there."""

    arrived: float  # by time.monotonic
    departure: Departure
    can_be_streamed: bool  # whether its response may be a stream

    @property
    def is_whole(self) -> bool:
        """Whether the body is there."""

    async def read_body(self, limit: int, share: Share) -> None:
        """Read the rest of the body, or what shows that it is larger than the limit."""

    @property
    def size(self) -> int:
        """The bytes of the body that have arrived."""

    def keep(self, share: Share) -> None:
        """Hold a share until the request is answered."""


class Exchange(CallContext):
    """One request, and the headers of every response to it."""

    __slots__ = ("_arriving", "_quota", "arrived", "quota_headers", "request")

    def __init__(self, request: func.HttpRequest, service: Service, line: RequestLine) -> None:
        """Begin with no header but Vary."""
        arriving = cast(Arriving, request) if hasattr(request, "arrived") else None
        super().__init__(service, line, services.process.actions, arriving.departure if arriving else None)
        self._arriving = arriving
        self.request = request
        self.arrived = arriving.arrived if arriving else time.monotonic()
        self.headers |= HEADERS
        self._quota: Quota | None = None
        self.quota_headers: dict[str, str] = {}
        """What the response says of the quota of a key, once the documents are counted."""

    async def identify(self, caller: Caller) -> None:
        """Note whose call it is, which counts from here on; raise QuotaExceededError where the key may do no more."""
        self.line.caller = caller.id or caller.kind
        if caller.quota is not None:
            self.headers |= await self.service.usage.begin(caller.quota)
            self._quota = caller.quota  # not before: a call that was refused counts nothing

    async def __aexit__(self, *raised: object) -> None:
        """Count the documents that were read or written, and give back the place and the share.

        What ended a call of which a part was done is not told as if nothing were.
        """
        try:
            if self._quota is not None and self.line.documents:
                self.quota_headers = await self.service.usage.add_documents(self._quota, self.line.documents)
                self.headers |= self.quota_headers
        finally:
            await super().__aexit__()
        error = raised[1]
        if self.has_acted and isinstance(error, DataAPIError) and (told := in_part(error)) is not error:
            raise told from error

    @property
    def sent_headers(self) -> Mapping[str, str]:
        """The headers of the request."""
        return cast(Mapping[str, str], self.request.headers)

    def end(self) -> None:
        """Give back the place, and the share as soon as the response is sent."""
        if self._arriving is None:
            super().end()
        else:
            self.leave()
            self._arriving.keep(self.share)

    @property
    def is_whole(self) -> bool:
        """Whether the body is there."""
        return self._arriving is None or self._arriving.is_whole

    @property
    def can_be_streamed(self) -> bool:
        """Whether the response may be a stream."""
        return self._arriving is not None and self._arriving.can_be_streamed

    async def body(self, limit: int) -> bytes:
        """Return the body, whose rest is read now, without a place; raise BodyTooLargeError if it is too large."""
        if self._arriving is not None and not self._arriving.is_whole:
            self.leave()
            await self._arriving.read_body(limit, self.share)
            await self.share.work_on(0)  # to put it together
            await self.enter()
        body: bytes = self.request.get_body()
        if len(body) > LARGE:
            await asyncio.sleep(0)  # it took some milliseconds
        if len(body) > limit:
            raise BodyTooLargeError(f"request body too large: the limit is {limit} bytes")
        if self._arriving is None:
            await self.share.hold(len(body))
        return body

    def unexpected(self, error: Exception) -> DataAPIError:
        """Log an error that nobody expected, and return what the caller is told of it."""
        return _unexpected(error, self.line.trace_id)

    def preflight(self, methods: str, headers: str) -> func.HttpResponse:
        """Return the response to OPTIONS."""
        allowed = {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": headers,
            "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        }
        return func.HttpResponse(status_code=HTTPStatus.NO_CONTENT, headers=self.headers | allowed)

    def refuse_other_app(self, app_id: str | None) -> None:
        """Raise UnknownAppError if a path names another app than APP_ID."""
        own = self.service.settings.app_id
        if app_id is not None and own and app_id != own:
            raise UnknownAppError(f"cannot find app using Client App ID '{app_id[:_LONGEST_NAME]}'")


async def respond(
    request: func.HttpRequest,
    context: func.Context,
    operation: str,
    work: Callable[[Exchange], Awaitable[func.HttpResponse]],
) -> func.HttpResponse:
    """Return the response of the work or that of its failure, and log one line about it."""
    reporting = services.process.reporting
    line = reporting.begin(operation, request.method, request.headers, context)
    headers = HEADERS
    try:
        exchange = Exchange(request, current_service(), line)
        exchange.headers |= _cors(request.headers, exchange.service.settings, exchange.app)
        headers = exchange.headers
        async with exchange:
            response = await work(exchange)
        if exchange.quota_headers:
            response.headers.update(exchange.quota_headers)
    except Exception as error:  # noqa: BLE001  the one place that turns any failure into a response
        response = failed(error, line, headers)
    if line.scan is not None:
        response.headers["Dozen-Scan"] = scan_of(line)
    received: int = request.size if hasattr(request, "size") else len(request.get_body())
    reporting.request(line, response.status_code, received, size_of(response))
    return response


def scan_of(line: RequestLine) -> str:
    """Say that a query had no index, and which one would help to those from whom nothing is hidden."""
    from shared.mongo.scans import written  # noqa: PLC0415  for those alone who ask for it

    named = written(line.scan.suggested) if line.scan is not None and line.is_system else None
    return "no-index" if named is None else f"no-index; suggested={named}"


def current_service() -> Service:
    """Return the service of this process; raise UnavailableError if a setting or the app is wrong."""
    try:
        service = services.process.service()
        service.app  # noqa: B018  raises if it cannot be used
    except SettingsError as error:
        raise UnavailableError(Unavailable.WRONG_SETTING, error) from error
    except AppError as error:
        raise UnavailableError(Unavailable.WRONG_SETTING, f"the app is not usable: {error}") from error
    return service


def path_of(request: func.HttpRequest) -> str:
    """Return the path of the request's URL, as it was sent."""
    after_scheme: str = request.url.partition("://")[2]
    return "/" + after_scheme.partition("/")[2].partition("?")[0]


def failed(error: Exception, line: RequestLine, headers: Mapping[str, str]) -> func.HttpResponse:
    """Return the response to an error: its own words if it is one of ours, else only an id that the log has too."""
    if isinstance(error, DataAPIError):
        line.error_code, line.decision = error.code, error.detail
        if error.status >= 500:
            line.reason, line.cause = for_operators(error), type(error.__cause__).__name__
        return error_response(error, headers)
    internal = _unexpected(error, line.trace_id)
    line.error_code, line.reason, line.cause = internal.code, str(internal), type(error).__name__
    return error_response(internal, headers)


def _unexpected(error: Exception, trace_id: str | None) -> DataAPIError:
    """Return what a caller is told of an error that nobody expected: an id that the log has too."""
    correlation_id = uuid4().hex
    services.process.reporting.failure(correlation_id, error, trace_id)
    return DataAPIError(f"internal error, logged with id {correlation_id}")


def error_response(error: DataAPIError, headers: Mapping[str, str]) -> func.HttpResponse:
    """Return Atlas's shape of an error, with a content type of exactly application/json."""
    members: dict[str, object] = {"error": str(error)[:_LONGEST_ERROR]}  # it may repeat what the caller sent
    if error.code is not None:
        members["error_code"] = error.code
    members |= {name: orjson.Fragment(text) for name, text in error.members.items()}
    return json_response(members, error.status, {**headers, **error.headers})


def overloaded() -> func.HttpResponse:
    """Return the response to a call that gets no place."""
    return error_response(OverloadedError(Unavailable.TOO_MANY_CALLS), HEADERS)


def json_response(
    members: Mapping[str, object] | list[object], status: int, headers: Mapping[str, str]
) -> func.HttpResponse:
    """Return plain JSON members that hold no BSON types."""
    return func.HttpResponse(orjson.dumps(members), status_code=status, headers=headers, mimetype="application/json")


def _cors(headers: Mapping[str, str], settings: Settings, app: App | None) -> dict[str, str]:
    """Return the headers that let a page read the response; raise if its Origin is not one of those allowed."""
    if "origin" not in headers:
        return {}
    origin = headers["origin"]
    allowed = settings.allowed_origins or (app.allowed_request_origins if app else frozenset())
    if (allowed and origin not in allowed) or not origin.isascii():  # no browser sends it, and it would be sent back
        raise OriginRefusedError("origin not allowed")
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
