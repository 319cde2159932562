"""A long poll of the changes of a collection: any process answers it, as all that it needs stands in its token."""

import time
from typing import TYPE_CHECKING, NamedTuple

from shared import budget, turns
from shared.access.protocol import Reply
from shared.budget import Share
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.errors import CallerLeftError, CommandFailedError, ReadTooLargeError
from shared.mongo import reads
from shared.mongo.changes import Batch, ChangeStream

if TYPE_CHECKING:
    from shared.access.changes import ChangeView
    from shared.endpoint.contexts import CallContext

MOST_AWAIT_MS = 30_000
"""How long a poll waits at most: less than what stands in front of a service lets pass without a byte."""

_PASSED_SECONDS = 5.0  # for changes that the caller does not see, when there is no time left to wait
_TOGETHER_SECONDS = 2.0  # in which more that is there is told with the first
_MOST_BYTES = 16 * 1024 * 1024
_LEAST_AT_ONCE = 32  # events that are read, of which the caller may see none


class Poll(NamedTuple):
    """What a poll is about, beside what is watched."""

    resume_after: str | Document | None
    await_ms: int
    limit: int


class Polling:
    """One poll.

    How many events a reply has depends on those alone that the caller sees: what is hidden between them counts for
    nothing.
    """

    def __init__(self, context: "CallContext", view: "ChangeView", data_source: str, poll: Poll) -> None:
        """Take the changes as the caller sees them."""
        self._context = context
        self._service = context.service
        self._view = view
        self._poll = poll
        self._waits = context.service.clients.waits(data_source)
        self._ends = time.monotonic() + poll.await_ms / 1000
        self._most_bytes = min(context.service.settings.max_read_bytes, _MOST_BYTES)
        self._work_seconds = context.service.settings.mongo_db_timeout_ms / 3_000
        self._told: list[bytes] = []
        self._size = 0
        self._token: bytes | None = None

    async def reply(self, form: Format) -> Reply:
        """Return what happened behind a token, or from now on, as soon as there is something."""
        after = self._poll.resume_after
        begins = None if after is None else await self._view.token(after)
        async with self._context.waiting():
            with self._waits.caller():
                await self._read(begins)
            if self._token is None:
                raise CommandFailedError("this MongoDB does not say where to go on in its changes")
            resume_token = await self._view.resume_token(self._token)
        await budget.work_on(self._size)
        writer = self._service.transcoder.writer
        texts, count = await turns.taken(replies.texts_of_documents(b"".join(self._told), form, writer))
        return Reply(replies.events(texts, resume_token), count)

    async def _read(self, begins: bytes | None) -> None:
        """Read on until there is something to tell, and nothing more of it at once, or no time is left."""
        view, departure = self._view, self._context.departure
        at_once = min(max(self._poll.limit, _LEAST_AT_ONCE), reads.AT_ONCE)
        async with self._waits.turn(departure):
            stream = await ChangeStream.opened(view.target, view.watched, begins, self._turn_ms, at_once)
        is_done = False
        try:
            while not is_done:
                async with self._waits.turn(departure):
                    batch = await stream.next(self._turn_ms)
                    is_done = await self._take(batch)
                is_done = is_done or not stream.is_open or self._is_over(batch)
        finally:
            await stream.close()

    @property
    def _turn_ms(self) -> int:
        """How long to wait in MongoDB for something: not at all where there is something to tell."""
        left = 0 if self._told else int((self._ends - time.monotonic()) * 1000)
        return max(1, min(left, self._waits.turn_ms))

    async def _take(self, batch: Batch) -> bool:
        """Take what the caller sees of a batch; tell whether that is all that a reply may hold."""
        share = Share(self._service.budget, self._context.departure)
        try:
            await share.work_on(2 * sum(map(len, batch.events)))
            seen = await self._view.seen(batch.events)
        finally:
            share.end()
        for place, event in enumerate(seen):
            if event is None:
                continue
            self._size += len(event)
            if self._size > self._most_bytes and self._told:
                return True
            if self._size > self._service.settings.max_read_bytes:
                raise ReadTooLargeError(f"a change exceeds {self._service.settings.max_read_bytes} bytes")
            if not self._told:
                self._ends = time.monotonic() + min(_TOGETHER_SECONDS, self._work_seconds)
            self._told.append(event)
            self._token = batch.token_behind(place)
            await budget.hold(len(event))
            if len(self._told) == self._poll.limit:
                return True
        self._token = batch.token
        return False

    def _is_over(self, batch: Batch) -> bool:
        """Tell whether to answer now; raise CallerLeftError if nobody waits for the answer."""
        departure = self._context.departure
        if departure is not None and departure.has_happened:
            raise CallerLeftError
        if self._service.ending.is_set() or (self._told and not batch.events):
            return True
        more = 0 if self._told or not batch.events else min(_PASSED_SECONDS, self._work_seconds)
        return time.monotonic() >= self._ends + more
