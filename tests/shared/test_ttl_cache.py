import math

import pytest

from shared.ttl_cache import Cache


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def filled(most: int, clock: Clock, seconds: float = math.inf) -> Cache[int, str]:
    cache: Cache[int, str] = Cache(most, clock)
    for key in range(most):
        cache.put(key, str(key), seconds)
    return cache


def held(cache: Cache[int, str], keys: range) -> list[int]:
    return [key for key in keys if cache.get(key) is not None]


def test_a_value_is_there_until_its_time_is_over(clock: Clock) -> None:
    cache = filled(1, clock, seconds=10)

    clock.now += 9.9
    assert cache.get(0) == "0"
    clock.now += 0.1
    assert cache.get(0) is None


def test_a_value_without_a_time_stays(clock: Clock) -> None:
    cache = filled(1, clock)

    clock.now += 1e9

    assert cache.get(0) == "0"


def test_an_unknown_key_has_no_value(clock: Clock) -> None:
    assert filled(1, clock).get(7) is None


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_value_for_no_time_is_not_held_and_ends_the_older_one(clock: Clock, seconds: float) -> None:
    cache = filled(1, clock)

    cache.put(0, "new", seconds)

    assert cache.get(0) is None
    assert len(cache) == 0


def test_the_seconds_that_are_left_are_told(clock: Clock) -> None:
    cache = filled(1, clock, seconds=10)

    clock.now += 4

    assert cache.timed(0) == ("0", 6.0)
    assert cache.timed(7) is None


def test_a_counter_goes_on_in_its_window(clock: Clock) -> None:
    counts: Cache[str, int] = Cache(2, clock)

    for _ in range(3):
        count, left = counts.timed("account") or (0, 60.0)
        counts.put("account", count + 1, left)
        clock.now += 20

    assert count == 2
    assert counts.timed("account") is None


def test_what_is_popped_is_returned_and_gone(clock: Clock) -> None:
    cache = filled(2, clock, seconds=10)

    assert cache.pop(0) == "0"
    assert cache.pop(0) is None
    clock.now += 10
    assert cache.pop(1) is None
    assert len(cache) == 0


def test_a_full_cache_drops_the_oldest(clock: Clock) -> None:
    cache = filled(3, clock)

    cache.put(3, "3")

    assert held(cache, range(4)) == [1, 2, 3]


def test_a_value_that_was_put_again_is_not_the_oldest(clock: Clock) -> None:
    cache = filled(3, clock)

    cache.put(0, "again")
    cache.put(3, "3")

    assert held(cache, range(4)) == [0, 2, 3]


def test_putting_a_known_key_again_drops_no_other(clock: Clock) -> None:
    cache = filled(3, clock)

    cache.put(2, "again")

    assert held(cache, range(3)) == [0, 1, 2]


def test_a_full_cache_drops_what_has_expired_before_what_is_old(clock: Clock) -> None:
    cache = filled(3, clock)
    cache.put(1, "1", 5)  # the newest now, and soon over

    clock.now += 5
    cache.put(3, "3")

    assert held(cache, range(4)) == [0, 2, 3]


def test_a_full_cache_loses_an_eighth_at_most(clock: Clock) -> None:
    cache = filled(80, clock)

    cache.put(80, "80")

    assert held(cache, range(81)) == list(range(10, 81))


def test_it_never_holds_more_than_it_may_and_seldom_looks_through_all(clock: Clock) -> None:
    cache: Cache[int, int] = Cache(800, clock)

    for key in range(8_000):
        cache.put(key, key, 1 + key % 7)
        clock.now += 0.0001
        assert len(cache) <= 800

    assert clock.looks <= 8_000 + 8_000 / 100  # one for each value, and one for each time that room was made
