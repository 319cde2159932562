"""A long poll of the changes of a collection: any process answers it, as all that it needs stands in its token."""

import time
from typing import TYPE_CHECKING, NamedTuple

from shared import budget, turns
from shared.access.changes import ChangeView
from shared.access.protocol import Reply
from shared.budget import Share
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.errors import CallerLeftError, CommandFailedError, ReadTooLargeError
from shared.mongo.changes import Batch, ChangeStream

if TYPE_CHECKING:
    from shared.endpoint.http import Exchange

MOST_AWAIT_MS = 30_000
"""How long a poll waits at most: less than what stands in front of a service lets pass without a byte."""

_PASSED_SECONDS = 5.0  # for changes that the caller does not see, when there is no time left to wait


class Poll(NamedTuple):
    """What a poll is about, beside what is watched."""

    resume_after: str | Document | None
    await_ms: int
    limit: int


class Told(NamedTuple):
    """What a caller is told of some events, and the token behind them."""

    events: list[bytes]
    token: bytes


class Polling:
    """One poll."""

    def __init__(self, exchange: "Exchange", view: ChangeView, data_source: str, poll: Poll) -> None:
        """Take the changes as the caller sees them."""
        clients = exchange.service.clients
        self._exchange = exchange
        self._service = exchange.service
        self._view = view
        self._poll = poll
        self._waits = clients.waits(data_source)
        self._ends = time.monotonic() + poll.await_ms / 1000

    async def reply(self, form: Format) -> Reply:
        """Return what happened behind a token, or from now on, as soon as there is something."""
        after = self._poll.resume_after
        token = None if after is None else await self._view.token(after)
        async with self._exchange.waiting():
            with self._waits.caller():
                told = await self._told(token)
            resume_token = await self._view.resume_token(told.token)
        await budget.work_on(2 * sum(map(len, told.events)))
        writer = self._service.transcoder.writer
        texts, count = await turns.taken(replies.texts_of_documents(b"".join(told.events), form, writer))
        return Reply(replies.events(texts, resume_token), count)

    async def _told(self, token: bytes | None) -> Told:
        """Return the first events that the caller sees, none if none came in time."""
        await_ms = max(1, min(self._waits.turn_ms, self._poll.await_ms))
        departure = self._exchange.departure
        async with self._waits.turn(departure):
            stream = await ChangeStream.opened(self._view.target, self._view.watched, token, await_ms, self._poll.limit)
        try:
            while True:
                async with self._waits.turn(departure):
                    batch = await stream.next()
                    told = await self._seen(batch)
                if told.events or not stream.is_open or self._is_over(batch):
                    return told
        finally:
            await stream.close()

    async def _seen(self, batch: Batch) -> Told:
        """Return what the caller sees of a batch, up to what a reply may hold; raise if that is not one of them."""
        if batch.token is None:
            raise CommandFailedError("this MongoDB does not say where to go on in its changes")
        share = Share(self._service.budget, self._exchange.departure)
        try:
            await share.work_on(2 * sum(map(len, batch.events)))
            seen = await self._view.seen(batch.events)
        finally:
            share.end()
        found: list[bytes] = []
        token, size, most = batch.token, 0, self._service.settings.max_read_bytes
        for place, each in enumerate(seen):
            if each is None:
                continue
            size += len(each)
            if size > most and not found:
                raise ReadTooLargeError(f"a change exceeds {most} bytes")
            if size > most:
                break
            found.append(each)
            token = batch.token_behind(place) or token
        else:
            token = batch.token
        return Told(found, token)

    def _is_over(self, batch: Batch) -> bool:
        """Tell whether to answer without an event; raise CallerLeftError if nobody waits for the answer."""
        departure = self._exchange.departure
        if departure is not None and departure.has_happened:
            raise CallerLeftError
        left = self._ends - time.monotonic()
        return self._service.ending.is_set() or left <= (-_PASSED_SECONDS if batch.events else 0)
