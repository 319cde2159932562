"""Everything that MongoDB allows: for system callers, and where a caller's one role allows all of it."""

from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any

from shared.documents import replies
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.mongo import clients as mongo
from shared.mongo import reads
from shared.mongo.clients import Collection
from shared.mongo.reads import Reading
from shared.settings import Settings

MAX_RESULTS = 50_000

type Changes = Document | list[Document]


class FullAccess:
    """One collection, and how a call wants its reply; every method is one call of the driver."""

    __slots__ = ("_refuse_joins", "documents", "form", "settings", "target")

    def __init__(
        self, target: Collection, given: Settings, form: Format, refuse_joins: Callable[[list[Document]], None] | None
    ) -> None:
        """Take the collection whose documents are read as the bytes that MongoDB sends.

        `refuse_joins` raises for a pipeline that reads another collection which the caller may not read all of.
        """
        self.target = target
        self._refuse_joins = refuse_joins
        self.settings = given
        self.form: Format = form
        self.documents: int | None = None
        """How many a call read, inserted, matched or deleted, for the log."""

    async def find_one(self, reading: Reading) -> bytes:
        """Return the first document that matches, or null."""
        found = await reads.first(self.target, reading, self.settings)
        self.documents = 0 if found is None else 1
        return replies.one_document(found, self.form)

    async def find(self, reading: Reading) -> bytes:
        """Return the documents that match, in the order asked for."""
        return await self._documents(reads.find(self.target, reading, self.settings))

    async def aggregate(self, pipeline: list[Document], **options: Any) -> bytes:
        """Run a pipeline and return what comes out, cut off at the cap."""
        self.refuse_joins(pipeline)
        cursor = await self.target.aggregate_raw_batches(
            [*pipeline, {"$limit": MAX_RESULTS}], maxTimeMS=self.settings.mongo_db_timeout_ms, **options
        )
        return await self._documents(reads.batches(cursor, self.settings))

    def refuse_joins(self, pipeline: list[Document]) -> None:
        """Raise for a pipeline that reads another collection which the caller may not read all of."""
        if self._refuse_joins is not None:
            self._refuse_joins(pipeline)

    async def insert_one(self, document: Document) -> bytes:
        """Insert a document and return its _id, made here if it brought none."""
        result = await self.target.insert_one(document)
        self.documents = 1
        return replies.reply({"insertedId": result.inserted_id}, self.form)

    async def insert_many(self, documents: list[Document]) -> bytes:
        """Insert documents in order, up to the first that fails, and return their _ids."""
        result = await self.target.insert_many(documents)
        self.documents = len(result.inserted_ids)
        return replies.reply({"insertedIds": result.inserted_ids}, self.form)

    async def update_one(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> bytes:
        """Change the first document that matches."""
        async with mongo.server_deadline(self.target):
            result = await self.target.update_one(condition, changes, upsert=upsert, array_filters=array_filters)
        return self._updated(result.raw_result or {})

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> bytes:
        """Change all documents that match."""
        async with mongo.server_deadline(self.target):
            result = await self.target.update_many(condition, changes, upsert=upsert, array_filters=array_filters)
        return self._updated(result.raw_result or {})

    async def replace_one(self, condition: Document, replacement: Document, *, upsert: bool) -> bytes:
        """Put another document in the place of the first that matches; its _id stays."""
        async with mongo.server_deadline(self.target):
            result = await self.target.replace_one(condition, replacement, upsert=upsert)
        return self._updated(result.raw_result or {})

    async def delete_one(self, condition: Document) -> bytes:
        """Delete the first document that matches."""
        async with mongo.server_deadline(self.target):
            result = await self.target.delete_one(condition)
        self.documents = result.deleted_count
        return replies.reply({"deletedCount": result.deleted_count}, self.form)

    async def delete_many(self, condition: Document) -> bytes:
        """Delete all documents that match."""
        async with mongo.server_deadline(self.target):
            result = await self.target.delete_many(condition)
        self.documents = result.deleted_count
        return replies.reply({"deletedCount": result.deleted_count}, self.form)

    async def _documents(self, batches: AsyncIterable[bytes]) -> bytes:
        """Return the reply with all batches, each made text while MongoDB prepares the next."""
        texts: list[bytes] = []
        self.documents = 0
        async for batch in batches:
            text, count = replies.batch_of_documents(batch, self.form)
            texts.append(text)
            self.documents += count
        return replies.many_documents(texts)

    def _updated(self, raw: Mapping[str, Any]) -> bytes:
        """Return the counters of an update, and upsertedId only if a document was inserted, whatever its _id."""
        self.documents = raw["n"]
        if "upserted" in raw:
            counts = {"matchedCount": 0, "modifiedCount": 0, "upsertedId": raw["upserted"]}
        else:
            counts = {"matchedCount": raw["n"], "modifiedCount": raw["nModified"]}
        return replies.reply(counts, self.form)
