"""The driver's clients, one for each connection string, and the collections behind the names of data sources."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from shared.admission import Places, Waits
from shared.errors import Unavailable, UnavailableError, UnknownDataSourceError
from shared.mongo.outcomes import Client
from shared.settings import VERSION, Settings
from shared.ttl_cache import Cache

type Collection = AsyncCollection[dict[str, Any]]

RAW: CodecOptions[Any] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""How collections are read: documents stay the bytes that MongoDB sent."""

SIMPLE: Mapping[str, Any] = {"locale": "simple"}
"""The collation that compares texts as rules do."""

DATABASE = "$cmd.aggregate"
"""The name in place of a collection's for what is asked of a database; the guard leaves no caller a name with `$`."""

MOST_KEPT = 4
"""How many connections of a pool are kept at most for what calls need beside their data, and for readiness."""

_SERVER_SELECTION_MS = 15_000  # an election takes 10 to 12 seconds
_WAIT_SECONDS = 2.0  # for a connection
_MOST_WAITING = 10_000
_LONGEST_NAME = 500  # characters of a name in an error's text
_MOST_COLLECTIONS = 1_000
_OPTIONS_SECONDS = 60


class Options(NamedTuple):
    """How a collection compares texts; whether it is a view, whose documents may have no `_id`, or a time series."""

    collation: Mapping[str, Any]
    is_view: bool
    is_series: bool = False

    @property
    def is_simple(self) -> bool:
        """Whether it compares texts byte by byte, as rules do and most collections."""
        return self.collation == SIMPLE


class Clients:
    """Clients are made at first use, and belong to the event loop that they are first used in."""

    def __init__(self, settings: Settings, listeners: Callable[[], list[Any]] = list) -> None:
        """Take the data sources, and who makes the listeners of a new client's events."""
        self._settings = settings
        self._listeners = listeners
        self._clients: dict[str, Client] = {}
        self._places: dict[str, Places] = {}
        self._waits: dict[str, Waits] = {}
        self._collections: Cache[tuple[str, str, str], Collection] = Cache(_MOST_COLLECTIONS)  # the URI, and names
        self._known_collections: Cache[tuple[str, str, str], bool] = Cache(_MOST_COLLECTIONS)
        self._options: Cache[tuple[int, str, str], Options] = Cache(_MOST_COLLECTIONS)
        self._changes = 0  # of collections, by this process

    def collection(self, data_source: str, database: str, name: str) -> Collection:
        """Return a collection behind a dataSource name; raise UnknownDataSourceError if there is none of that name."""
        uri = self._settings.data_source_uri(data_source)
        if uri is None:
            raise UnknownDataSourceError(f"service not found: '{data_source[:_LONGEST_NAME]}'")
        found = self._collections.get((uri, database, name))
        if found is None:
            found = self.client(uri)[database].get_collection(name, codec_options=RAW)
            self._collections.put((uri, database, name), found)
        return found

    def places(self, data_source: str) -> Places:
        """Return the places for calls at the connections of a data source that there is."""
        return self._places[self._settings.data_source_uri(data_source) or ""]

    def places_of(self, uri: str) -> Places | None:
        """Return the places for calls at the connections behind a connection string, None before its first use."""
        return self._places.get(uri)

    def connections(self, uri: str) -> tuple[int, int, int]:
        """Return how many connections a client has in use, idle, and at most to each server."""
        client = self._clients[uri]
        pools = [server.pool for server in list(client._topology._servers.values())] if client._topology else []
        in_use = sum(pool.active_sockets for pool in pools)
        limit = int(client.options.pool_options.max_pool_size or 0)
        return in_use, sum(len(pool.conns) for pool in pools), limit

    def waits(self, data_source: str) -> Waits:
        """Return where callers wait for changes at the connections of a data source that there is."""
        return self._waits[self._settings.data_source_uri(data_source) or ""]

    async def is_collection(self, data_source: str, database: str, name: str) -> bool:
        """Tell whether a namespace is no view, whose documents change by writes that do not name it.

        False if MongoDB cannot say so now, too; a yes is cached.
        """
        key = (self._settings.data_source_uri(data_source) or "", database, name)
        if self._known_collections.get(key):
            return True
        changes = self._changes
        kinds = {"name": name, "type": {"$in": ["collection", "timeseries"]}}
        target = self.collection(data_source, database, name)
        try:
            names = await target.database.list_collection_names(filter=kinds, authorizedCollections=True)
        except PyMongoError:  # the read itself will say what is wrong
            return False
        if names and changes == self._changes:
            self._known_collections.put(key, True)
        return bool(names)

    async def options(self, target: Collection) -> Options | None:
        """Return what a collection is, None if MongoDB cannot say now; known for a minute."""
        key = (id(target.database.client), target.database.name, target.name)
        known = self._options.get(key)
        if known is None:
            changes = self._changes
            try:
                async with target.database.client.start_session() as own:  # no transaction may ask this
                    found = await target.options(own)
            except PyMongoError:  # the call itself will say what is wrong
                return None
            known = Options(found.get("collation", SIMPLE), "viewOn" in found, "timeseries" in found)
            if changes == self._changes:
                self._options.put(key, known, _OPTIONS_SECONDS)
        return known

    def forget(self, data_source: str, database: str, name: str) -> None:
        """Know nothing of what a collection is, as it may be another now, nor of what is being asked for."""
        self._changes += 1
        target = self.collection(data_source, database, name)
        self._options.pop((id(target.database.client), database, name))
        self._known_collections.pop((self._settings.data_source_uri(data_source) or "", database, name))

    def client(self, uri: str) -> Client:
        """Return the client of a connection string; raise UnavailableError if the driver does not understand it."""
        if uri not in self._clients:
            client = self._clients[uri] = self._new_client(uri)
            pool = int(min(client.options.pool_options.max_pool_size or inf, _MOST_WAITING))
            self._places[uri] = _places(pool)
            self._waits[uri] = Waits(pool, self._places[uri])
        return self._clients[uri]

    async def close(self) -> None:
        """Close the clients, for good."""
        for client in self._clients.values():
            await client.close()

    def _new_client(self, uri: str) -> Client:
        options = client_options(uri, self._settings)
        try:
            client = Client(uri, **options, event_listeners=self._listeners())
        except (PyMongoError, ValueError):  # ValueError: a URI option of the wrong type
            # from None: the driver's text may hold a piece of the password
            raise UnavailableError(
                Unavailable.WRONG_OPTIONS, "MONGO_DB_URI is not a connection string that the driver understands"
            ) from None
        if self._settings.scan_guard != "off":
            from shared.mongo.scans import ScanGuard  # noqa: PLC0415  for those alone who ask for it

            client.scan_guard = ScanGuard(self._settings)
        return client


def _places(pool: int) -> Places:
    kept = min(MOST_KEPT, pool // 4)
    return Places(pool - kept, _MOST_WAITING, _WAIT_SECONDS, Unavailable.CONNECTIONS_IN_USE)


def client_options(uri: str, settings: Settings) -> dict[str, Any]:
    """Return the options of every client, less those that the connection string sets itself."""
    options = {
        "appname": f"dozen/{VERSION}",
        "connectTimeoutMS": 5_000,
        "datetime_conversion": DatetimeConversion.DATETIME_AUTO,
        "journal": True,
        "maxConnecting": 4,
        "maxIdleTimeMS": 120_000,  # below the four minutes after which Azure drops idle connections
        "maxPoolSize": settings.pool_size,
        "serverSelectionTimeoutMS": min(_SERVER_SELECTION_MS, settings.mongo_db_timeout_ms * 3 // 4),
        "w": "majority",  # an acknowledged write survives the loss of the primary
        "waitQueueTimeoutMS": int(_WAIT_SECONDS * 1000),
    }
    if settings.mongo_db_auth == "entra":
        from shared.mongo import entra  # noqa: PLC0415  for those alone who ask for it

        options |= entra.options(settings)
    chosen = {name.lower() for name, _ in parse_qsl(urlsplit(uri).query)}
    return {name: value for name, value in options.items() if name.lower() not in chosen}
