"""The schema that documents show: which fields they have, of which types, and how often (pure)."""

from collections import Counter
from typing import Any

from shared.documents.elements import ARRAY, DOCUMENT, spans, split
from shared.errors import InvalidParameterError
from shared.turns import Steps

_TYPES = {
    0x01: "double", 0x02: "string", DOCUMENT: "object", ARRAY: "array", 0x05: "binData", 0x06: "undefined",
    0x07: "objectId", 0x08: "bool", 0x09: "date", 0x0A: "null", 0x0B: "regex", 0x0C: "dbPointer", 0x0D: "javascript",
    0x0E: "symbol", 0x0F: "javascriptWithScope", 0x10: "int", 0x11: "timestamp", 0x12: "long", 0x13: "decimal",
    0x7F: "maxKey", 0xFF: "minKey",
}  # fmt: skip
"""The names that `$type` and `$jsonSchema` have for the types of BSON."""

_NULL = 0x0A
_MOST_FIELDS = 5_000
_DEEPEST = 50  # fields in fields
_AT_ONCE = 500  # values


class Place:
    """All values at one place of documents."""

    __slots__ = ("elements", "kinds", "members")

    def __init__(self) -> None:
        """Begin without a value."""
        self.kinds: Counter[int] = Counter()
        self.members: dict[bytes, Place] = {}
        """The members of those that are objects, in the order in which they were seen."""
        self.elements: Place | None = None
        """The elements of those that are arrays."""

    @property
    def kind(self) -> int:
        """The most frequent type, null only if there is no other."""
        return min(self.kinds, key=lambda kind: (kind == _NULL, -self.kinds[kind], kind))

    def described(self, among: int) -> dict[str, Any]:
        """Return all that is known; shares are of so many values among which there could be one."""
        counts = sorted(self.kinds.items(), key=lambda each: (-each[1], each[0]))
        shares = {_TYPES[kind]: _share(count, among) for kind, count in counts}
        names = list(shares)
        made: dict[str, Any] = {
            "bsonType": names[0] if len(names) == 1 else names,
            "share": _share(self.kinds.total(), among),
            "types": shares,
        }
        if self.members:
            made["properties"] = self.properties()
        if self.elements is not None:
            made["items"] = self.elements.described(self.elements.kinds.total())
        return made

    def properties(self) -> dict[str, Any]:
        """Return what is known of the members of objects."""
        objects = self.kinds[DOCUMENT]
        return {_text(name): each.described(objects) for name, each in self.members.items()}


class InferredSchema:
    """What the documents seen so far have in common."""

    def __init__(self, *, is_nested: bool) -> None:
        """Begin without a document; `is_nested` looks into objects and arrays."""
        self._root = Place()
        self._is_nested = is_nested
        self._fields = 0

    @property
    def documents(self) -> int:
        """How many documents were seen."""
        return self._root.kinds[DOCUMENT]

    def add(self, batch: bytes) -> Steps[None]:
        """See concatenated documents; raise InvalidParameterError if they have too many fields to describe."""
        seen = 0
        for document in split(batch):
            self._root.kinds[DOCUMENT] += 1
            pending = [(self._root, DOCUMENT, document, 1)]
            while pending:
                place, kind, value, depth = pending.pop()
                for name, start, inside, end in spans(value):
                    inner = self._element(place) if kind == ARRAY else self._member(place, name)
                    inner.kinds[value[start]] += 1
                    if self._is_nested and value[start] in {DOCUMENT, ARRAY} and depth < _DEEPEST:
                        pending.append((inner, value[start], value[inside:end], depth + 1))
                    seen += 1
                    if seen % _AT_ONCE == 0:
                        yield
            yield

    def types(self) -> dict[str, Any]:
        """Return the top-level fields, each with its most frequent type."""
        return {_text(name): {"bsonType": _TYPES[each.kind]} for name, each in self._root.members.items()}

    def detail(self) -> dict[str, Any]:
        """Return all fields with all their types and how often each is there."""
        return {"bsonType": "object", "documents": self.documents, "properties": self._root.properties()}

    def _member(self, place: Place, name: bytes) -> Place:
        if name not in place.members:
            self._count()
            place.members[name] = Place()
        return place.members[name]

    def _element(self, place: Place) -> Place:
        if place.elements is None:
            self._count()
            place.elements = Place()
        return place.elements

    def _count(self) -> None:
        self._fields += 1
        if self._fields > _MOST_FIELDS:
            raise InvalidParameterError(
                f"the sample has more than {_MOST_FIELDS} different fields: a smaller 'sampleSize' may have fewer"
            )


def _share(count: int, among: int) -> float:
    return min(round(count / among, 4), 1.0)  # a name may be twice in an object


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
