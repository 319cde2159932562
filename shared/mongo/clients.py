"""The cached clients of this process, the data sources, and driver errors -> our errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakKeyDictionary

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError, InvalidDocument
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
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
from pymongo.read_concern import ReadConcern

from shared import settings, telemetry
from shared.errors import (
    CommandFailedError,
    DataAPIError,
    DeadlinePassedError,
    InvalidParameterError,
    NoRuleError,
    UnavailableError,
    UnconfirmedWriteError,
    UnknownDataSourceError,
)
from shared.settings import VERSION, Settings

type Client = AsyncMongoClient[dict[str, Any]]
type Collection = AsyncCollection[dict[str, Any]]

type Session = AsyncClientSession

_SERVER_SELECTION_MS = 5_000
_ILLEGAL_OPERATION = 20
RAW: CodecOptions[Any] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""How collections are read: documents stay the bytes that MongoDB sent."""
_NAMES = {  # write errors come without their codeName
    2: "BadValue", 9: "FailedToParse", 14: "TypeMismatch", 28: "PathNotViable", 40: "ConflictingUpdateOperators",
    52: "DollarPrefixedFieldName", 53: "InvalidIdField", 54: "NotSingleValueField", 56: "EmptyFieldName",
    66: "ImmutableField", 121: "DocumentValidationFailure", 11000: "DuplicateKey",
}  # fmt: skip
_REFUSED = "MongoDB refuses the credentials of this deployment"
_LATE = "the call took longer than its time limit"
_NOT_NOW = "MongoDB cannot do this now"
_BY_CODE: dict[int, tuple[type[DataAPIError], str]] = {
    13: (NoRuleError, "MongoDB does not let this deployment do that"),
    18: (UnavailableError, _REFUSED),
    50: (DeadlinePassedError, _LATE),
    262: (DeadlinePassedError, _LATE),
    462: (UnavailableError, "MongoDB is overloaded"),
    8000: (UnavailableError, _REFUSED),  # Atlas's own code
    16500: (UnavailableError, "MongoDB is overloaded"),  # Azure's own code
}
# the server manual's retryable codes, and others that are the server's state and not the command
_PASSING = {
    6, 7, 64, 89, 91, 100, 112, 133, 134, 175, 189, 202, 237, 246, 290, 314, 317, 365, 391, 9001, 10107, 11600, 11601,
    11602, 13435, 13436, 14031,
}  # fmt: skip
_OUR_FAULT = {1, 8}  # InternalError, UnknownError: MongoDB's own, in truth
_SHOWN = 500  # characters of the server's text, which may repeat what a caller sent
_MOST_COLLECTIONS = 1_000


class _Connections:
    """The clients of one event loop by connection string, and the collections asked for lately."""

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}
        self.collections: dict[tuple[str, str, str], Collection] = {}


# A client belongs to the event loop it was first used in; a process has one, a test run may have several.
_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections] = WeakKeyDictionary()


def collection(data_source: str, database: str, name: str) -> Collection:
    """Return a collection behind a dataSource name; raise UnknownDataSourceError if there is none of that name."""
    uri = settings.current().data_source_uri(data_source)
    if uri is None:
        raise UnknownDataSourceError(f"service not found: '{data_source[:_SHOWN]}'")
    known = _here().collections
    found = known.get((uri, database, name))
    if found is None:
        found = _client(uri)[database].get_collection(name, codec_options=RAW)
        if len(known) >= _MOST_COLLECTIONS:
            known.clear()
        known[uri, database, name] = found
    return found


def control_database() -> AsyncDatabase[dict[str, Any]]:
    """Return the database that holds the deployment's own state: API keys."""
    return _client(settings.current().control_uri).get_database(
        settings.current().dozen_database,
        read_preference=ReadPreference.PRIMARY,  # a revoked key must be seen as revoked
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority"),
    )


@asynccontextmanager
async def server_deadline(target: Collection) -> AsyncIterator[None]:
    """Have MongoDB itself end the update or delete inside at the deadline: finding its documents may take long.

    Reads carry their own maxTimeMS, and inserts have nothing to find.
    """
    client = target.database.client
    if not client.topology_description.has_writable_server():
        await client.admin.command("ping")  # waits for a server, or says in a few seconds that there is none
    with pymongo.timeout(settings.current().mongo_db_timeout_ms / 1000):
        yield


async def transaction[T](target: Collection, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do work in a transaction on one snapshot, again if another write came between; what it raises undoes it.

    Raise UnavailableError where MongoDB has no transactions, as on a server that is no member of a replica set.
    """
    try:
        async with server_deadline(target), target.database.client.start_session() as session:
            return await session.with_transaction(
                work,
                read_concern=ReadConcern("snapshot"),
                write_concern=target.write_concern,
                read_preference=ReadPreference.PRIMARY,
            )
    except OperationFailure as error:
        if error.code == _ILLEGAL_OPERATION:
            raise UnavailableError("rules need transactions: MongoDB must be a replica set") from error
        raise


async def ping() -> None:
    """Ask every data source whether it answers; raise UnavailableError at the first that does not."""
    for uri in settings.current().data_sources.values():
        with driver_call():
            await _client(uri).admin.command("ping")


async def close() -> None:
    """Close the clients of this event loop; the next use makes new ones."""
    for client in _connections.pop(asyncio.get_running_loop(), _Connections()).clients.values():
        await client.close()


class driver_call:  # noqa: N801  used as a context manager; a class costs half of what a generator does
    """Give everything inside one deadline, MONGO_DB_TIMEOUT_MS, and raise our errors for the driver's.

    What asyncio.timeout does, at a third of its cost: every call has a deadline, hardly any meets it.
    """

    __slots__ = ("_cancellations", "_is_late", "_task", "_timer")

    def __enter__(self) -> None:
        """Start the clock."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101  every call is part of a task
        self._task = task
        self._cancellations = task.cancelling()
        self._is_late = False
        self._timer = loop.call_later(settings.current().mongo_db_timeout_ms / 1000, self._end)

    def _end(self) -> None:
        self._is_late = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise what the caller gets for what happened inside."""
        self._timer.cancel()
        if self._is_late and self._task.uncancel() <= self._cancellations and isinstance(error, asyncio.CancelledError):
            raise DeadlinePassedError(_LATE) from error
        if isinstance(error, PyMongoError | BSONError):
            raise translated(error) from error


def translated(error: Exception) -> Exception:
    """Return the caller's error for the driver's, or the driver's own if it is not the caller's to know."""
    if isinstance(error, ConnectionFailure | CursorNotFound | OperationFailure):
        return _server_error(error)
    if isinstance(error, DocumentTooLarge | InvalidName | InvalidDocument):
        return InvalidParameterError(str(error)[:_SHOWN])
    if isinstance(error, ConfigurationError):
        return UnavailableError("the connection to MongoDB is not configured correctly")
    return error


def _server_error(error: PyMongoError) -> Exception:
    details = _details(error)
    code: int = details.get("code") or getattr(error, "code", None) or 0
    if known := _state_of_the_server(error, bool(details.get("code"))):
        return known
    if code in _OUR_FAULT:
        return error
    if code in _BY_CODE or code in _PASSING:
        kind, text = _BY_CODE.get(code, (UnavailableError, _NOT_NOW))
        return kind(text)
    # the server's own text, led by the name of its code
    name = details.get("codeName") or _NAMES.get(code, f"Location{code}")
    return CommandFailedError(f"({name}) {details.get('errmsg', 'the command failed')[:_SHOWN]}")


def _state_of_the_server(error: PyMongoError, has_code: bool) -> DataAPIError | None:
    """Return what the kind of the driver's error says, before its code is asked."""
    if isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError):
        return UnavailableError("MongoDB cannot be reached")
    if error.timeout:
        return DeadlinePassedError(_LATE)
    if isinstance(error, WriteConcernError) or (isinstance(error, BulkWriteError) and not has_code):
        return UnconfirmedWriteError("the write may have happened, but no majority of the replica set confirmed it")
    if isinstance(error, ConnectionFailure | CursorNotFound):
        return UnavailableError("the connection to MongoDB was lost")
    return None


def may_pass(error: ConnectionFailure | OperationFailure) -> bool:
    """Tell whether what failed may succeed if it is tried again at once."""
    if isinstance(error, OperationFailure):
        return error.code in _PASSING
    return not isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError)  # the driver waited already


def _details(error: PyMongoError) -> Mapping[str, Any]:
    """Return what the server said; of several write errors the first, as an ordered write ends there."""
    details: Mapping[str, Any] = getattr(error, "details", None) or {}
    if isinstance(error, BulkWriteError) and details["writeErrors"]:
        return details["writeErrors"][0]  # type: ignore[no-any-return]
    return details


def _here() -> _Connections:
    loop = asyncio.get_running_loop()
    found = _connections.get(loop)
    if found is None:
        found = _connections[loop] = _Connections()
    return found


def _client(uri: str) -> Client:
    clients = _here().clients
    if uri not in clients:
        clients[uri] = _new_client(uri, settings.current())
    return clients[uri]


def _new_client(uri: str, given: Settings) -> Client:
    try:
        return AsyncMongoClient(uri, **client_options(uri, given), event_listeners=telemetry.listeners())
    except (PyMongoError, ValueError):  # ValueError: a URI option of the wrong type
        # from None: the driver's text may hold a piece of the password
        raise UnavailableError("MONGO_DB_URI is not a connection string that the driver understands") from None


def client_options(uri: str, given: Settings) -> dict[str, Any]:
    """Return the options of every client, less those that the connection string sets itself."""
    options = {
        "appname": f"dozen/{VERSION}",
        "connectTimeoutMS": 5_000,
        "datetime_conversion": DatetimeConversion.DATETIME_AUTO,
        "journal": True,
        "maxConnecting": 4,
        "maxIdleTimeMS": 120_000,  # below the four minutes after which Azure drops idle connections
        "maxPoolSize": given.pool_size,
        "serverSelectionTimeoutMS": min(_SERVER_SELECTION_MS, given.mongo_db_timeout_ms // 2),
        "w": "majority",  # an acknowledged write survives the loss of the primary
        "waitQueueTimeoutMS": 2_000,
    }
    if given.mongo_db_auth == "entra":
        from shared.mongo import entra  # noqa: PLC0415  for those alone who ask for it

        options |= entra.options(given)
    chosen = {name.lower() for name, _ in parse_qsl(urlsplit(uri).query)}
    return {name: value for name, value in options.items() if name.lower() not in chosen}
