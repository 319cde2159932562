"""More calls than a process can work on: who is served, who is refused, and what a caller leaves behind who leaves."""

import asyncio
import contextlib
import runpy
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from local.mongod import Mongod
from shared.admission import DEPARTURE_SECONDS, WAIT_SECONDS, WAITING
from shared.settings import Settings
from tests.conftest import FailPoint, Post, errors_only, request_body
from tests.depth import examples
from tests.edge import action, exchange, replies
from tests.held import Hold
from tests.hosts import ROOT, Host, PatientServer, Server, eventually

is_plain = runpy.run_path(str(ROOT / "server" / "plain.py"))["is_plain"]
"""Of the file alone: the package registers all functions, which this process has done already."""

REFUSED = {"error": "too many calls at once", "error_code": "InternalServerError"}
KEY = "metrics-key-of-admission"
PATIENCE = 30
"""Seconds in which a call is done that does not wait: it would wait for twice as long."""
MONGO_SECONDS = Settings().mongo_db_timeout_ms / 1000
"""When a call is given up whose command MongoDB does not answer."""


@pytest.fixture
async def hurried(mongod: Mongod, tmp_path: Path) -> AsyncIterator[Server]:
    """A server that works on one call at a time."""
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MAX_CALLS="1") as running:
        yield running


@pytest.fixture(scope="module")
async def narrow(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that works on one call at a time, for which others wait a minute."""
    log = tmp_path_factory.mktemp("narrow") / "log"
    async with PatientServer(log, MONGO_DB_URI=mongod.uri, MAX_CALLS="1", METRICS_KEY=KEY) as running:
        yield running


@pytest.fixture(params=["hurried", "worker"])
def narrow_host(request: pytest.FixtureRequest, configured: pytest.MonkeyPatch) -> Host:
    """Each host in turn, working on one call at a time."""
    configured.setenv("MAX_CALLS", "1")
    running: Host = request.getfixturevalue(request.param)
    return running


async def busy(server: Host, key: str, hold: Hold) -> asyncio.Task[Any]:
    """Begin a call that takes as long as it is held."""
    await Post(server, key)("findOne")  # the key is known
    await hold.begin("find")
    task = asyncio.create_task(Post(server, key)("findOne"))
    await hold.holds()
    return task


async def waiting(server: Server, calls: int) -> None:
    """Return as soon as so many calls wait for a place."""

    async def do_wait() -> bool:
        scraped = await server.request("GET", "/metrics", {"Authorization": f"Bearer {KEY}"})
        families = {each.name: each for each in text_string_to_metric_families(scraped.body.decode())}
        return families["dozen_calls_waiting"].samples[0].value == calls

    await eventually(do_wait, 60)


def sockets(server: Server) -> int:
    """Return how many sockets a server has open."""
    count = 0
    for each in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            count += str(each.readlink()).startswith("socket:")
    return count


async def test_a_call_without_a_place_is_503_before_its_key_and_body_are_looked_at(
    narrow_host: Host, key: str, database: Any, hold: Hold
) -> None:
    host = narrow_host
    first = await busy(host, key, hold)
    began = time.monotonic()

    refused = await host.request(
        "POST", "/app/data-x/endpoint/data/v1/action/insertOne", {"apiKey": "wrong", "Origin": "https://a.test"}, b"{"
    )
    waited = time.monotonic() - began
    live = await host.request("GET", "/health/live")
    await hold.end()

    assert (refused.status, refused.headers["retry-after"], errors_only(refused)) == (503, "1", REFUSED)
    assert refused.headers["access-control-allow-origin"] == "https://a.test"
    assert WAIT_SECONDS - 0.1 < waited < WAIT_SECONDS + PATIENCE
    assert live.status == 200
    assert (await first).status == 200
    assert (await Post(host, key)("findOne")).status == 200


async def test_who_waits_gets_the_place_that_is_given_back(narrow: Server, key: str, database: Any, hold: Hold) -> None:
    first = await busy(narrow, key, hold)

    second = asyncio.create_task(Post(narrow, key)("insertOne", document={"_id": 1}))
    await waiting(narrow, 1)
    await hold.end()

    assert (await first).status == 200
    assert (await second).status == 201


async def test_when_the_queue_is_full_plain_calls_are_refused_like_all_others(
    narrow: Server, key: str, database: Any, hold: Hold
) -> None:
    first = await busy(narrow, key, hold)
    crowd = [asyncio.create_task(exchange(narrow.port, action("find", key))) for _ in range(WAITING)]
    await waiting(narrow, WAITING)
    began = time.monotonic()
    plain = action("insertOne", key, body=request_body(document={"_id": 2}), last=False)
    answered = await asyncio.gather(
        exchange(narrow.port, plain, patience=0.2, answers=1),
        exchange(narrow.port, plain + plain, patience=0.2, answers=2),
        exchange(narrow.port, action("find", key)),
        exchange(narrow.port, action("find", key, "Origin: https://a.test")),
    )
    took = time.monotonic() - began
    await hold.end()

    assert [len(found) for found in answered] == [1, 2, 1, 1]
    assert {(reply.status, reply.body) for found in answered for reply in found} == {(503, answered[0][0].body)}
    assert answered[0][0].json == REFUSED
    assert took < PATIENCE
    headers = [
        {name: value for name, value in reply.headers.items() if name not in {"date", "connection"}}
        for found in answered
        for reply in found
    ]
    assert headers[-1].pop("access-control-allow-origin") == "https://a.test"
    assert "ETag" in headers[-1].pop("access-control-expose-headers")
    assert headers == [headers[0]] * 5
    assert (await first).status == 200
    assert {reply.status for found in await asyncio.gather(*crowd) for reply in found} <= {200, 503}
    assert await database.items.count_documents({}) == 0
    logged = [line for line in narrow.log_lines if line["message"] == "calls are refused"]
    assert logged
    assert logged[0]["level"] == "WARNING"


async def test_a_connection_that_was_refused_is_served_when_there_is_a_place(
    narrow: Server, key: str, database: Any, hold: Hold
) -> None:
    first = await busy(narrow, key, hold)
    crowd = [asyncio.create_task(exchange(narrow.port, action("find", key))) for _ in range(WAITING)]
    await waiting(narrow, WAITING)
    reader, writer = await asyncio.open_connection("127.0.0.1", narrow.port)

    async def insert() -> int:
        writer.write(action("insertOne", key, body=request_body(document={}), last=False))
        head = await reader.readuntil(b"\r\n\r\n")
        (reply,) = replies(head + await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0])))
        return reply.status

    refused = [await insert(), await insert()]
    await hold.end()
    await asyncio.gather(first, *crowd)
    served = await insert()
    writer.close()

    assert (refused, served) == ([503, 503], 201)
    assert await database.items.count_documents({}) == 1


@pytest.mark.parametrize(
    ("begun", "answers", "behind", "patience"),
    [
        pytest.param(
            b"POST /app/x/endpoint/data/v1/action/deleteMany HTTP/1.1\r\nX-A: ", 1, [503, 200], 60, id="a head"
        ),
        pytest.param(
            b"POST /app/x/endpoint/data/v1/action/find HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n",
            2,
            [],
            0.5,
            id="a body whose answer is sent",
        ),
    ],
)
async def test_what_belongs_to_a_request_that_has_begun_is_no_call_of_its_own(  # noqa: PLR0913, PLR0917
    narrow: Server,
    key: str,
    database: Any,
    hold: Hold,
    begun: bytes,
    answers: int,
    behind: list[int],
    patience: float,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", narrow.port)
    writer.write(action("findOne", key, last=False) + begun)
    for _ in range(answers):
        await asyncio.wait_for(reader.readuntil(b"}"), 60)
    first = await busy(narrow, key, hold)
    crowd = [asyncio.create_task(exchange(narrow.port, action("find", key))) for _ in range(WAITING)]
    await waiting(narrow, WAITING)

    writer.write(action("findOne", key, last=False))
    await asyncio.sleep(0.1)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    received = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while data := await reader.read(65_536):
                received += data

    assert [reply.status for reply in replies(received)] == behind
    writer.transport.abort()
    await hold.end()
    await asyncio.gather(first, *crowd)


async def test_slow_senders_take_no_place(narrow: Server, key: str, database: Any) -> None:
    whole = action("find", key)
    senders = [await asyncio.open_connection("127.0.0.1", narrow.port) for _ in range(5)]
    for _, writer in senders:
        writer.write(whole[:-5])
    await asyncio.sleep(0.2)
    began = time.monotonic()

    assert (await Post(narrow, key)("findOne")).status == 200
    assert time.monotonic() - began < PATIENCE
    for _, writer in senders:
        writer.write(whole[-5:])
    answers = [await asyncio.wait_for(reader.read(), 60) for reader, _ in senders]
    for _, writer in senders:
        writer.close()
    assert [reply.status for answer in answers for reply in replies(answer)] == [200] * 5


@contextlib.asynccontextmanager
async def leaving(server: Server, key: str, name: str, **members: Any) -> AsyncIterator[None]:
    """Send a call and close the connection behind the block, before it is answered; return when this is noticed."""
    before = sockets(server)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(action(name, key, body=request_body(**members)))
    yield
    writer.transport.abort()

    async def is_noticed() -> bool:
        return sockets(server) <= before

    await eventually(is_noticed, 60)


async def test_a_read_ends_when_its_caller_leaves(
    narrow: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    await Post(narrow, key)("findOne")
    armed = await fail_point("find", "aggregate", blockConnection=True, blockTimeMS=60_000)
    began = time.monotonic()
    async with leaving(narrow, key, "find"):
        await armed.has_met()

    assert (await Post(narrow, key)("insertOne", document={})).status == 201
    assert time.monotonic() - began < MONGO_SECONDS
    assert [line["status"] for line in narrow.log_lines if line.get("operation") == "find"][-1:] == [499]


async def test_a_write_goes_on_when_its_caller_leaves(narrow: Server, key: str, database: Any, hold: Hold) -> None:
    await Post(narrow, key)("findOne")
    await hold.begin("insert")
    async with leaving(narrow, key, "insertOne", document={"_id": "stays"}):
        await hold.holds()
    await asyncio.sleep(2 * DEPARTURE_SECONDS)  # a read would end now
    assert await database.items.count_documents({}) == 0
    await hold.end()

    async def is_there() -> bool:
        return bool(await database.items.count_documents({"_id": "stays"}))

    await eventually(is_there)


async def test_a_call_whose_caller_left_while_it_waited_is_not_begun(
    narrow: Server, key: str, database: Any, hold: Hold
) -> None:
    first = await busy(narrow, key, hold)
    async with leaving(narrow, key, "insertOne", document={"_id": "never"}):
        await waiting(narrow, 1)
    await hold.end()

    assert (await first).status == 200
    assert (await Post(narrow, key)("insertOne", document={"_id": "after"})).status == 201
    assert [each["_id"] async for each in database.items.find()] == ["after"]


HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"\r\n{",
        HEAD + b"\r\n{}x",
        HEAD + b"Content-Length: 2\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"transfer-encoding : chunked\r\n\r\n{}",
        HEAD + b"Connection: close\r\n\r\n{}",
        HEAD + b"Connection: keep-alive, upgrade\r\n\r\n{}",
        HEAD + b"Upgrade: h2c\r\n\r\n{}",
        HEAD + b"Expect: 100-continue\r\n\r\n{}",
        HEAD + b"Origin: https://a.test\r\n\r\n{}",
        HEAD + b" folded: 1\r\n\r\n{}",
        HEAD + b"a: b\nContent-Length: 0\r\n\r\n{}",
        HEAD.replace(b" 2", b" +2") + b"\r\n{}",
        HEAD.replace(b" 2", b" 2, 2") + b"\r\n{}",
        HEAD.replace(b"1.1", b"1.0") + b"\r\n{}",
        HEAD.replace(b"POST", b"GET") + b"\r\n{}",
        b"\r\n" + HEAD + b"\r\n{}",
        b"POST /x HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_plain(data: bytes) -> None:
    assert is_plain(HEAD + b"\r\n{}")
    assert not is_plain(data)


@settings(max_examples=examples(3_000), deadline=None)
@given(st.binary(max_size=20), st.integers(0, len(HEAD) + 4))
@example(b"\r\n\r\n", 10)
def test_what_is_plain_is_one_request_that_ends_with_its_bytes(inserted: bytes, place: int) -> None:
    whole = HEAD + b"\r\n{}"
    data = whole[:place] + inserted + whole[place:]

    if is_plain(data):
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")[1:]
        lengths = [line.partition(b":")[2].strip() for line in lines if line.startswith(b"content-length")]
        assert [int(length) for length in lengths] == [len(body)]
        assert b"\n" not in head.replace(b"\r\n", b"")


@pytest.fixture(scope="module")
async def four(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with four connections, one of which is kept."""
    log = tmp_path_factory.mktemp("four") / "log"
    env = {"MONGO_DB_MAX_POOL_SIZE": "4", "AUTH_CACHE_SECONDS": "0"}
    async with Server(log, MONGO_DB_URI=mongod.uri, **env) as running:
        yield running


ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("findOne", {}),
    ("find", {}),
    ("aggregate", {"pipeline": []}),
    ("insertOne", {"document": {"_id": "new"}}),
    ("insertMany", {"documents": [{"_id": "new"}]}),
    ("updateOne", {"filter": {}, "update": {"$set": {"a": 1}}}),
    ("updateMany", {"filter": {}, "update": {"$set": {"a": 1}}}),
    ("replaceOne", {"filter": {}, "replacement": {"a": 1}}),
    ("deleteOne", {"filter": {}}),
    ("deleteMany", {"filter": {}}),
]


async def test_when_all_connections_are_in_use_every_action_waits_as_long_and_says_so(
    four: Server, key: str, database: Any, hold: Hold
) -> None:
    await database.items.insert_one({"_id": 1})
    await hold.begin("find")
    slow = [asyncio.create_task(Post(four, key)("findOne")) for _ in range(3)]
    await hold.holds(3)
    began = time.monotonic()

    answers = await asyncio.gather(*(Post(four, key)(name, **members) for name, members in ACTIONS))

    assert 1.9 < time.monotonic() - began < MONGO_SECONDS
    assert {(each.status, each.headers["retry-after"]) for each in answers} == {(503, "1")}
    assert {errors_only(each)["error"] for each in answers} == {"all connections to MongoDB are in use"}
    assert (await four.request("GET", "/health/ready")).status == 200
    await hold.end()
    assert [each.status for each in await asyncio.gather(*slow)] == [200] * 3
    assert await database.items.find().to_list() == [{"_id": 1}]
