"""BSON dates, milliseconds since 1970 in 64 bits, as a reply has them, and back from ISO 8601 (pure).

Python's own datetime ends at the years 1 and 9999; a BSON date reaches 292 million years either way. The Gregorian
calendar repeats every 400 years, so a date outside is moved by whole cycles into the years that datetime knows.
"""

import re
from datetime import datetime, timedelta

from bson.datetime_ms import DatetimeMS

_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097
_DAY_MS = 86_400_000
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800  # seconds since 1970
_ISO = re.compile(
    r"([+-][0-9]{6,9}|[0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def milliseconds(moment: datetime) -> int:
    """Return the milliseconds since 1970 of a datetime without a zone, as PyMongo gives BSON dates."""
    seconds = (moment.toordinal() - _EPOCH_DAY) * 86_400 + moment.hour * 3_600 + moment.minute * 60 + moment.second
    return seconds * 1_000 + moment.microsecond // 1_000


def json_date(moment: datetime) -> str:
    """Return how a reply in JSON has a date that datetime can hold; `to_iso` has the others."""
    return moment.isoformat(timespec="milliseconds") + "Z"


def canonical_date(moment: datetime) -> dict[str, dict[str, str]]:
    """Return the same in canonical Extended JSON."""
    return {"$date": {"$numberLong": str(milliseconds(moment))}}


def canonical_far_date(moment: DatetimeMS) -> dict[str, dict[str, str]]:
    """Return the same of a date that datetime cannot hold."""
    return {"$date": {"$numberLong": str(int(moment))}}


def from_iso(text: str) -> int | None:
    """Return the milliseconds of an ISO 8601 date, read as UTC where it names no zone; None if it is not one."""
    match = _ISO.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    cycles, year_of_cycle = divmod(int(year), _CYCLE_YEARS)
    try:
        moment = datetime(
            2000 + year_of_cycle, int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
        )
    except ValueError:  # month 13, 30 February, 25 o'clock
        return None
    offset = _offset_ms(zone)
    if offset is None:
        return None
    cycles -= 2000 // _CYCLE_YEARS
    return milliseconds(moment) + int(f"{fraction or ''}000"[:3]) + cycles * _CYCLE_DAYS * _DAY_MS - offset


def to_iso(milliseconds: int) -> str:
    """Return the date with three fraction digits and Z; years beyond four digits as JavaScript writes them."""
    seconds, fraction = divmod(milliseconds, 1000)
    if _YEAR_1 <= seconds < _YEAR_10000:
        return f"{(_EPOCH + timedelta(0, seconds)).isoformat()}.{fraction:03d}Z"
    cycles, rest = divmod(seconds, _CYCLE_DAYS * 86_400)
    moment = _EPOCH + timedelta(0, rest)
    year = moment.year + cycles * _CYCLE_YEARS
    year_text = f"{year:04d}" if 0 <= year <= 9999 else f"{year:+07d}"
    return f"{year_text}{moment.isoformat()[4:]}.{fraction:03d}Z"


def _offset_ms(zone: str | None) -> int | None:
    if zone is None or zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-60_000 if zone[0] == "-" else 60_000)
