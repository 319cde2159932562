"""bulkWrite, through both hosts, on a real mongod."""

import json
from typing import Any

import pytest
from bson.objectid import ObjectId

from tests.conftest import FailPoint, Post, errors_only
from tests.hosts import Worker

COUNTERS = ("insertedCount", "matchedCount", "modifiedCount", "deletedCount", "upsertedCount")
NOTHING: dict[str, Any] = dict.fromkeys(COUNTERS, 0) | {"insertedIds": {}, "upsertedIds": {}}
EVERY: list[dict[str, Any]] = [
    {"insertOne": {"document": {"_id": 4, "a": 4}}},
    {"updateOne": {"filter": {"_id": 1}, "update": {"$set": {"a": 10}}}},
    {"updateMany": {"filter": {"a": {"$gt": 1}}, "update": [{"$set": {"b": "$a"}}]}},
    {"replaceOne": {"filter": {"_id": 2}, "replacement": {"c": 1}}},
    {"updateOne": {"filter": {"_id": 9}, "update": {"$set": {"a": 9}}, "upsert": True}},
    {"deleteOne": {"filter": {"_id": 3}}},
    {"deleteMany": {"filter": {"a": {"$gte": 9}}}},
]


async def stored(database: Any) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = await database.items.find(sort={"_id": 1}).to_list()
    return documents


@pytest.fixture
async def items(database: Any) -> Any:
    await database.items.insert_many([{"_id": number, "a": number} for number in (1, 2, 3)])
    return database.items


def failed(answer: Any) -> list[tuple[int, int | None]]:
    return [(each["index"], each.get("code")) for each in answer.json["writeErrors"]]


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        pytest.param(
            "application/json",
            '{"insertedCount":1,"matchedCount":6,"modifiedCount":6,"deletedCount":3,"upsertedCount":1,'
            '"insertedIds":{"0":4},"upsertedIds":{"4":9}}',
            id="JSON",
        ),
        pytest.param(
            "application/ejson",
            '{"insertedCount":{"$numberInt":"1"},"matchedCount":{"$numberInt":"6"},"modifiedCount":{"$numberInt":"6"},'
            '"deletedCount":{"$numberInt":"3"},"upsertedCount":{"$numberInt":"1"},'
            '"insertedIds":{"0":{"$numberInt":"4"}},"upsertedIds":{"4":{"$numberInt":"9"}}}',
            id="EJSON",
        ),
    ],
)
async def test_every_kind_of_write_is_done_in_order_and_counted(
    post: Post, database: Any, items: Any, accept: str, body: str
) -> None:
    answer = await post("bulkWrite", accept=accept, requests=EVERY)

    assert (answer.status, answer.body.decode(), answer.headers["content-type"]) == (200, body, accept)
    assert await stored(database) == [{"_id": 2, "c": 1}, {"_id": 4, "a": 4, "b": 4}]


async def test_ids_that_are_made_are_replied_by_index(post: Post, database: Any) -> None:
    requests = [
        {"updateOne": {"filter": {"a": 1}, "update": {"$set": {"b": 1}}, "upsert": True}},
        {"insertOne": {"document": {"a": 2}}},
        {"replaceOne": {"filter": {"a": 3}, "replacement": {"a": 3}, "upsert": True}},
    ]
    answer = await post("bulkWrite", requests=requests)

    ids = answer.json["insertedIds"] | answer.json["upsertedIds"]
    assert set(answer.json["insertedIds"]) == {"1"}
    assert {ObjectId(each) for each in ids.values()} == {each["_id"] for each in await stored(database)}
    assert {name: answer.json[name] for name in COUNTERS} == dict.fromkeys(COUNTERS, 0) | {
        "insertedCount": 1,
        "upsertedCount": 2,
    }


async def test_array_filters_choose_elements(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "a": [1, 5]})
    change = {"filter": {}, "update": {"$set": {"a.$[big]": 0}}, "arrayFilters": [{"big": {"$gt": 2}}]}

    answer = await post("bulkWrite", requests=[{"updateMany": change}])

    assert (answer.status, await stored(database)) == (200, [{"_id": 1, "a": [1, 0]}])


async def test_an_ordered_one_ends_at_the_first_failure_and_says_what_was_done(
    post: Post, database: Any, items: Any
) -> None:
    answer = await post("bulkWrite", requests=[EVERY[0], {"insertOne": {"document": {"_id": 2}}}, EVERY[5]])

    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json.keys() == {"error", "error_code", "writeErrors", "partialResult"}
    assert answer.json["error"].startswith("requests[1]: (DuplicateKey) E11000 ")
    assert answer.json["error_code"] == "MongoDBError"
    assert failed(answer) == [(1, 11000)]
    assert answer.json["writeErrors"][0]["error"].startswith("(DuplicateKey) E11000 ")
    assert answer.json["writeErrors"][0]["error_code"] == "MongoDBError"
    assert answer.json["partialResult"] == NOTHING | {"insertedCount": 1, "insertedIds": {"0": 4}}
    assert [each["_id"] for each in await stored(database)] == [1, 2, 3, 4]


async def test_an_unordered_one_does_all_that_can_be_done(post: Post, database: Any, items: Any) -> None:
    requests = [
        {"insertOne": {"document": {"_id": 2}}},
        {"updateOne": {"filter": {"_id": 1}, "update": {"$inc": {"a": 1}}}},
        {"updateOne": {"filter": {"_id": 1}, "update": {"$push": {"a": 1}}}},
        {"insertOne": {"document": {"_id": 5}}},
        {"deleteMany": {"filter": {"_id": 3}}},
        {"updateOne": {"filter": {"_id": 7}, "update": {"$set": {"a": 7}}, "upsert": True}},
    ]

    answer = await post("bulkWrite", requests=requests, ordered=False)

    assert (answer.status, failed(answer)) == (400, [(0, 11000), (2, 2)])
    assert answer.json["error"].startswith("requests[0]: (DuplicateKey)")
    assert answer.json["error"].endswith(", and 1 more failed")
    assert answer.json["partialResult"] == {
        "insertedCount": 1, "matchedCount": 1, "modifiedCount": 1, "deletedCount": 1, "upsertedCount": 1,
        "insertedIds": {"3": 5}, "upsertedIds": {"5": 7},
    }  # fmt: skip
    assert await stored(database) == [{"_id": 1, "a": 2}, {"_id": 2, "a": 2}, {"_id": 5}, {"_id": 7, "a": 7}]


async def test_what_was_done_has_its_types_where_a_caller_accepts_them(post: Post, items: Any) -> None:
    requests = [EVERY[0], {"insertOne": {"document": {"_id": 2}}}]

    answer = await post("bulkWrite", accept="application/ejson", requests=requests)

    assert answer.json["partialResult"]["insertedIds"] == {"0": {"$numberInt": "4"}}
    assert failed(answer) == [(1, 11000)]


@pytest.mark.parametrize(
    ("requests", "error_code", "text"),
    [
        pytest.param([], "InvalidParameter", "'requests' must hold 1 to 100000 operations", id="none"),
        pytest.param({}, "InvalidJSONFieldType", "'requests': expected `array`, got `object`", id="no list"),
        pytest.param(None, "MissingParameter", "must provide a 'requests' field", id="missing"),
        pytest.param(
            [EVERY[0], 5],
            "InvalidParameter",
            "requests[1]: expected an object of one member: insertOne, updateOne, updateMany, replaceOne, deleteOne, "
            "deleteMany",
            id="a number",
        ),
        pytest.param(
            [EVERY[0] | EVERY[1]],
            "InvalidParameter",
            "requests[0]: expected an object of one member: insertOne, updateOne, updateMany, replaceOne, deleteOne, "
            "deleteMany",
            id="two at once",
        ),
        pytest.param(
            [EVERY[0], {"drop": {}}],
            "InvalidParameter",
            "requests[1]: 'drop' is none of insertOne, updateOne, updateMany, replaceOne, deleteOne, deleteMany",
            id="unknown",
        ),
        pytest.param(
            [EVERY[0], {"insertOne": []}],
            "InvalidJSONFieldType",
            "requests[1]: 'insertOne': expected `object`, got `array`",
            id="no object",
        ),
        pytest.param(
            [EVERY[0], {"insertOne": {}}],
            "MissingParameter",
            "requests[1]: must provide a 'document' field",
            id="no document",
        ),
        pytest.param(
            [EVERY[0], {"deleteMany": {"filter": None}}],
            "MissingParameter",
            "requests[1]: must provide a 'filter' field",
            id="no filter",
        ),
        pytest.param(
            [EVERY[0], {"updateOne": {"filter": {}, "update": {"a": 1}}}],
            "InvalidParameter",
            "requests[1]: 'update' must hold update operators only",
            id="a document as update",
        ),
        pytest.param(
            [EVERY[0], {"replaceOne": {"filter": {}, "replacement": {"$set": {"a": 1}}}}],
            "InvalidParameter",
            "requests[1]: 'replacement' must not hold update operators",
            id="operators as replacement",
        ),
        pytest.param(
            [EVERY[0], {"deleteOne": {"filter": {"$where": "1"}}}],
            "InvalidParameter",
            "requests[1]: operator '$where' is not allowed",
            id="a refused operator",
        ),
        pytest.param(
            [EVERY[0], {"deleteOne": {"filter": {"a": {"$in": [1] * 100_001}}}}],
            "InvalidParameter",
            "requests[1]: '$in' has too many operands: MAX_OPERANDS allows 100000",
            id="too much of one",
        ),
    ],
)
async def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    post: Post, database: Any, requests: Any, error_code: str, text: str
) -> None:
    answer = await post("bulkWrite", requests=requests)

    assert (answer.status, errors_only(answer)) == (400, {"error": text, "error_code": error_code})
    assert await stored(database) == []


@pytest.mark.parametrize("ordered", [0, "", "false", []], ids=repr)
async def test_ordered_is_true_or_false(post: Post, ordered: Any) -> None:
    answer = await post("bulkWrite", requests=EVERY, ordered=ordered)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidJSONFieldType")


async def test_operations_have_options_of_their_own(post: Post, items: Any) -> None:
    await items.insert_one({"_id": "x", "t": "A"})
    loose = {"collation": {"locale": "en", "strength": 2}}
    requests = [
        {"updateOne": {"filter": {"t": "a"}, "update": {"$set": {"b": 1}}, "hint": "_id_"} | loose},
        {"updateMany": {"filter": {"t": "a"}, "update": {"$set": {"b": 2}}}},
        {"replaceOne": {"filter": {"t": "a"}, "replacement": {"t": "B"}} | loose},
        {"deleteOne": {"filter": {"a": 3}, "hint": {"_id": 1}}},
        {"deleteMany": {"filter": {"t": "b"}} | loose},
    ]

    answer = await post("bulkWrite", requests=requests)

    counted = {"matchedCount": 2, "modifiedCount": 2, "deletedCount": 2}
    assert (answer.status, answer.json) == (200, NOTHING | counted)


@pytest.mark.parametrize("action", ["updateOne", "replaceOne"])
async def test_an_operation_has_a_sort_where_the_server_has_it(
    post: Post, database: Any, items: Any, driver: Any, action: str
) -> None:
    change = {"update": {"$set": {"b": 1}}} if action == "updateOne" else {"replacement": {"b": 1}}

    answer = await post("bulkWrite", requests=[{action: {"filter": {}, "sort": {"a": -1}} | change}])

    if (await driver.server_info())["versionArray"][0] >= 8:
        assert (await stored(database))[2]["b"] == 1
    else:
        assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
        assert await stored(database) == [{"_id": number, "a": number} for number in (1, 2, 3)]


async def test_options_of_the_whole_count_for_each_operation(post: Post, database: Any) -> None:
    await database.create_collection("items", validator={"n": {"$type": "int"}})
    requests = [
        {"insertOne": {"document": {"_id": 1, "n": "x"}}},
        {"updateMany": {"filter": {"$expr": {"$eq": ["$n", "$$x"]}}, "update": [{"$set": {"m": "$$y"}}]}},
        {"deleteMany": {"filter": {"$expr": {"$eq": ["$m", "$$x"]}}}},
    ]
    options: dict[str, Any] = {
        "let": {"x": "x", "y": "z"},
        "comment": ["why"],
        "writeConcern": {"w": 1},
        "maxTimeMS": 5000,
    }

    refused = await post("bulkWrite", requests=requests, **options)
    answer = await post("bulkWrite", requests=requests, bypassDocumentValidation=True, **options)

    assert (refused.status, refused.json["writeErrors"][0]["code"]) == (400, 121)
    assert (answer.status, await stored(database)) == (200, [{"_id": 1, "n": "x", "m": "z"}])


@pytest.mark.parametrize(
    ("operation", "option"),
    [
        pytest.param(EVERY[1], {"let": {"x": 1}}, id="let"),
        pytest.param(EVERY[0], {"bypassDocumentValidation": True}, id="bypassDocumentValidation"),
        pytest.param(EVERY[5], {"comment": "c"}, id="comment"),
        pytest.param(EVERY[3], {"writeConcern": {"w": 1}}, id="writeConcern"),
        pytest.param(EVERY[0], {"collation": {"locale": "en"}}, id="of another action"),
        pytest.param(EVERY[6], {"sort": {"a": 1}}, id="sort"),
    ],
)
async def test_an_option_that_is_none_of_an_operation_is_refused_by_name(
    post: Post, database: Any, items: Any, operation: dict[str, Any], option: dict[str, Any]
) -> None:
    ((name, members),) = operation.items()

    answer = await post("bulkWrite", requests=[EVERY[1], {name: members | option}])

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert answer.json["error"].startswith(f"requests[1]: '{next(iter(option))}' is ")
    assert await stored(database) == [{"_id": number, "a": number} for number in (1, 2, 3)]


async def test_an_operation_stays_in_the_collection_that_the_call_names(post: Post, database: Any) -> None:
    away = {"dataSource": "other", "database": "dozen", "collection": "api_keys"}

    answer = await post("bulkWrite", requests=[{"insertOne": {"document": {"_id": 1}} | away}])

    assert (answer.status, await stored(database)) == (200, [{"_id": 1}])


async def test_operations_have_a_limit_together_beyond_a_few_of_each(post: Post, database: Any) -> None:
    simple = {"updateOne": {"filter": {"_id": 1}, "update": {"$set": {"a": 1}}}}
    wide = {"deleteOne": {"filter": {f"f{number}": 1 for number in range(6_000)}}}

    answers = [await post("bulkWrite", requests=each) for each in ([simple] * 5_001, [wide], [wide, wide])]

    assert [each.status for each in answers] == [200, 200, 400]
    assert errors_only(answers[2])["error"].endswith("MAX_CONDITIONS allows 10000")


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])
async def test_many_operations_need_several_commands(post: Post, database: Any, ordered: bool) -> None:
    new = [{"insertOne": {"document": {"_id": number}}} for number in range(4_500)]
    changes = [{"updateOne": {"filter": {"_id": number}, "update": {"$set": {"a": 1}}}} for number in (0, 4_499)]

    answer = await post(
        "bulkWrite", requests=[*new, {"insertOne": {"document": {"_id": 3}}}, *changes], ordered=ordered
    )

    done = answer.json["partialResult"]
    assert (answer.status, failed(answer)) == (400, [(4_500, 11000)])
    assert (done["insertedCount"], done["modifiedCount"]) == (4_500, 0 if ordered else 2)
    assert done["insertedIds"] == {str(number): number for number in range(4_500)}
    assert await database.items.count_documents({}) == 4_500


async def test_a_document_that_no_command_may_hold_is_refused_before_others_are_written(
    post: Post, database: Any
) -> None:
    requests = [EVERY[0], {"insertOne": {"document": {"a": "x" * 16_900_000}}}]

    answer = await post("bulkWrite", requests=requests)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert answer.json["error"].startswith("requests[1]: the document is too large: it has 16900")
    assert await stored(database) == []


async def test_a_document_that_mongodb_refuses_is_one_failure(post: Post, database: Any) -> None:
    requests = [EVERY[0], {"insertOne": {"document": {"_id": 1, "a": "x" * (16 * 1024 * 1024)}}}]

    answer = await post("bulkWrite", requests=requests)

    assert (answer.status, [each[0] for each in failed(answer)]) == (400, [1])
    assert await stored(database) == [{"_id": 4, "a": 4}]


async def test_all_operations_of_a_command_that_is_refused_have_failed(worker: Worker, key: str, database: Any) -> None:
    await database.command("create", "view", viewOn="items", pipeline=[])
    requests = [EVERY[0], EVERY[1], EVERY[5]]

    answers = [
        await Post(worker, key)("bulkWrite", collection="view", requests=requests, ordered=ordered)
        for ordered in (True, False)
    ]

    assert [failed(each) for each in answers] == [[(0, 166)], [(0, 166), (1, 166), (2, 166)]]
    assert {each.json["writeErrors"][0]["error"] for each in answers} == {
        answers[0].json["error"][len("requests[0]: ") :]
    }


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        pytest.param({"closeConnection": True}, "may have happened", id="lost"),
        pytest.param({"errorCode": 11600}, "may have happened", id="interrupted"),
        pytest.param({"errorCode": 462, "errorLabels": ["SystemOverloadedError", "RetryableError"]},
                     "may have happened", id="not begun, behind others"),
    ],
)  # fmt: skip
async def test_what_fails_behind_what_was_written_may_have_happened(
    worker: Worker, key: str, items: Any, fail_point: FailPoint, fault: dict[str, Any], outcome: str
) -> None:
    await fail_point("delete", times=20, **fault)

    answer = await Post(worker, key)("bulkWrite", requests=[EVERY[0], EVERY[6]])

    assert (answer.status, "retry-after" in answer.headers) == (503, False)
    assert outcome in errors_only(answer)["error"]
    assert await items.count_documents({"_id": 4}) == 1


async def test_what_was_not_begun_may_be_sent_again(
    worker: Worker, key: str, items: Any, fail_point: FailPoint
) -> None:
    await fail_point("delete", times=20, errorCode=462, errorLabels=["SystemOverloadedError", "RetryableError"])

    answer = await Post(worker, key)("bulkWrite", requests=[EVERY[6]])

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


async def test_a_write_that_no_majority_confirms_is_503(
    worker: Worker, key: str, items: Any, fail_point: FailPoint
) -> None:
    await fail_point("insert", writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"})

    answer = await Post(worker, key)("bulkWrite", requests=[EVERY[0]])

    assert (answer.status, "may have happened" in errors_only(answer)["error"]) == (503, True)


async def test_the_log_counts_what_all_operations_came_to(
    worker: Worker, key: str, items: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dozen")
    await Post(worker, key)("bulkWrite", requests=EVERY)

    line = [each for each in map(json.loads, caplog.messages) if each["message"] == "request"][-1]

    assert (line["operation"], line["namespace"], line["documents"]) == ("bulkWrite", "shop.items", 11)
