"""What an event of a change stream becomes for a caller whom rules bind (pure).

It is made of what is visible of the document now, and, where MongoDB keeps what was before, of what was visible of it
then and of what the event left; else of the names of what changed. Values that an update had at its time are never
told: the document may have been somebody else's.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from shared.documents.elements import ARRAY, DOCUMENT, Element, array_of, decoded, document_of, elements, named
from shared.rules.descriptions import Description
from shared.rules.values import Path, is_index, path
from shared.turns import Steps

if TYPE_CHECKING:  # it is given rights, and makes none
    from shared.rules.ruleset import Rights

_STRING = 0x02
_MOST_SHOWN, _LONGEST_KEY = 1_000, 256  # for each of many who listen
_NULL = Element(0x0A, b"")
_AS_THEY_ARE = frozenset({"operationType", "wallTime", "ns"})
_OF_DOCUMENTS = frozenset({"insert", "update", "replace", "delete"})
_ENDS = frozenset({"drop", "rename", "dropDatabase", "invalidate"})
"""What ends a stream; of a collection that was renamed its new name is not told."""

TOLD = _OF_DOCUMENTS | _ENDS
"""The types of events that there are; others are asked for only to know which parts the paths of an update have."""


class Asked(NamedTuple):
    """What a caller wants of each event."""

    full_document: bool = True
    """Whether an update comes with the document as it is now."""
    before: bool = False
    """Whether a change comes with the document as it was before."""


class Event:
    """One event as MongoDB sent it."""

    __slots__ = ("members", "type")

    def __init__(self, raw: bytes) -> None:
        """Take its bytes."""
        self.members = elements(raw)
        self.type = _text(self.members["operationType"])

    def document(self, name: str) -> bytes | None:
        """Return a document that the event holds, None where it holds none."""
        found = self.members.get(name)
        return found.value if found is not None and found.kind == DOCUMENT else None

    @property
    def key(self) -> bytes:
        """What tells its document from others."""
        return self.document("documentKey") or b""

    @property
    def description(self) -> Description:
        """What it says of an update."""
        return Description(self.document("updateDescription") or document_of(b""))

    def left(self) -> Steps[bytes | None]:
        """Return the document as an update left it, if that is known: `fullDocument` may be a later one."""
        before = self.document("fullDocumentBeforeChange")
        yield
        if self.type != "update" or before is None:
            return None
        return (yield from self.description.applied(before, self.document("fullDocument")))


class Seen(NamedTuple):
    """What is visible of the documents of an event; None where nothing is, or where there is none."""

    now: bytes | None
    before: bytes | None
    left: bytes | None
    """The same of the document as the event left it; `now` may be a later one."""


class Shown:
    """Which documents a stream has shown and not seen become hidden since, by what it told of their keys; bounded."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        """Begin with none."""
        self._keys: OrderedDict[bytes, bytes] = OrderedDict()

    def note(self, key: bytes, shown: bytes | None) -> None:
        """Note that a document was shown, with what was told of its key; with None, that it is hidden now, or gone."""
        if shown is None:
            self._keys.pop(key, None)
        elif len(key) <= _LONGEST_KEY:
            self._keys[key] = key if shown == key else shown
            self._keys.move_to_end(key)
            if len(self._keys) > _MOST_SHOWN:
                self._keys.popitem(last=False)

    def key(self, key: bytes) -> bytes | None:
        """Return what was told of a document's key, None if it was not shown."""
        return self._keys.get(key)


def visible(event: Event, seen: Seen, rights: "Rights", asked: Asked, shown: Shown | None) -> bytes | None:
    """Return what a caller sees of an event, without its `_id`; None if it does not exist for the caller."""
    if event.type in _ENDS:
        return _composed(event, {})
    told = _Telling(event, seen, rights)
    if event.type == "delete":
        key = told.key() if seen.before is not None else _shown_key(event, shown)
        _note(shown, event, None)
        return None if key is None else _composed(event, {"documentKey": _of(key), **_before(seen, asked)})
    if event.type not in _OF_DOCUMENTS:
        return None
    if seen.now is None:
        _note(shown, event, None)
        return None
    if not told.has_changed():
        return None
    key = told.key()
    _note(shown, event, key)
    members = {"fullDocument": _of(seen.now), "documentKey": _of(key)}
    if event.type == "update":
        members["updateDescription"] = _of(told.description())
        if not asked.full_document:
            del members["fullDocument"]
    return _composed(event, members if event.type == "insert" else members | _before(seen, asked))


def _note(shown: Shown | None, event: Event, key: bytes | None) -> None:
    if shown is not None:
        shown.note(event.key, key)


def _shown_key(event: Event, shown: Shown | None) -> bytes | None:
    """Return what was told of a key before, unless it is known that the document was hidden in the end."""
    is_hidden = event.document("fullDocumentBeforeChange") is not None
    return None if shown is None or is_hidden else shown.key(event.key)


class _Telling:
    """What is told of a document that changed."""

    def __init__(self, event: Event, seen: Seen, rights: "Rights") -> None:
        """Take what is known of it."""
        self._event = event
        self._seen = seen
        self._rights = rights
        self._places = _Places(seen.before if seen.now is None else seen.now)
        self._knows_before = event.document("fullDocumentBeforeChange") is not None
        self._updated: dict[str, Element] = {}
        self._removed: list[str] = []
        if event.type == "update" and seen.now is not None:
            self._describe()

    def has_changed(self) -> bool:
        """Tell whether something changed that is visible, and was visible when it had changed.

        Where MongoDB does not keep what was before, the names of what changed tell it.
        """
        if self._event.type == "insert":
            return True
        if self._knows_before:
            return self._seen.left is not None and self._seen.before not in (self._seen.left, self._seen.now)
        return (
            self._event.type == "replace"
            or bool(self._updated or self._removed)
            or not self._event.description.is_complete
        )

    def key(self) -> bytes:
        """Return what is visible of the key: `_id`, and the fields by which a collection is sharded."""
        names = elements(self._event.key)
        found = [(name, self._places.at((name,)) or self._places.at(path(name))) for name in names]
        return document_of(b"".join(named(each.kind, name) + each.value for name, each in found if each is not None))

    def description(self) -> bytes:
        """Return which visible fields an update changed, with their values of now, and which it removed."""
        updated = document_of(b"".join(named(each.kind, name) + each.value for name, each in self._updated.items()))
        removed = array_of((_STRING, _stringed(name)) for name in self._removed)
        members = {"updatedFields": _of(updated), "removedFields": Element(ARRAY, removed)}
        members["truncatedArrays"] = Element(ARRAY, array_of(()))
        return _document(members)

    def _describe(self) -> None:
        """Find what to tell of an update: what differs of what is visible, or what is visible at what has changed."""
        if self._knows_before:
            before = {} if self._seen.before is None else elements(self._seen.before)
            for name, found in _difference(before, self._places.top):
                if found is not None:
                    self._updated[name] = found
                else:
                    self._removed.append(name)
        else:
            self._name()

    def _name(self) -> None:
        document = decoded(self._event.document("fullDocument") or document_of(b""))
        reads: Callable[[Path], bool] | None = None
        for name, parts in self._event.description.paths(document):
            place = self._named(parts)
            found = self._places.at(place)
            if found is not None and (place == parts or self._rights.hidden([parts]) is None):
                self._updated[name if place == parts else ".".join(place)] = found
            elif found is None and place == parts:
                reads = reads or self._rights.reader(document)
                if reads(parts) and self._is_left(parts):
                    self._removed.append(name)

    def _is_left(self, parts: Path) -> bool:
        projection = self._rights.projection
        return projection is None or projection.part.always_covers_member(parts)

    def _named(self, parts: Path) -> Path:
        """Return the part of a path that counts no elements which may be hidden."""
        if not self._rights.drops_elements(parts):
            return parts
        return next((parts[:place] for place, each in enumerate(parts) if is_index(each)), parts)


class _Places:
    """The values in a document, each embedded one of which is looked through once."""

    def __init__(self, document: bytes | None) -> None:
        """Take a document, None for one without members."""
        self._members: dict[Path, Mapping[str, Element]] = {(): {} if document is None else elements(document)}

    @property
    def top(self) -> Mapping[str, Element]:
        """The members of the document itself."""
        return self._members[()]

    def at(self, parts: Path) -> Element | None:
        """Return the value at a path, in which a number is a name or an index; None if nothing is there."""
        for length in range(len(parts)):
            if parts[:length] not in self._members:
                inner = self._members[parts[: length - 1]].get(parts[length - 1])
                holds = inner is not None and inner.kind in (DOCUMENT, ARRAY)
                self._members[parts[:length]] = inner.members if inner is not None and holds else {}
        return self._members[parts[:-1]].get(parts[-1])


def _difference(
    before: Mapping[str, Element], now: Mapping[str, Element], prefix: str = ""
) -> Iterator[tuple[str, Element | None]]:
    """Give the members of a document that are others now, and with None those that are gone, by their paths."""
    for name, found in now.items():
        was = before.get(name)
        if was == found or f"{prefix}{name}" == "_id":
            continue
        if was is not None and was.kind == found.kind == DOCUMENT and _are_plain((*was.members, *found.members)):
            yield from _difference(was.members, found.members, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", found
    yield from ((f"{prefix}{name}", None) for name in before if name not in now)


def _are_plain(names: Iterable[str]) -> bool:
    """Tell whether a path can name all of these members."""
    return all(name and "." not in name and name[0] != "$" and not is_index(name) for name in names)


def _before(seen: Seen, asked: Asked) -> dict[str, Element]:
    if not asked.before:
        return {}
    return {"fullDocumentBeforeChange": _NULL if seen.before is None else _of(seen.before)}


def _composed(event: Event, members: dict[str, Element]) -> bytes:
    """Return an event of these members and of those that tell nothing of others, in MongoDB's order."""
    found: dict[str, Element] = {}
    for name, element in event.members.items():
        if name in members:
            found[name] = members[name]
        elif name in _AS_THEY_ARE:
            found[name] = element
        elif name == "clusterTime":  # its second; behind that it counts all that was written
            found[name] = element._replace(value=bytes(4) + element.value[4:])
    return _document(found | members)


def _document(members: Mapping[str, Element]) -> bytes:
    return document_of(b"".join(named(each.kind, name) + each.value for name, each in members.items()))


def _of(document: bytes) -> Element:
    return Element(DOCUMENT, document)


def _text(element: Element) -> str:
    return element.value[4:-1].decode()


def _stringed(text: str) -> bytes:
    data = text.encode() + b"\0"
    return len(data).to_bytes(4, "little") + data
