"""The indexes of the control database: made by the service when it first writes there, or by `indexes create`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pymongo import IndexModel

from shared.auth import API_KEYS
from shared.auth.confirmations import CONFIRMATIONS
from shared.auth.sessions import SESSIONS
from shared.auth.users import USERS
from shared.mongo import clients as mongo


class Index(NamedTuple):
    """An index that the service relies on: its keys, and the options that matter."""

    collection: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    expires: int | None = None
    sparse: bool = False

    @property
    def model(self) -> IndexModel:
        """What the driver makes of it."""
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
    Index(USERS, (("identities.provider_type", 1), ("identities.id", 1)), unique=True),
    Index(USERS, (("expires", 1),), expires=0),
    Index(SESSIONS, (("expires", 1),), expires=0),
    Index(SESSIONS, (("hash", 1),), unique=True),
    Index(SESSIONS, (("user_id", 1),)),
    Index(SESSIONS, (("key_id", 1),), sparse=True),
    Index(CONFIRMATIONS, (("expires", 1),), expires=0),
)


class Found(NamedTuple):
    """Indexes that are not there, of collections that are; those of other options; collections that are not there."""

    missing: list[Index]
    different: list[Index]
    without_collection: list[Index]


async def make() -> list[str]:
    """Make the indexes that are missing, and return the names of all."""
    database = mongo.control_database()
    return [name for index in INDEXES for name in await database[index.collection].create_indexes([index.model])]


async def check() -> Found:
    """Compare what is there with what should be."""
    found = Found([], [], [])
    existing = await mongo.control_database().list_collection_names()
    for index in INDEXES:
        if index.collection not in existing:
            found.without_collection.append(index)
            continue
        there = await mongo.control_database()[index.collection].index_information()
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
