"""Commands that MongoDB holds until a test lets them go: nobody has to guess how long something else takes."""

from functools import partial
from typing import Any

from pymongo import AsyncMongoClient

from tests.hosts import eventually

_POINTS = {
    "find": "waitInFindBeforeMakingBatch",
    "getMore": "waitAfterPinningCursorBeforeGetMoreBatch",
    "insert": "hangDuringBatchInsert",
}


class Hold:
    """Holds the commands of a collection, from `begin` to `end`, by MongoDB's own fail points."""

    def __init__(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        self._client = client
        self._begun: list[str] = []

    async def begin(self, command: str, namespace: str = "shop.items") -> None:
        """Hold what comes from now on, in a collection that there is then: in none, there is nothing to hold."""
        database, _, collection = namespace.partition(".")
        if collection not in await self._client[database].list_collection_names():
            await self._client[database].create_collection(collection)
        self._begun.append(_POINTS[command])
        data = {"nss": namespace, "shouldCheckForInterrupt": True}
        await self._client.admin.command({"configureFailPoint": _POINTS[command], "mode": "alwaysOn", "data": data})

    async def holds(self, commands: int = 1) -> None:
        """Return as soon as so many commands are held."""
        await eventually(partial(self._holds, commands), 60)

    async def end(self) -> None:
        """Let all go on."""
        while self._begun:
            await self._client.admin.command({"configureFailPoint": self._begun.pop(), "mode": "off"})

    async def _holds(self, commands: int) -> bool:
        held: list[dict[str, Any]] = [{"$currentOp": {}}, {"$match": {"failpointMsg": {"$in": self._begun}}}]
        return len(await (await self._client.admin.aggregate(held)).to_list()) >= commands
