"""Sends the operations of a unified test as calls, and compares the replies and what MongoDB holds then."""

from typing import Any

from bson import json_util
from pymongo import AsyncMongoClient

from tests.conftest import ACTION
from tests.crud_spec.cases import Case, options
from tests.crud_spec.matching import matches
from tests.hosts import Answer, Host

_RESULTS = {
    "find": "documents",
    "aggregate": "documents",
    "distinct": "values",
    "countDocuments": "count",
    "estimatedDocumentCount": "count",
    "findOne": "document",
    "findOneAndDelete": "document",
    "findOneAndReplace": "document",
    "findOneAndUpdate": "document",
}
"""The member of the reply that is what the method of a driver returns."""

_PREPARING = ("failPoint", "createIndex", "createCollection", "dropCollection", "modifyCollection")
"""What a test does to MongoDB before what it is of."""

_COUNTING_UPSERTS = ("updateOne", "updateMany", "replaceOne")


class Runner:
    """Sends tests to one host."""

    def __init__(self, host: Host, key: str, driver: AsyncMongoClient[dict[str, Any]]) -> None:
        self._host = host
        self._key = key
        self._driver = driver

    async def failure(self, case: Case) -> str | None:
        """Return what went otherwise than a test expects, or None."""
        await self._prepare(case)
        for number, operation in enumerate(case.operations):
            if operation["name"] in _PREPARING:
                await self._by_driver(case, operation)
            elif wrong := _wrong(operation, await self._send(case, operation)):
                return f"operation {number}, {operation['name']}: {wrong}"
        for expected in case.outcome:
            held = self._driver[expected["databaseName"]][expected["collectionName"]].find(sort=[("_id", 1)])
            if not matches(expected["documents"], found := await held.to_list()):
                return f"MongoDB holds {found}, not {expected['documents']}"
        return None

    async def _prepare(self, case: Case) -> None:
        await self._driver.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
        for data in case.initial:
            collection = self._driver[data["databaseName"]][data["collectionName"]]
            await collection.drop()
            if data["documents"]:
                await collection.insert_many(data["documents"])
            else:
                await collection.database.create_collection(collection.name)

    async def _by_driver(self, case: Case, operation: dict[str, Any]) -> None:
        arguments = dict(operation["arguments"])
        if operation["name"] == "failPoint":
            await self._driver.admin.command(arguments["failPoint"])
            return
        entity = case.entities[operation["object"]]
        database = self._driver[case.entities[entity.get("database", entity["id"])]["databaseName"]]
        name = arguments.pop("collection", entity.get("collectionName"))
        match operation["name"]:
            case "createIndex":
                await database[name].create_index(list(arguments["keys"].items()), unique=True)
            case "createCollection":
                await database.create_collection(name, **arguments)
            case "dropCollection":
                await database.drop_collection(name)
            case "modifyCollection":
                await database.command({"collMod": name} | arguments)

    async def _send(self, case: Case, operation: dict[str, Any]) -> Answer:
        entity = case.entities[operation["object"]]
        place = {"dataSource": "mongodb-atlas"}
        if entity["type"] == "collection":
            place |= {"collection": entity["collectionName"]}
            database = case.entities[entity["database"]]
        else:
            database = entity
        place |= {"database": database["databaseName"]}
        inherited = options(database) | options(entity)
        body = place | inherited | operation.get("arguments", {})
        headers = {"apiKey": self._key, "Content-Type": "application/ejson", "Accept": "application/ejson"}
        return await self._host.request("POST", f"{ACTION}{operation['name']}", headers, json_util.dumps(body).encode())


def _wrong(operation: dict[str, Any], answer: Answer) -> str | None:
    reply = json_util.loads(answer.body)
    if expected := operation.get("expectError"):
        if answer.status < 400:
            return f"an error was expected, {answer.status} came: {reply}"
        partial = expected.get("expectResult")
        if partial is not None and not matches(partial, reply.get("partialResult")):
            return f"{reply.get('partialResult')} instead of {partial}"
        return None
    if answer.status >= 400:
        return f"{answer.status}: {reply}"
    result = _result(operation["name"], reply)
    if "expectResult" in operation and not matches(operation["expectResult"], result):
        return f"{result} instead of {operation['expectResult']}"
    return None


def _result(name: str, reply: dict[str, Any]) -> Any:
    if member := _RESULTS.get(name):
        return reply[member]
    if name == "insertMany":
        return reply | {"insertedIds": {str(n): each for n, each in enumerate(reply["insertedIds"])}}
    if name in _COUNTING_UPSERTS:
        return reply | {"upsertedCount": int("upsertedId" in reply)}
    return reply
