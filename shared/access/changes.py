"""Changes of a collection as one caller sees them: the one place that decides what an event of a stream becomes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any, NamedTuple, Protocol

import bson
from bson.errors import InvalidBSON

from shared import turns
from shared.access.cutting import MOST_COMPUTED, Cutting
from shared.access.full import FullAccess
from shared.access.opening import Deployment, RuledAccess, open_full, rules_of
from shared.access.protocol import Wanted
from shared.access.resume_tokens import ResumeTokens
from shared.auth.accounts import Caller
from shared.documents.ejson import Document
from shared.documents.elements import document_of, elements, named, with_identity
from shared.errors import InvalidParameterError, NoRoleError
from shared.mongo import reads
from shared.mongo.changes import WATCHED, Watched
from shared.mongo.clients import Collection
from shared.requests import Request
from shared.rules import changes, field_paths
from shared.rules.changes import Asked, Event, Seen, Shown
from shared.turns import Steps

_OF_OTHERS = ("lsid", "txnNumber", "to")  # sessions, and another collection's name
_OF_SERVICE = frozenset({"disambiguatedPaths", "names"})  # in the description of an update, for the service alone
_BEFORE, _DOCUMENT, _DESCRIPTION = "fullDocumentBeforeChange", "fullDocument", "updateDescription"
_EXPANDED = frozenset({"collectionUUID", "operationDescription"})
_TOO_LARGE = "'filter': a change is more than the 16 MB on which MongoDB can compute for you"


class Watch(NamedTuple):
    """What a caller wants to be told of the changes of a collection."""

    filter: Document
    """A condition on events as the caller sees them; under rules these have no `_id` to ask for."""
    full_document: str = "updateLookup"
    """Which document an update comes with: MongoDB's words."""
    before: str = "off"
    """Which document a change comes with as it was before: MongoDB's words."""
    shares: bool = False
    """Whether its events are those of `WATCHED`, a stream that others see, too."""


class ChangeView(Protocol):
    """The changes of one collection as one caller sees them: everything, or what rules leave."""

    target: Collection
    watched: Watched
    """The stream whose events `seen` takes."""
    is_common: bool
    """Whether others of whom this holds see the same of each event."""
    asks: bool
    """Whether MongoDB is asked about events."""

    async def seen(self, events: Sequence[bytes], shown: Shown | None = None) -> list[bytes | None]:
        """Return what becomes of each event of the stream, in their order; None of one that does not exist here.

        `shown` is what this stream has shown before, so that it may tell of the end of it: None for none.
        """

    async def token(self, resume_after: str | Document) -> bytes:
        """Return MongoDB's token of what a caller sends; raise InvalidParameterError if that is not the caller's."""

    async def resume_token(self, token: bytes) -> str:
        """Return what the caller sends to go on behind one of MongoDB's tokens."""


def open_changes(
    deployment: Deployment,
    request: Request,
    caller: Caller,
    request_view: Mapping[str, Any],
    wanted: Wanted,
    watch: Watch,
) -> ChangeView:
    """Return the changes of the collection that a request names; its filter is checked as all filters are.

    Raise NoRuleError if no rule opens the collection to anybody, InvalidParameterError for what rules leave to nobody.
    What a function answered at its beginning would count for as long as a stream goes on.
    """
    rules = rules_of(deployment, request, caller, request_view, wanted)
    if rules is not None and rules.ask_functions(request.database, request.collection):
        raise NoRoleError("changes are not told of a collection whose rules ask functions")
    full, ruled = open_full(deployment, request, caller, request_view, wanted)
    tokens = ResumeTokens(deployment.seals, deployment.settings, request, caller)
    if ruled is None or ruled.rights.hides_nothing:
        return FullChanges(full, tokens, watch, is_system=caller.is_system)
    return RuledChanges(ruled, tokens, watch)


class _Changes:
    """What both have in common."""

    def __init__(self, full: FullAccess, tokens: ResumeTokens, watch: Watch) -> None:
        """Take the collection, and what the caller wants."""
        self.target = full.target
        self._settings = full.settings
        self._tokens = tokens
        self._watch = watch

    async def resume_token(self, token: bytes) -> str:
        """Return what the caller sends to go on behind one of MongoDB's tokens."""
        await self._tokens.load()
        return self._tokens.sealed(token)

    async def _matching(self, events: list[bytes | None]) -> list[bytes | None]:
        """Return of events as the caller sees them those that match the filter, None for each of the others."""
        if not self._watch.filter:
            return events
        return await _selected(self.target, events, self._watch.filter, self._settings, {}, _TOO_LARGE)


class FullChanges(_Changes):
    """All changes, as MongoDB tells them."""

    def __init__(self, full: FullAccess, tokens: ResumeTokens, watch: Watch, *, is_system: bool) -> None:
        """Take what is wanted; whom rules bind learns nothing of other people's sessions."""
        super().__init__(full, tokens, watch)
        self._is_system = is_system
        self._left_out = frozenset(() if is_system else _OF_OTHERS)
        self.is_common = watch == Watch({}, shares=True) and not is_system
        self.asks = bool(watch.filter)
        stages: list[Document] = [] if is_system else [{"$unset": list(_OF_OTHERS)}]
        stages += [{"$match": watch.filter}] if watch.filter else []
        document, before = (
            None if each in {"default", "off"} else each for each in (watch.full_document, watch.before)
        )
        self.watched = WATCHED if watch.shares else Watched(tuple(stages), document, before, is_expanded=False)

    async def seen(self, events: Sequence[bytes], _shown: Shown | None = None) -> list[bytes | None]:
        """Return what becomes of each event of the stream; one of its own has left out already what it has to."""
        if self._watch.shares:
            return await self._matching([self._narrowed(each) for each in events])
        if self._is_system:
            return list(events)
        await self._tokens.load()
        return await turns.taken(self._sealed(events))

    async def token(self, resume_after: str | Document) -> bytes:
        """Return MongoDB's token, which system callers may also send as the `_id` of an event.

        Whoever could make one would read what was there before anything was told to them.
        """
        if self._is_system and not isinstance(resume_after, str) and "_data" in resume_after:
            return bson.encode(resume_after)
        await self._tokens.load()
        return self._tokens.opened(resume_after)

    def _sealed(self, events: Sequence[bytes]) -> Steps[list[bytes | None]]:
        sealed: list[bytes | None] = []
        for each in events:
            members = elements(each)
            identity = self._tokens.identity(members.pop("_id").value)
            sealed.append(with_identity(identity, _document(members)))
            yield
        return sealed

    def _narrowed(self, raw: bytes) -> bytes | None:
        """Return an event of a stream that others see, too, as one of its own would tell it."""
        members = elements(raw)
        event = Event(raw)
        if event.type not in changes.TOLD:
            return None
        left_out = self._left_out | _EXPANDED
        if self._watch.before == "off":
            left_out |= {_BEFORE}
        if event.type == "update" and self._watch.full_document == "default":
            left_out |= {_DOCUMENT}
        found = {name: each for name, each in members.items() if name not in left_out}
        if event.type != "update":
            found.pop(_DESCRIPTION, None)
        elif not _OF_SERVICE.isdisjoint(found[_DESCRIPTION].members):
            told = {name: each for name, each in found[_DESCRIPTION].members.items() if name not in _OF_SERVICE}
            found[_DESCRIPTION] = found[_DESCRIPTION]._replace(value=_document(told))
        return _document(found)


class RuledChanges(_Changes):
    """The changes of what rules show of a collection."""

    def __init__(self, ruled: RuledAccess, tokens: ResumeTokens, watch: Watch) -> None:
        """Take what rules leave; raise InvalidParameterError for what would tell of hidden documents."""
        super().__init__(ruled.full, tokens, watch)
        self.watched = WATCHED
        self.is_common = False
        self.asks = bool(watch.filter or ruled.rights.filtered.query)
        if watch.full_document not in {"default", "updateLookup"} or watch.before not in {"off", "whenAvailable"}:
            raise InvalidParameterError(
                "where rules apply, 'fullDocument' is 'default' or 'updateLookup',"
                " and 'fullDocumentBeforeChange' is 'off' or 'whenAvailable'"
            )
        field_paths.refuse_stages([{"$match": watch.filter}])
        self._ruled = ruled
        self._asked = Asked(watch.full_document == "updateLookup", watch.before == "whenAvailable")

    async def seen(self, events: Sequence[bytes], shown: Shown | None = None) -> list[bytes | None]:
        """Return what the rules leave of each event; a filter is asked of that alone.

        Of a document with names or texts in no UTF-8, which rules cannot read, there is none: else nobody could go on.
        """
        await self._tokens.load()
        try:
            return await self._seen(events, shown)
        except (InvalidBSON, UnicodeDecodeError):
            half = len(events) // 2
            if not half:
                return [None]
            return [*await self.seen(events[:half], shown), *await self.seen(events[half:], shown)]

    async def _seen(self, events: Sequence[bytes], shown: Shown | None) -> list[bytes | None]:
        found = [Event(each) for each in events]
        left = await turns.taken(_in_steps(each.left() for each in found))
        stored = [
            document
            for each, after in zip(found, left, strict=True)
            for document in (each.document(_DOCUMENT), each.document(_BEFORE), after)
        ]
        cut = await self._cut(stored)
        sights = [
            Seen(now, before, now if known is None else after)
            for (now, before, after), known in zip(batched(cut, 3, strict=True), left, strict=True)
        ]
        visible = await turns.taken(self._visible(found, sights, shown))
        return await turns.taken(self._told(found, await self._matching(visible)))

    async def token(self, resume_after: str | Document) -> bytes:
        """Return MongoDB's token of a text, or of an `_id`, that this caller was given."""
        await self._tokens.load()
        return self._tokens.opened(resume_after)

    async def _cut(self, documents: Sequence[bytes | None]) -> list[bytes | None]:
        """Return what is visible of each document as it was: None of one that is hidden, and of none."""
        ruled = self._ruled
        if (query := ruled.rights.filtered.query) and any(documents):
            documents = await _selected(self.target, documents, query, self._settings, await ruled.computing())
        cutting = Cutting(ruled.rights)
        shown = iter(await ruled.seen_each(cutting, b"".join(each for each in documents if each is not None), ()))
        return [None if each is None else next(shown) for each in documents]

    def _visible(self, events: list[Event], sights: list[Seen], shown: Shown | None) -> Steps[list[bytes | None]]:
        visible = []
        for event, seen in zip(events, sights, strict=True):
            visible.append(changes.visible(event, seen, self._ruled.rights, self._asked, shown))
            yield
        return visible

    def _told(self, events: list[Event], visible: list[bytes | None]) -> Steps[list[bytes | None]]:
        told = []
        for event, each in zip(events, visible, strict=True):
            identity = None if each is None else self._tokens.identity(event.members["_id"].value)
            told.append(None if each is None or identity is None else with_identity(identity, each))
            yield
        return told


async def _selected(
    target: Collection,
    documents: Sequence[bytes | None],
    condition: Document,
    settings: Any,
    options: Mapping[str, Any],
    too_large: str = "",
) -> list[bytes | None]:
    """Return of documents those that MongoDB finds to match, None for each of the others.

    One that is too large for a command is none of them; with a text for that, raise InvalidParameterError.
    """
    found: list[bytes | None] = [None] * len(documents)
    for places in _in_commands(documents):
        some = [each for place in places if (each := documents[place]) is not None]
        if too_large and sum(map(len, some)) > MOST_COMPUTED:
            raise InvalidParameterError(too_large)
        if sum(map(len, some)) <= MOST_COMPUTED:
            for place in await reads.places(target, some, [{"$match": condition}], settings, options):
                found[places[place]] = some[place]
    return found


def _in_steps[T](works: Iterable[Steps[T]]) -> Steps[list[T]]:
    """Return what comes of each work."""
    found = []
    for each in works:
        found.append((yield from each))  # noqa: PERF401  a comprehension cannot yield
    return found


def _in_commands(documents: Sequence[bytes | None]) -> Iterator[list[int]]:
    """Give the places of documents in groups of which each fits into a command, unless one alone does not."""
    group: list[int] = []
    size = 0
    for place, each in enumerate(documents):
        if each is None:
            continue
        if group and size + len(each) > MOST_COMPUTED // 2:
            yield group
            group, size = [], 0
        group.append(place)
        size += len(each)
    if group:
        yield group


def _document(members: Mapping[str, Any]) -> bytes:
    return document_of(b"".join(named(each.kind, name) + each.value for name, each in members.items()))
