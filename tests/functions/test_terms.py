"""Writes that are done once, to no more than so many documents, or only tried, through both hosts."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo import MongoClient

from local.mongod import Mongod
from shared.auth.keys import new_key
from shared.mongo.control import API_KEYS
from shared.settings import VERSION
from tests.conftest import ACTION, FailPoint, errors_only, request_body
from tests.functions.rules.test_every_action import CALLS
from tests.hosts import Answer, Host, Server, Worker, eventually
from tests.test_actions import ACTIONS

WRITES = [name for name, action in ACTIONS.items() if not action.reads]
NEW = {"document": {"a": 1}}
KEY = {"Idempotency-Key": "order-1"}

every_write = pytest.mark.parametrize("name", WRITES)


class Terms(NamedTuple):
    """Posts with a key and more headers."""

    host: Host
    key: str

    async def __call__(self, action: str, headers: Mapping[str, str], **members: Any) -> Answer:
        sent = {"apiKey": self.key, "Content-Type": "application/json", **headers}
        return await self.host.request("POST", ACTION + action, sent, request_body(**members))


@pytest.fixture
async def send(host: Host, key: str, database: Any, driver: Any) -> Terms:
    """Post to each host in turn, on an empty database, without stored replies."""
    await driver["dozen"]["replies"].delete_many({})
    return Terms(host, key)


@pytest.fixture
async def things(database: Any) -> Any:
    """What the calls of every action are about."""
    await database.items.insert_many([{"_id": number, "n": 1, "owner": "ANN"} for number in (1, 2)])
    return database.items


async def stored(database: Any) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = await database.items.find(sort={"_id": 1}).to_list()
    return documents


def without_ids(body: bytes) -> bytes:
    return re.sub(rb"[0-9a-f]{24}", b"<id>", body)


@every_write
async def test_a_call_that_is_sent_again_has_one_effect_and_the_same_reply(
    send: Terms, things: Any, database: Any, name: str
) -> None:
    first = await send(name, KEY, **CALLS[name])
    after = await stored(database)
    again = await send(name, KEY, **CALLS[name])

    assert first.status == ACTIONS[name].success
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert await stored(database) == after


async def test_an_id_that_was_made_is_replied_again(send: Terms, database: Any) -> None:
    answers = [await send("insertOne", KEY, **NEW) for _ in range(3)]

    assert len({each.body for each in answers}) == 1
    assert await database.items.count_documents({}) == 1


async def test_calls_at_once_have_one_effect_and_one_reply(send: Terms, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "n": 0})
    change = {"filter": {"_id": 1}, "update": {"$inc": {"n": 1}}}

    answers = await asyncio.gather(*(send("updateOne", KEY, **change) for _ in range(10)))

    assert {(each.status, each.body) for each in answers} == {(200, b'{"matchedCount":1,"modifiedCount":1}')}
    assert sum("idempotent-replayed" not in each.headers for each in answers) == 1
    assert await stored(database) == [{"_id": 1, "n": 1}]


@pytest.mark.parametrize(
    ("action", "members", "headers"),
    [
        pytest.param("insertOne", {"document": {"a": 2}}, {}, id="another document"),
        pytest.param("insertOne", NEW | {"collection": "others"}, {}, id="another collection"),
        pytest.param("insertMany", {"documents": [{}]}, {}, id="another action"),
        pytest.param("insertOne", NEW, {"Accept": "application/ejson"}, id="another form of the reply"),
    ],
)
async def test_another_request_with_the_key_is_refused(
    send: Terms, database: Any, action: str, members: dict[str, Any], headers: dict[str, str]
) -> None:
    await send("insertOne", KEY, **NEW)

    answer = await send(action, KEY | headers, **members)

    assert (answer.status, errors_only(answer)["error_code"]) == (422, "IdempotencyKeyReused")
    assert await database.list_collection_names() == ["items"]
    assert await database.items.count_documents({}) == 1


async def test_another_key_is_another_call(send: Terms, database: Any) -> None:
    for key in ("a", "b", "A"):
        await send("insertOne", {"Idempotency-Key": key}, **NEW)

    assert await database.items.count_documents({}) == 3


async def test_another_caller_s_key_is_another_call(send: Terms, database: Any, driver: Any) -> None:
    made, new = new_key("another", system=True)
    await driver["dozen"][API_KEYS].insert_one(new)

    mine = await send("insertOne", KEY, **NEW)
    other = await Terms(send.host, made)("insertOne", KEY, **NEW)

    assert (other.status, "idempotent-replayed" in other.headers) == (201, False)
    assert other.body != mine.body
    assert await database.items.count_documents({}) == 2


async def test_what_failed_may_be_sent_again(send: Terms, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    failed = await send("insertMany", KEY, documents=[{"_id": 0}, {"_id": 1}])
    left = await stored(database)
    await database.items.delete_many({})

    again = await send("insertMany", KEY, documents=[{"_id": 0}, {"_id": 1}])

    assert (failed.status, left) == (400, [{"_id": 1}])  # with a key, all or nothing
    assert (again.status, "idempotent-replayed" in again.headers) == (201, False)


async def test_a_key_expires(
    worker: Worker, key: str, configured: pytest.MonkeyPatch, database: Any, driver: Any
) -> None:
    await driver["dozen"]["replies"].delete_many({})
    configured.setenv("IDEMPOTENCY_SECONDS", "1")
    send = Terms(worker, key)

    first = await send("insertOne", KEY, **NEW)
    await asyncio.sleep(1.1)
    later = await send("insertOne", KEY, document={"a": 2})
    index = (await driver["dozen"]["replies"].index_information())["expires_1"]

    assert (first.status, later.status, "idempotent-replayed" in later.headers) == (201, 201, False)
    assert index["expireAfterSeconds"] == 0


async def test_what_is_stored_names_no_key_and_nobody(send: Terms, database: Any, driver: Any) -> None:
    await send("insertOne", {"Idempotency-Key": "a-secret-name"}, **NEW)

    (record,) = await driver["dozen"]["replies"].find().to_list()

    assert record.keys() == {"_id", "request", "body", "documents", "headers", "expires"}
    assert "a-secret-name" not in repr(record)


async def test_stored_replies_are_no_collection_of_callers(send: Terms) -> None:
    answer = await send("find", {}, database="dozen", collection="replies")

    assert (answer.status, errors_only(answer)["error_code"]) == (403, "NoMatchingRuleFound")


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        pytest.param({"Idempotency-Key": ""}, "Idempotency-Key must be", id="an empty key"),
        pytest.param({"Idempotency-Key": "x" * 256}, "Idempotency-Key must be", id="a long key"),
        pytest.param({"Idempotency-Key": "a\tb"}, "Idempotency-Key must be", id="a tab in a key"),
        pytest.param({"Dozen-Max-Affected": "-1"}, "Dozen-Max-Affected must be a whole number", id="less than none"),
        pytest.param({"Dozen-Max-Affected": "1.5"}, "Dozen-Max-Affected must be a whole number", id="a fraction"),
        pytest.param({"Dozen-Max-Affected": ""}, "Dozen-Max-Affected must be a whole number", id="no number"),
        pytest.param(
            {"Prefer": "handling=strict, max-affected=x"}, "Prefer: max-affected must be", id="no number preferred"
        ),
        pytest.param({"Dozen-Dry-Run": "yes"}, "Dozen-Dry-Run must be true or false", id="another word"),
    ],
)
async def test_terms_that_cannot_be_kept_are_refused(
    worker: Worker, key: str, database: Any, headers: dict[str, str], text: str
) -> None:
    answer = await Terms(worker, key)("insertOne", headers, **NEW)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert text in answer.json["error"]
    assert await database.list_collection_names() == []


READING = [name for name, action in ACTIONS.items() if action.reads]


@pytest.mark.parametrize("name", READING)
async def test_a_read_has_no_terms(send: Terms, things: Any, driver: Any, name: str) -> None:
    headers = KEY | {"Dozen-Dry-Run": "true", "Dozen-Max-Affected": "0"}
    begun = await send("find", {}, cursor={"batchSize": 1})
    given = CALLS | {"getMore": {"cursor": begun.json["cursor"]}}

    answer = await send(name, headers, **given[name])

    assert answer.status == 200
    assert answer.headers.keys().isdisjoint({"dozen-dry-run", "idempotent-replayed"})
    assert await driver["dozen"]["replies"].count_documents({}) == 0


THREE = {"filter": {}, "update": {"$set": {"a": 1}}}
LIMITED = [
    pytest.param("updateMany", THREE, 3, id="updateMany"),
    pytest.param("deleteMany", {"filter": {}}, 3, id="deleteMany"),
    pytest.param("insertMany", {"documents": [{}, {}]}, 2, id="insertMany"),
    pytest.param("insertOne", {"document": {}}, 1, id="insertOne"),
    pytest.param("updateOne", {"filter": {"_id": 9}, "update": {"$set": {"a": 1}}, "upsert": True}, 1, id="an upsert"),
    pytest.param(
        "bulkWrite", {"requests": [{"updateMany": THREE}, {"insertOne": {"document": {}}}]}, 4, id="bulkWrite"
    ),
    pytest.param(
        "transaction",
        {"operations": [{"action": "find"}, {"action": "updateMany", **THREE}, {"action": "find"}]},
        3,
        id="transaction",
    ),
]


@pytest.mark.parametrize(("name", "members", "affected"), LIMITED)
@pytest.mark.parametrize("form", ["Dozen-Max-Affected: {}", "Prefer: handling=strict, max-affected={}"])
async def test_a_write_of_more_documents_than_allowed_changes_none(
    send: Terms, database: Any, name: str, members: dict[str, Any], affected: int, form: str
) -> None:
    await database.items.insert_many([{"_id": number} for number in (1, 2, 3)])
    before = await stored(database)

    answers, left = [], []
    for most in (0, affected - 1, affected):
        header, _, value = form.format(most).partition(": ")
        answers.append(await send(name, {header: value}, **members))
        left.append(await stored(database))

    assert [each.status for each in answers] == [400, 400, ACTIONS[name].success]
    assert {errors_only(each)["error_code"] for each in answers[:2]} == {"MaxAffectedExceeded"}
    assert f"would affect {affected} documents" in answers[0].json["error"]
    assert (left[0], left[1]) == (before, before)
    assert left[2] != before
    assert ("preference-applied" in answers[2].headers) is form.startswith("Prefer")


@pytest.mark.parametrize(
    "prefer",
    ["max-affected=0", "handling=lenient, max-affected=0", "handling=strict", "return=minimal", "max-affected"],
)
async def test_without_strict_handling_nothing_is_limited(send: Terms, database: Any, prefer: str) -> None:
    answer = await send("insertOne", {"Prefer": prefer}, **NEW)

    assert (answer.status, "preference-applied" in answer.headers) == (201, False)


async def test_the_lower_of_two_limits_counts(send: Terms, database: Any) -> None:
    headers = {"Dozen-Max-Affected": "5", "Prefer": 'Handling="strict" , max-affected="1"; x'}

    answer = await send("insertMany", headers, documents=[{}, {}])

    assert (answer.status, await stored(database)) == (400, [])


@every_write
async def test_a_dry_run_says_what_would_happen_and_does_nothing(
    send: Terms, things: Any, database: Any, name: str
) -> None:
    before = await stored(database)

    tried = await send(name, {"Dozen-Dry-Run": "true"}, **CALLS[name])
    left = await stored(database)
    done = await send(name, {"Dozen-Dry-Run": "false"}, **CALLS[name])

    assert left == before
    assert await stored(database) != before
    assert (tried.status, without_ids(tried.body)) == (done.status, without_ids(done.body))
    assert (tried.headers["dozen-dry-run"], "dozen-dry-run" in done.headers) == ("true", False)


async def test_a_dry_run_says_what_would_fail(send: Terms, database: Any) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await send("insertOne", {"Dozen-Dry-Run": "true"}, document={"_id": 1})

    assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
    assert answer.json["error"].startswith("(DuplicateKey)")


async def test_a_dry_run_uses_up_no_key(send: Terms, database: Any) -> None:
    tried = await send("insertOne", KEY | {"Dozen-Dry-Run": "true"}, **NEW)
    done = await send("insertOne", KEY, **NEW)
    tried_again = await send("insertOne", KEY | {"Dozen-Dry-Run": "true"}, **NEW)

    assert {each.status for each in (tried, done, tried_again)} == {201}
    assert "idempotent-replayed" not in {*done.headers, *tried_again.headers}
    assert await database.items.count_documents({}) == 1


@every_write
@pytest.mark.parametrize("headers", [KEY, {"Dozen-Max-Affected": "9"}, {"Dozen-Dry-Run": "true"}], ids=str)
async def test_terms_go_with_a_write_concern(send: Terms, things: Any, name: str, headers: dict[str, str]) -> None:
    concern = {"w": 1, "j": True, "wtimeout": 5_000}

    met = await send(name, headers, **CALLS[name], writeConcern=concern)
    unmet = await send(name, {"Dozen-Max-Affected": "9"}, **CALLS[name], writeConcern={"w": "nowhere"})

    assert (met.status, unmet.status) == (ACTIONS[name].success, 400), met.body
    assert errors_only(unmet)["error"].startswith("'writeConcern'")


@pytest.mark.parametrize(
    ("operator", "members"),
    [(1, {"writeConcern": {"w": 2}}), (2, {"writeConcern": {"w": 1}}), (2, {})],
    ids=["the caller's", "the operator's", "only the operator's"],
)
@pytest.mark.parametrize("name", ["insertOne", "transaction"])
@pytest.mark.usefixtures("database")
async def test_a_write_on_terms_waits_for_as_many_members_as_either_wants(
    worker: Worker, key: str, configured: pytest.MonkeyPatch, name: str, operator: int, members: dict[str, Any]
) -> None:
    configured.setenv("MONGO_DB_URI", f"{os.environ['MONGO_DB_URI']}&w={operator}")

    answer = await Terms(worker, key)(name, {"Dozen-Max-Affected": "9"}, **CALLS[name], **members)

    assert answer.status == 503
    assert "may have happened" in answer.json["error"]


@pytest.mark.parametrize("name", ["insertOne", "transaction"])
async def test_a_write_on_terms_may_have_less_time(
    send: Terms, things: Any, database: Any, fail_point: FailPoint, name: str
) -> None:
    before = await stored(database)
    await send("insertOne", {"Idempotency-Key": "another"}, document={"_id": "there"})
    await fail_point("find", times=5, blockConnection=True, blockTimeMS=400)  # one may be of another call

    answer = await send(name, KEY, **CALLS[name], maxTimeMS=100)

    assert answer.status == 504
    assert await database.items.find({"_id": {"$ne": "there"}}, sort={"_id": 1}).to_list() == before


async def test_a_body_without_a_data_source_is_refused_as_ever(worker: Worker, key: str) -> None:
    sent = {"apiKey": key, **KEY}

    answer = await worker.request("POST", ACTION + "insertOne", sent, b"{}")

    assert errors_only(answer) == {"error": "must provide a 'dataSource' field", "error_code": "MissingParameter"}


async def test_a_page_may_send_terms_and_read_what_became_of_them(host: Host, key: str, database: Any) -> None:
    page = {"Origin": "https://shop.example"}

    preflight = await host.request("OPTIONS", ACTION + "insertOne", page)
    answer = await Terms(host, key)("insertOne", page | KEY, **NEW)

    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert {"Idempotency-Key", "Dozen-Max-Affected", "Dozen-Dry-Run", "Prefer"} <= set(allowed)
    assert "Idempotent-Replayed" in answer.headers["access-control-expose-headers"]


FAULTS = [
    pytest.param({"closeConnection": True}, id="lost"),
    pytest.param({"closeConnection": True, "times": 3}, id="lost again and again"),
    pytest.param({"errorCode": 262}, id="out of time", marks=pytest.mark.full),
]


@every_write
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_commit_whose_answer_is_lost_is_one_effect(
    send: Terms, things: Any, fail_point: FailPoint, name: str, fault: dict[str, Any]
) -> None:
    await send("insertOne", {"Idempotency-Key": "another"}, document={"_id": "there"})
    await fail_point("commitTransaction", **fault)

    answers = [await send(name, KEY, **CALLS[name]) for _ in range(2)]
    after = await things.find().to_list()
    answers.append(await send(name, KEY, **CALLS[name]))

    assert (answers[1].status, answers[1].headers["idempotent-replayed"]) == (ACTIONS[name].success, "true")
    assert answers[0].body == answers[1].body == answers[2].body
    assert await things.find().to_list() == after


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[tuple[Mongod, str]]:
    """A mongod that soon ends the transactions of whoever is gone, and a key."""
    parameters = [f"--setParameter={each}" for each in ("enableTestCommands=1", "transactionLifetimeLimitSeconds=2")]
    with Mongod(tmp_path / "mongod", extra_args=parameters) as mongod:
        made, new = new_key("own", system=True)
        with MongoClient[dict[str, Any]](mongod.uri) as client:
            client["dozen"][API_KEYS].insert_one(new)
            client["shop"]["items"].insert_one({"_id": 1, "n": 0})
        yield mongod, made


BLOCKS = {"blockConnection": True, "blockTimeMS": 300}
KILLS = [
    pytest.param("find", BLOCKS, id="before the write"),
    pytest.param("update", BLOCKS, id="in the middle"),
    pytest.param("commitTransaction", BLOCKS, id="before the answer"),
    pytest.param(
        "commitTransaction",
        {"errorCode": 64, "errorLabels": ["UnknownTransactionCommitResult"]},
        id="before the commit",
    ),
]


@pytest.mark.parametrize(("command", "fault"), KILLS)
@pytest.mark.parametrize("seconds", [0.05, pytest.param(0.4, marks=pytest.mark.full)], ids=["early", "late"])
async def test_a_server_that_is_killed_leaves_one_effect_or_none(
    own: tuple[Mongod, str], tmp_path: Path, command: str, fault: dict[str, Any], seconds: float
) -> None:
    mongod, key = own
    change = {"filter": {"_id": 1}, "update": {"$inc": {"n": 1}}}
    data = {"failCommands": [command], "appName": f"dozen/{VERSION}", **fault}
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        async with Server(tmp_path / "first", MONGO_DB_URI=mongod.uri) as first:
            await Terms(first, key)("insertOne", {"Idempotency-Key": "other"}, document={})
            client.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data})
            calling = asyncio.create_task(Terms(first, key)("updateOne", KEY, **change))
            await asyncio.sleep(seconds)
            await first.kill()
            await asyncio.gather(calling, return_exceptions=True)
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
        async with Server(tmp_path / "second", MONGO_DB_URI=mongod.uri) as second:
            answers: list[Answer] = []

            async def is_answered() -> bool:
                answers.append(await Terms(second, key)("updateOne", KEY, **change))
                return answers[-1].status == 200

            await eventually(is_answered, 60)
            await Terms(second, key)("updateOne", KEY, **change)

        assert json.loads(answers[-1].body) == {"matchedCount": 1, "modifiedCount": 1}
        assert client["shop"]["items"].find_one({"_id": 1}) == {"_id": 1, "n": 1}


async def test_a_server_that_is_no_replica_set_keeps_no_terms(
    worker: Worker, configured: pytest.MonkeyPatch, standalone: str
) -> None:
    made, new = new_key("alone", system=True)
    with MongoClient[dict[str, Any]](standalone) as client:
        client["dozen"][API_KEYS].insert_one(new)
        configured.setenv("MONGO_DB_URI", standalone)

        answer = await Terms(worker, made)("insertOne", KEY, **NEW)

        assert (answer.status, errors_only(answer)["error"]) == (
            503,
            "this call needs transactions: MongoDB must be a replica set",
        )
        assert client["shop"].list_collection_names() == []
