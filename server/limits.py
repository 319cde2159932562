"""What the settings limit in the server itself."""

from typing import NamedTuple, Self

from shared.admission import Places
from shared.settings import Settings

BODY_SECONDS = 0.5
"""How much longer than its deadline a call may take for its body, so that whoever reads it says what it waited for."""


class Limits(NamedTuple):
    """What the settings limit in the server itself."""

    max_body_bytes: int
    grace_seconds: int  # how long a call in flight may take at the end: a little longer than its own deadline
    head_seconds: int
    body_seconds: float  # a little longer than the deadline of a call, which counts from its arrival
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
            settings.mongo_db_timeout_ms / 1000 + BODY_SECONDS,
            settings.keep_alive_seconds,
            settings.max_client_connections,
            admission,
            overloaded,
        )
