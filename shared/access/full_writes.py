"""The writes that MongoDB allows, each as one call of the driver."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from bson.raw_bson import RawBSONDocument

from shared import turns
from shared.access import inserts
from shared.access.composing import Composing
from shared.access.joins import Joins
from shared.access.protocol import Changes, Reply, Wanted
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import has_many, identity, valued
from shared.documents.stored import Encoded, Storable
from shared.documents.transcoder import Writer
from shared.errors import InvalidParameterError
from shared.mongo import reads
from shared.mongo.clients import RAW, Collection
from shared.mongo.deadlines import server_deadline
from shared.mongo.outcomes import scan_guard_of
from shared.options import NO_OPTIONS, Options
from shared.requests import Reading, Returned, Sort
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.mongo.scans import ScanGuard

_OF_FINDING = frozenset({"comment", "hint", "let"})
_FEW = 100  # documents that the driver may encode at once


class FullWrites(Composing):
    """One collection, and what a call wants of it."""

    __slots__ = ("_joins", "options", "settings", "target")

    def __init__(
        self,
        target: Collection,
        settings: Settings,
        wanted: Wanted,
        native: Writer | None,
        options: Options = NO_OPTIONS,
        joins: Joins | None = None,
    ) -> None:
        """Take the collection whose documents are read as the bytes that MongoDB sends, and what binds its joins."""
        super().__init__(wanted, native)
        self.options = options
        self.target = target
        self.settings = settings
        self._joins = joins

    async def insert_one(self, document: Storable) -> Reply:
        if isinstance(document, Encoded) or has_many(document):
            new = await turns.taken(inserts.encoded(document))
            id_ = new.id
            await self.target.insert_one(RawBSONDocument(new.raw, RAW), **self.options.driver)
        else:
            id_ = (await self.target.insert_one(document, **self.options.driver)).inserted_id
        return self.reply({"insertedId": id_}, 1)

    async def insert_many(self, documents: Sequence[Storable]) -> Reply:
        """Insert documents in order, up to the first that fails; without an order all that do not fail."""
        few = documents if len(documents) <= _FEW else ()
        small = [each for each in few if not isinstance(each, Encoded) and not has_many(each)]
        if len(small) == len(documents):
            ids = (await self.target.insert_many(small, **self.options.driver)).inserted_ids
            return self.reply({"insertedIds": ids}, len(ids))
        new = await turns.taken(inserts.all_encoded(documents))
        await inserts.insert(self.target, [each.raw for each in new], **self.options.driver)
        return await self.inserted([each.id for each in new])

    async def update_one(
        self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        options: dict[str, Any] = self.options.driver | ({"sort": dict(sort)} if sort else {})
        async with self._finding(condition, sort):
            condition = await self._met(condition, sort)
            result = await self.target.update_one(
                condition, changes, upsert=upsert, array_filters=array_filters, **options
            )
        return self._updated(result.raw_result or {})

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        options = self.options.driver
        async with self._finding(condition):
            result = await self.target.update_many(
                condition, changes, upsert=upsert, array_filters=array_filters, **options
            )
        return self._updated(result.raw_result or {})

    async def replace_one(
        self, condition: Document, replacement: Storable, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        options: dict[str, Any] = self.options.driver | ({"sort": dict(sort)} if sort else {})
        async with self._finding(condition, sort):
            condition = await self._met(condition, sort)
            result = await self.target.replace_one(condition, inserts.sent(replacement), upsert=upsert, **options)
        return self._updated(result.raw_result or {})

    async def delete_one(self, condition: Document) -> Reply:
        async with self._finding(condition):
            condition = await self._met(condition)
            result = await self.target.delete_one(condition, **self.options.driver)
        return self._deleted(result.deleted_count)

    async def delete_many(self, condition: Document) -> Reply:
        async with self._finding(condition):
            result = await self.target.delete_many(condition, **self.options.driver)
        return self._deleted(result.deleted_count)

    async def find_one_and_update(
        self, condition: Document, changes: Changes, array_filters: Any, returned: Returned, *, upsert: bool
    ) -> Reply:
        options = {"array_filters": array_filters, "upsert": upsert, "return_document": returned.is_after}
        async with self._finding(condition, returned.sort):
            condition = await self._met(condition, returned.sort)
            found: Any = await self.target.find_one_and_update(
                condition, changes, returned.projection or None, returned.sort, **options, **self.options.command
            )
        return self._returned(found, upsert=upsert)

    async def find_one_and_replace(
        self, condition: Document, replacement: Storable, returned: Returned, *, upsert: bool
    ) -> Reply:
        new = inserts.sent(replacement)
        options: dict[str, Any] = {"upsert": upsert, "return_document": returned.is_after, **self.options.command}
        async with self._finding(condition, returned.sort):
            condition = await self._met(condition, returned.sort)
            found: Any = await self.target.find_one_and_replace(
                condition, new, returned.projection or None, returned.sort, **options
            )
        return self._returned(found, upsert=upsert)

    async def find_one_and_delete(self, condition: Document, returned: Returned) -> Reply:
        async with self._finding(condition, returned.sort):
            condition = await self._met(condition, returned.sort)
            found: Any = await self.target.find_one_and_delete(
                condition, returned.projection or None, returned.sort, **self.options.command
            )
        return self._returned(found)

    def _finding(self, condition: Document, sort: Sort = None) -> AbstractAsyncContextManager[None]:
        """Write what a condition finds, in time; raise ScanRefusedError if it has to have an index."""
        deadline = server_deadline(self.target, self.settings.mongo_db_timeout_ms)
        guard = scan_guard_of(self.target, self.settings)
        if guard is None:
            return deadline
        return self._looked_at(guard, self.question(condition, sort, self.options), deadline)

    @asynccontextmanager
    async def _looked_at(
        self, guard: "ScanGuard", question: Document, deadline: AbstractAsyncContextManager[None]
    ) -> AsyncIterator[None]:
        await guard.look(self.target, question)
        async with deadline:
            yield

    def question(self, condition: Document, sort: Sort, options: Options) -> Document:
        """Return the find of what a write finds."""
        sorted_by = {"sort": dict(sort)} if sort else {}
        return {"find": self.target.name, "filter": condition, **sorted_by, **options.command}

    async def _met(self, condition: Document, sort: Sort = None) -> Document:
        """Return the condition of the one document that a write meets, where it expects one; raise for another."""
        expected = self.wanted.expected
        if expected is None:
            return condition
        if self.options.collation is not None:  # by which several documents may have one _id
            raise InvalidParameterError("option 'collation' is not allowed beside If-Match")
        options = Options({name: value for name, value in self.options.given.items() if name in _OF_FINDING})
        found = await reads.first(self.target, Reading(condition, {}, sort), self.settings, options)
        expected.refuse_other(found)
        identified = None if found is None else identity(found)
        if identified is None:
            return condition
        return {"$and": [condition, {"_id": RawBSONDocument(valued("$eq", identified))}]}  # in its very bytes

    def _returned(self, found: RawBSONDocument | None, *, upsert: bool = False) -> Reply:
        document = None if found is None else bytes(found.raw)
        return Reply([replies.one_document(document, self.form, self.native)], 0 if found is None and not upsert else 1)

    def _updated(self, raw: Mapping[str, Any]) -> Reply:
        """Return the counters of an update, and upsertedId only if a document was inserted, whatever its _id."""
        if "upserted" in raw:
            counts = {"matchedCount": 0, "modifiedCount": 0, "upsertedId": raw["upserted"]}
        else:
            counts = {"matchedCount": raw["n"], "modifiedCount": raw["nModified"]}
        return self.reply(counts, raw["n"])

    def _deleted(self, count: int) -> Reply:
        return self.reply({"deletedCount": count}, count)
