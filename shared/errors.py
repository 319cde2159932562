"""Every error a caller can get: class, status and code.

DataAPIError                     500  InternalServerError         anything unexpected
├── InvalidParameterError        400  InvalidParameter            a member has a value that cannot be used
├── MissingParameterError        400  MissingParameter            a required member or half of a credential is missing
├── InvalidJSONError             400  InvalidJSON                 the body is not (Extended) JSON
├── WrongTypeError               400  InvalidJSONFieldType        a member has the wrong type
├── UnknownDataSourceError       400  ServiceNotFound             no data source of that name
├── CommandFailedError           400  MongoDBError                MongoDB rejected the command
├── ReadTooLargeError            400  ReadSizeLimitExceeded       the answer would be larger than MAX_READ_BYTES
├── InvalidSessionError          401  InvalidSession              the credential matches nobody
├── NoRuleError                  403  NoMatchingRuleFound         the namespace is nobody's to touch
├── OriginRefusedError           403  DomainNotAllowed            the Origin is not in CORS_ALLOWED_ORIGINS
├── UnknownAppError              404  (none)                      another app than APP_ID
├── EndpointNotFoundError        404  EndpointNotFound            no such action, version or path
├── MethodNotAllowedError        405  BadRequest                  an action called with another method than POST
├── LengthRequiredError          411  BadRequest                  the platform dropped a chunked body
├── BodyTooLargeError            413  BadRequest                  the body is larger than MAX_BODY_BYTES
├── UnavailableError             503  InternalServerError         MongoDB is away, or a setting is wrong
│   └── UnconfirmedWriteError    503  InternalServerError         a write that may have happened: no Retry-After
└── DeadlinePassedError          504  ExecutionTimeLimitExceeded  MONGO_DB_TIMEOUT_MS went by
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar


class DataAPIError(Exception):
    """A failure with the status and the stable code that callers may rely on; its text is for the caller."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str | None] = "InternalServerError"
    headers: ClassVar[Mapping[str, str]] = {}


class InvalidParameterError(DataAPIError):
    """A member holds a value that cannot be used: a negative limit, a refused operator."""

    status, code = HTTPStatus.BAD_REQUEST, "InvalidParameter"


class MissingParameterError(DataAPIError):
    """A required member, or half of a credential, is missing."""

    status, code = HTTPStatus.BAD_REQUEST, "MissingParameter"


class InvalidJSONError(DataAPIError):
    """The body is not JSON, not an object, or holds a malformed Extended JSON value."""

    status, code = HTTPStatus.BAD_REQUEST, "InvalidJSON"


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


class InvalidSessionError(DataAPIError):
    """The credential matches nobody who may call."""

    status, code = HTTPStatus.UNAUTHORIZED, "InvalidSession"


class NoRuleError(DataAPIError):
    """No rule opens this namespace to the caller."""

    status, code = HTTPStatus.FORBIDDEN, "NoMatchingRuleFound"


class OriginRefusedError(DataAPIError):
    """The page's Origin is not in the list of those that may call."""

    status, code = HTTPStatus.FORBIDDEN, "DomainNotAllowed"


class UnknownAppError(DataAPIError):
    """The Client App ID in the path is not this deployment's."""

    status, code = HTTPStatus.NOT_FOUND, None


class EndpointNotFoundError(DataAPIError):
    """Nothing is served at this path."""

    status, code = HTTPStatus.NOT_FOUND, "EndpointNotFound"


class MethodNotAllowedError(DataAPIError):
    """The path is served, but not with this method."""

    status, code = HTTPStatus.METHOD_NOT_ALLOWED, "BadRequest"
    headers: ClassVar[Mapping[str, str]] = {"Allow": "POST, OPTIONS"}


class LengthRequiredError(DataAPIError):
    """A chunked body that the platform does not pass on."""

    status, code = HTTPStatus.LENGTH_REQUIRED, "BadRequest"


class BodyTooLargeError(DataAPIError):
    """The body is larger than MAX_BODY_BYTES."""

    status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BadRequest"


class UnavailableError(DataAPIError):
    """MongoDB cannot be reached now, or the deployment's settings are wrong: the same call may succeed later."""

    status, code = HTTPStatus.SERVICE_UNAVAILABLE, "InternalServerError"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class UnconfirmedWriteError(UnavailableError):
    """A write that no majority of the replica set confirmed: it may have happened, so nobody is told to repeat it."""

    headers: ClassVar[Mapping[str, str]] = {}


class DeadlinePassedError(DataAPIError):
    """The call took longer than MONGO_DB_TIMEOUT_MS; a write may or may not have happened."""

    status, code = HTTPStatus.GATEWAY_TIMEOUT, "ExecutionTimeLimitExceeded"
