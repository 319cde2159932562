"""What several commands read in their options: JSON, spans of time and moments."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from admin.process import WRONG_USAGE, fail
from shared.errors import InvalidJSONError

_SPAN = re.compile(r"([1-9][0-9]{0,4})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=36_500)


def parsed[T](read: Callable[[bytes], T], option: str, text: str) -> T:
    """Return what an option holds; exit 2 if it is not JSON, or not what `read` takes."""
    try:
        return read(text.encode(errors="surrogateescape"))
    except InvalidJSONError as error:
        raise fail(f"{option}: {error}", WRONG_USAGE) from None


def span(option: str, text: str) -> timedelta:
    """Return a span of time, such as 30m, 12h, 90d or 4w; exit 2 if it is none, or longer than 36,500 days."""
    match = _SPAN.fullmatch(text)
    length = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < length <= _LONGEST:
        raise fail(f"{option}: {text!r} is no span of time such as 30m, 12h, 90d or 4w", WRONG_USAGE)
    return length


def since(option: str, text: str) -> datetime:
    """Return the moment from which on: a date or time in ISO 8601, in UTC without an offset, or a span before now."""
    if _SPAN.fullmatch(text):
        return datetime.now(UTC) - span(option, text)
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise fail(f"{option}: {text!r} is neither a date nor a span such as 12h or 90d", WRONG_USAGE) from None
