"""The service, and what is stored in two databases behind it."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

import bson
from bson import json_util
from bson.dbref import DBRef
from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient

from tests.twins.documents import USER
from tests.twins.host import COLLECTIONS, DATABASES, Answer, Host
from tests.twins.oracle import Oracle
from tests.twins.plain import NEW, Document

EXACT = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=False)


class Case(NamedTuple):
    """Rules, and the documents of two databases that nobody bound by them can tell apart."""

    collection: str
    mode: str
    rules: Document
    schema: Document
    ones: list[Document]
    others: list[Document]

    @property
    def oracle(self) -> Oracle:
        """The rules as they count for the caller."""
        return Oracle(self.rules, USER)


class Difference(NamedTuple):
    """What is not the same, and how it looks on either side."""

    kind: str
    one: Any
    other: Any


class World:
    """Serves cases and takes calls; counts what came of them."""

    def __init__(self, host: Host, client: AsyncMongoClient[Document]) -> None:
        """Take the service, and the driver's client that sees behind it."""
        self._host = host
        self._client = client
        self.started = int(time.time())
        self.statuses: Counter[int] = Counter()
        self.changed = 0

    async def begin(self, case: Case) -> bool:
        """Serve the rules and store the documents; tell whether the rules can be used."""
        if not self._host.serve(case.collection, case.rules, case.schema):
            return False
        await asyncio.gather(*(self._store(case, number) for number in (0, 1)))
        return True

    async def matched(self, case: Case, number: int) -> list[tuple[bool, bool]]:
        """Tell for each document whether filters' queries find it, with the collection's collation and without."""
        stored, queries = (case.ones, case.others)[number], case.oracle.queries
        if not queries:
            return [(True, True)] * len(stored)
        place, condition = self._place(case, number), {"$and": queries}
        found = []
        for collation in (COLLECTIONS[case.collection], {"locale": "simple"}):
            cursor = place.find(condition, {"_id": 1}, collation=collation)
            found.append([bson.encode(plain(each)) async for each in cursor])
        keys = [bson.encode({"_id": each["_id"]}) for each in stored]
        return [(key in found[0], key in found[1]) for key in keys]

    async def call(self, case: Case, number: int, call: Document) -> Answer:
        """Send a call to one of the databases."""
        answer = await self._host.call(DATABASES[number], case.collection, call)
        if number == 0:
            self.statuses[answer.status] += 1
        return answer

    async def stored(self, case: Case, number: int) -> list[Document]:
        """Return what one of the databases holds; what was made just now is NEW."""
        return [self.without_new(plain(each)) async for each in self._place(case, number).find()]

    async def restore(self, case: Case, *numbers: int) -> None:
        """Have databases hold again what the case says."""
        self.changed += 1
        await asyncio.gather(*(self._store(case, number) for number in numbers))

    async def keep_before(self, case: Case, number: int, *, is_kept: bool) -> None:
        """Have a database keep what documents of the case were before they change, or not."""
        database = self._client[DATABASES[number]]
        await database.command("collMod", case.collection, changeStreamPreAndPostImages={"enabled": is_kept})

    async def change(self, case: Case, number: int, kind: str, before: Document | None, after: Document | None) -> None:
        """Make one document of a database another, by an update of its members or as a whole."""
        place = self._place(case, number)
        if before is None:
            await place.insert_one(dict(after or {}))
        elif after is None:
            await place.delete_one({"_id": before["_id"]})
        elif kind != "update":
            await place.replace_one({"_id": before["_id"]}, after)
        else:
            operators = {
                "$set": {
                    name: value for name, value in after.items() if name != "_id" and _is_new(before, name, value)
                },
                "$unset": {name: 1 for name in before if name not in after},
            }
            if any(operators.values()):
                await place.update_one({"_id": before["_id"]}, {name: each for name, each in operators.items() if each})

    async def _store(self, case: Case, number: int) -> None:
        place = self._place(case, number)
        await place.delete_many({})
        await place.insert_many([dict(each) for each in (case.ones, case.others)[number]])

    def without_new(self, value: Any) -> Any:
        """Return a value with NEW in place of what was made just now."""
        if isinstance(value, dict):
            return {name: self.without_new(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.without_new(each) for each in value]
        is_id = isinstance(value, ObjectId) and value.generation_time.timestamp() >= self.started
        is_time = isinstance(value, Timestamp) and value.time >= self.started
        is_date = isinstance(value, datetime) and value.replace(tzinfo=UTC).timestamp() >= self.started
        return NEW if is_id or is_time or is_date else value

    def _place(self, case: Case, number: int) -> Any:
        return self._client[DATABASES[number]][case.collection]


def _is_new(before: Document, name: str, value: Any) -> bool:
    return name not in before or bson.encode({"": before[name]}) != bson.encode({"": value})


def plain(value: Any) -> Any:
    """Return a document without what the driver makes of a reference."""
    if isinstance(value, DBRef):
        value = value.as_doc()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value
