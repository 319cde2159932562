"""The paths of fields that the outcome of a call may depend on, and the operators that rules leave to callers."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex

from shared.errors import InvalidParameterError
from shared.guard.walk import nested, refused
from shared.operators import (
    COMPUTED,
    CONDITIONS,
    LOGICAL,
    NEEDING_VALUES,
    REFERENCE,
    UPDATES,
    Place,
    Placed,
    Standing,
)
from shared.rules.values import Path, Use, has_number, is_index, path

_SHOWN = 100
_COMPARE_NOTHING = frozenset(name for name, each in UPDATES.items() if not each.compares)


class Uses(NamedTuple):
    """What the outcome of a filter depends on."""

    paths: set[Path]
    gaps: set[Path]
    """Those of which also counts that nothing is there, or where in an array something is."""

    is_computed: bool = False
    """Whether an expression or a schema asks for anything else, which must be of what is visible."""

    compares_id: bool = False
    """Whether `_id` is compared with values by equality or `$in`, which is anybody's to ask."""


def of_filter(condition: Mapping[str, Any]) -> Uses:
    """Return the paths that a filter asks about.

    Raise InvalidParameterError for an operator that callers bound by rules may not use.
    """
    uses = list(_filter_uses(condition, (), is_negated=False))
    of_paths = [each for each in uses if type(each) is _Use]
    return Uses(
        {each.path for each in of_paths},
        {each.path for each in of_paths if each.is_gap},
        is_computed=_Whole.COMPUTED in uses,
        compares_id=_Whole.ID in uses,
    )


def without(condition: Mapping[str, Any], unsure: Callable[[Uses], bool]) -> dict[str, Any]:
    """Return a filter that finds no less than this one: what it demands, but what is unsure."""
    kept: dict[str, Any] = {}
    for name, operand in condition.items():
        if name == "$and" and isinstance(operand, list) and all(isinstance(each, Mapping) for each in operand):
            parts = [without(each, unsure) for each in operand]
            if any(parts):
                kept[name] = [each for each in parts if each]
        elif not unsure(of_filter({name: operand})):
            kept[name] = operand
    return kept


def without_texts(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter that finds no less than this one, whatever the collation: what it demands beside texts."""
    return {name: operand for name, operand in condition.items() if not _has_text(operand)}


def _has_text(operand: Any) -> bool:
    return any(isinstance(each, str) for each in nested([operand], texts=True))


def of_sort(keys: Mapping[str, Any]) -> set[Path]:
    """Return the paths that a sort orders by; raise InvalidParameterError for an order that is computed."""
    for direction in keys.values():
        if isinstance(direction, Mapping):
            _refuse(next(iter(direction), "$meta"))
    return {path(name) for name in keys}


class Touched(NamedTuple):
    """What an update names."""

    written: set[Path]
    asked: frozenset[Path] = frozenset()
    """What conditions on elements of arrays ask about by numbers, which are names or places there."""

    @property
    def paths(self) -> set[Path]:
        """All of it."""
        return self.written | self.asked

    def uses(self) -> Iterator[tuple[Path, Use]]:
        """Give each path with what it is used for."""
        yield from ((parts, Use.WRITTEN) for parts in self.written)
        yield from ((parts, Use.ASKED) for parts in self.asked)


def of_update(update: Mapping[str, Any], array_filters: list[Any]) -> Touched:
    """Return the paths that an update's operators name, and those that their conditions ask about.

    `$setOnInsert` is none of them: it does nothing to a document that is there.
    """
    written: set[Path] = set()
    conditions: set[_Condition] = set()
    for operator, operand in update.items():
        if operator == "$setOnInsert" or not isinstance(operand, Mapping):
            continue
        for name, value in operand.items():
            target = _without_positions(path(name))
            if not target:  # MongoDB refuses it
                continue
            written.add(target)
            if operator == "$rename" and type(value) is str:
                written.add(path(value))
            if operator == "$pull":
                conditions |= _pulled(target, value)
    names = [name for operand in update.values() if isinstance(operand, Mapping) for name in operand]
    conditions |= _array_filter_paths(array_filters, names)
    asked = frozenset(target + rest for target, rest in conditions if any(map(is_index, rest)))
    return Touched(written | {target + rest for target, rest in conditions} - asked, asked)


def compares_nothing(changes: Mapping[str, Any] | list[Any], array_filters: list[Any]) -> bool:
    """Tell whether an update compares no texts, and needs no place where its condition matched."""
    if isinstance(changes, list) or array_filters or not _COMPARE_NOTHING.issuperset(changes):
        return False
    return not any("$" in path(name) for operand in changes.values() if isinstance(operand, dict) for name in operand)


def computes_matches(pipeline: list[Any]) -> bool:
    """Tell whether a condition at any depth of a pipeline is an expression."""
    return any("$expr" in each for each in nested(pipeline))


def refuse_stages(pipeline: list[Any]) -> None:
    """Raise InvalidParameterError for a stage or an operator that callers bound by rules may not use."""
    _refuse_closed((Place.PIPELINE, pipeline))


def refuse_projection(projection: Mapping[str, Any]) -> None:
    """Raise InvalidParameterError for an operator in a projection that callers bound by rules may not use."""
    _refuse_closed((Place.PROJECTION, projection))


def _refuse_closed(placed: Placed) -> None:
    if (name := refused([placed], Standing.RULED)) is not None:
        _refuse(name)


class _Whole(Enum):
    """What a filter asks beside paths."""

    COMPUTED = 0
    ID = 1


class _Use(NamedTuple):
    path: Path
    is_gap: bool


def _filter_uses(condition: Mapping[str, Any], prefix: Path, *, is_negated: bool) -> Iterator[_Use | _Whole]:
    for name, operand in condition.items():
        if name in LOGICAL:
            for each in operand if isinstance(operand, list) else []:
                if isinstance(each, Mapping):
                    yield from _filter_uses(each, prefix, is_negated=is_negated or name == "$nor")
        elif name in COMPUTED and not prefix:
            yield _Whole.COMPUTED
        elif name.startswith("$"):
            if name != "$comment":
                _refuse(name)
        else:
            yield from _condition_uses((*prefix, *path(name)), operand, is_negated=is_negated)


def _condition_uses(prefix: Path, operand: Any, *, is_negated: bool) -> Iterator[_Use | _Whole]:
    if not _is_operators(operand):
        operand = {"$eq": operand}
    if prefix != ("_id",) or not _compares_values(operand):
        is_gap = is_negated or has_number(prefix) or any(_finds_nothing_there(*each) for each in operand.items())
        yield _Use(prefix, is_gap)
    else:
        yield _Whole.ID
    for operator, value in operand.items():
        if operator not in CONDITIONS:
            _refuse(operator)
        yield from _inner_uses(prefix, operator, value, is_negated=is_negated)


def _compares_values(operand: Mapping[str, Any]) -> bool:
    """Tell whether values are named that are looked for, which whoever names them knows; patterns are none."""
    values = [operand.get("$eq"), *(named if isinstance(named := operand.get("$in"), list) else [named])]
    return operand.keys() <= {"$eq", "$in"} and not any(isinstance(each, Regex) for each in values)


def _inner_uses(prefix: Path, operator: str, value: Any, *, is_negated: bool) -> Iterator[_Use | _Whole]:
    """Give what the conditions in an operator ask about."""
    if operator == "$elemMatch" and isinstance(value, Mapping):
        yield from _element_uses(prefix, value, is_negated=is_negated)
    elif operator == "$not" and isinstance(value, Mapping):
        yield from _condition_uses(prefix, value, is_negated=True)
    elif operator == "$all" and isinstance(value, list):
        for each in value:
            if _is_operators(each):
                yield from _condition_uses(prefix, each, is_negated=is_negated)


def _element_uses(prefix: Path, condition: Mapping[str, Any], *, is_negated: bool) -> Iterator[_Use | _Whole]:
    if _is_operators(condition) and not LOGICAL & condition.keys():
        yield from _condition_uses(prefix, condition, is_negated=is_negated)
    else:
        yield from _filter_uses(condition, prefix, is_negated=is_negated)


def _finds_nothing_there(operator: str, value: Any) -> bool:
    """Tell whether a condition may hold where a path leads nowhere: what is not known to need a value does."""
    if operator == "$exists":
        return value not in (True, 1)
    if operator not in NEEDING_VALUES:
        return True
    values = value if operator in {"$in", "$all"} and isinstance(value, list) else [value]
    return any(each is None or isinstance(each, MinKey | MaxKey) for each in values)


def _is_operators(operand: Any) -> bool:
    if not isinstance(operand, Mapping):
        return False
    first = next(iter(operand), "")
    return first.startswith("$") and first not in REFERENCE


def _without_positions(parts: Path) -> Path:
    return tuple(part for part in parts if part != "$" and not part.startswith("$["))


type _Condition = tuple[Path, Path]
"""The path to an array in an update, and one that a condition asks about in its elements."""


def _pulled(target: Path, condition: Any) -> set[_Condition]:
    if not isinstance(condition, Mapping):
        return set()
    uses = [use for use in _element_uses(target, condition, is_negated=False) if type(use) is _Use]
    return {(target, use.path[len(target) :]) for use in uses}


def _array_filter_paths(conditions: list[Any], names: list[str]) -> set[_Condition]:
    """Return what conditions on `identifier` ask about, in every array whose elements are named `$[identifier]`."""
    places: dict[str, set[Path]] = {}
    for name in names:
        parts = path(name)
        for position, part in enumerate(parts):
            if part.startswith("$["):
                places.setdefault(part, set()).add(_without_positions(parts[:position]))
    asked: set[Path] = set()
    for uses in [of_filter(condition) for condition in conditions if isinstance(condition, Mapping)]:
        if uses.is_computed:
            _refuse("$expr")
        asked |= uses.paths
    found = {(place, (*rest,)) for identifier, *rest in asked for place in places.get(f"$[{identifier}]", ())}
    return found - {((), ())}  # a path of positions alone MongoDB refuses


def _refuse(operator: str) -> None:
    raise InvalidParameterError(f"operator '{operator[:_SHOWN]}' is not allowed for callers that rules apply to")
