"""Callers who send slowly, say nothing, or take nothing: they are cut off in time, and others do not notice them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.conftest import DATABASE, request_body
from tests.edge import action
from tests.hosts import Server
from tests.torture import promises
from tests.torture.place import (
    Place,
    Pulse,
    client_of,
    connections,
    live_rows,
    probed,
    resident_mb,
    system_key,
)
from tests.torture.report import Row, percentile

_HEAD_SECONDS, _IDLE_SECONDS, _DEADLINE_SECONDS = 2, 3, 4
_MOST_CONNECTIONS = 400  # fewer than are silent
_SLOW, _SILENT, _BODIES, _UNREAD = 200, 500, 100, 10
_EVERY_SECONDS = 0.5
_PATIENCE_SECONDS = 40
_REST_SECONDS = 3

_ENV = {
    "REQUEST_HEAD_SECONDS": str(_HEAD_SECONDS),
    "KEEP_ALIVE_SECONDS": str(_IDLE_SECONDS),
    "MONGO_DB_TIMEOUT_MS": str(_DEADLINE_SECONDS * 1_000),
    "MAX_CLIENT_CONNECTIONS": str(_MOST_CONNECTIONS),
    "LOG_LEVEL": "WARNING",
}


async def slow(place: Place) -> list[Row]:
    """Keep a server busy with those who never get to the point."""
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        key = system_key(mongod.uri)
        await driver[DATABASE].items.insert_one({"_id": 1})
        await driver[DATABASE].many.insert_many([{"text": "x" * 540} for _ in range(12_000)])
        async with place.server(mongod.uri, **_ENV) as server:
            return await _beside(place, server, key)


async def _beside(place: Place, server: Server, key: str) -> list[Row]:
    call = action("findOne", key)
    head = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
    body = action("findOne", key, last=False)
    reply = action("find", key, body=request_body(collection="many", limit=12_000))
    kept: dict[promises.Promise, list[float]] = {}

    async def turn() -> None:
        for promise, number, begin, limit in (
            (promises.HEADS_KEPT, _SLOW, _drips(head), _HEAD_SECONDS),
            (promises.SILENT_KEPT, _SILENT, _drips(head + b"\r\n", 0), _IDLE_SECONDS),
            (promises.BODIES_KEPT, _BODIES, _drips(body[:-40]), _DEADLINE_SECONDS),
            (promises.UNREAD_KEPT, _UNREAD, _unread(reply), _IDLE_SECONDS),
        ):
            lasted = await asyncio.gather(*(begin(server.port) for _ in range(number)))
            kept.setdefault(promise, []).extend(each - limit for each in lasted)
        await asyncio.sleep(_REST_SECONDS)

    live, calls = probed(server), Pulse(server.port, call, 0.05)
    async with live, calls:
        await turn()
        memory = resident_mb(server)
        for _ in range(place.times(2)):
            await turn()
    await asyncio.sleep(1)
    where = "slow callers"
    return [
        *(promise.row(where, max(lasted), f"of {len(lasted)}") for promise, lasted in kept.items()),
        promises.BESIDE_SLOW.row(where, percentile(calls.seconds, 0.99) * 1_000, f"of {len(calls.answers)}"),
        promises.BESIDE_SLOW_FAILED.none_of(where, calls.other_than(200)),
        *live_rows(where, live),
        promises.SLOW_MEMORY.row(where, (resident_mb(server) / memory - 1) * 100, f"{memory:.0f} MB before"),
        promises.SLOW_CONNECTIONS.row(where, connections(server)),
    ]


type Begin = Callable[[int], Awaitable[float]]


def _drips(begun: bytes, drip: int = 1) -> Begin:
    """Return what sends so much, and then next to nothing; it tells how long the connection lasted."""

    async def begin(port: int) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        started = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not await _has_ended(reader):
                    writer.write(b"x" * drip)
        except (OSError, TimeoutError):
            pass
        finally:
            writer.transport.abort()
        return time.monotonic() - started

    return begin


def _unread(request: bytes) -> Begin:
    """Return what asks for a large reply and takes nothing of it."""

    async def begin(port: int) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**10)
        writer.write(request)
        started = time.monotonic()
        await reader.read(1)
        return await _until_reset(writer, started)

    return begin


async def _until_reset(writer: asyncio.StreamWriter, started: float) -> float:
    """Return after how long the other side has given up: then what is sent to it is refused."""
    try:
        while time.monotonic() - started < _PATIENCE_SECONDS and not writer.transport.is_closing():
            await asyncio.sleep(_EVERY_SECONDS)
            writer.write(b"x")
    finally:
        writer.transport.abort()
    return time.monotonic() - started


async def _has_ended(reader: asyncio.StreamReader) -> bool:
    """Tell whether the other side has closed, having waited for that a little."""
    try:
        async with asyncio.timeout(_EVERY_SECONDS):
            while await reader.read(2**16):
                pass
    except TimeoutError:
        return False
    return True
