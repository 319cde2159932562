"""The HTTP edge: request -> Call, reply or error -> response, one log line."""

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cache, cached_property
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import uuid4

import azure.functions as func
import orjson

from shared import app, auth, settings, telemetry
from shared.access.opening import Access, access
from shared.app import App, AppError
from shared.app.signatures import verify
from shared.auth import Caller
from shared.documents import ejson, replies
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.endpoint import etags as tags
from shared.endpoint.addresses import client_address
from shared.errors import (
    BodyTooLargeError,
    DataAPIError,
    EndpointNotFoundError,
    InvalidJSONError,
    LengthRequiredError,
    MethodNotAllowedError,
    NotCallableError,
    OriginRefusedError,
    UnavailableError,
    UnknownAppError,
)
from shared.guard.refusals import Guard
from shared.mongo import clients as mongo
from shared.requests import Request
from shared.rules.expressions import Expansions, holds
from shared.settings import VERSION, Settings, SettingsError

ALL_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""Actions are registered for all of these: the platform answers an unregistered method with a bare 404, not a 405."""

ACTION_ROUTE = "app/{app_id}/endpoint/data/{version}/action/"
VERSIONS = frozenset({"v1", "beta"})

type Handler = Callable[[Call], Awaitable[bytes]]
type Function = Callable[..., Awaitable[func.HttpResponse]]
"""Takes the request, and from Azure's worker the context, which must be annotated as just that."""

NO_CONTEXT: func.Context = None  # type: ignore[assignment]  # outside Azure's worker there is none

_ALLOWED_HEADERS = "Authorization, Content-Type, Accept"
_CREDENTIAL_HEADERS = "apiKey, api-key, email, password, jwtTokenString"
_PREFLIGHT_SECONDS = "7200"
_SHOWN = 200  # characters of what a caller sent, in an error's text
_LONGEST_ERROR = 1_000
_READS = frozenset({"find", "findOne", "aggregate"})
_guard = cache(Guard)


class RequestMembers(Mapping[str, Any]):
    """What `%%request` shows of a request, made when a rule asks for it."""

    def __init__(self, req: func.HttpRequest, operation: str, address: str) -> None:
        """Take the request, the name of its action and the address that it came from."""
        self._req = req
        self._operation = operation
        self._address = address

    @cached_property
    def _members(self) -> dict[str, Any]:
        headers = {name.lower(): [value] for name, value in self._req.headers.items()}
        query = self._req.url.partition("?")[2].split("&")
        return {
            "httpMethod": self._req.method,
            "httpReferrer": headers.get("referer", [""])[0],
            "httpUserAgent": headers.get("user-agent", [""])[0],
            "rawQueryString": "&".join(part for part in query if part.partition("=")[0] != "secret"),
            "remoteIPAddress": self._address,
            "requestHeaders": headers,
            "action": self._operation,
        }

    def __getitem__(self, name: str) -> Any:
        """Return one of the members."""
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names of the members."""
        return iter(self._members)

    def __len__(self) -> int:
        """Return how many members there are."""
        return len(self._members)


class Call:
    """One authenticated and parsed call of an action."""

    __slots__ = ("accessed", "body", "caller", "form", "guard", "namespace", "settings", "shown")

    def __init__(self, given: Settings, caller: Caller, body: Document, form: Format, shown: RequestMembers) -> None:
        """Keep what the action and the log line need; the namespace is known once the request is typed."""
        self.settings = given
        self.caller = caller
        self.body = body
        self.form: Format = form
        self.shown = shown
        self.namespace: str | None = None
        self.accessed: Access | None = None
        self.guard = _guard(given.dozen_database)

    def typed[R: Request](self, kind: type[R]) -> R:
        """Return the body as this kind of request; raise if it names a namespace or an operator that is refused."""
        request = kind.from_body(self.body)
        self.guard.namespace(request.database, request.collection)
        self.namespace = f"{request.database}.{request.collection}"
        self.guard.operators(request.interpreted(), request.database)
        return request

    def access(self, request: Request) -> Access:
        """Return what the caller may do to the collection that a request names."""
        self.accessed = access(self.settings, self.caller, request, self.shown, self.form)
        return self.accessed


class Action(NamedTuple):
    """An action of the Data API: its name, what it does and the status of its success."""

    name: str
    handle: Handler
    success: HTTPStatus


actions: dict[str, Action] = {}
"""Every action by its name, filled as the modules of functions/ are imported."""


def action(name: str, success: HTTPStatus = HTTPStatus.OK) -> Callable[[Handler], Function]:
    """Make an action of a handler: the one decorator of ours, directly above def."""

    def decorate(handle: Handler) -> Function:
        made = actions[name] = Action(name, handle, success)
        # the platform matches routes without regard to case, Atlas did not
        is_exact = re.compile(rf"/app/[^/]+/endpoint/data/[^/]+/action/{name}/?").fullmatch

        async def respond(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
            known = made if is_exact(path_of(req)) else None
            return await answer(req, known, req.route_params["app_id"], req.route_params["version"], context)

        respond.__name__ = name  # functools.wraps would show the worker the handler's signature
        return respond

    return decorate


async def answer(
    req: func.HttpRequest,
    made: Action | None,
    app_id: str | None = None,
    version: str = "v1",
    context: func.Context = NO_CONTEXT,
) -> func.HttpResponse:
    """Answer a request whatever happens, and log one line about it; without an action there is none at its path."""
    line = telemetry.begin(made.name if made else "unknown", req.method, req.headers, context)
    headers = {"Vary": "Origin"}
    try:
        given = configured()
        known = exported()
        headers |= cors(req.headers, given, known)
        served = _served(made, version, app_id, req, given)
        if known is not None:
            _refuse_closed(known, version, req)
        if req.method == "OPTIONS":
            response = func.HttpResponse(status_code=HTTPStatus.NO_CONTENT, headers=headers | _preflight(given))
        else:
            body, form = await _run(served, req, given, known, line)
            response = func.HttpResponse(
                body, status_code=served.success, headers=headers, mimetype=replies.CONTENT_TYPES[form]
            )
            if line.namespace in given.cached and served.name in _READS:
                response = _tagged(response, req)
    except Exception as error:  # noqa: BLE001  the one place that turns any failure into a reply
        response = failed(error, line, headers)
    telemetry.request(line, response.status_code, len(req.get_body()), len(response.get_body()))
    return response


def _tagged(response: func.HttpResponse, req: func.HttpRequest) -> func.HttpResponse:
    """Return a reply with its tag, or 304 without a body for a client that holds it."""
    body = response.get_body()
    held = tags.tag(response.mimetype, body)
    headers = {**response.headers, **tags.HEADERS, "ETag": held}
    if "Access-Control-Allow-Origin" in headers:
        headers["Access-Control-Expose-Headers"] = "ETag"
    is_held = tags.is_held(req.headers.get("if-none-match", ""), held)
    return func.HttpResponse(
        b"" if is_held else body,
        status_code=HTTPStatus.NOT_MODIFIED if is_held else response.status_code,
        headers=headers,
        mimetype=response.mimetype,
    )


def _served(made: Action | None, version: str, app_id: str | None, req: func.HttpRequest, given: Settings) -> Action:
    if made is None or version not in VERSIONS:
        raise EndpointNotFoundError(f"no endpoint found for '{path_of(req)[:_SHOWN]}'")
    if app_id is not None and given.app_id and app_id != given.app_id:
        raise UnknownAppError(f"cannot find app using Client App ID '{app_id[:_SHOWN]}'")
    return made


def _refuse_closed(known: App, version: str, req: func.HttpRequest) -> None:
    """Raise EndpointNotFoundError if the app does not serve the Data API, or not this version of it."""
    if known.data_api.disabled or (known.data_api.versions is not None and version not in known.data_api.versions):
        raise EndpointNotFoundError(f"no endpoint found for '{path_of(req)[:_SHOWN]}'")


async def _run(
    made: Action, req: func.HttpRequest, given: Settings, known: App | None, line: telemetry.RequestLine
) -> tuple[bytes, Format]:
    if req.method != "POST":
        raise MethodNotAllowedError("method not allowed")
    body = _body(req, given)
    if known is not None:
        verify(known.data_api, req.headers, req.params, body)
    address = client_address(req.headers, None, given.trusted_proxies)
    caller = await auth.authenticate(req.headers, address)
    line.caller = caller.id
    shown = RequestMembers(req, made.name, address)
    if known is not None and not caller.is_system:
        _refuse_uncallable(known, caller, shown)
    call = Call(given, caller, _document(body), _format(req.headers.get("accept"), given, known), shown)
    try:
        with mongo.driver_call():
            return await made.handle(call), call.form
    finally:
        line.namespace = call.namespace
        if call.accessed is not None:
            line.documents = call.accessed.documents


def _refuse_uncallable(known: App, caller: Caller, shown: RequestMembers) -> None:
    if known.data_api.can_evaluate.constant is not True and not holds(
        known.data_api.can_evaluate, Expansions(caller.user, shown).context()
    ):
        raise NotCallableError("endpoint not callable")


def exported() -> App | None:
    """Return the exported app, None without one; raise UnavailableError with one sentence if it cannot be used."""
    try:
        return app.current()
    except AppError as error:
        raise UnavailableError(f"the app is not usable: {error}") from error


def announce() -> None:
    """Say at start, in the log, which version runs, and whether a setting is missing or wrong."""
    try:
        given = settings.read()
        telemetry.LOGGER.setLevel(given.log_level)
        telemetry.event(
            logging.INFO,
            "started",
            version=VERSION,
            host="server.py" if telemetry.is_standalone() else "Azure Functions",
            telemetry=telemetry.setup(given),
            settings=settings.named(),
            data_sources=sorted(given.data_sources),
        )
        app.current()
    except (SettingsError, AppError) as error:
        telemetry.event(logging.ERROR, "not configured", version=VERSION, reason=str(error))


def configured() -> Settings:
    """Return the settings; raise UnavailableError with their one sentence if they are wrong."""
    try:
        return settings.current()
    except SettingsError as error:
        raise UnavailableError(f"the service is not configured: {error}") from error


def ready() -> None:
    """Raise UnavailableError with one sentence if the settings or the exported app cannot be used."""
    configured()
    exported()


def path_of(req: func.HttpRequest) -> str:
    """Return the path of the request's URL, as it was sent."""
    after_scheme: str = req.url.partition("://")[2]
    return "/" + after_scheme.partition("/")[2].partition("?")[0]


def failed(
    error: Exception, line: telemetry.RequestLine, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Return the reply for an error: its own words if it is one of ours, else only an id that the log has too."""
    if isinstance(error, DataAPIError):
        line.error_code, line.decision = error.code, error.detail
        if error.status >= 500:
            line.reason, line.cause = str(error), type(error.__cause__).__name__
        return error_response(error, headers)
    correlation_id = uuid4().hex
    telemetry.failure(correlation_id, error, line.trace_id)
    shown = DataAPIError(f"internal error, logged with id {correlation_id}")
    line.error_code, line.reason, line.cause = shown.code, str(shown), type(error).__name__
    return error_response(shown, headers)


def error_response(error: DataAPIError, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """Return Atlas's shape of an error, with a content type of exactly application/json."""
    members = {"error": str(error)[:_LONGEST_ERROR]}  # it may repeat what the caller sent
    if error.code is not None:
        members["error_code"] = error.code
    return json_response(members, error.status, {**(headers or {}), **error.headers})


def json_response(
    members: Mapping[str, object] | list[object],
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    """Return plain JSON members that hold no BSON types."""
    return func.HttpResponse(
        orjson.dumps(members),
        status_code=status,
        headers=headers or {"Vary": "Origin"},
        mimetype="application/json",
    )


def cors(headers: Mapping[str, str], given: Settings, known: App | None) -> dict[str, str]:
    """Return the headers that let a page read the reply; raise if its Origin is not one of those allowed."""
    if "origin" not in headers:
        return {}
    origin = headers["origin"]
    allowed = given.allowed_origins or (known.allowed_request_origins if known else frozenset())
    if allowed and origin not in allowed:
        raise OriginRefusedError("origin not allowed")
    return {"Access-Control-Allow-Origin": origin}


def _preflight(given: Settings) -> dict[str, str]:
    allowed = f"{_ALLOWED_HEADERS}, {_CREDENTIAL_HEADERS}" if given.cors_allow_credential_headers else _ALLOWED_HEADERS
    if given.cached:
        allowed += ", Cache-Control, If-None-Match"
    return {
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": allowed,
        "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
    }


def _body(req: func.HttpRequest, given: Settings) -> bytes:
    body: bytes = req.get_body()
    declared = req.headers.get("content-length", "")
    if len(body) > given.max_body_bytes or (declared.isdecimal() and int(declared) > given.max_body_bytes):
        raise BodyTooLargeError(f"request body too large: the limit is {given.max_body_bytes} bytes")
    if not body and "chunked" in req.headers.get("transfer-encoding", "").lower():
        raise LengthRequiredError("request body must be sent with a Content-Length")
    return body


def _document(body: bytes) -> Document:
    try:
        return ejson.loads(body)
    except InvalidJSONError as error:
        raise error.in_body() from error


def _format(accept: str | None, given: Settings, known: App | None) -> Format:
    """Return the first of the two formats that Accept prefers, else RETURN_TYPE, else what the app returns."""
    default: Format = given.return_type or (known.data_api.return_type if known else None) or "JSON"
    if accept is None or accept == "*/*":
        return default
    if accept == "application/json":
        return "JSON"
    ranges = [_media_range(part) for part in accept.lower().split(",")]
    wanted = [(quality, form) for quality, form in ranges if form is not None and quality > 0]
    return max(wanted, key=lambda each: each[0])[1] if wanted else default


def _media_range(part: str) -> tuple[float, Format | None]:
    media, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    form: Format | None = _MEDIA.get(media)
    try:
        return float(quality), form
    except ValueError:  # nonsense is tolerated: some clients fill the header from a template
        return 1.0, form


_MEDIA: dict[str, Format] = {"application/json": "JSON", "application/ejson": "EJSON"}
