"""The paths of fields that the outcome of a call may depend on, and the operators that rules leave to callers."""

from collections.abc import Iterator, Mapping
from typing import Any

from bson.regex import Regex

from shared.errors import InvalidParameterError
from shared.guard.walk import nested
from shared.rules.values import REFERENCE, Path, path

_LOGICAL = frozenset({"$and", "$or", "$nor"})
_CONDITIONS = frozenset({
    "$all", "$elemMatch", "$eq", "$exists", "$gt", "$gte", "$in", "$lt", "$lte", "$mod", "$ne", "$nin", "$not",
    "$size", "$type",
})  # fmt: skip
_STAGES = frozenset({
    "$addFields", "$bucket", "$bucketAuto", "$count", "$densify", "$fill", "$group", "$limit", "$match", "$project",
    "$redact", "$replaceRoot", "$replaceWith", "$sample", "$set", "$setWindowFields", "$skip", "$sort", "$sortByCount",
    "$unset", "$unwind",
})  # fmt: skip
# $meta shows index and sort keys, which hold values of hidden fields
_EXPRESSIONS = frozenset({"$accumulator", "$function", "$meta", "$setIsSubset"})
_ROLES = "$$USER_ROLES"  # those of this deployment in MongoDB
_SHOWN = 100


def of_filter(condition: Mapping[str, Any]) -> set[Path]:
    """Return the paths that a filter asks about; `_id` compared by equality or `$in` is anybody's to ask.

    Raise InvalidParameterError for an operator that callers bound by rules may not use.
    """
    return set(_filter_paths(condition, ()))


def of_sort(keys: Mapping[str, Any]) -> set[Path]:
    """Return the paths that a sort orders by; raise InvalidParameterError for an order that is computed."""
    for direction in keys.values():
        if isinstance(direction, Mapping):
            _refuse(next(iter(direction), "$meta"))
    return {path(name) for name in keys}


def of_update(update: Mapping[str, Any], array_filters: list[Any]) -> set[Path]:
    """Return the paths that an update's operators name, and those that their conditions ask about.

    `$setOnInsert` is none of them: it does nothing to a document that is there.
    """
    paths: set[Path] = set()
    for operator, operand in update.items():
        if operator == "$setOnInsert" or not isinstance(operand, Mapping):
            continue
        for name, value in operand.items():
            target = _without_positions(path(name))
            if not target:  # MongoDB refuses it
                continue
            paths.add(target)
            if operator == "$rename" and isinstance(value, str):
                paths.add(path(value))
            if operator == "$pull":
                paths |= _pulled(target, value)
    names = [name for operand in update.values() if isinstance(operand, Mapping) for name in operand]
    return paths | _array_filter_paths(array_filters, names)


def refuse_stages(pipeline: list[Any]) -> None:
    """Raise InvalidParameterError for a stage or an operator that callers bound by rules may not use."""
    for stage in pipeline:
        for name, operand in stage.items():
            if name not in _STAGES:
                _refuse(name)
            if name == "$match" and isinstance(operand, Mapping):
                of_filter(operand)
    refuse_expressions(pipeline)


def refuse_expressions(pipeline: list[Any]) -> None:
    """Raise InvalidParameterError for an operator in an expression that callers bound by rules may not use."""
    for value in nested(pipeline, texts=True):
        if isinstance(value, str):
            if value.startswith(_ROLES):
                _refuse(_ROLES)
        else:
            for name in value.keys() & _EXPRESSIONS:
                _refuse(name)


def _filter_paths(condition: Mapping[str, Any], prefix: Path) -> Iterator[Path]:
    for name, operand in condition.items():
        if name in _LOGICAL:
            for each in operand if isinstance(operand, list) else []:
                if isinstance(each, Mapping):
                    yield from _filter_paths(each, prefix)
        elif name.startswith("$"):
            if name != "$comment":
                _refuse(name)
        else:
            yield from _condition_paths((*prefix, *path(name)), operand)


def _condition_paths(prefix: Path, operand: Any) -> Iterator[Path]:
    _refuse_patterns(operand)
    if not _is_operators(operand):
        operand = {"$eq": operand}
    if prefix != ("_id",) or operand.keys() - {"$eq", "$in"}:
        yield prefix
    for operator, value in operand.items():
        if operator not in _CONDITIONS:
            _refuse(operator)
        if operator == "$elemMatch" and isinstance(value, Mapping):
            yield from _element_paths(prefix, value)
        elif operator == "$not" and isinstance(value, Mapping):
            yield from _condition_paths(prefix, value)
        elif operator == "$all" and isinstance(value, list):
            yield from (path for each in value if _is_operators(each) for path in _condition_paths(prefix, each))


def _element_paths(prefix: Path, condition: Mapping[str, Any]) -> Iterator[Path]:
    if _is_operators(condition) and not _LOGICAL & condition.keys():
        yield from _condition_paths(prefix, condition)
    else:
        yield from _filter_paths(condition, prefix)


def _is_operators(operand: Any) -> bool:
    if not isinstance(operand, Mapping):
        return False
    first = next(iter(operand), "")
    return first.startswith("$") and first not in REFERENCE


def _refuse_patterns(operand: Any) -> None:
    values = operand if isinstance(operand, list) else [operand]
    if isinstance(operand, Mapping):
        values = [each for value in operand.values() for each in (value if isinstance(value, list) else [value])]
    if any(isinstance(each, Regex) for each in values):
        _refuse("$regex")


def _without_positions(parts: Path) -> Path:
    return tuple(part for part in parts if not part.startswith("$"))


def _pulled(target: Path, condition: Any) -> set[Path]:
    if not isinstance(condition, Mapping):
        _refuse_patterns(condition)
        return set()
    return set(_element_paths(target, condition))


def _array_filter_paths(conditions: list[Any], names: list[str]) -> set[Path]:
    """Return what conditions on `identifier` ask about, in every array whose elements are named `$[identifier]`."""
    places: dict[str, set[Path]] = {}
    for name in names:
        parts = path(name)
        for position, part in enumerate(parts):
            if part.startswith("$["):
                places.setdefault(part, set()).add(_without_positions(parts[:position]))
    asked = {
        each for condition in conditions if isinstance(condition, Mapping) for each in _filter_paths(condition, ())
    }
    return {(*place, *rest) for identifier, *rest in asked for place in places.get(f"$[{identifier}]", ())}


def _refuse(operator: str) -> None:
    raise InvalidParameterError(f"operator '{operator[:_SHOWN]}' is not allowed for callers that rules apply to")
