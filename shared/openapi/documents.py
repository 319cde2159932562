"""Schemas of an exported app -> JSON Schema of documents as requests and replies write them (pure)."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

type Form = Literal["request", "JSON", "EJSON"]
"""What a schema is of: a document that is sent, in any form, or one of a reply, of which any part may be left out."""
type Shows = Callable[[tuple[str, ...]], bool]
"""Tells whether everything at a path may be told."""

_TEXT: Mapping[str, Any] = {"type": "string"}
_WRAPPERS: Mapping[str, tuple[str, ...]] = {
    "double": ("$numberDouble",), "int": ("$numberInt",), "long": ("$numberLong",), "decimal": ("$numberDecimal",),
    "objectId": ("$oid",), "date": ("$date",), "binData": ("$binary",), "uuid": ("$binary", "$uuid"),
    "regex": ("$regularExpression",), "timestamp": ("$timestamp",), "javascript": ("$code",),
    "javascriptWithScope": ("$code",), "minKey": ("$minKey",), "maxKey": ("$maxKey",),
    "number": ("$numberDouble", "$numberInt", "$numberLong", "$numberDecimal"),
    "integer": ("$numberDouble", "$numberInt", "$numberLong"),
}  # fmt: skip
"""The members by which Extended JSON tells a type."""
_PLAIN: Mapping[str, tuple[str, ...]] = {
    "double": ("number",), "int": ("integer",), "long": ("integer",), "number": ("number",), "integer": ("integer",),
    "string": ("string",), "symbol": ("string",), "object": ("object",), "array": ("array",),
    "bool": ("boolean",), "boolean": ("boolean",), "null": ("null",), "undefined": ("null",),
}  # fmt: skip
"""The types that values may have in every form of JSON; NaN is null in a plain reply."""
_IN_JSON: Mapping[str, tuple[str, ...]] = {
    "double": ("number", "null"), "decimal": ("string",), "number": ("number", "string", "null"),
    "integer": ("integer",), "objectId": ("string",), "date": ("string",), "javascript": ("string",),
}  # fmt: skip
_BOUNDS = (
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "multipleOf", "minimum", "maximum",
    "minProperties", "maxProperties", "pattern",
)  # fmt: skip
_EXCLUSIVE: Mapping[str, str] = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def told(source: Mapping[str, Any], shows: Shows | None) -> dict[str, Any]:
    """Return what of a schema may be told: all of it, or the properties of which every part is always shown.

    What a schema says beside these may speak of hidden ones.
    """
    return _without_rules(source) if shows is None else _shown(source, shows, ())


def _without_rules(source: Any) -> Any:
    """Leave out expressions, which speak of users."""
    if not isinstance(source, Mapping):
        return source
    kept: dict[str, Any] = {name: value for name, value in source.items() if name != "validate"}
    for name in ("properties", "patternProperties"):
        if isinstance(kept.get(name), Mapping):
            kept[name] = {key: _without_rules(value) for key, value in kept[name].items()}
    for name in ("items", "additionalProperties", "additionalItems"):
        value = kept.get(name)
        kept |= {} if value is None else {name: _each(value)}
    return kept


def _each(value: Any) -> Any:
    return [_without_rules(each) for each in value] if isinstance(value, list) else _without_rules(value)


def _shown(source: Mapping[str, Any], shows: Shows, path: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    properties = source.get("properties")
    for name, value in (properties if isinstance(properties, Mapping) else {}).items():
        if "." in name or name.startswith("$"):
            continue  # no path of the rules leads to it
        if shows((*path, name)):
            found[name] = _without_rules(value)
        elif isinstance(value, Mapping) and (inner := _shown(value, shows, (*path, name)))["properties"]:
            found[name] = inner
    required = source.get("required")
    left = [name for name in required if name in found] if isinstance(required, list) else []
    return {"bsonType": "object", "properties": found} | ({"required": left} if left else {})


def document_schema(source: Any, form: Form) -> dict[str, Any]:
    """Return the same for a whole document: without an `_id` it gets one."""
    made = json_schema(source, form)
    required = [each for each in made.pop("required", ()) if each != "_id"]
    return made | ({"required": required} if required else {})


def json_schema(source: Any, form: Form) -> dict[str, Any]:
    """Return the JSON Schema of a value in a form, for a schema of what may be told."""
    if not isinstance(source, Mapping):
        return {}
    made: dict[str, Any] = {}
    # generators name types by titles, which several schemas may have
    words = [source[name] for name in ("description", "title") if type(source.get(name)) is str]
    made |= {"description": words[0]} if words else {}
    made |= _types(source, form)
    if isinstance(source.get("properties"), Mapping):
        made["properties"] = {name: json_schema(each, form) for name, each in source["properties"].items()}
    items = source.get("items")
    if isinstance(items, Mapping):
        made["items"] = json_schema(items, form)
    elif isinstance(items, list) and items:
        made["prefixItems"] = [json_schema(each, form) for each in items]
    made |= _values(source)
    return made | (_bounds(source) if form == "request" else {})


def _bounds(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is asked of documents that are written: of stored ones another schema may have been asked."""
    made = {name: source[name] for name in _BOUNDS if type(source.get(name)) in (int, float, bool, str)}
    for name, bound in _EXCLUSIVE.items():
        if source.get(name) is True and bound in made:
            made[name] = made.pop(bound)
    required = source.get("required")
    if isinstance(required, list) and (names := [each for each in required if type(each) is str]):
        made["required"] = names
    if source.get("additionalProperties") is False and "patternProperties" not in source:
        made["additionalProperties"] = False
    return made


def _values(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return `enum`, where its values are the same in every form."""
    values = source.get("enum")
    is_plain = isinstance(values, list) and values and all(type(each) in (str, bool, type(None)) for each in values)
    return {"enum": values} if is_plain else {}


def _types(source: Mapping[str, Any], form: Form) -> dict[str, Any]:
    given = source.get("bsonType", source.get("type"))
    names = [each for each in (given if isinstance(given, list) else [given]) if type(each) is str]
    if not names or "mixed" in names:
        return {}
    if form == "JSON":
        return _one_of([kind for name in names for kind in _IN_JSON.get(name, _PLAIN.get(name, ("object",)))])
    plain = [kind for name in names for kind in _PLAIN.get(name, ())]
    wrapped = [{"$ref": f"#/components/schemas/EJSON.{wrapper[1:]}"} for name in names for wrapper in wrappers(name)]
    if not wrapped:
        return _one_of(plain)
    alternatives = [*([_one_of(plain)] if plain else []), *wrapped]
    return alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}


def wrappers(name: str) -> tuple[str, ...]:
    """Return the members by which Extended JSON tells a type, none for what is plain JSON."""
    return _WRAPPERS.get(name, ())


def _one_of(kinds: list[str]) -> dict[str, Any]:
    distinct = list(dict.fromkeys(kinds))
    return {"type": distinct[0] if len(distinct) == 1 else distinct}


def wrapper_schemas() -> dict[str, Any]:
    """Return the schemas of the wrappers of Extended JSON, as components."""
    inner: dict[str, Any] = {
        **dict.fromkeys(("$numberDouble", "$numberInt", "$numberLong", "$numberDecimal", "$oid", "$uuid"), _TEXT),
        "$date": {"anyOf": [_TEXT, {"type": "integer"}, {"$ref": "#/components/schemas/EJSON.numberLong"}]},
        "$binary": {"type": ["object", "string"], "additionalProperties": True},
        "$regularExpression": {"type": "object", "additionalProperties": True},
        "$timestamp": {"type": "object", "additionalProperties": True},
        "$code": _TEXT,
        "$minKey": {"type": "integer"},
        "$maxKey": {"type": "integer"},
    }
    return {
        f"EJSON.{name[1:]}": {"type": "object", "required": [name], "properties": {name: value}}
        for name, value in inner.items()
    }
