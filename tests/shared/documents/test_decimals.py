"""The text of a Decimal128 is the driver's, for every pattern of its bits."""

from itertools import product

import pytest
from bson.decimal128 import Decimal128
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.documents import decimals
from tests.depth import examples

LARGEST = 10**34 - 1
COEFFICIENTS = [0, 1, 7, 10, 12, 10**33, LARGEST - 1, LARGEST, LARGEST + 1, 2**113 - 1]
EXPONENTS = 3 << 12  # all that a number can have


def pattern(sign: int, exponent: int, coefficient: int) -> bytes:
    return (sign << 127 | exponent << 113 | coefficient).to_bytes(16, "little")


def with_top(top: int, rest: int) -> bytes:
    """Return a pattern with these six bits in front, which tell numbers from infinity and NaN."""
    return (top << 122 | rest).to_bytes(16, "little")


_numbers = st.builds(
    pattern, st.integers(0, 1), st.integers(0, EXPONENTS - 1), st.integers(0, 2**113 - 1) | st.integers(0, LARGEST)
)
_near_one = st.builds(pattern, st.integers(0, 1), st.integers(6_100, 6_200), st.integers(0, 10**20))


@settings(derandomize=True, deadline=None, max_examples=examples(3_000))
@given(st.binary(min_size=16, max_size=16) | _numbers | _near_one)
@example(bytes(16))
def test_any_pattern_is_written_as_the_driver_writes_it(value: bytes) -> None:
    assert decimals.text(value) == str(Decimal128.from_bid(value))


@pytest.mark.parametrize("top", range(64))
@pytest.mark.parametrize("rest", [0, 1, 2**122 - 1, 0x1234 << 107, (0b11 << 119) + 5])
def test_every_kind_of_pattern_is_written_as_the_driver_writes_it(top: int, rest: int) -> None:
    value = with_top(top, rest)

    assert decimals.text(value) == str(Decimal128.from_bid(value))


def test_every_exponent_is_written_as_the_driver_writes_it() -> None:
    values = [pattern(*parts) for parts in product((0, 1), range(EXPONENTS), (0, 12))]

    assert [decimals.text(value) for value in values] == [str(Decimal128.from_bid(value)) for value in values]


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@pytest.mark.parametrize("exponent", [0, 1, 6_141, 6_142, 6_143, *range(6_165, 6_180), EXPONENTS - 1])
def test_every_length_is_written_as_the_driver_writes_it(coefficient: int, exponent: int) -> None:
    value = pattern(1, exponent, coefficient)

    assert decimals.text(value) == str(Decimal128.from_bid(value))
