"""The service in this process: an app that can be swapped, and calls from bytes to bytes."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import azure.functions as func
from bson import json_util
from bson.objectid import ObjectId
from pymongo import AsyncMongoClient

from shared.app.files import AppError
from shared.auth.keys import new_key
from shared.endpoint.actions import Action, answer
from shared.mongo.control import API_KEYS
from shared.service import process
from tests.twins.documents import CALLER, USER
from tests.twins.plain import Document
from tests.twins.rules import SOURCES

DATABASES = ("twin_a", "twin_b")
COLLECTIONS: dict[str, dict[str, Any] | None] = {"plain": None, "folded": {"locale": "en", "strength": 2}}
"""The collections of both databases by name, each with its default collation."""

_CURSOR = re.compile(rb'(?<=\],)"cursor":"([-\w]+)"(?=}$)')
_PEOPLE = ("twin_users", "people")


class Answer(NamedTuple):
    """What a caller gets."""

    status: int
    headers: dict[str, str]
    body: bytes


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
        """Send a call, of an action with members and the format of its answer, and read what it is to its end."""
        answer = await self._call(database, collection, call)
        bodies = [answer.body]
        while (cursor := _CURSOR.search(answer.body)) is not None:
            more = {"action": "getMore", "form": call["form"], "body": {"cursor": cursor[1].decode()}}
            answer = await self._call(database, collection, more)
            bodies.append(answer.body)
        whole = b"\n".join(_CURSOR.sub(lambda found: b'"cursor":%d' % len(found[1]), each) for each in bodies)
        return answer._replace(body=whole)

    async def _call(self, database: str, collection: str, call: Document) -> Answer:
        body = {"dataSource": "mongodb-atlas", "database": database, "collection": collection, **call["body"]}
        request = func.HttpRequest(
            "POST",
            f"http://localhost/app/twin-abcde/endpoint/data/v1/action/{call['action']}",
            headers={"apikey": self._key, "accept": f"application/{call['form']}", **call.get("headers", {})},
            body=json_util.dumps(body, json_options=json_util.CANONICAL_JSON_OPTIONS).encode(),
        )
        response = await answer(request, self._actions[call["action"]], "twin-abcde")
        headers = {**response.headers, "content-type": response.mimetype}
        return Answer(response.status_code, headers, response.get_body())


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
