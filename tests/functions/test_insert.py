"""insertOne and insertMany, through both hosts, on a real mongod."""

import re
from typing import Any

import pytest
from bson.objectid import ObjectId

from shared.settings import VERSION
from tests.conftest import FailPoint, Post, errors_only

OID = "65a1b2c3d4e5f60718293a4b"


async def test_insert_one_makes_an_id_that_comes_first(post: Post, database: Any) -> None:
    answer = await post("insertOne", document={"total": 7, "tags": ["gift"]})

    assert answer.status == 201
    assert re.fullmatch(rb'\{"insertedId":"[0-9a-f]{24}"\}', answer.body)
    stored = await database.items.find_one()
    assert list(stored.items()) == [("_id", ObjectId(answer.json["insertedId"])), ("total", 7), ("tags", ["gift"])]


async def test_insert_one_wraps_the_id_in_ejson(post: Post) -> None:
    answer = await post("insertOne", accept="application/ejson", document={"a": 1})

    assert (answer.status, answer.headers["content-type"]) == (201, "application/ejson")
    assert re.fullmatch(rb'\{"insertedId":\{"\$oid":"[0-9a-f]{24}"\}\}', answer.body)


IDS = [
    pytest.param({"$oid": OID}, f'"{OID}"', f'{{"$oid":"{OID}"}}', id="ObjectId"),
    pytest.param(42, "42", '{"$numberInt":"42"}', id="int32"),
    pytest.param(2**40, "1099511627776", '{"$numberLong":"1099511627776"}', id="int64"),
    pytest.param(1.5, "1.5", '{"$numberDouble":"1.5"}', id="double"),
    pytest.param("a", '"a"', '"a"', id="string"),
    pytest.param(OID, f'"{OID}"', f'"{OID}"', id="string of 24 digits"),
    pytest.param("", '""', '""', id="empty string"),
    pytest.param(None, "null", "null", id="null"),
    pytest.param(False, "false", "false", id="false"),
    pytest.param({}, "{}", "{}", id="empty object"),
    pytest.param({"z": 1, "a": "b"}, '{"z":1,"a":"b"}', '{"z":{"$numberInt":"1"},"a":"b"}', id="object"),
    pytest.param(
        {"$date": "2024-03-01T00:00:00Z"},
        '"2024-03-01T00:00:00.000Z"', '{"$date":{"$numberLong":"1709251200000"}}', id="date",
    ),
    pytest.param({"$numberDecimal": "1.10"}, '"1.10"', '{"$numberDecimal":"1.10"}', id="decimal"),
    pytest.param(
        {"$uuid": "00112233-4455-6677-8899-aabbccddeeff"},
        '{"Subtype":4,"Data":"ABEiM0RVZneImaq7zN3u/w=="}',
        '{"$binary":{"base64":"ABEiM0RVZneImaq7zN3u/w==","subType":"04"}}', id="UUID",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "as_json", "as_ejson"), IDS)
async def test_an_id_of_any_type_is_kept(post: Post, database: Any, given: Any, as_json: str, as_ejson: str) -> None:
    one = await post("insertOne", document={"a": 1, "_id": given})
    many = await post("insertMany", accept="application/ejson", collection="more", documents=[{"_id": given}])

    assert (one.status, one.body.decode()) == (201, f'{{"insertedId":{as_json}}}')
    assert (many.status, many.body.decode()) == (201, f'{{"insertedIds":[{as_ejson}]}}')
    assert (await database.items.find_one())["_id"] == (await database.more.find_one())["_id"]


async def test_an_id_null_is_stored_as_null(post: Post, database: Any) -> None:
    await post("insertOne", document={"_id": None})

    assert await database.items.find_one() == {"_id": None}


async def test_insert_many_answers_ids_in_the_order_of_the_documents(post: Post, database: Any) -> None:
    answer = await post("insertMany", documents=[{"_id": 3}, {"a": 1}, {"_id": "x"}, {}])

    assert answer.status == 201
    third, made, text, empty = answer.json["insertedIds"]
    assert (third, text) == (3, "x")
    assert await database.items.find().to_list() == [
        {"_id": 3}, {"_id": ObjectId(made), "a": 1}, {"_id": "x"}, {"_id": ObjectId(empty)},
    ]  # fmt: skip


async def test_insert_many_takes_a_thousand_documents(post: Post, database: Any) -> None:
    answer = await post("insertMany", documents=[{"n": n} for n in range(1_000)])

    assert answer.status == 201
    assert len(set(answer.json["insertedIds"])) == 1_000
    assert [document["n"] async for document in database.items.find()] == list(range(1_000))


@pytest.mark.parametrize(
    ("action", "members"),
    [
        pytest.param("insertOne", {"document": {}}, id="insertOne"),
        pytest.param("insertMany", {"documents": [{}]}, id="insertMany"),
    ],
)
async def test_an_empty_document_gets_an_id(post: Post, database: Any, action: str, members: dict[str, Any]) -> None:
    answer = await post(action, **members)

    assert answer.status == 201
    assert [list(document) async for document in database.items.find()] == [["_id"]]


async def test_an_insert_creates_the_collection(post: Post, database: Any) -> None:
    await post("insertOne", collection="fresh", document={"a": 1}, upsert=True, ordered=False)

    assert await database.list_collection_names() == ["fresh"]


async def test_a_duplicate_id_is_the_servers_400(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "kept": True})

    answer = await post("insertOne", document={"_id": 1})

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "MongoDBError"
    assert answer.json["error"].startswith("(DuplicateKey) E11000 duplicate key error collection: shop.items")
    assert await database.items.find().to_list() == [{"_id": 1, "kept": True}]


async def test_insert_many_stops_at_the_document_that_fails(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 2, "kept": True})

    answer = await post("insertMany", documents=[{"_id": 0}, {"_id": 1}, {"_id": 2}, {"_id": 3}])

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "MongoDBError"
    assert "E11000 duplicate key error" in answer.json["error"]
    assert await database.items.find(sort={"_id": 1}).to_list() == [{"_id": 0}, {"_id": 1}, {"_id": 2, "kept": True}]


async def test_a_failed_validation_is_the_servers_400(post: Post, database: Any) -> None:
    await database.create_collection("items", validator={"a": {"$type": "string"}})

    one = await post("insertOne", document={"a": 1})
    many = await post("insertMany", documents=[{"a": "x"}, {"a": 1}, {"a": "y"}])

    assert (one.status, many.status) == (400, 400)
    assert errors_only(one)["error"] == errors_only(many)["error"]
    assert one.json == {
        "error": "(DocumentValidationFailure) Document failed validation", "error_code": "MongoDBError",
    }  # fmt: skip
    assert [document["a"] async for document in database.items.find()] == ["x"]


@pytest.mark.parametrize(
    ("action", "members", "code", "error"),
    [
        pytest.param(
            "insertOne", {}, "MissingParameter", "must provide a 'document' field", id="no document"
        ),
        pytest.param(
            "insertOne", {"document": None}, "MissingParameter", "must provide a 'document' field", id="null document"
        ),
        pytest.param(
            "insertOne", {"documents": [{}]}, "MissingParameter", "must provide a 'document' field", id="plural"
        ),
        pytest.param(
            "insertOne", {"document": []}, "InvalidJSONFieldType", "'document': expected `object`, got `array`",
            id="document is a list",
        ),
        pytest.param(
            "insertOne", {"document": "{}"}, "InvalidJSONFieldType", "'document': expected `object`, got `str`",
            id="document is text",
        ),
        pytest.param(
            "insertMany", {}, "MissingParameter", "must provide a 'documents' field", id="no documents"
        ),
        pytest.param(
            "insertMany", {"documents": []}, "InvalidParameter", "'documents' must hold 1 to 100000 documents",
            id="empty documents",
        ),
        pytest.param(
            "insertMany", {"documents": {}}, "InvalidJSONFieldType", "'documents': expected `array`, got `object`",
            id="documents is an object",
        ),
        pytest.param(
            "insertMany", {"documents": [{}, 5]}, "InvalidJSONFieldType",
            "'documents[1]': expected `object`, got `int`", id="a document is a number",
        ),
        pytest.param(
            "insertMany", {"documents": [{}, None]}, "InvalidJSONFieldType",
            "'documents[1]': expected `object`, got `null`", id="a document is null",
        ),
    ],
)  # fmt: skip
async def test_an_insert_without_documents_is_refused(
    post: Post, database: Any, action: str, members: dict[str, Any], code: str, error: str
) -> None:
    answer = await post(action, **members)

    assert answer.status == 400
    assert errors_only(answer) == {"error": error, "error_code": code}
    assert await database.list_collection_names() == []


@pytest.mark.parametrize(
    ("document", "code"),
    [
        pytest.param({"_id": [1]}, "MongoDBError", id="an _id that is a list"),
        pytest.param({"_id": {"$gt": 1}}, "MongoDBError", id="an _id with an operator"),
        pytest.param({"a\0b": 1}, "InvalidJSON", id="a field name with a NUL"),
    ],
)
async def test_a_document_that_cannot_be_stored_is_refused(
    post: Post, database: Any, document: dict[str, Any], code: str
) -> None:
    one = await post("insertOne", document=document)
    many = await post("insertMany", documents=[document])

    assert (one.status, many.status) == (400, 400)
    assert errors_only(one)["error_code"] == errors_only(many)["error_code"] == code
    assert await database.items.count_documents({}) == 0


async def test_insert_many_of_more_documents_than_a_command_has_stops_at_the_one_that_fails(
    post: Post, database: Any
) -> None:  # fmt: skip
    await database.items.insert_one({"_id": 4_500, "kept": True})

    answer = await post("insertMany", documents=[{"_id": n} for n in range(6_000)])

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "MongoDBError")
    assert answer.json["error"].startswith("(DuplicateKey) E11000 duplicate key error")
    stored = [document["_id"] async for document in database.items.find(sort={"_id": 1})]
    assert stored == list(range(4_501))


async def test_insert_many_of_many_documents_answers_all_ids(post: Post, database: Any) -> None:
    answer = await post("insertMany", documents=[{"_id": n, "text": "x" * 2_000} for n in range(4_200)] + [{"a": 1}])

    *given, made = answer.json["insertedIds"]
    assert (answer.status, given) == (201, list(range(4_200)))
    assert await database.items.count_documents({}) == 4_201
    assert await database.items.find_one({"_id": ObjectId(made)}, {"_id": 0}) == {"a": 1}


async def test_nothing_of_an_insert_many_is_sent_if_a_document_is_too_large(post: Post, database: Any) -> None:
    answer = await post("insertMany", documents=[{"_id": n} for n in range(3_000)] + [{"text": "x" * 17_000_000}])

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "MongoDBError")
    assert "BSONObj size: 17000" in answer.json["error"]
    assert await database.items.count_documents({}) == 0


@pytest.mark.parametrize(
    "wide", [[1, "é", None] * 2_000, {f"n{n}": {"_id": n} for n in range(3_000)}], ids=["list", "object"]
)
async def test_a_wide_document_is_stored_as_it_is(post: Post, database: Any, wide: Any) -> None:
    document = {"a": wide, "_id": 7, "b": {"z": 1, "a": 2}}

    answer = await post("insertOne", document=document)

    assert (answer.status, answer.json) == (201, {"insertedId": 7})
    stored = await database.items.find_one()
    assert list(stored.items()) == [("_id", 7), ("a", wide), ("b", {"z": 1, "a": 2})]
    assert list(stored["a"]) == list(wide)


@pytest.mark.parametrize("code", [13, 462, 18, 11600, 189, 262, 50])
async def test_what_ends_a_long_insert_after_some_is_stored_invites_nobody_to_send_it_again(
    post: Post, driver: Any, database: Any, fail_point: FailPoint, code: int
) -> None:
    await post("findOne")
    data = {"failCommands": ["insert"], "errorCode": code, "errorLabels": ["RetryableError", "NoWritesPerformed"]}
    data |= {"appName": f"dozen/{VERSION}"}
    await driver.admin.command({"configureFailPoint": "failCommand", "mode": {"skip": 1}, "data": data})

    answer = await post("insertMany", documents=[{"n": number} for number in range(5_000)])

    assert await database.items.count_documents({}) == 2_000
    assert answer.status in {403, 503, 504}
    assert "retry-after" not in answer.headers
    assert "the write may have happened" in errors_only(answer)["error"]
