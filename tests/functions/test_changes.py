"""changes: what has changed in a collection, as a long poll."""

import asyncio
from typing import Any

import pytest
from bson import json_util
from pymongo import AsyncMongoClient

from shared.auth.keys import new_key
from shared.mongo.control import API_KEYS
from tests.conftest import FailPoint, Post, errors_only, restart
from tests.hosts import Worker

HISTORY_LOST = 286


async def begun(post: Post, **members: Any) -> str:
    """Return the token of now."""
    answer = await post("changes", **members)
    assert answer.status == 200, answer.body
    assert answer.json["events"] == []
    token: str = answer.json["resumeToken"]
    return token


async def told(post: Post, token: str, **members: Any) -> list[dict[str, Any]]:
    answer = await post("changes", resumeAfter=token, **members)
    assert answer.status == 200, answer.body
    events: list[dict[str, Any]] = answer.json["events"]
    return events


def ids(events: list[dict[str, Any]]) -> list[Any]:
    return [each["documentKey"]["_id"] for each in events]


@pytest.mark.both_hosts
async def test_what_changed_since_a_token_is_told(post: Post, database: Any) -> None:
    token = await begun(post)
    await database.items.insert_one({"_id": 1, "a": 1})
    await database.items.update_one({"_id": 1}, {"$set": {"b": 2}})
    await database.items.replace_one({"_id": 1}, {"c": 3})
    await database.items.delete_one({"_id": 1})

    events = await told(post, token)

    assert [each["operationType"] for each in events] == ["insert", "update", "replace", "delete"]
    assert [each.get("fullDocument") for each in events] == [{"_id": 1, "a": 1}, None, {"_id": 1, "c": 3}, None]
    assert events[1]["updateDescription"]["updatedFields"] == {"b": 2}
    assert [each["ns"] for each in events] == [{"db": "shop", "coll": "items"}] * 4
    assert ids(events) == [1] * 4


@pytest.mark.both_hosts
async def test_what_changes_during_the_wait_is_told_at_once(post: Post, database: Any) -> None:
    token = await begun(post)
    waiting = asyncio.create_task(post("changes", resumeAfter=token, maxAwaitTimeMS=30_000))
    await asyncio.sleep(0.3)
    await database.items.insert_one({"_id": 1})

    answer = await asyncio.wait_for(waiting, 20)

    assert ids(answer.json["events"]) == [1]


async def test_a_wait_without_a_change_ends_with_a_token(post: Post, database: Any) -> None:
    answer = await post("changes", maxAwaitTimeMS=300)

    assert (answer.status, answer.json["events"]) == (200, [])
    await database.items.insert_one({"_id": 1})
    assert ids(await told(post, answer.json["resumeToken"])) == [1]


async def test_types_come_as_extended_json(post: Post, database: Any) -> None:
    token = await begun(post)
    await database.items.insert_one({"_id": 1})

    answer = await post("changes", resumeAfter=token, accept="application/ejson")

    event = json_util.loads(answer.body)["events"][0]
    assert event["fullDocument"] == {"_id": 1}
    assert "$timestamp" in answer.body.decode()


async def test_none_is_lost_or_told_twice_while_others_write(post: Post, database: Any) -> None:
    token = await begun(post)

    async def write() -> None:
        for number in range(200):
            await database.items.insert_one({"_id": number})
            if number % 20 == 0:
                await asyncio.sleep(0.01)

    writing = asyncio.create_task(write())
    found: list[Any] = []
    async with asyncio.timeout(60):
        while len(found) < 200:
            answer = await post("changes", resumeAfter=token, maxAwaitTimeMS=500, limit=7)
            token = answer.json["resumeToken"]
            assert len(answer.json["events"]) <= 7
            found += ids(answer.json["events"])
    await writing

    assert found == list(range(200))
    assert await told(post, token) == []


async def test_a_limit_leaves_the_rest_to_the_next_call(post: Post, database: Any) -> None:
    token = await begun(post)
    await database.items.insert_many([{"_id": number} for number in range(20)])

    found = []
    for _ in range(4):
        answer = await post("changes", resumeAfter=token, limit=7)
        token = answer.json["resumeToken"]
        found.append(ids(answer.json["events"]))

    assert found == [list(range(7)), list(range(7, 14)), list(range(14, 20)), []]


async def test_a_lost_connection_loses_no_change(post: Post, database: Any, fail_point: FailPoint) -> None:
    token = await begun(post)
    await database.items.insert_many([{"_id": number} for number in range(3)])
    await fail_point("getMore", closeConnection=True)

    assert ids(await told(post, token)) == [0, 1, 2]


async def test_a_filter_chooses_events(post: Post, database: Any) -> None:
    token = await begun(post)
    await database.items.insert_many([{"_id": number, "n": number} for number in range(5)])
    await database.items.delete_one({"_id": 0})

    assert ids(await told(post, token, filter={"fullDocument.n": {"$gt": 2}})) == [3, 4]
    assert ids(await told(post, token, filter={"operationType": "delete"})) == [0]
    assert ids(await told(post, token, ids=[0, 4])) == [0, 4, 0]
    assert ids(await told(post, token, ids=[])) == []


async def test_documents_before_and_after_come_as_they_are_asked_for(post: Post, database: Any) -> None:
    await database.create_collection("items", changeStreamPreAndPostImages={"enabled": True})
    await database.items.insert_one({"_id": 1, "n": 1})
    token = await begun(post)
    await database.items.update_one({"_id": 1}, {"$set": {"n": 2}})
    await database.items.update_one({"_id": 1}, {"$set": {"n": 3}})

    def documents(events: list[dict[str, Any]], name: str) -> list[Any]:
        return [each.get(name, {}).get("n") for each in events]

    now = await told(post, token)
    assert documents(now, "fullDocument") == [3, 3]
    assert "fullDocumentBeforeChange" not in now[0]
    then = await told(post, token, fullDocument="required", fullDocumentBeforeChange="required")
    assert documents(then, "fullDocument") == [2, 3]
    assert documents(then, "fullDocumentBeforeChange") == [1, 2]
    assert "fullDocument" not in (await told(post, token, fullDocument="default"))[0]


async def test_the_id_of_an_event_is_a_token(post: Post, database: Any) -> None:
    token = await begun(post)
    await database.items.insert_many([{"_id": number} for number in range(3)])
    first = (await told(post, token))[0]

    assert ids((await post("changes", resumeAfter=first["_id"])).json["events"]) == [1, 2]


async def test_the_end_of_a_collection_is_told_and_passed(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    token = await begun(post)
    await database.items.drop()

    answer = await post("changes", resumeAfter=token, maxAwaitTimeMS=5_000)
    assert [each["operationType"] for each in answer.json["events"]] == ["drop", "invalidate"]
    await database.items.insert_one({"_id": 2})
    assert ids(await told(post, answer.json["resumeToken"])) == [2]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param({"resumeAfter": "AAAA"}, "InvalidParameter", id="a token of nobody's"),
        pytest.param({"resumeAfter": "A" * 300_000}, "InvalidParameter", id="a long token"),
        pytest.param({"resumeAfter": {"_data": "00ff"}}, "InvalidParameter", id="an id of nobody's"),
        pytest.param({"resumeAfter": {}}, "InvalidParameter", id="an empty id"),
        pytest.param({"resumeAfter": 5}, "InvalidJSONFieldType", id="a number as token"),
        pytest.param({"filter": {"$where": "1"}}, "InvalidParameter", id="a closed operator"),
        pytest.param({"filter": {"$expr": {"$function": {}}}}, "InvalidParameter", id="JavaScript"),
        pytest.param({"filter": {"a": {"$regex": "a" * 1_000_000}}}, "InvalidParameter", id="a long pattern"),
        pytest.param({"filter": {"a" * 1_000_000: 1, "$nope": 1}}, "InvalidParameter", id="a long name"),
        pytest.param({"filter": {"$text": {"$search": "a"}}}, "MongoDBError", id="a search"),
        pytest.param({"filter": {"a": 1}, "ids": [1]}, "InvalidParameter", id="a filter and ids"),
        pytest.param({"maxAwaitTimeMS": 30_001}, "InvalidParameter", id="a long wait"),
        pytest.param({"maxAwaitTimeMS": -1}, "InvalidParameter", id="a negative wait"),
        pytest.param({"limit": 0}, "InvalidParameter", id="no event"),
        pytest.param({"limit": 1_001}, "InvalidParameter", id="many events"),
        pytest.param({"fullDocument": "all"}, "InvalidJSONFieldType", id="another document"),
        pytest.param({"pipeline": []}, "InvalidParameter", id="a pipeline"),
        pytest.param({"database": "admin"}, "NoMatchingRuleFound", id="MongoDB's own database"),
    ],
)
async def test_what_cannot_be_is_refused(post: Post, members: dict[str, Any], code: str) -> None:
    answer = await post("changes", **members)

    assert answer.status in {400, 403}, answer.body
    assert errors_only(answer)["error_code"] == code


async def test_a_token_is_of_one_caller_and_one_collection(
    post: Post, driver: AsyncMongoClient[dict[str, Any]]
) -> None:
    token = await begun(post)
    other, stored = new_key("another", system=True)
    await driver["dozen"][API_KEYS].insert_one(stored)

    foreign = await post._replace(key=other)("changes", resumeAfter=token)
    elsewhere = await post("changes", collection="others", resumeAfter=token)

    await driver["dozen"][API_KEYS].delete_one({"_id": stored["_id"]})
    assert [foreign.status, elsewhere.status] == [400, 400]
    assert errors_only(foreign)["error"] == "'resumeAfter' is none that you were given"
    assert errors_only(elsewhere)["error"] == "'resumeAfter' is of another collection"


async def test_changes_that_are_gone_are_410(post: Post, fail_point: FailPoint) -> None:
    token = await begun(post)
    await fail_point("aggregate", errorCode=HISTORY_LOST)

    answer = await post("changes", resumeAfter=token)

    assert (answer.status, errors_only(answer)["error_code"]) == (410, "ChangeStreamHistoryLost")
    assert "call without 'resumeAfter'" in errors_only(answer)["error"]


async def test_a_change_that_is_too_large_is_refused(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "text": "x" * 9_000_000})
    token = await begun(post)
    await database.items.update_one({"_id": 1}, {"$set": {"text": "y" * 9_000_000}})

    answer = await post("changes", resumeAfter=token)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "ReadSizeLimitExceeded")


@pytest.mark.parametrize("options", [{"viewOn": "items", "pipeline": []}, {"timeseries": {"timeField": "at"}}])
async def test_only_collections_tell_their_changes(post: Post, database: Any, options: dict[str, Any]) -> None:
    await database.create_collection("other", **options)

    answer = await post("changes", collection="other")

    await database.drop_collection("other")  # a time series keeps others from being dropped
    assert answer.status == 400
    assert "not of views" in errors_only(answer)["error"]


async def test_a_server_without_a_replica_set_tells_no_changes(
    standalone: str, worker: Worker, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("MONGO_DB_URI", standalone)
    restart()
    async with AsyncMongoClient[dict[str, Any]](standalone) as client:
        key, stored = new_key("alone", system=True)
        await client["dozen"][API_KEYS].insert_one(stored)

    answer = await Post(worker, key)("changes")

    assert answer.status == 400
    assert "replica set" in errors_only(answer)["error"]
