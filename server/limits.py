"""How large the headers and the body of a request may be, and how long a body may take."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Self

from server.draining import DrainingProtocol
from shared.service import Process
from shared.settings import SettingsError

type Receive = Callable[[], Awaitable[Mapping[str, Any]]]

MOST_HEADER_BYTES = 64 * 1024
BODY_SECONDS = 120  # for a body to arrive whole


class Limits(NamedTuple):
    """What the settings limit in the server itself."""

    max_body_bytes: int
    grace_seconds: int  # how long a call in flight may take at the end: a little longer than its own deadline

    @classmethod
    def of(cls, process: Process) -> Self:
        """Take its settings; if one is wrong, every call is answered with the sentence, whatever the body, at once."""
        try:
            settings = process.service().settings
        except SettingsError:
            return cls(max_body_bytes=0, grace_seconds=1)
        return cls(settings.max_body_bytes, settings.mongo_db_timeout_ms // 1000 + 2)


class Protocol(DrainingProtocol):
    """Uvicorn's protocol with limits that it leaves to a proxy: the size of the headers, the time for a body."""

    _head_bytes = 0
    _in_head = True
    _body_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Count what arrives before the headers are whole, and start the clock for a body that is not."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head:
            if self._body_timer is None:
                self._body_timer = self.loop.call_later(BODY_SECONDS, self.transport.close)
        elif self._head_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("Request headers too large.")

    def on_headers_complete(self) -> None:
        """Go on to the body; the time that the call may take begins."""
        self._in_head = False
        self.scope["arrived"] = time.monotonic()  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock; what comes next are the headers of another request."""
        self._in_head, self._head_bytes = True, 0
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        super().on_message_complete()


async def body(headers: Mapping[str, str], receive: Receive, limit: int) -> bytes | None:
    """Return the body; of one that is too large no more than shows that it is; None if the client left meanwhile."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        return b""
    parts: list[bytes] = []
    size = 0
    while size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body", False):
            break
    return b"".join(parts)
