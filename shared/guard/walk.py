"""The walks over what a caller sends: to operators by the place where they stand, and to all that is nested (pure)."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from shared.operators import GRAMMAR, IN_DATA, METADATA, STAGES, VARIABLES, Operator, Place, Placed, Standing
from shared.turns import Steps, at_once

_INTERNAL = "_"  # MongoDB's own names begin so: $_internalJsEmit runs JavaScript
_SETTLED_BY_NAMES = frozenset({Place.FIELD, Place.EACH_FIELD, Place.PULLED, Place.PUSHED})
_TARGETS = frozenset({Place.UPDATE, Place.PUSHES, Place.MODIFIERS})  # Request.targets has what these change
_TO_PIPELINES = frozenset({Place.PIPELINE, Place.PIPELINES, Place.FUSED})
_READ = frozenset({Place.EXPRESSION, Place.PROJECTION, Place.METADATA})  # where a text can be more than itself
_NESTED = frozenset({dict, list, tuple})
_NESTED_OR_READ = _NESTED | {str}
_AT_ONCE = 1_000  # documents, and items of lists
_ELEMENTS = {
    Place.EACH_FIELD: Place.FIELD, Place.FIELD: Place.DATA, Place.PULLED: Place.DATA, Place.PUSHED: Place.STORED,
}  # fmt: skip  # how the elements of a list are read, where that is another way

type Found = tuple[str, Operator | None, Any]
"""The name of an operator or a system variable, what is known of it, None if it may not stand there, its operand."""


class Walked(NamedTuple):
    """What was met in values that MongoDB interprets."""

    operators: list[Found]
    """Every operator and system variable, and every name in data that counts there, too."""

    documents: list[dict[str, Any]]
    """Every document that asks something, not only says what is stored where."""


def walked(placed: Iterable[Placed]) -> Walked:
    """Walk through values, of the types that JSON is read to."""
    return at_once(walk(placed))


def walk(placed: Iterable[Placed]) -> Steps[Walked]:
    """Do the same in steps, for values that are many."""
    found = Walked([], [])
    pending = [each for each in placed if each[1]]
    work = 0
    while pending:
        place, value = pending.pop()
        kind = type(value)
        if kind is dict:
            place = _settled(place, value)
            if place is not Place.STORED:
                _look(place, value, found, pending)
        elif kind is list or kind is tuple:
            place = _ELEMENTS.get(place, place)
            kinds = _NESTED_OR_READ if place in _READ else _NESTED
            pending += [(place, each) for each in value if type(each) in kinds]
            work += len(value)
        elif kind is str and place in _READ:
            found.operators.extend(_read(place, value))
        work += 1
        if work > _AT_ONCE:
            work = 0
            yield
    return found


def _look(place: Place, document: dict[str, Any], found: Walked, pending: list[Placed]) -> None:
    """Add the operators of a document to what was found, and their operands to what is to be looked at."""
    if place not in _TARGETS:
        found.documents.append(document)
    known, others, members = GRAMMAR[place]
    for name, operand in document.items():
        inner = others
        if name[:1] == "$":
            operator = known.get(name)
            if operator is not None:
                inner = operator.operand
            if operator is not None or known is not IN_DATA or name[1:2] == _INTERNAL:
                found.operators.append((name, operator, operand))
        elif members:
            inner = members.get(name, others)
        kind = type(operand)
        if kind is dict or kind is list or (kind is str and inner in _READ):
            pending.append((inner, operand))


def refused(placed: Iterable[Placed], standing: Standing) -> str | None:
    """Return the name of an operator that is not open to a caller of this standing."""
    for name, operator, _ in walked(placed).operators:
        if operator is None or operator.open_to > standing:
            return name
    return None


def _settled(place: Place, document: dict[str, Any]) -> Place:
    """Return how a document is read, where that depends on its names."""
    if place not in _SETTLED_BY_NAMES:
        return place
    if place is Place.PULLED:
        return Place.QUERY
    if place is Place.PUSHED:
        return Place.MODIFIERS if "$each" in document else Place.STORED
    return Place.QUERY if next(iter(document), "")[:1] == "$" else Place.DATA


def _read(place: Place, text: str) -> list[Found]:
    """Return the system variable that a text names, or the metadata; a caller's own variables begin in lower case."""
    if place is Place.METADATA:
        return [("$meta", METADATA.get(text), None)]
    name = text.partition(".")[0]
    return [(name, VARIABLES.get(name), None)] if text[:2] == "$$" and "A" <= text[2:3] <= "Z" else []


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
    """Return what stands where a stage takes pipelines."""
    found: list[Any] = []
    pending = [(STAGES[stage].operand, operand)]
    while pending:
        place, value = pending.pop()
        if place is Place.PIPELINE:
            found.append(value)
        elif type(value) is dict and place in GRAMMAR:
            _, others, members = GRAMMAR[place]
            inner = [(members.get(name, others), each) for name, each in value.items()]
            pending += [each for each in inner if each[0] in _TO_PIPELINES]
    return found
