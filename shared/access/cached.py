"""Access to a collection that CACHED_COLLECTIONS names: reads are kept, writes make useless what was kept."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import bson
from bson.errors import BSONError
from pymongo.errors import PyMongoError

from shared import app
from shared.access.full import Changes, FullAccess
from shared.access.ruled import RuledAccess
from shared.auth import Caller
from shared.cache import entries, generations
from shared.cache.store import AwayError, Store
from shared.documents.ejson import Document
from shared.documents.replies import Format
from shared.errors import DataAPIError
from shared.guard import dependencies as sources
from shared.mongo import clients as mongo
from shared.mongo.reads import Reading
from shared.requests import Request
from shared.settings import Settings

_PRIMARY = 0  # the mode of a read preference
_MARGIN_SECONDS = 60  # how much later than its deadline a write may still happen: MongoDB ends transactions then
_UNENCODABLE = (BSONError, OverflowError, ValueError, TypeError, RecursionError)
_collections: set[tuple[str, str]] = set()


class Watched(Mapping[str, Any]):
    """What `%%request` shows, and whether a rule has looked at it."""

    def __init__(self, shown: Mapping[str, Any]) -> None:
        """Take what is shown."""
        self._shown = shown
        self.was_seen = False

    @property
    def wants_cache(self) -> bool:
        """Whether the request itself allows a kept reply."""
        values = self._shown["requestHeaders"].get("cache-control", [""])
        directives = {part.partition("=")[0].strip().lower() for value in values for part in value.split(",")}
        return directives.isdisjoint({"no-cache", "no-store"})

    def __getitem__(self, name: str) -> Any:
        """Return one of the members."""
        self.was_seen = True
        return self._shown[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names of the members."""
        self.was_seen = True
        return iter(self._shown)

    def __len__(self) -> int:
        """Return how many members there are."""
        self.was_seen = True
        return len(self._shown)


class CachedAccess:
    """An access whose reads may be answered with the bytes of an earlier one.

    The rights were decided anew before it is made. A reply is kept for all who have full access, or else for one user
    with the same data under the same rules; where a rule has looked at the request, it is not kept.
    """

    __slots__ = ("_form", "_full", "_inner", "_request", "_scope", "_settings", "_shown", "_store")

    def __init__(
        self, inner: FullAccess | RuledAccess, given: Settings, caller: Caller, request: Request, shown: Watched
    ) -> None:
        """Take the access that is asked when nothing is kept."""
        self._inner = inner
        self._full = inner if isinstance(inner, FullAccess) else inner.full
        self._form: Format = self._full.form
        self._settings = given
        self._request = request
        self._shown = shown
        self._store: Store | None = entries.store()
        self._scope = None if inner is self._full else caller.user

    async def find_one(self, reading: Reading) -> bytes:
        """Return the first document that matches, or null."""
        return await self._read("findOne", tuple(reading), lambda: self._inner.find_one(reading), [self._namespace])

    async def find(self, reading: Reading) -> bytes:
        """Return the documents that match, in the order asked for."""
        return await self._read("find", tuple(reading), lambda: self._inner.find(reading), [self._namespace])

    async def aggregate(self, pipeline: list[Document]) -> bytes:
        """Run a pipeline and return what comes out, cut off at the cap."""
        self._full.refuse_joins(pipeline)  # what is kept may be of a caller who may read the other collections
        others = sources.joined(pipeline, self._request.database)
        read = None if others is None else [self._namespace, *sorted(others - {self._namespace})]
        return await self._read("aggregate", (pipeline,), lambda: self._inner.aggregate(pipeline), read)

    async def insert_one(self, document: Document) -> bytes:
        """Insert a document and return its _id, made here if it brought none."""
        return await self._write(self._inner.insert_one(document))

    async def insert_many(self, documents: list[Document]) -> bytes:
        """Insert documents and return their _ids."""
        return await self._write(self._inner.insert_many(documents))

    async def update_one(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> bytes:
        """Change the first document that matches."""
        return await self._write(self._inner.update_one(condition, changes, array_filters, upsert=upsert))

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> bytes:
        """Change all documents that match."""
        return await self._write(self._inner.update_many(condition, changes, array_filters, upsert=upsert))

    async def replace_one(self, condition: Document, replacement: Document, *, upsert: bool) -> bytes:
        """Put another document in the place of the first that matches; its _id stays."""
        return await self._write(self._inner.replace_one(condition, replacement, upsert=upsert))

    async def delete_one(self, condition: Document) -> bytes:
        """Delete the first document that matches."""
        return await self._write(self._inner.delete_one(condition))

    async def delete_many(self, condition: Document) -> bytes:
        """Delete all documents that match."""
        return await self._write(self._inner.delete_many(condition))

    @property
    def documents(self) -> int | None:
        """How many documents a call concerned, for the log; None where a kept reply answered it."""
        return self._inner.documents

    @property
    def _namespace(self) -> str:
        return f"{self._request.database}.{self._request.collection}"

    async def _read(
        self, action: str, asked: tuple[Any, ...], work: Callable[[], Awaitable[bytes]], read: Sequence[str] | None
    ) -> bytes:
        """Return what was kept, else what the work gives; `read` names all collections that it depends on."""
        store, entry = self._store, None
        if store is not None and read is not None and await self._may_keep(asked, read):
            entry = self._entry(action, asked)
        if store is None or entry is None or read is None:
            return await work()
        try:
            found = await generations.find(store, entry, read)
        except AwayError:
            return await work()
        if found.body is not None:
            return found.body
        body = await work()
        if found.marks is not None and not self._shown.was_seen:
            seconds = min(self._settings.cached[each] for each in read)
            await generations.keep(store, entry, found.marks, body, seconds)
        return body

    async def _may_keep(self, asked: tuple[Any, ...], read: Sequence[str]) -> bool:
        """Tell whether a reply may be kept: what it depends on is known, and a secondary would freeze its lag."""
        if self._shown.was_seen or not self._shown.wants_cache or not sources.is_steady(asked):
            return False
        if self._full.target.read_preference.mode != _PRIMARY or not self._settings.cached.keys() >= set(read):
            return False
        return all([await self._is_collection(each) for each in read])

    async def _is_collection(self, namespace: str) -> bool:
        """Tell whether a namespace is no view: writes to what a view shows do not name the view."""
        uri = self._settings.data_source_uri(self._request.data_source) or ""
        if (uri, namespace) in _collections:
            return True
        database, _, collection = namespace.partition(".")
        target = mongo.collection(self._request.data_source, database, collection)
        kinds = {"name": collection, "type": {"$in": ["collection", "timeseries"]}}
        try:
            names = await target.database.list_collection_names(filter=kinds, authorizedCollections=True)
        except PyMongoError:  # the read itself will say what is wrong
            return False
        if names:
            _collections.add((uri, namespace))
        return bool(names)

    def _entry(self, action: str, asked: tuple[Any, ...]) -> str | None:
        """Return the name of all that the reply follows from, besides the documents; None if it cannot be written."""
        known = app.current()
        rules = None if self._scope is None or known is None else [known.fingerprint, self._request.data_source]
        told = {
            "source": self._settings.data_source_uri(self._request.data_source),
            "namespace": self._namespace,
            "action": action,
            "asked": list(asked),
            "form": self._form,
            "settings": [self._settings.max_read_bytes, self._settings.rules_allow_hidden_field_queries],
            "user": None if self._scope is None else dict(self._scope),
            "rules": rules,
        }
        try:
            return entries.name("reply", bson.encode(told))
        except _UNENCODABLE:  # the read itself will say what is wrong
            return None

    async def _write(self, work: Awaitable[bytes]) -> bytes:
        """Do a write, and make useless what was kept before its caller learns of it, whatever came of it."""
        closed: float | None = _MARGIN_SECONDS + self._settings.mongo_db_timeout_ms / 1000
        try:
            reply = await work
            closed = 0
        except DataAPIError as error:  # ours: the rules denied it, and nothing was written
            closed = closed if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
            raise
        except Exception as error:
            outcome = mongo.translated(error)
            if isinstance(outcome, DataAPIError) and outcome.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                closed = 0  # MongoDB said what it did not do, as the rest of an insertMany
            raise
        finally:
            if closed is not None and self._store is not None:
                await generations.renew(self._store, self._namespace, closed)
        return reply
