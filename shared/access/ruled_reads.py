"""Reads under the rules of the app: documents trimmed to what may be read.

MongoDB finds documents, and the rules decide on each, unless a projection says what is visible of all. What a call
computes, by an expression or by a condition that could tell what is hidden, MongoDB computes on the visible part of
those documents alone, which is sent to it.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from pymongo.errors import OperationFailure

from shared import turns
from shared.access.composing import Texts
from shared.access.cutting import Sighting, StoredTrimming, Visible
from shared.access.joins import behind
from shared.access.paging import Page
from shared.access.protocol import Reply
from shared.access.ruled import Ruled, Trims, batch_size, in_parts
from shared.access.stored_keys import Source
from shared.access.trimming import Trimming
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import decoded, identity, pieces, split
from shared.errors import InvalidParameterError, UnavailableError
from shared.mongo import reads
from shared.mongo.clients import SIMPLE
from shared.mongo.deadlines import is_current
from shared.mongo.refusals import translated
from shared.options import Options
from shared.requests import Reading
from shared.rules import field_paths
from shared.rules.field_paths import Uses
from shared.rules.values import Path
from shared.turns import Steps

_ID: Path = ("_id",)


class RuledReads(Ruled):
    """The reads of one collection as the rules open it to one call."""

    async def find(self, reading: Reading, page: Page | None = None) -> Reply:
        """Return the visible documents that match, in the order of the sort; the others do not count."""
        if self.rights.hides_nothing:
            return await self.full.find(reading, page)
        found = await self._texts(reading.asked, reading.most, page)
        return self.full.listed(found.within(reading.most), reading.most, page)

    async def aggregate(self, pipeline: list[Document], page: Page | None = None) -> Reply:
        """Run a pipeline on what is visible of the collection."""
        if self.rights.hides_nothing:
            return await self.full.aggregate(pipeline, page)
        field_paths.refuse_stages(pipeline)
        query, stages = self.rights.query.query, self.rights.readable_stages()
        if stages is not None and not (query and self.compares_otherwise) and await self.is_compared_exactly():
            options = {"collation": SIMPLE} if query else {}
            return await self.full.aggregate([*behind(stages, pipeline), *pipeline], page, **options)
        pipeline = (await self.full.bound(pipeline)).pipeline
        first = pipeline[0].get("$match") if pipeline else None
        condition = field_paths.without(first, self._could_tell) if isinstance(first, dict) else {}
        if self.compares_otherwise:
            condition = field_paths.without_texts(condition)
        found = await self._found(Reading(condition, {}, None, limit=0), StoredTrimming(self.rights), set())
        if page is not None:
            ask = lambda *end: self._computed(found, [*pipeline, *page.stages(*end)])  # noqa: E731
            return await self.full.documents(page.computed(ask), page=page)
        return await self.full.documents(self._computed(found, [*pipeline, reads.LIMIT]), reads.MAX_RESULTS)

    def _could_tell(self, uses: Uses) -> bool:
        """Tell whether stored documents may match less than what is visible of them does."""
        rights = self.rights
        is_partly_hidden = not all(map(rights.is_decided, uses.paths | ({_ID} if uses.compares_id else set())))
        is_missed = any(rights.drops_elements(each) or not rights.always_shows(each) for each in uses.gaps)
        return uses.is_computed or is_partly_hidden or is_missed

    def _asked_of_all(self, reading: Reading) -> tuple[set[Path], bool]:
        """Return the paths that a call uses, and whether what is stored may not be asked for all of them."""
        uses = field_paths.of_filter(reading.filter)
        sorted_by = field_paths.of_sort(dict(reading.sort or ()))
        used = self.required(uses.paths | sorted_by)
        is_tried_once = bool(reading.sort) and is_current()  # a refusal would end the transaction
        is_unsure = self.compares_otherwise or self.is_unsure(uses._replace(gaps=uses.gaps | sorted_by))
        return used, is_tried_once or is_unsure

    async def _sent(self, reading: Reading, shown: Document) -> tuple[Reading, Options]:
        """Return what MongoDB is asked for, and how, where it finds and leaves just what is visible."""
        return reading._replace(filter=await self.condition(reading.filter), projection=shown), self.exact_options

    async def _left_to_mongodb(self, reading: Reading, shown: Document, most: int, page: Page | None) -> Texts:
        """Return what MongoDB finds and leaves of it."""
        sent, options = await self._sent(reading, shown)
        if page is not None:
            return await self.full.texts(page.stored(Source(self.target, self.settings, options), sent))
        return await self.full.texts(reads.find(self.target, sent, self.settings, options=options), most)

    async def _texts(self, reading: Reading, most: int = 0, page: Page | None = None) -> Texts:
        """Return the visible documents, trimmed."""
        field_paths.refuse_projection(reading.projection)
        trimming = Trimming.of(reading.projection, self.rights)
        used, is_unsure = self._asked_of_all(reading)
        if trimming is not None:
            used |= trimming.parts
            self.required(trimming.parts | trimming.sliced)
        if is_unsure:
            return await self._selected(reading, trimming, used, most, page)
        try:
            shown = self._shown_by_mongodb(reading, trimming, used)
            if shown is not None and await self.is_counted_exactly():
                return await self._left_to_mongodb(reading, shown, most, page)
            if trimming is None:
                visible = await self._found(reading, StoredTrimming(self.rights), used, page)
            elif trimming.sent:
                sighted = await self._found(reading, Sighting(self.rights), used, page)
                return await self._matched(sighted, trimming, used)
            else:
                return _each(await self._found(reading, trimming, used, page))
        except OperationFailure as error:
            if not reading.sort or isinstance(translated(error), UnavailableError):
                raise
            return await self._selected(reading, trimming, used, most, page)
        return await self.full.texts(self._computed(visible, [{"$project": reading.projection}]), most)

    def _shown_by_mongodb(self, reading: Reading, trimming: Trimming | None, used: set[Path]) -> Document | None:
        """Return the projection by which MongoDB leaves of what it finds just what is visible; None where rules decide.

        It trusts MongoDB with no more than the stages do that are put in front of a pipeline.
        """
        shown = self.rights.shown_of_each
        if shown is None or trimming is None or not trimming.is_by_name or not self.rights.finds_just_visible(used):
            return None
        return None if shown and reading.projection else shown or reading.projection

    async def _selected(
        self, reading: Reading, trimming: Trimming | None, used: set[Path], most: int, page: Page | None = None
    ) -> Texts:
        """Return, as text, what MongoDB selects of the visible parts."""
        keeps_sent = trimming is not None and bool(trimming.sent)
        visible = await self._selection(reading, used, keeps_sent=keeps_sent, page=page)
        if trimming is None:
            return await self.full.texts(self._computed(visible, [{"$project": reading.projection}]), most)
        if trimming.sent:
            return await self._matched([each.sent for each in visible], trimming, self.asked_of_each(used))
        return await self._projected(b"".join(each.shown for each in visible), trimming)

    async def _selection(
        self, reading: Reading, used: set[Path], *, keeps_sent: bool = False, page: Page | None = None
    ) -> list[Visible]:
        """Return what MongoDB selects of the visible parts, where stored documents may match by what is hidden.

        A sort with a limit would leave those that it finds equal in another order than `_first_visible` does, which
        would tell which of the two it was.
        """
        trims = StoredTrimming(self.rights, keeps_sent=keeps_sent)
        condition = self.asked_of_stored(reading.filter)
        visible = await self._found(Reading(condition, {}, None, limit=0), trims, self.asked_of_each(used))
        stages: list[Document] = [{"$match": reading.filter}]
        stages += [{"$sort": dict(reading.sort)}] if reading.sort else []
        shown = [each.shown for each in visible]
        places = await reads.places(self.target, shown, stages, self.settings, await self.computing())
        if page is not None:
            return await page.selected([visible[place] for place in places])
        return [visible[place] for place in places[reading.skip : reading.end]]

    async def _matched(self, visible: list[bytes], trimming: Trimming, used: set[Path]) -> Texts:
        """Return visible documents with the elements of arrays that MongoDB matches, of these documents alone.

        They are read again with what is matched, and decided on again: they may have changed.
        """
        if self.compares_otherwise:
            raise InvalidParameterError("option 'collation' is not allowed beside $elemMatch in a projection")
        identities = await turns.taken(_identities(visible))
        ids = [decoded(each)["_id"] async for some in in_parts(identities) for each in some]
        sent: dict[bytes | None, bytes] = {}
        reading = Reading(await self.condition({"_id": {"$in": ids}}), trimming.sent, None, limit=0)
        async with aclosing(reads.find(self.target, reading, self.settings, options=self.stored_options)) as batches:
            async for batch in batches:
                sent |= {identity(trimming.root(each)): each for each in split(batch)}
        return _each(await self.seen(trimming, b"".join(sent.get(each, b"") for each in identities), used))

    async def _projected(self, batch: bytes, trimming: Trimming) -> Texts:
        """Return what is visible already of documents, cut to the caller's projection and made text piece by piece."""
        texts: list[bytes] = []
        for piece in pieces(batch, replies.PIECE):
            if texts:
                await asyncio.sleep(0)
            texts += trimming.projected(piece, self.full.form)
        return _each(texts)

    async def _computed(self, visible: list[Visible], stages: list[Document]) -> AsyncGenerator[bytes]:
        """Give what stages make of visible documents."""
        shown, options = [each.shown for each in visible], await self.computing()
        async with aclosing(reads.computed(self.target, shown, stages, self.settings, options)) as made:
            async for batch in made:
                yield batch

    async def _found[T](self, reading: Reading, trims: Trims[T], used: set[Path], page: Page | None = None) -> list[T]:
        """Return what is visible of the documents that match, up to the limit.

        Raise OperationFailure where MongoDB refuses; that may be for a document which is not visible.
        """
        if page is not None:
            sent = reading._replace(filter=await self.condition(reading.filter), projection={})
            look = lambda documents: self.seen_each(trims, b"".join(documents), used)  # noqa: E731
            return await page.seen(Source(self.target, self.settings, self.stored_options), sent, look)
        is_placed = reading.skip or (reading.sort and reading.limit)
        if self.rights.finds_just_visible(used) and (not is_placed or await self.is_counted_exactly()):
            options = self.exact_options if is_placed else self.stored_options
            found = await self._first_found(reading, trims, used, options)
            if found is not None:
                return found
        return await self._first_visible(reading, trims, used)

    async def _first_found[T](
        self, reading: Reading, trims: Trims[T], used: set[Path], options: Options
    ) -> list[T] | None:
        """Return the documents that MongoDB finds up to the limit, None if rules hide one and another is behind it."""
        condition = await self.condition(reading.filter)
        sent = Reading(condition, {}, reading.sort, reading.limit, reading.skip)
        if (reading.limit, reading.skip) == (1, 0):
            raw = await reads.first(self.target, sent, self.settings, options)
            found = [] if raw is None else await self.seen(trims, raw, used)
        else:
            async with aclosing(reads.find(self.target, sent, self.settings, options=options)) as batches:
                found = [each async for batch in batches for each in await self.seen(trims, batch, used)]
        is_cut = trims.hidden and 0 < reading.limit <= len(found) + trims.hidden
        return None if is_cut else found

    async def _first_visible[T](self, reading: Reading, trims: Trims[T], used: set[Path]) -> list[T]:
        """Return the documents that the rules leave of what MongoDB finds, up to the limit."""
        sent = Reading(await self.condition(reading.filter), {}, reading.sort, limit=0)
        at_once = reads.AT_ONCE if reading.end is None else batch_size(reading.end + 1)
        found: list[T] = []
        async with aclosing(reads.find(self.target, sent, self.settings, at_once, self.stored_options)) as batches:
            async for batch in batches:
                found += await self.seen(trims, batch, used)
                if reading.end is not None and len(found) >= reading.end:
                    break
        return found[reading.skip : reading.end]


def _each(texts: list[bytes]) -> Texts:
    return Texts(texts, len(texts))


def _identities(documents: list[bytes]) -> Steps[list[bytes]]:
    found = []
    for each in documents:
        identified = identity(each)
        if identified is None:
            raise InvalidParameterError("projection: $elemMatch needs documents with an _id where rules apply")
        found.append(identified)
        yield
    return found
