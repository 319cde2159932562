"""What openapi.json says that a caller may do: what it leaves out does nothing, what it names can do something."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import restart
from tests.functions.rules.conftest import SETTINGS, Known, Person
from tests.functions.test_openapi import PATH
from tests.hosts import ROOT, Worker
from tests.test_actions import ALL

type Serve = Callable[..., None]
type Calls = list[dict[str, Any]]

SOURCE = "data_sources/mongodb-atlas"
ACTIONS = "/app/{app_id}/endpoint/data/{version}/action/"
PLACE = {"collection": "notes"}
OWN = {"owner": "%%user.id"}
HELD = [True, {}, {"kind": "a"}, {"%%user.id": {"%exists": True}}, {"%%request.httpMethod": "POST"}]
REFUSED = [False, {"%%user.id": "somebody else"}, {"%%request.httpMethod": "GET"}, {"%%request.action": "none"}]
OF_ACTION = {"%%request.action": {"%in": ["findOne", "insertOne", "updateMany", "deleteOne", "bulkWrite"]}}
CONDITIONS = [*HELD, *REFUSED, OF_ACTION]
CALLABLE = [{}, {}, OF_ACTION, {"%%request.action": {"%nin": ["insertOne", "find", "transaction"]}}]
WHOLE = {"replaceOne", "findOneAndReplace"}  # other fields than the writable ones may be in the way of each
NOT_TRIED = {"getMore", "changes"}  # a cursor needs more documents, and what has changed is nothing at first
FILES = {
    "rules": f"{SOURCE}/shop/notes/rules.json",
    "default": f"{SOURCE}/default_rule.json",
    "api": "http_endpoints/data_api_config.json",
    "dozen": "dozen.json",
}


def rules(chance: random.Random) -> dict[str, Any]:
    """Return rules of a collection, of which every condition that can hold does for some document of STATES."""
    applied: list[dict[str, Any]] = chance.choice([[], [{}], [{}], [OWN], [OWN], [OWN, {}], [OWN, {}]])
    return {"roles": [_role(chance, f"{number}", each) for number, each in enumerate(applied)], "filters": []}


def _role(chance: random.Random, name: str, applied: dict[str, Any]) -> dict[str, Any]:
    some: dict[str, Any] = {"name": name, "apply_when": applied}
    whole = {name: chance.choice(CONDITIONS) for name in ("read", "write") if chance.random() < 0.7}
    fields = {"fields": {"n": _field(chance)}, "additional_fields": _field(chance)}
    filters = {"document_filters": {name: chance.choice(CONDITIONS) for name in ("read", "write")}}
    return {
        **some,
        **(whole if chance.random() < 0.6 else fields),
        **(filters if chance.random() < 0.3 else {}),
        **{name: chance.choice(CONDITIONS) for name in ("insert", "delete") if chance.random() < 0.4},
    }


def _field(chance: random.Random) -> dict[str, Any]:
    return {name: chance.choice([True, *REFUSED, OF_ACTION]) for name in ("read", "write") if chance.random() < 0.7}


def _of(person: Person) -> list[dict[str, Any]]:
    return [{"owner": owner, "kind": kind} for owner in (person.id, "else") for kind in ("a", "b")]


def states(person: Person) -> list[list[dict[str, Any]]]:
    """Return what the collection may hold."""
    some = [*_of(person), *(_of(person)[number] | {"n": 7} for number in (0, 2)), {"n": 7}]
    return [[each | {"_id": number} for number in range(2)] for each in some]


def calls(person: Person) -> dict[str, Calls]:
    """Return calls of every action, of which one does something if any does."""
    new = _of(person)
    everything: Calls = [{"filter": {}}]
    updates: Calls = [{"filter": {}, "update": {"$set": {name: 1}}} for name in "nm"]
    updates += [{"filter": {"kind": "z"}, "update": {"$set": each}, "upsert": True} for each in new]
    replaced: Calls = [{"filter": {}, "replacement": each | {name: 1}} for each in new for name in "nm"]
    replaced += [{"filter": {"kind": "z"}, "replacement": each, "upsert": True} for each in new]
    inserted: Calls = [{"document": each} for each in new]
    writes: dict[str, Calls] = {
        "insertOne": inserted, "deleteOne": everything, "deleteMany": everything,
        "updateOne": updates, "updateMany": updates, "replaceOne": replaced,
    }  # fmt: skip
    reads: dict[str, Calls] = {"findOne": everything, "aggregate": [{"pipeline": []}]}
    parts = [(name, each) for name, some in (writes | reads).items() for each in some]
    others: dict[str, Calls] = {name: [{}] for name in ALL.keys() - NOT_TRIED}
    return others | reads | writes | {
        "insertMany": [{"documents": [each]} for each in new],
        "findOneAndUpdate": updates, "findOneAndReplace": replaced, "findOneAndDelete": everything,
        "distinct": [{"fieldName": each} for each in ("_id", "n", "kind", "m")],
        "bulkWrite": [{"requests": [{name: each}]} for name, each in parts if name in writes],
        "transaction": [{"operations": [PLACE | {"action": name} | each]} for name, each in parts],
        "explain": [{"action": "find", "filter": {}}],
        "createIndexes": [{"indexes": [{"key": {"n": 1}, "name": "n"}]}],
        "dropIndexes": [{"index": "*"}],
    }  # fmt: skip


async def done(person: Person, database: Any) -> set[str]:
    """Return the actions that find something, or do something, in one of the states."""
    found: set[str] = set()
    for state in states(person):
        for name, some in calls(person).items():
            for each in some if name not in found else ():
                await database.notes.delete_many({})
                await database.notes.insert_many(state)
                answer = await person(name, **PLACE, **each)
                after = [each async for each in database.notes.find({}, sort=[("_id", 1)])]
                found |= {name} if _did(name, answer, state != after) else set()
    return found


def _did(name: str, answer: Any, is_changed: bool) -> bool:
    if name == "createCollection":  # it is there
        return bool(answer.status != 403)
    succeeds = answer.status == 200 and (ALL[name].administers or _says(answer.json))
    return is_changed or (succeeds and (name == "transaction" or ALL[name].reads or ALL[name].administers))


def _says(reply: Any) -> bool:
    """Tell whether a reply says something of a document, a name or a number."""
    if isinstance(reply, dict):
        return any(_says(value) for name, value in reply.items() if name not in {"ok", "modifiedCount"})
    return any(map(_says, reply)) if isinstance(reply, list) else bool(reply)


async def told(person: Person) -> set[str]:
    """Return the actions that the document names."""
    answer = await person.host.request("GET", PATH, {"Authorization": f"Bearer {person.access_token}"})
    assert answer.status in {200, 403}, answer.body
    return {path.removeprefix(ACTIONS) for path in answer.json.get("paths", ()) if path.startswith(ACTIONS)}


@pytest.fixture
async def ann(
    tmp_path: Path, configured: pytest.MonkeyPatch, worker: Worker, known: Known, database: Any
) -> tuple[Person, Serve]:
    """A user of an app with rules for one collection alone, and what serves it with other rules."""
    folder = Path(shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop"))
    files = {name: (folder / path) for name, path in FILES.items()}
    for each in (folder / SOURCE / "shop").iterdir():
        shutil.rmtree(each)
    files["rules"].parent.mkdir()
    files["rules"].write_text(json.dumps({"database": "shop", **PLACE, "roles": [], "filters": []}))
    files["default"].write_text(json.dumps({"roles": [], "filters": []}))
    for name, value in (SETTINGS | {"APP_CONFIG_DIR": str(folder), "AUTH_CACHE_SECONDS": "3600"}).items():
        configured.setenv(name, value)

    def serve(**changed: dict[str, Any]) -> None:
        for name, members in changed.items():
            files[name].write_text(json.dumps(json.loads(files[name].read_text()) | members))
        restart()

    return await known(worker, "ann@shop.example"), serve


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(each, marks=pytest.mark.full) for each in range(3, 8))])
async def test_what_is_left_out_does_nothing_and_what_is_named_can(
    ann: tuple[Person, Serve], database: Any, seed: int
) -> None:
    person, serve = ann
    chance = random.Random(seed)
    serve(
        rules=rules(chance),
        api={"can_evaluate": chance.choice(CALLABLE)},
        dozen={"administer": chance.choice([True, False])},
    )

    did, named = await done(person, database), await told(person)

    assert (did - named, named - did - NOT_TRIED - WHOLE) == (set(), set())
