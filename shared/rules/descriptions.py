"""What an event says of an update, and the document as the update left it (pure)."""

from collections.abc import Iterable, Iterator
from typing import Any

import bson

from shared.documents.elements import decoded
from shared.rules.values import Path, array_index, path
from shared.turns import Steps


class Description:
    """The `updateDescription` of an event.

    MongoDB before 6.1 does not say whether `a.b` is a path or the name of a member.
    """

    def __init__(self, raw: bytes) -> None:
        """Take its bytes."""
        members = decoded(raw)
        self._updated: dict[str, Any] = members.get("updatedFields", {})
        self._names = _listed(members.get("names"))  # of an update that would be too large: shared.mongo.changes
        self._removed = _listed(members.get("removedFields"))
        self._truncated = _listed(members.get("truncatedArrays"))
        self._ambiguous = members.get("disambiguatedPaths", {})
        self.is_complete = "updatedFields" in members or "names" in members
        """Whether it has at least the names of what changed."""

    def paths(self, now: dict[str, Any]) -> Iterator[tuple[str, Path]]:
        """Give the paths that changed, as MongoDB names them and in their parts; none that could be either of two."""
        names = [*self._updated, *self._names, *self._removed, *(each["field"] for each in self._truncated)]
        for name in dict.fromkeys(names):
            parts = self._parts(name)
            if len(parts) == 1 or name not in now or name in self._ambiguous:
                yield name, parts
            elif parts[0] not in now:
                yield name, (name,)

    def applied(self, before: bytes, now: bytes | None) -> Steps[bytes | None]:
        """Return the document after the update of the one before it; None if a path could be either of two."""
        names = (*self._updated, *self._removed, *(each["field"] for each in self._truncated))
        document = decoded(before)
        if not self._ambiguous:
            for each in (document, {} if now is None else decoded(now)):
                if (yield from _may_be_names(each, names)):
                    return None
        for each in self._truncated:
            array = _walked(document, self._parts(each["field"]))
            if type(array) is list:
                del array[each["newSize"] :]
        for name, value in self._updated.items():
            *outer, last = self._parts(name)
            _set(_walked(document, outer), last, value)
            yield
        for name in self._removed:
            *outer, last = self._parts(name)
            inner = _walked(document, outer)
            if type(inner) is dict:
                inner.pop(last, None)
        return bson.encode(document)

    def _parts(self, name: str) -> Path:
        return tuple(map(str, self._ambiguous[name])) if name in self._ambiguous else path(name)


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else []


def _member(value: Any, part: str) -> Any:
    if type(value) is dict:
        return value.get(part)
    index = array_index(part)
    return value[index] if type(value) is list and index is not None and index < len(value) else None


def _walked(value: Any, parts: Iterable[str]) -> Any:
    """Return what stands at a path, None if nothing does."""
    for part in parts:
        value = _member(value, part)
    return value


def _set(container: Any, part: str, value: Any) -> None:
    if type(container) is dict:
        container[part] = value
    elif type(container) is list and (index := array_index(part)) is not None:
        container += [None] * (index + 1 - len(container))
        container[index] = value


def _may_be_names(document: dict[str, Any], names: tuple[str, ...]) -> Steps[bool]:
    """Tell whether one of these paths is also the name of a member, or goes on with such a name."""
    dotted: dict[int, list[str]] = {}
    for name in names:
        value: Any = document
        rest = name
        while type(value) is dict or type(value) is list:
            if type(value) is dict:
                if id(value) not in dotted:
                    dotted[id(value)] = [each for each in value if "." in each]
                if any(rest == each or rest.startswith(f"{each}.") for each in dotted[id(value)]):
                    return True
            part, _, rest = rest.partition(".")
            value = _member(value, part)
        yield
    return False
