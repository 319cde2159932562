"""The sample data: films and a shop, which show every common type; loaded where they are not there."""

import asyncio
from typing import Any

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import GEOSPHERE, TEXT, AsyncMongoClient, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from admin.sample import films, shop

FILMS, SHOP = "sample_films", "sample_shop"

_INDEXES = {
    "films": [IndexModel("title"), IndexModel([("title", TEXT), ("plot", TEXT)], name="words")],
    "comments": [IndexModel("filmId")],
    "theaters": [IndexModel("theaterId", unique=True), IndexModel([("location.geo", GEOSPHERE)])],
    "products": [IndexModel("sku", unique=True)],
    "orders": [IndexModel("number", unique=True), IndexModel("customerId")],
}
_STANDARD: CodecOptions[dict[str, Any]] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
_NAMESPACE_EXISTS = 48

type Client = AsyncMongoClient[dict[str, Any]]


def load(uri: str) -> int:
    """Load through a client of its own and return the number of documents."""
    return asyncio.run(_load_through(uri))


async def _load_through(uri: str) -> int:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        return await load_missing(client)


async def load_missing(client: Client, database: str | None = None) -> int:
    """Make the collections that do not exist, in one database or in the two usual ones; return how many documents.

    A collection appears with all its documents and indexes or not at all; one that was emptied stays empty.
    """
    count = 0
    for name, collections in ((FILMS, films.documents()), (SHOP, shop.documents())):
        target = client.get_database(database or name, codec_options=_STANDARD)
        existing = await target.list_collection_names()
        for collection, documents in collections.items():
            if collection not in existing:
                count += await _made(target, collection, documents)
    return count


async def _made(target: AsyncDatabase[dict[str, Any]], name: str, documents: list[dict[str, Any]]) -> int:
    """Fill another collection, and rename it when it is whole: nobody is left with half of it after a kill."""
    loading = target[f"{name}.loading"]
    await loading.drop()
    await loading.insert_many(documents)
    if indexes := _INDEXES.get(name):
        await loading.create_indexes(indexes)
    try:
        await loading.rename(name)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise
        await loading.drop()
        return 0
    return len(documents)
