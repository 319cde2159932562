"""What the settings limit in the server itself, and the body of a request within its limit."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Self

from shared.admission import Places
from shared.settings import Settings

type Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Limits(NamedTuple):
    """What the settings limit in the server itself."""

    max_body_bytes: int
    grace_seconds: int  # how long a call in flight may take at the end: a little longer than its own deadline
    head_seconds: int
    keep_alive_seconds: int
    max_client_connections: int | None
    admission: Places
    overloaded: bytes  # what answers a plain call that gets no place

    @classmethod
    def of(cls, settings: Settings, admission: Places, overloaded: bytes) -> Self:
        """Take what the settings say, the places for calls, and the answer without one."""
        return cls(
            settings.max_body_bytes,
            settings.mongo_db_timeout_ms // 1000 + 2,
            settings.request_head_seconds,
            settings.keep_alive_seconds,
            settings.max_client_connections,
            admission,
            overloaded,
        )


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
