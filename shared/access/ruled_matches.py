"""Which documents a write means under the rules of the app, found inside its transaction."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.access.ruled import Ruled, batch_size
from shared.access.trimming import Sighting, StoredTrimming, Visible
from shared.documents.ejson import Document
from shared.documents.elements import split
from shared.mongo import reads
from shared.mongo.deadlines import Session
from shared.rules import field_paths

AT_ONCE = 1_000  # documents of a write that are read or changed with one command


class RuledMatches(Ruled):
    """The documents that a condition of a write finds."""

    async def visible(self, session: Session, condition: Document, limit: int | None) -> list[bytes]:
        """Return the stored bytes of the first documents that match and that the caller sees."""
        if self._may_tell(condition):
            return (await self._selected_in(session, condition))[:limit]
        used = set() if self.rights.is_full else self.required(field_paths.of_filter(condition).paths)
        found: list[bytes] = []
        seeing = Sighting(self.rights)
        async with aclosing(self._batches(session, condition, limit or AT_ONCE)) as batches:
            async for batch in batches:
                found += await self.seen(seeing, batch, used)
                if limit is not None and len(found) >= limit:
                    break
        return found[:limit]

    def _may_tell(self, condition: Document) -> bool:
        return not self.rights.is_full and self.is_unsure(field_paths.of_filter(condition))

    async def _selected_in(self, session: Session, condition: Document) -> list[bytes]:
        """Return the documents whose visible parts match, where stored documents may match by what is hidden."""
        used = self.asked_of_each(self.required(field_paths.of_filter(condition).paths))
        trims = StoredTrimming(self.rights, keeps_sent=True)
        found: list[Visible] = []
        asked = field_paths.without(condition, self.is_unsure)
        async with aclosing(self._batches(session, asked, AT_ONCE)) as batches:
            async for batch in batches:
                found += await self.seen(trims, batch, used)
        shown, stages = [each.shown for each in found], [{"$match": condition}]
        places = await reads.places(self.target, shown, stages, self.settings, await self.collation())
        return [found[place].sent for place in places]

    async def _batches(self, session: Session, condition: Document, at_once: int) -> AsyncGenerator[bytes]:
        """Give all that may match and be visible."""
        cursor = self.target.find_raw_batches(
            await self.condition(condition), batch_size=batch_size(at_once), session=session
        )
        async with aclosing(reads.batches(cursor, self.settings)) as batches:
            async for batch in batches:
                yield batch

    async def stored(self, session: Session, condition: Document) -> list[bytes]:
        cursor = self.target.find_raw_batches(condition, session=session)
        batches = reads.batches(cursor, self.settings)
        return [raw async for batch in batches for raw in split(batch)]

    def again(self, ids: Document, condition: Document) -> Document:
        """Return the filter for documents that were found: an update may name the place where its condition matched."""
        return ids if self._may_tell(condition) else {"$and": [ids, condition]}
