"""A MongoDB that is slow, full, unreachable or silent: the service says so in time, lives, and is well soon after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from local import ports
from local.mongod import Mongod
from tests.conftest import DATABASE, request_body
from tests.edge import action
from tests.hosts import Server
from tests.torture.ledger import ALLOWED
from tests.torture.place import (
    ASK_READY,
    TEST_COMMANDS,
    Driver,
    Place,
    Pulse,
    ask,
    client_of,
    failing,
    live_rows,
    probed,
    seconds_until,
    system_key,
)
from tests.torture.promises import (
    KNOWN_KEYS,
    NEW_KEYS,
    NOT_READY,
    PAST_DEADLINE,
    WELL,
    WRONG,
)
from tests.torture.report import Row

DEADLINE_SECONDS = 3
POOL = 10

_ITEMS = f"{DATABASE}.items"
_CACHE_FULL = 388  # TemporarilyUnavailable
_ENV = {
    "MONGO_DB_TIMEOUT_MS": str(DEADLINE_SECONDS * 1_000),
    "MONGO_DB_MAX_POOL_SIZE": str(POOL),
    "MAX_CALLS": str(4 * POOL),  # so that it is the pool that is full
    "AUTH_CACHE_SECONDS": "1",  # so that keys are looked up during each trouble
}


class Watched:
    """A service in trouble: calls of one collection all the time, and what else is asked meanwhile."""

    def __init__(self, server: Server, key: str, calls_every: float = 0.05) -> None:
        self.server = server
        self.key = key
        self.live = probed(server)
        self.reads = Pulse(server.port, action("findOne", key), calls_every)
        self.writes = Pulse(server.port, action("insertOne", key, body=request_body(document={})), calls_every)

    @asynccontextmanager
    async def goes_on(self) -> AsyncIterator[None]:
        async with self.live, self.reads, self.writes:
            yield

    async def rows(self, name: str) -> list[Row]:
        """Say how it went, having waited until all is well."""
        calls = [*self.reads.answers, *self.writes.answers]
        well = max(
            [await seconds_until(self.server.port, request) for request in (action("findOne", self.key), ASK_READY)]
        )
        wrong = [*self.reads.other_than(*ALLOWED), *self.writes.other_than(*ALLOWED)]
        return [
            WRONG.none_of(name, wrong, f"of {len(calls)}"),
            PAST_DEADLINE.row(name, max(seconds for _, seconds in calls) - DEADLINE_SECONDS),
            *live_rows(name, self.live),
            WELL.row(name, well),
        ]


async def neighbours(place: Place) -> list[Row]:
    """Let MongoDB be slow, full, refuse, hang and be away."""
    rows: list[Row] = []
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        key = system_key(mongod.uri)
        async with place.server(mongod.uri, **_ENV) as server:
            await ask(server.port, action("findOne", key))
            rows += await _failing(place, server, key, driver)
            rows += await _full_pool(place, server, key, mongod)
            rows += await _hidden_keys(place, server, key, driver)
            rows += await _paused(place, server, key, mongod)
    return rows + await _unreachable(place)


async def _failing(place: Place, server: Server, key: str, driver: Driver) -> list[Row]:
    rows: list[Row] = []
    commands = ("find", "insert", "update", "delete", "aggregate")
    for name, fault in (
        ("every command takes 0.5 s", {"blockConnection": True, "blockTimeMS": 500}),
        ("every command takes 5 s", {"blockConnection": True, "blockTimeMS": 5_000}),
        ("the cache is full", {"errorCode": _CACHE_FULL}),
        ("connections are lost", {"closeConnection": True}),
    ):
        watched = Watched(server, key, 0.2)
        async with watched.goes_on(), failing(driver, *commands, **fault):
            await asyncio.sleep(place.seconds(6))
        rows += await watched.rows(name)
    return rows


async def _full_pool(place: Place, server: Server, key: str, mongod: Mongod) -> list[Row]:
    """Fill the pool with slow finds of one collection: others are refused in time, keys and readiness go on."""
    no_json = [action("find", system_key(mongod.uri), body=b"{") for _ in range(3)]
    watched = Watched(server, key, 0.2)
    ready = Pulse(server.port, ASK_READY, 0.5)
    fault = {"namespace": _ITEMS, "blockConnection": True, "blockTimeMS": DEADLINE_SECONDS * 1_000}
    async with client_of(mongod.uri) as driver, watched.goes_on(), ready, failing(driver, "find", **fault):
        filling = asyncio.gather(*(ask(server.port, action("find", key)) for _ in range(2 * POOL)))
        await asyncio.sleep(0.5)
        new = await asyncio.gather(*(ask(server.port, each) for each in no_json))
        await filling
    return [
        *await watched.rows("the pool is full"),
        NOT_READY.none_of("the pool is full", ready.other_than(200)),
        NEW_KEYS.none_of("the pool is full", [each for each in new if each[0] != 400]),
    ]


async def _hidden_keys(place: Place, server: Server, key: str, driver: Driver) -> list[Row]:
    """Let the look-up of keys fail, behind the time for which they are cached."""
    calls = Pulse(server.port, action("findOne", key), 0.1)
    async with failing(driver, "find", namespace="dozen.api_keys", closeConnection=True), calls:
        await asyncio.sleep(place.seconds(5) + 1)
    return [KNOWN_KEYS.none_of("the control database fails", calls.other_than(200), f"of {len(calls.answers)}")]


async def _paused(place: Place, server: Server, key: str, mongod: Mongod) -> list[Row]:
    watched = Watched(server, key, 0.2)
    async with watched.goes_on():
        mongod.pause()
        await asyncio.sleep(place.seconds(8))
        mongod.resume()
    return await watched.rows("MongoDB hangs")


async def _unreachable(place: Place) -> list[Row]:
    """Start before MongoDB does."""
    absent = Mongod(place.path("absent"), ports.free_port(), TEST_COMMANDS)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(place.server(absent.uri, **_ENV))
        watched = Watched(server, "no key yet", 0.2)
        async with watched.goes_on():
            await asyncio.sleep(place.seconds(4))
        absent.start()
        stack.callback(absent.kill)
        watched.key = system_key(absent.uri)
        return await watched.rows("nobody listens")
