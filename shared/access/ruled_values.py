"""What a call counts, and which values it finds, under the rules of the app: what is visible, and nothing else."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared import turns
from shared.access.cutting import Cutting, Tally
from shared.access.protocol import Reply
from shared.access.ruled_reads import RuledReads
from shared.documents.distinct import DistinctValues
from shared.documents.ejson import Document
from shared.errors import InvalidParameterError
from shared.mongo import reads
from shared.mongo.clients import SIMPLE
from shared.requests import Reading
from shared.rules import field_paths
from shared.rules.values import Path, path

_MOST_VALUES = 16 * 1024 * 1024 - 64 * 1024  # bytes, which MongoDB's own `distinct` cannot exceed either


class RuledValues(RuledReads):
    """The counts and values of one collection as the rules open it to one call."""

    async def count_documents(self, reading: Reading) -> Reply:
        """Return how many documents `find` would show."""
        if self.rights.hides_nothing:
            return await self.full.count_documents(reading)
        uses = field_paths.of_filter(reading.filter)
        used = self.required(uses.paths)
        if self.compares_otherwise or self.is_unsure(uses):
            return self.full.counted(len(await self._selection(reading, used)))
        if await self.is_found_exactly(used):
            asked = reading._replace(filter=await self.condition(reading.filter))
            return self.full.counted(await reads.count(self.target, asked, self.settings, self.exact_options))
        return self.full.counted(len(await self._first_visible(reading, Tally(self.rights), used)))

    async def estimated_document_count(self) -> Reply:
        """Return what the metadata say where the caller may know it, else how many documents are visible."""
        if self.rights.hides_nothing:
            return await self.full.estimated_document_count()
        return await self.count_documents(Reading({}, {}, None, limit=0))

    async def distinct(self, name: str, condition: Document) -> Reply:
        """Return the values of a field in what `find` would show, where a hidden field is missing."""
        if self.rights.hides_nothing:
            return await self.full.distinct(name, condition)
        uses = field_paths.of_filter(condition)
        used, is_unsure = self.required(uses.paths), self.compares_otherwise or self.is_unsure(uses)
        # a name that has dots itself is MongoDB's first choice
        is_shown = all(map(self.rights.always_shows, (path(name)[:1], (name,))))
        if is_shown and not is_unsure and await self.is_found_exactly(used):
            asked = await self.condition(condition)
            found = await reads.distinct(self.target, name, asked, self.settings, self.exact_options)
            return await self.full.values(found)
        values = DistinctValues(name)
        async for shown in self._parts(condition, used, is_unsure=is_unsure):
            await turns.taken(values.add(shown))
            if values.size > _MOST_VALUES:
                raise InvalidParameterError("distinct: the values exceed 16 MB: narrow the filter")
        return await self.full.values(await self._distinct(values))

    async def shown(self, most: int) -> list[bytes]:
        """Return what is visible of the first documents of which something is, up to so many."""
        return await self._found(Reading({}, {}, None, limit=most), Cutting(self.rights), set())

    async def _parts(self, condition: Document, used: set[Path], *, is_unsure: bool) -> AsyncGenerator[bytes]:
        """Give what is visible of all documents that match."""
        reading = Reading(condition, {}, None, limit=0)
        if is_unsure:
            for each in await self._selection(reading, used):
                yield each.shown
            return
        sent, cutting = reading._replace(filter=await self.condition(condition)), Cutting(self.rights)
        async with aclosing(reads.find(self.target, sent, self.settings, options=self.stored_options)) as batches:
            async for batch in batches:
                for shown in await self.seen(cutting, batch, used):
                    yield shown

    async def _distinct(self, values: DistinctValues) -> bytes:
        """Return the array of values of which MongoDB finds no two equal."""
        array = values.array()
        if await self.collation() == SIMPLE and not values.may_be_equal:
            return array
        return await reads.distinct_of(self.target, array, self.settings, await self.computing())
