"""Schedules: five fields in UTC, all of which a minute must match (pure).

The day of the month and the weekday, too, of which the cron of most systems takes either.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", re.ASCII)
_LONGEST = 1_000
_MOST_DAYS = 366 * 41  # 29 February is a given weekday once in 40 years at least, where a century has none


class ScheduleError(ValueError):
    """A text is no schedule; the message says which part of it."""


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    names: Sequence[str] = ()

    def number(self, text: str) -> int:
        """Return what a number or a name stands for."""
        if text.upper() in self.names:
            return self.names.index(text.upper()) + self.least
        if not text.isdigit() or not self.least <= int(text) <= self.most:
            raise ScheduleError(f"'{text}' is no {self.name}: {self.least} to {self.most}")
        return int(text)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 6, _WEEKDAYS),
)


class Schedule(NamedTuple):
    """The minutes at which something is due."""

    minutes: Sequence[int]
    hours: Sequence[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    doubtful: str = ""
    """A part of it that means other minutes where steps are counted from the first value, as some systems do."""

    @classmethod
    def of(cls, text: str) -> "Schedule":
        """Return the schedule that a text says; raise ScheduleError if it says none, or one that is never due."""
        parts = text.split()
        if len(text) > _LONGEST or len(parts) != len(_FIELDS):
            raise ScheduleError("a schedule has five fields: minute, hour, day of the month, month, weekday")
        fields = [frozenset(_values(part, field)) for part, field in zip(parts, _FIELDS, strict=True)]
        minutes, hours, days, months, weekdays = fields
        doubtful = next(filter(None, map(_doubtful, parts, _FIELDS)), "")
        made = cls(sorted(minutes), sorted(hours), days, months, weekdays, doubtful)
        if not all(fields) or made.after(datetime(2000, 1, 1)) is None:
            raise ScheduleError("no minute is ever due")
        return made

    def after(self, moment: datetime) -> datetime | None:
        """Return the first minute that is due after a moment, None if there is none."""
        minute = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = minute.replace(hour=0, minute=0)
        for _ in range(_MOST_DAYS):
            if self._has_day(day):
                for found in self._minutes(day):
                    if found >= minute:
                        return found
            day += timedelta(days=1)
        return None

    def _has_day(self, day: datetime) -> bool:
        return day.day in self.days and day.month in self.months and day.isoweekday() % 7 in self.weekdays

    def _minutes(self, day: datetime) -> Iterator[datetime]:
        for hour in self.hours:
            for minute in self.minutes:
                yield day.replace(hour=hour, minute=minute)


def _values(text: str, field: _Field) -> Iterator[int]:
    """Give the values that a field names; of a step those that it divides."""
    for part in text.split(","):
        values, step = _part(part, field)
        yield from (value for value in values if value % step == 0)


def _doubtful(text: str, field: _Field) -> str:
    for part in text.split(","):
        values, step = _part(part, field)
        if [value for value in values if value % step == 0] != [*values[::step]]:
            return part
    return ""


def _part(text: str, field: _Field) -> tuple[range, int]:
    match = _PART.fullmatch(text)
    if match is None or (match[3] and match[1] and not match[2]):
        raise ScheduleError(f"'{text}' is no {field.name}, range of them, '*' or '*/step'")
    first, last, step = match.groups()
    low = field.least if first is None else field.number(first)
    high = field.most if first is None else field.number(last or first)
    if low > high:
        raise ScheduleError(f"'{text}' ends before it begins")
    if step is not None and int(step) == 0:
        raise ScheduleError(f"'{text}' has a step of 0")
    return range(low, high + 1), int(step or 1)
