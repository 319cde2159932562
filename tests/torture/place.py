"""Where trouble is made: a folder in memory, servers of MongoDB and of the service, and a key to it."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient, MongoClient

from bench import machine
from local.mongod import Mongod
from local.ports import free_port
from shared.auth.keys import new_key
from shared.mongo.control import API_KEYS
from shared.settings import VERSION
from tests.hosts import Server
from tests.torture.promises import LIVE, NOT_LIVE, Promise
from tests.torture.report import Row, percentile

type Driver = AsyncMongoClient[dict[str, Any]]

_OPEN = {"01", "08"}  # established, and closed by the client alone: include/net/tcp_states.h
TEST_COMMANDS = ("--setParameter", "enableTestCommands=1")


@dataclass(frozen=True)
class Place:
    """What every kind of trouble is given.

    With a pace below 1 all takes less time, and proves less: for the tests, and for whoever changes this package.
    """

    folder: Path
    pace: float = 1.0
    cases: int = 0
    seed: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def seconds(self, full: float) -> float:
        """Return how long something goes on that takes so many seconds at full pace."""
        return full * self.pace

    def times(self, full: int) -> int:
        """Return how many times something is done; once at least."""
        return max(round(full * self.pace), 1)

    def path(self, name: str) -> Path:
        """Return a path that nobody has used."""
        return self.folder / f"{name}-{next(self._numbers)}"

    @asynccontextmanager
    async def mongod(self) -> AsyncIterator[Mongod]:
        """Run a MongoDB of one node, whose commands can be made to fail."""
        node = Mongod(self.path("mongod"), extra_args=TEST_COMMANDS).start()
        try:
            yield node
        finally:
            node.resume()
            node.kill()

    def server(self, uri: str, name: str = "server", **env: str) -> Server:
        """Return a server of the service that is not started yet."""
        return Server(self.path(f"{name}.log"), MONGO_DB_URI=uri, HEALTH_PORT=str(free_port()), **env)


def client_of(uri: str) -> Driver:
    """Return the driver's own client: the other side of the service."""
    return AsyncMongoClient(uri)


def system_key(uri: str) -> str:
    """Store a key with full access, and return it."""
    made, stored = new_key("torture", system=True)
    with MongoClient[dict[str, Any]](uri) as client:
        client["dozen"][API_KEYS].insert_one(stored)
    return made


@asynccontextmanager
async def failing(driver: Driver, *commands: str, **data: Any) -> AsyncIterator[None]:
    """Make such commands of the service fail, or wait, all the time: MongoDB's own failCommand."""
    data |= {"failCommands": list(commands), "appName": f"dozen/{VERSION}"}
    await driver.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data})
    try:
        yield
    finally:
        await driver.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


def descriptors(server: Server) -> int:
    """Return how many file descriptors a server has open."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.family)


def connections(server: Server) -> int:
    """Return how many connections its clients have to it, or that it has not closed behind them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{server.port:04X}") and row[3] in _OPEN for row in rows)


def threads(server: Server) -> int:
    """Return how many threads a server has."""
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in server.family)


def resident_mb(server: Server) -> float:
    """Return the memory that a server has now."""
    return sum(machine.resident_mb(pid) for pid in server.family)


def peak_mb(server: Server) -> float:
    """Return the most memory that a server has had."""
    return sum(machine.peak_mb(pid) for pid in server.family)


def cpu_seconds(server: Server) -> float:
    """Return the processor time that a server has used."""
    return machine.cpu_seconds(server.family)


async def ask(port: int, request: bytes, patience: float = 60) -> tuple[int, float]:
    """Send a request on a connection of its own; return the status, 0 if none came, and the seconds that it took."""
    started = time.monotonic()
    status = 0
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                status = int((await reader.readuntil(b"\r\n")).split()[1])
                await reader.read()
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        pass
    return status, time.monotonic() - started


ASK_LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ASK_READY = ASK_LIVE.replace(b"live", b"ready")


class Pulse:
    """Asks for something again and again while a block runs, whatever became of the question before."""

    def __init__(self, port: int, request: bytes, every: float) -> None:
        self.port = port
        self.request = request
        self.every = every
        self.answers: list[tuple[int, float]] = []

    async def __aenter__(self) -> "Pulse":
        self._asking: set[asyncio.Task[None]] = set()
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        await asyncio.gather(*self._asking)

    @property
    def seconds(self) -> list[float]:
        """How long each answer took."""
        return [seconds for _, seconds in self.answers]

    def other_than(self, *statuses: int) -> list[tuple[int, float]]:
        """Return the answers with another status."""
        return [answer for answer in self.answers if answer[0] not in statuses]

    async def _beat(self) -> None:
        while True:
            task = asyncio.create_task(self._ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            await asyncio.sleep(self.every)

    async def _ask(self) -> None:
        self.answers.append(await ask(self.port, self.request))


def probed(server: Server, every: float = 0.1) -> Pulse:
    """Return probes of whether a server is live, on the port that it has for them."""
    return Pulse(int(server.env["HEALTH_PORT"]), ASK_LIVE, every)


def live_rows(where: str, live: Pulse, within: Promise = LIVE) -> list[Row]:
    """Return how the process told that it lives."""
    return [
        NOT_LIVE.none_of(where, live.other_than(200), f"of {len(live.answers)}"),
        within.row(where, percentile(live.seconds, 0.99) * 1_000),
    ]


async def seconds_until(port: int, request: bytes, wanted: int = 200, patience: float = 60) -> float:
    """Return after how many seconds a request is answered with a status; infinite if it never is."""
    started = time.monotonic()
    while time.monotonic() - started < patience:
        status, _ = await ask(port, request)
        if status == wanted:
            return time.monotonic() - started
        await asyncio.sleep(0.05)
    return float("inf")
