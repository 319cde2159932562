"""The parts every test may use: a real mongod, a key, both hosts and an empty database."""

import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
from pymongo import AsyncMongoClient, MongoClient

from local import child, ports
from local.mongod import SMALL, Mongod, find_mongod
from shared.auth.keys import new_key
from shared.cache import store
from shared.mongo.control import API_KEYS
from shared.mongo.readiness import Readiness
from shared.service import Service, process
from shared.settings import VERSION
from shared.telemetry.log import LOGGER
from tests.depth import (
    HOSTS,
    pytest_collection_modifyitems,
    pytest_refuse_another_depth,
    pytest_report_header,
    pytest_take_time,
)
from tests.held import Hold
from tests.hosts import Answer, Host, Server, Worker, eventually
from tests.leaks import pytest_listen, pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown
from tests.memory import pytest_collection, pytest_leave_memory, pytest_move_to_memory
from tests.patient import SECONDS
from tests.valkey import Valkey

__all__ = [  # hooks: pytest finds them here
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_leave_memory",
    "pytest_listen",
    "pytest_move_to_memory",
    "pytest_refuse_another_depth",
    "pytest_report_header",
    "pytest_sessionfinish",
    "pytest_take_time",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]  # fmt: skip

ACTION = "/app/shop-abcde/endpoint/data/v1/action/"
DATABASE = "shop"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than cores: half of the time, a test waits for a process, a deadline or an export."""
    return (os.process_cpu_count() or 1) + 2


@pytest.hookimpl(specname="pytest_configure")
def pytest_refuse_to_share(config: pytest.Config) -> None:
    """Workers would empty each other's collections."""
    if os.environ.get("TEST_MONGO_DB_URI") and config.getoption("dist", "no") != "no":
        raise pytest.UsageError("TEST_MONGO_DB_URI is one MongoDB, which workers cannot share: run with -n 0")


class GivenMongod(Mongod):
    """An empty replica set that somebody else started with enableTestCommands, and ends: TEST_MONGO_DB_URI."""

    def __init__(self, uri: str) -> None:
        super().__init__(Path())
        self.given_uri = uri

    @property
    def uri(self) -> str:
        return self.given_uri

    def __enter__(self) -> Self:
        with MongoClient[dict[str, Any]](self.uri) as client:
            held = set(client.list_database_names()) - {"admin", "config", "local"}
        if held:
            pytest.exit(f"TEST_MONGO_DB_URI is no empty MongoDB: it holds {', '.join(sorted(held))}", returncode=2)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it running."""


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A mongod for the whole run, or for one worker of it, with test commands such as failCommand enabled."""
    if uri := os.environ.get("TEST_MONGO_DB_URI"):
        with GivenMongod(uri) as given:
            yield given
        return
    server = Mongod(tmp_path_factory.mktemp("mongod"), extra_args=["--setParameter", "enableTestCommands=1"]).start()
    yield server
    server.kill()  # in order it would take a second, for data that nobody wants


@pytest.fixture(scope="session", autouse=True)
def environment(mongod: Mongod) -> Iterator[None]:
    """The settings of the worker in this process."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("MONGO_DB_")]:
        del os.environ[name]
    os.environ["MONGO_DB_URI"] = mongod.uri
    os.environ["KEY_USES"] = "off"  # no write that a fail point of another test could meet
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(params=["--noauth"])
def standalone(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A mongod that is no replica set."""
    port = ports.free_port()
    data = tmp_path / "standalone"
    data.mkdir()
    with (tmp_path / "log").open("wb") as log:
        options = [f"--dbpath={data}", f"--port={port}", "--bind_ip=127.0.0.1", request.param]
        process = child.start([str(find_mongod()), *SMALL, *options], output=log)
    yield f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=30000"
    child.stop(process)


@pytest.fixture(scope="session")
def key(mongod: Mongod) -> str:
    """An API key with full access."""
    made, stored = new_key("tests", system=True)
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client["dozen"][API_KEYS].create_index("hash", unique=True)
        client["dozen"][API_KEYS].insert_one(stored)
    return made


@pytest.fixture(scope="session")
async def worker(environment: None) -> AsyncIterator[Worker]:
    """Microsoft's worker library, in this process."""
    yield Worker()
    await process.close()


@pytest.fixture(scope="session")
async def server(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """server.py with default settings."""
    async with Server(tmp_path_factory.mktemp("server") / "log", MONGO_DB_URI=mongod.uri) as running:
        yield running


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Host:
    """Each host in turn."""
    running: Host = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process wait for a Valkey that is busy, in tests of what one counts."""
    monkeypatch.setattr(store, "_SECONDS", SECONDS)


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    """A Valkey of the test's own, empty."""
    server = Valkey(tmp_path)
    await server.start()
    yield server
    await server.close()


@pytest.fixture(scope="session")
async def driver(mongod: Mongod) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """The driver's own client: the other side of the service."""
    async with AsyncMongoClient[dict[str, Any]](mongod.uri) as client:
        yield client


@pytest.fixture
async def database(driver: AsyncMongoClient[dict[str, Any]]) -> Any:
    """The database that the tests' requests name, empty, seen by the driver's own client."""
    await eventually(partial(_is_still, driver))
    for name in await driver[DATABASE].list_collection_names():  # dropping the database takes 100 ms
        await driver[DATABASE].drop_collection(name)
    return driver[DATABASE]


async def _is_still(driver: AsyncMongoClient[dict[str, Any]]) -> bool:
    """Tell whether no command of an earlier test is still carried out: whoever asked for it may have left.

    A transaction that was left open is ended: MongoDB itself would after a minute, and a drop waits for it.
    """
    here = {"ns": {"$regex": f"^{DATABASE}[.]"}, "active": True, "op": {"$ne": "getmore"}}
    left = {"type": "idleSession", "transaction": {"$exists": True}}
    running: list[dict[str, Any]] = [
        {"$currentOp": {"allUsers": True, "idleSessions": True}},
        {"$match": {"$or": [here, left]}},
    ]
    found = await (await driver.admin.aggregate(running)).to_list()
    if idle := [each["lsid"]["id"] for each in found if each["type"] == "idleSession" and _is_old(each)]:
        await driver.admin.command({"killSessions": [{"id": each} for each in idle]})
    return not found


def _is_old(idle: dict[str, Any]) -> bool:
    """Tell whether the next command of a transaction cannot be on its way."""
    return bool(idle["transaction"]["timeOpenMicros"] > 500_000)


@pytest.fixture
def within_an_hour() -> None:
    """Begin in no last half minute of an hour or a day, when what counts by them would count anew during the test."""
    left = 3600 - time.time() % 3600
    if left < 30:
        time.sleep(left)


@pytest.fixture(scope="session")
def crowded(mongod: Mongod) -> str:
    """A database whose collection `items` holds one document more than any reply may: 50,001."""
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client["crowded"]["items"].insert_many([{"_id": number} for number in range(50_001)])
    return "crowded"


class Armed(NamedTuple):
    """A fail point that is armed."""

    client: AsyncMongoClient[dict[str, Any]]
    before: int

    async def has_met(self, commands: int = 1) -> None:
        """Return as soon as so many commands of the service have come to it; those that it blocks are there still."""
        await self.client.admin.command(
            {"waitForFailPoint": "failCommand", "timesEntered": self.before + commands, "maxTimeMS": 60_000}
        )


class FailPoint(NamedTuple):
    """Makes the server fail the service's next command: MongoDB's own failCommand."""

    client: AsyncMongoClient[dict[str, Any]]

    async def __call__(self, *commands: str, times: int = 1, **data: Any) -> Armed:
        """Arm it; errorCode, closeConnection, blockConnection and others say how.

        What is blocked may be so for long: it is ended with the test. Use `Hold` where it is to go on.
        """
        data |= {"failCommands": list(commands), "appName": f"dozen/{VERSION}"}
        mode = {"times": times}
        armed = await self.client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})
        return Armed(self.client, armed["count"])

    async def end_blocked(self) -> None:
        """End what is still blocked; turning the fail point off would wait for it."""
        hello = {"command.hello": {"$exists": True}}
        blocked: dict[str, Any] = {
            "active": True, "appName": f"dozen/{VERSION}", "ns": {"$regex": "[.][$]cmd$"}, "$nor": [hello]
        }  # fmt: skip
        async with await self.client.admin.aggregate([{"$currentOp": {}}, {"$match": blocked}]) as commands:
            async for each in commands:
                await self.client.admin.command({"killOp": 1, "op": each["opid"]})


@pytest.fixture
async def fail_point(driver: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[FailPoint]:
    """Arm failCommand on the mongod of the run; it is off again afterwards, and no cursor is left behind."""
    point = FailPoint(driver)
    yield point
    await point.end_blocked()
    await driver.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    idle: list[dict[str, Any]] = [{"$currentOp": {"idleCursors": True}}, {"$match": {"type": "idleCursor"}}]
    async with await driver.admin.aggregate(idle) as cursors:
        async for each in cursors:  # those of a connection that was closed stay for ten minutes
            database, _, collection = each["ns"].partition(".")
            await driver[database].command("killCursors", collection, cursors=[each["cursor"]["cursorId"]])


@pytest.fixture
async def hold(driver: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[Hold]:
    """Hold commands in the mongod of the run; nothing is held any more afterwards."""
    made = Hold(driver)
    yield made
    await made.end()


def request_body(**members: Any) -> bytes:
    """Return the body of an action on shop.items."""
    return _bytes({"dataSource": "mongodb-atlas", "database": DATABASE, "collection": "items"} | members)


class Post(NamedTuple):
    """Posts actions to one host with a valid key."""

    host: Host
    key: str

    async def __call__(self, action: str, body: Any = None, /, *, accept: str | None = None, **members: Any) -> Answer:
        """Post an action on shop.items, its members as keywords, or a whole body as bytes, text or object."""
        if body is None:
            body = request_body(**members)
        headers = {"apiKey": self.key, "Content-Type": "application/json"}
        if accept:
            headers["Accept"] = accept
        return await self.host.request("POST", ACTION + action, headers, _bytes(body))


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


@pytest.fixture
def post(host: Host, key: str, database: Any) -> Post:
    """Post actions to each host in turn, on an empty database."""
    return Post(host, key)


_replaced: list[Service] = []


@pytest.fixture
async def configured(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[pytest.MonkeyPatch]:
    """Let a test set environment variables for the worker in this process, which has a service of the test's own."""
    before, process.held, process.readiness = process.held, None, Readiness()
    level = LOGGER.level  # of the process, to which a service gives its own
    yield monkeypatch
    restart()
    while _replaced:
        await _replaced.pop().close()
    monkeypatch.undo()
    process.held, process.readiness = before, Readiness()
    LOGGER.setLevel(level)


def restart() -> None:
    """Have the worker in this process begin anew with the settings as they are now, in a test with `configured`."""
    if process.held is not None:
        _replaced.append(process.held)
        process.held = None


def errors_only(answer: Answer) -> dict[str, str]:
    """Return an error reply's members, having checked the shape that every error has."""
    assert answer.headers["content-type"] == "application/json"
    members: dict[str, str] = answer.json
    assert members.keys() <= {"error", "error_code"}
    assert members["error"]
    assert all(isinstance(value, str) for value in members.values())
    return members
