"""What MongoDB and its driver refuse -> our errors."""

from collections.abc import Mapping
from typing import Any

from bson.errors import InvalidDocument
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    DocumentTooLarge,
    InvalidName,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from shared.errors import (
    CommandFailedError,
    DataAPIError,
    DeadlinePassedError,
    InvalidParameterError,
    NoRuleError,
    Unavailable,
    UnavailableError,
    UnconfirmedWriteError,
)

LATE = "the call took longer than its time limit"

_LONGEST_TEXT = 500  # characters of the server's text, which may repeat what a caller sent
_BY_CODE: Mapping[int, tuple[type[DataAPIError], str]] = {
    13: (NoRuleError, "MongoDB does not let this deployment do that"),  # Unauthorized
    18: (UnavailableError, Unavailable.CREDENTIALS_REFUSED),  # AuthenticationFailed
    50: (DeadlinePassedError, LATE),  # MaxTimeMSExpired
    262: (DeadlinePassedError, LATE),  # ExceededTimeLimit
    462: (UnavailableError, Unavailable.OVERLOADED),  # IngressRequestRateLimitExceeded, of MongoDB 8
    8000: (UnavailableError, Unavailable.CREDENTIALS_REFUSED),  # Atlas's own code
    16500: (UnavailableError, Unavailable.OVERLOADED),  # Azure's own code
}
# the server manual's retryable codes, and others that are the server's state and not the command
_PASSING: Mapping[int, str] = {
    6: "HostUnreachable", 7: "HostNotFound", 64: "WriteConcernFailed", 89: "NetworkTimeout", 91: "ShutdownInProgress",
    100: "UnsatisfiableWriteConcern", 112: "WriteConflict", 133: "FailedToSatisfyReadPreference",
    134: "ReadConcernMajorityNotAvailableYet", 175: "QueryPlanKilled", 189: "PrimarySteppedDown",
    202: "NetworkInterfaceExceededTimeLimit", 237: "CursorKilled", 246: "SnapshotUnavailable",
    290: "TransactionExceededLifetimeLimitSeconds", 314: "ObjectIsBusy", 317: "ConnectionPoolExpired",
    365: "TemporarilyUnavailable", 391: "ReauthenticationRequired", 9001: "SocketException",
    10107: "NotWritablePrimary", 11600: "InterruptedAtShutdown", 11601: "Interrupted",
    11602: "InterruptedDueToReplStateChange", 13435: "NotPrimaryNoSecondaryOk", 13436: "NotPrimaryOrSecondary",
    14031: "OutOfDiskSpace",
}  # fmt: skip
_INTERNAL: Mapping[int, str] = {1: "InternalError", 8: "UnknownError"}
_WRITE_ERRORS: Mapping[int, str] = {  # these come without their codeName
    2: "BadValue", 9: "FailedToParse", 14: "TypeMismatch", 28: "PathNotViable", 40: "ConflictingUpdateOperators",
    52: "DollarPrefixedFieldName", 53: "InvalidIdField", 54: "NotSingleValueField", 56: "EmptyFieldName",
    66: "ImmutableField", 121: "DocumentValidationFailure", 11000: "DuplicateKey",
}  # fmt: skip


def translated(error: Exception) -> Exception:
    """Return the caller's error for the driver's, or the driver's own if it is not the caller's to know."""
    if isinstance(error, ConnectionFailure | CursorNotFound | OperationFailure):
        return _of_server(error)
    if isinstance(error, DocumentTooLarge | InvalidName | InvalidDocument):
        return InvalidParameterError(str(error)[:_LONGEST_TEXT])
    if isinstance(error, ConfigurationError):
        return UnavailableError(Unavailable.WRONG_OPTIONS)
    return error


def may_pass(error: ConnectionFailure | OperationFailure) -> bool:
    """Tell whether what failed may succeed if it is tried again at once."""
    if isinstance(error, OperationFailure):
        return error.code in _PASSING
    return not isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError)  # the driver waited already


def _of_server(error: PyMongoError) -> Exception:
    details = _details(error)
    code: int = details.get("code") or getattr(error, "code", None) or 0
    if known := _of_kind(error, bool(details.get("code"))):
        return known
    if code in _INTERNAL:
        return error
    if code in _BY_CODE or code in _PASSING:
        kind, text = _BY_CODE.get(code, (UnavailableError, Unavailable.NOT_NOW))
        return kind(text)
    # the server's own text, led by the name of its code
    name = details.get("codeName") or _WRITE_ERRORS.get(code, f"Location{code}")
    return CommandFailedError(f"({name}) {details.get('errmsg', 'the command failed')[:_LONGEST_TEXT]}")


def _of_kind(error: PyMongoError, has_code: bool) -> DataAPIError | None:
    """Return what the kind of the driver's error says, which counts before the server's code."""
    if isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError):
        return UnavailableError(Unavailable.UNREACHABLE)
    if error.timeout:
        return DeadlinePassedError(LATE)
    if isinstance(error, WriteConcernError) or (isinstance(error, BulkWriteError) and not has_code):
        return UnconfirmedWriteError(Unavailable.UNCONFIRMED)
    if isinstance(error, ConnectionFailure | CursorNotFound):
        return UnavailableError(Unavailable.CONNECTION_LOST)
    return None


def _details(error: PyMongoError) -> Mapping[str, Any]:
    """Return the server's reply; of several write errors the first, as an ordered write ends there."""
    details: Mapping[str, Any] = getattr(error, "details", None) or {}
    if isinstance(error, BulkWriteError) and details["writeErrors"]:
        return details["writeErrors"][0]  # type: ignore[no-any-return]
    return details
