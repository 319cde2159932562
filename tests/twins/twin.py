"""When two documents differ only in what rules hide from the caller, and every decision about them is the same."""

from collections.abc import Iterator
from typing import Any

import bson

from tests.twins.oracle import Oracle, Shown, View, cut, holds, is_own
from tests.twins.plain import NOTHING, Document
from tests.twins.schemas import is_hidden_part_wrong

type _Seen = tuple[Document, Shown]


def are_twins(oracle: Oracle, one: Document, other: Document, matched: bool, schema: Document, mode: str) -> bool:
    """Tell whether two documents differ only in what nobody shall find out.

    `mode` is "read", or "write": who may write learns, as the documentation says, whether something is hidden, and of
    what kind what he writes into is.
    """
    shown, of_other = (oracle.shown(one), oracle.shown(other)) if matched else (False, False)
    names = _names(oracle, is_written=mode == "write")
    return (
        _have_same_id(one, other)
        and all(encoded(one.get(name, ...)) == encoded(other.get(name, ...)) for name in names)
        and encoded(_visible(one, shown)) == encoded(_visible(other, of_other))
        and oracle.decisions(one) == oracle.decisions(other)
        and oracle.may_delete(one) == oracle.may_delete(other)
        and _decide_alike(oracle, one, other)
        and (mode == "read" or _are_written_alike(oracle, (one, shown), (other, of_other), schema))
    )


def _are_written_alike(oracle: Oracle, one: _Seen, other: _Seen, schema: Document) -> bool:
    return (
        _holes(_without_id(one[1])) == _holes(_without_id(other[1]))
        and _kinds(oracle, one[0]) == _kinds(oracle, other[0])
        and is_hidden_part_wrong(schema, *one) == is_hidden_part_wrong(schema, *other)
    )


def _have_same_id(one: Document, other: Document) -> bool:
    """Tell whether only a hidden part of a composed `_id` differs, which no call compares."""
    first, second = one["_id"], other.get("_id")
    if encoded(first) == encoded(second):
        return True
    if not isinstance(first, dict) or not isinstance(second, dict) or "secret" not in second:
        return False
    return list(first) == list(second) and first["k"] == second["k"] and not isinstance(second["secret"], dict | list)


def encoded(value: Any) -> bytes:
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


def _decide_alike(oracle: Oracle, one: Document, other: Document) -> bool:
    """Tell whether what is decided of a field by its value is the same, be it there or not."""
    views = oracle.view(one), oracle.view(other)
    for role in oracle.roles:
        rules, others = role.get("fields", {}), role.get("additional_fields") or {}
        for name in {**one, **other, **rules}:
            sides = [
                _field_decisions(rules.get(name, others), each.get(name, NOTHING), view)
                for each, view in zip((one, other), views, strict=True)
            ]
            if sides[0] != sides[1]:
                return False
    return True


def _field_decisions(rule: Document, value: Any, view: View) -> Any:
    if is_own(rule):
        at = view._replace(this=value, previous=value)
        return [holds(rule.get(name), at) for name in ("read", "write") if "%%" in str(rule.get(name))]
    inner = rule.get("fields", {})
    if isinstance(value, list):
        return [decided for each in value if any(decided := _field_decisions(rule, each, view))]
    members = value if isinstance(value, dict) else {}
    return [
        found for name, each in inner.items() if (found := _field_decisions(each, members.get(name, NOTHING), view))
    ]


def _without_id(shown: Shown) -> Shown:
    """Leave out the `_id`, which stays whatever becomes of a document."""
    return {name: part for name, part in shown.items() if name != "_id"} if isinstance(shown, dict) else shown


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
    rules = [*role.get("fields", {}).items(), *_as_fields(oracle.projection).items()]
    return [_kind(rule, document.get(name, ...)) for name, rule in rules]


def _as_fields(projection: Document) -> Document:
    """Return the names of a projection as fields of a role are written."""
    fields: Document = {}
    for path in projection:
        inner = fields
        for name in path.split("."):
            inner = inner.setdefault(name, {}).setdefault("fields", {})
    return fields


def _kind(rule: Document, value: Any) -> Any:
    if is_own(rule) or not rule.get("fields"):
        return None
    if isinstance(value, dict):
        return {name: _kind(each, value.get(name, ...)) for name, each in rule["fields"].items()}
    if isinstance(value, list):
        return [_kind(rule, each) for each in value]
    return "missing" if value is ... else "value"
