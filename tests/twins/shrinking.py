"""A case with a difference made as small as it can be while the difference stays."""

import copy
import re
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple, Protocol

from bson import json_util

from tests.twins.plain import Document
from tests.twins.world import Case, Difference, World

_NEEDED = {"fieldName", "update", "replacement", "document", "documents", "pipeline", "requests", "operations"}
_REASON = re.compile(r'"error":"\((\w+)\)')


class Check(Protocol):
    """What cases are asked, and when an answer is wrong."""

    world: World

    async def case(self, random: Random) -> Case | None: ...

    async def begin(self, case: Case) -> bool: ...

    def calls(self, random: Random, case: Case) -> Iterator[Document]: ...

    async def compare(self, case: Case, call: Document) -> Difference | None: ...


class Found(NamedTuple):
    """A call that shows a difference, and the number of its case."""

    number: int
    case: Case
    call: Document
    difference: Difference

    def __str__(self) -> str:
        """Return all that is needed to repeat it."""
        case, different = self.case, self.difference
        parts = {
            "call": self.call,
            "rules": case.rules,
            "schema": case.schema or None,
            "collection": None if case.collection == "plain" else case.collection,
            "documents": case.ones,
            "twins": case.others if repr(case.ones) != repr(case.others) else None,
        }
        lines = [f"{name:10} {_text(value)}" for name, value in parts.items() if value is not None]
        answers = [f"{'one':10} {_shown(different.one)}", f"{'other':10} {_shown(different.other)}"]
        return "\n".join([f"different: {different.kind}", *lines, *answers])

    @property
    def signature(self) -> str:
        """What is the same for differences that have the same cause, most likely."""
        case, call = self.case, self.call
        reasons = {found[1] for found in _REASON.finditer(str(self.difference))}
        if reasons:
            return f"{call['action']} {self.difference.kind} {sorted(reasons)}"
        members = {name for each in (*case.rules["roles"], *case.rules.get("filters", [])) for name in each}
        return (
            f"{call['action']} {self.difference.kind} {_skeleton(call['body'])} {sorted(members)} {bool(case.schema)}"
        )


def _skeleton(value: Any) -> Any:
    if isinstance(value, dict):
        return {".".join(map(_part, name.split("."))): _skeleton(each) for name, each in value.items()}
    return [_skeleton(each) for each in value] if isinstance(value, list) else ""


def _part(name: str) -> str:
    return "0" if name.isdecimal() else name if name.startswith("$") else "a"


def _text(value: Any) -> str:
    return json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS, ensure_ascii=False)


def _shown(side: Any) -> str:
    return f"{side.status} {side.body.decode()}" if hasattr(side, "body") else repr(side)


async def shrunk(check: Check, found: Found, tries: int = 600) -> Found:
    """Return the smallest case that tries find: greedily, one part less at a time."""
    pending = _smaller(found)
    for _ in range(tries):
        candidate = next(pending, None)
        if candidate is None:
            break
        different = await _difference(check, *candidate)
        if different is not None and different.kind == found.difference.kind:
            found = Found(found.number, *candidate, different)
            pending = _smaller(found)
    return found


async def _difference(check: Check, case: Case, call: Document) -> Difference | None:
    if not case.ones or not case.rules.get("roles") or not _is_whole(case):
        return None
    return await check.compare(case, call) if await check.begin(case) else None


def _is_whole(case: Case) -> bool:
    roles, filters = case.rules["roles"], case.rules.get("filters", [])
    documents = [*case.ones, *case.others]
    return all("name" in each and "apply_when" in each for each in [*roles, *filters]) and all(
        "_id" in each for each in documents
    )


def _smaller(found: Found) -> Iterator[tuple[Case, Document]]:
    case, call = found.case, found.call
    for index in range(len(case.ones)):
        ones, others = ([*each[:index], *each[index + 1 :]] for each in (case.ones, case.others))
        yield case._replace(ones=ones, others=others), call
    if case.collection != "plain":
        yield case._replace(collection="plain"), call
    for body in _less(call["body"]):
        if not (call["body"].keys() - body.keys()) & (
            _NEEDED if call["action"].startswith("find") else {"filter", *_NEEDED}
        ):
            yield case, call | {"body": body}
    for rules in _less(case.rules):
        yield case._replace(rules=rules), call
    for schema in _less(case.schema):
        yield case._replace(schema=schema), call
    for index, (one, other) in enumerate(zip(case.ones, case.others, strict=True)):
        for first, second in _less_of_both(one, other):
            yield _with(case, index, first, second), call


def _with(case: Case, index: int, one: Document, other: Document) -> Case:
    ones, others = list(case.ones), list(case.others)
    ones[index], others[index] = one, other
    return case._replace(ones=ones, others=others)


def _less(value: Any) -> Iterator[Any]:
    """Give a value with one part less, or with less in one part."""
    if not isinstance(value, dict | list):
        return
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        smaller = copy.copy(value)
        del smaller[key]
        yield smaller
    for key in keys:
        for each in _less(value[key]):
            smaller = copy.copy(value)
            smaller[key] = each
            yield smaller


def _less_of_both(one: Document, other: Document) -> Iterator[tuple[Document, Document]]:
    """Give two documents with one part less in both, or with the same in both."""
    for name in {**one, **other}:
        if name == "_id":
            continue
        first, second = ({key: each for key, each in document.items() if key != name} for document in (one, other))
        yield first, second
        if repr(one.get(name, ...)) != repr(other.get(name, ...)):
            yield one, {key: one.get(key, each) if key == name and key in one else each for key, each in other.items()}
    for name in [name for name in one if name in other and name != "_id"]:
        inner, of_other = one[name], other[name]
        if repr(inner) == repr(of_other):
            yield from ((one | {name: each}, other | {name: each}) for each in _less(inner))
        elif isinstance(inner, dict) and isinstance(of_other, dict):
            yield from ((one | {name: a}, other | {name: b}) for a, b in _less_of_both(inner, of_other))
        else:
            yield from ((one | {name: each}, other) for each in _less(inner))
            yield from ((one, other | {name: each}) for each in _less(of_other))
