"""`python -m bench.connections`: opens the pools of many processes for real, counts, and computes what is beyond.

A client of the driver is what a process of the service has, so a few processes here hold the clients of many: with the
options that the service gives to its own, one pool and its monitors each.
"""

import argparse
import asyncio
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import PyMongoError

from local.errors import LocalError
from local.mongod import Mongod
from shared import connection_strings as connections
from shared.mongo import clients as mongo
from shared.settings import Settings

STEPS = (10, 100, 1_000)
BEYOND = ((2, 1_000), (5, 1_000), (5, 5_000))
"""Budgets as multiples of the requested one, with processes, that are computed and not opened."""

_HOLDERS = 4
_LONGEST_S = 120.0
_BLOCK_MS = 10_000
_QUIET_S = 2
_RESERVED = 100  # what mongod and this program need beside
_FUNCTIONS = {"FUNCTIONS_WORKER_RUNTIME": "python"}
_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Row:
    """What so many processes come to; nothing measured where the machine does not reach."""

    host: str
    budget: int
    processes: int
    pool: int
    monitors: int
    measured: int | None = None

    @property
    def computed(self) -> int:
        return self.processes * (self.pool + self.monitors)


def main() -> int:
    """Measure, and print what was measured beside what was computed."""
    parser = argparse.ArgumentParser(prog="python -m bench.connections", description=__doc__)
    parser.add_argument("--budget", type=int, default=3_000, help="MONGO_DB_MAX_CONNECTIONS (3000)")
    parser.add_argument("--processes", default=",".join(map(str, STEPS)), help="EXPECTED_PROCESSES, each in turn")
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if options.budget + _RESERVED > limit * 0.8:  # mongod reserves a fifth of its files
        print(f"this machine lets a process open {limit} files: take a smaller --budget", file=sys.stderr)
        return 1
    steps = [int(step) for step in options.processes.split(",")]
    try:
        rows = [row for platform in ({}, _FUNCTIONS) for row in _measure(platform, options.budget, steps)]
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    _show(rows)
    return 0


def _measure(platform: dict[str, str], budget: int, steps: list[int]) -> list[Row]:
    rows = []
    for step in steps:
        row = _row(platform, budget, step)
        if row.pool >= 1:  # else the service refuses these settings
            rows.append(replace(row, measured=_opened(platform, row)))
    return rows + [_row(platform, budget * factor, processes) for factor, processes in BEYOND]


def _row(platform: dict[str, str], budget: int, processes: int) -> Row:
    monitors = connections.monitors(polling=bool(platform))
    host = "Functions" if platform else "server"
    return Row(host, budget, processes, connections.pool_size(budget, processes, monitors), monitors)


def _opened(platform: dict[str, str], row: Row) -> int:
    """Return the connections that a mongod of its own counts when every pool is full."""
    place = Path("/dev/shm")  # noqa: S108 (a directory of our own is made in it)
    with (
        tempfile.TemporaryDirectory(prefix="dozen-bench-", dir=place if place.is_dir() else None) as data,
        Mongod(Path(data), extra_args=["--setParameter", "enableTestCommands=1"]) as mongod,
        MongoClient[dict[str, Any]](mongod.uri) as client,
    ):
        client.admin.command("ping")
        block = {"failCommands": ["ping"], "blockConnection": True, "blockTimeMS": _BLOCK_MS}
        client.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": block})
        time.sleep(_QUIET_S)  # the connections of mongod's own start are closed by then
        before = _count(client)
        environ = {"MONGO_DB_MAX_CONNECTIONS": str(row.budget), "EXPECTED_PROCESSES": str(row.processes)} | platform
        holders = [_Holder(environ | {"MONGO_DB_URI": mongod.uri}, share) for share in _shares(row.processes)]
        try:
            return _settled(client, before, row.computed)
        finally:
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
            for holder in holders:
                holder.stop()


def _count(client: MongoClient[dict[str, Any]]) -> int:
    return int(client.admin.command("serverStatus")["connections"]["current"])


def _settled(client: MongoClient[dict[str, Any]], before: int, computed: int) -> int:
    """Return the count once it has not grown for five seconds: more than was computed would show as well."""
    deadline, seen, since = time.monotonic() + _LONGEST_S, 0, time.monotonic()
    while time.monotonic() < deadline:
        now = _count(client) - before
        if now > seen:
            seen, since = now, time.monotonic()
        if seen and time.monotonic() - since > (5 if seen >= computed else 15):
            break
        time.sleep(0.2)
    return seen


def _shares(processes: int) -> list[int]:
    shares = [processes // _HOLDERS + (number < processes % _HOLDERS) for number in range(_HOLDERS)]
    return [share for share in shares if share]


class _Holder:
    """A process with the clients of many."""

    def __init__(self, environ: dict[str, str], clients: int) -> None:
        self._line, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_hold, args=(environ, clients, theirs), daemon=True)
        before = dict(os.environ)
        # pymongo reads it there
        os.environ.update({name: value for name, value in environ.items() if name in _FUNCTIONS})
        self._process.start()
        os.environ.clear()
        os.environ.update(before)

    def stop(self) -> None:
        self._line.send("stop")
        self._process.join(30)
        self._process.kill()


def _hold(environ: dict[str, str], clients: int, line: Connection) -> None:
    asyncio.run(_fill(Settings.from_environ(environ), clients, line))


async def _fill(settings: Settings, clients: int, line: Connection) -> None:
    uri = settings.control_uri
    opened = [AsyncMongoClient[dict[str, Any]](uri, **mongo.client_options(uri, settings)) for _ in range(clients)]
    tasks = [asyncio.create_task(_use(client)) for client in opened for _ in range(settings.pool_size)]
    await asyncio.to_thread(line.recv)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(client.close() for client in opened), return_exceptions=True)


async def _use(client: AsyncMongoClient[dict[str, Any]]) -> None:
    """Keep one connection busy; so many at once open as many connections."""
    while True:
        try:
            await client.admin.command("ping")
        except PyMongoError:  # a crowd of handshakes on a small machine: again
            await asyncio.sleep(0.1)


def _show(rows: list[Row]) -> None:
    known = [row.measured / row.computed for row in rows if row.measured is not None]
    ratio = sum(known) / len(known)
    print("| host | budget | processes | pool | monitors | computed | measured | measured / computed |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        seen, share = f"about {row.computed * ratio:,.0f}", "extrapolated"
        if row.measured is not None:
            seen, share = f"{row.measured:,}", f"{row.measured / row.computed:.3f}"
        numbers = f"{row.budget:,} | {row.processes:,} | {row.pool:,} | {row.monitors} | {row.computed:,}"
        print(f"| {row.host} | {numbers} | {seen} | {share} |")


if __name__ == "__main__":
    sys.exit(main())
