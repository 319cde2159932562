"""What a command asks MongoDB to find, and the shape of it: the same for all values that one index serves (pure).

Two questions of one shape differ in values alone, so MongoDB's plan for one says whether the other has an index.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any

from bson.regex import Regex

from shared.documents.ejson import Document
from shared.operators import STAGES, Identity

_OF_FIND = ("sort", "hint", "collation", "min", "max", "let")
_KEPT = frozenset({"aggregate", "find", "sort", "hint", "collation", "min", "max"})  # they choose the index themselves
_COMPARED = frozenset({"$exists", "$type", "$options"})  # operators whose operand decides whether an index serves them
_MANY = frozenset({"$in", "$nin", "$all"})
_BEGINNING = r"\A"
_MOST_TOKENS, _MOST_VALUES = 5_000, 1_000  # that are looked at: no question takes long
_MOST_EXPLAINED, _LONGEST = 20_000, 1_000
_GROUPING = frozenset(name for name, stage in STAGES.items() if stage.identity is Identity.NEW)
_BOUNDING = _GROUPING | {"$count", "$limit", "$sample"}


def question(command: Mapping[str, Any]) -> Document:
    """Return what decides how MongoDB runs a find, count, distinct or aggregate, as a command that can be explained.

    The order of _id is left out where there is a condition: every collection has its index, which finds nothing then.
    """
    name = next(iter(command))
    if name == "aggregate":
        pipeline = command["pipeline"]
        if pipeline and "$match" in pipeline[0]:
            pipeline = [stage for stage in pipeline if not _is_by_id(stage.get("$sort"))]
        others = _present(command, ("hint", "collation", "let"))
        return {name: command[name], "pipeline": pipeline, **others, "cursor": {}}
    asked = {"find": command[name], "filter": command.get("filter", command.get("query", {}))}
    asked |= _present(command, _OF_FIND)
    if asked["filter"] and _is_by_id(asked.get("sort")):
        del asked["sort"]
    return asked


def _is_by_id(sort: Any) -> bool:
    return isinstance(sort, Mapping) and next(iter(sort), "") == "_id"


def narrowed(asked: Mapping[str, Any]) -> tuple[Document, list[tuple[str, Any]]]:
    """Return the condition by which a question finds documents, and the order in which it wants them."""
    if "pipeline" not in asked:
        return asked.get("filter", {}), _keys(asked.get("sort", {}))
    conditions: list[Document] = []
    for stage in asked["pipeline"]:
        if isinstance(stage.get("$sort"), dict):
            return {"$and": conditions}, _keys(stage["$sort"])
        if not isinstance(stage.get("$match"), dict):
            break
        conditions.append(stage["$match"])
    return {"$and": conditions}, []


def _keys(sort: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the keys of a sort, with directions as an index has them."""
    return [(name, int(each) if type(each) is not bool and each in (1, -1) else each) for name, each in sort.items()]


def wants_index(asked: Mapping[str, Any]) -> bool:
    """Tell whether a question asks for some documents, or for an order: whoever asks for all needs no index."""
    if "pipeline" not in asked:
        return bool(asked.get("filter") or asked.get("sort"))
    for stage in asked["pipeline"]:
        if stage.get("$match") or stage.get("$sort"):
            return True
        if not _BOUNDING.isdisjoint(stage):
            return False
    return False


def could_serve(index: Mapping[str, Any], asked: Document) -> bool:
    """Tell whether a question names all that an index begins with; if not, no document makes MongoDB use it."""
    first = next(iter(index), "")
    return "$**" in first or first.startswith("_fts") or _names(asked).issuperset(first.split("."))


def _names(asked: Document) -> set[str]:
    """Return all parts of paths, wherever they are named."""
    names: set[str] = set()
    pending: list[Any] = [asked]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            names.update(part for name in value for part in name.split("."))
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and value.startswith("$"):
            names.update(value.lstrip("$").split("."))
    return names


def shape(database: str, asked: Document) -> bytes:
    """Return what all questions have in common that differ from this one in values alone, of fixed length."""
    tokens = [database, *islice(_tokens(asked), _MOST_TOKENS)]
    return sha256(repr(tokens).encode("utf-8", "surrogatepass")).digest()


def reduced(asked: Document) -> Document | None:
    """Return a question of the same shape with long values cut, None for one of very many values.

    MongoDB repeats what it explains, several times, in a reply that must not be too large.
    """
    try:
        cut: Document = _cut(asked, iter(range(_MOST_EXPLAINED)))
    except StopIteration:
        return None
    return cut


def _cut(value: Any, left: Iterator[int], name: str = "") -> Any:
    next(left)
    if isinstance(value, Mapping):
        return {each: _cut(value[each], left, each) for each in value}
    if isinstance(value, list):
        return [_cut(each, left) for each in (value[:_MOST_VALUES] if name in _MANY else value)]
    return value[:_LONGEST] if isinstance(value, str | bytes) else value


def _present(members: Mapping[str, Any], names: tuple[str, ...]) -> Document:
    return {name: members[name] for name in names if name in members}


def _tokens(asked: Document) -> Iterator[str]:
    """Give names, kinds of values, and how they nest, from the outside to the inside."""
    yield from (f"{name}={asked[name]!r}" for name in asked if name in _KEPT)
    pending: list[tuple[str, Any]] = [(name, asked[name]) for name in asked if name not in _KEPT]
    while pending:
        name, value = pending.pop()
        yield name
        if name in _COMPARED or name == "$sort":
            yield repr(value)
        elif name in _MANY and isinstance(value, list):
            yield f"[{min(len(value), 2)}]"
            yield from sorted({_kind(each) for each in value[:_MOST_VALUES]})
        elif isinstance(value, Mapping):
            yield f"{{{len(value)}}}"
            pending += [(key, value[key]) for key in reversed([*islice(value, _MOST_TOKENS)])]
        elif isinstance(value, list):
            yield f"[{len(value)}]"
            pending += [("", each) for each in reversed(value[:_MOST_TOKENS])]
        elif name == "$regex":
            yield _kind_of_pattern(value)
        else:
            yield _kind(value)


def _kind(value: Any) -> str:
    return _kind_of_pattern(value) if isinstance(value, Regex) else type(value).__name__


def _kind_of_pattern(value: Any) -> str:
    """Tell patterns with a fixed beginning, which an index narrows, from those that it does not."""
    pattern = value.pattern if isinstance(value, Regex) else value
    if not isinstance(pattern, str):
        return type(pattern).__name__
    return f"pattern {pattern.startswith(('^', _BEGINNING))} {getattr(value, 'flags', 0)}"
