"""findOneAndUpdate, findOneAndReplace and findOneAndDelete, through both hosts, on a real mongod."""

from typing import Any

import pytest

from tests.conftest import Post

ITEMS: list[dict[str, Any]] = [
    {"_id": 1, "n": 1, "kind": "a", "grades": [{"g": 80}, {"g": 95}]},
    {"_id": 2, "n": 2, "kind": "a", "grades": [{"g": 90}]},
    {"_id": 3, "n": 3, "kind": "b"},
]
UPDATE: dict[str, Any] = {"update": {"$inc": {"n": 10}}}
REPLACE: dict[str, Any] = {"replacement": {"new": True}}


async def stored(database: Any) -> list[Any]:
    return [each async for each in database.items.find().sort("_id")]


@pytest.mark.parametrize(
    ("members", "document", "now"),
    [
        pytest.param({}, ITEMS[0], ITEMS[0] | {"n": 11}, id="before, by default"),
        pytest.param({"returnDocument": "Before"}, ITEMS[0], ITEMS[0] | {"n": 11}, id="before"),
        pytest.param({"returnDocument": "After"}, ITEMS[0] | {"n": 11}, ITEMS[0] | {"n": 11}, id="after"),
        pytest.param({"sort": {"n": -1}}, ITEMS[2], ITEMS[2] | {"n": 13}, id="the last by the sort"),
        pytest.param({"projection": {"n": 1, "_id": 0}}, {"n": 1}, ITEMS[0] | {"n": 11}, id="a projection"),
        pytest.param(
            {"returnDocument": "After", "projection": {"twice": {"$multiply": ["$n", 2]}}},
            {"_id": 1, "twice": 22}, ITEMS[0] | {"n": 11}, id="a projection that computes",
        ),
        pytest.param({"filter": {"n": 9}}, None, None, id="none found"),
    ],
)  # fmt: skip
async def test_a_document_is_changed_and_returned(
    post: Post, database: Any, members: dict[str, Any], document: Any, now: Any
) -> None:
    await database.items.insert_many(ITEMS)

    answer = await post("findOneAndUpdate", **({"filter": {}} | UPDATE | members))

    assert (answer.status, answer.json) == (200, {"document": document})
    expected = {each["_id"]: each for each in ITEMS} | ({now["_id"]: now} if now else {})
    assert await stored(database) == list(expected.values())


async def test_a_pipeline_and_array_filters_change_it(post: Post, database: Any) -> None:
    await database.items.insert_many(ITEMS)
    after: dict[str, Any] = {"returnDocument": "After", "projection": {"_id": 0, "n": 1, "grades": 1}}

    piped = await post("findOneAndUpdate", filter={"_id": 2}, update=[{"$set": {"n": {"$add": ["$n", 5]}}}], **after)
    filtered = await post(
        "findOneAndUpdate", filter={"_id": 1}, update={"$set": {"grades.$[high].g": 100}},
        arrayFilters=[{"high.g": {"$gt": 90}}], **after,
    )  # fmt: skip

    assert piped.json == {"document": {"n": 7, "grades": [{"g": 90}]}}
    assert filtered.json == {"document": {"n": 1, "grades": [{"g": 80}, {"g": 100}]}}


@pytest.mark.parametrize(("time", "document"), [("Before", None), ("After", {"_id": 1, "new": True})])
async def test_a_document_that_is_not_there_is_inserted(post: Post, database: Any, time: str, document: Any) -> None:
    replaced = await post("findOneAndReplace", filter={"_id": 1}, upsert=True, returnDocument=time, **REPLACE)
    assert (replaced.json, await stored(database)) == ({"document": document}, [{"_id": 1, "new": True}])

    await database.items.delete_many({})
    updated = await post(
        "findOneAndUpdate", filter={"_id": 1}, upsert=True, returnDocument=time, update={"$set": {"new": True}}
    )
    assert (updated.json, await stored(database)) == ({"document": document}, [{"_id": 1, "new": True}])


async def test_a_replacement_keeps_the_id_and_the_types(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "a": 1.0})

    before = await post("findOneAndReplace", filter={"a": 1}, accept="application/ejson", **REPLACE)
    after = await post("findOneAndReplace", filter={}, replacement={"b": 2}, returnDocument="After")

    assert before.body == b'{"document":{"_id":{"$numberInt":"1"},"a":{"$numberDouble":"1.0"}}}'
    assert after.body == b'{"document":{"_id":1,"b":2}}'


async def test_a_document_is_deleted_and_returned(post: Post, database: Any) -> None:
    await database.items.insert_many(ITEMS)

    last = await post("findOneAndDelete", filter={"kind": "a"}, sort={"n": -1}, projection={"n": 1})
    none = await post("findOneAndDelete", filter={"kind": "c"}, upsert=True)

    assert (last.json, none.json) == ({"document": {"_id": 2, "n": 2}}, {"document": None})
    assert [each["_id"] for each in await stored(database)] == [1, 3]


REFUSED: list[Any] = [
    pytest.param("findOneAndDelete", {}, "must provide a 'filter' field", id="no filter"),
    pytest.param("findOneAndUpdate", {"filter": {}}, "must provide a 'update' field", id="no update"),
    pytest.param("findOneAndReplace", {"filter": {}}, "must provide a 'replacement' field", id="no replacement"),
    pytest.param(
        "findOneAndUpdate", {"filter": {}, "update": {"n": 1}}, "'update' must hold update operators only", id="whole"
    ),
    pytest.param(
        "findOneAndReplace", {"filter": {}, "replacement": {"$set": {"n": 1}}},
        "'replacement' must not hold update operators", id="operators",
    ),
    pytest.param(
        "findOneAndUpdate", {"filter": {}, "returnDocument": "after"} | UPDATE,
        "'returnDocument' must be \"Before\" or \"After\"", id="another time",
    ),
    pytest.param(
        "findOneAndUpdate", {"filter": {}, "returnDocument": True} | UPDATE,
        "'returnDocument': expected `str`, got `bool`", id="no text",
    ),
    pytest.param(
        "findOneAndUpdate", {"filter": {}, "sort": {"n": "up"}} | UPDATE,
        "'sort': 'n' must be 1, -1 or a $meta expression", id="no sort",
    ),
    pytest.param(
        "findOneAndUpdate", {"filter": {}, "upsert": "false"} | UPDATE,
        "'upsert': expected `bool`, got `str`", id="upsert is a text",
    ),
    pytest.param(
        "findOneAndDelete", {"filter": {}, "projection": {"x": {"$function": {}}}},
        "operator '$function' is not allowed", id="JavaScript in the projection",
    ),
    pytest.param(
        "findOneAndUpdate", {"filter": {}, "update": [{"$set": {"x": {"$function": {}}}}]},
        "operator '$function' is not allowed", id="JavaScript in a pipeline",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("action", "members", "error"), REFUSED)
async def test_a_wrong_call_changes_nothing(
    post: Post, database: Any, action: str, members: dict[str, Any], error: str
) -> None:
    await database.items.insert_many(ITEMS)

    answer = await post(action, **members)

    assert (answer.status, answer.json["error"]) == (400, error)
    assert await stored(database) == ITEMS


async def test_what_mongodb_refuses_has_its_text(post: Post, database: Any) -> None:
    await database.items.insert_many(ITEMS)

    answer = await post("findOneAndUpdate", filter={"_id": 1}, update={"$inc": {"kind": 1}})

    assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
    assert answer.json["error"].startswith("(TypeMismatch) ")
