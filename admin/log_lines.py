"""Lines of a log as others wrap them: what docker, journald and Application Insights put around, or in front (pure)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

_MOMENT = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_WRAPPINGS = 4


class Told(NamedTuple):
    """The JSON of a line, and when it was by what stands around it."""

    text: bytes
    time: datetime | None


class _Wrapping(msgspec.Struct):
    """The members in which others keep a line: docker, journald, Fluent Bit, and Application Insights with its time."""

    log: str | None = None
    journal: str | list[int] | None = msgspec.field(name="MESSAGE", default=None)
    operation: Any = None
    message: str | None = None
    exported: str | None = msgspec.field(name="Message", default=None)
    time: str | None = None
    timestamp: str | None = None
    generated: str | None = msgspec.field(name="TimeGenerated", default=None)
    received: str | None = msgspec.field(name="__REALTIME_TIMESTAMP", default=None)

    @property
    def text(self) -> bytes | None:
        """The line that is in it, None if it is no wrapping but a line."""
        if self.operation is not None:
            return None
        if isinstance(self.journal, list):  # journald writes what is not printable as its bytes
            return bytes(self.journal) if all(0 <= each <= 255 for each in self.journal) else None
        within = self.log or self.journal or self.exported or self.message
        return within.encode() if within and "{" in within else None

    @property
    def moment(self) -> datetime | None:
        """When the line was, by who wrapped it."""
        if self.received is not None and self.received.isdecimal() and len(self.received) <= 17:
            return _EPOCH + timedelta(microseconds=int(self.received))
        return _read((self.time or self.timestamp or self.generated or "").encode())


_decode = msgspec.json.Decoder(_Wrapping).decode


def unwrapped(line: bytes) -> Told | None:
    """Return what a line holds, without what stands in front of its JSON; None if there is no JSON."""
    time: datetime | None = None
    for _ in range(_MOST_WRAPPINGS):
        start = line.find(b"{")
        if start < 0:
            return None
        time = _in_front(line[:start]) or time
        line = line[start:]
        try:
            wrapping = _decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            break
        within = wrapping.text
        if within is None:
            break
        time, line = wrapping.moment or time, within
    return Told(line, time)


def _in_front(text: bytes) -> datetime | None:
    found = _MOMENT.search(text)
    return None if found is None else _read(found[0])


def _read(text: bytes) -> datetime | None:
    """Return a moment; one without a zone is in UTC, as Azure prints it."""
    try:
        found = datetime.fromisoformat(text.decode())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
