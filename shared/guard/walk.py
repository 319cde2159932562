"""The one walk over what a caller sends, to whatever depth operators may stand in it (pure)."""

from collections.abc import Iterable
from typing import Any


def nested(values: Iterable[Any], *, texts: bool = False) -> list[Any]:
    """Return every document with members at any depth, in which operators are names, and every text if asked for.

    Values are of the types that JSON is read to. A list costs less than a generator: each call of an action walks.
    """
    found: list[Any] = []
    pending = list(values)
    while pending:
        value = pending.pop()
        kind = type(value)
        if kind is dict:
            if value:
                found.append(value)
                pending += value.values()
        elif kind is list or kind is tuple:
            pending += value
        elif texts and kind is str:
            found.append(value)
    return found


def pipelines_in(stage: str, operand: Any) -> list[Any]:
    """Return the pipelines in a stage."""
    if not isinstance(operand, dict):
        return []
    if stage == "$facet":
        return list(operand.values())
    return [operand["pipeline"]] if "pipeline" in operand else []
