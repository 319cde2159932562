"""A custom connector of Power Platform for one collection: Swagger 2.0, of the document in OpenAPI 3.1 (pure)."""

import re
from collections.abc import Mapping
from typing import Any

ACTIONS = (
    "findOne", "find", "countDocuments", "aggregate", "insertOne", "insertMany", "updateOne", "updateMany",
    "replaceOne", "deleteOne", "deleteMany",
)  # fmt: skip
"""The actions that a connector has."""

_LONGEST_TITLE = 30
_PLACE = ("dataSource", "database", "collection")
_KEPT = ("title", "description", "minLength", "maxLength", "pattern")
_DOCUMENTS = ("document", "documents")
_OWN = frozenset({"replacement", *_DOCUMENTS})


def connector(
    document: Mapping[str, Any], place: Mapping[str, str], documents: Mapping[str, Any], host: str, app_id: str
) -> dict[str, Any]:
    """Return the connector for a collection whose documents are as these schemas say, by `sent` and `replied`."""
    name = f"{place['database']}.{place['collection']}"
    typed = {form: _plain(document, schema) for form, schema in documents.items()}
    paths: dict[str, Any] = {}
    for path, item in document["paths"].items():
        action = path.rpartition("/action/")[2]
        if action in ACTIONS:
            paths[f"/action/{action}"] = {"post": _operation(document, item["post"], place, typed)}
    return {
        "swagger": "2.0",
        "info": {"title": _title(name), "version": document["info"]["version"], "description": f"Calls on {name}."},
        "host": host,
        "basePath": f"/app/{app_id}/endpoint/data/v1",
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"apiKey": {"type": "apiKey", "in": "header", "name": "api-key"}},
        "security": [{"apiKey": []}],
        "paths": paths,
    }


def _title(name: str) -> str:
    """Return a title as Power Platform takes it: 30 characters, of which the last is a letter or a digit."""
    return re.sub(r"[^A-Za-z0-9]+\Z", "", f"Dozen: {name}"[:_LONGEST_TITLE])


def _operation(
    document: Mapping[str, Any], operation: Mapping[str, Any], place: Mapping[str, str], typed: Mapping[str, Any]
) -> dict[str, Any]:
    body = _plain(document, operation["requestBody"]["content"]["application/json"]["schema"])
    members = {name: value for name, value in body["properties"].items() if "description" in value or name in _PLACE}
    for name, value in place.items():
        members[name] = {"type": "string", "default": value, "enum": [value], "x-ms-visibility": "internal"}
    members = {name: _titled(name, value) for name, value in _with(members, typed["sent"], _OWN).items()}
    required = [*_PLACE, *(each for each in body.get("required", ()) if each not in _PLACE)]
    schema = {"type": "object", "properties": members, "required": required}
    summary = operation["summary"]
    status, success = next((each, made) for each, made in operation["responses"].items() if each.startswith("20"))
    reply = _plain(document, success["content"]["application/json"]["schema"])
    if operation["operationId"] != "aggregate":
        reply["properties"] = _with(reply["properties"], typed["replied"], frozenset(_DOCUMENTS))
    return {
        "operationId": operation["operationId"],
        "summary": _words(operation["operationId"]),
        "description": summary,
        "parameters": [{"name": "body", "in": "body", "required": True, "schema": schema}],
        "responses": {
            status: {"description": success["description"], "schema": reply},
            "default": {"description": "Refused or failed.", "schema": _failed(document)},
        },
    }


def _failed(document: Mapping[str, Any]) -> dict[str, Any]:
    return _plain(document, document["components"]["schemas"]["Failed"])


def _with(members: Mapping[str, Any], document: Any, names: frozenset[str]) -> dict[str, Any]:
    """Return members of which some are of the type of a document, or arrays of it."""
    return {
        name: value
        if name not in names
        else {**value, "items": document}
        if value.get("type") == "array"
        else {**document, **{key: value[key] for key in ("description",) if key in value}}
        for name, value in members.items()
    }


def _titled(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {**value, "x-ms-summary": _words(name)}


def _words(name: str) -> str:
    """Return a name as people read it: `findOne` is `Find one`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f" {found[1].lower()}", name[0].upper() + name[1:])


def _plain(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema as Swagger 2.0 can say it: of several types none, and no references."""
    if "allOf" in schema:
        schema = schema["allOf"][0]
    if "$ref" in schema:
        return _plain(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    made: dict[str, Any] = {name: schema[name] for name in _KEPT if name in schema}
    alternatives = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    scalars = [each for each in alternatives if type(each.get("type")) is str]
    if alternatives:
        # the plain form of what may be written in Extended JSON, too
        made |= _plain(document, [*scalars, *alternatives][0]) if scalars or len(alternatives) == 1 else {}
        return made
    given = schema.get("type")
    kinds = [each for each in (given if isinstance(given, list) else [given]) if each not in (None, "null")]
    made |= {"type": kinds[0]} if len(kinds) == 1 else {}
    if "properties" in schema:
        made["properties"] = {name: _plain(document, each) for name, each in schema["properties"].items()}
    if made.get("type") == "array":
        made["items"] = _plain(document, schema.get("items") or {})
    required = [each for each in schema.get("required", ()) if each in made.get("properties", {})]
    return made | ({"required": required} if required else {})
