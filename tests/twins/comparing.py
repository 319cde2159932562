"""One call sent to twins: what differs in the answers and in what was written."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import bson
from bson.dbref import DBRef
from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient

from tests.twins.host import COLLECTIONS, DATABASES, Answer, Host
from tests.twins.oracle import Oracle, Shown
from tests.twins.plain import Document
from tests.twins.twin import are_twins

_HEX = re.compile(rb"[0-9a-f]{24}")
_READS = frozenset({"findOne", "find", "aggregate"})
_GONE, _NEW = "<gone>", "<new>"


class Case(NamedTuple):
    """Rules, and the documents of two databases that nobody bound by them can tell apart."""

    collection: str
    mode: str
    rules: Document
    schema: Document
    ones: list[Document]
    others: list[Document]


class Difference(NamedTuple):
    """What is not the same, and how it looks in either database."""

    kind: str
    one: Any
    other: Any


class Comparison:
    """Sends calls to twins; counts what came of them."""

    def __init__(self, host: Host, client: AsyncMongoClient[Document]) -> None:
        """Take the service, and the driver's client that sees behind it."""
        self._host = host
        self._client = client
        self._started = int(time.time())
        self.statuses: Counter[int] = Counter()
        self.changed = 0

    async def begin(self, case: Case) -> bool:
        """Serve the rules, store the documents; tell whether nobody must be able to tell them apart."""
        if not case.ones or len(case.ones) != len(case.others):
            return False
        if not self._host.serve(case.collection, case.rules, case.schema):
            return False
        await asyncio.gather(*(self.store(case, number) for number in (0, 1)))
        oracle = oracle_of(case)
        matched = [await self.matched(case, number, oracle.queries) for number in (0, 1)]
        return matched[0] == matched[1] and all(
            are_twins(oracle, one, other, any(found), case.schema, case.mode)
            for one, other, found in zip(case.ones, case.others, matched[0], strict=True)
        )

    async def store(self, case: Case, number: int) -> None:
        """Have one of the databases hold what the case says, again."""
        place = self._place(case, number)
        await place.delete_many({})
        await place.insert_many([dict(each) for each in (case.ones, case.others)[number]])

    async def matched(self, case: Case, number: int, queries: list[Any]) -> list[tuple[bool, bool]]:
        """Tell for each document whether filters' queries find it, with the collection's collation and without."""
        stored = (case.ones, case.others)[number]
        if not queries:
            return [(True, True)] * len(stored)
        place, condition = self._place(case, number), {"$and": queries}
        found = []
        for collation in (COLLECTIONS[case.collection], {"locale": "simple"}):
            cursor = place.find(condition, {"_id": 1}, collation=collation)
            found.append([bson.encode(plain(each)) async for each in cursor])
        keys = [bson.encode({"_id": each["_id"]}) for each in stored]
        return [(key in found[0], key in found[1]) for key in keys]

    async def compare(self, case: Case, call: Document) -> Difference | None:
        """Send a call to both databases and return the first difference; both are then as they were before."""
        answers = await asyncio.gather(*(self._host.call(database, case.collection, call) for database in DATABASES))
        self.statuses[answers[0].status] += 1
        different = self._in_answers(*answers)
        if call["action"] in _READS:
            return different
        after = await asyncio.gather(*(self._stored(case, number) for number in (0, 1)))
        changes = [_changes(before, now) for before, now in zip((case.ones, case.others), after, strict=True)]
        if not any(changes):
            return different
        self.changed += 1
        await asyncio.gather(*(self.store(case, number) for number in (0, 1)))
        return different or self._in_changes(case, after, changes)

    def _in_answers(self, one: Answer, other: Answer) -> Difference | None:
        if one.status >= 500 or other.status >= 500:
            return Difference("a failure of the service's own", one, other)
        for kind in ("status", "headers"):
            if getattr(one, kind) != getattr(other, kind):
                return Difference(kind, one, other)
        bodies = [self._normal(each.body) for each in (one, other)]
        return None if bodies[0] == bodies[1] else Difference("body", one, other)

    def _normal(self, body: bytes) -> bytes:
        """Leave out what may differ: the database's own name, and ids that were made just now."""
        body = body.replace(DATABASES[1].encode(), DATABASES[0].encode())
        return _HEX.sub(lambda found: b"<new>" if int(found[0][:8], 16) >= self._started else found[0], body)

    def _in_changes(self, case: Case, after: list[list[Document]], changes: list[Document]) -> Difference | None:
        if repr(changes[0]) != repr(changes[1]):
            return Difference("what was written", *changes)
        oracle = oracle_of(case)
        now = {_key(each): each for each in after[0]}
        for before in case.ones:
            if _key(before) in now and not _is_kept(before, now[_key(before)], oracle.shown(before)):
                return Difference("something hidden was written", before, now[_key(before)])
        return None

    async def _stored(self, case: Case, number: int) -> list[Document]:
        return [self._without_new(plain(each)) async for each in self._place(case, number).find()]

    def _without_new(self, value: Any) -> Any:
        """Put a word in the place of ids and times that were made just now."""
        if isinstance(value, dict):
            return {name: self._without_new(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._without_new(each) for each in value]
        is_id = isinstance(value, ObjectId) and value.generation_time.timestamp() >= self._started
        is_time = isinstance(value, Timestamp) and value.time >= self._started
        is_date = isinstance(value, datetime) and value.replace(tzinfo=UTC).timestamp() >= self._started
        return _NEW if is_id or is_time or is_date else value

    def _place(self, case: Case, number: int) -> Any:
        return self._client[DATABASES[number]][case.collection]


def oracle_of(case: Case) -> Oracle:
    """Return the rules of a case, as they count for the caller."""
    from tests.twins.documents import USER  # noqa: PLC0415

    return Oracle(case.rules, USER)


def plain(value: Any) -> Any:
    """Return a document without what the driver makes of a reference."""
    if isinstance(value, DBRef):
        value = value.as_doc()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def _key(document: Document) -> bytes:
    return bson.encode({"_id": document["_id"]})


def _changes(before: list[Document], after: list[Document]) -> Document:
    """Return what became of documents, path by path, without anything that stayed; old ones are named by position."""
    names = {_key(each): str(position) for position, each in enumerate(before)}
    olds = {names[_key(each)]: each for each in before}
    news = {names.get(_key(each), f"new {each['_id']}"): each for each in after}
    found: Document = {}
    for key in {**olds, **news}:
        for path, value in _differences(olds.get(key, ...), news.get(key, ...)):
            found[f"{key}{path}"] = value
    return found


def _differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if new is ...:
        yield path, _GONE
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            yield from _differences(old.get(name, ...), new.get(name, ...), f"{path}.{name}")
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            one, other = (each[index] if index < len(each) else ... for each in (old, new))
            yield from _differences(one, other, f"{path}.{index}")
    elif old is ... or bson.encode({"": old}) != bson.encode({"": new}):
        yield path, new


def _is_kept(old: Any, new: Any, shown: Shown) -> bool:
    """Tell whether all that is hidden is as it was."""
    if not _hides(shown):
        return True
    if shown is False:
        return new is not ... and bson.encode({"": old}) == bson.encode({"": new})
    if isinstance(shown, dict):
        return isinstance(new, dict) and all(_is_kept(old[name], new.get(name, ...), shown[name]) for name in old)
    if shown is True or not isinstance(new, list) or len(new) < len(old):
        return False
    return all(_is_kept(one, other, part) for one, other, part in zip(old, new, shown, strict=False))


def _hides(shown: Shown) -> bool:
    if isinstance(shown, bool):
        return not shown
    return any(map(_hides, shown.values() if isinstance(shown, dict) else shown))
