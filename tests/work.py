"""How much a function does, counted in calls: the same on every machine, however busy."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

_CALLS = {"call", "c_call"}


def work(act: Callable[[], object]) -> int:
    """Return how many functions are called, of Python and of C, while one runs."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in _CALLS

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(before)
    return calls


def is_linear(act: Callable[[int], Callable[[], object]], size: int) -> bool:
    """Tell whether what is made for twice a size, and for four times, takes about twice as much work each time."""
    one, two, four = (work(act(times * size)) for times in (1, 2, 4))
    return two < 2.5 * one and four < 2.5 * two
