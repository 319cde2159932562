"""Change streams: events as the bytes that MongoDB sent, and the tokens behind which a stream goes on."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from shared.documents.ejson import Document
from shared.documents.elements import elements
from shared.errors import CommandFailedError, DataAPIError, HistoryLostError, InvalidParameterError, ReadTooLargeError
from shared.mongo.clients import Collection

type _Stream = Any  # the driver's, of which a part is used that it has no type for
type _Watch = Callable[..., Awaitable[_Stream]]

_TOO_LARGE = 10334
_START_OVER = "call without 'resumeAfter', and read with find what you may have missed"
_REFUSALS: Mapping[int, tuple[type[DataAPIError], str]] = {
    136: (HistoryLostError, f"MongoDB no longer has these changes: {_START_OVER}"),  # CappedPositionLost
    166: (InvalidParameterError, "changes are told of collections, not of views"),
    260: (InvalidParameterError, "'resumeAfter' is none that MongoDB can go on from"),
    280: (HistoryLostError, f"MongoDB cannot go on with these changes: {_START_OVER}"),
    286: (HistoryLostError, f"MongoDB no longer has these changes: {_START_OVER}"),
    _TOO_LARGE: (ReadTooLargeError, f"a change is larger than the 16 MB that MongoDB sends: {_START_OVER}"),
    40573: (CommandFailedError, "changes need a MongoDB that is a replica set or a sharded cluster"),
    50811: (InvalidParameterError, "'resumeAfter' is none that MongoDB can go on from"),
}
_UNKNOWN = frozenset({2, 9, 72, 115, 238, 303, 40415})
"""The codes with which a server refuses options that it does not know."""


class Watched(NamedTuple):
    """How a stream is opened; callers for whom it is the same may share one."""

    stages: tuple[Document, ...] = ()
    full_document: str | None = "updateLookup"
    before: str | None = "whenAvailable"
    is_expanded: bool = True
    """Whether it says which parts the path of an update has, and tells of indexes and the like, too."""


WATCHED = Watched()
"""The stream from which every caller's view can be made."""

_OLD = Watched(before=None, is_expanded=False)
_NAMED = Watched(
    (
        {
            "$set": {
                "updateDescription.names": {
                    "$map": {"input": {"$objectToArray": "$updateDescription.updatedFields"}, "in": "$$this.k"}
                }
            }
        },
        {"$unset": ["updateDescription.updatedFields"]},
    ),
    before=None,
)
"""The same with the names of changed fields alone, which is seldom larger than the document that changed."""

_BARE = Watched(
    ({"$set": {"updateDescription": {"$literal": {"removedFields": [], "truncatedArrays": []}}}},), before=None
)
"""The same without these names, of which there may be very many."""


class Batch(NamedTuple):
    """Events that came together, and the token behind the last of them, or behind what is no event."""

    events: Sequence[bytes]
    token: bytes | None

    def token_behind(self, place: int) -> bytes | None:
        """Return the token behind one of the events."""
        return self.token if place == len(self.events) - 1 else elements(self.events[place])["_id"].value


class ChangeStream:
    """An open change stream of one collection; the driver resumes it if its connection is lost."""

    def __init__(self, watch: _Watch, watched: Watched, token: bytes | None, await_ms: int, batch_size: int) -> None:
        """Take what opens the driver's streams, and where this one begins."""
        self._watch = watch
        self._watched = watched
        self._begins = token
        self._await_ms = await_ms
        self._batch_size = batch_size
        self._stream: _Stream = None

    @classmethod
    async def opened(
        cls, target: Collection, watched: Watched, token: bytes | None, await_ms: int, batch_size: int = 0
    ) -> Self:
        """Open a stream that goes on behind a token, or that begins now; `next` waits no longer than `await_ms`.

        What an older server does not know of `WATCHED` is left out.
        """
        made = cls(target.with_options(read_concern=ReadConcern()).watch, watched, token, await_ms, batch_size)
        await made._open()
        return made

    @property
    def is_open(self) -> bool:
        """Whether more can come: a collection that is dropped or renamed ends its stream."""
        return self._stream is None or bool(self._stream.alive)

    @property
    def token(self) -> bytes | None:
        """The token behind all that was read, None where the server gives none before an event."""
        return self._begins if self._stream is None else _token(self._stream)

    async def next(self, await_ms: int | None = None) -> Batch:
        """Return the next events that are there, none if none came in time: that of the opening, or another now.

        Of `WATCHED`, a change comes by itself that is too large with all that it tells: with the names of its fields,
        if these are not too many.
        """
        if self._stream is None:
            return await self._large()
        if await_ms is not None:
            self._stream._cursor._max_await_time_ms = await_ms
        try:
            return await _read(self._stream)
        except OperationFailure as error:
            if not self._is_too_large(error):
                raise _refusal(error) from error
        self._begins, self._stream = self.token, None
        return await self._large()

    async def close(self) -> None:
        """Close it; a server that cannot be reached forgets it by itself."""
        if self._stream is not None:
            with suppress(PyMongoError):
                await self._stream.close()

    async def _open(self) -> None:
        try:
            self._stream = await self._begun(self._watched, self._batch_size)
        except OperationFailure as error:
            if self._is_too_large(error):
                return
            if self._watched != WATCHED or error.code not in _UNKNOWN:
                raise _refusal(error) from error
            self._watched = _OLD
            await self._open()

    async def _large(self) -> Batch:
        """Return the one event that is too large, and go on behind it."""
        try:
            batch = await self._one(_NAMED)
        except OperationFailure as error:
            if error.code != _TOO_LARGE:
                raise _refusal(error) from error
            batch = await self._one(_BARE)
        self._begins = batch.token
        await self._open()
        return batch

    async def _one(self, watched: Watched) -> Batch:
        async with await self._begun(watched, 1) as stream:
            return await _read(stream)

    def _is_too_large(self, error: OperationFailure) -> bool:
        return error.code == _TOO_LARGE and self._watched == WATCHED

    async def _begun(self, watched: Watched, batch_size: int) -> _Stream:
        return await self._watch(
            list(watched.stages),
            full_document=watched.full_document,
            full_document_before_change=watched.before,
            show_expanded_events=watched.is_expanded or None,
            # which goes on behind the end of a collection, too
            start_after=None if self._begins is None else RawBSONDocument(self._begins),
            max_await_time_ms=self._await_ms,
            batch_size=batch_size or None,
        )


async def _read(stream: _Stream) -> Batch:
    events: list[bytes] = []
    while (event := await stream.try_next()) is not None:
        events.append(bytes(event.raw))
        if not stream._cursor._has_next():
            break
    return Batch(events, _token(stream))


def _token(stream: _Stream) -> bytes | None:
    token = stream.resume_token
    return None if token is None else bytes(token.raw)


def _refusal(error: OperationFailure) -> Exception:
    """Return the caller's error for what is about changes alone, else the driver's own."""
    if error.code is None or error.code not in _REFUSALS:
        return error
    kind, text = _REFUSALS[error.code]
    return kind(text)
