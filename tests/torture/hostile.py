"""Bytes that two readers could take for different requests, straight and through a proxy that shares connections."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from tests.conftest import DATABASE, request_body
from tests.edge import action, chunked, exchange
from tests.haproxy import HAPROXY, haproxy
from tests.hosts import Server
from tests.test_http_edge import FAULTY, OFFERS
from tests.torture import promises
from tests.torture.place import Driver, Place, client_of, connections, system_key
from tests.torture.report import Row
from tests.traffic import LOST, Connection

_ATTACKERS = 40
_CALLERS = 4
_EXPECTED = {501, 505}
_TOO_LONG = {414, 431}
_OF_PROXY = {502, 503, 504}
_IN_A_BODY, _BEHIND = "in a body", "behind a fault"  # which a proxy may have mended
_MARK = b"########"  # becomes the number of the attack


async def hostile(place: Place) -> list[Row]:
    """Mix all shapes that are known, cut anywhere, with callers beside them who see whose answers they get."""
    rows: list[Row] = []
    async with place.mongod() as mongod, client_of(mongod.uri) as driver:
        key = system_key(mongod.uri)
        async with place.server(mongod.uri, LOG_LEVEL="ERROR", REQUEST_HEAD_SECONDS="2") as server:
            rows += await _attack(place, server, server.port, key, driver, "straight")
            if HAPROXY is None:
                return [*rows, Row("through haproxy", "", "not measured, as it is not installed", ok=True)]
            folder = place.path("haproxy")
            folder.mkdir()
            async with haproxy(folder, server.port) as port:
                rows += await _attack(place, server, port, key, driver, "through haproxy")
    return rows


async def _attack(place: Place, server: Server, port: int, key: str, driver: Driver, where: str) -> list[Row]:
    callers = Callers(port, key, where, is_proxied=port != server.port)
    statuses: Counter[int] = Counter()
    unreadable: list[object] = []
    names: list[str] = []
    ends = asyncio.get_running_loop().time() + place.seconds(20)

    async def attacker(number: int) -> None:
        for name, packets in _attacks(key, Random(f"{place.seed} {number}"), is_proxied=callers.is_proxied):
            if asyncio.get_running_loop().time() > ends:
                break
            mark = b"%08d" % len(names)
            names.append(name)
            marked = [packet.replace(_MARK, mark) for packet in packets]
            try:
                statuses.update(reply.status for reply in await exchange(port, *marked, pause=0.01, patience=0.15))
            except (AssertionError, ValueError, UnicodeError) as error:  # what came is no row of answers
                unreadable.append((error, name))

    before = connections(server)
    async with callers.going_on():
        await asyncio.gather(*(attacker(number) for number in range(_ATTACKERS)))
    await asyncio.sleep(3)
    kinds = _IN_A_BODY if callers.is_proxied else f"{_IN_A_BODY}|{_BEHIND}"
    stored = await driver[DATABASE].items.distinct("_id", {"_id": {"$regex": f"^({kinds})"}})
    faults = {status: count for status, count in statuses.items() if status >= 500 and status not in _EXPECTED}
    if callers.is_proxied:
        faults = {status: count for status, count in faults.items() if status not in _OF_PROXY}
    return [
        promises.OTHERS_ANSWER.none_of(where, [*callers.others, *unreadable], f"of {callers.served:,}"),
        promises.SMUGGLED.none_of(
            where, [(each, names[int(each[-8:])]) for each in stored], f"of {statuses.total():,} answers"
        ),
        promises.FAULTS.row(where, sum(faults.values()), str(dict(sorted(statuses.items()))) if faults else ""),
        promises.BESIDE_HOSTILE.none_of(where, callers.failed),
        *(
            []
            if callers.is_proxied
            else [promises.HOSTILE_CONNECTIONS.row(where, max(connections(server) - before, 0))]
        ),
    ]


class Callers:
    """Callers who insert documents of their own, and see whether the answers are theirs."""

    def __init__(self, port: int, key: str, name: str, *, is_proxied: bool) -> None:
        self.port = port
        self.key = key
        self._name = name
        self.is_proxied = is_proxied
        self.served = 0
        self.others: list[object] = []
        self.failed: list[object] = []
        self._ids = itertools.count()
        self._running = True

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Let them call until the block ends."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_CALLERS):
                group.create_task(self._caller())
            yield
            self._running = False

    async def _caller(self) -> None:
        connection = Connection(self.port, self.key)
        while self._running:
            await self._call(connection, next(self._ids))
        await connection.close()

    async def _call(self, connection: Connection, number: int) -> None:
        try:
            async with asyncio.timeout(30):
                await connection.open()
                await connection.send("insertOne", document={"_id": f"{self._name} {number}"})
                status, members = await connection.receive()
        except (*LOST, TimeoutError, ValueError) as error:
            await connection.close()
            if not self.is_proxied:  # which may lose the connection that it shares
                self.failed.append(repr(error))
            return
        self.served += 1
        if status == 201 and members != {"insertedId": f"{self._name} {number}"}:
            self.others.append((number, members))
        elif status != 201 and not (self.is_proxied and status in _OF_PROXY):
            (self.others if self.is_proxied else self.failed).append((number, status, members))
        if connection.says_close:
            await connection.close()


def _attacks(key: str, random: Random, *, is_proxied: bool) -> Iterator[tuple[str, list[bytes]]]:
    """Give what to send over a connection, and how it is called, without end."""
    shapes = [*_shapes(key, is_proxied=is_proxied)]
    while True:
        chosen = [random.choice(shapes) for _ in range(random.choice([1, 1, 2, 3]))]
        sent = b"".join(data for _, data in chosen)
        if random.random() < 0.1:
            sent = sent[: random.randrange(len(sent))]
        cuts = sorted(random.randrange(len(sent) + 1) for _ in range(random.choice([0, 1, 1, 2, 4])))
        name = f"{', '.join(name for name, _ in chosen)}, of {len(sent)} bytes, cut at {cuts}"
        yield name, [sent[start:end] for start, end in itertools.pairwise([0, *cuts, len(sent)])]


def _shapes(key: str, *, is_proxied: bool) -> Iterator[tuple[str, bytes]]:
    """Give each shape that hides an insert, or stands before one that may not be read."""
    inner, behind = (_insert(key, each) for each in (_IN_A_BODY, _BEHIND))
    for fault in FAULTY:
        data: Any = fault.values[0]
        if not (is_proxied and fault.id == "HTTP/2"):  # which HAProxy speaks
            # what is too long may pass if it comes in pieces, and then what follows is a request
            yield str(fault.id), data if fault.values[1] in _TOO_LONG else data + behind
    for offer in OFFERS:
        lines: Any = offer.values[0]
        yield f"{offer.id} with a body", action("find", key, *lines, body=inner, last=False)
        yield f"{offer.id} with chunks", chunked("find", key, *lines, body=inner, last=False) + b"\r\n"
        yield str(offer.id), "\r\n".join(["GET /health/live HTTP/1.1", "Host: x", *lines, "", ""]).encode()
    body = request_body(document={"_id": _marked(_IN_A_BODY)})
    anonymous = chunked("insertOne", "", body=body, last=False).replace(b"apiKey: \r\n", b"")
    yield "a key in a trailer", anonymous + f"apiKey: {key}\r\n\r\n".encode()
    yield (
        "a length in a trailer",
        chunked("find", key, body=request_body(limit=1), last=False) + b"Content-Length: 9\r\n\r\n",
    )
    yield "100-continue", action("find", key, "Expect: 100-continue", body=inner, last=False)
    yield "HTTP/1.0", action("findOne", key, last=False).replace(b"HTTP/1.1", b"HTTP/1.0") + behind
    yield "a pipeline", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 50
    yield "CONNECT", b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n" + behind


def _insert(key: str, name: str) -> bytes:
    return action("insertOne", key, body=request_body(document={"_id": _marked(name)}))


def _marked(name: str) -> str:
    return f"{name} {_MARK.decode()}"
