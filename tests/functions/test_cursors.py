"""Cursors: what is too much for one reply, read in batches that any process answers."""

import asyncio
import base64
import time
from collections import Counter
from datetime import datetime
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from bson import json_util
from bson.codec_options import DatetimeConversion

from shared.auth.keys import new_key
from shared.documents.elements import ARRAY, SYMBOL, Element
from shared.mongo.control import API_KEYS
from tests.conftest import Post
from tests.depth import examples
from tests.values import ARRAYS, RARE, VALUES, stored

SORTS = [
    {"a": 1}, {"a": -1}, {"a.b": 1}, {"a.b": -1}, {"n": 1, "a": -1}, {"a": 1, "n": -1}, {"n": -1, "a.b": 1},
    {"a.0": 1}, {"m": -1, "n": 1, "a": 1}, {"_id": -1}, {}, {"a.7": 1}, {"a.01": -1},
]  # fmt: skip
COLLATIONS = [None, {"locale": "en", "strength": 1}, {"locale": "en", "strength": 2, "caseLevel": True}]

ID = {"_id": 1}
EXACT = json_util.JSONOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
BOTH: list[tuple[str, dict[str, Any]]] = [("find", {}), ("aggregate", {"pipeline": []})]


async def batches(post: Any, action: str = "find", **members: Any) -> list[list[Any]]:
    """Return what all batches hold."""
    answer = await post(action, accept="application/ejson", **members)
    found = []
    while True:
        assert answer.status == 200, answer.body
        reply = json_util.loads(answer.body, json_options=EXACT)
        found.append(reply["documents"])
        if "cursor" not in reply:
            return found
        answer = await post("getMore", {"cursor": reply["cursor"]}, accept="application/ejson")


def ids(found: list[list[Any]]) -> list[Any]:
    return [each["_id"] for batch in found for each in batch]


def keys(sort: dict[str, int]) -> list[tuple[str, int]]:
    """Return the order of a cursor with this sort."""
    return [
        *sort.items(),
        *([] if "_id" in sort else [("_id", [*sort.values(), 1][-1] if not sort else [*sort.values()][-1])]),
    ]


def mixed(random: Random, number: int, collation: Any = None) -> list[dict[str, Any]]:
    """Return documents whose members are of all types, or are not there.

    What MongoDB does not sort is not among them: arrays at two paths, and symbols under a collation.
    """
    rare = [each for each in RARE if collation is None or getattr(each, "kind", None) != SYMBOL]
    values = [*VALUES, *ARRAYS, *rare]
    documents: list[dict[str, Any]] = [
        {
            "_id": f"{place}",
            "a": random.choice(values),
            "n": random.choice([1, 1.0, "x", "X", None]),
            "m": random.choice([*VALUES, *(each for each in rare if getattr(each, "kind", None) != ARRAY)]),
        }
        for place in range(number)
    ]
    for each in documents:
        for name in random.sample(["a", "n", "m"], random.randrange(3)):
            del each[name]
    return documents


@pytest.mark.parametrize("seed", range(examples(50)))
async def test_batches_are_in_the_order_of_the_sort(post: Post, database: Any, seed: int) -> None:
    random = Random(seed)
    sort, collation = random.choice(SORTS), random.choice(COLLATIONS)
    await database.items.insert_many(map(stored, mixed(random, 40, collation)))
    options: dict[str, Any] = {} if collation is None else {"collation": collation}
    projection = random.choice([{}, {"a": 0}, {"n": 1}, {"x": {"$literal": 1}}])
    expected = [each["_id"] async for each in database.items.find({}, ID, sort=keys(sort), **options)]

    found = await batches(
        post, sort=sort, projection=projection, cursor={"batchSize": random.randrange(1, 9)}, **options
    )

    assert ids(found) == expected


async def test_a_symbol_under_a_collation_hides_no_text(post: Post, database: Any) -> None:
    values = [Element(SYMBOL, b"\2\0\0\0a\0"), "b", "á", 5]
    await database.items.insert_many([stored({"_id": place, "a": each}) for place, each in enumerate(values)])

    found = await batches(
        post, sort={"a": -1}, cursor={"batchSize": 1}, collation={"locale": "en", "strength": 1}, projection=ID
    )

    assert ids(found) == [0, 1, 2, 3]


async def writes(
    database: Any, random: Random, fleeting: list[dict[str, Any]], collation: Any, has_ended: asyncio.Event
) -> None:
    """Insert, change and delete documents until it has ended; a write that was cancelled might come after the test."""
    while not has_ended.is_set():
        each = random.choice(fleeting)
        changed = {**mixed(random, 1, collation)[0], "_id": each["_id"]}
        await database.items.delete_one({"_id": each["_id"]})
        put = {"q": {"_id": each["_id"]}, "u": stored(random.choice([each, changed])), "upsert": True}
        await database.command({"update": "items", "updates": [put]})  # the driver's replace_one decodes what it sends


@pytest.mark.parametrize("action", ["find", "aggregate"])
@pytest.mark.parametrize("seed", range(examples(30)))
async def test_who_is_there_throughout_is_returned_once(post: Post, database: Any, seed: int, action: str) -> None:
    random = Random(seed)
    sort, collation = random.choice(SORTS), random.choice(COLLATIONS)
    lasting, fleeting = (mixed(random, 25, collation) for _ in range(2))
    for each in fleeting:
        each["_id"] = f"{each['_id']}!"
    await database.items.insert_many(map(stored, lasting + fleeting[:12]))
    members: dict[str, Any] = {"sort": sort, **({} if collation is None else {"collation": collation})}
    if action == "aggregate":
        members = {"pipeline": [{"$sort": sort}] if sort else []}
    has_ended = asyncio.Event()
    writer = asyncio.create_task(writes(database, random, fleeting, collation, has_ended))

    found = Counter(ids(await batches(post, action, cursor={"batchSize": random.randrange(1, 7)}, **members)))

    has_ended.set()
    await writer
    assert {each["_id"]: found[each["_id"]] for each in lasting} == {each["_id"]: 1 for each in lasting}


SAME = ["a", "A", "á", "Á", "à", "ä", "b", "B"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("skip", [0, 1, 3, 7])
async def test_texts_that_a_collation_finds_equal_are_told_apart(
    post: Post, database: Any, size: int, skip: int
) -> None:
    await database.items.insert_many([{"_id": each, "n": 1} for each in sorted(SAME, reverse=True)])

    found = ids(await batches(post, collation={"locale": "en", "strength": 1}, skip=skip, cursor={"batchSize": size}))

    assert sorted([*found, *found[:0]]) == sorted(set(found))
    assert len(found) == len(SAME) - skip
    assert {each.lower() for each in found[-2:]} <= {"b"} or skip > 6


async def test_limit_and_skip_count_over_all_batches(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(20)])

    for skip, limit, size in ((3, 8, 3), (0, 9, 3), (1, 1, 5), (15, 50, 2), (25, 0, 2), (4, 0, 50)):
        found = await batches(post, skip=skip, limit=limit, cursor={"batchSize": size})
        expected = [*range(20)][skip:][: limit or 20]
        assert ids(found) == expected
        assert len(found) == max(1, -(-len(expected) // size))


async def test_a_cursor_has_no_default_limit(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(2_500)])

    assert [len(each) for each in await batches(post, cursor={})] == [1_000, 1_000, 500]


async def test_documents_have_the_same_bytes_with_a_cursor(post: Post, database: Any) -> None:
    values = [*VALUES, *ARRAYS, *RARE]
    await database.items.insert_many(stored({"_id": place, "a": value}) for place, value in enumerate(values))
    await database.items.insert_one({"_id": -1, "dozen_sort_key": [1], "in": {"dozen_sort_key": [2]}, "z": 1})
    members = {"sort": {"_id": 1}, "projection": {"_id": 0, "b": 0}}

    for accept in ("application/json", "application/ejson"):
        plain = await post("find", **members, accept=accept)
        whole = await post("find", **members, cursor={"batchSize": 1_000}, accept=accept)
        first = await post("find", **members, cursor={"batchSize": 10}, accept=accept)
        assert whole.body == plain.body
        assert plain.body.startswith(first.body.partition(b'],"cursor":"')[0] + b",")


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ([], [*range(12)]),
        ([{"$match": {"n": 1}}], [1, 4, 7, 10]),
        ([{"$sort": {"n": -1, "_id": -1}}], [11, 8, 5, 2, 10, 7, 4, 1, 9, 6, 3, 0]),
        ([{"$set": {"m": {"$multiply": ["$n", -1]}}}, {"$sort": {"m": 1}}], [2, 5, 8, 11, 1, 4, 7, 10, 0, 3, 6, 9]),
        ([{"$group": {"_id": "$n", "sum": {"$sum": "$_id"}}}, {"$sort": {"sum": -1}}], [2, 1, 0]),
        ([{"$sort": {"_id": -1}}, {"$group": {"_id": "$n"}}], [0, 1, 2]),
        ([{"$match": {"n": {"$gt": 0}}}, {"$sort": {"n": -1}}, {"$skip": 1}, {"$limit": 5}], [8, 5, 2, 10, 7]),
        ([{"$skip": 9}], [9, 10, 11]),
        ([{"$unwind": "$tags"}, {"$group": {"_id": "$tags"}}], ["a", "b"]),
        ([{"$unwind": {"path": "$tags", "includeArrayIndex": "at"}}, {"$match": {"n": 0}},
          {"$set": {"_id": {"$add": [{"$multiply": ["$_id", 10]}, "$at"]}}}], [0, 1, 30, 31, 60, 61, 90, 91]),
        ([{"$lookup": {"from": "items", "localField": "n", "foreignField": "_id", "as": "same"}}], [*range(12)]),
    ],
    ids=str,
)  # fmt: skip
async def test_a_pipeline_is_continued(post: Post, database: Any, pipeline: list[Any], expected: Any) -> None:
    await database.items.insert_many([{"_id": number, "n": number % 3, "tags": ["a", "b"]} for number in range(12)])

    assert ids(await batches(post, "aggregate", pipeline=pipeline, cursor={"batchSize": 2})) == expected


@pytest.mark.parametrize("seed", range(examples(30)))
async def test_batches_of_a_pipeline_are_in_the_order_of_its_sort(post: Post, database: Any, seed: int) -> None:
    random = Random(seed)
    await database.items.insert_many(map(stored, mixed(random, 40)))
    sort = random.choice(SORTS)
    expected = [each["_id"] async for each in database.items.find({}, ID, sort=keys(sort))]
    pipeline = [{"$set": {"made": 1}}, *([{"$sort": sort}] if sort else [])]

    found = await batches(post, "aggregate", pipeline=pipeline, cursor={"batchSize": random.randrange(1, 9)})

    assert ids(found) == expected


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        ([{"$unwind": "$tags"}], "behind $unwind documents have no '_id' of their own to go on from: add"),
        ([{"$project": {"_id": 0}}], "behind $project documents have no '_id'"),
        ([{"$set": {"_id": 0}}], "behind $set documents have no '_id'"),
        ([{"$unset": ["n", "_id"]}], "behind $unset documents have no '_id'"),
        ([{"$replaceRoot": {"newRoot": "$n"}}], "behind $replaceRoot documents have no '_id'"),
        ([{"$unionWith": "items"}], "behind $unionWith documents have no '_id'"),
        ([{"$limit": 3}, {"$sort": {"n": 1}}], "$limit would choose other documents for each batch"),
        ([{"$sample": {"size": 3}}], "$sample would choose other documents for each batch"),
        ([{"$skip": 3}, {"$group": {"_id": "$n"}}], "$skip would choose other documents for each batch"),
        ([{"$sort": {"n": 1}}, {"$project": {"n": 1}}], 'put the $sort at its end, such as {"$sort": {"_id": 1}}'),
        ([{"$count": "n"}], "a pipeline with $count cannot be continued"),
        ([{"$facet": {"a": []}}], "a pipeline with $facet cannot be continued"),
        ([{"$set": {"r": {"$rand": {}}}}], "what gives something else each time cannot be continued"),
        ([{"$match": {"$expr": {"$lt": ["$at", "$$NOW"]}}}], "what gives something else each time"),
        ([{"$lookup": {"from": "items", "pipeline": [{"$sample": {"size": 1}}], "as": "one"}},
          {"$match": {"one.n": 1}}], "what $lookup joins is something else each time"),
        ([{"$unionWith": {"coll": "items", "pipeline": [{"$lookup": {"from": "items", "as": "n", "pipeline": [
          {"$sample": {"size": 1}}]}}]}}, {"$set": {"_id": "$n"}}], "what $unionWith joins is something else"),
        ([{"$sort": {"n": {"$meta": "textScore"}}}], "a sort by 'n' has no place to go on from"),
        ([{"$sort": 1}], "$sort takes an object"),
        ([{"$limit": 0}], "'$limit' must be a number of documents"),
        ([{"$limit": "5"}], "'$limit' must be a number of documents"),
        ([{"$limit": 1.5}], "'$limit' must be a whole number"),
        ([{"$skip": -1}], "'$skip' must be a whole number"),
        ([{"$sort": {"n": 1}, "$match": {"n": 1}}], "a stage must have one name"),
        ([{"$limit": 5, "$match": {"n": 1}}], "a stage must have one name"),
        ([{}], "a stage must have one name"),
        ([{"$documents": [{"_id": 1}]}], "a pipeline with $documents cannot be continued"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_pipeline_that_cannot_be_continued_is_refused_with_what_to_add(
    post: Post, database: Any, pipeline: list[Any], reason: str
) -> None:
    answer = await post("aggregate", pipeline=pipeline, cursor={"batchSize": 2})

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert reason in answer.json["error"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"cursor": {"batchSize": 0}}, "'cursor.batchSize' must be at least 1"),
        ({"cursor": {"batchSize": -1}}, "'cursor.batchSize' must be a whole number"),
        ({"cursor": {"batchSize": 1.5}}, "'cursor.batchSize' must be a whole number"),
        ({"sort": {"$natural": 1}, "cursor": {}}, "a sort by '$natural' has no place to go on from"),
        ({"sort": {"x": {"$meta": "textScore"}}, "cursor": {}}, "a sort by 'x' has no place to go on from"),
        ({"filter": {"at": {"$near": [0, 0]}}, "cursor": {}}, "an order by distance cannot be continued"),
        ({"returnKey": True, "cursor": {}}, "option 'returnKey' is not allowed beside 'cursor'"),
        ({"projection": {"_id": "$n"}, "cursor": {}}, "a cursor needs '_id' as it is, or left out"),
        ({"projection": {"_id.x": 1}, "cursor": {}}, "a cursor needs '_id' as it is, or left out"),
        ({"filter": {"a": 1}, "projection": {"a.$": 1}, "cursor": {}}, "a cursor takes no '.$'"),
        ({"filter": {"$sampleRate": 0.5}, "cursor": {}}, "what gives something else each time"),
        ({"let": {"now": "$$NOW"}, "cursor": {}}, "what gives something else each time"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_find_that_cannot_be_continued_is_refused(post: Post, members: dict[str, Any], reason: str) -> None:
    answer = await post("find", **members)

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert reason in answer.json["error"]


async def test_a_cursor_is_of_a_collection(post: Post) -> None:
    answer = await post("aggregate", {"dataSource": "mongodb-atlas", "database": "shop", "pipeline": [], "cursor": {}})

    assert (answer.status, answer.json["error"]) == (400, "'cursor' needs a 'collection'")


@pytest.mark.parametrize("cursor", [1, "first", {"batchSize": "2"}, {"size": 2}, [], True], ids=str)
async def test_a_cursor_of_another_shape_is_refused(post: Post, cursor: Any) -> None:
    for action, members in BOTH:
        answer = await post(action, **members, cursor=cursor)
        assert answer.status == 400, answer.body
        assert "'cursor" in answer.json["error"]


async def test_documents_without_an_id_of_their_own_are_not_continued(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number, "n": [1, 2]} for number in range(4)])
    await database.create_collection("twice", viewOn="items", pipeline=[{"$unwind": "$n"}])
    await database.create_collection("none", viewOn="items", pipeline=[{"$project": {"_id": 0}}])

    for name in ("twice", "none"):
        answer = await post("aggregate", collection=name, pipeline=[], cursor={"batchSize": 2})
        assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
        assert "the documents have no '_id' that only one of them has" in answer.json["error"]


@pytest.mark.parametrize(
    "kind",
    [
        {"viewOn": "others"},
        {"viewOn": "others", "pipeline": [{"$set": {"made": 1}}]},
        {"timeseries": {"timeField": "at"}},
    ],
    ids=["view", "computing view", "series"],
)
async def test_a_view_is_continued_by_aggregate(post: Post, driver: Any, kind: dict[str, Any]) -> None:
    await driver.drop_database("kinds")
    await driver["kinds"].create_collection("items", **kind)
    await driver["kinds"][kind.get("viewOn", "items")].insert_many(
        {"_id": number, "n": number % 3, "at": datetime(2020, 1, 1)} for number in range(9)
    )
    of: dict[str, Any] = {"database": "kinds", "cursor": {"batchSize": 2}}

    calls: list[dict[str, Any]] = [{"sort": {"n": 1}}, {"sort": {"n": -1}, "projection": {"_id": 0, "n": 1}}, {}]
    for members in calls:
        answer = await post("find", **of, **members)
        assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
        assert answer.json["error"].endswith("use 'aggregate'")
    found = await batches(post, "aggregate", **of, pipeline=[{"$sort": {"n": -1}}])
    assert [each["n"] for batch in found for each in batch] == [2, 2, 2, 1, 1, 1, 0, 0, 0]
    assert ids(found) == [8, 5, 2, 7, 4, 1, 6, 3, 0]


@pytest.mark.parametrize(("action", "members"), BOTH)
async def test_nothing_is_refused_while_mongodb_cannot_say_what_a_collection_is(
    post: Post, fail_point: Any, action: str, members: dict[str, Any]
) -> None:
    await fail_point("listCollections", times=2, errorCode=11602)  # and again, as the driver does

    now = await post(action, collection=f"new.{action}", **members, cursor={})
    later = await post(action, collection=f"new.{action}", **members, cursor={})

    assert (now.status, now.json["error"], now.headers["retry-after"]) == (503, "MongoDB cannot do this now", "5")
    assert later.json == {"documents": []}


async def first(post: Any, **members: Any) -> str:
    """Return a cursor."""
    cursor: str = (await post("find", cursor={"batchSize": 1}, **members)).json["cursor"]
    return cursor


async def test_a_cursor_may_be_continued_again(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(2)])
    cursor = await first(post)

    once, again = [await post("getMore", cursor=cursor) for _ in range(2)]

    assert once.json == again.json == {"documents": [{"_id": 1}]}


@pytest.mark.parametrize(
    ("members", "status", "code", "reason"),
    [
        ({}, 400, "MissingParameter", "must provide a 'cursor' field"),
        ({"cursor": None}, 400, "MissingParameter", "must provide a 'cursor' field"),
        ({"cursor": 5}, 400, "InvalidJSONFieldType", "'cursor'"),
        ({"cursor": {"batchSize": 1}}, 400, "InvalidJSONFieldType", "'cursor'"),
        ({"cursor": "forged"}, 400, "InvalidParameter", "'cursor' is none that you were given"),
        ({"cursor": ""}, 400, "InvalidParameter", "'cursor' is none that you were given"),
        ({"cursor": "A" * 10**6}, 400, "InvalidParameter", "'cursor' is none that you were given"),
    ],
    ids=["missing", "null", "number", "object", "forged", "empty", "huge"],
)
async def test_what_is_no_cursor_is_refused(post: Post, members: Any, status: int, code: str, reason: str) -> None:
    answer = await post("getMore", **members)

    assert (answer.status, answer.json["error_code"]) == (status, code)
    assert reason in answer.json["error"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"collection": "others"}, "'collection' is not that of the cursor"),
        ({"database": "others"}, "'database' is not that of the cursor"),
        ({"dataSource": "others"}, "'dataSource' is not that of the cursor"),
        ({"batchSize": 5}, "'batchSize' is not an option of this action"),
        ({"limit": 5}, "'limit' is not an option of this action"),
        ({"sort": {"n": 1}}, "'sort' is not an option of this action"),
    ],
    ids=str,
)
async def test_a_cursor_is_continued_as_it_was_begun(
    post: Post, database: Any, members: dict[str, Any], reason: str
) -> None:
    await database.items.insert_many([{"_id": number} for number in range(3)])

    answer = await post("getMore", cursor=await first(post), **members)

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert reason in answer.json["error"]


async def test_a_cursor_needs_no_other_member(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(2)])

    answer = await post("getMore", {"cursor": await first(post)})

    assert answer.json == {"documents": [{"_id": 1}]}


async def test_a_cursor_is_of_no_use_to_another_caller(post: Post, database: Any, driver: Any, host: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(3)])
    other, stored = new_key("another", system=True)
    await driver["dozen"][API_KEYS].insert_one(stored)

    answer = await Post(host, other)("getMore", cursor=await first(post))

    assert (answer.status, answer.json["error"]) == (400, "'cursor' is none that you were given")


async def test_a_cursor_shows_nothing_of_the_request(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": "secret" * number, "n": "hidden"} for number in range(1, 4)])

    cursor = await first(post, filter={"n": "hidden"}, sort={"n": 1})

    opened = base64.urlsafe_b64decode(cursor + "==")
    assert not any(each in opened for each in (b"secret", b"hidden", b"items", b"batchSize"))


async def test_a_request_that_is_too_long_for_a_cursor_is_refused(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(3)])
    condition = {"_id": {"$nin": ["x" * 1_000] * 300}}

    assert (await post("find", filter=condition, cursor={"batchSize": 5})).status == 200
    answer = await post("find", filter=condition, cursor={"batchSize": 1})

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert answer.json["error"] == "'cursor': what it has to hold exceeds 262144 bytes"


@pytest.mark.parametrize("collation", [None, {"locale": "en", "strength": 1}], ids=["simple", "folded"])
async def test_no_batch_reads_again_what_was_read(post: Post, database: Any, collation: Any) -> None:
    await database.create_collection("items", **({"collation": collation} if collation else {}))
    await database.items.create_index([("n", 1), ("_id", 1)])
    await database.items.insert_many([{"_id": number, "n": f"n{number // 100}"} for number in range(2_000)])
    cursor = (await post("find", sort={"n": 1}, cursor={"batchSize": 1_000})).json["cursor"]
    await database.command("profile", 2)
    try:
        answer = await post("getMore", cursor=cursor)
    finally:
        await database.command("profile", 0)

    reads = [each async for each in database["system.profile"].find({"ns": "shop.items", "command.find": "items"})]
    await database.drop_collection("system.profile")
    assert len(answer.json["documents"]) == 1_000
    assert sum(each["docsExamined"] for each in reads) < 1_020


async def test_a_cursor_ends(worker: Any, key: str, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    post = Post(worker, key)
    await database.items.insert_many([{"_id": number} for number in range(3)])
    cursor, now = await first(post), time.time()
    monkeypatch.setattr("shared.auth.seals.time", SimpleNamespace(time=lambda: now + 24 * 60 * 60 - 60))
    before = await post("getMore", cursor=cursor)
    monkeypatch.setattr("shared.auth.seals.time", SimpleNamespace(time=lambda: now + 24 * 60 * 60 + 60))
    after = await post("getMore", cursor=cursor)

    assert before.status == 200
    assert (after.status, after.json["error"]) == (400, "'cursor' has expired")


async def test_a_batch_holds_50_000_documents_at_most(post: Post, crowded: str) -> None:
    found = await post("find", database=crowded, projection={"_id": 1}, cursor={"batchSize": 60_000})
    rest = await post("getMore", database=crowded, cursor=found.json["cursor"])

    assert len(found.json["documents"]) == 50_000
    assert rest.json == {"documents": [{"_id": 50_000}]}


async def test_no_cursor_is_used_in_a_transaction(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(3)])
    cursor = await first(post)
    place = {"dataSource": "mongodb-atlas", "database": "shop", "collection": "items"}

    for operation, reason in (
        ({"action": "find", "cursor": {"batchSize": 1}}, "'cursor' cannot be used in a transaction"),
        ({"action": "aggregate", "pipeline": [], "cursor": {}}, "'cursor' cannot be used in a transaction"),
        ({"action": "getMore", "cursor": cursor}, "'action' must be one of"),
    ):
        answer = await post("transaction", {**place, "operations": [operation]})
        assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
        assert reason in answer.json["error"]


async def test_what_is_skipped_may_end_among_texts_that_a_collation_finds_equal(post: Post, database: Any) -> None:
    for pair in ("aA", "Aa"):
        await database.items.delete_many({})
        await database.items.insert_many([{"_id": each} for each in (*pair, "b", "c")])
        found = await batches(post, collation={"locale": "en", "strength": 1}, skip=1, cursor={"batchSize": 1})
        assert ids(found) == ["a", "b", "c"]


async def test_batches_are_in_one_order_when_a_collection_has_become_another(
    worker: Any, key: str, database: Any
) -> None:
    post, members = Post(worker, key), {"pipeline": [{"$sort": {"n": 1}}], "cursor": {"batchSize": 1}}
    await batches(post, "aggregate", **members)
    await database.drop_collection("items")
    await database.create_collection("items", collation={"locale": "en", "strength": 1})
    await database.items.insert_many([{"_id": place, "n": text} for place, text in enumerate(["b", "A", "a", "B"])])

    found = await batches(post, "aggregate", **members)

    assert [each["n"] for batch in found for each in batch] == ["A", "B", "a", "b"]


@pytest.mark.parametrize(
    ("accept", "bodies"),
    [
        ("application/x-ndjson", [b'{"_id":0,"n":0}\n{"_id":1,"n":1}\n', b'{"_id":2,"n":2}\n']),
        ("text/csv", [b"_id,n\r\n0,0\r\n1,1\r\n", b"_id,n\r\n2,2\r\n"]),
    ],
)
async def test_lines_and_rows_have_the_cursor_beside_them(
    post: Post, database: Any, accept: str, bodies: list[bytes]
) -> None:
    await database.items.insert_many([{"_id": number, "n": number} for number in range(3)])

    once = await post("find", projection={"_id": 1, "n": 1}, cursor={"batchSize": 2}, accept=accept)
    last = await post("getMore", cursor=once.headers["dozen-cursor"], accept=accept)

    assert [once.body, last.body] == bodies
    assert "dozen-cursor" not in last.headers


async def test_a_cursor_that_is_too_long_for_a_header_is_refused(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(3)])
    members: dict[str, Any] = {"filter": {"_id": {"$nin": ["x" * 100] * 60}}, "cursor": {"batchSize": 1}}

    answer = await post("find", **members, accept="application/x-ndjson")

    assert (await post("find", **members)).status == 200
    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert "exceeds the 6000 bytes of a header: ask for JSON" in answer.json["error"]
