"""What a listener is told, as server-sent events."""

import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol

import orjson

from shared.auth.accounts import Caller
from shared.auth.usage import Usage
from shared.budget import Share, held_by
from shared.errors import CallerLeftError, DataAPIError
from shared.mongo.hubs import Event, Listener
from shared.telemetry.log import event
from shared.telemetry.requests import RequestLine

KEEP_ALIVE_SECONDS = 15.0
"""After how long a silence a comment says that the stream goes on."""

_LEAST_CHECK_SECONDS, _MOST_CHECK_SECONDS = 1.0, 30.0
_COMMENT = b":\n\n"


class View(Protocol):
    """What a caller sees of events."""

    async def texts(self, events: Sequence[Event]) -> list[bytes]:
        """Return the events that the caller sees, each as canonical Extended JSON."""

    def see(self, caller: Caller) -> None:
        """Go on for the caller as they are now."""


class Standing:
    """Whether a caller may still be told: asked now and then."""

    def __init__(
        self, caller: Caller, ask: Callable[[], Awaitable[Caller]], seconds: float, usage: Usage | None = None
    ) -> None:
        """Take the caller, what returns them as they are now, for how long that is trusted, and what counts quotas."""
        self.caller = caller
        self._usage = usage
        self._ask = ask
        most = min(max(seconds, _LEAST_CHECK_SECONDS), _MOST_CHECK_SECONDS)
        self._seconds = random.uniform(0.7, 1) * most  # noqa: S311  so that not all ask at once
        self._due = time.monotonic() + self._seconds

    @property
    def left(self) -> float:
        """How many seconds the latest answer is still trusted."""
        return self._due - time.monotonic()

    async def tell(self, documents: int) -> None:
        """Count documents that the caller is to be told of; raise QuotaExceededError where a quota allows none."""
        if self.caller.quota is not None and self._usage is not None and documents:
            await self._usage.tell(self.caller.quota, documents)

    async def changed(self) -> bool:
        """Ask, if it is time, and tell whether the answer is another; raise if the caller may not be told any more."""
        if self.left > 0:
            return False
        before, self.caller = self.caller, await self._ask()
        self._due = time.monotonic() + self._seconds
        return self.caller != before


class EventStream:
    """A listener's events until something ends them, which the last of them says: a Feed of a response."""

    def __init__(
        self,
        listener: Listener,
        view: View,
        standing: Standing,
        share: Share,
        line: RequestLine,
        unexpected: Callable[[Exception], DataAPIError],
    ) -> None:
        """Take who listens, what they see, whether they still may, what holds their memory, and their log line.

        The last logs what nobody expected, and returns what is told of it.
        """
        self.tell = listener.tell
        self._listener = listener
        self._view = view
        self._standing = standing
        self._share = share
        self._line = line
        self._unexpected = unexpected
        self._events = self._bytes = 0
        self._quiet_until = time.monotonic() + KEEP_ALIVE_SECONDS

    def leave(self) -> None:
        """Listen no more: the client has left."""
        self._listener.end(CallerLeftError())

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Give the events as they come, and comments where none does; at the end, why there are no more."""
        ended: DataAPIError = CallerLeftError()
        try:
            while (piece := await self._next()) is not None:
                if piece:
                    self._quiet_until = time.monotonic() + KEEP_ALIVE_SECONDS
                    self._bytes += len(piece)
                    yield piece
                self._share.end()
            ended = self._listener.ended or ended
        except DataAPIError as error:
            ended = error
        except Exception as error:  # noqa: BLE001  the status was sent, so nobody else can say it
            ended = self._unexpected(error)
        finally:
            self._share.end()
            self._listener.end(ended)
            self._log(ended)
        if type(ended) is not CallerLeftError:
            yield error_frame(ended)

    async def _next(self) -> bytes | None:
        """Return what has come meanwhile or the sign of life that is due, None at the end."""
        seconds = min(self._quiet_until - time.monotonic(), self._standing.left)
        events = await self._listener.events(max(seconds, 0.0))
        if await self._standing.changed():
            self._view.see(self._standing.caller)
        if not events and self._listener.ended is not None:
            return None
        piece = b"".join(map(frame, await self._texts(events)))
        return _COMMENT if not piece and time.monotonic() >= self._quiet_until else piece

    async def _texts(self, events: Sequence[Event]) -> list[bytes]:
        if not events:
            return []
        await self._share.hold(sum(len(each.raw) for each in events))
        with held_by(self._share):
            texts = await self._view.texts(events)
        await self._standing.tell(len(texts))
        self._events += len(texts)
        return texts

    def _log(self, ended: DataAPIError) -> None:
        event(
            logging.INFO,
            "a stream of changes ended",
            namespace=self._line.namespace,
            caller=self._line.caller,
            reason=str(ended),
            error_code=ended.code,
            seconds=round(time.perf_counter() - self._line.started, 1),
            events=self._events,
            reply_bytes=self._bytes,
            trace_id=self._line.trace_id,
        )


def frame(text: bytes) -> bytes:
    """Return a server-sent event of a text, of which clients decode what is encoded here and nothing else."""
    return b"data: %b\n\n" % text.replace(b"%", b"%25").replace(b"\n", b"%0A").replace(b"\r", b"%0D")


def error_frame(error: DataAPIError) -> bytes:
    """Return the event that says why there are no others."""
    return b"event: error\n" + frame(orjson.dumps({"error_code": error.code, "error": str(error)}))
