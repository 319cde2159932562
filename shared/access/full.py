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
from shared.mongo import reads
from shared.mongo.clients import RAW, SIMPLE, Collection
from shared.mongo.deadlines import left_ms, server_deadline
from shared.requests import Reading
from shared.settings import Settings

MAX_RESULTS = 50_000
LIMIT = {"$limit": MAX_RESULTS}
_FEW = 100  # documents that the driver may encode at once


class FullAccess:
    """One collection, and the format of the replies; every method is one call of the driver."""

    __slots__ = ("_joins", "form", "native", "settings", "target")

    def __init__(
        self,
        target: Collection,
        settings: Settings,
        form: Format,
        native: Writer | None,
        joins: Joins | None = None,
    ) -> None:
        """Take the collection whose documents are read as the bytes that MongoDB sends, and what binds its joins.

        `native` is asked first to write a reply of this form, if there is native code.
        """
        self.target = target
        self.settings = settings
        self.form: Format = form
        self.native = native
        self._joins = joins

    async def find_one(self, reading: Reading) -> Reply:
        found = await reads.first(self.target, reading, self.settings)
        return Reply([replies.one_document(found, self.form, self.native)], 0 if found is None else 1)

    async def find(self, reading: Reading) -> Reply:
        return await self.documents(reads.find(self.target, reading, self.settings))

    async def aggregate(self, pipeline: list[Document], **options: Any) -> Reply:
        pipeline, is_whole = await self.bound(pipeline)
        if not is_whole:
            options["collation"] = SIMPLE
        cursor = await self.target.aggregate_raw_batches(
            [*pipeline, LIMIT], batchSize=reads.AT_ONCE, maxTimeMS=left_ms(self.settings.mongo_db_timeout_ms), **options
        )
        return await self.documents(reads.batches(cursor, self.settings))

    async def bound(self, pipeline: list[Document]) -> Bound:
        """Return a pipeline whose joins are bound by the rules; raise NoRoleError for one that they do not open."""
        return Bound(pipeline, is_whole=True) if self._joins is None else await self._joins.bound(pipeline)

    async def insert_one(self, document: Storable) -> Reply:
        if isinstance(document, Encoded) or has_many(document):
            new = await turns.taken(inserts.encoded(document))
            id_ = new.id
            await self.target.insert_one(RawBSONDocument(new.raw, RAW))
        else:
            id_ = (await self.target.insert_one(document)).inserted_id
        return self.reply({"insertedId": id_}, 1)

    async def insert_many(self, documents: Sequence[Storable]) -> Reply:
        """Insert documents in order, up to the first that fails."""
        few = documents if len(documents) <= _FEW else ()
        small = [each for each in few if not isinstance(each, Encoded) and not has_many(each)]
        if len(small) == len(documents):
            ids = (await self.target.insert_many(small)).inserted_ids
            return self.reply({"insertedIds": ids}, len(ids))
        new = await turns.taken(inserts.all_encoded(documents))
        await inserts.insert(self.target, [each.raw for each in new])
        return await self.inserted([each.id for each in new])

    async def update_one(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        async with self._deadline():
            result = await self.target.update_one(condition, changes, upsert=upsert, array_filters=array_filters)
        return self._updated(result.raw_result or {})

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        async with self._deadline():
            result = await self.target.update_many(condition, changes, upsert=upsert, array_filters=array_filters)
        return self._updated(result.raw_result or {})

    async def replace_one(self, condition: Document, replacement: Storable, *, upsert: bool) -> Reply:
        async with self._deadline():
            result = await self.target.replace_one(condition, inserts.sent(replacement), upsert=upsert)
        return self._updated(result.raw_result or {})

    async def delete_one(self, condition: Document) -> Reply:
        async with self._deadline():
            result = await self.target.delete_one(condition)
        return self._deleted(result.deleted_count)

    async def delete_many(self, condition: Document) -> Reply:
        async with self._deadline():
            result = await self.target.delete_many(condition)
        return self._deleted(result.deleted_count)

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

    async def inserted(self, ids: list[Any]) -> Reply:
        """Return the reply of an insertMany."""
        text = await turns.taken(replies.long_reply("insertedIds", ids, self.form, self.native))
        return Reply([text], len(ids), {"insertedIds": ids})

    def reply(self, members: Mapping[str, Any], documents: int) -> Reply:
        """Return a reply made of values."""
        return Reply([replies.reply(members, self.form, self.native)], documents, members)

    def _updated(self, raw: Mapping[str, Any]) -> Reply:
        """Return the counters of an update, and upsertedId only if a document was inserted, whatever its _id."""
        if "upserted" in raw:
            counts = {"matchedCount": 0, "modifiedCount": 0, "upsertedId": raw["upserted"]}
        else:
            counts = {"matchedCount": raw["n"], "modifiedCount": raw["nModified"]}
        return self.reply(counts, raw["n"])

    def _deleted(self, count: int) -> Reply:
        return self.reply({"deletedCount": count}, count)
