"""Replies to writes with an Idempotency-Key, in the cluster of the documents that these wrote."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pymongo import IndexModel

from shared.mongo.clients import Clients, Collection
from shared.mongo.deadlines import joining
from shared.settings import Settings

REPLIES = "replies"
"""{_id, request, body, documents, headers, expires}: a collection of the control database's name, on every source."""


class StoredReply(NamedTuple):
    """The first reply to a key, and the digest of its request."""

    request: bytes
    body: bytes
    documents: int
    headers: Mapping[str, str]


class Replies:
    """The stored replies of all data sources."""

    def __init__(self, clients: Clients, settings: Settings) -> None:
        """Take the clients; nothing is asked before the first key."""
        self._clients = clients
        self._settings = settings
        self._indexed: set[str | None] = set()

    async def ensure_index(self, data_source: str) -> None:
        """Have MongoDB delete what has expired, asked once in the life of this process."""
        uri = self._settings.data_source_uri(data_source)
        if uri not in self._indexed:
            index = IndexModel([("expires", 1)], expireAfterSeconds=0)
            await self.collection(data_source).create_indexes([index])
            self._indexed.add(uri)

    async def find(self, data_source: str, name: bytes) -> StoredReply | None:
        """Return a reply that has not expired; MongoDB deletes others only once a minute."""
        found: Any = await self.collection(data_source).find_one({"_id": name, "expires": {"$gt": datetime.now(UTC)}})
        if found is None:
            return None
        return StoredReply(found["request"], found["body"], found["documents"], found.get("headers", {}))

    async def put(self, data_source: str, name: bytes, reply: StoredReply) -> None:
        """Store a reply, in place of one that has expired."""
        expires = datetime.now(UTC) + timedelta(seconds=self._settings.idempotency_seconds)
        document = {**reply._asdict(), "expires": expires}
        await self.collection(data_source).replace_one({"_id": name}, document, upsert=True)

    def collection(self, data_source: str) -> Collection:
        """Return the collection of a data source, inside the transaction of the task if there is one."""
        return joining(self._clients.collection(data_source, self._settings.dozen_database, REPLIES))
