"""Valkey is killed, paused and cut off while two servers are under load: answers stay the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.conftest import Post
from tests.hosts import Server, eventually
from tests.proxy import Proxy
from tests.valkey import Valkey

CACHED = {"CACHED_COLLECTIONS": "shop.items=3600", "SESSION_SECRET": "a secret of the tests that is long enough"}
CLIENTS = 6


class Load:
    """Clients that each write a document of their own through one server and read it through both, again and again."""

    def __init__(self, one: Post, two: Post) -> None:
        self.posts = (one, two)
        self.rounds = 0
        self.wrong: list[object] = []
        self._goes_on = True

    async def __aenter__(self) -> "Load":
        self._clients = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._goes_on = False
        await asyncio.gather(*self._clients)

    async def goes_on(self, rounds: int) -> None:
        """Wait until so many more rounds are done."""
        enough = self.rounds + rounds

        async def are_done() -> bool:
            return self.rounds >= enough

        await eventually(are_done, 120)

    async def _client(self, number: int) -> None:
        turn = 0
        while self._goes_on:
            turn += 1
            write, read = self.posts if turn % 2 else reversed(self.posts)
            document = {"_id": number, "turn": turn}
            written = await write("replaceOne", filter={"_id": number}, replacement={"turn": turn})
            self._check(written, {"matchedCount": 1, "modifiedCount": 1})
            for post in (read, write, read):
                self._check(await post("findOne", filter={"_id": number}), {"document": document})
            found = await read("aggregate", pipeline=[{"$match": {"_id": number}}])
            self._check(found, {"documents": [document]})
            self.rounds += 1

    def _check(self, answer: Any, expected: Any) -> None:
        if (answer.status, answer.json) != (200, expected):
            self.wrong.append((answer.status, answer.json, expected))


@pytest.fixture
async def servers(
    mongod: Mongod, valkey: Valkey, database: Any, key: str, tmp_path: Path
) -> AsyncIterator[list[Server]]:
    """Two processes that share a Valkey, and a document for each client."""
    await database["items"].insert_many([{"_id": number, "turn": 0} for number in range(CLIENTS)])
    env = CACHED | {"MONGO_DB_URI": mongod.uri, "REDIS_URL": valkey.url}
    async with Server(tmp_path / "one.log", **env) as one, Server(tmp_path / "two.log", **env) as two:
        yield [one, two]


def changes_of_state(server: Server) -> list[str]:
    """Return what a server logged about the cache."""
    return [line["message"] for line in server.log_lines if line["message"].startswith("the cache is")]


async def test_answers_stay_the_same_while_valkey_is_killed_and_paused(
    servers: list[Server], valkey: Valkey, key: str
) -> None:
    async with Load(*(Post(each, key) for each in servers)) as load:
        await load.goes_on(30)
        valkey.kill()
        await load.goes_on(60)
        await valkey.start()
        await load.goes_on(60)
        valkey.pause()
        await load.goes_on(30)
        valkey.resume()
        await load.goes_on(60)
        valkey.kill()
        await valkey.start()
        await load.goes_on(60)

        await eventually(is_used(valkey), 60)

    assert load.wrong == []
    for server in servers:
        logged = changes_of_state(server)
        assert {"the cache is away", "the cache is back"} <= set(logged)
        assert all(one != other for one, other in pairwise(logged))  # changes, nothing twice
        assert {line["status"] for line in server.log_lines if line["message"] == "request"} == {200}


def is_used(valkey: Valkey) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return bool(await valkey.client.keys("dozen:reply:*"))

    return holds


async def test_what_was_kept_before_an_outage_does_not_come_back(
    servers: list[Server], valkey: Valkey, key: str, database: Any
) -> None:
    one, two = (Post(each, key) for each in servers)
    kept = [await each("find") for each in (one, two)]
    valkey.pause()
    written = await one("updateOne", filter={"_id": 0}, update={"$set": {"turn": "new"}})
    during = await one("find")
    valkey.resume()
    after = [await each("find") for each in (two, one, two)]

    assert written.status == 200
    assert during.body != kept[0].body
    assert [each.body for each in after] == [during.body] * 3


async def test_a_process_that_was_cut_off_makes_up_for_the_changes_that_others_missed(
    mongod: Mongod, valkey: Valkey, database: Any, key: str, tmp_path: Path
) -> None:
    await database["items"].insert_one({"_id": 0, "turn": 0})
    async with Proxy(valkey.port) as proxy:
        env = CACHED | {"MONGO_DB_URI": mongod.uri}
        near = Server(tmp_path / "near.log", **env, REDIS_URL=valkey.url)
        far = Server(tmp_path / "far.log", **env, REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
        async with near, far:
            reader, writer = Post(near, key), Post(far, key)
            await reader("find")
            await proxy.cut()
            written = await writer("updateOne", filter={"_id": 0}, update={"$set": {"turn": "new"}})
            own = await writer("find")
            await proxy.restore()

            async def is_fresh() -> bool:
                return (await reader("find")).body == own.body

            await eventually(is_fresh, 60)

    assert written.status == 200
    assert own.json == {"documents": [{"_id": 0, "turn": "new"}]}


@pytest.mark.parametrize("leave", [Valkey.kill, Valkey.pause])
async def test_a_server_ends_in_order_while_valkey_is_away(
    servers: list[Server], valkey: Valkey, key: str, leave: Callable[[Valkey], None]
) -> None:
    leave(valkey)
    answer = await Post(servers[0], key)("insertOne", document={"_id": "new"})
    servers[0].process.terminate()
    code = await asyncio.to_thread(servers[0].process.wait, 30)

    assert (answer.status, code) == (201, 0)
    assert "stopped" in [line["message"] for line in servers[0].log_lines]
