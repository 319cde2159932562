"""distinct, through both hosts, on a real mongod; the order of values is MongoDB's own."""

import json
from typing import Any

import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId

from tests.conftest import Post

ORDERS = [
    {"_id": 1, "state": "open", "tags": ["a", "b"], "lines": [{"sku": "x"}, {"sku": "y"}], "total": 5},
    {"_id": 2, "state": "done", "tags": ["b", ["c"]], "lines": [{"sku": "x"}], "total": 5.0},
    {"_id": 3, "state": "open", "tags": "a", "lines": {"sku": ["z", "x"]}, "total": None},
]


def in_order(values: list[Any]) -> list[Any]:
    return sorted(values, key=json.dumps)


@pytest.mark.parametrize(
    ("name", "condition", "values"),
    [
        pytest.param("state", {}, ["open", "done"], id="a field"),
        pytest.param("state", {"_id": {"$gt": 2}}, ["open"], id="a filter"),
        pytest.param("tags", {}, ["a", "b", ["c"]], id="the elements of arrays, one level"),
        pytest.param("lines.sku", {}, ["x", "y", "z"], id="a path through arrays"),
        pytest.param("lines.0.sku", {}, ["x"], id="a place in an array"),
        pytest.param("lines.1.sku", {}, ["y"], id="another place"),
        pytest.param("total", {}, [5, None], id="numbers that are equal"),
        pytest.param("nothing", {}, [], id="a field that is nowhere"),
        pytest.param("state.deep", {}, [], id="a path into a text"),
    ],
)
async def test_each_value_is_returned_once(
    post: Post, database: Any, name: str, condition: dict[str, Any], values: list[Any]
) -> None:
    await database.items.insert_many(ORDERS)

    answer = await post("distinct", fieldName=name, filter=condition)

    assert (answer.status, in_order(answer.json["values"])) == (200, in_order(values))


async def test_values_keep_their_types(post: Post, database: Any) -> None:
    oid = ObjectId()
    await database.items.insert_many([{"v": each} for each in (Int64(1), 2.0, oid, {"b": 1, "a": True}, "t")])

    answer = await post("distinct", fieldName="v", accept="application/ejson")

    assert in_order(answer.json["values"]) == in_order([
        {"$numberLong": "1"}, {"$numberDouble": "2.0"}, {"$oid": str(oid)}, {"b": {"$numberInt": "1"}, "a": True}, "t",
    ])  # fmt: skip


async def test_many_values_come_whole(post: Post, database: Any) -> None:
    texts = [f"text {number}" for number in range(30_000)]
    await database.items.insert_one({"v": texts})

    answer = await post("distinct", fieldName="v")

    assert in_order(answer.json["values"]) == in_order(texts)


async def test_more_values_than_mongodb_can_send_are_refused(post: Post, database: Any) -> None:
    await database.items.insert_many([{"v": str(number) * 9_000_000} for number in range(2)])

    answer = await post("distinct", fieldName="v")

    assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
    assert "16mb" in answer.json["error"]


@pytest.mark.parametrize(
    ("members", "error", "code"),
    [
        pytest.param({}, "must provide a 'fieldName' field", "MissingParameter", id="no name"),
        pytest.param({"fieldName": 1}, "'fieldName': expected `str`, got `int`", "InvalidJSONFieldType", id="a number"),
        pytest.param({"fieldName": ""}, "'fieldName' must be the path of a field", "InvalidParameter", id="empty"),
        pytest.param({"fieldName": "$a"}, "'fieldName' must be the path of a field", "InvalidParameter", id="dollar"),
        pytest.param({"fieldName": "a\0"}, "'fieldName' must be the path of a field", "InvalidParameter", id="a zero"),
        pytest.param(
            {"fieldName": "a" + ".a" * 300},
            "a path has too many parts: MAX_PATH_PARTS allows 200", "InvalidParameter", id="deep",
        ),
        pytest.param(
            {"fieldName": "a", "filter": {"$where": "1"}},
            "operator '$where' is not allowed", "InvalidParameter", id="JavaScript",
        ),
    ],
)  # fmt: skip
async def test_what_is_no_field_is_refused(post: Post, members: dict[str, Any], error: str, code: str) -> None:
    answer = await post("distinct", **members)

    assert (answer.status, answer.json) == (400, {"error": error, "error_code": code})
