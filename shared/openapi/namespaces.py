"""What the document says of an app: its collections, and what each action could do to which of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from shared.openapi.components import DATA
from shared.openapi.documents import document_schema, wrapper_schemas
from shared.openapi.schemas import ANY_OBJECT, REFERENCE
from shared.openapi.told import Told, ToldNamespace

_ONE = ("findOne", "findOneAndUpdate", "findOneAndReplace", "findOneAndDelete")
_INSERTS = ("insertOne",)
_CONDITIONAL = (
    "What the rules hide does not exist for you, and they decide on each document: a write that they do not allow is"
    " refused with 403, and nothing of it is done."
)


def tell(made: dict[str, Any], told: Told) -> None:
    """Add what somebody is told of an app to a document."""
    schemas = made["components"]["schemas"]
    if told.namespaces:
        made["x-dozen-namespaces"] = [_named(schemas, each) for each in told.namespaces]
    if any(each.schema is not None for each in told.namespaces):
        schemas |= wrapper_schemas()
    names: dict[tuple[int, ...], str] = {}
    for action in told.actions or ():
        operation = made["paths"][DATA + action.name]["post"]
        if not action.is_sure:
            operation["description"] = f"{operation.get('description', operation['summary'])} {_CONDITIONAL}"
        if action.places is not None and _names_place(schemas, operation):
            places = [told.namespaces[each] for each in action.places]
            name = names.setdefault(action.places, f"Namespace{len(names) + 1}" if names else "Namespace")
            schemas[name] = {"anyOf": [_place(each) for each in places]}
            _narrow(operation, places, REFERENCE.format(name=name))


def _named(schemas: dict[str, Any], each: ToldNamespace) -> dict[str, str]:
    """Return the names of a collection, and make the schemas of its documents components."""
    names = {"dataSource": each.data_source, "database": each.database, "collection": each.collection}
    if each.schema is not None:
        source, name = orjson.loads(each.schema), _component(each)
        names["schema"] = REFERENCE.format(name=name)
        schemas[name] = document_schema(source, "request")
        schemas[f"{name}.json"] = document_schema(source, "JSON")
        schemas[f"{name}.ejson"] = document_schema(source, "EJSON")
    return names


def _names_place(schemas: Mapping[str, Any], operation: Mapping[str, Any]) -> bool:
    """Tell whether the body of an action has to name a collection."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return "collection" in schemas[schema["$ref"].rpartition("/")[2]].get("required", ())


def _place(each: ToldNamespace, **members: Any) -> dict[str, Any]:
    return {"properties": {"database": {"const": each.database}, "collection": {"const": each.collection}, **members}}


def _narrow(operation: dict[str, Any], namespaces: Sequence[ToldNamespace], reference: str) -> None:
    """Say which collections an action can be about, and what documents are where the action returns or inserts one."""
    place: dict[str, Any] = {"$ref": reference}
    if operation["operationId"] in _INSERTS:
        place = {"anyOf": [_place(each, document=_of(each, "")) for each in namespaces]}
    for content in operation["requestBody"]["content"].values():
        content["schema"] = {"allOf": [content["schema"], place]}
    for media, form in (("application/json", ".json"), ("application/ejson", ".ejson")):
        of_one = {"anyOf": [*(_of(each, form) for each in namespaces)]}
        content = operation["responses"].get("200", {}).get("content", {}).get(media)
        if content and operation["operationId"] in _ONE:
            found: dict[str, Any] = {"document": {"anyOf": [*of_one["anyOf"], {"type": "null"}]}}
            content["schema"] = {"allOf": [content["schema"], {"properties": found}]}
        elif content and operation["operationId"] == "find":
            found = {"documents": {"type": "array", "items": of_one}}
            content["schema"] = {"allOf": [content["schema"], {"properties": found}]}


def _of(each: ToldNamespace, form: str) -> dict[str, Any]:
    return dict(ANY_OBJECT) if each.schema is None else {"$ref": REFERENCE.format(name=_component(each) + form)}


def _component(each: ToldNamespace) -> str:
    """Return the name of the schema of a collection's documents, of the letters that names of components may have."""
    return "Document." + ".".join(re.sub(r"[^A-Za-z0-9]", _escaped, part) for part in each[:3])


def _escaped(letter: re.Match[str]) -> str:
    return f"_{ord(letter[0]):x}_"
