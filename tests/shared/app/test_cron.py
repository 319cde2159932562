"""Schedules, compared with a naive reading of them, minute by minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.app.cron import Schedule, ScheduleError
from tests.depth import examples

START = datetime(2026, 2, 27, 23, 58, 30, tzinfo=UTC)  # a Friday
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def matches(field: str, value: int, names: dict[str, int]) -> bool:
    """Read a field as its description has it."""

    def number(text: str) -> int:
        return names[text] if text in names else int(text)

    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if (span == "*" or number(first) <= value <= number(last or first)) and value % int(step or 1) == 0:
            return True
    return False


def is_due(text: str, moment: datetime) -> bool:
    minute, hour, day, month, weekday = text.split()
    return (
        matches(minute, moment.minute, {})
        and matches(hour, moment.hour, {})
        and matches(day, moment.day, {})
        and matches(month, moment.month, {name: number for number, name in enumerate(MONTHS, 1)})
        and matches(weekday, (moment.weekday() + 1) % 7, {name: number for number, name in enumerate(WEEKDAYS)})
    )


def field(least: int, most: int, names: list[str] | None = None) -> st.SearchStrategy[str]:
    def said(value: int) -> st.SearchStrategy[str]:
        return st.sampled_from([str(value), names[value - least]] if names else [str(value)])

    values = st.integers(least, most)
    ranges = st.tuples(values, values).map(sorted).flatmap(lambda ends: st.tuples(said(ends[0]), said(ends[1])))
    steps = st.integers(1, 30).map(lambda step: f"/{step}")
    every = st.one_of(st.just("*"), steps.map(lambda step: f"*{step}"))
    spans = st.builds(lambda ends, step: "-".join(ends) + step, ranges, st.one_of(st.just(""), steps))
    part = st.one_of(every, values.flatmap(said), spans)
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


SCHEDULES = st.tuples(
    field(0, 59), field(0, 23), field(1, 31), field(1, 12, MONTHS), field(0, 6, WEEKDAYS)
).map(" ".join)  # fmt: skip


@settings(max_examples=examples(200), deadline=None)
@given(text=SCHEDULES, minutes=st.integers(0, 60 * 24 * 3))
def test_the_next_minute_is_the_first_that_matches_all_fields(text: str, minutes: int) -> None:
    moment = START + timedelta(minutes=minutes)
    later = [moment.replace(second=0) + timedelta(minutes=number) for number in range(1, 24 * 60)]
    expected = next((each for each in later if is_due(text, each)), None)
    try:
        schedule = Schedule.of(text)
    except ScheduleError:
        assert expected is None
        return

    found = schedule.after(moment)

    assert (
        found == expected if expected is not None else found is not None and found > later[-1] and is_due(text, found)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/25 * * * *", "2026-02-28 00:00"),
        ("0 0 1 * MON", "2026-06-01 00:00"),  # both, so not each Monday
        ("30 6 29 2 *", "2028-02-29 06:30"),
        ("0 0 29 2 sun", "2032-02-29 00:00"),
        ("59 23 * * 5", "2026-02-27 23:59"),
        ("5,10-12 4 * jan-feb,7 *", "2026-02-28 04:05"),
    ],
)
def test_a_schedule_is_next_due(text: str, expected: str) -> None:
    assert Schedule.of(text).after(START) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("0 * * * * *", "five fields"),
        ("60 * * * *", "'60' is no minute: 0 to 59"),
        ("* * 0 * *", "'0' is no day of the month: 1 to 31"),
        ("* * * * 7", "'7' is no weekday: 0 to 6"),
        ("* * * FOO *", "'FOO' is no month"),
        ("٣ * * * *", "'٣' is no minute"),
        ("5/15 * * * *", "'5/15' is no minute, range"),
        ("*/0 * * * *", "a step of 0"),
        ("30-10 * * * *", "ends before it begins"),
        ("1,,2 * * * *", "'' is no minute"),
        ("1-2-3 * * * *", "'1-2-3' is no minute"),
        ("* * 30 FEB *", "no minute is ever due"),
        ("7-8/5 * * * *", "no minute is ever due"),
        (f"{'1,' * 600}1 * * * *", "five fields"),
    ],
)
def test_what_is_no_schedule_is_refused_by_its_part(text: str, sentence: str) -> None:
    with pytest.raises(ScheduleError, match=sentence):
        Schedule.of(text)


@pytest.mark.parametrize(
    ("text", "doubtful"), [("*/25 */6 * * *", ""), ("0 0 */2 * *", "*/2"), ("10-40/15 * * * *", "10-40/15")]
)
def test_steps_that_others_count_from_the_first_value_are_named(text: str, doubtful: str) -> None:
    assert Schedule.of(text).doubtful == doubtful
