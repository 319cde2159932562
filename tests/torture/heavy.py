"""Big calls beside small ones, and bodies of nobody: others have their turn, and memory has a bound."""

import asyncio
import contextlib

from tests.conftest import ACTION, DATABASE, request_body
from tests.edge import action
from tests.torture import promises
from tests.torture.bulky import Bulky, Calls
from tests.torture.ledger import ALLOWED
from tests.torture.place import (
    Driver,
    Place,
    Pulse,
    ask,
    client_of,
    cpu_seconds,
    live_rows,
    peak_mb,
    probed,
    resident_mb,
    system_key,
)
from tests.torture.report import Row, percentile
from tests.torture.watched_server import WatchedServer

_MANY = 50_000
_LARGE = 15_000_000  # bytes
_LARGE_ONES = 11
_INSERTED = 100_000
_BODIES = 40
_BODY = 32 * 2**20  # bytes
_CHUNK = bytes(2**16)


async def heavy(place: Place) -> list[Row]:
    """Run finds and inserts of megabytes beside small calls; then send bodies without credentials."""
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        key = system_key(mongod.uri)
        await _store(driver)
        async with WatchedServer(place.path("heavy.log"), MONGO_DB_URI=mongod.uri) as server:
            rows = await _beside_big_calls(place, server, key)
        async with WatchedServer(place.path("anonymous.log"), MONGO_DB_URI=mongod.uri) as server:
            return rows + await _anonymous(server, key)


async def _store(driver: Driver) -> None:
    database = driver[DATABASE]
    await database.items.insert_one({"_id": 1, "name": "lamp"})
    await database.many.insert_many([{"_id": number, "text": "x" * 540} for number in range(_MANY)])
    for number in range(_LARGE_ONES):
        await database.large.insert_one({"_id": number, "text": "x" * _LARGE})


async def _beside_big_calls(place: Place, server: WatchedServer, key: str) -> list[Row]:
    many, large = (request_body(collection=name, limit=_MANY) for name in ("many", "large"))
    batch = request_body(
        collection="batches", documents=[{"n": number, "text": "x" * 40} for number in range(_INSERTED)]
    )
    one = request_body(collection="ones", document={"text": "x" * _LARGE})
    calls = Calls(
        port=server.port,
        seconds=place.seconds(30),
        requests={
            "find of 50,000": (10, action("find", key, body=many)),
            "find of 11 × 15 MB": (5, action("find", key, body=large)),  # noqa: RUF001
            "insertMany of 100,000": (3, action("insertMany", key, body=batch)),
            "insertOne of 15 MB": (10, action("insertOne", key, body=one)),
        },
    )
    await ask(server.port, action("findOne", key))
    quiet, used = len(server.seen("block_ms")), cpu_seconds(server)
    live = probed(server)
    async with live, Pulse(server.port, action("findOne", key), 0.05) as small:
        came = await (await Bulky.start(calls)).came()
    where = "beside big calls"
    used = cpu_seconds(server) - used
    blocks = server.seen("block_ms", quiet)
    return [
        promises.SMALL_CALL.row(where, percentile(small.seconds, 0.99) * 1_000, f"of {len(small.answers)}"),
        promises.SMALL_CALLS_FAILED.none_of(where, small.other_than(200)),
        promises.BLOCK.row(where, max(blocks), f"median second {percentile(blocks, 0.5):.0f} ms, {used:.0f} s used"),
        promises.HEAVY_MEMORY.row(where, peak_mb(server)),
        promises.HEAVY_STATUSES.none_of(where, came.other_than(*ALLOWED), f"of {came.total}"),
        *live_rows(where, live, promises.LIVE_UNDER_LOAD),
    ]


async def _anonymous(server: WatchedServer, key: str) -> list[Row]:
    await ask(server.port, action("findOne", key))
    before = resident_mb(server)
    live = probed(server)
    async with live:
        sent = await asyncio.gather(*(_body(server.port) for _ in range(_BODIES)))
    where = "without credentials"
    note = f"{before:.0f} MB before, {sum(sent) / 1e6:,.0f} MB were taken"
    return [
        promises.ANONYMOUS_MEMORY.row(where, peak_mb(server), note),
        *live_rows(where, live, promises.LIVE_UNDER_LOAD),
    ]


async def _body(port: int) -> int:
    """Send a body without credentials, until the server has enough of it; return how much it took."""
    sent = 0
    head = f"POST {ACTION}insertOne HTTP/1.1\r\nHost: x\r\nContent-Length: {_BODY}\r\n\r\n".encode()
    with contextlib.suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(head)
            async with asyncio.timeout(60):
                while sent < _BODY:
                    writer.write(_CHUNK)
                    await writer.drain()
                    sent += len(_CHUNK)
                await reader.readline()
        finally:
            writer.transport.abort()
    return sent
