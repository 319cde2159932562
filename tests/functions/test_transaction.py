"""transaction, through both hosts, on a real mongod."""

import asyncio
import json
from typing import Any

import pytest
from bson.dbref import DBRef
from bson.objectid import ObjectId
from pymongo import MongoClient

from shared.auth.keys import new_key
from shared.mongo.control import API_KEYS
from tests.conftest import FailPoint, Post, errors_only
from tests.hosts import Worker

INSERT = {"action": "insertOne", "document": {"_id": 1, "a": 1}}
FIND = {"action": "find", "sort": {"_id": 1}}


async def stored(database: Any, name: str = "items") -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = await database[name].find(sort={"_id": 1}).to_list()
    return documents


def error(answer: Any) -> str:
    text: str = answer.json["error"]
    return text


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        pytest.param(
            "application/json",
            '{"replies":[{"insertedId":1},{"insertedIds":[2,3]},{"matchedCount":3,"modifiedCount":3},'
            '{"documents":[{"_id":1,"a":2},{"_id":2,"a":1},{"_id":3,"a":1}]},{"document":{"_id":1,"a":2}},'
            '{"documents":[{"n":3}]},{"deletedCount":1},{"documents":[{"_id":2,"a":1},{"_id":3,"a":1}]}]}',
            id="JSON",
        ),
        pytest.param("application/ejson", None, id="EJSON"),
    ],
)
async def test_replies_come_in_order_and_reads_see_what_was_written(
    post: Post, database: Any, accept: str, body: str | None
) -> None:
    operations = [
        INSERT,
        {"action": "insertMany", "documents": [{"_id": 2}, {"_id": 3}]},
        {"action": "updateMany", "filter": {}, "update": {"$inc": {"a": 1}}},
        FIND,
        {"action": "findOne", "filter": {"_id": 1}},
        {"action": "aggregate", "pipeline": [{"$count": "n"}]},
        {"action": "deleteOne", "filter": {"_id": 1}},
        FIND,
    ]

    answer = await post("transaction", accept=accept, operations=operations)

    assert (answer.status, answer.headers["content-type"]) == (200, accept)
    assert body is None or answer.body.decode() == body
    assert len(answer.json["replies"]) == len(operations)
    assert await stored(database) == [{"_id": 2, "a": 1}, {"_id": 3, "a": 1}]


async def test_counts_and_values_are_of_what_was_written(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 0, "a": 9})
    operations = [
        {"action": "insertMany", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 9}]},
        {"action": "countDocuments", "filter": {"a": 9}},
        {"action": "estimatedDocumentCount"},
        {"action": "distinct", "fieldName": "a"},
        {"action": "distinct", "fieldName": "a", "filter": {"_id": {"$lt": 2}}, "comment": "c"},
        {"action": "findOneAndDelete", "filter": {"a": 9}, "sort": {"_id": -1}},
        {"action": "estimatedDocumentCount"},
    ]

    answer = await post("transaction", operations=operations)

    assert answer.json["replies"][1:] == [
        {"count": 2}, {"count": 3}, {"values": [1, 9]}, {"values": [1, 9]}, {"document": {"_id": 2, "a": 9}},
        {"count": 2},
    ]  # fmt: skip


async def test_what_was_found_and_changed_can_be_referred_to(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": ObjectId(24 * "a"), "n": 1, "many": list(range(2_000))})
    projected = {"n": 1}
    references = {"/document/all": "/0/document", "/document/id": "/1/document/_id", "/document/n": "/2/document/n"}
    operations = [
        {"action": "findOneAndUpdate", "filter": {}, "update": {"$inc": {"n": 1}}, "projection": projected},
        {"action": "findOneAndReplace", "filter": {}, "replacement": {"n": 5}, "returnDocument": "After"},
        {"action": "findOneAndDelete", "filter": {"n": 5}, "projection": projected},
        {"action": "insertOne", "document": {"_id": 1, "all": []}, "references": references},
    ]

    answer = await post("transaction", operations=operations)

    assert (answer.status, await stored(database)) == (
        200, [{"_id": 1, "all": {"_id": ObjectId(24 * "a"), "n": 1}, "id": ObjectId(24 * "a"), "n": 5}]
    )  # fmt: skip


@pytest.mark.parametrize("option", ["readConcern", "readPreference", "writeConcern"])
async def test_operations_have_no_concern_of_their_own(post: Post, database: Any, option: str) -> None:
    values: dict[str, Any] = {"readPreference": "primary", "readConcern": {"level": "local"}}
    action = INSERT if option == "writeConcern" else FIND

    answer = await post("transaction", operations=[INSERT, action | {option: values.get(option, {"w": 1})}])

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert error(answer).startswith("operations[1]: ")
    assert option in error(answer)
    assert await stored(database) == []


async def test_a_transaction_has_options_of_its_own(post: Post, database: Any, fail_point: FailPoint) -> None:
    done = await post("transaction", operations=[INSERT], writeConcern={"w": 1}, maxTimeMS=10_000)
    unmet = await post("transaction", operations=[FIND], writeConcern={"w": "nowhere"})
    await fail_point("find", blockConnection=True, blockTimeMS=400)
    late = await post("transaction", operations=[FIND], maxTimeMS=100)

    assert [each.status for each in (done, unmet, late)] == [200, 400, 504]


async def test_operations_name_their_own_collections_and_databases(post: Post, database: Any) -> None:
    operations = [
        {"action": "insertOne", "collection": "orders", "document": {"_id": 1}},
        {"action": "insertOne", "document": {"_id": 2}},
        {"action": "findOne", "database": "elsewhere", "collection": "x"},
    ]

    answer = await post("transaction", operations=operations)

    assert answer.json["replies"][2] == {"document": None}
    assert (await stored(database, "orders"), await stored(database)) == ([{"_id": 1}], [{"_id": 2}])


async def test_a_call_needs_no_collection_of_its_own(post: Post, database: Any) -> None:
    namespace = {"database": "shop", "collection": "items"}

    answer = await post("transaction", {"dataSource": "mongodb-atlas", "operations": [INSERT | namespace]})

    assert (answer.status, await stored(database)) == (200, [{"_id": 1, "a": 1}])


@pytest.mark.parametrize(
    ("failing", "status", "text"),
    [
        pytest.param({"action": "insertOne", "document": {"_id": 1}}, 400, "(DuplicateKey) E11000", id="taken"),
        pytest.param(
            {"action": "insertMany", "documents": [{}, {"_id": 1}]}, 400, "(DuplicateKey) E11000", id="one of many"
        ),
        pytest.param(
            {"action": "bulkWrite", "requests": [{"insertOne": {"document": {"_id": 1}}}] * 2, "ordered": False},
            400,
            "requests[0]: (DuplicateKey) E11000",
            id="unordered",
        ),
        pytest.param({"action": "findOne", "filter": {"$where": "1"}}, 400, "operator '$where'", id="refused operator"),
        pytest.param({"action": "find", "filter": {"a": {"$mod": 1}}}, 400, "(BadValue)", id="refused by MongoDB"),
        pytest.param(FIND | {"limit": -1}, 400, "'limit' must be", id="a wrong value"),
        pytest.param({"action": "deleteMany"}, 400, "must provide a 'filter' field", id="a missing member"),
        pytest.param({"action": "findOne", "database": "admin"}, 403, "no rule exists", id="a closed database"),
        pytest.param({"action": "findOne", "database": "dozen", "collection": "api_keys"}, 403, "no rule exists",
                     id="the control database"),
    ],
)  # fmt: skip
async def test_one_failure_undoes_all(
    post: Post, database: Any, failing: dict[str, Any], status: int, text: str
) -> None:
    answer = await post("transaction", operations=[INSERT, {"action": "deleteMany", "filter": {"x": 1}}, failing])

    assert (answer.status, answer.json["index"]) == (status, 2)
    assert answer.json.keys() == {"error", "error_code", "index"}
    assert error(answer).startswith(f"operations[2]: {text}")
    assert await stored(database) == []


@pytest.mark.parametrize(
    ("operations", "error_code", "text"),
    [
        pytest.param(None, "MissingParameter", "must provide a 'operations' field", id="missing"),
        pytest.param({}, "InvalidJSONFieldType", "'operations': expected `array`, got `object`", id="no list"),
        pytest.param(
            [],
            "InvalidParameter",
            "'operations' must hold 1 to 1000: MAX_TRANSACTION_OPERATIONS allows no more",
            id="none",
        ),
        pytest.param(
            [FIND] * 1_001,
            "InvalidParameter",
            "'operations' must hold 1 to 1000: MAX_TRANSACTION_OPERATIONS allows no more",
            id="too many",
        ),
        pytest.param(
            [INSERT, 5], "InvalidJSONFieldType", "'operations[1]': expected `object`, got `int`", id="a number"
        ),
    ],
)
async def test_what_is_no_list_of_operations_is_refused(
    post: Post, database: Any, operations: Any, error_code: str, text: str
) -> None:
    answer = await post("transaction", operations=operations)

    assert (answer.status, errors_only(answer)) == (400, {"error": text, "error_code": error_code})
    assert await stored(database) == []


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        pytest.param({}, "'action' must be one of findOne, find, insertOne", id="no action"),
        pytest.param({"action": None}, "'action' must be one of", id="null"),
        pytest.param({"action": ["find"]}, "'action' must be one of", id="a list"),
        pytest.param({"action": "drop"}, "'action' must be one of", id="unknown"),
        pytest.param({"action": "transaction", "operations": [FIND]}, "'action' must be one of", id="nested"),
        pytest.param(FIND | {"dataSource": 1}, "'dataSource': expected `str`, got `int`", id="a source that is none"),
        pytest.param(FIND | {"collection": 1}, "'collection': expected `str`, got `int`", id="a collection"),
        pytest.param(FIND | {"references": []}, "'references': expected `object`, got `array`", id="references"),
    ],
)
async def test_an_operation_that_is_none_is_named(post: Post, database: Any, wrong: dict[str, Any], text: str) -> None:
    answer = await post("transaction", operations=[INSERT, wrong])

    assert (answer.status, answer.json["index"]) == (400, 1)
    assert error(answer).startswith(f"operations[1]: {text}")
    assert await stored(database) == []


ID = {"/document/item": "/0/insertedId"}


async def test_an_operation_uses_what_an_earlier_one_replied_with_its_type(post: Post, database: Any) -> None:
    operations = [
        {"action": "insertOne", "document": {"sku": "A"}},
        {"action": "insertOne", "collection": "lines", "document": {"_id": 1}, "references": ID},
        {
            "action": "updateOne",
            "filter": {"_id": None},
            "update": {"$set": {"lines": [0, 0]}},
            "references": {"/filter/_id": "/0/insertedId", "/update/$set/lines/1": "/1/insertedId"},
        },
    ]

    answer = await post("transaction", operations=operations)
    (item,) = await stored(database)

    assert [each.get("matchedCount") for each in answer.json["replies"]] == [None, None, 1]
    assert answer.json["replies"][0] == {"insertedId": str(item["_id"])}
    assert type(item["_id"]) is ObjectId
    assert item["lines"] == [0, 1]
    assert await stored(database, "lines") == [{"_id": 1, "item": item["_id"]}]


TYPES: dict[str, Any] = {
    "oid": {"$oid": "0123456789abcdef01234567"}, "date": {"$date": "2026-01-02T03:04:05Z"}, "int": 5, "double": 5.0,
    "long": {"$numberLong": "5"}, "decimal": {"$numberDecimal": "5"}, "text": "$name", "dots": {"a.b": {"$x": 1}},
    "binary": {"$binary": {"base64": "AQ==", "subType": "04"}}, "reference": {"$ref": "c", "$id": 1}, "null": None,
    "regex": {"$regularExpression": {"pattern": "a", "options": "i"}}, "a/b~c": [1, [2]], "": 1,
}  # fmt: skip


@pytest.mark.parametrize("accept", ["application/json", "application/ejson"])
async def test_what_was_read_is_stored_as_it_is(post: Post, database: Any, accept: str) -> None:
    await post("insertOne", document={"_id": 1, "all": TYPES})
    alone = await post("findOne", accept=accept, filter={"_id": 1})
    operations = [
        {"action": "findOne", "filter": {"_id": 1}},
        {"action": "insertOne", "document": {"_id": 2}, "references": {"/document/all": "/0/document/all"}},
        {"action": "insertOne", "document": {"_id": 3}, "references": {"/document/all": "/0/document/all/a~1b~0c/1"}},
        {"action": "insertMany", "documents": [{"_id": 4}], "references": {"/documents/0/all": "/0/document/all/"}},
    ]

    answer = await post("transaction", accept=accept, operations=operations)

    assert answer.status == 200, answer.body
    assert answer.body.startswith(b'{"replies":[' + alone.body + b",")
    raw = [each["all"] for each in await stored(database)]
    assert repr(raw[1]) == repr(raw[0])
    assert raw[2:] == [[2], 1]
    assert isinstance(raw[1]["reference"], DBRef)


@pytest.mark.parametrize(
    ("references", "text"),
    [
        pytest.param({"/document/a": "/1/insertedId"}, "both must be JSON Pointers", id="itself"),
        pytest.param({"/document/a": "/7/insertedId"}, "both must be JSON Pointers", id="a later one"),
        pytest.param({"/document/a": "/-1/insertedId"}, "both must be JSON Pointers", id="a negative one"),
        pytest.param({"/document/a": "/00/insertedId"}, "both must be JSON Pointers", id="zeros"),
        pytest.param({"/document/a": "0/insertedId"}, "both must be JSON Pointers", id="no slash"),
        pytest.param({"/document/a": ""}, "both must be JSON Pointers", id="everything"),
        pytest.param({"/document/a": 5}, "both must be JSON Pointers", id="a number"),
        pytest.param({"/document/a": "/0/inserted~2Id"}, "both must be JSON Pointers", id="a wrong escape"),
        pytest.param({"": "/0/insertedId"}, "both must be JSON Pointers", id="the whole operation"),
        pytest.param({"document": "/0/insertedId"}, "both must be JSON Pointers", id="a target without a slash"),
        pytest.param({"/document/a": "/0/upsertedId"}, "one of both leads nowhere", id="what was not replied"),
        pytest.param({"/document/a": "/0/insertedId/x"}, "one of both leads nowhere", id="into a value"),
        pytest.param({"/document/x/y": "/0/insertedId"}, "one of both leads nowhere", id="below what is not there"),
        pytest.param({"/document/list/2": "/0/insertedId"}, "one of both leads nowhere", id="behind a list"),
        pytest.param({"/action": "/0/insertedId"}, "'action' must be in the operation itself", id="the action"),
        pytest.param({"/collection": "/0/insertedId"}, "'collection' must be in the", id="the collection"),
        pytest.param({"/dataSource": "/0/insertedId"}, "'dataSource' must be in the", id="the data source"),
        pytest.param({"/references/a": "/0/insertedId"}, "'references' must be in the", id="the references"),
    ],
)
async def test_a_reference_that_leads_nowhere_is_refused(post: Post, database: Any, references: Any, text: str) -> None:
    referring = {"action": "insertOne", "document": {"_id": 2, "list": [1, 2]}, "references": references}

    answer = await post("transaction", operations=[INSERT, referring])

    assert (answer.status, answer.json["error_code"], answer.json["index"]) == (400, "InvalidParameter", 1)
    assert text in error(answer)
    assert await stored(database) == []


@pytest.mark.parametrize("value", ["$secret", {"$gt": ""}, {"a": {"$gt": ""}}, [{"$where": "1"}], ["$a"]], ids=repr)
@pytest.mark.parametrize(
    ("operation", "target"),
    [
        pytest.param({"action": "find", "filter": {"a": 1}}, "/filter/a", id="filter"),
        pytest.param(
            {"action": "aggregate", "pipeline": [{"$match": {"a": 1}}]}, "/pipeline/0/$match/a", id="pipeline"
        ),
        pytest.param({"action": "updateMany", "filter": {}, "update": [{"$set": {}}]}, "/update/0/$set/a", id="update"),
        pytest.param(
            {"action": "bulkWrite", "requests": [{"deleteMany": {"filter": {}}}]},
            "/requests/0/deleteMany/filter/a",
            id="bulkWrite",
        ),
    ],
)
async def test_data_from_a_reply_are_never_operators(
    post: Post, database: Any, value: Any, operation: dict[str, Any], target: str
) -> None:
    await post("insertOne", document={"_id": 9, "value": value})
    reading = {"action": "findOne", "filter": {"_id": 9}}

    answer = await post("transaction", operations=[reading, operation | {"references": {target: "/0/document/value"}}])

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert error(answer).endswith("a name or a text that begins with '$' is stored only")


async def test_a_document_of_the_caller_s_is_never_a_reference(post: Post, database: Any) -> None:
    data = [{"$ref": "/0/insertedId"}, {"references": {"/document/a": "/0/insertedId"}}, {"$ref": "c", "$id": 1}]

    answer = await post(
        "transaction", operations=[INSERT, {"action": "insertOne", "document": {"_id": 2, "data": data}}]
    )

    assert answer.status == 200
    raw = await database.items.find_one({"_id": 2})
    assert [raw["data"][0], raw["data"][1], raw["data"][2].as_doc()] == data


async def test_what_operations_take_from_replies_counts_as_bytes(
    worker: Worker, key: str, configured: pytest.MonkeyPatch, database: Any
) -> None:
    configured.setenv("MAX_TRANSACTION_BYTES", "20000")
    post = Post(worker, key)
    await database.items.insert_one({"_id": 1, "a": "x" * 5_000})
    many = {f"/document/f{number}": "/0/document/a" for number in range(5)}
    operations = [{"action": "findOne"}, {"action": "insertOne", "document": {}, "references": many}]

    answers = [
        await post("transaction", operations=[{"action": "insertOne", "document": {"a": "x" * 20_000}}]),
        await post("transaction", operations=operations),
    ]

    assert [each.status for each in answers] == [400, 400]
    assert ["MAX_TRANSACTION_BYTES allows 20000" in error(each) for each in answers] == [True, True]
    assert await database.items.count_documents({}) == 1


async def test_a_large_reply_cannot_be_referred_to(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "a": "x" * 200_000})
    referring = {"action": "insertOne", "document": {}, "references": {"/document/a": "/0/document/_id"}}

    answer = await post("transaction", operations=[{"action": "findOne"}, referring])

    assert (answer.status, answer.json["index"]) == (400, 0)
    assert error(answer).startswith("operations[0]: a reply that is referred to must have less than")


async def test_operations_have_a_limit_together(post: Post, database: Any) -> None:
    wide = {"action": "findOne", "filter": {f"f{number}": 1 for number in range(6_000)}}

    new = {"action": "insertOne", "document": {}}
    answers = [await post("transaction", operations=[new, *each]) for each in ([wide], [wide, wide])]

    assert [each.status for each in answers] == [200, 400]
    assert error(answers[1]).endswith("MAX_CONDITIONS allows 10000")
    assert await database.items.count_documents({}) == 1


async def test_replies_have_a_limit_together(
    worker: Worker, key: str, configured: pytest.MonkeyPatch, database: Any
) -> None:
    configured.setenv("MAX_READ_BYTES", "20000")
    await database.items.insert_one({"_id": 1, "a": "x" * 9_000})

    answers = [await Post(worker, key)("transaction", operations=[FIND] * times) for times in (2, 3)]

    assert [each.status for each in answers] == [200, 400]
    assert answers[1].json["error_code"] == "ReadSizeLimitExceeded"


@pytest.mark.parametrize("source", ["other", "MONGODB_ATLAS"])
async def test_a_transaction_has_one_data_source(
    worker: Worker, key: str, configured: pytest.MonkeyPatch, database: Any, mongod: Any, source: str
) -> None:
    configured.setenv("MONGO_DB_URI__OTHER", mongod.uri + "&appname=other")

    answer = await Post(worker, key)("transaction", operations=[INSERT, FIND | {"dataSource": source}])

    assert (answer.status, len(await stored(database))) == ((400, 0) if source == "other" else (200, 1))


async def test_another_write_in_between_is_waited_for_and_all_is_done_again(
    worker: Worker, key: str, database: Any, fail_point: FailPoint
) -> None:
    await fail_point("update", errorCode=112, errorLabels=["TransientTransactionError"])
    update = {"action": "updateOne", "filter": {"_id": 1}, "update": {"$inc": {"a": 1}}}

    answer = await Post(worker, key)("transaction", operations=[INSERT, update, FIND])

    assert answer.json["replies"][2] == {"documents": [{"_id": 1, "a": 2}]}
    assert await stored(database) == [{"_id": 1, "a": 2}]


@pytest.mark.parametrize("label", ["UnknownTransactionCommitResult", "TransientTransactionError"])
async def test_a_commit_is_tried_again_as_the_driver_does(
    worker: Worker, key: str, database: Any, fail_point: FailPoint, label: str
) -> None:
    await fail_point("commitTransaction", times=2, errorCode=112, errorLabels=[label])

    answer = await Post(worker, key)("transaction", operations=[INSERT])

    assert (answer.status, await stored(database)) == (200, [{"_id": 1, "a": 1}])


async def test_concurrent_transactions_count_one_after_the_other(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "a": 0})
    operations = [
        {"action": "findOne", "filter": {"_id": 1}},
        {"action": "updateOne", "filter": {"_id": 1}, "update": {"$inc": {"a": 1}}},
    ]

    answers = await asyncio.gather(*(post("transaction", operations=operations) for _ in range(8)))

    assert {each.status for each in answers} == {200}
    assert sorted(each.json["replies"][0]["document"]["a"] for each in answers) == list(range(8))


async def test_a_transaction_ends_in_its_own_time(
    worker: Worker, key: str, configured: pytest.MonkeyPatch, database: Any
) -> None:
    configured.setenv("TRANSACTION_TIMEOUT_MS", "500")
    await database.items.insert_many([{"_id": number, "n": 2_000_000} for number in range(500)])
    counting = {"input": {"$range": [0, "$n"]}, "initialValue": 0, "in": {"$add": ["$$value", 1]}}
    slow = {"action": "find", "filter": {"$expr": {"$lt": [{"$reduce": counting}, 0]}}}

    answer = await Post(worker, key)("transaction", operations=[INSERT | {"collection": "other"}, slow])

    assert (answer.status, errors_only(answer)["error_code"]) == (504, "ExecutionTimeLimitExceeded")
    assert "may have happened" not in error(answer)
    assert await stored(database, "other") == []


async def test_reads_that_fail_undo_and_are_not_tried_again(
    worker: Worker, key: str, database: Any, fail_point: FailPoint
) -> None:
    await fail_point("find", times=1, closeConnection=True)

    answer = await Post(worker, key)("transaction", operations=[INSERT, {"action": "findOne"}, FIND])

    assert (answer.status, len(await stored(database))) == (200, 1)  # all of it, by the driver's rules


async def test_a_server_that_is_no_replica_set_has_no_transactions(
    worker: Worker, configured: pytest.MonkeyPatch, standalone: str
) -> None:
    made, new_document = new_key("alone", system=True)
    with MongoClient[dict[str, Any]](standalone) as client:
        client["dozen"][API_KEYS].insert_one(new_document)
        configured.setenv("MONGO_DB_URI", standalone)

        alone = await Post(worker, made)("insertOne", document={"_id": 2})
        answer = await Post(worker, made)("transaction", operations=[INSERT])

        assert (alone.status, answer.status) == (201, 503)
        assert error(answer) == "this call needs transactions: MongoDB must be a replica set"
        assert client["shop"]["items"].count_documents({}) == 1


async def test_a_line_tells_of_all_namespaces_and_documents(
    worker: Worker, key: str, database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dozen")
    operations = [INSERT, {"action": "insertMany", "collection": "x", "documents": [{}, {}]}, FIND]

    await Post(worker, key)("transaction", operations=operations)

    line = [each for each in map(json.loads, caplog.messages) if each["message"] == "request"][-1]
    assert (line["operation"], line["namespace"], line["documents"]) == ("transaction", "shop.items, shop.x", 4)


async def test_a_line_of_one_that_failed_tells_of_all_namespaces(
    worker: Worker, key: str, database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dozen")
    failing = [FIND | {"collection": "x"}, INSERT, INSERT]

    await Post(worker, key)("transaction", operations=failing)

    line = [each for each in map(json.loads, caplog.messages) if each["message"] == "request"][-1]
    assert (line["status"], line["namespace"], line["documents"]) == (400, "shop.items, shop.x", None)
