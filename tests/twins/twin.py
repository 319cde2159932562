"""Documents that differ from others only in what rules hide, while every decision about them stays the same."""

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

import bson

from tests.twins.documents import INNER, NAMES, inner, scalar, value
from tests.twins.oracle import Oracle, Shown, cut, is_own
from tests.twins.plain import Document

_TRIES = 14


def mutated(random: Random, oracle: Oracle, document: Document, matched: bool, schema: Document, mode: str) -> Document:
    """Return the twin of a document, which may be the same; `matched` tells whether the filters' queries find it."""
    twin = document
    for _ in range(_TRIES):
        changed = copy.deepcopy(twin)
        _mutate(random, changed, oracle.shown(changed) if matched else False)
        if are_twins(oracle, document, changed, matched, schema, mode):
            twin = changed
    return twin


def are_twins(oracle: Oracle, one: Document, other: Document, matched: bool, schema: Document, mode: str) -> bool:
    """Tell whether two documents differ only in what nobody shall find out.

    `mode` is "read", or "write": who may write learns, as the documentation says, whether something is hidden, and of
    what kind what he writes into is.
    """
    if not _have_same_id(oracle, one, other, matched):
        return False
    names = _names(oracle, is_written=mode == "write")
    if any(_encoded(one.get(name, ...)) != _encoded(other.get(name, ...)) for name in names):
        return False
    if oracle.decisions(one) != oracle.decisions(other) or oracle.may_delete(one) != oracle.may_delete(other):
        return False
    shown, of_other = (oracle.shown(one), oracle.shown(other)) if matched else (False, False)
    if _encoded(_visible(one, shown)) != _encoded(_visible(other, of_other)):
        return False
    if mode == "read":
        return True
    return (
        _holes(shown) == _holes(of_other)
        and _kinds(oracle, one) == _kinds(oracle, other)
        and is_hidden_part_wrong(schema, one, shown) == is_hidden_part_wrong(schema, other, of_other)
    )


def _have_same_id(oracle: Oracle, one: Document, other: Document, matched: bool) -> bool:
    """Tell whether only a hidden part of a composed `_id` differs, which no call compares."""
    first, second = one["_id"], other.get("_id")
    if _encoded(first) == _encoded(second):
        return True
    if not isinstance(first, dict) or not isinstance(second, dict) or "secret" not in second:
        return False
    return list(first) == list(second) and first["k"] == second["k"] and not isinstance(second["secret"], dict | list)


def _encoded(value: Any) -> bytes:
    return b"" if value is ... else bson.encode({"": value})


def _visible(document: Document, shown: Shown) -> Any:
    return None if shown is False else cut(document, shown)


def _names(oracle: Oracle, *, is_written: bool) -> Iterator[str]:
    """Give the fields whose values stay: those that filters ask MongoDB about, and that decide on what is written."""
    yield from (name for query in oracle.queries for name in _top_names(query))
    if is_written:
        yield from (name for each in oracle.expressions(only_writing=True) for name in _top_names(each))


def _top_names(source: Any) -> Iterator[str]:
    if isinstance(source, list):
        for each in source:
            yield from _top_names(each)
    elif isinstance(source, dict):
        for name, each in source.items():
            yield from _top_names(name)
            yield from _top_names(each)
    elif isinstance(source, str):
        for prefix in ("%%root.", "%%prevRoot.", ""):
            if source.startswith(prefix):
                yield source.removeprefix(prefix).partition(".")[0]


def _holes(shown: Shown) -> Any:
    """Return where something is hidden beside what is visible."""
    if isinstance(shown, dict):
        parts = {name: _holes(part) for name, part in shown.items() if part is not False}
        return len(parts) < len(shown), parts
    if isinstance(shown, list):
        return False in shown, [_holes(part) for part in shown if part is not False]
    return shown


def _kinds(oracle: Oracle, document: Document) -> Any:
    """Return of what kind each value is whose members have permissions of their own."""
    role = oracle.role(document) or {}
    return {name: _kind(rule, document.get(name, ...)) for name, rule in role.get("fields", {}).items()}


def _kind(rule: Document, value: Any) -> Any:
    if is_own(rule) or not rule.get("fields"):
        return None
    if isinstance(value, dict):
        return {name: _kind(each, value.get(name, ...)) for name, each in rule["fields"].items()}
    if isinstance(value, list):
        return [_kind(rule, each) for each in value]
    return "missing" if value is ... else "value"


def _mutate(random: Random, document: Document, shown: Shown) -> None:
    """Change something that is hidden in a document."""
    places = list(_hidden(document, shown))
    if not places:
        return
    holder, key = random.choice(places)
    if key is None:
        _add(random, holder)
    elif random.random() < 0.15 and not (isinstance(holder, dict) and key == "_id"):
        del holder[key]
    else:
        holder[key] = _other(random, holder[key])


def _hidden(value: Any, shown: Shown) -> Iterator[tuple[Any, Any]]:
    """Give the places of hidden values, with those in them, and of what could be hidden beside them."""
    items: Any = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    if isinstance(value, dict | list) and shown is not True:
        yield value, None
    for key, each in items:
        part = shown[key] if isinstance(shown, dict | list) else shown
        if part is False:
            yield value, key
        if part is not True:
            yield from _hidden(each, part)


def _add(random: Random, holder: Any) -> None:
    if isinstance(holder, list):
        holder.insert(random.randrange(len(holder) + 1), value(random))
        return
    name = random.choice(NAMES if "_id" in holder else INNER)
    members = [*holder.items()]
    if name not in holder:
        members.insert(random.randrange(len(members) + 1), (name, value(random)))
    holder.clear()
    holder.update(members)


def _other(random: Random, old: Any) -> Any:
    kind = random.random()
    if isinstance(old, int | float) and not isinstance(old, bool) and kind < 0.3:
        return old + random.choice([-1, 1, 5])
    if kind < 0.65:
        return scalar(random)
    return inner(random) if kind < 0.8 else value(random)


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
    "long": bson.Int64, "decimal": bson.Decimal128, "date": bson.datetime.datetime,
}  # fmt: skip


def follows(schema: Document, value: Any) -> bool:
    """Tell whether a value follows a schema of the few keywords that `rules.schema` uses."""
    types = schema.get("bsonType")
    if types is not None and type(value) not in [
        _TYPES[each] for each in ([types] if isinstance(types, str) else types)
    ]:
        return False
    if "enum" in schema and not any(type(each) is type(value) and each == value for each in schema["enum"]):
        return False
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        return False
    if isinstance(value, int | float) and not isinstance(value, bool) and value > schema.get("maximum", value):
        return False
    if isinstance(value, dict):
        members, is_open = schema.get("properties", {}), schema.get("additionalProperties", True)
        return all(follows(members[name], each) if name in members else is_open for name, each in value.items())
    return not isinstance(value, list) or all(follows(schema.get("items", {}), each) for each in value)
