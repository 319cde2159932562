"""Every error a caller can get: class, status and code.

DataAPIError                     500  InternalServerError         anything unexpected
├── InvalidParameterError        400  InvalidParameter            a member has a value that cannot be used
├── MissingParameterError        400  MissingParameter            a required member or half of a credential is missing
├── InvalidJSONError             400  InvalidJSON                 the body is not (Extended) JSON
├── MalformedEncodingError       400  BadRequest                  the body is not what its Content-Encoding says
├── WrongTypeError               400  InvalidJSONFieldType        a member has the wrong type
├── UnknownDataSourceError       400  ServiceNotFound             no data source of that name
├── CommandFailedError           400  MongoDBError                MongoDB rejected the command
├── ReadTooLargeError            400  ReadSizeLimitExceeded       the documents found exceed MAX_READ_BYTES
├── TooManyAffectedError         400  MaxAffectedExceeded         a write of more documents than the call allows
├── ScanRefusedError             400  QueryWithoutIndex           the query has no index, and SCAN_GUARD refuses it
├── DeniedWriteError             400  NoMatchingRoleFound         the document's role does not allow the write
├── SchemaFailedError            400  SchemaValidationFailedWrite a written document does not follow the schema
├── FunctionFailedError          400  FunctionExecutionError      a function of the app failed, or took too much
├── BadRequestError              400  BadRequest                  a registration, reset or link that cannot be
├── AlreadyConfirmedError        400  UserAlreadyConfirmed        the e-mail address is confirmed already
├── InvalidSessionError          401  InvalidSession              the credential matches nobody
├── LoginRefusedError            401  AuthError                   a login that is refused
│   └── WrongPasswordError       401  AuthError                   name and password do not match a user
├── ValidationFailedError        401  IncomingWebhookAuthFailed   the call's secret or signature is missing or wrong
├── NoRuleError                  403  NoMatchingRuleFound         no rule opens the namespace to the caller
├── NoRoleError                  403  NoMatchingRoleFound         no role of the caller allows it
├── NotCallableError             403  FunctionNotCallable         can_evaluate is not true for the caller
├── FunctionRefusedError         403  FunctionExecutionError      can_evaluate of a function is not true for the caller
├── OriginRefusedError           403  DomainNotAllowed            the Origin is not in CORS_ALLOWED_ORIGINS
├── UnknownAppError              404  (none)                      another app than APP_ID
├── EndpointNotFoundError        404  EndpointNotFound            no such action, version or path
├── FunctionNotFoundError        404  FunctionNotFound            the app has no such function for callers
├── UnknownServiceError          404  ServiceNotFound             no data source of that name, in functions/call
├── ProviderNotFoundError        404  AuthProviderNotFound        no such authentication provider, or it is disabled
├── UserNotFoundError            404  UserNotFound                no user with this e-mail address
├── APIKeyNotFoundError          404  APIKeyNotFound              the user has no API key of this id
├── MethodNotAllowedError        405  BadRequest                  an action called with another method than POST
├── NotAcceptableError           406  NotAcceptable               Accept names only what this action does not return
├── LengthRequiredError          411  BadRequest                  the platform dropped a chunked body
├── NameInUseError               409  AccountNameInUse            a user with this e-mail address exists
├── HistoryLostError             410  ChangeStreamHistoryLost     the changes behind 'resumeAfter' are gone
├── PreconditionFailedError      412  PreconditionFailed          the document is not the one that If-Match names
├── BodyTooLargeError            413  BadRequest                  the body is too large, in bytes or in values
├── UnsupportedEncodingError     415  BadRequest                  a Content-Encoding that is not decoded
├── KeyReusedError               422  IdempotencyKeyReused        another request had the Idempotency-Key before
├── TooManyLoginsError           429  TooManyRequests             too many failed logins, or registrations and the like
├── QuotaExceededError           429  TooManyRequests             the key has used up a limit of its quota
├── NotStreamedError             501  FunctionExecutionError      changes cannot be streamed by this host
├── UnavailableError             503  InternalServerError         MongoDB cannot be reached, or a setting is wrong
│   ├── UnconfirmedWriteError    503  InternalServerError         a write that may have happened: no Retry-After
│   └── OverloadedError          503  InternalServerError         more calls than this process can work on
├── CallerLeftError              499  (none)                      nobody waits for the answer: logged, never sent
└── DeadlinePassedError          504  ExecutionTimeLimitExceeded  the call took longer than MONGO_DB_TIMEOUT_MS
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import ClassVar, Self


class DataAPIError(Exception):
    """A failure with the status and the stable code that callers may rely on; its text is for the caller."""

    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str | None] = "InternalServerError"
    headers: Mapping[str, str] = {}
    detail: str | None = None
    """What is logged beside the text, and hidden from the caller: the role and the expression that decided."""
    members: Mapping[str, bytes] = {}
    """What the reply has beside text and code, each as JSON."""
    position: int = 0
    """Which of several documents it is about."""
    cause: object = None
    """What is wrong with the deployment: for its operator, in the log, behind the text."""

    def because(self, detail: str) -> Self:
        """Add a reason that is logged and hidden from the caller."""
        self.detail = detail
        return self

    def at(self, place: str) -> Self:
        """Say in front of the text which part of the call failed."""
        self.args = (f"{place}: {self}",)
        return self


def for_operators(error: Exception) -> str:
    """Return what the log and the command line say of an error: its text, and what is wrong with the deployment."""
    cause = error.cause if isinstance(error, DataAPIError) else None
    return str(error) if cause is None else f"{error}: {cause}"


class InvalidParameterError(DataAPIError):
    """A member holds a value that cannot be used: a negative limit, a refused operator."""

    status, code = HTTPStatus.BAD_REQUEST, "InvalidParameter"


class MissingParameterError(DataAPIError):
    """A required member, or half of a credential, is missing."""

    status, code = HTTPStatus.BAD_REQUEST, "MissingParameter"


class InvalidJSONError(DataAPIError):
    """A text is not JSON, not an object, or holds a malformed Extended JSON value; whoever reads it names the place."""

    status, code = HTTPStatus.BAD_REQUEST, "InvalidJSON"

    def __init__(self, reason: str, place: str = "") -> None:
        """Say what is wrong with the text, and after which word it stands if the caller must be told: ` in …`."""
        super().__init__(f"invalid JSON{place}: {reason}")
        self.reason = reason

    def in_body(self) -> Self:
        """Return the same for the body of a request."""
        return type(self)(self.reason, " in request body")


class MalformedEncodingError(DataAPIError):
    """The body is not what its Content-Encoding says."""

    status, code = HTTPStatus.BAD_REQUEST, "BadRequest"


class WrongTypeError(DataAPIError):
    """A member of the body has the wrong type."""

    status, code = HTTPStatus.BAD_REQUEST, "InvalidJSONFieldType"


class UnknownDataSourceError(DataAPIError):
    """Several data sources are configured and none has this name."""

    status, code = HTTPStatus.BAD_REQUEST, "ServiceNotFound"


class CommandFailedError(DataAPIError):
    """MongoDB rejected the command; the text is the server's own."""

    status, code = HTTPStatus.BAD_REQUEST, "MongoDBError"


class ReadTooLargeError(DataAPIError):
    """The documents found are larger than MAX_READ_BYTES together."""

    status, code = HTTPStatus.BAD_REQUEST, "ReadSizeLimitExceeded"


class TooManyAffectedError(DataAPIError):
    """A write would affect more documents than the call allows."""

    status, code = HTTPStatus.BAD_REQUEST, "MaxAffectedExceeded"


class ScanRefusedError(DataAPIError):
    """MongoDB would look at all documents of a collection to find some, and SCAN_GUARD refuses that."""

    status, code = HTTPStatus.BAD_REQUEST, "QueryWithoutIndex"


class DeniedWriteError(DataAPIError):
    """The role of a document does not allow what the call would do to it."""

    status, code = HTTPStatus.BAD_REQUEST, "NoMatchingRoleFound"


class SchemaFailedError(DataAPIError):
    """A document would not follow its collection's schema after the write."""

    status, code = HTTPStatus.BAD_REQUEST, "SchemaValidationFailedWrite"


class FunctionFailedError(DataAPIError):
    """A function of the app threw an error, or took more than it may; the text is what programs are told."""

    status, code = HTTPStatus.BAD_REQUEST, "FunctionExecutionError"
    thrown_at: str = ""
    """Where in its source, which is logged and hidden from the caller."""
    message: str | None = None
    """What the error that was thrown says, without its name; None if the function has thrown none."""


class BadRequestError(DataAPIError):
    """A registration, confirmation or password reset with values that cannot be used."""

    status, code = HTTPStatus.BAD_REQUEST, "BadRequest"


class AlreadyConfirmedError(DataAPIError):
    """The user's e-mail address is confirmed already."""

    status, code = HTTPStatus.BAD_REQUEST, "UserAlreadyConfirmed"


class InvalidSessionError(DataAPIError):
    """The credential matches nobody who may call."""

    status, code = HTTPStatus.UNAUTHORIZED, "InvalidSession"


class LoginRefusedError(DataAPIError):
    """A login with a credential that matches nobody, or of a user who is disabled or not confirmed."""

    status, code = HTTPStatus.UNAUTHORIZED, "AuthError"


class WrongPasswordError(LoginRefusedError):
    """Name and password do not match a user: no other reply than of any login that is refused."""

    def __init__(self) -> None:
        """Never say which of both is wrong."""
        super().__init__("unauthorized")


class ValidationFailedError(DataAPIError):
    """The secret or the signature that validates every call is missing or wrong."""

    status, code = HTTPStatus.UNAUTHORIZED, "IncomingWebhookAuthFailed"


class NoRuleError(DataAPIError):
    """No rule opens this namespace to the caller."""

    status, code = HTTPStatus.FORBIDDEN, "NoMatchingRuleFound"


class NoRoleError(DataAPIError):
    """No role of the caller allows the call: it fails before any document is checked."""

    status, code = HTTPStatus.FORBIDDEN, "NoMatchingRoleFound"


class NotCallableError(DataAPIError):
    """The app's can_evaluate expression is not true for the caller."""

    status, code = HTTPStatus.FORBIDDEN, "FunctionNotCallable"


class FunctionRefusedError(DataAPIError):
    """`can_evaluate` of a function is not true for the caller."""

    status, code = HTTPStatus.FORBIDDEN, "FunctionExecutionError"


class OriginRefusedError(DataAPIError):
    """The page's Origin is not in the list of those that may call."""

    status, code = HTTPStatus.FORBIDDEN, "DomainNotAllowed"


class UnknownAppError(DataAPIError):
    """The Client App ID in the path is not this deployment's."""

    status, code = HTTPStatus.NOT_FOUND, None


class EndpointNotFoundError(DataAPIError):
    """Nothing is served at this path."""

    status, code = HTTPStatus.NOT_FOUND, "EndpointNotFound"


class FunctionNotFoundError(DataAPIError):
    """The app has no such function, or it cannot run here."""

    status, code = HTTPStatus.NOT_FOUND, "FunctionNotFound"


class UnknownServiceError(DataAPIError):
    """A call of functions/call names a service that is no data source."""

    status, code = HTTPStatus.NOT_FOUND, "ServiceNotFound"


class ProviderNotFoundError(DataAPIError):
    """The app has no such authentication provider, or has disabled it."""

    status, code = HTTPStatus.NOT_FOUND, "AuthProviderNotFound"


class UserNotFoundError(DataAPIError):
    """No user has this e-mail address."""

    status, code = HTTPStatus.NOT_FOUND, "UserNotFound"


class APIKeyNotFoundError(DataAPIError):
    """The user has no API key of this id."""

    status, code = HTTPStatus.NOT_FOUND, "APIKeyNotFound"


class MethodNotAllowedError(DataAPIError):
    """The path is served, but not with this method."""

    status, code = HTTPStatus.METHOD_NOT_ALLOWED, "BadRequest"

    def __init__(self, text: str, methods: Iterable[str] = ("POST",)) -> None:
        """Take the methods that are allowed: the header Allow lists them."""
        super().__init__(text)
        self.headers = {"Allow": ", ".join([*methods, "OPTIONS"])}


class NotAcceptableError(DataAPIError):
    """The caller takes nothing but a format that the action does not have."""

    status, code = HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable"


class LengthRequiredError(DataAPIError):
    """A chunked body that the platform does not pass on."""

    status, code = HTTPStatus.LENGTH_REQUIRED, "BadRequest"


class NameInUseError(DataAPIError):
    """A user with this e-mail address exists already."""

    status, code = HTTPStatus.CONFLICT, "AccountNameInUse"


class HistoryLostError(DataAPIError):
    """MongoDB cannot tell the changes any more that follow what the caller has seen."""

    status, code = HTTPStatus.GONE, "ChangeStreamHistoryLost"


class PreconditionFailedError(DataAPIError):
    """The document that a write meets is not the one that its caller has seen, or there is none."""

    status, code = HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed"


class BodyTooLargeError(DataAPIError):
    """The body is larger than MAX_BODY_BYTES, or holds more than MAX_BODY_VALUES."""

    status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BadRequest"


class UnsupportedEncodingError(DataAPIError):
    """The body has a Content-Encoding that is not decoded."""

    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "BadRequest"

    def __init__(self, supported: Iterable[str]) -> None:
        """Take the encodings that are decoded: the header Accept-Encoding lists them."""
        names = ", ".join(supported)
        super().__init__(f"the Content-Encoding of the request is not supported: send {names} or none")
        self.headers = {"Accept-Encoding": names}


class KeyReusedError(DataAPIError):
    """The caller has sent another request with this Idempotency-Key before."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "IdempotencyKeyReused"


class TooManyLoginsError(DataAPIError):
    """Too many failed logins from this address or to this account, or too much else that costs others."""

    status, code = HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests"

    def __init__(self, noun: str, seconds: int) -> None:
        """Take what there is too much of, and when the next is accepted: the header Retry-After holds the seconds."""
        super().__init__(f"too many {noun}: try again in {seconds} seconds")
        self.headers = {"Retry-After": str(seconds)}


class QuotaExceededError(DataAPIError):
    """The key has used up a limit of its quota."""

    status, code = HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests"

    def __init__(self, limit: str, seconds: int, headers: Mapping[str, str]) -> None:
        """Take the limit, when the next call is accepted, and what else the response says of the quota."""
        super().__init__(f"the key has used up its quota {limit}: try again in {seconds} seconds")
        self.headers = {**headers, "Retry-After": str(seconds)}


class NotStreamedError(DataAPIError):
    """Changes as they happen, wanted of a host that answers with one body: Azure's worker, or anybody over HTTP/1.0."""

    status, code = HTTPStatus.NOT_IMPLEMENTED, "FunctionExecutionError"

    def __init__(self) -> None:
        """Say what does it instead."""
        super().__init__(
            "watch needs a stream, which this host has not: deploy the container, which answers HTTP/1.1, "
            "or poll the action 'changes'"
        )


class Unavailable(StrEnum):
    """The texts of a 503."""

    TOO_MANY_CALLS = "too many calls at once"
    TOO_MANY_PASSWORDS = "too many passwords at once"
    TOO_MANY_STREAMS = "too many callers wait for changes"
    TOO_MUCH = "too many large calls at once"
    CONNECTIONS_IN_USE = "all connections to MongoDB are in use"
    UNREACHABLE = "MongoDB cannot be reached"
    NO_ANSWER = "MongoDB does not answer"
    CONNECTION_LOST = "the connection to MongoDB was lost"
    OVERLOADED = "MongoDB is overloaded"
    NOT_NOW = "MongoDB cannot do this now"
    TOO_SLOW = "changes come faster than they are read"
    ENDING = "this process is ending"
    UNCONFIRMED = "the write may have happened, but no majority of the replica set confirmed it"
    NO_TRANSACTIONS = "this call needs transactions: MongoDB must be a replica set"
    CREDENTIALS_REFUSED = "MongoDB refuses the credentials of this deployment"
    NO_ENTRA_SIGN_IN = "this deployment gets no token to sign in to MongoDB with"
    WRONG_OPTIONS = "the connection to MongoDB is not configured correctly"
    WRONG_SETTING = "the service is not configured: its log says why"
    LOGINS_NOT_CONFIGURED = "logins are not configured: the log says why"
    NO_SIGNING_KEYS = "the keys that sign tokens cannot be fetched"
    NO_MAIL = "the mail cannot be sent now"


class UnavailableError(DataAPIError):
    """MongoDB cannot be reached now, or the deployment's settings are wrong: the same call may succeed later."""

    status, code = HTTPStatus.SERVICE_UNAVAILABLE, "InternalServerError"
    headers: Mapping[str, str] = {"Retry-After": "5"}

    def __init__(self, text: Unavailable, cause: object = None) -> None:
        """Take the text, and what is wrong with a setting or the app, which callers are not told."""
        super().__init__(text.value)
        self.cause = cause


class UnconfirmedWriteError(UnavailableError):
    """A write that may have happened: its answer was lost, or no majority confirmed it. So there is no Retry-After."""

    headers: Mapping[str, str] = {}

    def __init__(self, text: Unavailable, advice: str = "") -> None:
        """Take the text, and what the caller can do, which follows it."""
        super().__init__(text)
        self.args = (f"{text}: {advice}" if advice else text.value,)


class OverloadedError(UnavailableError):
    """More than this process can take on: nothing was begun, and another may be free."""

    headers: Mapping[str, str] = {"Retry-After": "1"}


class CallerLeftError(DataAPIError):
    """Nobody waits for the answer: it is only logged, with the status that nginx has for it."""

    status, code = 499, None

    def __init__(self) -> None:
        """Say it."""
        super().__init__("the caller has left")


class DeadlinePassedError(DataAPIError):
    """The call took longer than MONGO_DB_TIMEOUT_MS; the text says so if a write may have happened."""

    status, code = HTTPStatus.GATEWAY_TIMEOUT, "ExecutionTimeLimitExceeded"
