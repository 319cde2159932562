"""Reads under the rules of the app: documents trimmed to what may be read."""

from contextlib import aclosing
from typing import Any

from shared.access.protocol import Reply
from shared.access.ruled import Ruled, batch_size
from shared.access.trimming import Trimming
from shared.documents import replies
from shared.documents.ejson import Document
from shared.errors import NoRoleError
from shared.mongo import reads
from shared.mongo.reads import Reading
from shared.rules import field_paths

_SIMPLE = {"locale": "simple"}  # rules compare texts as they are, whatever the collection's own collation


class RuledReads(Ruled):
    """The reads of one collection as the rules open it to one call."""

    async def find_one(self, reading: Reading) -> Reply:
        """Return the first visible document that matches, or null."""
        if self.rights.is_full:
            return await self.full.find_one(reading)
        found = await self._found(reading)
        return Reply(replies.rendered_document(found[0] if found else None), min(len(found), 1))

    async def find(self, reading: Reading) -> Reply:
        """Return the visible documents that match, in the order of the sort; the others do not count."""
        if self.rights.is_full:
            return await self.full.find(reading)
        found = await self._found(reading)
        return Reply(replies.rendered_documents(found), len(found))

    async def aggregate(self, pipeline: list[Document]) -> Reply:
        """Run a pipeline on what stages can make of the collection for this caller; refuse if they cannot."""
        if self.rights.is_full:
            return await self.full.aggregate(pipeline)
        field_paths.refuse_stages(pipeline)
        stages = self.rights.readable_stages()
        if stages is None:
            raise NoRoleError("aggregate cannot be used with the rules of this collection: use find").because(
                "the rules cannot be written as stages of a pipeline"
            )
        return await self.full.aggregate([*stages, *pipeline], collation=_SIMPLE)

    async def _found(self, reading: Reading) -> list[dict[str, Any]]:
        """Return the visible documents, rendered and trimmed."""
        trimming = Trimming.of(reading.projection, self.rights)
        used = self.filter_paths(reading.filter) | field_paths.of_sort(dict(reading.sort or ()))
        used = self.required(used) | trimming.parts
        self.required(trimming.parts | trimming.sliced)
        is_exact = self.rights.finds_just_visible(used)
        sent = Reading(
            self.condition(reading.filter),
            trimming.sent,
            reading.sort,
            limit=reading.limit if is_exact else 0,
            skip=reading.skip if is_exact else 0,
        )
        if is_exact and (reading.limit, reading.skip) == (1, 0):
            raw = await reads.first(self.target, sent, self.settings)
            return [] if raw is None else list(trimming.visible(raw, used, self.full.form))
        at_once = 0 if is_exact or reading.end is None else batch_size(reading.end + 1)
        start, end = (0, None) if is_exact else (reading.skip, reading.end)
        found: list[dict[str, Any]] = []
        async with aclosing(reads.find(self.target, sent, self.settings, at_once)) as batches:
            async for batch in batches:
                found += trimming.visible(batch, used, self.full.form)
                if end is not None and len(found) >= end:
                    break
        return found[start:end]
