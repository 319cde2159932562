"""Everything that MongoDB allows: for system callers, and where a caller's one role allows all of it."""

from functools import partial
from typing import Any

from shared.access.full_writes import FullWrites
from shared.access.joins import Bound
from shared.access.paging import Page
from shared.access.protocol import Reply
from shared.access.stored_keys import Source
from shared.documents.ejson import Document
from shared.errors import InvalidParameterError
from shared.guard.joins import written_by
from shared.mongo import reads
from shared.mongo.clients import DATABASE, SIMPLE
from shared.mongo.deadlines import is_current, left_ms
from shared.requests import Reading

_OF_PARTS = frozenset({"returnKey", "showRecordId"})  # with which a document comes otherwise than it is stored


class FullAccess(FullWrites):
    """One collection, and the format of the replies; every method is one call of the driver."""

    __slots__ = ()

    async def find_one(self, reading: Reading) -> Reply:
        found = await reads.first(self.target, reading, self.settings, self.options)
        is_whole = not reading.projection and self.options.given.keys().isdisjoint(_OF_PARTS)
        return await self.one(found, is_whole=is_whole)

    async def find(self, reading: Reading, page: Page | None = None) -> Reply:
        if page is not None:
            found = page.stored(Source(self.target, self.settings, self.options), reading)
            return await self.documents(found, page=page)
        found = reads.find(self.target, reading.asked, self.settings, options=self.options)
        return await self.documents(found, reading.most)

    async def aggregate(self, pipeline: list[Document], page: Page | None = None, **options: Any) -> Reply:
        pipeline, is_whole = await self.bound(pipeline)
        options = self.options.command | options
        if not is_whole or page is not None:  # there is a page only where the collection has it, too
            options["collation"] = SIMPLE
        run = partial(reads.aggregated, self.target, self.settings, options, self.options.batch_size)
        if page is not None:
            made = page.computed(lambda *end: run([*pipeline, *page.stages(*end)]))
            return await self.documents(made, page=page)
        if written_by(pipeline, "") is None:
            pipeline = [*pipeline, reads.LIMIT]
        if self.target.name == DATABASE:
            made = reads.of_database(self.target, pipeline, self.settings, options)
            return await self.documents(made, reads.MAX_RESULTS)
        return await self.documents(run(pipeline), reads.MAX_RESULTS)

    async def bound(self, pipeline: list[Document]) -> Bound:
        """Return a pipeline whose joins are bound by the rules; raise NoRoleError for one that they do not open."""
        if self._joins is None:
            return Bound(pipeline, is_whole=True)
        bound = await self._joins.bound(pipeline)
        if not bound.is_whole and self.options.collation not in (None, SIMPLE):
            raise InvalidParameterError("option 'collation' is not allowed where rules cut what a stage joins")
        return bound

    async def count_documents(self, reading: Reading) -> Reply:
        return self.counted(await reads.count(self.target, reading, self.settings, self.options))

    async def estimated_document_count(self) -> Reply:
        if is_current():  # MongoDB does not read metadata in a transaction
            return await self.count_documents(Reading({}, {}, None, limit=0))
        most = left_ms(self.settings.mongo_db_timeout_ms)
        return self.counted(await self.target.estimated_document_count(maxTimeMS=most, **self.options.command))

    async def distinct(self, name: str, condition: Document) -> Reply:
        return await self.values(await reads.distinct(self.target, name, condition, self.settings, self.options))
