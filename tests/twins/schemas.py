"""Whether values follow a schema of the few keywords that random schemas use, and which schema documents show."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import bson
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tests.twins.oracle import Shown
from tests.twins.plain import Document


def is_hidden_part_wrong(schema: Document, document: Document, shown: Shown) -> bool:
    """Tell whether what is hidden of a document does not follow the schema."""
    return any(_failures(schema, document, shown))


def _failures(schema: Document, value: Any, shown: Shown) -> Iterator[bool]:
    if shown is False:
        yield not follows(schema, value)
        return
    if isinstance(value, dict) and shown is not True:
        for name, each in value.items():
            part = shown[name] if isinstance(shown, dict) else shown
            inner_schema = schema.get("properties", {}).get(name)
            if inner_schema is not None:
                yield from _failures(inner_schema, each, part)
            elif part is False and schema.get("additionalProperties") is False:
                yield True
    if isinstance(value, list) and isinstance(shown, list):
        for each, part in zip(value, shown, strict=True):
            yield from _failures(schema.get("items", {}), each, part)


_TYPES: dict[str, type] = {
    "int": int, "double": float, "string": str, "null": type(None), "object": dict, "array": list, "bool": bool,
    "long": Int64, "decimal": Decimal128, "date": datetime,
}  # fmt: skip


def follows(schema: Document, value: Any) -> bool:
    """Tell whether a value follows a schema of the few keywords that random schemas use."""
    types = schema.get("bsonType")
    if types is not None and type(value) not in [
        _TYPES[each] for each in ([types] if isinstance(types, str) else types)
    ]:
        return False
    if "enum" in schema and not any(type(each) is type(value) and each == value for each in schema["enum"]):
        return False
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        return False
    if "maximum" in schema and isinstance(value, int | float) and not isinstance(value, bool):
        return bool(value <= schema["maximum"])  # which no NaN is
    if isinstance(value, dict):
        members, is_open = schema.get("properties", {}), schema.get("additionalProperties", True)
        return all(follows(members[name], each) if name in members else is_open for name, each in value.items())
    return not isinstance(value, list) or all(follows(schema.get("items", {}), each) for each in value)


_NAMES = {
    1: "double", 2: "string", 3: "object", 4: "array", 5: "binData", 7: "objectId", 8: "bool", 9: "date", 10: "null",
    11: "regex", 16: "int", 17: "timestamp", 18: "long", 19: "decimal", 127: "maxKey", 255: "minKey",
}  # fmt: skip


def inferred(documents: list[Document], *, is_detailed: bool) -> Document:
    """Return the schema that documents show: top-level fields with one type, or all that is known of all fields."""
    found = _of_all(documents, len(documents) or 1)
    if is_detailed:
        return {"bsonType": "object", "documents": len(documents), "properties": found.get("properties", {})}
    tops = found.get("properties", {})
    return {name: {"bsonType": _first(each["bsonType"])} for name, each in tops.items()}


def _first(types: str | list[str]) -> str:
    names = [types] if isinstance(types, str) else types
    return next((each for each in names if each != "null"), "null")


def _of_all(values: list[Any], among: int) -> Document:
    """Return what is known of the values at one place."""
    kinds = [bson.encode({"": each})[4] for each in values]
    order = sorted(set(kinds), key=lambda kind: (-kinds.count(kind), kind))
    types = {_NAMES[kind]: round(kinds.count(kind) / among, 4) for kind in order}
    names = list(types)
    made: Document = {
        "bsonType": names[0] if len(names) == 1 else names,
        "share": round(len(values) / among, 4),
        "types": types,
    }
    objects = [each for each in values if isinstance(each, dict)]
    members = dict.fromkeys(name for each in objects for name in each)
    if members:
        made["properties"] = {
            name: _of_all([each[name] for each in objects if name in each], len(objects)) for name in members
        }
    elements = [each for value in values if isinstance(value, list) for each in value]
    if elements:
        made["items"] = _of_all(elements, len(elements))
    return made
