"""Valkey is killed, hangs and comes back while two processes share it: nobody reads what is old, and calls go on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.conftest import DATABASE
from tests.hosts import Server, eventually
from tests.torture import promises
from tests.torture.place import Driver, Place, client_of, system_key
from tests.torture.report import Row
from tests.traffic import LOST, Connection
from tests.valkey import Valkey

_CLIENTS = 8
_PAUSE_SECONDS = 0.02
_ENV = {
    "CACHED_COLLECTIONS": f"{DATABASE}.items=3600",
    "SESSION_SECRET": "a secret of a measurement that is long enough",
}


async def valkey(place: Place) -> list[Row]:
    """Write through one process, and read through both."""
    folder = place.path("valkey")
    folder.mkdir()
    store = Valkey(folder)
    await store.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        mongod = await stack.enter_async_context(place.mongod())
        driver = await stack.enter_async_context(client_of(mongod.uri))
        key = system_key(mongod.uri)
        env = _ENV | {"REDIS_URL": store.url}
        servers = [await stack.enter_async_context(place.server(mongod.uri, **env)) for _ in range(2)]
        return await _troubled(place, servers, key, driver, store)


async def _troubled(place: Place, servers: list[Server], key: str, driver: Driver, store: Valkey) -> list[Row]:
    readers = Readers(servers, key)
    await driver[DATABASE].items.insert_many([{"_id": number, "turn": 0} for number in range(_CLIENTS)])
    pause = place.seconds(5)
    async with readers.going_on():
        for _ in range(place.times(2)):
            await asyncio.sleep(pause)
            store.kill()
            await asyncio.sleep(pause)
            await store.start()
            await asyncio.sleep(pause)
            store.pause()
            await asyncio.sleep(pause)
            store.resume()
            await asyncio.sleep(pause)
            store.kill()
            await store.start()
        back = time.monotonic()
        await eventually(lambda: _is_used(store), 120)
        back = time.monotonic() - back
    where = "Valkey is killed and paused"
    return [
        promises.CACHED_STALE.none_of(where, readers.stale, f"of {readers.reads:,}"),
        promises.CACHED_FAILED.none_of(where, readers.failed, f"of {readers.reads + readers.writes:,}"),
        promises.CACHED_SLOWEST.row(where, readers.slowest * 1_000),
        promises.CACHED_AGAIN.row(where, back),
    ]


async def _is_used(store: Valkey) -> bool:
    return bool(await store.client.keys("dozen:reply:*"))


class Readers:
    """Clients who each write a document of their own through one process, and then read it through both."""

    def __init__(self, servers: list[Server], key: str) -> None:
        self._servers = servers
        self._key = key
        self.reads = self.writes = 0
        self.slowest = 0.0
        self.stale: list[object] = []
        self.failed: list[object] = []
        self._running = True

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Let them call until the block ends."""
        async with asyncio.TaskGroup() as group:
            for number in range(_CLIENTS):
                group.create_task(self._client(number))
            try:
                yield
            finally:
                self._running = False

    async def _client(self, number: int) -> None:
        connections = [Connection(server.port, self._key) for server in self._servers]
        own, turn = {"_id": number}, 0
        while self._running:
            turn += 1
            written = await self._call(connections[turn % 2], "replaceOne", filter=own, replacement={"turn": turn})
            self.writes += 1
            for connection in (*connections, *connections):
                found = await self._call(connection, "findOne", filter=own)
                self.reads += 1
                if written and found and found["document"]["turn"] < turn:
                    self.stale.append((turn, found))
            await asyncio.sleep(_PAUSE_SECONDS)
        for connection in connections:
            await connection.close()

    async def _call(self, connection: Connection, action: str, **members: Any) -> Any:
        """Return the members of an answer, None if the call fails."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(60):
                await connection.open()
                await connection.send(action, **members)
                status, answer = await connection.receive()
        except (*LOST, TimeoutError) as error:
            await connection.close()
            self.failed.append((action, repr(error)))
            return None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - started)
        if status != 200:
            self.failed.append((action, status, answer))
            return None
        return answer
