"""Three real mongods that replicate, and what befalls them."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any, Self

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from local import child, ports
from local.mongod import Mongod
from tests.hosts import eventually
from tests.torture.place import TEST_COMMANDS

_SET = "rs0"


class Node(Mongod):
    """One of several: it runs as soon as it listens, whoever is primary."""

    def launch(self) -> None:
        """Start it without waiting, so that others have their turn meanwhile."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = child.start(self._command(), output=log)

    @property
    def address(self) -> str:
        return f"{ports.LOOPBACK}:{self.port}"

    def client(self) -> AsyncMongoClient[dict[str, Any]]:
        """Return a client of this node alone."""
        return AsyncMongoClient(
            ports.LOOPBACK, self.port, directConnection=True, serverSelectionTimeoutMS=1_000, socketTimeoutMS=2_000
        )


class ReplicaSet:
    """A set of three, with MongoDB's own times: a primary that is silent for 10 seconds is replaced."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [Node(folder / f"node{number}", extra_args=TEST_COMMANDS) for number in range(3)]

    @property
    def uri(self) -> str:
        return f"mongodb://{','.join(node.address for node in self.nodes)}/?replicaSet={_SET}"

    async def __aenter__(self) -> Self:
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            await self._listens(node)
        members = [{"_id": number, "host": node.address} for number, node in enumerate(self.nodes)]
        async with self.nodes[0].client() as client:
            await client.admin.command("replSetInitiate", {"_id": _SET, "members": members})
        await self.primary()
        await self.is_whole()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes:
            node.resume()
            node.kill()

    async def primary(self, patience: float = 60) -> Node:
        """Return the node that takes writes, once there is one."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for node in self.nodes:
                if await self._state(node) == "PRIMARY":
                    return node
            await asyncio.sleep(0.1)
        raise TimeoutError("the replica set has no primary")

    async def is_whole(self) -> None:
        """Return once there is a primary and all others follow it."""

        async def holds() -> bool:
            return sorted([await self._state(node) for node in self.nodes]) == ["PRIMARY", "SECONDARY", "SECONDARY"]

        await eventually(holds, 60)

    async def step_down(self) -> None:
        """Have the primary make room for another in order."""
        async with (await self.primary()).client() as client:
            with contextlib.suppress(PyMongoError):  # it may close the connection
                await client.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5)

    async def kill_primary(self) -> None:
        """End the primary as a power cut would, and start it again when the others have another."""
        killed = await self.primary()
        killed.kill()
        await self.primary()
        await self._start(killed)

    async def pause_primary(self, seconds: float) -> None:
        """Stop the primary so long, with its connections open and unanswered."""
        paused = await self.primary()
        paused.pause()
        await asyncio.sleep(seconds)
        paused.resume()

    async def restart_all(self) -> None:
        """Restart one after another in order, the primary last, as an upgrade does."""
        primary = await self.primary()
        for node in [*(each for each in self.nodes if each is not primary), primary]:
            if node is primary:
                await self.step_down()
            node.process.terminate()
            await asyncio.to_thread(node.process.wait)
            await self._start(node)

    async def _start(self, node: Node) -> None:
        node.launch()
        await self._listens(node)
        await self.is_whole()

    async def _listens(self, node: Node) -> None:
        async def holds() -> bool:
            return ports.is_listening(node.port)

        await eventually(holds, 60)

    async def _state(self, node: Node) -> str:
        try:
            async with node.client() as client:
                hello = await client.admin.command("hello")
        except PyMongoError:
            return "UNREACHABLE"
        return "PRIMARY" if hello["isWritablePrimary"] else "SECONDARY" if hello["secondary"] else "OTHER"
