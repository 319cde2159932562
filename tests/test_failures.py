"""What a caller sees when something fails: real failures, of a real mongod or by the server's own failCommand."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import azure.functions as func
import pytest
from pymongo import MongoClient

from local.mongod import Mongod
from local.ports import free_port
from shared.access.protocol import Reply
from shared.auth.keys import new_key
from shared.endpoint.actions import Action, Call
from shared.endpoint.actions import answer as respond
from shared.mongo import readiness
from shared.mongo.control import API_KEYS
from shared.mongo.readiness import Readiness
from shared.requests import Request
from shared.service import process
from tests.conftest import ACTION, FailPoint, Post, errors_only, request_body
from tests.functions.rules.test_every_action import CALLS
from tests.hosts import Answer, Server, Worker, eventually

INTERNAL = "InternalServerError"


FINDING: dict[str, dict[str, Any]] = {
    "findOneAndUpdate": {"update": {"$inc": {"a": 1}}}, "findOneAndReplace": {"replacement": {}},
    "findOneAndDelete": {},
}  # fmt: skip
READS = [
    pytest.param("find", "findOne", {}, id="findOne"),
    pytest.param("find", "find", {}, id="find"),
    pytest.param("find", "find", {"limit": 2_000}, id="find, more"),
    pytest.param("aggregate", "aggregate", {"pipeline": []}, id="aggregate"),
    pytest.param("aggregate", "countDocuments", {}, id="countDocuments"),
    pytest.param("count", "estimatedDocumentCount", {}, id="estimatedDocumentCount"),
    pytest.param("distinct", "distinct", {"fieldName": "a"}, id="distinct"),
]


@pytest.fixture(scope="module")
def own_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A mongod that a test may kill."""
    with Mongod(tmp_path_factory.mktemp("own")) as server:
        yield server


@pytest.fixture(scope="module")
def own_key(own_mongod: Mongod) -> str:
    made, stored = new_key("own", system=True)
    with MongoClient[dict[str, Any]](own_mongod.uri) as client:
        client.dozen[API_KEYS].insert_one(stored)
    return made


@pytest.fixture(scope="module")
async def own_server(own_mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server on that mongod, with a short deadline."""
    log = tmp_path_factory.mktemp("own-server") / "log"
    async with Server(
        log, MONGO_DB_URI=f"{own_mongod.uri}&serverSelectionTimeoutMS=800", MONGO_DB_TIMEOUT_MS="1500"
    ) as running:
        yield running


class Reliable(NamedTuple):
    """The worker on a mongod that is told to fail."""

    post: Post
    fail: FailPoint


@pytest.fixture
async def reliable(worker: Worker, key: str, database: Any, fail_point: FailPoint) -> Reliable:
    await Post(worker, key)("find")  # the key is in the cache, a connection in the pool
    return Reliable(Post(worker, key), fail_point)


async def call(server: Server, key: str, name: str = "findOne", **members: Any) -> Answer:
    return await server.request("POST", ACTION + name, {"apiKey": key}, request_body(**members))


async def test_a_killed_mongod_is_503_until_it_is_back(own_mongod: Mongod, own_server: Server, own_key: str) -> None:
    before = await call(own_server, own_key)
    logged_before = len(own_server.log_lines)
    own_mongod.kill()
    during = await call(own_server, own_key)
    writing = await call(own_server, own_key, "insertOne", document={"_id": "lost"})
    own_mongod.start()

    async def works() -> bool:
        return (await call(own_server, own_key)).status == 200

    await eventually(works)
    after = await call(own_server, own_key, "insertOne", document={"_id": "kept"})
    assert (before.status, during.status, writing.status, after.status) == (200, 503, 503, 201)
    assert (during.headers["retry-after"], writing.headers["retry-after"]) == ("5", "5")
    assert errors_only(during)["error_code"] == errors_only(writing)["error_code"] == INTERNAL
    assert "127.0.0.1" not in during.json["error"] + writing.json["error"]
    since = own_server.log_lines[logged_before:]
    logged = [line for line in since if line["message"] == "request" and line["status"] == 503]
    assert [line["operation"] for line in logged[:2]] == ["findOne", "insertOne"]
    assert [line["reason"] for line in logged[:2]] == [during.json["error"], writing.json["error"]]
    assert {line["cause"] for line in logged} <= {"AutoReconnect", "NetworkTimeout", "ServerSelectionTimeoutError"}


async def test_a_key_that_cannot_be_looked_up_is_503_and_not_401(
    own_mongod: Mongod, own_server: Server, own_key: str
) -> None:
    own_mongod.kill()
    answer = await call(own_server, "never-seen-before")
    own_mongod.start()

    assert answer.status == 503
    assert errors_only(answer)["error_code"] == INTERNAL


async def test_a_hung_mongod_is_504_after_the_deadline(own_mongod: Mongod, own_server: Server, own_key: str) -> None:
    async def works() -> bool:
        return (await call(own_server, own_key)).status == 200

    await eventually(works)
    own_mongod.pause()
    started = time.monotonic()
    answer = await call(own_server, own_key)
    took = time.monotonic() - started
    own_mongod.resume()
    await eventually(works)

    assert answer.status == 504
    assert errors_only(answer) == {
        "error": "the call took longer than its time limit", "error_code": "ExecutionTimeLimitExceeded",
    }  # fmt: skip
    assert 1 < took < 20


async def test_a_hung_mongod_is_not_ready_rather_than_late(
    own_mongod: Mongod, own_server: Server, own_key: str
) -> None:  # fmt: skip
    async def works() -> bool:
        return (await call(own_server, own_key)).status == 200

    await eventually(works)
    own_mongod.pause()
    answer = await own_server.request("GET", "/health/ready")
    own_mongod.resume()
    await eventually(works)

    assert answer.status == 503
    assert errors_only(answer)["error_code"] == INTERNAL


@pytest.mark.parametrize(
    ("command", "name", "members"),
    [
        pytest.param("find", "find", {}, id="find"),
        pytest.param("find", "findOne", {}, id="findOne"),
        pytest.param("aggregate", "aggregate", {"pipeline": []}, id="aggregate"),
        pytest.param("insert", "insertOne", {"document": {}}, id="insertOne"),
        pytest.param("insert", "insertMany", {"documents": [{}]}, id="insertMany"),
        pytest.param("update", "updateMany", {"filter": {}, "update": {"$set": {"a": 1}}}, id="updateMany"),
        pytest.param("delete", "deleteMany", {"filter": {}}, id="deleteMany"),
    ],
)
async def test_a_command_slower_than_the_deadline_is_504(
    reliable: Reliable, configured: pytest.MonkeyPatch, command: str, name: str, members: dict[str, Any]
) -> None:
    configured.setenv("MONGO_DB_TIMEOUT_MS", "300")
    await reliable.post("find")
    await reliable.fail(command, blockConnection=True, blockTimeMS=60_000)

    started = time.monotonic()
    answer = await reliable.post(name, **members)

    assert answer.status == 504
    assert errors_only(answer)["error_code"] == "ExecutionTimeLimitExceeded"
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("name", "members"),
    [
        pytest.param("updateOne", {"update": {"$set": {"changed": 1}}}, id="updateOne"),
        pytest.param("replaceOne", {"replacement": {"changed": 1}}, id="replaceOne"),
        pytest.param("deleteOne", {}, id="deleteOne"),
    ],
)
async def test_a_write_of_one_slower_than_the_deadline_ends_in_mongod_too(
    worker: Worker, configured: pytest.MonkeyPatch, database: Any, key: str, name: str, members: dict[str, Any]
) -> None:
    configured.setenv("MONGO_DB_TIMEOUT_MS", "1000")
    documents = [{"_id": number, "n": 2_000_000} for number in range(500)]
    await database.items.insert_many(documents)
    counting = {"input": {"$range": [0, "$n"]}, "initialValue": 0, "in": {"$add": ["$$value", 1]}}

    answer = await Post(worker, key)(name, filter={"$expr": {"$lt": [{"$reduce": counting}, 0]}}, **members)

    async def ended() -> bool:
        running = await database.client.admin.aggregate([{"$currentOp": {}}, {"$match": {"ns": "shop.items"}}])
        return not await running.to_list()

    assert answer.status == 504
    assert errors_only(answer)["error_code"] == "ExecutionTimeLimitExceeded"
    await eventually(ended)
    assert await database.items.find().to_list() == documents


async def test_a_query_slower_than_the_deadline_ends_in_mongod_too(
    worker: Worker, configured: pytest.MonkeyPatch, driver: Any, crowded: str, key: str
) -> None:
    configured.setenv("MONGO_DB_TIMEOUT_MS", "300")
    nearest = {"$match": {"$expr": {"$eq": ["$_id", {"$add": ["$$number", 0.5]}]}}}
    slow = {"$lookup": {"from": "items", "let": {"number": "$_id"}, "pipeline": [nearest], "as": "x"}}
    await Post(worker, key)("findOne")

    answer = await Post(worker, key)("aggregate", database=crowded, pipeline=[slow, {"$match": {"x": {"$ne": []}}}])

    async def ended() -> bool:
        running = await driver.admin.aggregate([{"$currentOp": {}}, {"$match": {"ns": f"{crowded}.items"}}])
        return not await running.to_list()

    assert answer.status == 504
    await eventually(ended)


@pytest.mark.parametrize(
    ("command", "name", "members", "status"),
    [
        pytest.param("find", "find", {}, 200, id="find"),
        pytest.param("find", "findOne", {}, 200, id="findOne"),
        pytest.param("aggregate", "aggregate", {"pipeline": []}, 200, id="aggregate"),
        pytest.param("insert", "insertOne", {"document": {"_id": 1}}, 201, id="insertOne"),
        pytest.param("insert", "insertMany", {"documents": [{"_id": 1}, {"_id": 2}]}, 201, id="insertMany"),
        pytest.param("update", "updateOne", {"filter": {}, "update": {"$inc": {"a": 1}}}, 200, id="updateOne"),
        pytest.param("update", "replaceOne", {"filter": {}, "replacement": {}}, 200, id="replaceOne"),
        pytest.param("delete", "deleteOne", {"filter": {}}, 200, id="deleteOne"),
        pytest.param("aggregate", "countDocuments", {}, 200, id="countDocuments"),
        pytest.param("count", "estimatedDocumentCount", {}, 200, id="estimatedDocumentCount"),
        pytest.param("distinct", "distinct", {"fieldName": "a"}, 200, id="distinct"),
        *(
            pytest.param("findAndModify", name, {"filter": {}} | members, 200, id=name)
            for name, members in FINDING.items()
        ),
    ],
)
async def test_a_call_whose_connection_broke_is_tried_again(
    reliable: Reliable, command: str, name: str, members: dict[str, Any], status: int
) -> None:
    await reliable.fail(command, closeConnection=True)

    answer = await reliable.post(name, **members)

    assert answer.status == status


async def test_a_find_one_that_the_server_could_not_do_just_then_is_tried_again(
    reliable: Reliable, database: Any
) -> None:
    await database.items.insert_many([{"_id": 2, "a": 1, "b": 1}, {"_id": 1, "a": 1, "b": 1}])
    await reliable.fail("find", errorCode=134)  # not yet: one that says nothing about the server

    answer = await reliable.post("findOne", filter={"a": 1}, projection={"b": 1}, sort={"_id": -1})

    assert answer.json == {"document": {"_id": 2, "b": 1}}


OVERLOADED = ["SystemOverloadedError", "RetryableError"]


@pytest.mark.parametrize(("command", "name", "members"), READS)
async def test_a_read_that_an_overloaded_server_refuses_unread_is_tried_again(
    reliable: Reliable, command: str, name: str, members: dict[str, Any]
) -> None:
    await reliable.fail(command, times=2, errorCode=462, errorLabels=OVERLOADED)

    assert (await reliable.post(name, **members)).status == 200


@pytest.mark.parametrize(("command", "name", "members"), READS)
async def test_a_read_that_an_overloaded_server_does_not_want_again_is_not(
    reliable: Reliable, command: str, name: str, members: dict[str, Any]
) -> None:
    await reliable.fail(command, errorCode=462, errorLabels=OVERLOADED[:1])

    refused, allowed = [await reliable.post(name, **members) for _ in range(2)]

    assert (refused.status, refused.headers["retry-after"], allowed.status) == (503, "5", 200)
    assert errors_only(refused) == {"error": "MongoDB is overloaded", "error_code": INTERNAL}


async def test_a_find_one_is_not_tried_again_where_the_uri_forbids_it(
    worker: Worker, configured: pytest.MonkeyPatch, mongod: Mongod, key: str, fail_point: FailPoint
) -> None:
    configured.setenv("MONGO_DB_URI", f"{mongod.uri}&retryReads=false")
    await Post(worker, key)("findOne")
    await fail_point("find", closeConnection=True)

    assert [(await Post(worker, key)("findOne")).status for _ in range(2)] == [503, 200]


async def test_a_find_one_reads_with_the_concern_that_the_uri_asks_for(
    worker: Worker, configured: pytest.MonkeyPatch, mongod: Mongod, key: str, database: Any
) -> None:
    configured.setenv("MONGO_DB_URI", f"{mongod.uri}&readConcernLevel=majority")
    await database.command("profile", 2)

    await Post(worker, key)("findOne")

    seen = await database["system.profile"].find_one({"command.find": "items"})
    await database.command("profile", 0)
    assert seen["command"]["readConcern"]["level"] == "majority"


@pytest.mark.parametrize(
    ("name", "members"),
    [pytest.param("find", {}, id="find"), pytest.param("insertOne", {"document": {"a": 1}}, id="insertOne")],
)
async def test_a_call_during_an_election_waits_for_the_new_primary(
    worker: Worker, configured: pytest.MonkeyPatch, own_mongod: Mongod, own_key: str, name: str,
    members: dict[str, Any],
) -> None:  # fmt: skip
    configured.setenv("MONGO_DB_URI", own_mongod.uri)
    await Post(worker, own_key)("find")
    with MongoClient[dict[str, Any]](own_mongod.uri) as client:
        client.admin.command({"replSetStepDown": 1, "force": True})

    answer = await Post(worker, own_key)(name, **members)

    assert answer.status in {200, 201}


async def test_calls_of_every_action_outlast_an_outage_as_long_as_an_election(
    own_mongod: Mongod, own_key: str, tmp_path: Path
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=own_mongod.uri) as server:
        await call(server, own_key, "insertMany", collection="getMore", documents=[{"n": 1}, {"n": 1}])
        begun = await call(server, own_key, "find", collection="getMore", **CALLS["getMore"]["cursor"])
        given = CALLS | {"getMore": {"cursor": begun.json["cursor"]}}
        own_mongod.kill()
        await asyncio.sleep(0.5)  # the driver has noticed
        calls = [
            asyncio.create_task(call(server, own_key, name, collection=name, **each)) for name, each in given.items()
        ]
        await asyncio.sleep(6)
        await asyncio.to_thread(own_mongod.start)
        answers = await asyncio.gather(*calls)

    assert {answer.status for answer in answers} == {200, 201}


REFUSED = "MongoDB refuses the credentials of this deployment"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(18, (503, INTERNAL, REFUSED), id="AuthenticationFailed"),
        pytest.param(8000, (503, INTERNAL, REFUSED), id="AtlasError"),
        pytest.param(16500, (503, INTERNAL, "MongoDB is overloaded"), id="Azure's throttling"),
        pytest.param(50, (504, "ExecutionTimeLimitExceeded", "the call took longer"), id="MaxTimeMSExpired"),
        pytest.param(13, (403, "NoMatchingRuleFound", "MongoDB does not let"), id="Unauthorized"),
        pytest.param(112, (503, INTERNAL, ""), id="WriteConflict"),
        pytest.param(14031, (503, INTERNAL, ""), id="OutOfDiskSpace"),
        pytest.param(388, (503, INTERNAL, "MongoDB is overloaded"), id="the cache is full"),
        pytest.param(59, (400, "MongoDBError", "(CommandNotFound) "), id="CommandNotFound"),
        pytest.param(96, (400, "MongoDBError", "(OperationFailed) "), id="OperationFailed"),
        pytest.param(1, (500, INTERNAL, "internal error, logged with id "), id="InternalError"),
        pytest.param(8, (500, INTERNAL, "internal error, logged with id "), id="UnknownError"),
    ],
)
@pytest.mark.parametrize(
    ("command", "name", "members"),
    [
        pytest.param("find", "find", {}, id="find"),
        pytest.param("insert", "insertOne", {"document": {}}, id="insertOne"),
        pytest.param("insert", "insertMany", {"documents": [{}]}, id="insertMany"),
    ],
)
async def test_an_error_of_the_server_has_its_status(
    reliable: Reliable, code: int, expected: tuple[int, str, str], command: str, name: str, members: dict[str, Any]
) -> None:
    status, error_code, error = expected
    await reliable.fail(command, times=3, errorCode=code)  # some are tried again

    answer = await reliable.post(name, **members)

    assert answer.status == status
    assert errors_only(answer)["error_code"] == error_code
    assert answer.json["error"].startswith(error)


@pytest.mark.parametrize("code", [64, 100])
@pytest.mark.parametrize(
    ("command", "name", "members"),
    [
        pytest.param("insert", "insertOne", {"document": {"a": 1}}, id="insertOne"),
        pytest.param("insert", "insertMany", {"documents": [{"a": 1}]}, id="insertMany"),
        pytest.param("update", "updateOne", {"filter": {}, "update": {"$set": {"a": 1}}}, id="updateOne"),
        pytest.param("delete", "deleteMany", {"filter": {}}, id="deleteMany"),
        *(pytest.param("findAndModify", name, {"filter": {}} | members, id=name) for name, members in FINDING.items()),
    ],
)
async def test_a_write_that_no_majority_confirmed_is_not_acknowledged(
    reliable: Reliable, code: int, command: str, name: str, members: dict[str, Any]
) -> None:
    await reliable.fail(command, writeConcernError={"code": code, "errmsg": "planted"})

    answer = await reliable.post(name, **members)

    assert answer.status == 503
    assert errors_only(answer)["error_code"] == INTERNAL
    assert "may have happened" in answer.json["error"]
    assert "planted" not in answer.json["error"]
    assert "retry-after" not in answer.headers


async def test_a_key_is_looked_up_on_the_primary_whatever_the_uri_prefers(
    worker: Worker, configured: pytest.MonkeyPatch, database: Any, mongod: Mongod, key: str
) -> None:
    configured.setenv("MONGO_DB_URI", f"{mongod.uri}&readPreference=secondary&serverSelectionTimeoutMS=300")

    inserted = await Post(worker, key)("insertOne", document={"_id": 1})
    found = await Post(worker, key)("findOne")

    assert inserted.status == 201
    assert found.status in {200, 503}  # there is no secondary to read from
    assert await database.items.find().to_list() == [{"_id": 1}]


async def test_a_reply_that_grows_too_large_is_refused(
    worker: Worker, configured: pytest.MonkeyPatch, crowded: str, key: str
) -> None:
    configured.setenv("MAX_READ_BYTES", "100000")

    found = await Post(worker, key)("find", database=crowded, limit=0)
    aggregated = await Post(worker, key)("aggregate", database=crowded, pipeline=[])
    few = await Post(worker, key)("find", database=crowded, limit=10)

    assert (found.status, aggregated.status, few.status) == (400, 400, 200)
    assert errors_only(found) == errors_only(aggregated)
    assert found.json == {
        "error": "the documents found exceed 100000 bytes", "error_code": "ReadSizeLimitExceeded",
    }  # fmt: skip


async def test_an_unexpected_error_shows_only_an_id_that_the_log_has_too(
    worker: Worker, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(call: Call) -> Reply:
        raise RuntimeError("planted detail")

    request = func.HttpRequest(
        method="POST", url="http://localhost/action/explode", headers={"apiKey": key}, body=request_body()
    )

    response = await respond(request, Action("explode", explode, Request, reads=False, success=HTTPStatus.OK))

    answer = Answer(response.status_code, {"content-type": response.mimetype}, response.get_body())
    assert answer.status == 500
    assert errors_only(answer)["error_code"] == INTERNAL
    correlation_id = answer.json["error"].removeprefix("internal error, logged with id ")
    assert len(correlation_id) == 32
    assert correlation_id in caplog.text
    assert "planted detail" in caplog.text
    assert b"planted" not in answer.body
    assert b"RuntimeError" not in answer.body


@pytest.mark.parametrize(
    ("fault", "status", "causes"),
    [
        pytest.param({"errorCode": 18}, 503, {"OperationFailure"}, id="refused"),
        pytest.param({"closeConnection": True}, 503, {"AutoReconnect", "ConnectionFailure"}, id="lost"),
        pytest.param({"errorCode": 50}, 504, {"ExecutionTimeout"}, id="late"),
        pytest.param({"errorCode": 8}, 500, {"OperationFailure"}, id="unexpected"),
    ],
)
async def test_the_log_says_why_a_call_failed(
    reliable: Reliable, caplog: pytest.LogCaptureFixture, fault: dict[str, Any], status: int, causes: set[str]
) -> None:
    caplog.set_level("INFO", "dozen")
    await reliable.fail("find", times=3, **fault)

    answer = await reliable.post("find")

    [line] = [line for line in map(json.loads, caplog.messages) if line["message"] == "request"]
    assert (answer.status, line["status"]) == (status, status)
    assert line["reason"] in answer.json["error"]
    assert line["reason"]
    assert line["cause"] in causes


async def test_the_log_gives_no_reason_for_a_call_that_worked(
    reliable: Reliable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dozen")

    await reliable.post("find")

    [line] = [line for line in map(json.loads, caplog.messages) if line["message"] == "request"]
    assert (line.get("reason"), line.get("cause")) == (None, None)


async def test_readiness_tells_that_mongodb_is_away_and_keeps_it_for_a_moment(
    worker: Worker, configured: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    configured.setenv("MONGO_DB_URI", f"mongodb://user:planted@127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=600")

    first = await worker.request("GET", "/health/ready")
    second = await worker.request("GET", "/health/ready")

    assert (first.status, second.status) == (503, 503)
    assert errors_only(first) == {"error": "MongoDB cannot be reached", "error_code": INTERNAL}
    assert first.headers["retry-after"] == "5"
    assert [json.loads(each)["message"] for each in caplog.messages].count("not ready") == 1  # it was asked once


async def test_a_server_starts_and_is_not_ready_soon_while_mongodb_is_away(tmp_path: Path) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=f"mongodb://127.0.0.1:{free_port()}/") as server:
        started = time.monotonic()
        live = await server.request("GET", "/health/live")
        ready = await server.request("GET", "/health/ready")
        took = time.monotonic() - started

    assert (live.status, ready.status) == (200, 503)
    assert took < readiness.PING_SECONDS + 8  # the driver would wait for a server for 15


async def test_readiness_is_cached(worker: Worker, configured: pytest.MonkeyPatch, fail_point: FailPoint) -> None:
    first = await worker.request("GET", "/health/ready")
    await fail_point("refreshSessions", errorCode=18)
    second = await worker.request("GET", "/health/ready")
    process.readiness = Readiness()
    third = await worker.request("GET", "/health/ready")

    assert [answer.status for answer in (first, second, third)] == [200, 200, 503]


async def test_a_mongodb_that_does_not_know_how_to_refresh_sessions_is_ready(
    worker: Worker, configured: pytest.MonkeyPatch, fail_point: FailPoint
) -> None:
    await fail_point("refreshSessions", errorCode=59)

    assert (await worker.request("GET", "/health/ready")).status == 200


async def test_readiness_without_usable_settings_is_cached_too(
    worker: Worker, configured: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    configured.setenv("MONGO_DB_URI", "nothing")

    statuses = [(await worker.request("GET", "/health/ready")).status for _ in range(3)]

    logged = [line["message"] for line in map(json.loads, caplog.messages)]
    assert statuses == [503, 503, 503]
    assert logged.count("not ready") == 1


def test_readiness_is_cached_for_five_seconds() -> None:
    assert readiness.CACHE_SECONDS == 5


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        pytest.param({}, "no MongoDB is configured: set MONGO_DB_URI, or MONGO_DB_HOST", id="nothing"),
        pytest.param(
            {"MONGO_DB_URI": "planted-password@host"},
            "MONGO_DB_URI must start with mongodb:// or mongodb+srv://", id="no URI",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "h", "MONGO_DB_PASSWORD": "planted"},
            "MONGO_DB_USER and MONGO_DB_PASSWORD must be set together", id="half of the credentials",
        ),
        pytest.param(
            {"MONGO_DB_HOST": "h", "MONGO_DB_PORT": "planted"},
            "MONGO_DB_PORT is not usable: expected a whole number from 1 to 65535",
            id="port",
        ),
    ],
)  # fmt: skip
async def test_a_server_without_usable_settings_starts_and_says_what_is_wrong(
    tmp_path: Any, key: str, env: dict[str, str], reason: str
) -> None:
    async with Server(tmp_path / "log", **env) as server:
        live = await server.request("GET", "/health/live")
        ready = await server.request("GET", "/health/ready")
        found = await call(server, key)
        preflight = await server.request("OPTIONS", ACTION + "find")

    assert (live.status, ready.status, found.status, preflight.status) == (200, 503, 503, 503)
    assert errors_only(ready) == errors_only(found)
    assert found.json == {"error": "the service is not configured: its log says why", "error_code": INTERNAL}
    assert f"the service is not configured: its log says why: {reason}" in server.log.read_text()
    assert (server.log_lines[0]["message"], server.log_lines[0]["reason"]) == ("not configured", reason)
    assert "planted" not in server.log.read_text()


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("mongodb://user:planted@", id="no host"),
        pytest.param("mongodb://user:pl@nted:planted@h/", id="an @ in the password"),
        pytest.param("mongodb://user:planted%ZZ@h:27017x/", id="a port that is none"),
        pytest.param("mongodb+srv://user:planted@localhost/", id="SRV without a domain"),
        pytest.param("mongodb+srv://user:planted@nowhere.invalid/", id="SRV that does not resolve"),
    ],
)
async def test_a_wrong_uri_is_503_without_its_password(
    worker: Worker, configured: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, key: str,
    uri: str,
) -> None:  # fmt: skip
    configured.setenv("MONGO_DB_URI", uri)
    configured.setenv("MONGO_DB_TIMEOUT_MS", "1000")

    ready = await worker.request("GET", "/health/ready")
    found = await worker.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert (ready.status, found.status) == (503, 503)
    assert b"planted" not in ready.body + found.body
    assert "planted" not in caplog.text
    assert errors_only(ready)["error_code"] == INTERNAL
