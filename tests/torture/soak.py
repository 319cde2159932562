"""Minutes of everything that callers do: what the process holds stays level."""

import asyncio
import statistics
from collections.abc import Callable

from tests.conftest import ACTION, DATABASE, request_body
from tests.edge import action
from tests.torture import promises
from tests.torture.ledger import Ledger
from tests.torture.place import (
    Place,
    Pulse,
    client_of,
    descriptors,
    live_rows,
    probed,
    resident_mb,
    system_key,
    threads,
)
from tests.torture.report import Row
from tests.torture.watched_server import WatchedServer

_SECONDS = 240
_SAMPLE_SECONDS = 2
_LEAVERS_EVERY = 0.1
_FOUND = 1_000


class Samples:
    """What a process holds, again and again."""

    def __init__(self, server: WatchedServer) -> None:
        self._server = server
        self._kinds: dict[str, Callable[[], float]] = {
            "memory": lambda: resident_mb(server),
            "descriptors": lambda: descriptors(server),
            "threads": lambda: threads(server),
        }
        self._taken: dict[str, list[float]] = {kind: [] for kind in self._kinds}

    async def take(self, seconds: float) -> None:
        """Look every two seconds."""
        for _ in range(max(int(seconds / _SAMPLE_SECONDS), 8)):
            await asyncio.sleep(_SAMPLE_SECONDS)
            for kind, look in self._kinds.items():
                self._taken[kind].append(look())
        self._taken["tasks"] = self._server.seen("tasks")[-int(seconds) :]

    def levels(self, kind: str) -> tuple[float, float]:
        """Return what is usual in the second quarter of the time and in the last one."""
        taken = self._taken[kind]
        quarter = len(taken) // 4
        return statistics.median(taken[quarter : 2 * quarter]), statistics.median(taken[-quarter:])


async def soak(place: Place) -> list[Row]:
    """Read, write, fail, leave and come again, at a rate that one process can keep up with."""
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        key = system_key(mongod.uri)
        await driver[DATABASE].many.insert_many([{"_id": number, "text": "x" * 540} for number in range(_FOUND)])
        async with WatchedServer(place.path("soak.log"), MONGO_DB_URI=mongod.uri) as server:
            live = probed(server, 0.5)
            pulses = {
                200: Pulse(server.port, action("find", key, body=request_body(collection="many")), 0.2),
                400: Pulse(server.port, action("find", key, body=b'{"dataSource"'), 0.2),
                401: Pulse(server.port, action("findOne", "nobody's"), 0.2),
                404: Pulse(server.port, f"GET {ACTION}nothing HTTP/1.0\r\n\r\n".encode(), 0.2),
            }
            samples = Samples(server)
            leaving = asyncio.create_task(
                _leave(server.port, action("find", key, body=request_body(collection="many")))
            )
            ledger = Ledger(server.port, key)
            async with ledger.load(driver[DATABASE]), live, pulses[200], pulses[400], pulses[401], pulses[404]:
                await samples.take(place.seconds(_SECONDS))
            leaving.cancel()
        failed = [answer for status, pulse in pulses.items() for answer in pulse.other_than(status)]
        calls = sum(len(pulse.answers) for pulse in pulses.values()) + len(ledger.acknowledged)
        where = f"{place.seconds(_SECONDS):.0f} s"
        return [
            promises.SOAK_FAILED.none_of(where, [*failed, *ledger.unsure, *ledger.invited], f"of {calls:,}"),
            *await ledger.rows(where, driver[DATABASE]),
            *live_rows(where, live),
            *_level(where, samples),
        ]


def _level(where: str, samples: Samples) -> list[Row]:
    rows = []
    for kind, promise in (
        ("memory", promises.SOAK_MEMORY),
        ("descriptors", promises.SOAK_DESCRIPTORS),
        ("threads", promises.SOAK_THREADS),
        ("tasks", promises.SOAK_TASKS),
    ):
        before, after = samples.levels(kind)
        grown = (after / before - 1) * 100 if promise.unit == "%" else after - before
        rows.append(promise.row(where, grown, f"{before:,.0f}, then {after:,.0f}"))
    return rows


async def _leave(port: int, request: bytes) -> None:
    """Ask again and again, and leave before the answer."""
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        await asyncio.sleep(0.002)
        writer.transport.abort()
        await asyncio.sleep(_LEAVERS_EVERY)
