"""Where a cursor has come to, and the condition that finds what is behind it.

MongoDB orders all values, but compares in conditions only those of one type. So what is behind a value is what has no
value before it and none of a type before its own: such negations hold for arrays, whose sort key is their first
element, and MongoDB reads an index from there, unless it is over arrays. The condition may find too much, never too
little, as no condition tells everything apart that a sort does; what is not behind is left out by comparing sort keys.
"""

from collections.abc import Sequence
from datetime import datetime
from math import inf, nan
from typing import Any, NamedTuple

from bson.binary import Binary
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from shared.documents import order
from shared.documents.ejson import Document
from shared.documents.elements import SYMBOL, Element, array_of, elements, wrapped
from shared.documents.order import members, rank

type Key = tuple[Element, ...]
"""What a document is sorted by, `_id` last."""

type SortKeys = Sequence[tuple[str, int]]
"""The paths of a sort with their directions, `_id` last."""

_MOST_BOUNDED = 4
_MOST_BYTES = 4_096
"""The largest value that a condition compares with."""

_FIRST: dict[int, Any] = {
    order.NUMBER: -inf,
    order.TEXT: "",
    order.DOCUMENTS: {},
    order.BINARY: Binary(b""),
    order.OBJECT_ID: ObjectId(bytes(12)),
    order.BOOLEAN: False,
    order.DATE: datetime.min,
    order.TIMESTAMPS: Timestamp(0, 0),
}
"""A value of each type that can be compared with others of its type, before which there is hardly any."""

_ONLY = {order.NULL: None, order.MIN_KEY: MinKey(), order.MAX: MaxKey()}
_NAMES = {
    order.REGEX: "regex",
    order.DB_POINTER: "dbPointer",
    order.CODE: "javascript",
    order.SCOPED_CODE: "javascriptWithScope",
}
_INCOMPARABLE = frozenset({order.UNDEFINED, order.ARRAYS, *_NAMES})


class Position(NamedTuple):
    """The last document of a batch: its sort key and its `_id`."""

    key: Key
    """As MongoDB compares it: under a collation, with what that makes of texts."""
    identity: Element
    values: Sequence[Element | None]
    """The same as it is stored, for conditions; None where that is not known."""

    def document(self) -> Document:
        """Return it as something to be stored."""
        return {
            "key": _array(self.key),
            "id": _array([self.identity]),
            "values": [None if each is None else _array([each]) for each in self.values],
        }

    @classmethod
    def of(cls, stored: bytes) -> "Position":
        """Return what was stored."""
        found = elements(stored)
        values = [next(members(each.value)) if each.value else None for each in members(found["values"].value)]
        identity = next(members(found["id"].value))
        return cls(tuple(members(found["key"].value)), identity, values)

    def is_before(self, key: Key, identity: Element, sort: SortKeys) -> bool:
        """Tell whether a document is behind this one."""
        for mine, other, (_, direction) in zip(self.key, key, sort, strict=True):
            first, second = order.order(mine), order.order(other)
            if first != second:
                return (first < second) is (direction > 0)
        return order.order(self.identity) < order.order(identity)

    def behind(self, sort: SortKeys) -> Document:
        """Return a condition that every document behind this one matches."""
        bounds = self._bounds(sort)
        ways: list[Document] = []
        for place, bound in enumerate(bounds):
            equal = [each for earlier in bounds[:place] for each in earlier.equal()]
            conditions = [*equal, *bound.behind(or_equal=place == len(bounds) - 1)]
            if not conditions:
                return {}
            ways.append({"$and": conditions})
            if bound.loses_undefined:
                ways.append({"$and": [*equal, {bound.path: {"$type": "undefined"}}]})
        return {"$or": ways} if len(ways) > 1 else ways[0] if ways else {}

    def _bounds(self, sort: SortKeys) -> list["_Bound"]:
        """Return the first paths of which conditions say what the sort does: of one array, only one of its paths."""
        found: list[_Bound] = []
        names: set[str] = set()
        for (path, direction), key, value in zip(sort, self.key, self.values, strict=True):
            name, *inner = path.split(".")
            if name in names or any(part.isdigit() for part in inner) or len(found) == _MOST_BOUNDED:
                break
            names.add(name)
            found.append(_Bound(path, direction, rank(key), value if _is_comparable(value) else None))
        return found


class _Bound(NamedTuple):
    """A path, and the value that documents behind the position do not come before."""

    path: str
    direction: int
    rank: int
    value: Element | None

    @property
    def loses_undefined(self) -> bool:
        """Whether what is undefined is not before the value, and before MongoDB 8.0 not told from null."""
        return self.direction < 0 and order.UNDEFINED <= self.rank <= order.NULL

    def behind(self, *, or_equal: bool) -> list[Document]:
        """Return what holds for what is behind the value, or equal to it."""
        order_of = "lt" if self.direction > 0 else "gt"
        conditions = self._compared(f"${order_of}" if or_equal else f"${order_of}e")
        ranks = range(self.rank) if self.direction > 0 else range(self.rank + 1, order.MAX + 1)
        names = [_NAMES[each] for each in ranks if each in _NAMES]
        conditions += [each for other in ranks for each in _of_rank(other)]
        conditions += [{"$type": names}] if names else []
        return [{self.path: {"$not": each}} for each in conditions]

    def equal(self) -> list[Document]:
        """Return what holds for what is equal to the value; what is behind it may match, too."""
        found = [] if self.value is None else [{self.path: self._operator("$eq")}]
        return [*found, *self.behind(or_equal=True)]

    def _compared(self, operator: str) -> list[Document]:
        if self.value is None:
            return []
        if self.rank in _ONLY:
            return [self._operator("$eq")] if operator.endswith("e") else []
        if self.rank != order.NUMBER:
            return [self._operator(operator)]
        if not self._is_nan:  # not a number comes before all numbers
            return [self._operator(operator), *([{"$eq": nan}] if operator.startswith("$lt") else [])]
        return ([{"$eq": nan}] if operator.endswith("e") else []) + (
            [{"$gte": -inf}] if operator.startswith("$gt") else []
        )

    @property
    def _is_nan(self) -> bool:
        return self.value is not None and order.is_nan(self.value)

    def _operator(self, name: str) -> Any:
        """Return a condition with the value of the very bytes that are stored."""
        assert self.value is not None  # noqa: S101  whoever calls this has seen it
        return RawBSONDocument(wrapped(name, self.value.value, self.value.kind))


def _is_comparable(value: Element | None) -> bool:
    """Tell whether a condition with a value says what the sort does; under a collation none with a symbol does."""
    return (
        value is not None
        and len(value.value) <= _MOST_BYTES
        and value.kind != SYMBOL
        and rank(value) not in _INCOMPARABLE
    )


def _of_rank(of: int) -> list[Document]:
    """Return conditions that all values of a type match, none where there is no such condition."""
    if of in _ONLY:
        return [{"$eq": _ONLY[of]}]
    if of == order.NUMBER:
        return [{"$gte": -inf}, {"$eq": nan}]
    return [{"$gte": _FIRST[of]}] if of in _FIRST else []


def _array(values: Sequence[Element]) -> RawBSONDocument:
    return RawBSONDocument(array_of(values))
