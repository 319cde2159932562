"""Loads the sample data where there is none: `MONGO_DB_URI=… python -m local.sample`."""

import os
import sys
from typing import Any

from pymongo import GEOSPHERE, TEXT, IndexModel, MongoClient
from pymongo.errors import PyMongoError

from local import films, shop
from shared.settings import Settings, SettingsError

FILMS, SHOP = "sample_films", "shop"

_INDEXES = {
    "films": [IndexModel("title"), IndexModel([("title", TEXT), ("plot", TEXT)], name="words")],
    "comments": [IndexModel("filmId")],
    "theaters": [IndexModel("theaterId", unique=True), IndexModel([("location.geo", GEOSPHERE)])],
    "products": [IndexModel("sku", unique=True)],
    "orders": [IndexModel("number", unique=True), IndexModel("customerId")],
}


def load(uri: str) -> int:
    """Fill the collections that do not exist and return the number of documents; an emptied one stays empty."""
    with MongoClient[dict[str, Any]](uri, uuidRepresentation="standard") as client:
        existing = {(name, collection) for name in (FILMS, SHOP) for collection in client[name].list_collection_names()}
        missing = [
            (client[name][collection], documents)
            for name, collections in ((FILMS, films.documents()), (SHOP, shop.documents()))
            for collection, documents in collections.items()
            if (name, collection) not in existing
        ]
        for collection, documents in missing:
            collection.insert_many(documents)
            if indexes := _INDEXES.get(collection.name):
                collection.create_indexes(indexes)
    return sum(len(documents) for _, documents in missing)


def main() -> int:
    """Load into the database of the settings and say what was done."""
    try:
        count = load(Settings.from_environ(os.environ).control_uri)
    except (SettingsError, PyMongoError) as error:
        print(f"No sample data was loaded: {error}", file=sys.stderr)
        return 1
    print(f"{count} documents loaded into {FILMS} and {SHOP}." if count else f"{FILMS} and {SHOP} are there already.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
