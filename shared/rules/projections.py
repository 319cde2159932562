"""Projections that name fields or slice arrays, as MongoDB's find applies them, as masks of documents in memory."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from shared.errors import InvalidParameterError
from shared.rules.masks import WHOLE, Mask
from shared.rules.values import Path, is_exact, path

type Tree = dict[str, Tree | None]
_SWITCHES = (bool, int, float, Int64, Decimal128)


class Projection:
    """Fields to include, or to leave out; `_id` is included unless it is left out by name."""

    __slots__ = ("_shows_id", "_tree", "is_inclusion", "source")

    def __init__(self, source: Mapping[str, Any]) -> None:
        """Take names with 1, 0, true or false; raise InvalidParameterError for any other value, or for a mixture."""
        chosen = {name: is_shown(name, value) for name, value in source.items()}
        self.source: Mapping[str, Any] = chosen
        others = {visible for name, visible in chosen.items() if name != "_id"}
        if len(others) > 1:
            raise InvalidParameterError("a projection cannot both include and exclude fields")
        self.is_inclusion = others.pop() if others else chosen.get("_id", False)
        self._shows_id = chosen.get("_id", True)
        self._tree: Tree = {}
        for name in chosen:
            if name != "_id":
                _grow(self._tree, path(name), name)

    def mask(self, document: Mapping[str, Any]) -> Mask:
        """Return what the projection leaves of a document."""
        keep = _included if self.is_inclusion else _remaining
        visible = keep({name: value for name, value in document.items() if name != "_id"}, self._tree)
        if self._shows_id and "_id" in document:
            visible["_id"] = WHOLE
        return visible

    @property
    def is_by_name(self) -> bool:
        """Whether what is left depends on the names of the top-level fields alone."""
        return all(inner is None and is_exact(name) for name, inner in self._tree.items())

    def shows(self, parts: Path) -> bool:
        """Tell whether all of what a path leads to is visible."""
        if parts[0] == "_id":
            return self._shows_id
        tree: Tree | None = self._tree
        for part in parts:
            if tree is None or part not in tree:
                break
            tree = tree[part]
        else:
            return tree is None and self.is_inclusion
        return (tree is None) is self.is_inclusion


class Slice:
    """Some elements of the arrays at a path: `$slice` of find."""

    __slots__ = ("_limit", "_skip", "parts")

    def __init__(self, name: str, skip: int, limit: int) -> None:
        """Skip so many elements, from the end if it is negative, and keep so many after them."""
        self.parts = path(name)
        if any(part.startswith("$") for part in self.parts):
            raise InvalidParameterError(f"projection of '{name[:100]}' must be of a name without '$'")
        self._skip = skip
        self._limit = limit

    def mask(self, document: Mapping[str, Any]) -> Mask:
        """Return what is left of a document."""
        return self._members(document, self.parts)

    def _members(self, document: Mapping[str, Any], parts: Path) -> Mask:
        name, *inner = parts
        if name not in document:
            return WHOLE
        return {**dict.fromkeys(document, WHOLE), name: self._value(document[name], tuple(inner))}

    def _value(self, value: Any, parts: Path) -> Mask:
        if not parts:
            return self._elements(value) if isinstance(value, list) else WHOLE
        if isinstance(value, Mapping):
            return self._members(value, parts)
        if isinstance(value, list):  # of arrays in arrays MongoDB slices none
            return [self._members(each, parts) if isinstance(each, Mapping) else WHOLE for each in value]
        return WHOLE

    def _elements(self, value: list[Any]) -> Mask:
        start = self._skip if self._skip >= 0 else max(0, len(value) + self._skip)
        return [WHOLE if start <= position < start + self._limit else None for position in range(len(value))]


def slice_of(name: str, value: Any) -> Slice | None:
    """Return what `{"$slice": n}` and `{"$slice": [skip, n]}` ask for; None for others, such as an expression."""
    if not isinstance(value, Mapping) or value.keys() != {"$slice"}:
        return None
    operand = value["$slice"]
    counts = [_count(each) for each in (operand if isinstance(operand, list) else [operand])]
    if len(counts) == 1 and counts[0] is not None and not isinstance(operand, list):
        return Slice(name, min(0, counts[0]), abs(counts[0]))
    if len(counts) == 2 and counts[0] is not None and counts[1] is not None and counts[1] > 0:
        return Slice(name, counts[0], counts[1])
    return None


def _count(value: Any) -> int | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return int(value)


def chosen_part(source: Mapping[str, Any], slices: Collection[str], matched: Iterable[str]) -> Projection | None:
    """Return the fields that a projection with parts of arrays shows, None if all.

    Without a field to include or to leave out, one that slices shows the others too, and one that matches elements
    does not.
    """
    parts = [*slices, *matched]
    names = [path(name) for name in (*source, *parts)]
    if any(one != other and one == other[: len(one)] for one in names for other in names):
        raise InvalidParameterError("projection: path collision")
    visible = Projection(source) if source else None
    has_others = bool(source.keys() - {"_id"})
    is_inclusion = visible.is_inclusion if visible and (has_others or visible.is_inclusion) else not slices
    return Projection({**source, **dict.fromkeys(parts, 1)}) if is_inclusion else visible


def is_shown(name: str, value: Any) -> bool:
    """Return what 1, 0, true and false say of a field; raise InvalidParameterError for any other value."""
    if not isinstance(value, _SWITCHES) or any(part.startswith("$") for part in path(name)):
        raise InvalidParameterError(f"projection of '{name[:100]}' must be 0, 1, true or false, of a name without '$'")
    return bool(value.to_decimal() if isinstance(value, Decimal128) else value)


def _grow(tree: Tree, parts: Path, name: str) -> None:
    for part in parts[:-1]:
        inner = tree.setdefault(part, {})
        if inner is None:
            raise InvalidParameterError(f"projection: path collision at '{name[:100]}'")
        tree = inner
    if parts[-1] in tree:
        raise InvalidParameterError(f"projection: path collision at '{name[:100]}'")
    tree[parts[-1]] = None


def _included(document: Mapping[str, Any], tree: Tree) -> dict[str, Mask]:
    visible: dict[str, Mask] = {}
    for name, value in document.items():
        if name in tree:
            inner = tree[name]
            mask = WHOLE if inner is None else _included_value(value, inner)
            if mask is not None:
                visible[name] = mask
    return visible


def _included_value(value: Any, tree: Tree) -> Mask | None:
    if isinstance(value, Mapping):
        return _included(value, tree)
    return [_included_value(each, tree) for each in value] if isinstance(value, list) else None


def _remaining(document: Mapping[str, Any], tree: Tree) -> dict[str, Mask]:
    visible: dict[str, Mask] = {}
    for name, value in document.items():
        if name not in tree:
            visible[name] = WHOLE
        elif (inner := tree[name]) is not None:
            visible[name] = _remaining_value(value, inner)
    return visible


def _remaining_value(value: Any, tree: Tree) -> Mask:
    if isinstance(value, Mapping):
        return _remaining(value, tree)
    return [_remaining_value(each, tree) for each in value] if isinstance(value, list) else WHOLE
