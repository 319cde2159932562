"""What the settings limit in the server itself, and the body of a request within its limit."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Self

from shared.service import Process
from shared.settings import Settings, SettingsError

type Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Limits(NamedTuple):
    """What the settings limit in the server itself."""

    max_body_bytes: int
    grace_seconds: int  # how long a call in flight may take at the end: a little longer than its own deadline
    head_seconds: int
    keep_alive_seconds: int
    max_client_connections: int | None

    @classmethod
    def of(cls, process: Process) -> Self:
        """Take its settings; if one is wrong, every call is answered with the sentence, whatever the body, at once."""
        try:
            settings = process.service().settings
            max_body_bytes, grace_seconds = settings.max_body_bytes, settings.mongo_db_timeout_ms // 1000 + 2
        except SettingsError:
            settings, max_body_bytes, grace_seconds = Settings(), 0, 1
        return cls(
            max_body_bytes,
            grace_seconds,
            settings.request_head_seconds,
            settings.keep_alive_seconds,
            settings.max_client_connections,
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
