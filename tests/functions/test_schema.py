"""getSchema: the fields of a sample, with their types."""

from typing import Any

import pytest
from bson import encode
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from tests.conftest import Post, errors_only


async def test_each_field_has_its_most_frequent_type(post: Post, database: Any) -> None:
    await database.items.insert_many(
        [
            {"_id": ObjectId(), "name": "a", "n": 1, "gone": None},
            {"_id": ObjectId(), "name": "b", "n": Int64(2), "in": {"x": 1}},
            {"_id": ObjectId(), "name": None, "n": Int64(3), "tags": []},
        ]
    )

    answer = await post("getSchema")

    assert answer.status == 200
    assert answer.json == {
        "_id": {"bsonType": "objectId"},
        "name": {"bsonType": "string"},
        "n": {"bsonType": "long"},
        "gone": {"bsonType": "null"},
        "in": {"bsonType": "object"},
        "tags": {"bsonType": "array"},
    }


async def test_an_empty_collection_has_an_empty_schema(post: Post) -> None:
    assert (await post("getSchema")).json == {}
    assert (await post("getSchema", detail=True)).json == {"bsonType": "object", "documents": 0, "properties": {}}


async def test_in_detail_all_types_have_their_share(post: Post, database: Any) -> None:
    await database.items.insert_many(
        [
            {"_id": 1, "a": "x", "in": {"b": 1.5}, "tags": ["x", 1]},
            {"_id": 2, "a": None, "in": {"b": 1.5, "c": True}},
            {"_id": 3, "a": "y"},
            {"_id": 4, "tags": [{"k": 1}, {"k": "1"}]},
        ]
    )

    answer = await post("getSchema", detail=True)

    assert answer.json["documents"] == 4
    properties = answer.json["properties"]
    assert properties["_id"] == {"bsonType": "int", "share": 1, "types": {"int": 1}}
    assert properties["a"] == {"bsonType": ["string", "null"], "share": 0.75, "types": {"string": 0.5, "null": 0.25}}
    assert properties["in"] == {
        "bsonType": "object",
        "share": 0.5,
        "types": {"object": 0.5},
        "properties": {
            "b": {"bsonType": "double", "share": 1, "types": {"double": 1}},
            "c": {"bsonType": "bool", "share": 0.5, "types": {"bool": 0.5}},
        },
    }
    assert properties["tags"] == {
        "bsonType": "array",
        "share": 0.5,
        "types": {"array": 0.5},
        "items": {
            "bsonType": ["object", "string", "int"],
            "share": 1,
            "types": {"object": 0.5, "string": 0.25, "int": 0.25},
            "properties": {"k": {"bsonType": ["string", "int"], "share": 1, "types": {"string": 0.5, "int": 0.5}}},
        },
    }


async def test_the_sample_has_the_size_that_is_asked_for(post: Post, database: Any) -> None:
    await database.items.insert_many({"_id": number} for number in range(50))

    answer = await post("getSchema", detail=True, sampleSize=7)

    assert answer.json["documents"] == 7


@pytest.mark.parametrize("size", [0, -1, 1.5, 10_001, 1e300])
async def test_a_size_that_cannot_be_is_refused(post: Post, size: float) -> None:
    answer = await post("getSchema", sampleSize=size)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert "'sampleSize'" in answer.json["error"]


async def test_more_fields_than_a_reply_should_have_are_refused(post: Post, database: Any) -> None:
    await database.items.insert_one({f"f{number}": 1 for number in range(5_001)})

    answer = await post("getSchema")

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert "5000 different fields" in answer.json["error"]


async def test_documents_as_deep_as_mongodb_stores_them_have_a_schema(post: Post, database: Any) -> None:
    raw = encode({})
    for _ in range(150):
        raw = encode({"in": RawBSONDocument(raw)})
    await database.items.insert_one({"_id": 1, "in": RawBSONDocument(raw)})

    answer = await post("getSchema", detail=True)

    assert answer.status == 200
    depth, place = 0, answer.json
    while "in" in place.get("properties", {}):
        depth, place = depth + 1, place["properties"]["in"]
    assert depth == 50
