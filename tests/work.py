"""How much a function does, counted in calls: the same on every machine, however busy."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_CALLS = {"call", "c_call"}


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Count the functions that are called in this thread, of Python and of C; give who tells the number."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in _CALLS

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield lambda: calls
    finally:
        sys.setprofile(before)


def work(act: Callable[[], object]) -> int:
    """Return how many functions are called while one runs."""
    with counting() as counted:
        act()
    return counted()


def is_linear(act: Callable[[int], Callable[[], object]], size: int) -> bool:
    """Tell whether what is made for twice a size, and for four times, takes about twice as much work each time."""
    one, two, four = (work(act(times * size)) for times in (1, 2, 4))
    return two < 2.5 * one and four < 2.5 * two
