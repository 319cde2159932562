"""What functions/call answers an SDK of App Services beside a method's result, through both hosts."""

from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import CLIENT, Person, send
from tests.functions.rules.test_functions_call import CALL, called
from tests.functions.rules.test_sdk_expectations import DELETE
from tests.functions.rules.test_sessions import SESSION
from tests.hosts import Host


@pytest.mark.parametrize("document", [{"error": "x"}, {"error_code": "boom", "error": {"a": 1}}, {"a": {"error": 1}}])
async def test_a_document_that_looks_like_an_error_is_none(ann: Person, database: Any, document: Any) -> None:
    await database.public.insert_one({"_id": "x"} | document)

    found = await called(ann, "findOne", query={})
    changed = await called(ann, "findOneAndUpdate", filter={}, update={"$set": {"n": "1"}})
    refused = await called(ann, "findOneAndUpdate", filter={}, update={"$bad": {"n": "1"}})

    assert [each.headers["content-type"] for each in (found, changed)] == ["application/json; charset=utf-8"] * 2
    assert found.json.keys() == {"_id", *document}
    assert errors_only(refused)["error_code"] == "InvalidParameter"


@pytest.mark.parametrize("accept", ["*/*", "application/ejson", "text/csv", "application/x-ndjson", "text/plain", ""])
async def test_a_result_is_json_whatever_is_accepted(ann: Person, database: Any, accept: str) -> None:
    await database.public.insert_one({"_id": 1})

    answer = await called(ann, "find", headers={"Accept": accept})

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body == b'[{"_id":{"$numberInt":"1"}}]'


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("find", {"filter": {"n": 1}, "projection": {"_id": 1}}),
        ("find", {"query": {"n": 1}, "project": {"_id": 1}, "sort": None, "limit": None}),
        ("findOne", {"filter": {"n": 1}, "project": {"_id": 1}}),
        ("findOneAndUpdate", {"query": {"n": 1}, "project": {"_id": 1}, "update": {"$set": {"n": 1}}}),
        ("findOneAndDelete", {"query": {"n": 1}, "projection": {"_id": 1}, "sort": None}),
        ("findOne", {}),
        ("findOne", {"query": None, "project": {"_id": True}}),
        ("aggregate", {"pipeline": [{"$project": {"_id": 1}}]}),
    ],
)
async def test_an_argument_has_either_name_and_a_default(
    ann: Person, database: Any, name: str, members: dict[str, Any]
) -> None:
    await database.public.insert_one({"_id": 1, **({"n": 1} if members.get("query", members.get("filter")) else {})})

    answer = await called(ann, name, **members)

    assert answer.status == 200
    assert answer.body.strip(b"[]") == b'{"_id":{"$numberInt":"1"}}'


async def test_a_function_of_the_app_is_not_found_by_its_name(ann: Person) -> None:
    answer = await called(ann, "translate", service=None)

    assert (answer.status, errors_only(answer)) == (
        404,
        {"error": "function not found: 'translate'", "error_code": "FunctionNotFound"},
    )


async def test_a_service_and_a_collection_are_those_of_the_app(ann: Person) -> None:
    unknown = await called(ann, "find", service="nowhere")
    closed = await called(ann, "find", database="admin")

    assert (unknown.status, errors_only(unknown)) == (
        404, {"error": "service not found: 'nowhere'", "error_code": "ServiceNotFound"}
    )  # fmt: skip
    assert (closed.status, errors_only(closed)["error_code"]) == (403, "NoMatchingRuleFound")


async def test_a_token_that_is_of_no_use_lets_an_sdk_refresh(ann: Person, bob: Person, database: Any) -> None:
    await send(ann.host, "DELETE", DELETE, token=bob.access_token)
    head, claims, signature = ann.access_token.split(".")
    tokens = [ann.refresh_token, bob.access_token, f"{head}.{claims}.{signature[::-1]}", "x", f"{head}.{claims}"]

    answers = [await called(ann._replace(access_token=each), "count") for each in tokens]
    refreshed = await send(ann.host, "POST", SESSION, token=ann.refresh_token)
    ended = await send(ann.host, "POST", SESSION, token=bob.refresh_token)

    assert {(each.status, errors_only(each)["error_code"]) for each in [*answers, ended]} == {(401, "InvalidSession")}
    again = await called(ann._replace(access_token=refreshed.json["access_token"]), "count")
    assert (again.status, again.body) == (200, b'{"$numberLong":"0"}')


@pytest.mark.parametrize("name", ["updateOne", "updateMany", "findOneAndUpdate", "findOneAndReplace"])
@pytest.mark.parametrize(
    "document",
    [{"total": 9, "note": "$total"}, {"_id": 1, "total": 9}, {"a": {"$where": 1, "b.c": [{"$out": 1}]}}],
    ids=str,
)
async def test_a_document_of_which_nothing_is_hidden_is_replaced_whatever_the_method(
    ann: Person, bob: Person, database: Any, name: str, document: Any
) -> None:
    theirs = {"_id": 2, "owner": bob.id, "total": 1}
    await database.orders.insert_many([{"_id": 1, "owner": ann.id, "total": 1, "old": True}, theirs])
    replacement = {"owner": ann.id} | document

    answer = await called(ann, name, "orders", query={"total": 1}, update=replacement)

    assert answer.status == 200
    assert await database.orders.find().to_list() == [{"_id": 1} | replacement, theirs]


@pytest.mark.parametrize("name", ["updateOne", "updateMany", "findOneAndUpdate", "findOneAndReplace"])
@pytest.mark.parametrize(
    ("hidden", "document"),
    [({"secret": 1}, {"total": 9}), ({}, {"total": 9, "secret": 1}), ({}, {"owner": "x"}), ({}, {"_id": 5})],
    ids=str,
)
async def test_a_replacement_of_what_is_hidden_is_refused_whatever_the_method(
    ann: Person, database: Any, name: str, hidden: Any, document: Any
) -> None:
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "total": 1} | hidden)

    answer = await called(ann, name, "orders", query={"total": 1}, update={"owner": ann.id} | document)

    assert (answer.status, answer.json["error_code"]) == (
        400, "MongoDBError" if "_id" in document else "NoMatchingRoleFound"
    )  # fmt: skip
    assert await database.orders.find().to_list() == [{"_id": 1, "owner": ann.id, "total": 1} | hidden]


@pytest.mark.parametrize("name", ["findOneAndReplace", "findOneAndDelete"])
async def test_a_replacement_by_nothing_needs_the_right_to_delete(ann: Person, database: Any, name: str) -> None:
    stored = {"_id": 1, "owner": ann.id}
    await database.orders.insert_one(stored)

    answer = await called(ann, name, "orders", filter={"_id": 1}, projection={"_id": 1}, sort={"_id": 1})

    assert (answer.status, errors_only(answer)) == (
        400, {"error": "delete not permitted", "error_code": "NoMatchingRoleFound"}
    )  # fmt: skip
    assert await database.orders.find().to_list() == [stored]


async def test_many_are_replaced_or_none(ann: Person, database: Any) -> None:
    own = [{"_id": n, "owner": ann.id, "n": n} for n in range(3)]
    await database.orders.insert_many([*own, {"_id": 3, "owner": ann.id, "secret": 1}])

    refused = await called(ann, "updateMany", "orders", query={}, update={"owner": ann.id, "n": "x"})
    replaced = await called(ann, "updateMany", "orders", query={"n": {"$gt": 0}}, update={"owner": ann.id, "n": "x"})
    upserted = await called(ann, "updateMany", "orders", query={"n": 9}, update={"owner": ann.id}, upsert=True)
    denied = await called(ann, "updateMany", "orders", query={"n": 9}, update={"owner": "x"}, upsert=True)

    assert (refused.status, denied.status) == (400, 403)
    assert replaced.json["modifiedCount"] == {"$numberInt": "2"}
    assert upserted.json.keys() == {"matchedCount", "modifiedCount", "upsertedId"}
    assert await database.orders.find({"_id": {"$lt": 4}}).to_list() == [
        own[0], *({"_id": n, "owner": ann.id, "n": "x"} for n in (1, 2)), {"_id": 3, "owner": ann.id, "secret": 1}
    ]  # fmt: skip


@pytest.mark.parametrize(
    "replaced",
    [{"$mergeObjects": [{"_id": "$_id"}, {"$literal": {"$set": {"owner": "x"}}}]},
     {"$mergeObjects": [{"_id": "$_id"}, {"$literal": {}}]},
     {"$mergeObjects": [{"_id": "$secret"}, {"$literal": {"total": 1}}]},
     {"$mergeObjects": ["$$ROOT", {"$literal": {"total": 1}}]}],
    ids=str,
)  # fmt: skip
async def test_another_pipeline_is_no_replacement(ann: Person, database: Any, replaced: Any) -> None:
    stored = {"_id": 1, "owner": ann.id, "secret": 1}
    await database.orders.insert_one(stored)

    answer = await called(ann, "updateMany", "orders", query={}, update=[{"$replaceWith": replaced}])

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "NoMatchingRoleFound")
    assert await database.orders.find().to_list() == [stored]


@pytest.mark.parametrize("path", [CALL, f"{CLIENT}/auth/providers/api-key/login", SESSION, f"{CLIENT}/nowhere"])
async def test_a_page_may_read_why_it_is_refused(app_host: Host, path: str) -> None:
    answer = await app_host.request("POST", path, {"Origin": "https://page.example"}, b"{}")

    assert answer.status in {400, 401, 404}
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    errors_only(answer)
