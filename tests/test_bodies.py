"""Large bodies: who sends one says who he is first, holds no place while it comes, and is not alone."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.conftest import Post, errors_only, request_body
from tests.edge import Reply, action, exchange, have_read, replies
from tests.hosts import Server, eventually

KB, MB = 1024, 1024 * 1024
LONG = "x" * (2 * MB)


@pytest.fixture(scope="module")
async def single(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that works on one call at a time, with little room for large ones."""
    log = tmp_path_factory.mktemp("single") / "log"
    env = {"MAX_CALLS": "1", "MEMORY_BUDGET_BYTES": str(3 * MB)}
    async with Server(log, MONGO_DB_URI=mongod.uri, **env) as running:
        yield running


def resident(server: Server) -> int:
    """Return how many bytes a server has in memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * KB for line in status.splitlines() if line.startswith("VmRSS"))


class Upload:
    """A call whose body comes piece by piece."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        self.reader, self.writer, self.rest = reader, writer, request

    @classmethod
    async def begin(cls, server: Server, request: bytes, size: int) -> "Upload":
        """Connect, and send so many bytes."""
        upload = cls(*await asyncio.open_connection("127.0.0.1", server.port), request)
        await upload.send(size)
        return upload

    async def send(self, size: int) -> None:
        part, self.rest = self.rest[:size], self.rest[size:]
        self.writer.write(part)
        await self.writer.drain()

    async def end(self) -> Reply:
        """Send the rest and return the answer."""
        await self.send(len(self.rest))
        received = await asyncio.wait_for(self.reader.read(), 60)
        self.writer.close()
        (reply,) = replies(received)
        return reply


def chunked(request: bytes) -> bytes:
    """Return a call with its body in one chunk."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""]) + b"%x\r\n%b\r\n0\r\n\r\n" % (
        len(body),
        body,
    )


@pytest.mark.parametrize("form", ["whole", "chunked"])
@pytest.mark.parametrize(("sent", "status"), [("", 400), ("k" * 64, 401)], ids=["no key", "a wrong key"])
async def test_of_who_is_nobody_no_more_than_a_little_is_read(
    server: Server, database: Any, form: str, sent: str, status: int
) -> None:
    request = action("insertOne", sent, body=request_body(document={"long": LONG * 8}))
    request = chunked(request) if form == "chunked" else request
    before = resident(server)

    uploads = [await Upload.begin(server, request, 100 * KB) for _ in range(10)]
    answers = [await asyncio.wait_for(upload.reader.readuntil(b"}"), 60) for upload in uploads]
    for upload in uploads:
        await asyncio.wait({asyncio.create_task(upload.send(4 * MB))}, timeout=0.2)
    grown = resident(server) - before
    for upload in uploads:
        upload.writer.transport.abort()

    assert {int(answer.split()[1]) for answer in answers} == {status}
    assert grown < 15 * MB
    assert await database.items.count_documents({}) == 0


async def test_a_large_body_arrives_without_a_place(single: Server, key: str, database: Any) -> None:
    await Post(single, key)("findOne")
    upload = await Upload.begin(single, action("insertOne", key, body=request_body(document={"long": LONG})), MB)
    await asyncio.sleep(0.3)

    assert (await Post(single, key)("findOne")).status == 200  # without a place it would be 503
    reply = await upload.end()
    assert reply.status == 201
    assert await database.items.count_documents({"long": LONG}) == 1


async def test_a_client_who_leaves_within_a_large_body_leaves_nothing_behind(
    single: Server, key: str, database: Any
) -> None:
    request = action("insertOne", key, body=request_body(document={"long": LONG}))
    for _ in range(3):
        upload = await Upload.begin(single, request, MB)
        await have_read(upload.writer)
        upload.writer.transport.abort()

    async def is_logged() -> bool:
        logged = [line["status"] for line in single.log_lines if line.get("operation") == "insertOne"]
        return logged.count(499) == 3

    await eventually(is_logged)
    assert await database.items.count_documents({}) == 0
    assert (await Post(single, key)("insertOne", document={"long": LONG})).status == 201


@pytest.mark.parametrize(("given", "status"), [("", 400), ("k" * 64, 401)], ids=["no key", "a wrong key"])
async def test_who_asks_whether_to_send_a_body_is_told_no(server: Server, given: str, status: int) -> None:
    request = action("insertOne", given, "Expect: 100-continue", body=request_body(document={"long": LONG}), last=False)

    found = await exchange(server.port, request.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    assert [reply.status for reply in found] == [status]
    assert found[0].headers["connection"] == "close"


async def test_who_may_is_told_to_send_it(server: Server, key: str, database: Any) -> None:
    request = action("insertOne", key, "Expect: 100-continue", body=request_body(document={"long": LONG}))
    at = request.index(b"\r\n\r\n") + 4

    found = await exchange(server.port, request[:at], request[at:])

    assert [reply.status for reply in found] == [100, 201]


@pytest.mark.full
async def test_what_does_not_fit_beside_others_is_503_and_fits_later(single: Server, key: str, database: Any) -> None:
    request = action("insertOne", key, body=request_body(document={"long": LONG}))
    first = await Upload.begin(single, request, 2 * MB)
    await asyncio.sleep(0.3)
    began = time.monotonic()

    second = await Post(single, key)("insertOne", document={"long": LONG})
    waited = time.monotonic() - began

    assert (second.status, second.headers["retry-after"]) == (503, "1")
    assert errors_only(second)["error"] == "too many large calls at once"
    assert 4.5 < waited < 20
    assert (await first.end()).status == 201
    assert (await Post(single, key)("insertOne", document={"long": LONG})).status == 201
    assert await database.items.count_documents({}) == 2
