"""Failover under a steady load: of a replica set of three, and of the service itself."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable

from local import ports
from tests.conftest import DATABASE
from tests.hosts import Server, eventually
from tests.torture.ledger import Ledger
from tests.torture.place import Driver, Place, client_of, system_key
from tests.torture.promises import SILENCE_IN_ORDER, SILENCE_OF_ELECTION, UNANSWERED
from tests.torture.replica_set import ReplicaSet
from tests.torture.report import Row

type Trouble = Callable[[], Awaitable[None]]


async def failover(place: Place) -> list[Row]:
    """Let the primary of a replica set step down, die, hang and be upgraded."""
    async with ReplicaSet(place.path("set")) as nodes, client_of(nodes.uri) as driver:
        key = system_key(nodes.uri)
        rows: list[Row] = []
        async with place.server(nodes.uri) as server:
            for name, trouble, silence in (
                ("primary steps down", nodes.step_down, SILENCE_IN_ORDER),
                ("primary is killed", nodes.kill_primary, SILENCE_OF_ELECTION),
                ("primary hangs for 15 s", lambda: nodes.pause_primary(15), SILENCE_OF_ELECTION),
                ("rolling restart", nodes.restart_all, SILENCE_IN_ORDER),
            ):
                ledger = await _under_load(place, server, key, driver, trouble)
                await nodes.is_whole()
                rows += await ledger.rows(name, driver[DATABASE])
                rows.append(silence.row(name, ledger.silence))
        return rows


async def restarts(place: Place) -> list[Row]:
    """Kill the service and end it in order, again and again, with one process and with two."""
    rows: list[Row] = []
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        key = system_key(mongod.uri)
        for processes in (1, 2):
            async with place.server(mongod.uri, WEB_CONCURRENCY=str(processes)) as server:
                for name, end in (("SIGKILL", _kill), ("SIGTERM", _terminate)):
                    rows += await _ended(
                        place, server, key, driver, (f"{name} of {processes} process{'es' * (processes > 1)}", end)
                    )
    return rows


async def _ended(
    place: Place, server: Server, key: str, driver: Driver, named: tuple[str, Callable[[Server], Awaitable[None]]]
) -> list[Row]:
    name, end = named
    signalled: list[float] = []

    async def trouble() -> None:
        for _ in range(place.times(4)):
            await asyncio.sleep(place.seconds(2))
            signalled.append(time.monotonic())
            await end(server)
            await eventually(lambda: _is_free(server), 60)
            await server.start()

    ledger = await _under_load(place, server, key, driver, trouble)
    rows = await ledger.rows(name, driver[DATABASE])
    if end is _terminate:
        # a request that was sent while the process still reads may be answered or refused, one sent before is answered
        early = [sent for sent, _ in ledger.unanswered if any(at - 5 < sent < at for at in signalled)]
        rows.append(UNANSWERED.none_of(name, early))
    return rows


async def _under_load(place: Place, server: Server, key: str, driver: Driver, trouble: Trouble) -> Ledger:
    await driver.drop_database(DATABASE)
    async with Ledger(server.port, key).load(driver[DATABASE]) as ledger:
        await asyncio.sleep(place.seconds(2))
        await trouble()
        await asyncio.sleep(place.seconds(3))
    return ledger


async def _kill(server: Server) -> None:
    for pid in server.family:
        os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(server.process.wait)


async def _terminate(server: Server) -> None:
    server.process.terminate()
    await asyncio.to_thread(server.process.wait)


async def _is_free(server: Server) -> bool:
    return ports.is_free(server.port)
