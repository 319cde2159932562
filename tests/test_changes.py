"""Callers who wait for changes: they take nothing from those who call, and the end of a process ends their wait."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from local.mongod import Mongod
from tests.conftest import Post, errors_only
from tests.edge import action
from tests.hosts import Answer, Host, Server, eventually

REFUSED = {"error": "too many callers wait for changes", "error_code": "InternalServerError"}
AWAIT_MS = 30_000
CALLER_LEFT = 499
LATEST_SECONDS = 60
STREAMS: list[dict[str, Any]] = [
    {"$currentOp": {"idleCursors": True}},
    {"$match": {"cursor.originatingCommand.pipeline.$changeStream": {"$exists": True}, "ns": "shop.items"}},
]


@pytest.fixture(scope="module")
async def waited(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that works on one call at a time, with few connections, and lets a dozen callers wait."""
    settings = {"MAX_CALLS": "1", "MONGO_DB_MAX_POOL_SIZE": "4", "MAX_CHANGE_STREAMS": "12", "SLOW_MS": "900"}
    log = tmp_path_factory.mktemp("waited") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, **settings) as running:
        yield running


@pytest.fixture(params=["waited", "worker"])
def waited_host(request: pytest.FixtureRequest, configured: pytest.MonkeyPatch) -> Host:
    """Each host in turn, with the same settings."""
    for name, value in (("MAX_CALLS", "1"), ("MONGO_DB_MAX_POOL_SIZE", "4"), ("MAX_CHANGE_STREAMS", "12")):
        configured.setenv(name, value)
    running: Host = request.getfixturevalue(request.param)
    return running


async def open_streams(driver: AsyncMongoClient[dict[str, Any]]) -> int:
    """Return how many change streams MongoDB holds open for the tests' collection."""
    return len([each async for each in await driver.admin.aggregate(STREAMS)])


async def waiting(host: Host, key: str, count: int, driver: AsyncMongoClient[dict[str, Any]]) -> list[Any]:
    """Have so many callers wait."""
    await Post(host, key)("findOne")  # the key is known
    begun: list[asyncio.Task[Answer]] = []
    for _ in range(count):
        begun.append(asyncio.create_task(Post(host, key)("changes", maxAwaitTimeMS=AWAIT_MS)))
        await asyncio.sleep(0.05)  # each has its place before the next comes, of which there is one

    async def are_all_open() -> bool:
        return await open_streams(driver) >= count

    await eventually(are_all_open, LATEST_SECONDS)
    return begun


async def ended(begun: list[Any], database: Any) -> list[Answer]:
    """Have something change, which all are told."""
    await database.items.insert_one({"_id": "the end"})
    return await asyncio.wait_for(asyncio.gather(*begun), LATEST_SECONDS)


async def test_callers_who_wait_take_no_place_from_calls(
    waited_host: Host, key: str, database: Any, driver: AsyncMongoClient[dict[str, Any]]
) -> None:
    begun = await waiting(waited_host, key, 8, driver)

    answers = [await Post(waited_host, key)("findOne") for _ in range(8)]

    assert [each.status for each in answers] == [200] * 8
    found = await ended(begun, database)
    assert [len(each.json["events"]) for each in found] == [1] * 8, [each.body[:200] for each in found]


async def test_only_so_many_wait(
    waited_host: Host, key: str, database: Any, driver: AsyncMongoClient[dict[str, Any]]
) -> None:
    begun = await waiting(waited_host, key, 12, driver)

    answer = await Post(waited_host, key)("changes")

    assert (answer.status, errors_only(answer), answer.headers["retry-after"]) == (503, REFUSED, "1")
    assert {each.status for each in await ended(begun, database)} == {200}
    assert (await Post(waited_host, key)("changes")).status == 200


async def test_a_caller_who_wants_few_events_has_few_read(
    waited: Server, key: str, database: Any, driver: AsyncMongoClient[dict[str, Any]]
) -> None:
    await Post(waited, key)("findOne")
    poll = asyncio.create_task(Post(waited, key)("changes", maxAwaitTimeMS=AWAIT_MS, limit=1))

    async def is_open() -> bool:
        return await open_streams(driver) >= 1

    await eventually(is_open, LATEST_SECONDS)
    async with await driver.admin.aggregate(STREAMS) as found:
        sizes = {each["cursor"]["originatingCommand"]["cursor"]["batchSize"] async for each in found}
    await ended([poll], database)

    assert sizes == {32}


async def test_a_wait_is_not_slow(waited: Server, key: str, database: Any) -> None:
    before = len(waited.log_lines)

    assert (await Post(waited, key)("changes", maxAwaitTimeMS=2_000)).status == 200

    lines = [each for each in waited.log_lines[before:] if each.get("operation") == "changes"]
    lines = [each for each in lines if each.get("command", "getMore") == "getMore"]  # others may be slow, if all is
    assert [(each["message"], each["level"]) for each in lines] == [("request", "INFO")]


async def test_a_caller_who_leaves_ends_the_wait(
    waited: Server, key: str, database: Any, driver: AsyncMongoClient[dict[str, Any]]
) -> None:
    await Post(waited, key)("findOne")
    _, writer = await asyncio.open_connection("127.0.0.1", waited.port)
    body = b'{"dataSource":"mongodb-atlas","database":"shop","collection":"items","maxAwaitTimeMS":30000}'
    writer.write(action("changes", key, body=body))

    async def is_open() -> bool:
        return await open_streams(driver) >= 1

    await eventually(is_open, LATEST_SECONDS)
    writer.close()
    await writer.wait_closed()

    async def is_closed() -> bool:
        return await open_streams(driver) == 0

    await eventually(is_closed, LATEST_SECONDS)

    async def is_logged() -> bool:
        return waited.log_lines[-1].get("status") == CALLER_LEFT

    await eventually(is_logged, LATEST_SECONDS)


async def test_the_end_of_a_server_ends_waits_with_a_token(
    mongod: Mongod, tmp_path: Path, key: str, database: Any, driver: AsyncMongoClient[dict[str, Any]]
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri) as server:
        begun = await waiting(server, key, 3, driver)
        before = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*begun)

        assert [(each.status, each.json["events"]) for each in answers] == [(200, [])] * 3
        assert time.monotonic() - before < LATEST_SECONDS
        assert await asyncio.to_thread(server.process.wait, LATEST_SECONDS) == 0
    async with Server(tmp_path / "another", MONGO_DB_URI=mongod.uri) as server:
        await database.items.insert_one({"_id": 1})
        answer = await Post(server, key)("changes", resumeAfter=answers[0].json["resumeToken"])
        assert [each["documentKey"] for each in answer.json["events"]] == [{"_id": 1}]
