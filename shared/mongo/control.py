"""The control database: the deployment's own collections, and their indexes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from pymongo import IndexModel, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern

from shared.mongo.clients import Clients
from shared.mongo.deadlines import Session, transaction
from shared.settings import Settings

type ControlCollection = AsyncCollection[dict[str, Any]]

API_KEYS = "api_keys"
"""{_id, name, hash, created, disabled, system, user_id, expires, made_by, former, used}.

A key with a `user_id` acts as that user; one with `system` is bound by no rules; any other is a user by itself.
One with `expires` is of no use from then on. `former` are secrets that still count: [{hash, expires}].
`made_by` says in words who made it, where that is known.
`used` is the hour of the last use, and may be missing.
"""

USERS = "users"
"""{_id, type, identities: [{id, provider_type, provider_id}], data, disabled, confirmed, password, new, pending,
expires, revoked, revocations}.

An identity is unique: `id` is the e-mail address, the subject of a token, or a random one of its own.
`new` is true of who has an address and a password and never logged in: to the app such a user does not exist yet.
`pending` is true of those among them who registered by themselves: such an identity is nobody's yet.
`expires` is there only for who is anonymous and nothing else.
Sessions and access tokens from before `revoked` are of no use, and those with another number of `revocations`.
"""

SESSIONS = "sessions"
"""{_id, user_id, hash, provider_type, key_id, secret, created, expires, revocations}.

A session that an API key began has its `key_id`, and is of no use when the key is not.
"""

CONFIRMATIONS = "confirmations"
"""{_id, user_id, kind, hash, expires}."""


USER_EVENTS = "user_events"
"""{_id, trigger, event, tries, due}: what a trigger of the app has not been told yet of a user.

The call in which it happened tells it, and another one if that has not until `due`.
"""

UNLOCKS = "unlocks"
"""{_id, mark, expires}: a counter of failed logins, by its key, that processes are to count anew; `mark` is unique."""

SECRETS = "secrets"
"""{_id, secret}: what seals cursors where SESSION_SECRET is not set."""


TRIGGERS = "triggers"
"""{_id, holder, expires, token, watches, last, stored, failures, failed, suspended}: what runs of itself, by its name.

Whoever is the `holder` runs it and may write here; others may be, once it `expires`.
`token` is behind the last change that was handled of what it `watches`, `last` the time of the last scheduled run.
`failures` are the last of the `failed` ones: [{at, function, type, error, event_id}].
"""


class Index(NamedTuple):
    """An index that the service relies on: its keys, and the options that matter."""

    collection: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    expires: int | None = None
    sparse: bool = False

    @property
    def model(self) -> IndexModel:
        """The driver's form of it."""
        options: dict[str, Any] = {"unique": True} if self.unique else {}
        if self.sparse:
            options["sparse"] = True
        if self.expires is not None:
            options["expireAfterSeconds"] = self.expires
        return IndexModel(list(self.keys), **options)

    def __str__(self) -> str:
        """Name it for a sentence."""
        kind = "unique " if self.unique else "expiring " if self.expires is not None else ""
        return f"the {kind}index on {', '.join(name for name, _ in self.keys)} of {self.collection}"


INDEXES = (
    Index(API_KEYS, (("hash", 1),), unique=True),
    Index(API_KEYS, (("former.hash", 1),), sparse=True),
    Index(USERS, (("identities.provider_type", 1), ("identities.id", 1)), unique=True),
    Index(USERS, (("expires", 1),), expires=0),  # who has no such field stays
    Index(SESSIONS, (("expires", 1),), expires=0),
    Index(SESSIONS, (("hash", 1),), unique=True),
    Index(SESSIONS, (("user_id", 1),)),
    Index(SESSIONS, (("key_id", 1),), sparse=True),
    Index(CONFIRMATIONS, (("expires", 1),), expires=0),
    Index(USER_EVENTS, (("due", 1),)),
    Index(UNLOCKS, (("expires", 1),), expires=0),
)


class IndexCheck(NamedTuple):
    """Indexes that are not there, of collections that are; those of other options; collections that are not there."""

    missing: list[Index]
    different: list[Index]
    without_collection: list[Index]


class Control:
    """The control database of a deployment; a collection has its indexes before this process first inserts into it."""

    def __init__(self, clients: Clients, settings: Settings) -> None:
        """Take the clients, one of which is that of the first data source."""
        self._clients = clients
        self._settings = settings
        self._indexed: set[str] = set()

    @property
    def database(self) -> AsyncDatabase[dict[str, Any]]:
        """The database: a revoked key must be seen as revoked, and stay so, whatever the connection string says."""
        return self._clients.client(self._settings.control_uri).get_database(
            self._settings.dozen_database,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", j=True),
        )

    @property
    def api_keys(self) -> ControlCollection:
        """API_KEYS."""
        return self.database[API_KEYS]

    @property
    def users(self) -> ControlCollection:
        """USERS."""
        return self.database[USERS]

    @property
    def sessions(self) -> ControlCollection:
        """SESSIONS."""
        return self.database[SESSIONS]

    @property
    def confirmations(self) -> ControlCollection:
        """CONFIRMATIONS."""
        return self.database[CONFIRMATIONS]

    @property
    def user_events(self) -> ControlCollection:
        """USER_EVENTS."""
        return self.database[USER_EVENTS]

    @property
    def unlocks(self) -> ControlCollection:
        """UNLOCKS."""
        return self.database[UNLOCKS]

    @property
    def secrets(self) -> ControlCollection:
        """SECRETS."""
        return self.database[SECRETS]

    @property
    def triggers(self) -> ControlCollection:
        """TRIGGERS."""
        return self.database[TRIGGERS]

    async def transaction[T](self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Do work in a transaction, as shared.mongo.deadlines has them."""
        return await transaction(self.users, work, self._settings.mongo_db_timeout_ms)

    async def ensure_indexes(self, collection: str) -> None:
        """Make the indexes of a collection that are missing, once in the life of this process."""
        if collection not in self._indexed:
            for index in INDEXES:
                if index.collection == collection:
                    await self._create(index)
            self._indexed.add(collection)

    async def create_indexes(self) -> list[str]:
        """Make the indexes that are missing, and return the names of all."""
        return [await self._create(index) for index in INDEXES]

    async def _create(self, index: Index) -> str:
        """Make one index: of several in one command, none is made if one of them cannot be."""
        return (await self.database[index.collection].create_indexes([index.model]))[0]

    async def check_indexes(self) -> IndexCheck:
        """Compare the indexes that are there with those that should be."""
        found = IndexCheck([], [], [])
        existing = await self.database.list_collection_names()
        for index in INDEXES:
            if index.collection not in existing:
                found.without_collection.append(index)
                continue
            there = await self.database[index.collection].index_information()
            same_keys = [each for each in there.values() if tuple(each["key"]) == index.keys]
            if not same_keys:
                found.missing.append(index)
            elif not any(_serves(each, index) for each in same_keys):
                found.different.append(index)
        return found


def _serves(there: Mapping[str, Any], index: Index) -> bool:
    if "partialFilterExpression" in there or bool(there.get("sparse")) is not index.sparse:
        return False
    return bool(there.get("unique")) == index.unique and there.get("expireAfterSeconds") == index.expires
