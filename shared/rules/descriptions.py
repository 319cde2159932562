"""What an event says of an update, and the document as the update left it (pure)."""

from collections.abc import Iterator
from itertools import islice

from shared.documents.elements import ARRAY, DOCUMENT, Element, decoded, document_of, elements, named
from shared.rules.values import Path, array_index, path

_NULL = Element(0x0A, b"")


class Description:
    """The `updateDescription` of an event.

    MongoDB before 6.1 does not say whether `a.b` is a path or the name of a member.
    """

    def __init__(self, raw: bytes) -> None:
        """Take its bytes."""
        members = elements(raw)
        arrays = {name: decoded(each.value).values() for name, each in members.items() if each.kind == ARRAY}
        self._updated = members["updatedFields"].members if "updatedFields" in members else {}
        self._names = arrays.get("names", ())  # of an update that would be too large: shared.mongo.changes
        self._removed = arrays.get("removedFields", ())
        self._truncated = arrays.get("truncatedArrays", ())
        self._ambiguous = decoded(members["disambiguatedPaths"].value) if "disambiguatedPaths" in members else {}

    def paths(self, now: bytes | None) -> Iterator[tuple[str, Path]]:
        """Give the paths that changed, as MongoDB names them and in their parts; none that could be either of two."""
        top = {} if now is None else elements(now)
        names = [*self._updated, *self._names, *self._removed, *(each["field"] for each in self._truncated)]
        for name in dict.fromkeys(names):
            parts = self._parts(name)
            if len(parts) == 1 or name not in top or name in self._ambiguous:
                yield name, parts
            elif parts[0] not in top:
                yield name, (name,)

    def applied(self, before: bytes, now: bytes | None) -> bytes | None:
        """Return the document after the update of the one before it; None if a path could be either of two."""
        root, document = _Change(), Element(DOCUMENT, before)
        for each in self._truncated:
            root.at(self._parts(each["field"])).size = each["newSize"]
        for name, value in self._updated.items():
            root.at(self._parts(name)).value = value
        for name in self._removed:
            root.at(self._parts(name)).is_removed = True
        others = [document] if now is None else [document, Element(DOCUMENT, now)]
        if not self._ambiguous and any(map(root.may_be_of_name, others)):
            return None
        return root.members_of(document).value

    def _parts(self, name: str) -> Path:
        return tuple(map(str, self._ambiguous[name])) if name in self._ambiguous else path(name)


class _Change:
    """What an update does to the value at one place."""

    __slots__ = ("inner", "is_removed", "size", "value")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.inner: dict[str, _Change] = {}
        self.value: Element | None = None
        self.is_removed = False
        self.size: int | None = None

    def at(self, parts: Path) -> "_Change":
        """Return what it does at a path."""
        change = self
        for each in parts:
            change = change.inner.setdefault(each, _Change())
        return change

    def of(self, before: Element | None) -> Element | None:
        """Return what it leaves of a value, None of none."""
        if self.is_removed:
            return None
        if self.value is not None:
            return self.value
        return self.members_of(before if before is not None and before.kind == ARRAY else _as_document(before))

    def members_of(self, before: Element) -> Element:
        """Return what it leaves of a document or an array."""
        members = dict(islice(before.members.items(), self.size))
        for name, change in self.inner.items():
            after = change.of(members.get(name))
            if before.kind == ARRAY and (index := array_index(name)) is not None:
                members |= {str(place): _NULL for place in range(len(members), index)}
            if after is None:
                members.pop(name, None)
            else:
                members[name] = after
        content = b"".join(named(each.kind, name) + each.value for name, each in members.items())
        return before._replace(value=document_of(content))

    def may_be_of_name(self, value: Element | None) -> bool:
        """Tell whether a path that it leads to is also the name of a member, or ends in such a name."""
        if not self.inner or value is None or value.kind not in (DOCUMENT, ARRAY):
            return False
        members = value.members
        return any("." in name and self._leads(path(name)) for name in members) or any(
            change.may_be_of_name(members.get(name)) for name, change in self.inner.items()
        )

    def _leads(self, parts: Path) -> bool:
        change: _Change | None = self
        for each in parts:
            change = change.inner.get(each) if change is not None else None
        return change is not None


def _as_document(value: Element | None) -> Element:
    return value if value is not None and value.kind == DOCUMENT else Element(DOCUMENT, document_of(b""))
