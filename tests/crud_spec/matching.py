"""What a unified test of the drivers expects, compared with what a call brought (pure)."""

from collections.abc import Mapping
from typing import Any

_MISSING = object()


def matches(expected: Any, actual: Any, *, root: bool = True) -> bool:
    """Tell whether a value is the expected one, as the unified test format compares; at the root more members may be.

    Of the special operators it knows those that tests of the CRUD specification use.
    """
    if isinstance(expected, Mapping):
        if len(expected) == 1 and (name := next(iter(expected))).startswith("$$"):
            return _operator(name, expected[name], actual)
        return (
            isinstance(actual, Mapping)
            and (root or not set(actual) - set(expected))
            and all(matches(value, actual.get(name, _MISSING), root=False) for name, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(matches(one, other, root=root) for one, other in zip(expected, actual, strict=True))
        )
    return _is_number(expected) == _is_number(actual) and bool(expected == actual)


def _operator(name: str, operand: Any, actual: Any) -> bool:
    if name == "$$unsetOrMatches":
        return actual is _MISSING or matches(operand, actual)
    if name == "$$exists":
        return bool(operand) == (actual is not _MISSING)
    if name == "$$type":
        return actual is not _MISSING
    raise NotImplementedError(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
