"""Access to a collection of CACHED_COLLECTIONS: replies to reads are cached, and writes invalidate them."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import bson
import orjson
from bson.errors import BSONError

from shared.access.paging import Page
from shared.access.protocol import Access, Changes, Reply
from shared.cache.entries import LARGEST
from shared.cache.generations import Generations
from shared.cache.store import AwayError
from shared.documents.ejson import Document
from shared.documents.stored import Storable
from shared.errors import DataAPIError
from shared.guard import dependencies
from shared.mongo.clients import Clients
from shared.mongo.deadlines import is_current
from shared.mongo.outcomes import may_have_written
from shared.mongo.refusals import translated
from shared.requests import Reading, Request, Returned, Sort
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.access.full import FullAccess

_PRIMARY = 0  # the mode of a read preference
_MARGIN_SECONDS = 60  # how much later than its deadline a write may still happen: MongoDB ends transactions then
_UNENCODABLE = (BSONError, OverflowError, ValueError, TypeError, RecursionError)


class WatchedRequest(Mapping[str, Any]):
    """`%%request`, and whether a rule has looked at it."""

    def __init__(self, request_view: Mapping[str, Any]) -> None:
        """Take what rules see of the request."""
        self._request_view = request_view
        self.was_seen = False

    @property
    def action(self) -> str:
        """The action that is called, which follows from the request in the same way for every rule."""
        action: str = self._request_view["action"]
        return action

    @property
    def allows_cache(self) -> bool:
        """Whether the request itself allows a cached reply."""
        values = self._request_view["requestHeaders"].get("cache-control", [""])
        directives = {part.partition("=")[0].strip().lower() for value in values for part in value.split(",")}
        return directives.isdisjoint({"no-cache", "no-store"})

    def __getitem__(self, name: str) -> Any:
        self.was_seen = True
        return self._request_view[name]

    def __iter__(self) -> Iterator[str]:
        self.was_seen = True
        return iter(self._request_view)

    def __len__(self) -> int:
        self.was_seen = True
        return len(self._request_view)


class CacheScope(NamedTuple):
    """For whom a reply is cached, beside what the request says."""

    user: Mapping[str, Any] | None
    """`%%user` of the caller, None for all who have full access."""

    rules: str | None
    """The fingerprint of the app whose rules made the reply, None if they made no difference."""


class Caching(NamedTuple):
    """What caches replies, and what tells a view from a collection."""

    generations: Generations
    clients: Clients


class CachedAccess:
    """An access whose reads may be answered with the bytes of an earlier reply.

    The rights were decided anew before it is made. A reply is cached for all who have full access, or else for one
    user with the same data under the same rules; where a rule has looked at the request, or asked a function, it is not
    cached.
    """

    def __init__(
        self,
        inner: Access,
        full: "FullAccess",
        request: Request,
        scope: CacheScope,
        request_view: WatchedRequest,
        caching: Caching,
    ) -> None:
        """Take the access that answers when nothing is cached, and the unbound one beneath it."""
        self._inner = inner
        self._full = full
        self._settings = full.settings
        self._request = request
        self._namespace = f"{request.database}.{request.collection}"
        self._scope = scope
        self._request_view = request_view
        self._generations, self._clients = caching
        self._store = self._generations.store

    async def find_one(self, reading: Reading) -> Reply:
        work = lambda: self._inner.find_one(reading)  # noqa: E731  done only if nothing is cached
        return await self._read(tuple(reading), work, [self._namespace])

    async def find(self, reading: Reading, page: Page | None = None) -> Reply:
        if page is not None:  # a cursor is made for one caller and one batch
            return await self._inner.find(reading, page)
        return await self._read(tuple(reading), lambda: self._inner.find(reading), [self._namespace])

    async def aggregate(self, pipeline: list[Document], page: Page | None = None) -> Reply:
        if page is not None:
            return await self._inner.aggregate(pipeline, page)
        if self._request.written is not None:
            return await self._write(self._inner.aggregate(pipeline))
        # a reply that is cached for all may be of a caller who may read more of the other collections
        bound = await self._full.bound(pipeline)
        others = dependencies.joined(pipeline, self._request.database)
        is_shared = self._scope.user is None and not bound.is_whole
        sources = None if others is None or is_shared else [self._namespace, *sorted(others - {self._namespace})]
        return await self._read((pipeline,), lambda: self._inner.aggregate(pipeline), sources)

    async def count_documents(self, reading: Reading) -> Reply:
        return await self._read(tuple(reading), lambda: self._inner.count_documents(reading), [self._namespace])

    async def estimated_document_count(self) -> Reply:
        return await self._read((), self._inner.estimated_document_count, [self._namespace])

    async def distinct(self, name: str, condition: Document) -> Reply:
        return await self._read((name, condition), lambda: self._inner.distinct(name, condition), [self._namespace])

    async def insert_one(self, document: Storable) -> Reply:
        return await self._write(self._inner.insert_one(document))

    async def insert_many(self, documents: Sequence[Storable]) -> Reply:
        return await self._write(self._inner.insert_many(documents))

    async def update_one(
        self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        return await self._write(self._inner.update_one(condition, changes, array_filters, upsert=upsert, sort=sort))

    async def update_many(self, condition: Document, changes: Changes, array_filters: Any, *, upsert: bool) -> Reply:
        return await self._write(self._inner.update_many(condition, changes, array_filters, upsert=upsert))

    async def replace_one(
        self, condition: Document, replacement: Storable, *, upsert: bool, sort: Sort = None
    ) -> Reply:
        return await self._write(self._inner.replace_one(condition, replacement, upsert=upsert, sort=sort))

    async def delete_one(self, condition: Document) -> Reply:
        return await self._write(self._inner.delete_one(condition))

    async def delete_many(self, condition: Document) -> Reply:
        return await self._write(self._inner.delete_many(condition))

    async def find_one_and_update(
        self, condition: Document, changes: Changes, array_filters: Any, returned: Returned, *, upsert: bool
    ) -> Reply:
        work = self._inner.find_one_and_update(condition, changes, array_filters, returned, upsert=upsert)
        return await self._write(work)

    async def find_one_and_replace(
        self, condition: Document, replacement: Storable, returned: Returned, *, upsert: bool
    ) -> Reply:
        return await self._write(self._inner.find_one_and_replace(condition, replacement, returned, upsert=upsert))

    async def find_one_and_delete(self, condition: Document, returned: Returned) -> Reply:
        return await self._write(self._inner.find_one_and_delete(condition, returned))

    async def _read(
        self,
        arguments: tuple[Any, ...],
        work: Callable[[], Awaitable[Reply]],
        sources: Sequence[str] | None,
    ) -> Reply:
        """Return the cached reply, else that of the work; `sources` are all namespaces that it depends on."""
        store, entry = self._store, None
        if store is not None and sources is not None and await self._is_cacheable(arguments, sources):
            entry = self._entry(arguments)
        if store is None or entry is None or sources is None:
            return await work()
        try:
            found = await self._generations.find(store, entry, sources)
        except AwayError:
            return await work()
        if found.body is not None:
            headers, _, body = found.body.partition(b"\n")
            return Reply([body], None, headers=orjson.loads(headers))
        reply = await work()
        if (
            found.marks is not None
            and reply.size <= LARGEST
            and not self._request_view.was_seen
            and not self._has_asked
        ):
            seconds = min(self._settings.cached[each] for each in sources)
            kept = b"%b\n%b" % (orjson.dumps(reply.headers), reply.body)
            await self._generations.put(entry, found.marks, kept, seconds)
        return reply

    async def _is_cacheable(self, arguments: tuple[Any, ...], sources: Sequence[str]) -> bool:
        """Tell whether a reply may be cached: its sources are known, and a secondary's lag would be frozen."""
        if self._request_view.was_seen or self._has_asked or not self._request_view.allows_cache:
            return False
        options = self._request.options
        if not options.is_cacheable or not dependencies.is_steady([*arguments, options.given]):
            return False
        if self._full.target.read_preference.mode != _PRIMARY or not self._settings.cached.keys() >= set(sources):
            return False
        return all([await self._is_collection(each) for each in sources])

    @property
    def _has_asked(self) -> bool:
        """Whether a rule has asked a function, whose answer may follow from anything."""
        answers = self._full.wanted.answers
        return answers is not None and answers.are_needed

    async def _is_collection(self, namespace: str) -> bool:
        database, _, collection = namespace.partition(".")
        return await self._clients.is_collection(self._request.data_source, database, collection)

    def _entry(self, arguments: tuple[Any, ...]) -> str | None:
        """Return the name of all that the reply follows from, besides the documents; None if it cannot be written."""
        rules = None if self._scope.rules is None else [self._scope.rules, self._request.data_source]
        follows_from = {
            "source": self._settings.data_source_uri(self._request.data_source),
            "namespace": self._namespace,
            "action": self._request_view.action,
            "arguments": list(arguments),
            "options": dict(self._request.options.given),
            "form": [self._full.form, self._full.wanted.are_lines],
            "settings": [self._settings.max_read_bytes, self._settings.rules_allow_hidden_field_queries],
            "user": None if self._scope.user is None else dict(self._scope.user),
            "rules": rules,
        }
        try:
            return self._generations.name(bson.encode(follows_from))
        except _UNENCODABLE:  # the read itself will say what is wrong
            return None

    async def _write(self, work: Awaitable[Reply]) -> Reply:
        namespaces = {self._namespace} if (written := self._request.written) is None else {".".join(written)}
        return await invalidating(work, self._generations, namespaces, self._settings)


async def invalidating[T](
    work: Awaitable[T], generations: Generations, namespaces: Iterable[str], settings: Settings
) -> T:
    """Do a write, and invalidate what is cached before its caller learns of it, whatever came of it.

    Whoever begins a transaction does so for all of it.
    """
    if is_current():
        return await work
    closed: float | None = _MARGIN_SECONDS + settings.mongo_db_timeout_ms / 1000
    try:
        done = await work
        closed = 0
    except DataAPIError as error:  # ours: the rules denied it, and nothing was written unless it says so
        if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            closed = 0 if may_have_written(error) else None
        raise
    except Exception as error:
        outcome = translated(error)
        if isinstance(outcome, DataAPIError) and outcome.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            closed = 0  # MongoDB said what it did not do, as the rest of an insertMany
        raise
    finally:
        if closed is not None and (store := generations.store) is not None:
            for each in settings.cached.keys() & set(namespaces):
                await generations.invalidate(store, each, closed)
    return done
