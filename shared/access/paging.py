"""The documents of one reply of a cursor: those behind a position, up to the size of a batch.

MongoDB says what it sorts each document by, in a member that no caller sees. Of computed documents it does not: what
these are sorted by follows from themselves, as long as texts are compared byte by byte.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from shared import turns
from shared.access.continuation import Key, Position, SortKeys
from shared.access.cutting import Visible
from shared.access.placing import MARK, NOT_UNIQUE, Found, KeyOf, is_equal, is_together, mark_of, ordered, without_last
from shared.access.stored_keys import Source, Tell, stored_key, stored_values
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import Element, document_of, elements, identity, pieces, spans, split
from shared.documents.order import sort_key
from shared.errors import InvalidParameterError, Unavailable, UnavailableError
from shared.mongo import reads
from shared.requests import Reading, Sort

_ID, _HEADER = b"_id", 4
_BESIDES = 3  # the document of the position, one to see whether there are more, one whose equals may be cut off
_GROWTH = 4
_SMALLEST_BATCH = 32
_TRIES = 4
_COLLATED = (
    "'cursor': what is computed can be continued only where texts are compared byte by byte:"
    ' add \'"collation": {"locale": "simple"}\''
)

_VIEW = "'cursor': find cannot go on in a view or a time-series collection: use 'aggregate'"

type Ask = Callable[[int, int], AsyncGenerator[bytes]]
"""Reads at most so many documents, 0 for all, behind so many that are skipped."""

type Mark = Callable[[bytes], Found[bytes]]

type Look[T] = Callable[[list[bytes]], Awaitable[Sequence[T | None]]]
"""Makes of documents what is returned, None of each that is not visible."""


class _Marks(NamedTuple):
    """How it is known what documents are sorted by."""

    mark: Mark
    key_of: KeyOf


class Part(NamedTuple):
    """A part of all that a cursor gives."""

    size: int
    skip: int = 0
    position: Position | None = None
    is_last: bool = False
    """Whether the limit lies in it."""


class Page:
    """What one reply of a cursor is to hold, and then the cursor of the next."""

    def __init__(
        self, sort: SortKeys, part: Part, seal: Callable[[Position], str], is_simple: Tell, is_view: Tell
    ) -> None:
        """Take the order, which part of it is wanted, and what makes a cursor of a position.

        `is_simple` tells whether texts are compared byte by byte, `is_view` whether the collection is a view or a time
        series.
        """
        self.sort = sort
        self.cursor: str | None = None
        self.is_simple = is_simple
        self._is_view = is_view
        self._part = part
        self._seal = seal
        self._hides_id = False

    async def stored(self, source: Source, reading: Reading) -> AsyncGenerator[bytes]:
        """Give the documents of the page, of those that match."""
        await self._refuse_view()
        sent = self._reading(reading)

        def ask(most: int, skip: int) -> AsyncGenerator[bytes]:
            return reads.find(
                source.target, sent._replace(limit=most, skip=skip), source.settings, options=source.options
            )

        yield b"".join(await self._of_stored(source, ask, _unchanged, streams=False))

    async def seen[T](self, source: Source, reading: Reading, look: Look[T]) -> list[T]:
        """Return what a caller sees of the page, where it is not known how many of the documents that match."""
        await self._refuse_unsortable()
        await self._refuse_view()
        sent = self._reading(reading)
        at_once = max(_SMALLEST_BATCH, min(self._part.skip + self._part.size + _BESIDES, reads.AT_ONCE))

        def ask(_most: int, _skip: int) -> AsyncGenerator[bytes]:
            return reads.find(source.target, sent, source.settings, at_once, options=source.options)

        return await self._of_stored(source, ask, look, streams=True)

    async def computed(self, ask: Ask) -> AsyncGenerator[bytes]:
        """Give the documents of the page, of those that stages make."""
        yield b"".join(await self._of_computed(ask, _unchanged))

    async def selected(self, visible: Sequence[Visible]) -> list[Visible]:
        """Return those of the page, of all in their order, of which the caller sees a part."""
        by_part = {each.shown: each for each in visible}

        async def ask(_most: int, _skip: int) -> AsyncGenerator[bytes]:
            yield b"".join(each.shown for each in visible)

        async def look(documents: list[bytes]) -> list[Visible]:
            return [by_part[each] for each in documents]

        return await self._of_computed(ask, look)

    def stages(self, most: int, skip: int) -> list[Document]:
        """Return what is put behind a pipeline."""
        behind, passed = self._behind(), [{"$skip": skip}] if skip else []
        return [*([{"$match": behind}] if behind else []), {"$sort": dict(self.sort)}, *passed, {"$limit": most}]

    async def _refuse_unsortable(self) -> None:
        """Raise InvalidParameterError where a document could stop MongoDB's sort, and its result not be continued.

        Whether there is one must make no difference: it may be a document that the caller does not see.
        """
        paths = [path for path, _ in self.sort if path != "_id"]
        if len(paths) > 1 or any(part.isdecimal() for path in paths for part in path.split(".")):
            await self._refuse_collated()

    async def _refuse_collated(self) -> None:
        if not (is_simple := await self.is_simple()):
            raise UnavailableError(Unavailable.NOT_NOW) if is_simple is None else InvalidParameterError(_COLLATED)

    async def _refuse_view(self) -> None:
        """Raise InvalidParameterError where MongoDB gives with a sort key nothing else of a document, or none."""
        if is_view := await self._is_view():
            raise InvalidParameterError(_VIEW)
        if is_view is None:
            raise UnavailableError(Unavailable.NOT_NOW)

    def _behind(self) -> Document:
        """Return a condition that nothing fails which is behind the position."""
        return {} if self._part.position is None else self._part.position.behind(self.sort)

    def _reading(self, reading: Reading) -> Reading:
        """Return what to ask MongoDB for: what is behind the position, each document with what it is sorted by."""
        projection = dict(reading.projection)
        self._hides_id = _hides_id(projection)
        if self._hides_id:
            del projection["_id"]
        conditions = [each for each in (reading.filter, self._behind()) if each]
        condition = {"$and": conditions} if len(conditions) > 1 else conditions[0] if conditions else {}
        return Reading(condition, projection | {MARK: {"$meta": "sortKey"}}, list(self.sort), limit=0)

    async def _of_stored[T](self, source: Source, ask: Ask, look: Look[T], *, streams: bool) -> list[T]:
        found = await self._taken(ask, _Marks(self._marked, stored_key), look, streams=streams)
        if (last := found.more) is not None:
            key = stored_key(last.sorted_by)
            values = await stored_values(source, self.sort, key, last.identity, self.is_simple)
            self.cursor = self._seal(Position(key, last.identity, values))
        return found.made

    async def _of_computed[T](self, ask: Ask, look: Look[T]) -> list[T]:
        await self._refuse_collated()
        found = await self._taken(ask, _Marks(_unmarked, self._computed_key), look, streams=False)
        if (last := found.more) is not None:
            key = self._computed_key(last.sorted_by)
            self.cursor = self._seal(Position(key, last.identity, key))
        return found.made

    async def _taken[T](self, ask: Ask, marks: _Marks, look: Look[T], *, streams: bool) -> "_Batch[T]":
        """Read until the batch is full and what is equal in order is whole, or until nothing is left.

        MongoDB meets a document twice if a write moves it in the index that is being read: then it is read anew.
        """
        repeated = 0
        passed = 0 if streams else max(0, self._part.skip - 1)
        enough = self._part.skip - passed + self._part.size + _BESIDES
        while True:
            most = 0 if streams else enough
            found, is_whole = await self._read(ask(most, passed), most or None, marks, look, enough)
            if found is None:
                repeated += 1
                if repeated == _TRIES:
                    raise InvalidParameterError(NOT_UNIQUE)
                continue
            start, end = self._part.skip - passed, self._part.skip - passed + self._part.size
            if passed and len(found) > 1 and is_together(found[0], found[1], marks.key_of):
                enough, passed = enough + passed, 0  # what is skipped ends among equals
            elif is_whole or len(found) > end:
                break
            else:
                enough *= _GROWTH
        more = found[end - 1] if len(found) > end and not self._part.is_last else None
        return _Batch([each.made for each in found[start:end]], more)

    async def _read[T](
        self, batches: AsyncGenerator[bytes], most: int | None, marks: _Marks, look: Look[T], enough: int
    ) -> tuple[list[Found[T]] | None, bool]:
        """Return what is behind the position, and whether that is all; else the last and its equals are left out.

        There is None if two documents have the same `_id`.
        """
        found: list[Found[T]] = []
        read, is_passing, is_whole = 0, self._part.position is not None, True
        async with aclosing(batches):
            async for batch in batches:
                for piece in pieces(batch, replies.PIECE):
                    await asyncio.sleep(0)
                    marked = [marks.mark(each) for each in split(piece)]
                    read += len(marked)
                    if is_passing:
                        marked, is_passing = self._passed(marked, marks.key_of)
                    made = await look([each.made for each in marked]) if marked else []
                    found += [Found(one, each.sorted_by, each.identity)
                              for one, each in zip(made, marked, strict=True) if one is not None]  # fmt: skip
                if read == most or (most is None and len(found) >= enough):
                    is_whole = False
                    break
        kept = found if is_whole else without_last(found, marks.key_of)
        return await turns.taken(ordered(kept, marks.key_of)), is_whole

    def _passed(self, marked: list[Found[bytes]], key_of: KeyOf) -> tuple[list[Found[bytes]], bool]:
        """Return the documents that are behind the position, and whether others may follow that are not."""
        assert self._part.position is not None  # noqa: S101  whoever passes has one
        position = self._part.position
        found = [each for each in marked if position.is_before(key_of(each.sorted_by), each.identity, self.sort)]
        is_over = bool(found) and not is_equal(key_of(found[-1].sorted_by), position.key)
        return found, not is_over

    def _marked(self, document: bytes) -> Found[bytes]:
        """Take from a document what MongoDB sorted it by, and what the caller did not ask for."""
        identified = next((each for each in spans(document) if each[0] == _ID), None)
        if identified is None:
            raise InvalidParameterError(NOT_UNIQUE)
        _, starts, value, ends = identified
        identity_ = Element(document[starts], document[value:ends])
        start, key, end = mark_of(document)
        content = document[_HEADER:start] + document[end:-1]
        if self._hides_id:
            content = content[: starts - _HEADER] + content[ends - _HEADER :]
        return Found(document_of(content), document[key:end], identity_)

    def _computed_key(self, document: bytes) -> Key:
        try:
            return sort_key(document, self.sort)
        except ValueError as error:
            raise InvalidParameterError(
                f"'cursor': a sort by several paths into one array cannot be continued: '{error}'"
            ) from error


class _Batch[T](NamedTuple):
    """What is returned, and the last of it if there is more behind."""

    made: list[T]
    more: Found[T] | None


def sort_of(sort: Sort) -> SortKeys:
    """Return the order of a cursor: that of the sort, and of `_id` where it leaves documents equal."""
    keys: list[tuple[str, int]] = []
    for path, direction in sort or ():
        if path == "$natural" or not isinstance(direction, int):
            raise InvalidParameterError(f"'cursor': a sort by '{path[:100]}' has no place to go on from")
        keys.append((path, direction))
        if path == "_id":
            return keys
    return [*keys, ("_id", keys[-1][1] if keys else 1)]


def _unmarked(document: bytes) -> Found[bytes]:
    """Return a document whose sort key follows from itself."""
    identified = identity(document)
    if identified is None:
        raise InvalidParameterError(NOT_UNIQUE)
    return Found(document, document, elements(identified)["_id"])


async def _unchanged(documents: list[bytes]) -> list[bytes]:
    """Return documents as they are."""
    return documents


def _hides_id(projection: Document) -> bool:
    """Tell whether a projection leaves out `_id`; raise InvalidParameterError if it leaves out or makes a part.

    So does one that shows of an array what the filter met, which the condition of the position could be, too.
    """
    if any(name.endswith(".$") for name in projection):
        raise InvalidParameterError("'projection': a cursor takes no '.$': $elemMatch says which element is meant")
    shown = projection.get("_id", True)
    if not isinstance(shown, bool | int | float) or any(name.startswith("_id.") for name in projection):
        raise InvalidParameterError("'projection': a cursor needs '_id' as it is, or left out")
    return not shown
