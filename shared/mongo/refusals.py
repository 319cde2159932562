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
from shared.mongo.outcomes import may_have_written, note_write

LATE = "the call took longer than its time limit"

_LONGEST_TEXT = 500  # characters of the server's text, which may repeat what a caller sent
CHECK_FIRST = "the write may have happened, check before you send it again"

_NO_CONNECTION = (ServerSelectionTimeoutError, WaitQueueTimeoutError)
_BY_CODE: Mapping[int, tuple[type[DataAPIError], str]] = {
    13: (NoRuleError, "MongoDB does not let this deployment do that"),  # Unauthorized
    50: (DeadlinePassedError, LATE),  # MaxTimeMSExpired
    262: (DeadlinePassedError, LATE),  # ExceededTimeLimit
}
_CREDENTIALS: Mapping[int, str] = {18: "AuthenticationFailed", 8000: "Atlas's own code"}
# labels, which say more than codes: they are about this command, and newer servers have codes that are not listed here
_OVERLOADED = "SystemOverloadedError"
_REFUSED_UNREAD = "RetryableError"
_PASSING_LABELS = (_REFUSED_UNREAD, "RetryableWriteError", "TransientTransactionError")
_OVERLOAD: Mapping[int, str] = {  # for servers without labels
    365: "TemporarilyUnavailable", 388: "TransactionTooLargeForCache", 402: "ResourceExhausted",
    433: "AdmissionQueueOverflow", 449: "RateLimitExceeded", 450: "PooledConnectionAcquisitionRejected",
    462: "IngressRequestRateLimitExceeded", 512: "WriteConflictRetryLimitExceeded", 16500: "Azure's throttling",
}  # fmt: skip
# what the server lists as retriable, interrupted, of a snapshot or of its network, and others that are its own state
_PASSING: Mapping[int, str] = {
    6: "HostUnreachable", 7: "HostNotFound", 24: "LockTimeout", 46: "LockBusy", 64: "WriteConcernFailed",
    89: "NetworkTimeout", 90: "CallbackCanceled", 91: "ShutdownInProgress", 100: "UnsatisfiableWriteConcern",
    112: "WriteConflict", 133: "FailedToSatisfyReadPreference", 134: "ReadConcernMajorityNotAvailableYet",
    149: "NoConfigPrimary", 150: "StaleEpoch", 175: "QueryPlanKilled", 189: "PrimarySteppedDown",
    202: "NetworkInterfaceExceededTimeLimit", 208: "TooManyLocks", 215: "DatabaseDropPending",
    216: "ElectionInProgress", 237: "CursorKilled", 239: "SnapshotTooOld", 246: "SnapshotUnavailable",
    249: "StaleDbVersion", 250: "StaleChunkHistory", 251: "NoSuchTransaction", 261: "TooManyLogicalSessions",
    264: "TooManyFilesOpen", 267: "PreparedTransactionInProgress", 272: "MigrationConflict", 279: "ClientDisconnect",
    290: "TransactionExceededLifetimeLimitSeconds", 314: "ObjectIsBusy", 317: "ConnectionPoolExpired",
    342: "ReshardingCriticalSectionTimeout", 343: "ShardCannotRefreshDueToLocksHeld",
    355: "InterruptedDueToStorageChange", 358: "InternalTransactionNotSupported", 371: "UserWritesBlocked",
    384: "ConnectionError", 391: "ReauthenticationRequired", 406: "MigrationBlockingOperationCoordinatorCleaningUp",
    407: "PooledConnectionAcquisitionExceededTimeLimit", 412: "UpdatesStillPending",
    453: "InterruptedDueToReshardingCriticalSection", 9001: "SocketException", 10107: "NotWritablePrimary",
    11600: "InterruptedAtShutdown", 11601: "Interrupted", 11602: "InterruptedDueToReplStateChange",
    13388: "StaleConfig", 13435: "NotPrimaryNoSecondaryOk", 13436: "NotPrimaryOrSecondary", 14031: "OutOfDiskSpace",
    46841: "ClientMarkedKilled", 56846: "ConfigServerUnreachable", 91331: "RetriableRemoteCommandFailure",
    10045600: "InterruptedDueToFCVChange",
}  # fmt: skip
_ILLEGAL_OPERATION = 20
_OF_TRANSACTIONS = "ransaction numbers"  # what the text begins with; other operations are illegal, too
_INTERNAL: Mapping[int, str] = {1: "InternalError", 8: "UnknownError"}
_WRITE_ERRORS: Mapping[int, str] = {  # these come without their codeName
    2: "BadValue", 9: "FailedToParse", 14: "TypeMismatch", 28: "PathNotViable", 40: "ConflictingUpdateOperators",
    52: "DollarPrefixedFieldName", 53: "InvalidIdField", 54: "NotSingleValueField", 56: "EmptyFieldName",
    66: "ImmutableField", 121: "DocumentValidationFailure", 11000: "DuplicateKey",
}  # fmt: skip


def translated(error: Exception) -> Exception:
    """Return the caller's error for the driver's, or the driver's own if it is not the caller's to know."""
    if isinstance(error, ConnectionFailure | OperationFailure):
        return _of_server(error)
    if isinstance(error, DocumentTooLarge | InvalidName | InvalidDocument):
        return InvalidParameterError(str(error)[:_LONGEST_TEXT])
    if isinstance(error, ConfigurationError):
        return UnavailableError(Unavailable.WRONG_OPTIONS)
    return error


def may_pass(error: ConnectionFailure | OperationFailure) -> bool:
    """Tell whether a read that failed may succeed if it is tried again at once."""
    if is_overload(error):
        return error.has_error_label(_REFUSED_UNREAD)  # MongoDB wants nothing else again
    if isinstance(error, OperationFailure):
        return error.code in _PASSING or any(map(error.has_error_label, _PASSING_LABELS))
    return not isinstance(error, _NO_CONNECTION)  # the driver waited already


def late(error: BaseException | None) -> DeadlinePassedError:
    """Return the caller's error for a deadline that passed, which says so if a write may have happened."""
    return _with_outcome(DeadlinePassedError, LATE, error)


def in_part(error: DataAPIError) -> DataAPIError:
    """Return what the caller gets for an error that ended a call after a part of it was done."""
    if isinstance(error, UnconfirmedWriteError) or may_have_written(error):
        return error
    if isinstance(error, UnavailableError):
        return UnconfirmedWriteError(Unavailable(str(error)), CHECK_FIRST)
    return _uncertain(DeadlinePassedError, str(error)) if isinstance(error, DeadlinePassedError) else error


def is_overload(error: PyMongoError) -> bool:
    """Tell whether MongoDB, or the driver for it, says that there is too much to do."""
    return error.has_error_label(_OVERLOADED)


def is_unconfirmed(error: PyMongoError) -> bool:
    """Tell whether of several writes no majority confirmed those that were done, whatever was refused beside them."""
    if not isinstance(error, BulkWriteError):
        return False
    return bool(error.details["writeConcernErrors"]) or not error.details["writeErrors"]


def _of_server(error: ConnectionFailure | OperationFailure) -> Exception:
    details = _details(error)
    code: int = details.get("code") or getattr(error, "code", None) or 0
    if error.timeout and not _is_unreachable(error):
        return late(error)
    if isinstance(error, WriteConcernError) or is_unconfirmed(error):
        return UnconfirmedWriteError(Unavailable.UNCONFIRMED)
    if reason := _passing_reason(error, code):
        is_open = may_have_written(error) or isinstance(error, BulkWriteError)  # which wrote what came before
        return UnconfirmedWriteError(reason, CHECK_FIRST) if is_open else UnavailableError(reason)
    if code in _INTERNAL:
        return error
    if code in _BY_CODE:
        kind, text = _BY_CODE[code]
        return _with_outcome(kind, text, error)
    # the server's own text, led by the name of its code
    name = details.get("codeName") or _WRITE_ERRORS.get(code, f"Location{code}")
    return CommandFailedError(f"({name}) {details.get('errmsg', 'the command failed')[:_LONGEST_TEXT]}")


def _with_outcome[E: DataAPIError](kind: type[E], text: str, error: BaseException | None) -> E:
    """Return the caller's error for another, which says if a write may have happened."""
    return _uncertain(kind, text) if may_have_written(error) else kind(text)


def _uncertain[E: DataAPIError](kind: type[E], text: str) -> E:
    """Return an error that says, in words and by its mark, that a write may have happened."""
    told = kind(f"{text}: {CHECK_FIRST}")
    note_write(told)
    return told


def _is_unreachable(error: PyMongoError) -> bool:
    """Tell whether there was no server, or no connection to it: the driver takes one that opens none as overloaded."""
    return isinstance(error, _NO_CONNECTION) or (isinstance(error, ConnectionFailure) and is_overload(error))


def _passing_reason(error: PyMongoError, code: int) -> Unavailable | None:
    """Return why MongoDB cannot do it now, None if that is not what is wrong."""
    if isinstance(error, WaitQueueTimeoutError):
        return Unavailable.CONNECTIONS_IN_USE
    if _is_unreachable(error):
        return Unavailable.UNREACHABLE
    if isinstance(error, ConnectionFailure | CursorNotFound):
        return Unavailable.CONNECTION_LOST
    if is_overload(error) or code in _OVERLOAD:
        return Unavailable.OVERLOADED
    if code in _PASSING or any(map(error.has_error_label, _PASSING_LABELS)):
        return Unavailable.NOT_NOW
    return _reason_of_deployment(error, code)


def _reason_of_deployment(error: PyMongoError, code: int) -> Unavailable | None:
    """Return why MongoDB as it is deployed cannot do it, such as a server that is no member of a replica set."""
    if code == _ILLEGAL_OPERATION and _OF_TRANSACTIONS in str(error):
        return Unavailable.NO_TRANSACTIONS
    return Unavailable.CREDENTIALS_REFUSED if code in _CREDENTIALS else None


def _details(error: PyMongoError) -> Mapping[str, Any]:
    """Return the server's reply; of several write errors the first, as an ordered write ends there."""
    details: Mapping[str, Any] = getattr(error, "details", None) or {}
    if isinstance(error, BulkWriteError) and details["writeErrors"]:
        return details["writeErrors"][0]  # type: ignore[no-any-return]
    return details
