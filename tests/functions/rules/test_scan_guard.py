"""SCAN_GUARD: queries without an index are named in a header and the log, or refused, whoever asks and however."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Post, restart
from tests.functions.rules.conftest import CLIENT, SETTINGS, Known, Person, Scripts, send
from tests.functions.rules.test_every_action import CALLS, FINDING
from tests.hosts import Answer, Worker

ALL = [*FINDING, "bulkWrite", "transaction"]
GUARD = {"SCAN_GUARD": "refuse", "SCAN_GUARD_DOCUMENTS": "0"}


@pytest.fixture
async def guarded(worker: Worker, configured: pytest.MonkeyPatch, database: Any) -> pytest.MonkeyPatch:
    """A worker that refuses, whatever the size of a collection, on an empty database."""
    for name, value in (SETTINGS | GUARD).items():
        configured.setenv(name, value)
    return configured


@pytest.fixture
async def ann(guarded: pytest.MonkeyPatch, worker: Worker, known: Known, database: Any) -> Person:
    """A user, and two documents of hers in shop.things."""
    person = await known(worker, "ann@shop.example")
    await database.things.insert_many([{"_id": 1, "owner": person.id, "n": 1}, {"_id": 2, "owner": person.id, "n": 1}])
    return person


@pytest.fixture
def system(guarded: pytest.MonkeyPatch, worker: Worker, key: str) -> Post:
    """A system key."""
    return Post(worker, key)


async def things(database: Any) -> list[Any]:
    return [each async for each in database.things.find().sort("_id")]


def call(action: str, ann: Person) -> dict[str, Any]:
    return {"collection": "things", **json.loads(json.dumps(CALLS[action]).replace("ANN", ann.id))}


def refusal(answer: Answer) -> tuple[int, str | None, str | None]:
    return answer.status, answer.json.get("error_code"), answer.headers.get("dozen-scan")


@pytest.mark.parametrize("action", ALL)
async def test_a_system_key_is_refused_with_the_index_that_would_help(
    ann: Person, system: Post, database: Any, action: str
) -> None:
    before = await things(database)

    answer = await system(action, **call(action, ann))

    assert refusal(answer)[:2] == (400, "QueryWithoutIndex")
    assert 'the query has no index: an index on {"n":1' in answer.json["error"]
    assert answer.headers["dozen-scan"].startswith('no-index; suggested={"n":1')
    assert await things(database) == before


@pytest.mark.parametrize("action", ALL)
async def test_a_caller_under_rules_is_refused_without_any_name(ann: Person, database: Any, action: str) -> None:
    before = await things(database)

    answer = await ann(action, **call(action, ann))

    assert refusal(answer) == (400, "QueryWithoutIndex", "no-index")
    assert answer.json["error"].endswith("the query has no index")
    assert await things(database) == before


@pytest.fixture
async def profile(database: Any) -> AsyncIterator[Any]:
    """What MongoDB runs in the database from here on."""
    await database.command("profile", 2)
    yield database.system.profile
    await database.command("profile", 0)
    await database.system.profile.drop()


both = pytest.mark.parametrize("by", ["system", "ann"])
every = pytest.mark.parametrize("action", ALL)


@both
@every
async def test_with_an_index_nothing_is_refused_and_nothing_scanned(
    ann: Person, system: Post, database: Any, profile: Any, action: str, by: str
) -> None:
    await database.things.create_index([("n", 1), ("m", -1), ("_id", 1)])

    callers: dict[str, Person | Post] = {"system": system, "ann": ann}

    answer = await callers[by](action, **call(action, ann))

    ran = await profile.find({"ns": "shop.things", "planSummary": {"$exists": True}}).to_list()
    assert (answer.status, answer.headers.get("dozen-scan")) in {(200, None), (201, None)}, answer.body
    assert {each["planSummary"] for each in ran} & {"COLLSCAN"} == set()


@both
@pytest.mark.parametrize("action", ["find", "updateOne", "bulkWrite", "transaction"])
async def test_a_warning_names_a_query_that_is_answered_all_the_same(
    guarded: pytest.MonkeyPatch, ann: Person, system: Post, caplog: pytest.LogCaptureFixture, action: str, by: str
) -> None:
    guarded.setenv("SCAN_GUARD", "warn")
    caplog.set_level("INFO", "dozen")
    restart()

    callers: dict[str, Person | Post] = {"system": system, "ann": ann}

    answer = await callers[by](action, **call(action, ann))

    line = [each for each in map(json.loads, caplog.messages) if each["message"] == "request"][-1]
    assert answer.status in {200, 201}
    assert answer.headers["dozen-scan"].partition(";")[0] == "no-index"
    assert (line["scan"], "n" in line["suggested_index"]) == ("shop.things", True)


async def test_without_the_setting_nothing_is_said(guarded: pytest.MonkeyPatch, ann: Person, system: Post) -> None:
    guarded.delenv("SCAN_GUARD")
    restart()

    assert refusal(await system("find", collection="things", filter={"n": 1})) == (200, None, None)


async def test_small_collections_are_let_be_for_system_keys_alone(
    guarded: pytest.MonkeyPatch, ann: Person, system: Post, database: Any
) -> None:
    guarded.setenv("SCAN_GUARD_DOCUMENTS", "3")
    restart()
    small = refusal(await system("find", collection="things", filter={"n": 1}))
    bound = refusal(await ann("find", collection="things", filter={"n": 1}))
    await database.things.insert_one({"_id": 3})
    restart()
    large = refusal(await system("find", collection="things", filter={"n": 1}))

    assert small == (200, None, None)
    assert bound == (400, "QueryWithoutIndex", "no-index")
    assert large[:2] == (400, "QueryWithoutIndex")


HIDDEN = {
    "many": [{"_id": number, "owner": "else", "n": [number, 2], "m": [3, 4]} for number in range(10, 1_100)],
    "none": [],
}


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"filter": {"n": 1}}, 200, id="an index"),
        pytest.param({"filter": {"n": {"$gt": 0}}, "sort": {"n": -1}}, 200, id="an index that sorts"),
        pytest.param({"filter": {}, "sort": {"n": 1}, "limit": 1}, 200, id="an index that sorts all"),
        pytest.param({"filter": {"n": {"$ne": None}}}, 200, id="an index that serves where it holds no arrays"),
        pytest.param({"filter": {"other": 1}}, 400, id="no index"),
        pytest.param({"filter": {}, "sort": {"m": 1}}, 400, id="no index that sorts"),
    ],
)
async def test_what_is_hidden_makes_no_difference(
    guarded: pytest.MonkeyPatch, ann: Person, database: Any, body: Any, status: int, hidden: list[Any]
) -> None:
    guarded.setenv("SCAN_GUARD_DOCUMENTS", "1000")
    await database.things.create_index("n")
    await database.things.insert_many([*hidden, {"_id": 3, "owner": ann.id, "n": 2}])

    assert (await ann("find", collection="things", **body)).status == status


async def test_an_index_that_cannot_serve_is_none_for_a_system_key(ann: Person, system: Post, database: Any) -> None:
    await database.things.create_index("n")
    await database.things.insert_one({"_id": 3, "n": [1, 2]})

    assert refusal(await system("find", collection="things", filter={"n": {"$ne": None}}))[0] == 400


@pytest.mark.parametrize(
    ("action", "body"),
    [
        pytest.param("find", {}, id="find"),
        pytest.param("find", {"filter": {"_id": 1}}, id="by _id"),
        pytest.param("find", {"sort": {"_id": -1}}, id="in the order of _id"),
        pytest.param("aggregate", {"pipeline": [{"$group": {"_id": None}}]}, id="aggregate"),
        pytest.param("countDocuments", {"filter": {}}, id="countDocuments"),
        pytest.param("deleteMany", {"filter": {}}, id="deleteMany"),
        pytest.param("insertOne", {"document": {"a": 1}}, id="insertOne"),
    ],
)
async def test_who_asks_for_all_or_by_id_is_not_refused(ann: Person, system: Post, action: str, body: Any) -> None:
    answer = await system(action, collection="things", **body)

    assert (answer.status in {200, 201}, "dozen-scan" in answer.headers) == (True, False)


async def test_a_large_question_is_judged_as_a_small_one(ann: Person, system: Post) -> None:
    large = await system("find", collection="things", filter={"text": "x" * 9_000_000})

    assert refusal(large)[:2] == (400, "QueryWithoutIndex")


async def test_a_new_index_is_noticed_within_seconds(ann: Person, system: Post, database: Any) -> None:
    before = await system("find", collection="things", filter={"n": 1})
    await system("createIndexes", collection="things", indexes=[{"key": {"n": 1}}])

    async with asyncio.timeout(20):
        await until_answered(system)

    assert before.status == 400


async def until_answered(system: Post) -> None:
    while (await system("find", collection="things", filter={"n": 1})).status != 200:  # noqa: ASYNC110  a server's state
        await asyncio.sleep(0.2)


async def test_a_shape_is_explained_once_whoever_asks_and_for_which_value(
    ann: Person, system: Post, database: Any, profile: Any
) -> None:
    await database.things.create_index("n")

    answers = await asyncio.gather(*(system("find", collection="things", filter={"n": number}) for number in range(9)))

    explained = {"command.explain": {"$exists": True}}
    assert {each.status for each in answers} == {200}
    assert await profile.count_documents(explained) == 1


async def test_a_partial_index_serves_its_own_values(ann: Person, system: Post, database: Any) -> None:
    await database.things.create_index("n", partialFilterExpression={"n": {"$gt": 5}})

    statuses = [(await system("find", collection="things", filter={"n": number})).status for number in (1, 6, 1, 7)]

    assert statuses == [400, 200, 400, 200]


@pytest.mark.parametrize("mode", ["warn", "refuse"])
async def test_what_cannot_be_explained_is_let_through(
    guarded: pytest.MonkeyPatch, ann: Person, system: Post, driver: Any, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    guarded.setenv("SCAN_GUARD", mode)
    caplog.set_level("INFO", "dozen")
    fails = {"failCommands": ["explain"], "errorCode": 13}
    await driver.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=fails)
    try:
        answer = await system("find", collection="things", filter={"n": 1})
    finally:
        await driver.admin.command("configureFailPoint", "failCommand", mode="off")

    assert refusal(answer) == (200, None, None)
    assert "a query cannot be explained" in caplog.text


@pytest.mark.parametrize(
    ("action", "body"),
    [
        pytest.param("find", {"filter": {"n": 1}, "cursor": {"batchSize": 1}}, id="find"),
        pytest.param("aggregate", {"pipeline": [{"$match": {"n": 1}}], "cursor": {"batchSize": 1}}, id="aggregate"),
        pytest.param("find", {"filter": {"n": 1}, "sort": {"_id": 1}}, id="in the order of _id"),
    ],
)
async def test_the_index_of_ids_finds_nothing_else(ann: Person, system: Post, action: str, body: Any) -> None:
    assert refusal(await system(action, collection="things", **body))[:2] == (400, "QueryWithoutIndex")


async def test_a_cursor_goes_on_with_the_index_of_its_order(ann: Person, system: Post, database: Any) -> None:
    await database.things.create_index("n")
    first = await system("find", collection="things", filter={"n": 1}, cursor={"batchSize": 1})

    assert refusal(await system("getMore", collection="things", cursor=first.json["cursor"])) == (200, None, None)


async def test_methods_of_the_sdks_are_refused_without_a_name(ann: Person, worker: Worker) -> None:
    arguments = [{"database": "shop", "collection": "things", "query": {"n": 1}}]
    body = {"service": "mongodb-atlas", "name": "find", "arguments": arguments}

    answer = await send(worker, "POST", f"{CLIENT}/functions/call", body, ann.access_token)

    assert (answer.status, answer.headers.get("dozen-scan")) == (400, "no-index")
    assert answer.json["error"] == "the query has no index"


async def test_what_a_function_asks_as_the_system_is_told_as_to_its_caller(
    ann: Person, worker: Worker, scripts: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dozen")
    things = 'context.services.get("mongodb-atlas").db("shop").collection("things")'
    scripts({"f": {"run_as_system": True}}, f=f"exports = () => {things}.findOne({{secret: 1}});")

    answer = await send(worker, "POST", f"{CLIENT}/functions/call", {"name": "f", "arguments": []}, ann.access_token)

    assert (answer.status, answer.headers.get("dozen-scan")) == (400, "no-index")
    assert "secret" not in answer.body.decode()
    assert '"suggested_index":{"secret":1}' in caplog.text


@pytest.mark.parametrize("name", ["a\x7f\r\n", "ä", "x" * 2_000])
async def test_any_name_of_a_field_can_be_told_in_a_header(ann: Person, system: Post, name: str) -> None:
    answer = await system("find", collection="things", filter={name: 1})

    assert answer.status == 400
    assert answer.headers["dozen-scan"].isprintable()
    assert answer.headers["dozen-scan"].isascii()


async def test_an_operation_of_a_bulk_write_is_named_and_none_is_done(ann: Person, system: Post, database: Any) -> None:
    requests = [
        {"insertOne": {"document": {"_id": 9}}},
        {"updateOne": {"filter": {"n": 1}, "update": {"$set": {"m": 1}}}},
    ]

    answer = await system("bulkWrite", collection="things", requests=requests)

    assert answer.json["error"].startswith("requests[1]: the query has no index")
    assert await database.things.count_documents({}) == 2
