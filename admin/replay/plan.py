"""Which recorded calls are sent, and how each is turned to the copy of a database (pure)."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from shared.operators import OTHERS, STAGES

READS = frozenset(
    {"findOne", "find", "aggregate", "countDocuments", "estimatedDocumentCount", "distinct", "listCollections",
     "listIndexes", "getSchema"}
)  # fmt: skip
WRITES = frozenset(
    {"insertOne", "insertMany", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany", "findOneAndUpdate",
     "findOneAndReplace", "findOneAndDelete", "bulkWrite", "transaction"}
)  # fmt: skip

_WRITING = frozenset(name for name, stage in STAGES.items() if stage.writes)
_JOINING = OTHERS.keys()
_REFERABLE = [[name] for name in ("document", "documents", "filter", "update", "replacement")]

type Members = dict[str, Any]


class NotSentError(Exception):
    """A call is not sent; the message says why."""


class Place(NamedTuple):
    """A collection of the recording, or with an empty name a database."""

    data_source: str
    database: str
    collection: str


class Prepared(NamedTuple):
    """What is sent; the places are what has to be copied before."""

    body: bytes
    places: frozenset[Place]
    writes: bool


def prepared(action: str, body: bytes, suffix: str | None) -> Prepared:
    """Return what to send: as it was recorded without a suffix, else to the databases with it."""
    if action not in READS | WRITES:
        raise NotSentError(f"{action} depends on the deployment that answers, or is unknown")
    document = _document(body)
    writes = action in WRITES or any(name in _WRITING for name in _names(document))
    if suffix is None:
        if writes:
            raise NotSentError("it writes: --writes sends it to a copy")
        return Prepared(body, frozenset(), False)
    places = frozenset(_turned(action, document, suffix))
    try:
        return Prepared(json.dumps(document, allow_nan=False).encode(), places, writes)
    except ValueError:
        raise NotSentError("a number in it is larger than any double") from None
    except RecursionError:
        raise NotSentError("it is nested too deeply") from None


def _document(body: bytes) -> Members:
    """Return a body as the deployment reads it: UTF-8, where the standard library would read UTF-16, too."""
    try:
        found = json.loads(body.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise NotSentError("its body is not JSON") from None
    if not isinstance(found, dict):
        raise NotSentError("its body is not an object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> Members:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotSentError("a member stands in it twice, so that nobody can say what it does")
    return found


def _names(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _turned(action: str, document: Members, suffix: str) -> Iterator[Place]:
    if action != "transaction":
        yield from _turned_request(document, document, suffix)
        return
    defaults = {name: document.get(name) for name in ("dataSource", "database", "collection")}
    if isinstance(defaults["database"], str):
        document["database"] += suffix
    operations = document.get("operations")
    if not isinstance(operations, list):
        raise NotSentError("its transaction has no operations")
    for operation in operations:
        if not isinstance(operation, dict):
            raise NotSentError("an operation of its transaction is no object")
        _refuse_references(operation.get("references"))
        yield from _turned_request(operation, defaults, suffix)


def _refuse_references(references: Any) -> None:
    """Raise NotSentError if a reply of an earlier operation could name another database."""
    if references is None:
        return
    for target in references if isinstance(references, dict) else ("",):
        if target.split("/")[1:2] not in _REFERABLE:
            raise NotSentError("an earlier operation of its transaction may name the database")


def _turned_request(request: Members, defaults: Members, suffix: str) -> Iterator[Place]:
    named = {**defaults, **request}
    source, database, collection = (named.get(name) for name in ("dataSource", "database", "collection"))
    if not isinstance(source, str | None) or not isinstance(database, str) or not isinstance(collection, str | None):
        raise NotSentError("it names no database")
    yield Place(source or "", database, collection or "")
    if "database" in request:
        request["database"] = database + suffix
    for stage, value in _joins(request.get("pipeline")):
        yield from _turned_join(stage, value, Place(source or "", database, ""), suffix)


def _joins(value: Any) -> Iterator[tuple[Members, str]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from ((each, name) for name in each if name in _JOINING)
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _turned_join(stage: Members, name: str, home: Place, suffix: str) -> Iterator[Place]:
    value = stage[name]
    if isinstance(value, str):
        yield home._replace(collection=value)
        return
    for named in (value, *(value.get(member) for member in ("from", "into"))) if isinstance(value, dict) else ():
        if isinstance(named, str):
            yield home._replace(collection=named)
        elif isinstance(named, dict):
            database, collection = named.get("db", home.database), named.get("coll")
            if not isinstance(database, str) or not isinstance(collection, str | None):
                raise NotSentError(f"its {name} names no database by a text")
            if "db" in named:
                named["db"] = database + suffix
            yield home._replace(database=database, collection=collection or "")
