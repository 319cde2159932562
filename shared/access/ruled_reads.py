"""Reads under the rules of the app: documents trimmed to what may be read."""

from contextlib import aclosing
from typing import Any

from pymongo.errors import PyMongoError

from shared.access.protocol import Reply
from shared.access.ruled import Ruled, batch_size
from shared.access.trimming import Trimming
from shared.documents import replies
from shared.documents.ejson import Document
from shared.errors import NoRoleError
from shared.mongo import reads
from shared.mongo.reads import Reading
from shared.rules import field_paths
from shared.rules.values import Path

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
        field_paths.refuse_projection(reading.projection)
        trimming = Trimming.of(reading.projection, self.rights)
        used = self.filter_paths(reading.filter) | field_paths.of_sort(dict(reading.sort or ()))
        used = self.required(used) | trimming.parts
        self.required(trimming.parts | trimming.sliced)
        if self.rights.finds_just_visible(used) and (not reading.skip or await self._is_compared_exactly()):
            found = await self._first_found(reading, trimming, used)
            if found is not None:
                return found
        return await self._first_visible(reading, trimming, used)

    async def _first_found(self, reading: Reading, trimming: Trimming, used: set[Path]) -> list[dict[str, Any]] | None:
        """Return the documents that MongoDB finds up to the limit, None if rules hide one and another is behind it."""
        condition = self.condition(reading.filter)
        sent = Reading(condition, trimming.sent, reading.sort, reading.limit, reading.skip)
        if (reading.limit, reading.skip) == (1, 0):
            raw = await reads.first(self.target, sent, self.settings)
            found = [] if raw is None else list(trimming.visible(raw, used, self.full.form))
        else:
            async with aclosing(reads.find(self.target, sent, self.settings)) as batches:
                found = [each async for batch in batches for each in trimming.visible(batch, used, self.full.form)]
        is_cut = trimming.hidden and 0 < reading.limit <= len(found) + trimming.hidden
        return None if is_cut else found

    async def _first_visible(self, reading: Reading, trimming: Trimming, used: set[Path]) -> list[dict[str, Any]]:
        """Return the documents that the rules leave of what MongoDB finds, up to the limit."""
        sent = Reading(self.condition(reading.filter), trimming.sent, reading.sort, limit=0)
        at_once = 0 if reading.end is None else batch_size(reading.end + 1)
        found: list[dict[str, Any]] = []
        async with aclosing(reads.find(self.target, sent, self.settings, at_once)) as batches:
            async for batch in batches:
                found += trimming.visible(batch, used, self.full.form)
                if reading.end is not None and len(found) >= reading.end:
                    break
        return found[reading.skip : reading.end]

    async def _is_compared_exactly(self) -> bool:
        """Tell whether MongoDB compares texts of the collection as rules do, so that it may skip what they show."""
        if not self.rights.query.query:
            return True
        try:
            return "collation" not in await self.target.options()
        except PyMongoError:  # it may not say so to this deployment, or not now: the read will say what is wrong
            return False
