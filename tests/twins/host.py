"""The service in this process: an app that can be swapped, and calls from bytes to bytes."""

import json
import re
import shutil
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import azure.functions as func
from bson.objectid import ObjectId
from pymongo import AsyncMongoClient

from shared.app.files import AppError
from shared.auth.keys import new_key
from shared.endpoint.actions import Action, answer
from shared.endpoint.http import NO_CONTEXT, respond
from shared.mcp import door
from shared.mongo.control import API_KEYS
from shared.service import process
from shared.telemetry.metrics import Metrics
from shared.telemetry.requests import RequestLine
from tests.twins import doors
from tests.twins.documents import CALLER, USER
from tests.twins.plain import Document
from tests.twins.rules import SOURCES

DATABASES = ("twin_a", "twin_b")
COLLECTIONS: dict[str, dict[str, Any] | None] = {"plain": None, "folded": {"locale": "en", "strength": 2}}
"""The collections of both databases by name, each with its default collation."""

SETTINGS = {"MCP": "write", "SCAN_GUARD": "warn", "SCAN_GUARD_DOCUMENTS": "0"}
"""What the service needs for the doors by which calls come in, and for a header that could tell of what is stored."""

_CURSOR = re.compile(rb'(?<=\],)"cursor":"([-\w]+)"(?=}$)')
_PEOPLE = ("twin_users", "people")
_counted: ContextVar[int | None] = ContextVar("counted", default=None)


class Answer(NamedTuple):
    """What a caller gets."""

    status: int
    headers: dict[str, str]
    body: bytes
    counted: int | None = None
    """The documents that count for the quota of a key, whose headers tell what is left of it."""


class _Counting(Metrics):
    """Notes what is counted of a call for the task that sent it."""

    def __init__(self) -> None:
        """Count nothing beyond it."""

    def request(self, line: RequestLine, *_: object) -> None:
        """Note it."""
        _counted.set(line.documents)


class Host:
    """The actions, answered from the request to the response; only the route is left out."""

    def __init__(self, folder: Path, key: str, actions: dict[str, Action]) -> None:
        """Take the folder of the exported app, the caller's key and the actions by name."""
        self._folder = folder
        self._key = key
        self._actions = actions

    @classmethod
    async def start(cls, folder: Path, client: AsyncMongoClient[Document]) -> "Host":
        """Store the caller and the empty collections; the environment must name the folder, and MongoDB."""
        key = await prepare(folder, client)
        from function_app import ACTIONS, CATALOG  # noqa: PLC0415  it reads the environment, and the app's folder

        process.service()
        process.reporting.metrics = _Counting()
        groups = (*ACTIONS, *CATALOG)
        return cls(folder, key, {name: action for each in groups for name, action in each.by_name.items()})

    def serve(self, collection: str, rules: Document, schema: Document) -> bool:
        """Swap the app for one with these rules of a collection, in both databases; tell whether it can be used."""
        for database in DATABASES:
            shutil.rmtree(_sources(self._folder) / database, ignore_errors=True)
        write_rules(self._folder, collection, rules, schema)
        exported = process.service().exported
        exported._read = None
        try:
            return exported.app is not None
        except AppError:
            return False

    async def call(self, database: str, collection: str, call: Document) -> Answer:
        """Send a call by the door that it names, and read what it is to its end.

        A call is of an action, with members and the format of its answer.
        """
        if "arguments" in call:
            place = {"database": database, "collection": collection}
            return await self._whole(await self._tool(call["action"], place | call["arguments"]), self._more_by_a_tool)
        if "terms" in call:
            return await self._on_terms(database, collection, call)
        return await self._whole(await self._call(database, collection, call), partial(self._more, call["form"]))

    async def _whole(self, answer: Answer, more: Callable[[str], Awaitable[Answer]]) -> Answer:
        bodies = [answer.body]
        while (cursor := _CURSOR.search(answer.body)) is not None:
            answer = await more(cursor[1].decode())
            bodies.append(answer.body)
        whole = b"\n".join(_CURSOR.sub(lambda found: b'"cursor":%d' % len(found[1]), each) for each in bodies)
        return answer._replace(body=whole)

    async def _more(self, form: str, cursor: str) -> Answer:
        return await self._call("", "", {"action": "getMore", "form": form, "body": {"cursor": cursor}})

    async def _more_by_a_tool(self, cursor: str) -> Answer:
        return await self._tool("more", {"cursor": cursor, "limit": 2})

    async def _on_terms(self, database: str, collection: str, call: Document) -> Answer:
        """Send a write with the tag of the document that it will meet, or twice with one key."""
        if call["terms"] == "tag":
            read = call | {"action": "findOne", "body": {"filter": call["body"]["filter"]}}
            tag = (await self._call(database, collection, read)).headers.get("ETag", "*")
            return await self._call(database, collection, call | {"headers": {"if-match": tag}})
        sent = call | {"headers": {"idempotency-key": uuid.uuid4().hex}}
        first, second = [await self._call(database, collection, sent) for _ in range(2)]
        return second._replace(body=first.body + b"\n" + second.body)

    async def _tool(self, action: str, arguments: Document) -> Answer:
        headers = {"apikey": self._key, "mcp-protocol-version": "2025-11-25", "content-type": "application/json"}
        request = func.HttpRequest(
            "POST", "http://localhost/mcp", headers=headers, body=doors.message(action, arguments)
        )
        work = partial(door.answer, actions=self._actions)
        response = await respond(request, NO_CONTEXT, "mcp", work)
        result = doors.result(response.get_body())
        return Answer(result.status, dict(response.headers), result.body, _counted.get())

    async def _call(self, database: str, collection: str, call: Document) -> Answer:
        place = {"dataSource": "mongodb-atlas", "database": database, "collection": collection} if database else {}
        request = func.HttpRequest(
            "POST",
            f"http://localhost/app/twin-abcde/endpoint/data/v1/action/{call['action']}",
            headers={"apikey": self._key, "accept": f"application/{call['form']}", **call.get("headers", {})},
            body=doors.written(place | call["body"]),
        )
        response = await answer(request, self._actions[call["action"]], "twin-abcde")
        headers = {**response.headers, "content-type": response.mimetype}
        return Answer(response.status_code, headers, response.get_body(), _counted.get())


async def prepare(folder: Path, client: AsyncMongoClient[Document]) -> str:
    """Write the app, store the caller and the empty collections; return the caller's key."""
    for name, content in _APP.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "functions").mkdir(exist_ok=True)
    for name, source in SOURCES.items():
        (folder / "functions" / f"{name}.js").write_text(source)
    key, stored = new_key(USER["data"]["name"])
    await client["dozen"][API_KEYS].delete_many({"_id": ObjectId(CALLER)})
    await client["dozen"][API_KEYS].insert_one(stored | {"_id": ObjectId(CALLER)})
    people = client[_PEOPLE[0]][_PEOPLE[1]]
    await people.delete_many({})
    await people.insert_one({"_id": 1, **USER["custom_data"]})
    for database in DATABASES:
        await client.drop_database(database)
        for name, collation in COLLECTIONS.items():
            await client[database].create_collection(name, collation=collation)
    return key


def write_rules(folder: Path, collection: str, rules: Document, schema: Document) -> None:
    """Write the rules and the schema of a collection, in both databases."""
    for database in DATABASES:
        place = _sources(folder) / database / collection
        place.mkdir(parents=True, exist_ok=True)
        (place / "rules.json").write_text(json.dumps(rules))
        (place / "schema.json").write_text(json.dumps(schema))


def _sources(folder: Path) -> Path:
    return folder / "data_sources" / "mongodb-atlas"


_APP: dict[str, Document] = {
    "root_config.json": {"app_id": "twin-abcde", "name": "twin"},
    "auth/providers.json": {"api-key": {"name": "api-key", "type": "api-key", "disabled": False}},
    "auth/custom_user_data.json": {
        "enabled": True,
        "mongo_service_name": "mongodb-atlas",
        "database_name": _PEOPLE[0],
        "collection_name": _PEOPLE[1],
        "user_id_field": "uid",
    },
    "http_endpoints/data_api_config.json": {"fetch_custom_user_data": True},
    "data_sources/mongodb-atlas/config.json": {"name": "mongodb-atlas", "type": "mongodb-atlas", "config": {}},
}
