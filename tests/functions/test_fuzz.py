"""Thousands of requests that were valid once: whatever became of them, the answer is a reply or a caller's error."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson
import pytest
from pymongo import AsyncMongoClient

from tests.bson_types import OID
from tests.conftest import DATABASE, Post, errors_only
from tests.depth import examples
from tests.hosts import Answer, Server, Worker
from tests.shared.generated import strict_json

THROUGH_WORKER = examples(1_500)
THROUGH_SERVER = 60
SECONDS = 60

NS = {"dataSource": "mongodb-atlas", "database": DATABASE, "collection": "items"}
TYPES = {
    "id": {"$oid": OID}, "int": {"$numberInt": "1"}, "long": {"$numberLong": "2"}, "double": {"$numberDouble": "-0.0"},
    "decimal": {"$numberDecimal": "1.10"}, "date": {"$date": {"$numberLong": "0"}},
    "iso": {"$date": "2022-01-12T02:33:23.067Z"},
    "binary": {"$binary": {"base64": "AQID", "subType": "05"}}, "old": {"$binary": "AQID", "$type": "00"},
    "uuid": {"$uuid": "00112233-4455-6677-8899-aabbccddeeff"}, "time": {"$timestamp": {"t": 1, "i": 2}},
    "regex": {"$regularExpression": {"pattern": "^a", "options": "i"}}, "min": {"$minKey": 1}, "max": {"$maxKey": 1},
    "code": {"$code": "f()", "$scope": {"x": {"$numberInt": "1"}}}, "ref": {"$ref": "c", "$id": {"$oid": OID},
    "$db": "d"},
    "pointer": {"$dbPointer": {"$ref": "c", "$id": {"$oid": OID}}}, "symbol": {"$symbol": "s"},
    "none": {"$undefined": True},
    "plain": [1, -1.5e3, "é☆", True, None, {}, []],
}  # fmt: skip
VICTIM: dict[str, Any] = {"name": "victim", "n": {"$gte": 1}}
CHANGE: dict[str, Any] = {"$set": TYPES, "$inc": {"n": 1}, "$push": {"list": {"$each": [1, 2], "$slice": -5}}}

OF_ALL: dict[str, Any] = {"comment": {"a": [1, None]}}
OF_READS = OF_ALL | {"readConcern": {"level": "majority"}, "readPreference": {"mode": "primary"}}
OF_WRITES = OF_ALL | {"writeConcern": {"w": 1, "j": True, "wtimeout": 9_000}}
COMPARING: dict[str, Any] = {"collation": {"locale": "en", "strength": 2}, "hint": {"_id": 1}}
BOUNDED: dict[str, Any] = {
    "min": {"_id": 0}, "max": {"_id": "z"}, "returnKey": True, "let": {"x": {"$add": [1, 2]}}, "showRecordId": False,
    "collation": {"locale": "simple"},
}  # fmt: skip
CHANGING = OF_WRITES | COMPARING | {"let": {"x": 1}, "bypassDocumentValidation": False}

REQUESTS: dict[str, dict[str, Any]] = {
    "findOne": NS | OF_READS | COMPARING | BOUNDED | {
        "filter": {"name": {"$regex": "^a", "$nin": ["abc"]}}, "projection": {"name": 1, "_id": 0}, "skip": 1,
    },
    "find": NS | OF_READS | COMPARING | {
        "filter": {"$or": [{"at": {"$gt": TYPES["iso"]}}, {"n": {"$in": [1, TYPES["decimal"]]}}]},
        "projection": {"name": 1, "n": 1}, "sort": {"n": -1, "_id": 1}, "limit": 5, "skip": {"$numberInt": "1"},
        "batchSize": 5, "allowDiskUse": True, "allowPartialResults": True,
    },
    "countDocuments": NS | OF_READS | COMPARING | {"filter": VICTIM, "limit": 5, "skip": 1},
    "estimatedDocumentCount": NS | OF_READS,
    "distinct": NS | OF_READS | {"fieldName": "list.0", "filter": VICTIM, "collation": COMPARING["collation"]},
    "insertOne": NS | OF_WRITES | {"document": TYPES},
    "insertMany": NS | OF_WRITES | {"ordered": False} | {"documents": [TYPES, {"a": TYPES["regex"]}, {}]},
    "updateOne": NS | CHANGING | {"filter": VICTIM, "update": CHANGE, "upsert": True},
    "updateMany": NS | CHANGING | {"filter": VICTIM, "update": {"$set": {"list.$[x]": TYPES["date"]}},
    "arrayFilters": [{"x": {"$gt": 1}}]},
    "replaceOne": NS | CHANGING | {"filter": VICTIM, "replacement": TYPES, "upsert": False},
    "findOneAndUpdate": NS | CHANGING | {"filter": VICTIM, "update": CHANGE, "sort": {"n": -1}, "projection": {"n": 1},
    "returnDocument": "After"},
    "findOneAndReplace": NS | CHANGING | {"filter": VICTIM, "replacement": TYPES, "upsert": True},
    "findOneAndDelete": NS | OF_WRITES | COMPARING | {"filter": VICTIM, "sort": {"n": 1}, "let": {"x": 1}},
    "deleteOne": NS | OF_WRITES | COMPARING | {"filter": VICTIM, "let": {"x": 1}},
    "deleteMany": NS | OF_WRITES | {"filter": VICTIM},
    "aggregate": NS | OF_READS | COMPARING | {"batchSize": 3, "let": {"x": 1}, "allowDiskUse": False} | {"pipeline": [
        {"$match": {"name": {"$in": ["kept", "victim"]}, "at": {"$ne": TYPES["iso"]}}},
        {"$group": {"_id": "$name", "n": {"$sum": "$n"}, "last": {"$max": TYPES["date"]}}},
        {"$facet": {"all": [{"$sort": {"n": -1}}, {"$limit": 5}], "some": [{"$project": {"n": {"$add": ["$n", 1]}}}]}},
    ]},
}  # fmt: skip

ODD = [
    None, True, 0, -1, 1.5, 2**31, 2**63, 1e308, "", "x", "$name", "\0", "\ud7ff\U0010ffff", "a" * 300, [], [[]], {},
    [{}],
    {"": ""}, {"a": {"b": []}}, {"$": 1}, {"$where": "1"}, {"$foo": 1}, {"$oid": "zzz"}, {"$oid": 1}, {"$numberInt": 1},
    {"$numberLong": "99999999999999999999"}, {"$numberDouble": "NaN"}, {"$numberDecimal": "x"}, {"$date": []},
    {"$date": 1e300},
    {"$binary": {}}, {"$uuid": "x"}, {"$timestamp": {"t": -1, "i": 0}}, {"$regex": "["}, {"$regularExpression": {}},
    {"$code": 1}, {"$minKey": 2}, {"$ref": 1, "$id": None}, {"$dbPointer": {"$ref": "c"}}, {"$undefined": True},
    *TYPES.values(),
]  # fmt: skip

type Mutator = Callable[[random.Random, bytes], bytes]


def _flip(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def _cut(dice: random.Random, data: bytes) -> bytes:
    return data[: dice.randrange(len(data))]


def _delete(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at + dice.randint(1, 12) :]


def _repeat(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at : at + dice.randint(1, 30)] * 2 + data[at:]


def _insert(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + dice.choice([dice.randbytes(3), b"\\u0000", b"\\ud800", b'"', b"{", b"]", b"1e999"]) + data[at:]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give every place in a JSON value as its container and its key or index."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in members:
        yield value, key
        yield from _places(item)


def _change(dice: random.Random, data: bytes, change: Callable[[Any, Any], None]) -> bytes:
    body = json.loads(data)
    change(*dice.choice(list(_places(body))))
    return json.dumps(body).encode()


def _swap(dice: random.Random, data: bytes) -> bytes:
    return _change(dice, data, lambda container, key: container.__setitem__(key, dice.choice(ODD)))


def _remove(dice: random.Random, data: bytes) -> bytes:
    return _change(dice, data, lambda container, key: container.pop(key))


def _wrap(dice: random.Random, data: bytes) -> bytes:
    wrappers = ["$oid", "$date", "$numberInt", "$binary", "$code", "$scope", "$regex", "$not", "$ref", "$or", "", "a\0"]
    return _change(
        dice, data, lambda container, key: container.__setitem__(key, {dice.choice(wrappers): container[key]})
    )


MUTATORS: list[Mutator] = [_flip, _cut, _delete, _repeat, _insert, _swap, _swap, _swap, _remove, _wrap]


def mutants(action: str, count: int) -> list[bytes]:
    """Return broken bodies of an action, the same ones in every run; one in five is broken twice."""
    dice = random.Random(action)
    data = json.dumps(REQUESTS[action], ensure_ascii=False).encode()
    broken = (_broken_again(dice, dice.choice(MUTATORS)(dice, data)) for _ in range(2 * count))
    return [body for body in broken if not _selects_others(body)][:count]


def _broken_again(dice: random.Random, data: bytes) -> bytes:
    return _flip(dice, data) if data and dice.random() < 0.2 else data


def _selects_others(body: bytes) -> bool:
    """Return whether a body is, by bad luck, a valid request for other documents than the victim."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    chosen = given.get("filter") if isinstance(given, dict) else None
    return isinstance(chosen, dict) and "name" not in chosen


def acceptable(answer: Answer) -> bool:
    """Return whether an answer is a reply in strict JSON or a caller's error in the shape of errors."""
    if answer.status in {200, 201}:
        return isinstance(strict_json(answer.body), dict)
    return 400 <= answer.status < 500 and bool(errors_only(answer))


async def unacceptable(post: Post, action: str, count: int) -> list[tuple[bytes, Answer]]:
    """Post the broken bodies, in both formats in turn, and return those with a wrong answer."""
    accepts = ("application/json", "application/ejson")
    async with asyncio.timeout(SECONDS):
        answers = [
            (body, await post(action, body, accept=accepts[number % 2]))
            for number, body in enumerate(mutants(action, count))
        ]
    return [(body, answer) for body, answer in answers if not acceptable(answer)]


KEPT = [{"_id": number, "name": "kept", "n": -number, "list": [1, 2]} for number in range(20)]


@pytest.fixture
async def kept(database: Any, driver: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[Any]:
    """A collection of documents that no request means, and one that all do; databases made by misspelling go away."""
    before = set(await driver.list_database_names())
    await database.items.insert_many([*KEPT, {"_id": "victim", "name": "victim", "n": 1, "list": [1, 2]}])
    yield database.items
    for name in set(await driver.list_database_names()) - before - {DATABASE}:
        await driver.drop_database(name)


@pytest.mark.parametrize("action", REQUESTS)
async def test_valid_requests_succeed_before_they_are_broken(worker: Worker, key: str, kept: Any, action: str) -> None:
    answer = await Post(worker, key)(action, REQUESTS[action])

    assert answer.status in {200, 201}, answer.body


@pytest.mark.long
@pytest.mark.parametrize("action", REQUESTS)
async def test_thousands_of_broken_requests_are_never_our_fault(
    worker: Worker, key: str, kept: Any, action: str
) -> None:
    wrong = await unacceptable(Post(worker, key), action, THROUGH_WORKER)

    assert wrong == []
    assert await kept.find({"name": "kept"}).sort("_id").to_list() == KEPT


@pytest.mark.parametrize("action", REQUESTS)
async def test_hundreds_of_broken_requests_leave_the_server_well(
    server: Server, key: str, kept: Any, action: str
) -> None:
    wrong = await unacceptable(Post(server, key), action, THROUGH_SERVER)

    assert wrong == []
    assert await kept.find({"name": "kept"}).sort("_id").to_list() == KEPT
    assert (await server.request("GET", "/health/live")).status == 200


LOST = [
    pytest.param({}, id="missing"), pytest.param({"filter": None}, id="null"), pytest.param({"filter": []},
    id="an array"),
    pytest.param({"filter": [{}]}, id="an array of filters"), pytest.param({"filter": ""}, id="a string"),
    pytest.param({"filter": "{}"}, id="a filter in a string"), pytest.param({"filter": 0}, id="a number"),
    pytest.param({"filter": False}, id="false"), pytest.param({"Filter": {}}, id="a capital"),
    pytest.param({"query": {}}, id="another name"), pytest.param({"filter": {"$undefined": True}}, id="undefined"),
    pytest.param({"filter": {"$oid": OID}}, id="an ObjectId"), pytest.param({"filter": {"$minKey": 1}}, id="MinKey"),
    pytest.param({"filter": {"$date": 0}}, id="a date"), pytest.param({"filter": {"$code": "f", "$scope": {}}},
    id="code"),
    pytest.param({"filter": {"$numberInt": "0"}}, id="a wrapped number"), pytest.param({"filter": {"$symbol": ""}},
    id="a symbol"),
]  # fmt: skip


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(
    "action",
    ["updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany", "findOneAndUpdate", "findOneAndDelete"],
)
async def test_a_lost_filter_touches_nothing(
    worker: Worker, key: str, kept: Any, action: str, lost: dict[str, Any]
) -> None:
    given = {name: member for name, member in REQUESTS[action].items() if name != "filter"}
    before = await kept.find().to_list()

    answer = await Post(worker, key)(action, given | lost)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] in {"MissingParameter", "InvalidJSONFieldType"}
    assert await kept.find().to_list() == before
