"""The change stream of a database trigger: what is asked of MongoDB, and what ends it for good."""

import re
from typing import Any, NoReturn

from bson.timestamp import Timestamp
from pymongo.asynchronous.change_stream import AsyncClusterChangeStream
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from shared.app.model import DatabaseTrigger
from shared.errors import UnknownDataSourceError
from shared.mongo.clients import RAW, Clients
from shared.settings import Settings
from shared.triggers.progress import Token

type Stream = Any  # the driver's, of which a part is used that it has no type for

_UNUSED: dict[str, Any] = dict.fromkeys(
    ("resume_after", "start_after", "start_at_operation_time", "batch_size", "collation", "session")
)
_AWAIT_MS = 500  # so soon a process ends that waits for changes
_LOST = {
    136: "MongoDB no longer has the changes that follow",  # CappedPositionLost
    260: "MongoDB does not know the token",
    280: "MongoDB cannot go on with the changes",
    286: "MongoDB no longer has the changes that follow",
    10334: "a change is larger than the 16 MB that MongoDB sends",
    50811: "MongoDB does not know the token",
}
_NOT_FOUND = "resume token was not found"  # code 280 alone has other meanings
_TIMED = re.compile(r"82([0-9A-F]{8})([0-9A-F]{8})")  # how the data of a token begin


class LostError(Exception):
    """A stream cannot go on behind its token; the text says why."""


class UnchosenError(LostError):
    """The event of the token is none that the stream chooses, as another `match` or other operations may have it."""


class EndedError(LostError):
    """What a stream tells of was dropped or renamed; behind its token another stream can begin."""

    def __init__(self) -> None:
        """Say it."""
        super().__init__("the collection or the database was dropped or renamed")


class Streams:
    """Opens the change streams of triggers."""

    def __init__(self, clients: Clients, settings: Settings) -> None:
        """Take the data sources."""
        self._clients = clients
        self._settings = settings

    async def opened(self, trigger: DatabaseTrigger, token: Token) -> Stream:
        """Open the stream that goes on behind a token or at a time, or that begins now.

        The control database is in no stream: each token that is stored would be an event of its own.
        """
        uri = self._settings.data_source_uri(trigger.service)
        if uri is None:
            raise UnknownDataSourceError(f"service not found: '{trigger.service}'")
        client = self._clients.client(uri)
        own = {"ns.db": {"$ne": self._settings.dozen_database}}
        options: dict[str, Any] = {
            "full_document": "updateLookup" if trigger.full_document else None,
            "full_document_before_change": "whenAvailable" if trigger.full_document_before_change else None,
            "show_expanded_events": trigger.is_expanded or None,
            "start_at_operation_time" if isinstance(token, Timestamp) else "start_after": token,
            "max_await_time_ms": _AWAIT_MS,
        }
        pipeline = [{"$match": own}, *trigger.pipeline]
        database = client.get_database(trigger.database or "admin", codec_options=RAW, read_concern=ReadConcern())
        try:
            if trigger.collection:
                return await database[trigger.collection].watch(pipeline, **options)
            if trigger.database:
                return await database.watch(pipeline, **options)
            stream: Stream = AsyncClusterChangeStream(database, pipeline, **_UNUSED | options)  # as the client does
            await stream._initialize_cursor()
        except OperationFailure as error:
            raise_lost(error)
        return stream


def raise_lost(error: OperationFailure) -> NoReturn:
    """Raise LostError for an error after which a stream cannot go on, else the error."""
    reason = _LOST.get(error.code or 0)
    if reason is None:
        raise error
    raise (UnchosenError if _NOT_FOUND in str(error) else LostError)(reason) from error


def time_of(token: Token) -> Timestamp | None:
    """Return when the event of a resume token happened, None if it does not say."""
    found = None if isinstance(token, Timestamp) else _TIMED.match(str(token.get("_data", "")))
    return found and Timestamp(int(found[1], 16), int(found[2], 16))
