"""Change streams: events as the bytes that MongoDB sent, and the tokens behind which a stream goes on."""

from collections.abc import Mapping, Sequence
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

_START_OVER = "call without 'resumeAfter', and read with find what you may have missed"
_REFUSALS: Mapping[int, tuple[type[DataAPIError], str]] = {
    136: (HistoryLostError, f"MongoDB no longer has these changes: {_START_OVER}"),  # CappedPositionLost
    166: (InvalidParameterError, "changes are told of collections, not of views"),
    260: (InvalidParameterError, "'resumeAfter' is none that MongoDB can go on from"),
    280: (HistoryLostError, f"MongoDB cannot go on with these changes: {_START_OVER}"),
    286: (HistoryLostError, f"MongoDB no longer has these changes: {_START_OVER}"),
    10334: (ReadTooLargeError, f"a change is larger than the 16 MB that MongoDB sends: {_START_OVER}"),
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


class Batch(NamedTuple):
    """Events that came together, and the token behind the last of them, or behind what is no event."""

    events: Sequence[bytes]
    token: bytes | None

    def token_behind(self, place: int) -> bytes | None:
        """Return the token behind one of the events."""
        return self.token if place == len(self.events) - 1 else elements(self.events[place])["_id"].value


class ChangeStream:
    """An open change stream of one collection; the driver resumes it if its connection is lost."""

    def __init__(self, stream: _Stream) -> None:
        """Take the driver's."""
        self._stream = stream

    @classmethod
    async def opened(
        cls, target: Collection, watched: Watched, token: bytes | None, await_ms: int, batch_size: int = 0
    ) -> Self:
        """Open a stream that goes on behind a token, or that begins now; `next` waits no longer than `await_ms`.

        What an older server does not know of `WATCHED` is left out.
        """
        target = target.with_options(read_concern=ReadConcern())
        after = None if token is None else RawBSONDocument(token)

        async def opened(how: Watched) -> Self:
            return cls(
                await target.watch(
                    list(how.stages),
                    full_document=how.full_document,
                    full_document_before_change=how.before,
                    show_expanded_events=how.is_expanded or None,
                    start_after=after,  # which goes on behind the end of a collection, too
                    max_await_time_ms=await_ms,
                    batch_size=batch_size or None,
                )
            )

        try:
            return await opened(watched)
        except OperationFailure as error:
            if watched != WATCHED or error.code not in _UNKNOWN:
                raise _refusal(error) from error
        try:
            return await opened(_OLD)
        except OperationFailure as error:
            raise _refusal(error) from error

    @property
    def is_open(self) -> bool:
        """Whether more can come: a collection that is dropped or renamed ends its stream."""
        return bool(self._stream.alive)

    @property
    def token(self) -> bytes | None:
        """The token behind all that was read, None where the server gives none before an event."""
        token = self._stream.resume_token
        return None if token is None else bytes(token.raw)

    async def next(self, await_ms: int | None = None) -> Batch:
        """Return the next events that are there, none if none came in time: that of the opening, or another now."""
        events: list[bytes] = []
        if await_ms is not None:
            self._stream._cursor._max_await_time_ms = await_ms
        try:
            while (event := await self._stream.try_next()) is not None:
                events.append(bytes(event.raw))
                if not self._stream._cursor._has_next():
                    break
        except OperationFailure as error:
            raise _refusal(error) from error
        return Batch(events, self.token)

    async def close(self) -> None:
        """Close it; a server that cannot be reached forgets it by itself."""
        with suppress(PyMongoError):
            await self._stream.close()


def _refusal(error: OperationFailure) -> Exception:
    """Return the caller's error for what is about changes alone, else the driver's own."""
    if error.code is None or error.code not in _REFUSALS:
        return error
    kind, text = _REFUSALS[error.code]
    return kind(text)
