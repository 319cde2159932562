"""One document under the rules of the app, as it is visible, with its tag."""

from pymongo.errors import OperationFailure

from shared.access.cutting import Cutting
from shared.access.protocol import Reply
from shared.access.ruled_reads import RuledReads
from shared.access.trimming import Trimming
from shared.documents import replies
from shared.errors import UnavailableError
from shared.mongo import reads
from shared.mongo.refusals import translated
from shared.requests import Reading


class RuledFirst(RuledReads):
    """The first document of one collection as the rules open it to one call."""

    async def find_one(self, reading: Reading) -> Reply:
        """Return the first visible document that matches, or null."""
        if self.rights.hides_nothing:
            return await self.full.find_one(reading)
        if not reading.projection:
            return await self.full.one(await self._first_shown(reading))
        texts, documents, _ = await self._texts(reading)
        body = replies.only_document(texts)
        return await self.full.part(body) if documents else Reply([body], 0)

    async def _first_shown(self, reading: Reading) -> bytes | None:
        """Return what is visible of the first document that matches, in the bytes in which it is stored."""
        used, is_unsure = self._asked_of_all(reading)
        if not is_unsure:
            try:
                shown = self._shown_by_mongodb(reading, Trimming.of({}, self.rights), used)
                if shown is not None and await self.is_counted_exactly():
                    sent, options = await self._sent(reading, shown)
                    return await reads.first(self.target, sent, self.settings, options)
                found = await self._found(reading, Cutting(self.rights), used)
                return found[0] if found else None
            except OperationFailure as error:
                if not reading.sort or isinstance(translated(error), UnavailableError):
                    raise
        selected = await self._selection(reading, used)
        return selected[0].shown if selected else None
