"""BSON dates as ISO text and back, over all 584 million years."""

from datetime import UTC, datetime, timedelta
from operator import lt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.documents import dates
from tests.depth import examples

_EVER = st.integers(-(2**63), 2**63 - 1)
_DAY_MS = 86_400_000


def days_since_epoch(year: int, month: int, day: int) -> int:
    """Return the days of a Gregorian date since 1970, counted from March as the textbooks do."""
    counted = year - (month <= 2)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return counted * 365 + counted // 4 - counted // 100 + counted // 400 + day_of_year - 719_468


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        pytest.param("1970-01-01T00:00:00Z", 0, id="the epoch"),
        pytest.param("1970-01-01", 0, id="a date alone"),
        pytest.param("1970-01-01T00:00", 0, id="no seconds, no zone"),
        pytest.param("1970-01-01T00:00Z", 0, id="no seconds"),
        pytest.param("1970-01-01T00:00:01", 1_000, id="no zone is UTC"),
        pytest.param("1970-01-01 00:00:01z", 1_000, id="a blank and a small z"),
        pytest.param("1970-01-01t00:00:01.5Z", 1_500, id="one fraction digit"),
        pytest.param("1970-01-01T00:00:01,25Z", 1_250, id="a comma"),
        pytest.param("1970-01-01T00:00:00.0019999999999999999Z", 1, id="more digits are cut off"),
        pytest.param("1969-12-31T23:59:59.9999Z", -1, id="cut off before 1970 too"),
        pytest.param("1970-01-01T02:00:00+02:00", 0, id="east of UTC"),
        pytest.param("1969-12-31T18:30:00-0530", 0, id="west of UTC, no colon"),
        pytest.param("1970-01-01T01:00:00+01", 0, id="an hour alone"),
        pytest.param("1970-01-01T00:00:00-00:00", 0, id="minus zero"),
        pytest.param("1970-01-01T23:59:00+23:59", 0, id="the largest offset"),
        pytest.param("0000-01-01T00:00:00Z", -62_167_219_200_000, id="the year 0"),
        pytest.param("0000-01-01T00:00:00+01:00", -62_167_222_800_000, id="an offset out of the year 0"),
        pytest.param("9999-12-31T23:00:00-01:00", 253_402_300_800_000, id="an offset into the year 10000"),
        pytest.param("0000-02-29", -62_162_121_600_000, id="29 February of the year 0"),
        pytest.param("-000004-02-29", days_since_epoch(-4, 2, 29) * _DAY_MS, id="29 February of the year -4"),
        pytest.param("+010000-02-29", days_since_epoch(10_000, 2, 29) * _DAY_MS, id="29 February of the year 10000"),
        pytest.param("+002000-01-01", 946_684_800_000, id="six digits for a year of four"),
        pytest.param("+292278994-08-17T07:12:55.807Z", 2**63 - 1, id="the last moment"),
        pytest.param("-292275055-05-16T16:47:04.192Z", -(2**63), id="the first moment"),
    ],
)
def test_iso_text_is_read(text: str, milliseconds: int) -> None:
    assert dates.from_iso(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "", "Z", "now", "0", "2022", "2022-01", "2022-1-1", "20220101", "2022-01-01T", "2022-01-01T00", "2022-01-01Z",
        "2022-01-01T0:00", "2022-01-01T00:0", "2022-01-01T00:00:0", "2022-01-01T00:00:00.", "2022-01-01T00:00.5Z",
        "2022-01-01T00:00:00ZZ", "2022-01-01T00:00:00 Z", "2022-01-01T00:00:00+", "2022-01-01T00:00:00+1",
        "2022-01-01T00:00:00+24:00", "2022-01-01T00:00:00+00:60", "2022-01-01T00:00:00+00:00:00", "2022-01-01+01:00",
        "2022-00-01", "2022-13-01", "2022-01-00", "2022-01-32", "2022-04-31", "2022-02-29", "1900-02-29",
        "+010001-02-29",
        "2022-01-01T24:00:00Z", "2022-01-01T23:60:00Z", "2022-01-01T23:59:60Z", "-2022-01-01", "+2022-01-01",
        "12022-01-01", "+12345-01-01", "+1234567890-01-01", " 2022-01-01", "2022-01-01 ", "2022-01-01\n", "2022/01/01",
        "\uff12022-01-01", "2022-01-01T00:00:00.\u0661Z", "2022\u201301\u201301", "2022-01-01T00:00:00\u2212" + "01:00",
    ],
)  # fmt: skip
def test_other_text_is_no_date(text: str) -> None:
    assert dates.from_iso(text) is None


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        pytest.param(0, "1970-01-01T00:00:00.000Z", id="whole seconds have three zeros"),
        pytest.param(-1, "1969-12-31T23:59:59.999Z", id="before 1970"),
        pytest.param(-62_135_596_800_001, "0000-12-31T23:59:59.999Z", id="the year 0"),
        pytest.param(-62_167_219_200_001, "-000001-12-31T23:59:59.999Z", id="the year -1"),
        pytest.param(253_402_300_799_999, "9999-12-31T23:59:59.999Z", id="the year 9999"),
        pytest.param(253_402_300_800_000, "+010000-01-01T00:00:00.000Z", id="the year 10000"),
        pytest.param(8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z", id="JavaScript's last moment"),
        pytest.param(-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z", id="JavaScript's first moment"),
        pytest.param(2**63 - 1, "+292278994-08-17T07:12:55.807Z", id="the last moment"),
        pytest.param(-(2**63), "-292275055-05-16T16:47:04.192Z", id="the first moment"),
    ],
)
def test_dates_are_written_as_javascript_does(milliseconds: int, text: str) -> None:
    assert dates.to_iso(milliseconds) == text


@settings(derandomize=True, deadline=None, max_examples=examples(500))
@given(_EVER)
def test_any_date_comes_back(milliseconds: int) -> None:
    assert dates.from_iso(dates.to_iso(milliseconds)) == milliseconds


@settings(derandomize=True, deadline=None, max_examples=examples(300))
@given(st.datetimes())
def test_dates_agree_with_python_where_python_has_any(moment: datetime) -> None:
    milliseconds = (moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1)

    assert dates.milliseconds(moment) == milliseconds
    assert dates.from_iso(moment.isoformat()) == milliseconds
    assert dates.to_iso(milliseconds) == f"{moment.isoformat(timespec='milliseconds')}Z"


@settings(derandomize=True, deadline=None, max_examples=examples(500))
@given(st.integers(-292_000_000, 292_000_000), st.integers(1, 12), st.integers(1, 28))
def test_dates_agree_with_the_calendars_arithmetic(year: int, month: int, day: int) -> None:
    sign = "-" if year < 0 else "+"

    read = dates.from_iso(f"{sign}{abs(year):06d}-{month:02d}-{day:02d}")

    assert read == days_since_epoch(year, month, day) * _DAY_MS


@settings(derandomize=True, deadline=None, max_examples=examples(300))
@given(_EVER, _EVER)
def test_a_later_date_is_never_written_like_an_earlier_one(one: int, other: int) -> None:
    assert (dates.to_iso(one) == dates.to_iso(other)) == (one == other)
    assert lt(_sortable(dates.to_iso(one)), _sortable(dates.to_iso(other))) == lt(one, other)


def _sortable(text: str) -> tuple[int, str]:
    year, rest = text[:-20], text[-20:]
    return int(year), rest


@settings(derandomize=True, deadline=None, max_examples=examples(500))
@given(
    st.text("0123456789+-:.,TtZz \n\u0661\uff12", max_size=32)
    | st.from_regex(r"\A[+-]?\d{4,9}-\d\d-\d\dT\d\d:\d\d.*\Z")
)
def test_any_text_is_a_date_or_none(text: str) -> None:
    read = dates.from_iso(text)

    assert read is None or type(read) is int


def test_now_is_read_as_python_reads_it() -> None:
    now = datetime.now(UTC)

    assert dates.from_iso(now.isoformat()) == int(now.timestamp() * 1_000_000) // 1_000
