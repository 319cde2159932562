"""The sample data: every common type, the same each time, loaded once and never again."""

import datetime
import json
import os
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import MongoClient

from admin import sample
from admin.process import DOCTOR
from admin.sample import films, shop
from local import ports
from local.mongod import Mongod
from tests.admin.conftest import Told, call, told
from tests.hosts import ROOT

COUNTS = {
    "sample_films": {"films": 120, "comments": 200, "theaters": 36},
    "sample_shop": {"products": 48, "customers": 40, "orders": 100, "coupons": 3, "shipping": 4},
}
PROMISED = {
    str, int, float, bool, type(None), dict, list, datetime.datetime, UUID, bytes,
    ObjectId, Decimal128, Int64, Regex, Timestamp, MinKey, MaxKey,
}  # fmt: skip

type Client = MongoClient[dict[str, Any]]


@pytest.fixture
def client(mongod: Mongod) -> Iterator[Client]:
    with MongoClient[dict[str, Any]](mongod.uri, uuidRepresentation="standard") as connected:
        drop(connected)
        yield connected
        drop(connected)


def drop(client: Client) -> None:
    for name in COUNTS:
        client.drop_database(name)


def counts(client: Client) -> dict[str, dict[str, int]]:
    databases = [client[name] for name in COUNTS]
    return {
        database.name: {name: database[name].count_documents({}) for name in database.list_collection_names()}
        for database in databases
    }


def types_in(value: Any) -> set[type]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*(types_in(part) for part in parts))


def run_sample(*arguments: str, **environ: str) -> Told:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MONGO_DB_")}
    return told(call(("sample", "load", *arguments), inherited | environ, ROOT))


def test_every_collection_is_filled(mongod: Mongod, client: Client) -> None:
    assert sample.load(mongod.uri) == sum(sum(collections.values()) for collections in COUNTS.values())
    assert counts(client) == COUNTS


def test_every_common_type_is_stored(mongod: Mongod, client: Client) -> None:
    sample.load(mongod.uri)

    stored = [list(client[database][name].find()) for database, names in COUNTS.items() for name in names]

    assert types_in(stored) >= PROMISED


def test_films_have_large_and_missing_numbers(mongod: Mongod, client: Client) -> None:
    sample.load(mongod.uri)

    assert client.sample_films.films.count_documents({"boxOffice": {"$gt": 2**31}}) > 0
    assert client.sample_films.films.count_documents({"boxOffice": {"$type": "null"}}) > 0


def test_theaters_are_found_by_place(mongod: Mongod, client: Client) -> None:
    sample.load(mongod.uri)
    porto = {"type": "Point", "coordinates": [-8.611, 41.150]}

    near = list(client.sample_films.theaters.find({"location.geo": {"$near": {"$geometry": porto}}}).limit(3))

    assert [theater["location"]["address"]["city"] for theater in near] == ["Porto"] * 3


def test_words_of_a_film_are_found(mongod: Mongod, client: Client) -> None:
    sample.load(mongod.uri)

    found = client.sample_films.films.find({"$text": {"$search": "lamplighter"}})

    assert films.FEATURED in {film["title"] for film in found}


def test_order_totals_are_exact(mongod: Mongod, client: Client) -> None:
    sample.load(mongod.uri)
    sum_of_lines = {"$sum": {"$map": {"input": "$lines", "in": {"$multiply": ["$$this.price", "$$this.quantity"]}}}}

    assert client.sample_shop.orders.count_documents({"$expr": {"$ne": ["$total", sum_of_lines]}}) == 0


@pytest.mark.parametrize("source", [films, shop], ids=["films", "shop"])
def test_each_run_makes_the_same_documents(source: Any) -> None:
    options = CodecOptions[dict[str, Any]](uuid_representation=UuidRepresentation.STANDARD)

    once, again = (bson.encode(source.documents(), codec_options=options) for _ in range(2))

    assert once == again


def test_a_second_load_changes_nothing(mongod: Mongod, client: Client) -> None:
    sample.load(mongod.uri)
    client.sample_films.films.update_one({"title": films.FEATURED}, {"$set": {"year": 1900}})
    client.sample_shop.orders.delete_many({})

    assert sample.load(mongod.uri) == 0
    assert client.sample_films.films.find_one({"title": films.FEATURED}, {"_id": 0, "year": 1}) == {"year": 1900}
    assert client.sample_shop.orders.count_documents({}) == 0


def test_the_program_loads_once(mongod: Mongod, client: Client) -> None:
    first, second = (run_sample(MONGO_DB_URI=mongod.uri) for _ in range(2))

    assert (first.returncode, first.stderr) == (0, "551 documents loaded into sample_films and sample_shop\n")
    assert (second.returncode, second.stderr) == (0, "sample_films and sample_shop: nothing is missing\n")
    assert counts(client) == COUNTS


def test_the_program_says_that_a_database_is_away() -> None:
    nowhere = f"mongodb://{ports.LOOPBACK}:{ports.free_port()}/?serverSelectionTimeoutMS=200"

    refused = run_sample(MONGO_DB_URI=nowhere)

    assert refused.returncode == 1
    assert refused.stderr == f"error: MongoDB cannot be reached\n{DOCTOR}\n"


def test_one_database_takes_all_and_what_a_killed_load_left_is_replaced(mongod: Mongod, client: Client) -> None:
    client.drop_database("shop")  # what other tests have left
    client.shop["films.loading"].insert_one({"half": True})
    client.shop.orders.insert_one({"kept": True})

    done = run_sample("--database", "shop", "--json", MONGO_DB_URI=mongod.uri)

    assert json.loads(done.stdout) == {"databases": ["shop"], "documents": 451}
    assert client.shop.films.count_documents({}) == 120
    assert "films.loading" not in client.shop.list_collection_names()
    assert client.shop.orders.count_documents({}) == 1
