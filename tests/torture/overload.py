"""More calls than a process can answer: it answers as many as ever, refuses the others, and is itself at once."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from tests.conftest import DATABASE
from tests.edge import action
from tests.hosts import Server
from tests.torture import promises
from tests.torture.callers import Load, Process, Tally
from tests.torture.place import Place, ask, client_of, cpu_seconds, live_rows, probed, resident_mb, system_key
from tests.torture.promises import Promise
from tests.torture.report import Row

_CONNECTIONS = 32
_DOCUMENTS = 200
_REST_SECONDS = 10


async def overload(place: Place) -> list[Row]:
    """Send once, twice and five times as much as the peak.

    One process of callers cannot send five times as many calls as cheap as a findOne, or as a find in native code.
    """
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        key = system_key(mongod.uri)
        await driver[DATABASE].items.insert_many(map(_item, range(_DOCUMENTS)))
        async with place.server(mongod.uri, LOG_LEVEL="WARNING", NATIVE="off") as server:
            rows: list[Row] = []
            for name, factors in promises.USEFUL.items():
                request = action(name, key, last=False)
                await _load(server, Load(port=server.port, request=request, seconds=2, connections=_CONNECTIONS))
                peak, tally, _ = await _load(
                    server, Load(port=server.port, request=request, seconds=place.seconds(8), connections=_CONNECTIONS)
                )
                for factor, useful in factors.items():
                    rate = factor * tally.useful / tally.seconds
                    load = Load(port=server.port, request=request, seconds=place.seconds(15), rate=rate)
                    rows += await _burst(server, key, load, peak, useful)
            return rows


def _item(number: int) -> dict[str, Any]:
    return {"_id": number, "when": datetime.now(UTC)} | {f"price{n}": number + n / 10 for n in range(10)}


async def _burst(server: Server, key: str, load: Load, peak: float, promise: Promise) -> list[Row]:
    await asyncio.sleep(1)
    before = resident_mb(server)
    async with probed(server) as live:
        useful, tally, cores = await _load(server, load)
    status, waited = await ask(server.port, action("findOne", key))
    await asyncio.sleep(_REST_SECONDS)
    grown = (resident_mb(server) / before - 1) * 100
    refused = tally.answered.get(503, 0)
    where = f"{load.rate:,.0f} calls/s"
    came = (
        f"{tally.came / tally.seconds:,.0f}/s came: {tally.useful:,} useful, {refused:,} refused, {tally.left:,} left"
    )
    return [
        promise.row(where, useful / peak * 100, f"{came}; on {cores:.1f} cores"),
        promises.ADMITTED.row(where, tally.p99_ms),
        promises.OTHER_STATUSES.none_of(where, tally.answered.keys() - {200, 503}),
        promises.NO_RETRY_AFTER.row(where, tally.uninvited),
        *live_rows(where, live, promises.LIVE_UNDER_LOAD),
        promises.NEW_CALLER.row(where, waited * 1_000 if status == 200 else float("inf"), str(status)),
        promises.MEMORY_AFTER.row(where, grown, f"{before:.0f} MB before"),
    ]


async def _load(server: Server, load: Load) -> tuple[float, Tally, float]:
    """Return useful answers for each processor second of the server, what became of callers, and on how many cores."""
    before = cpu_seconds(server)
    tally = await (await Process.start(load)).tally()
    used = max(cpu_seconds(server) - before, 0.01)
    return tally.useful / used, tally, used / tally.seconds
