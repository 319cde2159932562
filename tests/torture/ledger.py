"""A ledger of every write: clients that write steadily, and what became of each write."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from tests.torture.promises import INVITED, LOST, STALE, TWICE, WRONG
from tests.torture.report import Row
from tests.traffic import LOST as CUT_OFF
from tests.traffic import Connection

CLIENTS = 16
PER_SECOND = 80
ALLOWED = {200, 201, 503, 504}

_PARTS = 3
_PATIENCE = 60.0

type Database = Any  # pymongo's AsyncDatabase[dict[str, Any]]


@dataclass
class Ledger:
    """What clients were told of each of their writes: none is sent twice, and each has an id of its own."""

    port: int
    key: str
    acknowledged: dict[str, int] = field(default_factory=dict)  # and of how many parts
    invited: set[str] = field(default_factory=set)  # to be sent again: a promise that it did not happen
    unsure: set[str] = field(default_factory=set)
    stale: list[object] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)
    unanswered: list[tuple[float, str]] = field(default_factory=list)  # when each was sent whole
    times: list[float] = field(default_factory=list)  # of acknowledgements
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)
    _running: bool = True

    @asynccontextmanager
    async def load(self, database: Database) -> AsyncIterator[Self]:
        """Let clients write until the block ends."""
        await database.items.insert_many([{"_id": f"client {number}", "writes": []} for number in range(CLIENTS)])
        await database.items.create_index("write")
        self.times.append(time.monotonic())
        clients = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        try:
            yield self
        finally:
            self._running = False
            await asyncio.gather(*clients)
            self.times.append(time.monotonic())

    @property
    def silence(self) -> float:
        """The longest time without an acknowledgement."""
        return max(later - earlier for earlier, later in itertools.pairwise(self.times))

    async def rows(self, title: str, database: Database) -> list[Row]:
        """Compare what clients were told with what is stored."""
        found = Counter([unit async for unit in _units(database)])
        there = {name for name, _ in found}
        told = self.acknowledged.items()
        lost = [name for name, parts in told if not all(found[name, part] for part in range(parts))]
        return [
            LOST.none_of(title, lost, f"of {len(self.acknowledged):,}"),
            TWICE.none_of(title, [unit for unit, times in found.items() if times > 1]),
            STALE.none_of(title, self.stale),
            INVITED.none_of(title, self.invited & there, f"of {len(self.invited)}"),
            WRONG.none_of(title, self.wrong),
        ]

    async def _client(self, number: int) -> None:
        connection = Connection(self.port, self.key)
        writes = itertools.cycle([self._insert_one, self._insert_many, self._push])
        while self._running:
            started = time.monotonic()
            await next(writes)(connection, number)
            await asyncio.sleep(max(0.0, CLIENTS / PER_SECOND - (time.monotonic() - started)))
        await connection.close()

    async def _insert_one(self, connection: Connection, _: int) -> None:
        name = self._new_name()
        if await self._write(connection, name, 1, "insertOne", document={"write": name, "part": 0}):
            await self._see(connection, name, "findOne", lambda found: found["document"], filter={"write": name})

    async def _insert_many(self, connection: Connection, _: int) -> None:
        name = self._new_name()
        documents = [{"write": name, "part": part} for part in range(_PARTS)]
        if await self._write(connection, name, _PARTS, "insertMany", documents=documents):
            await self._see(
                connection, name, "find", lambda found: len(found["documents"]) == _PARTS, filter={"write": name}
            )

    async def _push(self, connection: Connection, number: int) -> None:
        name, own = self._new_name(), {"_id": f"client {number}"}
        if await self._write(connection, name, 1, "updateOne", filter=own, update={"$push": {"writes": name}}):
            await self._see(connection, name, "findOne", lambda found: name in found["document"]["writes"], filter=own)

    async def _write(self, connection: Connection, name: str, parts: int, action: str, **members: Any) -> bool:
        """Send a write once, and note what is said of it; tell whether it is acknowledged."""
        answer = await self._call(connection, action, **members)
        if answer is not None and answer[0] in {200, 201}:
            self.acknowledged[name] = parts
            self.times.append(time.monotonic())
            return True
        (self.invited if answer is not None and connection.invites_again else self.unsure).add(name)
        return False

    async def _see(self, connection: Connection, name: str, action: str, shows: Any, **members: Any) -> None:
        answer = await self._call(connection, action, **members)
        if answer is not None and answer[0] == 200 and not shows(answer[1]):
            self.stale.append((name, answer))

    async def _call(self, connection: Connection, action: str, **members: Any) -> tuple[int, Any] | None:
        sent = None
        try:
            async with asyncio.timeout(_PATIENCE):
                await connection.open()
                await connection.send(action, **members)
                sent = time.monotonic()
                answer = await connection.receive()
        except (*CUT_OFF, TimeoutError):
            await connection.close()
            if sent is not None:
                self.unanswered.append((sent, action))
            await asyncio.sleep(0.02)
            return None
        if answer[0] not in ALLOWED:
            self.wrong.append((action, *answer))
        if connection.says_close:
            await connection.close()
        return answer

    def _new_name(self) -> str:
        return f"write {next(self._ids)}"


async def _units(database: Database) -> AsyncIterator[tuple[str, int]]:
    """Give each part of each write that is stored, as often as it is."""
    async for document in database.items.find():
        for unit in _of(document):
            yield unit


def _of(document: dict[str, Any]) -> Iterator[tuple[str, int]]:
    if "write" in document:
        yield document["write"], document["part"]
    for name in document.get("writes", ()):
        yield name, 0
