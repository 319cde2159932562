"""What functions/call answers an SDK of App Services beside a method's result, through both hosts."""

from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import Person, send
from tests.functions.rules.test_functions_call import called
from tests.functions.rules.test_sdk_expectations import DELETE
from tests.functions.rules.test_sessions import SESSION


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
        {
            "error": "function not found: 'translate': only methods of a 'service' are served",
            "error_code": "FunctionNotFound",
        },
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
