"""Projections that name fields or slice arrays, as MongoDB's find applies them: what they leave of a document."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from shared.errors import InvalidParameterError
from shared.rules.expressions import Expansions
from shared.rules.masks import WHOLE, Mask
from shared.rules.values import path
from shared.rules.visibility import CLOSED, OPEN, Members

_SWITCHES = (bool, int, float, Int64, Decimal128)


class Projection:
    """Fields to include, or to leave out; `_id` is included unless it is left out by name."""

    __slots__ = ("_context", "is_inclusion", "part", "source")

    def __init__(self, source: Mapping[str, Any]) -> None:
        """Take names with 1, 0, true or false; raise InvalidParameterError for any other value, or for a mixture."""
        chosen = {name: is_shown(name, value) for name, value in source.items()}
        self.source: Mapping[str, Any] = chosen
        others = {visible for name, visible in chosen.items() if name != "_id"}
        if len(others) > 1:
            raise InvalidParameterError("a projection cannot both include and exclude fields")
        self.is_inclusion = others.pop() if others else chosen.get("_id", False)
        self.part = _compiled(chosen, is_inclusion=self.is_inclusion)
        self._context = Expansions({}).context()  # nothing of it is asked

    def mask(self, document: Mapping[str, Any]) -> Mask:
        """Return what the projection leaves of a document."""
        return self.part.members_mask(document, self._context) or {}


def _compiled(chosen: Mapping[str, bool], *, is_inclusion: bool) -> Members:
    tree = _tree(chosen)
    if is_inclusion:
        tree.setdefault("_id", {})
    if chosen.get("_id", is_inclusion) is not is_inclusion:
        del tree["_id"]
    return _members(tree, is_inclusion=is_inclusion)


def _members(tree: Mapping[str, Any], *, is_inclusion: bool) -> Members:
    leaf = OPEN if is_inclusion else CLOSED
    parts = {name: _members(inner, is_inclusion=is_inclusion) if inner else leaf for name, inner in tree.items()}
    return Members(parts, None if is_inclusion else OPEN, keeps_empty=True, keeps_values=not is_inclusion)


def _tree(names: Iterable[str]) -> dict[str, Any]:
    """Return the tree of paths, whose leaves are empty; raise InvalidParameterError if one is inside another."""
    root: dict[str, Any] = {}
    for name in names:
        tree, parts = root, path(name)
        for position, part in enumerate(parts):
            is_last = position == len(parts) - 1
            if part in tree and (is_last or not tree[part]):
                raise InvalidParameterError(f"projection: path collision at '{name[:100]}'")
            tree = tree.setdefault(part, {})
    return root


class Slice(NamedTuple):
    """So many elements of the arrays at a path, after so many others that are skipped, from the end if negative."""

    skip: int
    limit: int

    def mask(self, elements: list[Any]) -> Mask:
        """Return what is left of an array."""
        start = self.skip if self.skip >= 0 else max(0, len(elements) + self.skip)
        return [WHOLE if start <= position < start + self.limit else None for position in range(len(elements))]


class Slices:
    """The slices of one projection: `$slice` of find."""

    __slots__ = ("_tree", "paths")

    def __init__(self, slices: Mapping[str, Slice]) -> None:
        """Take them by path, none inside another; raise InvalidParameterError for a path that is no name."""
        self.paths = {path(name) for name in slices}
        self._tree: dict[str, Any] = {}
        for name, each in slices.items():
            *outer, last = parts = path(name)
            if any(part.startswith("$") for part in parts):
                raise InvalidParameterError(f"projection of '{name[:100]}' must be of a name without '$'")
            tree = self._tree
            for part in outer:
                tree = tree.setdefault(part, {})
            tree[last] = each

    def mask(self, document: Mapping[str, Any]) -> Mask:
        """Return what is left of a document."""
        return _sliced_members(document, self._tree)


def _sliced_members(document: Mapping[str, Any], tree: Mapping[str, Any]) -> Mask:
    cut = {name: _sliced(document[name], inner) for name, inner in tree.items() if name in document}
    return {**dict.fromkeys(document, WHOLE), **cut} if cut else WHOLE


def _sliced(value: Any, inner: Any) -> Mask:
    if type(inner) is Slice:
        return inner.mask(value) if isinstance(value, list) else WHOLE
    if isinstance(value, Mapping):
        return _sliced_members(value, inner)
    if isinstance(value, list):  # of arrays in arrays MongoDB slices none
        return [_sliced_members(each, inner) if isinstance(each, Mapping) else WHOLE for each in value]
    return WHOLE


def slice_of(value: Any) -> Slice | None:
    """Return what `{"$slice": n}` and `{"$slice": [skip, n]}` ask for; None for others, such as an expression."""
    if not isinstance(value, Mapping) or value.keys() != {"$slice"}:
        return None
    operand = value["$slice"]
    counts = [_count(each) for each in (operand if isinstance(operand, list) else [operand])]
    if len(counts) == 1 and counts[0] is not None and not isinstance(operand, list):
        return Slice(min(0, counts[0]), abs(counts[0]))
    if len(counts) == 2 and counts[0] is not None and counts[1] is not None and counts[1] > 0:
        return Slice(counts[0], counts[1])
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
    _tree([*source, *parts])
    visible = Projection(source) if source else None
    has_others = bool(source.keys() - {"_id"})
    is_inclusion = visible.is_inclusion if visible and (has_others or visible.is_inclusion) else not slices
    return Projection({**source, **dict.fromkeys(parts, 1)}) if is_inclusion else visible


def is_shown(name: str, value: Any) -> bool:
    """Return what 1, 0, true and false say of a field; raise InvalidParameterError for any other value."""
    if not isinstance(value, _SWITCHES) or any(part[:1] in {"", "$"} for part in path(name)):
        raise InvalidParameterError(
            f"projection of '{name[:100]}' must be 0, 1, true or false, of a path without '$' and empty names"
        )
    return bool(value.to_decimal() if isinstance(value, Decimal128) else value)
