"""The cached clients of this process, the data sources, and driver errors -> our errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakKeyDictionary

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.command_cursor import AsyncRawBatchCommandCursor
from pymongo.asynchronous.cursor import AsyncRawBatchCursor
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

from shared import settings
from shared.errors import (
    CommandFailedError,
    DataAPIError,
    DeadlinePassedError,
    InvalidParameterError,
    ReadTooLargeError,
    UnavailableError,
    UnknownDataSourceError,
)
from shared.settings import VERSION, Settings

type Client = AsyncMongoClient[dict[str, Any]]
type Collection = AsyncCollection[dict[str, Any]]
type RawCursor = AsyncRawBatchCursor[Any] | AsyncRawBatchCommandCursor[Any]

_SERVER_SELECTION_MS = 5_000
_RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)  # documents stay the bytes that MongoDB sent
_NAMES = {11000: "DuplicateKey", 121: "DocumentValidationFailure"}  # write errors come without their codeName
_UNAUTHORIZED = 13
_REFUSALS = {
    18: "MongoDB refuses the credentials of this deployment",
    8000: "MongoDB refuses the credentials of this deployment",  # Atlas's own code for it
    462: "MongoDB is overloaded",
    16500: "MongoDB is overloaded",  # Azure's code for it
}
_TOO_LATE_TEXT = "the call took longer than its time limit"
_UNCONFIRMED = "the write could not be confirmed by a majority of the replica set"
_GOING_AWAY = {6, 7, 89, 91, 189, 9001, 10107, 11600, 11601, 11602, 13435, 13436}  # the server manual's retryable codes
_TOO_LATE = {50, 262}  # MaxTimeMSExpired, ExceededTimeLimit

# A client belongs to the event loop it was first used in; a process has one, a test run may have several.
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Client]] = WeakKeyDictionary()


def collection(data_source: str, database: str, name: str) -> Collection:
    """Return a collection behind a dataSource name; raise UnknownDataSourceError if there is none of that name."""
    uri = settings.current().data_source_uri(data_source)
    if uri is None:
        raise UnknownDataSourceError(f"service not found: '{data_source}'")
    return _collection(_client(uri), database, name)


def control_database() -> AsyncDatabase[dict[str, Any]]:
    """Return the database that holds the deployment's own state: API keys."""
    return _client(settings.current().control_uri)[settings.current().dozen_database]


async def read(cursor: RawCursor) -> list[bytes]:
    """Return all that a cursor gives, as batches of concatenated BSON documents."""
    batches: list[bytes] = []
    size = 0
    async with cursor:
        async for batch in cursor:
            size += len(batch)
            if size > settings.current().max_read_bytes:
                raise ReadTooLargeError(f"the documents found exceed {settings.current().max_read_bytes} bytes")
            batches.append(batch)
    return batches


async def write[Result](operation: Awaitable[Result]) -> Result:
    """Await a write, MongoDB knowing its deadline: it ends there as well when the time has passed.

    Reads carry the deadline as their own maxTimeMS, which costs the driver an eighth less time than this.
    """
    with pymongo.timeout(settings.current().mongo_db_timeout_ms / 1000):
        return await operation


async def ping() -> None:
    """Ask every data source whether it answers; raise UnavailableError at the first that does not."""
    for uri in settings.current().data_sources.values():
        async with driver_call():
            await _client(uri).admin.command("ping")


async def close() -> None:
    """Close the clients of this event loop; the next use makes new ones."""
    _collection.cache_clear()
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.close()


@asynccontextmanager
async def driver_call() -> AsyncIterator[None]:
    """Give everything inside one deadline, MONGO_DB_TIMEOUT_MS, and raise our errors for the driver's."""
    try:
        async with asyncio.timeout(settings.current().mongo_db_timeout_ms / 1000):
            yield
    except TimeoutError as error:
        raise DeadlinePassedError(_TOO_LATE_TEXT) from error
    except (PyMongoError, BSONError) as error:
        raise translated(error) from error


def translated(error: Exception) -> Exception:
    """Return the caller's error for the driver's, or the driver's own if it is not the caller's to know."""
    if isinstance(error, ConnectionFailure | CursorNotFound | OperationFailure):
        return _server_error(error)
    if isinstance(error, DocumentTooLarge | InvalidName | BSONError):
        return InvalidParameterError(str(error))
    if isinstance(error, ConfigurationError):
        return UnavailableError("the connection to MongoDB is not configured correctly")
    return error


def _server_error(error: PyMongoError) -> DataAPIError:
    code = getattr(error, "code", None)
    if isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError):
        return UnavailableError("MongoDB cannot be reached")
    if error.timeout or code in _TOO_LATE:
        return DeadlinePassedError(_TOO_LATE_TEXT)
    if isinstance(error, ConnectionFailure | CursorNotFound) or code in _GOING_AWAY:
        return UnavailableError("the connection to MongoDB was lost")
    if code in _REFUSALS:
        return UnavailableError(_REFUSALS[code])
    return _rejection(error)


def _rejection(error: PyMongoError) -> DataAPIError:
    """Return the server's own text, led by the name of its code."""
    details: Mapping[str, Any] = getattr(error, "details", None) or {}
    if isinstance(error, BulkWriteError) and details["writeErrors"]:
        details = details["writeErrors"][0]
    elif isinstance(error, BulkWriteError | WriteConcernError):
        return UnavailableError(_UNCONFIRMED)
    code = details.get("code")
    text = details.get("errmsg", "the command failed")
    if code == _UNAUTHORIZED:
        text = text.partition(" to execute command")[0]  # what follows is the command, with the deployment's own parts
    name = details.get("codeName") or _NAMES.get(code or 0, f"Location{code}")
    return CommandFailedError(f"({name}) {text}")


@lru_cache(maxsize=1024)
def _collection(client: Client, database: str, name: str) -> Collection:
    return client[database].get_collection(name, codec_options=_RAW)


def _client(uri: str) -> Client:
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if uri not in clients:
        clients[uri] = _new_client(uri, settings.current())
    return clients[uri]


def _new_client(uri: str, given: Settings) -> Client:
    try:
        return AsyncMongoClient(uri, **client_options(uri, given))
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
        "maxPoolSize": given.mongo_db_max_pool_size,
        "serverSelectionTimeoutMS": _SERVER_SELECTION_MS,
        "w": "majority",  # an acknowledged write survives the loss of the primary
        "waitQueueTimeoutMS": 2_000,
    }
    chosen = {name.lower() for name, _ in parse_qsl(urlsplit(uri).query)}
    return {name: value for name, value in options.items() if name.lower() not in chosen}
