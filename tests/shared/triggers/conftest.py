"""Runners in this process, as several processes would have them, with functions in Python that do as a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from local.mongod import Mongod
from shared.app.model import DatabaseTrigger
from shared.mongo.clients import Clients
from shared.mongo.control import Control
from shared.settings import Settings
from shared.triggers.runner import Runner, Trigger
from tests.hosts import eventually

CONTROL = "triggered"
LEASE_SECONDS = 5.0


class Function:
    """A function: it takes what it is called with, and does what a test has put into `acts` for the next calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.acts: list[Callable[[], Any]] = []
        self.running = self.most = 0

    async def __call__(self, _: str, arguments: Sequence[Any]) -> None:
        self.calls.append(list(arguments))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.acts and (done := self.acts.pop(0)()) is not None:
                await done
        finally:
            self.running -= 1

    def given(self, path: str = "documentKey._id") -> list[Any]:
        """Return what the events held at a path."""
        found = []
        for [event] in self.calls:
            value: Any = event
            for name in path.split("."):
                value = value.get(name)
            found.append(value)
        return found

    async def called(self, times: int) -> None:
        async def enough() -> bool:
            return len(self.calls) >= times

        await eventually(enough)


def raising(error: Exception) -> Callable[[], Any]:
    def act() -> None:
        raise error

    return act


class Place:
    """A control database of the tests, and clients as a process has them."""

    def __init__(self, uri: str, driver: AsyncMongoClient[dict[str, Any]]) -> None:
        self.settings = Settings(
            mongo_db_uri=uri, dozen_database=CONTROL, mongo_db_timeout_ms=10_000, data_sources={"mongodb_atlas": uri}
        )
        self.driver = driver

    async def stored(self, name: str = "t") -> dict[str, Any]:
        return await self.driver[CONTROL]["triggers"].find_one({"_id": name}) or {}

    async def holds(self, member: str, name: str = "t") -> None:
        """Return when a member of what is stored is there."""

        async def is_there() -> bool:
            return bool((await self.stored(name)).get(member))

        await eventually(is_there)

    @asynccontextmanager
    async def running(self, function: Function, *triggers: Trigger, waits: bool = True) -> AsyncIterator[Runner]:
        """Run triggers until the end of the block, from when the first is running."""
        clients = Clients(self.settings)
        runner = Runner(Control(clients, self.settings), clients, self.settings, function, LEASE_SECONDS)
        task = asyncio.create_task(runner.run(triggers))
        if waits and isinstance(triggers[0], DatabaseTrigger):
            await self.holds("token", triggers[0].name)
        try:
            yield runner
        finally:
            runner.stop.set()
            await task
            await clients.close()


@pytest.fixture
async def place(mongod: Mongod, driver: AsyncMongoClient[dict[str, Any]]) -> Place:
    await driver[CONTROL]["triggers"].delete_many({})
    return Place(mongod.uri, driver)


@pytest.fixture
def function() -> Function:
    return Function()


def on_items(**members: Any) -> DatabaseTrigger:
    """Return a trigger by changes of the collection of the tests."""
    chosen = {"$match": {"operationType": {"$in": ["insert", "update", "replace", "delete"]}}}
    where = {"service": "mongodb-atlas", "database": "shop", "collection": "items", "pipeline": [chosen]}
    return DatabaseTrigger(**{"name": "t", "function": "f"} | where | members)
