"""Writes of one document that return it, under the rules of the app.

They are decided as any other write, and what is returned is what `find` would show of the document, before or after.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared import turns
from shared.access import inserts
from shared.access.cutting import StoredTrimming
from shared.access.protocol import Changes, Reply
from shared.access.ruled import Paths
from shared.access.ruled_inserts import the_same
from shared.access.ruled_reads import RuledReads
from shared.access.ruled_writes import RuledWrites, Update
from shared.access.trimming import Trimming
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.stored import Storable
from shared.mongo.deadlines import Session
from shared.requests import Returned
from shared.rules import field_paths

type _Change = Callable[[Session, Sequence[bytes]], Awaitable[Sequence[bytes]]]
"""Changes or removes the document that was found, and returns the one that is there afterwards."""


class RuledFindAndModify(RuledReads, RuledWrites):
    """The writes of one collection that return a document, as the rules open it to one call."""

    async def find_one_and_update(
        self, condition: Document, changes: Changes, array_filters: Any, returned: Returned, *, upsert: bool
    ) -> Reply:
        """Change the first visible document that matches, and return what is visible of it."""
        update = Update(condition, changes, array_filters, self._touched(changes, array_filters), upsert)
        return await self._find_and_change(update, returned)

    async def find_one_and_replace(
        self, condition: Document, replacement: Storable, returned: Returned, *, upsert: bool
    ) -> Reply:
        """Put another document in the place of the first visible one that matches, and return one of both."""
        return await self._find_and_change(
            Update(condition, inserts.sent(replacement), None, None, upsert, is_replacement=True), returned
        )

    async def find_one_and_delete(self, condition: Document, returned: Returned) -> Reply:
        """Delete the first visible document that matches, and return what was visible of it."""

        async def remove(session: Session, found: Sequence[bytes]) -> Sequence[bytes]:
            await self._remove(session, found)
            return []

        return await self._find_and_modify(condition, returned, remove)

    async def _find_and_change(self, update: Update, returned: Returned) -> Reply:
        async def change(session: Session, found: Sequence[bytes]) -> Sequence[bytes]:
            new = (await self._change(session, found, update)).new
            return [] if new is None else [new]

        return await self._find_and_modify(update.condition, returned, change)

    async def _find_and_modify(self, condition: Document, returned: Returned, change: _Change) -> Reply:
        trimming = self._trimming(returned.projection)
        parts: Paths = () if trimming is None else trimming.parts

        async def work(session: Session) -> Reply:
            found = await self.visible(session, condition, 1, returned.sort, parts)
            texts = [] if returned.is_after else await self._shown(session, found, returned, trimming)
            new = await change(session, found)
            if returned.is_after:
                texts = await self._shown(session, new, returned, trimming)
            return Reply([replies.only_document(texts)], 1 if found or new else 0)

        return await self._transaction(work)

    def _trimming(self, projection: Document) -> Trimming | None:
        """Return how the projection cuts documents, None if it is MongoDB's to compute or nothing is hidden."""
        if self.rights.hides_nothing:
            return None
        field_paths.refuse_projection(projection)
        trimming = Trimming.of(projection, self.rights)
        if trimming is not None:
            self.required(trimming.parts | trimming.sliced)
        return trimming

    async def _shown(
        self, session: Session, documents: Sequence[bytes], returned: Returned, trimming: Trimming | None
    ) -> list[bytes]:
        """Return what is visible of at most one document, as it is now, cut to the projection, as text."""
        if not documents:
            return []
        ids = the_same(documents)
        if self.rights.hides_nothing:
            if returned.projection:
                documents = await self.stored(session, ids, returned.projection)
            found = replies.texts_of_documents(b"".join(documents), self.full.form, self.full.native)
            return (await turns.taken(found))[0]
        sent = None if trimming is None else trimming.sent
        if returned.is_after or sent:  # it may be visible no more
            documents = await self.stored(session, await self.condition(ids), sent)
        batch = b"".join(documents)
        if trimming is None:
            visible = await self.seen(StoredTrimming(self.rights), batch, ()) if batch else []
            return (await self.full.texts(self._computed(visible, [{"$project": returned.projection}])))[0]
        return await self.seen(trimming, batch, trimming.parts) if batch else []
