"""The documents that are measured: films of twelve fields, always the same ones."""

import datetime
import hashlib
import random
from typing import Any

from bson import Int64, ObjectId
from pymongo import MongoClient

DATABASE = "bench"
READ = "films"
READ_BY_EVE = "eve_films"
CHANGED = "changed_films"
WRITTEN = "inserts"

_GENRES = ("Drama", "Comedy", "Crime", "Romance", "Thriller", "Action", "Family", "History", "Music", "Western")
_PLOT = """a detective returns home to find the village changed and nobody willing to speak while the winter
closes every road and an old letter names the one person he trusted before the war began again"""
_WORDS = _PLOT.split()
_EPOCH = datetime.datetime(1960, 1, 1, tzinfo=datetime.UTC)
_SEEDED = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_BATCH = 5_000


def film(n: int) -> dict[str, Any]:
    """Return the n-th film."""
    chance = random.Random(n)  # noqa: S311 (a document, not a secret)
    released = _EPOCH + datetime.timedelta(days=chance.randrange(23_000), milliseconds=chance.randrange(86_400_000))
    return {
        "_id": ObjectId(f"{n:024x}"),
        "n": n,
        "title": " ".join(chance.sample(_WORDS, 3)).title(),
        "year": released.year,
        "rating": round(chance.uniform(1, 10), 1),
        "released": released,
        "votes": Int64(chance.randrange(3_000_000)),
        "genres": chance.sample(_GENRES, 2),
        "active": chance.random() < 0.8,
        "director": {"name": " ".join(chance.sample(_WORDS, 2)).title(), "born": released.year - 40},
        "plot": " ".join(chance.choice(_WORDS) for _ in range(20))[:100],
        "price": round(chance.uniform(2, 30), 2),
    }


def seed(uri: str, count: int) -> None:
    """Store the first films and index them by n."""
    with MongoClient[dict[str, Any]](uri) as client:
        for start in range(0, count, _BATCH):
            batch = [film(n) for n in range(start, min(start + _BATCH, count))]
            for collection in (READ, CHANGED):
                client[DATABASE][collection].insert_many(batch)
            client[DATABASE][READ_BY_EVE].insert_many([_as_eve_stores(document) for document in batch])
        for collection in (READ, READ_BY_EVE, CHANGED):
            client[DATABASE][collection].create_index("n", unique=True)


def _as_eve_stores(document: dict[str, Any]) -> dict[str, Any]:
    """Add what Eve stores with a document: without a stored ETag it would compute one at every read."""
    etag = hashlib.sha1(str(document["_id"]).encode(), usedforsecurity=False).hexdigest()
    return document | {"_created": _SEEDED, "_updated": _SEEDED, "_etag": etag}


def empty_written(uri: str) -> None:
    """Make the collection of the inserts new and empty."""
    with MongoClient[dict[str, Any]](uri) as client:
        client[DATABASE].drop_collection(WRITTEN)
        client[DATABASE].create_collection(WRITTEN)


def count_written(uri: str) -> int:
    """Return how many documents the inserts left."""
    with MongoClient[dict[str, Any]](uri) as client:
        return client[DATABASE][WRITTEN].count_documents({})


def changed(uri: str, numbers: range) -> list[dict[str, Any]]:
    """Return films as they are changed by now."""
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        found = client[DATABASE][CHANGED].find({"n": {"$gte": numbers.start, "$lt": numbers.stop}})
        return list(found.sort("n"))


def count_changes(uri: str) -> int:
    """Return the votes of all films, of which each change adds one."""
    with MongoClient[dict[str, Any]](uri) as client:
        (total,) = client[DATABASE][CHANGED].aggregate([{"$group": {"_id": None, "votes": {"$sum": "$votes"}}}])
        return int(total["votes"])
