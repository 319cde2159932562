"""Which documents a write means under the rules of the app, found inside its transaction."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.access.cutting import Cutting, Sighting, StoredTrimming, Visible
from shared.access.ruled import Paths, Ruled, batch_size
from shared.documents.ejson import Document
from shared.mongo import reads
from shared.mongo.deadlines import Session
from shared.mongo.outcomes import scan_guard_of
from shared.requests import Sort
from shared.rules import field_paths
from shared.rules.values import Path, has_number

AT_ONCE = 1_000  # documents of a write that are read or changed with one command


class RuledMatches(Ruled):
    """The documents that a condition of a write finds."""

    async def visible(
        self, session: Session, condition: Document, limit: int | None, sort: Sort = None, parts: Paths = ()
    ) -> list[bytes]:
        """Return the stored bytes of the first documents that match and that the caller sees.

        `parts` are paths that must be readable, too. Raise PreconditionFailedError if the call expects another.
        """
        found = await self._visible(session, condition, limit, sort, parts)
        expected = self.full.wanted.expected
        if expected is not None:
            shown = await self.seen_each(Cutting(self.rights), b"".join(found), ()) if found else []
            expected.refuse_other(next(iter(shown), None))
        return found

    async def _visible(
        self, session: Session, condition: Document, limit: int | None, sort: Sort, parts: Paths
    ) -> list[bytes]:
        used: set[Path] = set()
        if not self.rights.is_full:
            uses, sorted_by = field_paths.of_filter(condition), field_paths.of_sort(dict(sort or ()))
            used = self.required(uses.paths | sorted_by | set(parts))
            is_unsure = self.compares_otherwise or self.is_unsure(uses._replace(gaps=uses.gaps | sorted_by))
            may_fail = any(map(has_number, sorted_by)) or not await self.is_found_exactly(used) if sort else False
            if is_unsure or may_fail:
                return (await self._selected_in(session, condition, sort, used))[:limit]
        found: list[bytes] = []
        seeing = Sighting(self.rights)
        async with aclosing(self._batches(session, condition, limit or AT_ONCE, sort)) as batches:
            async for batch in batches:
                found += await self.seen(seeing, batch, used)
                if limit is not None and len(found) >= limit:
                    break
        return found[:limit]

    async def _selected_in(self, session: Session, condition: Document, sort: Sort, used: set[Path]) -> list[bytes]:
        """Return the documents whose visible parts match, where stored documents may match by what is hidden.

        A sort by MongoDB may fail on a document that is not visible, which would end the transaction, or at a number
        in a path, with a text that shows what is hidden beside it.
        """
        trims = StoredTrimming(self.rights, keeps_sent=True)
        found: list[Visible] = []
        asked = self.asked_of_stored(condition)
        async with aclosing(self._batches(session, asked, AT_ONCE)) as batches:
            async for batch in batches:
                found += await self.seen(trims, batch, self.asked_of_each(used))
        stages: list[Document] = [{"$match": condition}]
        stages += [{"$sort": dict(sort)}] if sort else []
        shown = [each.shown for each in found]
        places = await reads.places(self.target, shown, stages, self.settings, await self.computing())
        return [found[place].sent for place in places]

    async def _batches(
        self, session: Session, condition: Document, at_once: int, sort: Sort = None
    ) -> AsyncGenerator[bytes]:
        """Give all that may match and be visible."""
        condition = await self.condition(condition)
        options = self.stored_options.only("collation", "comment", "hint", "let")
        if (guard := scan_guard_of(self.target, self.settings)) is not None:
            sorted_by = {"sort": dict(sort)} if sort else {}
            await guard.look(self.target, {"find": self.target.name, "filter": condition, **sorted_by, **options})
        cursor = self.target.find_raw_batches(
            condition, sort=sort, batch_size=batch_size(at_once), session=session, **options
        )
        async with aclosing(reads.batches(cursor, self.settings)) as batches:
            async for batch in batches:
                yield batch

    def _may_tell(self, condition: Document) -> bool:
        return not self.rights.is_full and self.is_unsure(field_paths.of_filter(condition))

    def again(self, ids: Document, condition: Document) -> Document:
        """Return the filter for documents that were found: an update may name the place where its condition matched."""
        is_other = self._may_tell(condition) or self.full.options.collation is not None
        return ids if is_other else {"$and": [ids, condition]}
