"""The time limit of a call counts from its arrival: its body, its credentials and its parsing are part of it."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, _csot

from local.mongod import Mongod
from shared.auth.keys import new_key
from shared.mongo.control import API_KEYS
from shared.mongo.deadlines import driver_call, left_ms, server_deadline
from tests.conftest import ACTION, FailPoint, Post, errors_only, request_body
from tests.edge import action as action_bytes
from tests.edge import exchange
from tests.hosts import Server, Worker, eventually

TIMEOUT_MS = 1_000
NOT_WHOLE = 408
READS = [
    ("findOne", {"filter": {"n": 1}}),
    ("find", {"filter": {"n": 1}}),
    ("find", {"filter": {"n": 1}, "limit": 40_000}),
    ("aggregate", {"pipeline": [{"$match": {"n": 1}}]}),
]


@pytest.fixture(scope="module")
async def hasty(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with a short deadline."""
    log = tmp_path_factory.mktemp("hasty") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, MONGO_DB_TIMEOUT_MS=str(TIMEOUT_MS)) as running:
        yield running


@pytest.fixture
def fresh_key(mongod: Mongod) -> str:
    """A key that nobody has used yet."""
    made, stored = new_key("fresh", system=True)
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client["dozen"][API_KEYS].insert_one(stored)
    return made


async def slowly(server: Server, key: str, action: str, body: bytes, seconds: float) -> tuple[int, dict[str, Any]]:
    """Send a request whose body is whole only after so many seconds; return status and members of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST {ACTION}{action} HTTP/1.1\r\nHost: x\r\napiKey: {key}\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
    await asyncio.sleep(seconds)
    writer.write(body[-1:])
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    await writer.wait_closed()
    head, _, content = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), json.loads(content) if "application/json" in head else {}


def processor_seconds(server: Server) -> float:
    """Return how long a server has computed, which others on the machine do not lengthen."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_body_that_took_all_the_time_is_504_and_nothing_is_begun(
    server: Server, hasty: Server, key: str, database: Any
) -> None:  # fmt: skip
    body = request_body(document={"_id": 1})
    late: list[Any] = []

    async def is_late() -> bool:
        late[:] = await slowly(hasty, key, "insertOne", request_body(document={"_id": 2}), TIMEOUT_MS / 1000 + 0.2)
        return bool(late[0] != NOT_WHOLE)

    in_time = await slowly(server, key, "insertOne", body, 0)
    await eventually(is_late, 60)  # the rest may come still later, if the machine is busy

    assert in_time == (201, {"insertedId": 1})
    assert late == [
        504, {"error": "the call took longer than its time limit", "error_code": "ExecutionTimeLimitExceeded"}
    ]  # fmt: skip
    assert await database.items.find().to_list() == [{"_id": 1}]


async def test_a_body_that_takes_longer_to_read_than_there_is_time_is_504_in_time(
    hasty: Server, key: str, database: Any
) -> None:  # fmt: skip
    one = b"{%b}" % b",".join(b'"a%d":{"$symbol":"%d"}' % (n, n) for n in range(20))
    body = request_body(documents=[])[:-3] + b"[%b]}" % b",".join([one] * 45_000)
    await slowly(hasty, key, "findOne", request_body(), 0)
    before = processor_seconds(hasty)

    late = await slowly(hasty, key, "insertMany", body, 0)

    assert (late[0], late[1]["error_code"]) == (504, "ExecutionTimeLimitExceeded")
    assert processor_seconds(hasty) - before < TIMEOUT_MS / 1000 + 3
    assert await database.items.count_documents({}) == 0


@pytest.mark.parametrize(("size", "status"), [(10, 408), (3_000_000, 504)], ids=["a small body", "a large body"])
async def test_a_body_that_never_ends_is_awaited_for_the_time_of_a_call(
    hasty: Server, key: str, database: Any, size: int, status: int
) -> None:
    request = action_bytes("insertOne", key, body=request_body(document={"text": "x" * size}))
    began = time.monotonic()

    found = await exchange(hasty.port, request[:-5])

    assert [reply.status for reply in found] == [status]
    assert TIMEOUT_MS / 1000 <= time.monotonic() - began < TIMEOUT_MS / 1000 + 20
    assert await database.items.count_documents({}) == 0


@pytest.mark.parametrize(("action", "members"), READS, ids=str)
async def test_mongodb_is_given_the_time_that_is_left_for_a_read(
    hasty: Server, key: str, database: Any, action: str, members: dict[str, Any]
) -> None:
    await slowly(hasty, key, "findOne", request_body(), 0)
    await database.items.insert_one({"n": 0})

    async def is_given() -> bool:
        await database.command("profile", 2)
        status, _ = await slowly(hasty, key, action, request_body(**members), TIMEOUT_MS / 2000)
        await database.command("profile", 0)
        profiled = await database.system.profile.find({"ns": "shop.items"}).to_list()
        await database.system.profile.drop()
        given = {each["command"].get("maxTimeMS") for each in profiled} | {
            each.get("originatingCommand", {}).get("maxTimeMS") for each in profiled
        }
        limits = [limit for limit in given if limit is not None]
        return status == 200 and limits != [] and all(0 < limit <= TIMEOUT_MS / 2 for limit in limits)

    await eventually(is_given)  # a busy server may begin to read when half of the time has passed already


async def test_credentials_and_action_share_one_deadline(
    hasty: Server, database: Any, fail_point: FailPoint, fresh_key: str
) -> None:
    await database.items.insert_one({"_id": 1})
    await fail_point("find", times=2, blockConnection=True, blockTimeMS=int(TIMEOUT_MS * 0.7))

    answer = await Post(hasty, fresh_key)("findOne")  # looks the key up first, which nobody has used yet

    assert answer.status == 504


async def test_mongodb_is_given_the_time_that_is_left_for_a_write(database: Any) -> None:
    with driver_call(1_000, time.monotonic() - 0.5):
        async with server_deadline(database.items, 1_000):
            assert 0 < (_csot.remaining() or 0) <= 0.5


async def test_a_body_that_takes_long_to_parse_is_504_and_nothing_is_begun(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, database: Any
) -> None:
    configured.setenv("MONGO_DB_TIMEOUT_MS", "300")
    await Post(worker, key)("findOne")
    long = '{"$symbol":"1"}'  # which native code leaves to Python
    document = ",".join(f'"n{number}":{long}' for number in range(20))
    body = request_body()[:-1] + f',"documents":[{",".join([f"{{{document}}}"] * 40_000)}]}}'.encode()

    answer = await Post(worker, key)("insertMany", body)

    assert answer.status == 504
    assert errors_only(answer)["error_code"] == "ExecutionTimeLimitExceeded"
    assert await database.items.find().to_list() == []


async def test_what_is_left_is_never_nothing_which_means_no_limit() -> None:
    now = time.monotonic()

    assert left_ms(500) == 500
    with driver_call(1_000, now):
        assert 0 < left_ms(30_000) <= 1_000
        assert left_ms(5) == 5
    with driver_call(1_000, now - 60):
        assert left_ms(30_000) == 1
    assert left_ms(500) == 500
