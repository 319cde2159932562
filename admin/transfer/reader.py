"""The documents of a collection in the order of _id, each once, over lost connections and from where one stopped."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from bson.max_key import MaxKey
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from admin.namespace import RAW, RawCollection
from admin.transfer.retries import wait_or_raise
from shared.documents import elements

_BATCH_SECONDS = 600  # a filter that matches little may read long; a server that is gone is noticed much sooner


class CollectionReader:
    """Reads a collection at a moment (None: what a majority has now), behind the document of the identity `last`."""

    def __init__(
        self,
        collection: RawCollection,
        query: Mapping[str, Any],
        projection: Mapping[str, Any],
        at: Timestamp | None,
        last: bytes | None,
    ) -> None:
        self._collection = collection
        self._query = query
        self._projection = projection
        self._at = at
        self._last = last
        self._returned: bytes | None = None

    @property
    def last(self) -> bytes | None:
        """The identity of the last document that was returned, also by an earlier process."""
        return self._last if self._returned is None else elements.identity(self._returned)

    async def documents(self) -> AsyncGenerator[bytes]:
        """Yield the documents that come after the last one; try again when the connection is lost."""
        failures = 0
        while True:
            try:
                async with aclosing(self._after(self.last)) as found:
                    async for document in found:
                        self._returned = document
                        failures = 0
                        yield document
            except (PyMongoError, TimeoutError) as error:
                failures += 1
                await wait_or_raise(error, failures)
            else:
                return

    async def _after(self, last: bytes | None) -> AsyncGenerator[bytes]:
        if last is None:
            async for document in self._found(self._query):
                yield document
        elif elements.elements(last)["_id"].kind != elements.MAX_KEY:  # nothing comes after MaxKey
            identified = RawBSONDocument(elements.valued("$literal", last))
            others = {"$and": [self._query, {"$expr": {"$ne": ["$_id", identified]}}]}
            async for document in self._found(others, min=RawBSONDocument(last)):
                yield document
            # a range with a lower end and no upper one ends before MaxKey
            async for document in self._found({"$and": [self._query, {"_id": MaxKey()}]}):
                yield document

    async def _found(self, query: Mapping[str, Any], **bounds: Any) -> AsyncGenerator[bytes]:
        """Walk the index on _id: `$gt` would give ids of the type of its operand only, `min` gives all that follow."""
        by_id = {"_id": 1}
        command = {"find": self._collection.name, "filter": query, "sort": by_id, "hint": by_id, **bounds}
        if self._projection:
            command["projection"] = self._projection
        command["readConcern"] = {"level": "snapshot", "atClusterTime": self._at} if self._at else {"level": "majority"}
        async with asyncio.timeout(_BATCH_SECONDS):
            cursor = await self._collection.database.cursor_command(command, codec_options=RAW)
        async with cursor:
            while True:
                try:
                    async with asyncio.timeout(_BATCH_SECONDS):
                        document: Any = await anext(cursor)
                except StopAsyncIteration:
                    return
                yield bytes(document.raw)
