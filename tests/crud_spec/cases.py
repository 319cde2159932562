"""The unified tests of the CRUD specification, each with the reason why it cannot be sent, if there is one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bson import json_util

SERVER = (6, 0, 5)
"""The version of MongoDB for which the tests choose themselves."""

_NOT_ACTIONS = {
    "clientBulkWrite": "one bulkWrite of several namespaces is of a client, not of a collection",
    "count": "the drivers have deprecated it",
}


class Case(NamedTuple):
    """A test, the documents that it begins with and the entities that its operations name."""

    name: str
    initial: list[dict[str, Any]]
    entities: dict[str, dict[str, Any]]
    operations: list[dict[str, Any]]
    outcome: list[dict[str, Any]]
    why_not: str | None


def cases(folder: Path) -> Iterator[Case]:
    """Yield the tests of a folder of JSON files."""
    for path in sorted(folder.glob("*.json")):
        file = json_util.loads(path.read_text(), json_options=json_util.RELAXED_JSON_OPTIONS)
        entities = {
            each["id"]: each | {"type": kind} for entity in file["createEntities"] for kind, each in entity.items()
        }
        for test in file["tests"]:
            asked = file.get("runOnRequirements", []), test.get("runOnRequirements", [])
            yield Case(
                f"{path.stem}: {test['description']}",
                file.get("initialData", []),
                entities,
                test["operations"],
                test.get("outcome", []),
                _why_not(asked, test["operations"], entities),
            )


def _why_not(
    asked: tuple[list[dict[str, Any]], ...], operations: list[dict[str, Any]], entities: Mapping[str, dict[str, Any]]
) -> str | None:
    if not all(not each or any(_runs_on(one) for one in each) for each in asked):
        return "for another version of MongoDB"
    for operation in operations:
        if reason := _NOT_ACTIONS.get(operation["name"]):
            return reason
        if _concern(entities.get(operation["object"], {}), "writeConcern").get("w") == 0:
            return "writes that are not acknowledged"
    return None


def options(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entity gives each of its operations as members."""
    found = {name: _concern(entity, name) for name in ("readConcern", "writeConcern", "readPreference")}
    return {name: value for name, value in found.items() if value}


def _concern(entity: Mapping[str, Any], name: str) -> dict[str, Any]:
    given: dict[str, Any] = entity.get(f"{entity.get('type')}Options", {}).get(name, {})
    return given


def _runs_on(requirement: Mapping[str, Any]) -> bool:
    return (
        _version(requirement.get("minServerVersion", "0")) <= SERVER
        and _version(requirement.get("maxServerVersion", "99")) >= SERVER
        and "replicaset" in requirement.get("topologies", ["replicaset"])
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
