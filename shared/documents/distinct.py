"""The values of a path in documents, as MongoDB's `distinct` finds them (pure)."""

from collections.abc import Iterator

from shared.documents.elements import ARRAY, DOCUMENT, Element, array_of, spans
from shared.turns import Steps

_AT_ONCE = 500  # values
_ALIKE_IN_BYTES = frozenset({0x02, 0x07, 0x08, 0x09, 0x0A})
"""String, ObjectId, boolean, date, null: equal ones, compared byte by byte, are stored in the same bytes."""


class DistinctValues:
    """The values of a path in some documents; of those that are stored in the same bytes the first."""

    def __init__(self, path: str) -> None:
        """Take the path."""
        self._path = path.encode()
        self._found: dict[tuple[int, bytes], None] = {}
        self.size = 0
        """The bytes of all values."""

    @property
    def all(self) -> list[Element]:
        """The values in the order in which they were found."""
        return [Element(*each) for each in self._found]

    @property
    def may_be_equal(self) -> bool:
        """Whether some may be equal although they are stored differently, as 1 and 1.0."""
        return any(kind not in _ALIKE_IN_BYTES for kind, _ in self._found)

    def add(self, document: bytes) -> Steps[None]:
        """Add the values of a document."""
        for number, each in enumerate(_along(document, self._path)):
            if each not in self._found:
                self._found[each] = None
                self.size += len(each.value)
            if number % _AT_ONCE == _AT_ONCE - 1:
                yield

    def array(self) -> bytes:
        """Return the array of the values."""
        return array_of(self._found)


def _along(document: bytes, path: bytes) -> Iterator[Element]:
    """Give the values of a path: an array's elements one by one; a member whose name has dots comes first."""
    found = _member(document, path)
    if found is not None:
        yield from _members(found.value) if found.kind == ARRAY else (found,)
        return
    first, _, rest = path.partition(b".")
    inner = _member(document, first) if rest else None
    if inner is None:
        return
    if inner.kind == DOCUMENT or (inner.kind == ARRAY and rest.partition(b".")[0].isdigit()):
        yield from _along(inner.value, rest)
    elif inner.kind == ARRAY:
        for each in _members(inner.value):
            if each.kind in {DOCUMENT, ARRAY}:
                yield from _along(each.value, rest)


def _member(document: bytes, name: bytes) -> Element | None:
    for each, start, value, end in spans(document):
        if each == name:
            return Element(document[start], document[value:end])
    return None


def _members(document: bytes) -> Iterator[Element]:
    return (Element(document[start], document[value:end]) for _, start, value, end in spans(document))
