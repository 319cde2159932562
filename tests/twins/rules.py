"""Random rules of a namespace, as an exported app writes them."""

from random import Random
from typing import Any

from tests.twins.plain import Document

_TRANSLATABLE: tuple[Any, ...] = (
    {"owner": "%%user.id"},
    {"%%root.owner": "%%user.id"},
    {"%%user.id": "%%root.owner"},
    {"team": "red"},
    {"team": "%%user.custom_data.team"},
    {"team": {"%in": "%%user.custom_data.teams"}},
    {"n": {"%gte": 1}},
    {"n": {"%lt": "%%user.custom_data.level"}},
    {"deleted": {"%exists": False}},
    {"deleted": {"%ne": True}},
    {"a.x": 1},
    {"b.x": {"%exists": True}},
    {"a.0.x": {"%exists": True}},
)
_OTHERS: tuple[Any, ...] = (
    {"%%root.owner": "%%root.holder"},
    {"%%prevRoot.owner": "%%user.id"},
    {"%%prevRoot.deleted": {"%ne": True}},
    {"deleted": None},
    {"%%user.id": {"%in": "%%root.owner"}},
    {"team": ["red", "blue"]},
    {"b": {"x": 1, "secret": 2}},
    {"%%root.n": {"%gte": "%%root.b.x"}},
    {"a.x": "%%root.n"},
    {"secret": {"%in": [1, "red", None]}},
    {"0": {"%exists": True}},
)
SOURCES = {
    "isRed": "exports = async (team) => team === 'red';",
    "isThere": "exports = (value) => value !== undefined;",
    "isBlue": "exports = (team) => { if (team === 'red') throw new Error(); return team === 'blue'; }",
    "teams": "exports = async (id) => id === context.user.id ? ['red', 'blue'] : [];",
}
"""The functions of the app, which the oracle has, too."""

_ASKING: tuple[Any, ...] = (
    {"%%true": {"%function": {"name": "isRed", "arguments": ["%%root.team"]}}},
    {"%%false": {"%function": {"name": "isThere", "arguments": ["%%root.deleted"]}}},
    {"%%true": {"%function": {"name": "isThere", "arguments": ["%%prevRoot.owner"]}}},
    {"team": {"%in": {"%function": {"name": "teams", "arguments": ["%%user.id"]}}}},
    {"team": {"%nin": {"%function": {"name": "teams", "arguments": ["%%root.owner"]}}}},
    {"%not": {"%function": {"name": "isBlue", "arguments": ["%%root.team"]}}},
    {"%%false": {"%function": {"name": "isBlue", "arguments": ["%%prevRoot.team"]}}},
)
_ASKING_OF_FIELD: tuple[Any, ...] = (
    *_ASKING,
    {"%not": {"%function": {"name": "isBlue", "arguments": ["%%this"]}}},
    {"%%true": {"%function": {"name": "isThere", "arguments": ["%%prev"]}}},
)
_OF_FIELD: tuple[Any, ...] = (
    {"%%this": {"%exists": True}},
    {"%%prev": {"%exists": False}},
    {"%%this": {"%gt": 1}},
    {"%%this": "%%prev"},
    {"%%root.owner": "%%user.id"},
    {"team": "red"},
)
_QUERIES: tuple[Document, ...] = (
    {"team": "red"},
    {"team": "%%user.custom_data.team"},
    {"owner": "%%user.id"},
    {"deleted": None},
    {"deleted": {"$ne": True}},
    {"n": {"$gte": 1}},
    {"$or": [{"team": "%%user.custom_data.team"}, {"owner": "%%user.id"}]},
    {"a.x": {"$exists": True}},
)
_EXCLUSIONS = (
    "secret", "a.secret", "b.secret", "_id.secret", "a.in.secret", "b.in", "0", "a.0", "a.0.secret", "b.0", "n", "é",
)  # fmt: skip
_INCLUSIONS = ("a.x", "a", "b.x", "n", "owner", "team", "_id.k", "a.in.x", "0", "holder", "deleted", "b")


def rules(random: Random, *, asks: bool = True) -> Document:
    """Return the roles and the filters of a namespace, which ask functions here and there."""
    made, own = _rules(random), Random()
    own.setstate(random.getstate())  # so that all else is what it is without functions
    if asks and own.random() < 0.3:
        for role in made["roles"]:
            _ask(own, role)
    return made


def _ask(random: Random, rule: Document, asking: tuple[Any, ...] = _ASKING) -> None:
    """Put functions in the place of some conditions."""
    for name, value in rule.items():
        if name in {"apply_when", "read", "write", "insert", "delete"}:
            if random.random() < 0.3:
                rule[name] = random.choice(asking)
        elif isinstance(value, dict):
            _ask(random, value, _ASKING_OF_FIELD if name in {"fields", "additional_fields"} else asking)


def _rules(random: Random) -> Document:
    roles = [_role(random, number) for number in range(random.choice([1, 1, 1, 2, 2, 3]))]
    for role in roles[:-1]:
        if role["apply_when"] == {}:
            role["apply_when"] = _condition(random)
    made: Document = {"roles": roles}
    if random.random() < 0.5:
        made["filters"] = [_filter(random, number) for number in range(random.choice([1, 1, 2]))]
        if not _fit([each.get("projection", {}) for each in made["filters"]]):
            made["filters"] = made["filters"][:1]
    return made


def schema(random: Random) -> Document:
    """Return a schema that says something of fields that may be hidden."""
    types = ["int", "double", "string", "null", "object", "array", "bool", "long", "decimal", "date"]
    properties: Document = {
        "secret": random.choice(
            [{"bsonType": "int", "maximum": 5}, {"enum": [1, "red", None]}, {"bsonType": "string"}]
        ),
        "n": {"bsonType": ["int", "double", "long"], "maximum": 100},
        "b": {"bsonType": types, "properties": {"secret": {"bsonType": ["int", "string"], "maxLength": 2}}},
        "a": {"bsonType": types, "items": {"bsonType": types, "properties": {"secret": {"bsonType": "int"}}}},
    }
    kept = random.sample(sorted(properties), random.randrange(1, 4))
    made: Document = {"bsonType": "object", "properties": {name: properties[name] for name in kept}}
    if random.random() < 0.2:
        made["additionalProperties"] = False
        made["properties"] = {name: properties.get(name, {}) for name in ("_id", "a", "b", "n", "owner", "team", *kept)}
    return made


def _condition(random: Random) -> Any:
    kind = random.random()
    if kind < 0.4:
        return random.choice(_TRANSLATABLE)
    if kind < 0.8:
        return random.choice(_OTHERS)
    if kind < 0.9:
        return {random.choice(["%or", "%and"]): [_condition(random), _condition(random)]}
    return {"%not": _condition(random)}


def _permission(random: Random) -> Any:
    return random.choice([True, True, True, False]) if random.random() < 0.7 else _condition(random)


def _role(random: Random, number: int) -> Document:
    role: Document = {"name": f"r{number}", "apply_when": {} if random.random() < 0.35 else _condition(random)}
    if random.random() < 0.2:
        role["document_filters"] = {"read": _permission(random), "write": _permission(random)}
    kind = random.random()
    if kind < 0.35:
        role |= {"read": True, "write": random.random() < 0.8}
    elif kind < 0.5:
        role |= {"read": _permission(random), "write": _permission(random)}
    else:
        _add_fields(random, role)
    for name in ("insert", "delete"):
        if random.random() < 0.25:
            role[name] = _permission(random)
    return role


def _add_fields(random: Random, role: Document) -> None:
    """Give a role permissions of fields; its own would decide in their place, which is a mistake in the app."""
    names = random.sample(["secret", "a", "b", "n", "owner", "team", "0", "_id", "é"], random.randrange(1, 5))
    role["fields"] = {name: _field(random, name) for name in names}
    kind = random.random()
    if kind < 0.75:
        role["additional_fields"] = {"read": True, "write": random.random() < 0.6}
    elif kind < 0.85:
        role["additional_fields"] = {"read": random.choice(_OF_FIELD)}


def _field(random: Random, name: str) -> Document:
    if name in {"a", "b"} and random.random() < 0.6:
        inner = random.sample(["x", "secret", "in", "0"], random.randrange(1, 4))
        return {"fields": {each: _field(random, "a" if each == "in" else each) for each in inner}}
    if name in {"secret", "_id"} and random.random() < 0.6:
        return {}
    kind = random.random()
    if kind < 0.45:
        return {"read": True, "write": True}
    if kind < 0.7:
        return {"read": True}
    if kind < 0.8:
        return {}
    return {random.choice(["read", "write"]): random.choice(_OF_FIELD)}


def _filter(random: Random, number: int) -> Document:
    made: Document = {"name": f"f{number}", "apply_when": {} if random.random() < 0.8 else {"%%user.type": "server"}}
    kind = random.random()
    if kind < 0.5:
        made["query"] = random.choice(_QUERIES)
    if kind > 0.3:
        made["projection"] = _projection(random)
    return made


def _projection(random: Random) -> Document:
    includes = random.random() < 0.25
    made: Document = {}
    for name in random.sample(_INCLUSIONS if includes else _EXCLUSIONS, random.randrange(1, 5 if includes else 3)):
        if not any(_collides(name, each) for each in made):
            made[name] = int(includes)
    if random.random() < 0.15 and not any(name.startswith("_id") for name in made):
        made["_id"] = 0
    return made


def _collides(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _fit(projections: list[Document]) -> bool:
    """Tell whether MongoDB takes them together."""
    names = list({name: None for each in projections for name in each})
    collide = any(_collides(one, other) for position, one in enumerate(names) for other in names[:position])
    return not collide and len({_includes(each) for each in projections if each.keys() - {"_id"}}) < 2


def _includes(projection: Document) -> bool:
    return any(value for name, value in projection.items() if name != "_id")
