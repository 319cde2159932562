"""MongoDB as the SDKs of App Services call it: the data source's methods, under the rules, through both hosts."""

import json
from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import CLIENT, Known, Person
from tests.hosts import Answer, Worker

CALL = f"{CLIENT}/functions/call"
CHANGED = '{"matchedCount":{"$numberInt":"%d"},"modifiedCount":{"$numberInt":"%d"}}'


async def called(
    person: Person,
    name: str,
    collection: str = "public",
    headers: dict[str, str] | None = None,
    service: str | None = "mongodb-atlas",
    **members: Any,
) -> Answer:
    argument = {"database": "shop", "collection": collection} | members
    body = {"arguments": [argument], "name": name, "service": service}
    sent = {"Authorization": f"Bearer {person.access_token}", "Content-Type": "application/json;charset=utf-8"}
    return await person.host.request("POST", CALL, sent | (headers or {}), json.dumps(body).encode())


@pytest.fixture
async def public(ann: Person, database: Any) -> Any:
    """Three documents that everybody may read and write."""
    await database.public.insert_many([{"_id": n, "n": n, "team": "a"} for n in (1, 2, 3)])
    return database.public


@pytest.mark.both_hosts
@pytest.mark.parametrize(
    ("name", "members", "result"),
    [
        ("find", {"query": {"n": {"$gt": {"$numberInt": "1"}}}, "project": {"n": 1, "_id": 0}, "sort": {"n": -1}},
         '[{"n":{"$numberInt":"3"}},{"n":{"$numberInt":"2"}}]'),
        ("find", {"query": {"n": 7}}, "[]"),
        ("findOne", {"query": {"n": 1}, "project": {"team": 1}}, '{"_id":{"$numberInt":"1"},"team":"a"}'),
        ("findOne", {"query": {"n": 7}}, "null"),
        ("aggregate", {"pipeline": [{"$group": {"_id": "$team", "n": {"$sum": "$n"}}}]},
         '[{"_id":"a","n":{"$numberInt":"6"}}]'),
        ("count", {}, '{"$numberLong":"3"}'),
        ("count", {"query": {}, "limit": {"$numberInt": "2"}}, '{"$numberLong":"2"}'),
        ("distinct", {"key": "team", "query": {}}, '["a"]'),
        ("insertOne", {"document": {"_id": "x"}}, '{"insertedId":"x"}'),
        ("insertMany", {"documents": [{"_id": "x"}, {"_id": "y"}]}, '{"insertedIds":["x","y"]}'),
        ("updateOne", {"query": {"n": 1}, "update": {"$set": {"n": 5}}}, CHANGED % (1, 1)),
        ("updateOne", {"query": {"_id": 9}, "update": {"$set": {"n": 9}}, "upsert": True},
         '{"matchedCount":{"$numberInt":"0"},"modifiedCount":{"$numberInt":"0"},"upsertedId":{"$numberInt":"9"}}'),
        ("updateMany", {"query": {}, "update": {"$set": {"team": "b"}}}, CHANGED % (3, 3)),
        ("deleteOne", {"query": {}}, '{"deletedCount":{"$numberInt":"1"}}'),
        ("deleteMany", {"query": {"n": {"$lt": 3}}}, '{"deletedCount":{"$numberInt":"2"}}'),
        ("findOneAndUpdate", {"filter": {"n": 1}, "update": {"$inc": {"n": 1}}, "projection": {"n": 1}},
         '{"_id":{"$numberInt":"1"},"n":{"$numberInt":"1"}}'),
        ("findOneAndUpdate",
         {"filter": {"n": 1}, "update": {"name": "x"}, "upsert": True, "returnNewDocument": True},
         '{"_id":{"$numberInt":"1"},"name":"x"}'),
        ("findOneAndReplace", {"filter": {"n": 1}, "update": {"name": "x"}, "returnNewDocument": True},
         '{"_id":{"$numberInt":"1"},"name":"x"}'),
        ("findOneAndReplace", {"filter": {"n": 9}, "update": {"name": "x"}}, "null"),
        ("findOneAndDelete", {"filter": {"n": 2}, "projection": {"n": 1}},
         '{"_id":{"$numberInt":"2"},"n":{"$numberInt":"2"}}'),
    ],
)  # fmt: skip
async def test_a_method_has_its_result_alone(
    ann: Person, public: Any, name: str, members: dict[str, Any], result: str
) -> None:
    answer = await called(ann, name, **members)

    assert (answer.status, answer.body.decode()) == (200, result)
    assert answer.headers["content-type"] == "application/json"


async def test_what_one_sdk_sends_for_find_one_and_delete_deletes(ann: Person, public: Any) -> None:
    answer = await called(ann, "findOneAndReplace", filter={"n": 2})

    assert answer.body == b'{"_id":{"$numberInt":"2"},"n":{"$numberInt":"2"},"team":"a"}'
    assert [each["_id"] async for each in public.find()] == [1, 3]


@pytest.mark.parametrize(
    "members",
    [
        {"update": None},
        {"replacement": None},
        {"upsert": True},
        {"upsert": False},
        {"upsert": None},
        {"returnNewDocument": False},
        {"returnNewDocument": None},
    ],
    ids=str,
)
async def test_a_replacement_that_got_lost_deletes_nothing(ann: Person, public: Any, members: dict[str, Any]) -> None:
    answer = await called(ann, "findOneAndReplace", filter={"n": 2}, **members)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "MissingParameter")
    assert [each["_id"] async for each in public.find()] == [1, 2, 3]


@pytest.mark.parametrize("name", ["updateOne", "updateMany"])
async def test_an_update_without_operators_replaces(ann: Person, public: Any, name: str) -> None:
    answer = await called(ann, name, query={"team": "a"}, update={"hidden": "$n", "deep": {"a": []}})

    many = 3 if name == "updateMany" else 1
    assert answer.body.decode() == CHANGED % (many, many)
    assert [each async for each in public.find({"hidden": "$n"})] == [
        {"_id": n, "hidden": "$n", "deep": {"a": []}} for n in range(1, many + 1)
    ]


async def test_the_rules_are_those_of_the_actions(ann: Person, bob: Person, database: Any) -> None:
    await database.orders.insert_many([
        {"_id": 1, "owner": ann.id, "total": 1, "secret": "s", "address": {"city": "Rome", "door_code": 1}},
        {"_id": 2, "owner": bob.id, "total": 2, "secret": "s"},
    ])  # fmt: skip

    found = await called(ann, "find", "orders", project={"owner": 0})
    counted = await called(ann, "count", "orders")
    denied = await called(ann, "deleteMany", "orders", query={})
    replaced = await called(ann, "updateMany", "orders", query={}, update={"total": 5})

    assert json.loads(found.body) == [
        {"_id": {"$numberInt": "1"}, "total": {"$numberInt": "1"}, "address": {"city": "Rome"}}
    ]
    assert counted.body == b'{"$numberLong":"1"}'
    assert (denied.status, errors_only(denied)["error_code"]) == (400, "NoMatchingRoleFound")
    assert (replaced.status, errors_only(replaced)["error_code"]) == (400, "NoMatchingRoleFound")
    assert await database.orders.count_documents({"secret": "s"}) == 2


async def test_more_than_a_thousand_documents_are_found(ann: Person, public: Any) -> None:
    await public.insert_many([{"_id": f"n{n}"} for n in range(1_500)])

    answer = await called(ann, "find")

    assert len(json.loads(answer.body)) == 1_503


async def test_a_document_that_is_there_has_the_words_that_programs_look_for(ann: Person, public: Any) -> None:
    one = await called(ann, "insertOne", document={"_id": 1})
    many = await called(ann, "insertMany", documents=[{"_id": 7}, {"_id": 1}])

    for answer in (one, many):
        assert (answer.status, errors_only(answer)["error_code"]) == (400, "MongoDBError")
        assert "Duplicate key error" in errors_only(answer)["error"]
        assert "E11000" in errors_only(answer)["error"]


@pytest.mark.parametrize("name", ["updateOne", "updateMany", "findOneAndUpdate", "findOneAndReplace"])
@pytest.mark.parametrize("collection", ["public", "orders"])
async def test_an_upsert_of_what_is_there_has_the_same_words(
    ann: Person, bob: Person, public: Any, database: Any, name: str, collection: str
) -> None:
    await database[collection].insert_one({"_id": "taken", "owner": bob.id, "team": "z"})
    document = {"owner": ann.id, "total": 1}

    answer = await called(ann, name, collection, filter={"_id": "taken", "team": "a"}, update=document, upsert=True)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "MongoDBError")
    assert "Duplicate key error" in errors_only(answer)["error"]


async def test_what_a_bulk_write_did_is_told_beside_those_words(ann: Person, public: Any) -> None:
    documents = [{"_id": 7}, {"_id": 1}]

    answer = await called(ann, "bulkWrite", operations=[{"insertOne": {"document": each}} for each in documents])

    assert (answer.status, "Duplicate key error" in answer.json["error"]) == (400, True)
    assert [(each["index"], each["code"]) for each in answer.json["writeErrors"]] == [(1, 11000)]
    assert answer.json["partialResult"]["insertedIds"] == {"0": {"$numberInt": "7"}}


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("find", {"cursor": {"batchSize": 1}}),
        ("aggregate", {"pipeline": [], "cursor": {}}),
        ("deleteMany", {"query": {"n": 1}, "filter": {}}),
        ("deleteMany", {"filter": {"n": 1}, "query": {}}),
        ("findOneAndUpdate", {"filter": {}, "update": {"$set": {"n": 9}}, "returnNewDocument": "true"}),
        ("findOneAndReplace", {"filter": {}, "update": {"n": 8}, "replacement": {"n": 9}}),
        ("updateOne", {"filter": {}, "update": {"n": 8}, "replacement": {"n": 9}}),
        ("findOneAndReplace",
         {"filter": {}, "update": {"n": 9}, "returnNewDocument": True, "returnDocument": "Before"}),
    ],
    ids=str,
)  # fmt: skip
async def test_arguments_that_cannot_be_honoured_are_refused(
    ann: Person, public: Any, name: str, members: dict[str, Any]
) -> None:
    answer = await called(ann, name, **members)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert [each["n"] async for each in public.find()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"name":"hello","arguments":["a"]}', 404, "FunctionNotFound"),
        (b'{"name":"drop","service":"mongodb-atlas","arguments":[{}]}', 400, "InvalidParameter"),
        (b'{"name":"find","service":"mongodb-atlas","arguments":[{"database":"shop"}]}', 400, "MissingParameter"),
        (b'{"name":"find","service":"mongodb-atlas","arguments":[{"database":"shop","collection":"public",'
         b'"query":[]}]}', 400, "InvalidJSONFieldType"),
        (b'{"name":"find","service":"mongodb-atlas","arguments":[{"database":"shop","collection":"public",'
         b'"query":{"$where":"1"}}]}', 400, "InvalidParameter"),
        (b"[]", 400, "InvalidJSON"),
        (b"", 400, "InvalidJSON"),
    ],
)  # fmt: skip
async def test_what_cannot_be_called_is_refused(ann: Person, body: bytes, status: int, code: str) -> None:
    answer = await ann.host.request("POST", CALL, {"Authorization": f"Bearer {ann.access_token}"}, body)

    assert (answer.status, errors_only(answer)["error_code"]) == (status, code)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x"}, {"apiKey": "k"}])
async def test_only_who_is_logged_in_calls(ann: Person, headers: dict[str, str]) -> None:
    answer = await ann.host.request("POST", CALL, headers, b'{"name":"find","service":"s","arguments":[{}]}')

    assert (answer.status, errors_only(answer)["error_code"]) == (401, "InvalidSession")


async def test_terms_are_not_passed_over(ann: Person, public: Any) -> None:
    answer = await called(ann, "insertOne", headers={"Idempotency-Key": "k"}, document={"_id": "x"})

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert await public.count_documents({"_id": "x"}) == 0


async def test_a_condition_on_a_read_is_not_passed_over(ann: Person, public: Any) -> None:
    answer = await called(ann, "findOne", headers={"If-Match": '"x"'}, query={})

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")


@pytest.mark.parametrize("name", ["updateOne", "updateMany", "findOneAndUpdate"])
async def test_an_update_of_nothing_empties_no_document(ann: Person, public: Any, name: str) -> None:
    before = [each async for each in public.find()]

    answer = await called(ann, name, filter={}, update={})

    assert answer.status == 400
    assert [each async for each in public.find()] == before


async def test_the_log_names_the_action_and_the_namespace(
    worker: Worker, known: Known, changed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ann = await known(worker, "ann@shop.example")
    caplog.set_level("INFO", "dozen")
    await called(ann, "count")

    line = [json.loads(text) for text in caplog.messages][-1]
    assert (line["operation"], line["namespace"], line["caller"]) == ("countDocuments", "shop.public", ann.id)


async def test_a_disabled_data_api_is_another_door(worker: Worker, known: Known, changed: Any, database: Any) -> None:
    changed("http_endpoints/data_api_config.json", disabled=True)
    ann = await known(worker, "ann@shop.example")

    answer = await called(ann, "count")

    assert (answer.status, (await ann("find")).status) == (200, 404)


async def test_what_the_data_api_lets_nobody_call_is_another_door(
    worker: Worker, known: Known, changed: Any, database: Any
) -> None:
    changed("http_endpoints/data_api_config.json", can_evaluate=False)
    ann = await known(worker, "ann@shop.example")
    operations = [{"insertOne": {"document": {"_id": 1}}}]

    answers = [await called(ann, "count"), await called(ann, "bulkWrite", operations=operations)]

    assert [each.status for each in answers] == [200, 200]
    assert (await ann("bulkWrite", collection="public", requests=operations)).status == 403
