"""Whether a write that failed may have happened all the same: noted where the driver sends it, so that none is missed.

The error that the driver raises in the end does not tell. It may be about a retry that never left this process, while
the attempt before it lost its answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

if TYPE_CHECKING:
    from shared.mongo.scans import ScanGuard
    from shared.settings import Settings

_UNKNOWN = "UnknownWriteOutcome"  # ours, beside the labels of MongoDB and of the driver

_NOT_BEGUN_LABELS = ("NoWritesPerformed", "RetryableError")
_NOT_BEGUN_CODES = frozenset({
    13,  # Unauthorized
    18,  # AuthenticationFailed
    391,  # ReauthenticationRequired
    462,  # IngressRequestRateLimitExceeded
    8000,  # AtlasError: credentials
})  # fmt: skip
"""With the labels all that proves of a command that was sent that it wrote nothing. What was not sent is not asked."""

_COMMIT = "commitTransaction"
_REPEATABLE = frozenset({"abortTransaction", "createIndexes"})

type _Attempt = Callable[..., Awaitable[Any]]
type _Run = Callable[[_Attempt], Awaitable[Any]]


class Client(AsyncMongoClient[dict[str, Any]]):
    """The driver's client; what ends a write that may have happened says so, whoever wrote."""

    scan_guard: "ScanGuard | None" = None
    """Looks at what callers ask before it is sent, where SCAN_GUARD is on."""

    def _retry_internal(  # type: ignore[override]  # options that it does not look at are passed on
        self,
        func: _Attempt,
        session: AsyncClientSession | None,
        bulk: Any,
        operation: str,
        is_read: bool = False,
        **options: Any,
    ) -> Awaitable[Any]:
        """Do what the driver does for every read and write: call `func` on a connection, again if that may help."""
        options |= {"session": session, "bulk": bulk, "operation": operation, "is_read": is_read}
        run: _Run = partial(super()._retry_internal, **options)
        is_undone = session is not None and session.in_transaction and operation != _COMMIT
        if (is_read and not options.get("is_aggregate_write")) or is_undone or operation in _REPEATABLE:
            return run(func)
        return _labelled(run, func, bulk, operation)


def scan_guard_of(target: AsyncCollection[Any], settings: "Settings") -> "ScanGuard | None":
    """Return who looks at what callers ask of a collection, None if nobody does."""
    if settings.scan_guard == "off":
        return None
    client = target.database.client
    return client.scan_guard if isinstance(client, Client) else None


async def _labelled(run: _Run, func: _Attempt, bulk: Any, operation: str) -> Any:
    is_unknown = operation == _COMMIT  # it may be the second, after one without an answer

    async def attempt(*arguments: Any) -> Any:
        nonlocal is_unknown
        try:
            return await func(*arguments)
        except PyMongoError as error:
            is_unknown = is_unknown or not _is_certain(error, bulk)
            raise
        except asyncio.CancelledError:
            is_unknown = True
            raise

    try:
        return await run(attempt)
    except (PyMongoError, asyncio.CancelledError) as error:
        if is_unknown:
            note_write(error)
        raise


def _is_certain(error: PyMongoError, bulk: Any) -> bool:
    """Tell whether the answer to a command proves that nothing was written."""
    if bulk is not None and bulk.current_run is not None and bulk.current_run.idx_offset:
        return False  # commands before this one have written
    return any(map(error.has_error_label, _NOT_BEGUN_LABELS)) or getattr(error, "code", None) in _NOT_BEGUN_CODES


def note_write(error: BaseException) -> None:
    """Note of what ends a write that it may have happened, wholly or in part."""
    if isinstance(error, PyMongoError):
        error._add_error_label(_UNKNOWN)
    else:
        error.add_note(_UNKNOWN)


def may_have_written(error: BaseException | None) -> bool:
    """Tell whether what failed or was cancelled was a write that may have happened, wholly or in part."""
    if isinstance(error, PyMongoError):
        return error.has_error_label(_UNKNOWN)
    return _UNKNOWN in getattr(error, "__notes__", ())
