"""Everything that MongoDB allows: for system callers, and where a caller's one role allows all of it."""

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument

from shared import turns
from shared.access import inserts
from shared.access.joins import Bound, Joins
from shared.access.protocol import Changes, Reply
from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.elements import has_many
from shared.documents.replies import Format
from shared.documents.stored import Encoded, Storable
from shared.documents.transcoder import Writer
from shared.errors import InvalidParameterError
from shared.guard.joins import written_by
from shared.mongo import reads
from shared.mongo.clients import DATABASE, RAW, SIMPLE, Collection
from shared.mongo.deadlines import left_ms, server_deadline
from shared.options import NO_OPTIONS, Options
from shared.requests import Reading, Returned, Sort
from shared.settings import Settings

MAX_RESULTS = 50_000
LIMIT = {"$limit": MAX_RESULTS}
_FEW = 100  # documents that the driver may encode at once


class FullAccess:
    """One collection, and the format of the replies; every method is one call of the driver."""

    __slots__ = ("_joins", "form", "native", "options", "settings", "target")

    def __init__(
        self,
        target: Collection,
        settings: Settings,
        form: Format,
        native: Writer | None,
        options: Options = NO_OPTIONS,
        joins: Joins | None = None,
    ) -> None:
        """Take the collection whose documents are read as the bytes that MongoDB sends, and what binds its joins.

        `native` is asked first to write a reply of this form, if there is native code.
        """
        self.options = options
        self.target = target
        self.settings = settings
        self.form: Format = form
        self.native = native
        self._joins = joins

    async def find_one(self, reading: Reading) -> Reply:
        found = await reads.first(self.target, reading, self.settings, self.options)
        return Reply([replies.one_document(found, self.form, self.native)], 0 if found is None else 1)

    async def find(self, reading: Reading) -> Reply:
        return await self.documents(reads.find(self.target, reading, self.settings, options=self.options))

    async def aggregate(self, pipeline: list[Document], **options: Any) -> Reply:
        pipeline, is_whole = await self.bound(pipeline)
        options = self.options.command | options
        if not is_whole:
            options["collation"] = SIMPLE
        if written_by(pipeline, "") is None:
            pipeline = [*pipeline, LIMIT]
        if self.target.name == DATABASE:
            return await self.documents(reads.of_database(self.target, pipeline, self.settings, options))
        at_once = min(self.options.batch_size or reads.AT_ONCE, reads.AT_ONCE)
        cursor = await self.target.aggregate_raw_batches(
            pipeline, batchSize=at_once, maxTimeMS=left_ms(self.settings.mongo_db_timeout_ms), **options
        )
        return await self.documents(reads.batches(cursor, self.settings))

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
        most = left_ms(self.settings.mongo_db_timeout_ms)
        return self.counted(await self.target.estimated_document_count(maxTimeMS=most, **self.options.command))

    async def distinct(self, name: str, condition: Document) -> Reply:
        return await self.values(await reads.distinct(self.target, name, condition, self.settings, self.options))

    async def insert_one(self, document: Storable) -> Reply:
        if isinstance(document, Encoded) or has_many(document):
            new = await turns.taken(inserts.encoded(document))
            id_ = new.id
            await self.target.insert_one(RawBSONDocument(new.raw, RAW), **self.options.driver)
        else:
            id_ = (await self.target.insert_one(document, **self.options.driver)).inserted_id
        return Reply([replies.reply({"insertedId": id_}, self.form, self.native)], 1)

    async def insert_many(self, documents: Sequence[Storable]) -> Reply:
        """Insert documents in order, up to the first that fails; without an order all that do not fail."""
        few = documents if len(documents) <= _FEW else ()
        small = [each for each in few if not isinstance(each, Encoded) and not has_many(each)]
        if len(small) == len(documents):
            ids = (await self.target.insert_many(small, **self.options.driver)).inserted_ids
            return Reply([replies.reply({"insertedIds": ids}, self.form, self.native)], len(ids))
        new = await turns.taken(inserts.all_encoded(documents))
        await inserts.insert(self.target, [each.raw for each in new], **self.options.driver)
        return await self.inserted([each.id for each in new])

    async def update_one(
        self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        options = self.options.driver | ({"sort": dict(sort)} if sort else {})
        async with self._deadline():
            result = await self.target.update_one(
                condition, changes, upsert=upsert, array_filters=array_filters, **options
            )
        return self._updated(result.raw_result or {})

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        options = self.options.driver
        async with self._deadline():
            result = await self.target.update_many(
                condition, changes, upsert=upsert, array_filters=array_filters, **options
            )
        return self._updated(result.raw_result or {})

    async def replace_one(
        self, condition: Document, replacement: Storable, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        options = self.options.driver | ({"sort": dict(sort)} if sort else {})
        async with self._deadline():
            result = await self.target.replace_one(condition, inserts.sent(replacement), upsert=upsert, **options)
        return self._updated(result.raw_result or {})

    async def delete_one(self, condition: Document) -> Reply:
        async with self._deadline():
            result = await self.target.delete_one(condition, **self.options.driver)
        return self._deleted(result.deleted_count)

    async def delete_many(self, condition: Document) -> Reply:
        async with self._deadline():
            result = await self.target.delete_many(condition, **self.options.driver)
        return self._deleted(result.deleted_count)

    async def find_one_and_update(
        self, condition: Document, changes: Changes, array_filters: Any, returned: Returned, *, upsert: bool
    ) -> Reply:
        options = {"array_filters": array_filters, "upsert": upsert, "return_document": returned.is_after}
        async with self._deadline():
            found: Any = await self.target.find_one_and_update(
                condition, changes, returned.projection or None, returned.sort, **options, **self.options.command
            )
        return self._returned(found, upsert=upsert)

    async def find_one_and_replace(
        self, condition: Document, replacement: Storable, returned: Returned, *, upsert: bool
    ) -> Reply:
        new = inserts.sent(replacement)
        options: dict[str, Any] = {"upsert": upsert, "return_document": returned.is_after, **self.options.command}
        async with self._deadline():
            found: Any = await self.target.find_one_and_replace(
                condition, new, returned.projection or None, returned.sort, **options
            )
        return self._returned(found, upsert=upsert)

    async def find_one_and_delete(self, condition: Document, returned: Returned) -> Reply:
        async with self._deadline():
            found: Any = await self.target.find_one_and_delete(
                condition, returned.projection or None, returned.sort, **self.options.command
            )
        return self._returned(found)

    def _deadline(self) -> Any:
        return server_deadline(self.target, self.settings.mongo_db_timeout_ms)

    async def documents(self, batches: AsyncIterable[bytes]) -> Reply:
        """Return the reply with all batches."""
        texts, documents = await self.texts(batches)
        return Reply(replies.many_documents(texts), documents)

    async def texts(self, batches: AsyncIterable[bytes]) -> tuple[list[bytes], int]:
        """Return all batches, each made text while MongoDB prepares the next, and how many documents they are."""
        texts: list[bytes] = []
        documents = 0
        async for batch in batches:
            found, count = await turns.taken(replies.texts_of_documents(batch, self.form, self.native))
            texts += found
            documents += count
        return texts, documents

    def counted(self, count: int) -> Reply:
        """Return the reply of a count."""
        return Reply([replies.reply({"count": count}, self.form, self.native)], count)

    async def values(self, array: bytes) -> Reply:
        """Return the reply with the values of an array."""
        texts, count = await turns.taken(replies.texts_of_values(array, self.form))
        return Reply(replies.listed("values", texts), count)

    async def inserted(self, ids: list[Any]) -> Reply:
        """Return the reply of an insertMany."""
        return Reply([await turns.taken(replies.long_reply("insertedIds", ids, self.form, self.native))], len(ids))

    def _returned(self, found: RawBSONDocument | None, *, upsert: bool = False) -> Reply:
        document = None if found is None else bytes(found.raw)
        return Reply([replies.one_document(document, self.form, self.native)], 0 if found is None and not upsert else 1)

    def _updated(self, raw: Mapping[str, Any]) -> Reply:
        """Return the counters of an update, and upsertedId only if a document was inserted, whatever its _id."""
        if "upserted" in raw:
            counts = {"matchedCount": 0, "modifiedCount": 0, "upsertedId": raw["upserted"]}
        else:
            counts = {"matchedCount": raw["n"], "modifiedCount": raw["nModified"]}
        return Reply([replies.reply(counts, self.form, self.native)], raw["n"])

    def _deleted(self, count: int) -> Reply:
        return Reply([replies.reply({"deletedCount": count}, self.form, self.native)], count)
