"""More calls than a process can work on: who is served, who is refused, and what a caller leaves behind who leaves."""

import asyncio
import contextlib
import runpy
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from local.mongod import Mongod
from shared.admission import WAITING
from tests.conftest import FailPoint, Post, errors_only, request_body
from tests.depth import examples
from tests.edge import action, exchange, replies
from tests.hosts import ROOT, Host, Server, eventually

is_plain = runpy.run_path(str(ROOT / "server" / "plain.py"))["is_plain"]
"""Of the file alone: the package registers all functions, which this process has done already."""

REFUSED = {"error": "too many calls at once", "error_code": "InternalServerError"}


@pytest.fixture(scope="module")
async def narrow(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that works on one call at a time."""
    log = tmp_path_factory.mktemp("narrow") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, MAX_CALLS="1") as running:
        yield running


@pytest.fixture(params=["narrow", "worker"])
def narrow_host(request: pytest.FixtureRequest, configured: pytest.MonkeyPatch) -> Host:
    """Each host in turn, working on one call at a time."""
    configured.setenv("MAX_CALLS", "1")
    running: Host = request.getfixturevalue(request.param)
    return running


async def busy(server: Host, key: str, fail_point: FailPoint, milliseconds: int) -> asyncio.Task[Any]:
    """Begin a call that takes so long."""
    await Post(server, key)("findOne")  # the key is known
    await fail_point("find", blockConnection=True, blockTimeMS=milliseconds)
    task = asyncio.create_task(Post(server, key)("findOne"))
    await asyncio.sleep(0.1)
    return task


async def test_a_call_without_a_place_is_503_before_its_key_and_body_are_looked_at(
    narrow_host: Host, key: str, database: Any, fail_point: FailPoint
) -> None:
    host = narrow_host
    first = await busy(host, key, fail_point, 1_800)
    began = time.monotonic()

    refused = await host.request(
        "POST", "/app/data-x/endpoint/data/v1/action/insertOne", {"apiKey": "wrong", "Origin": "https://a.test"}, b"{"
    )
    waited = time.monotonic() - began
    live = await host.request("GET", "/health/live")

    assert (refused.status, refused.headers["retry-after"], errors_only(refused)) == (503, "1", REFUSED)
    assert refused.headers["access-control-allow-origin"] == "https://a.test"
    assert 0.9 < waited < 1.6
    assert live.status == 200
    assert (await first).status == 200
    assert (await Post(host, key)("findOne")).status == 200


async def test_who_waits_gets_the_place_that_is_given_back(
    narrow: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    first = await busy(narrow, key, fail_point, 400)

    second = await Post(narrow, key)("insertOne", document={"_id": 1})

    assert (await first).status == 200
    assert second.status == 201


async def test_when_the_queue_is_full_plain_calls_are_refused_like_all_others(
    narrow: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    first = await busy(narrow, key, fail_point, 1_500)
    crowd = [asyncio.create_task(exchange(narrow.port, action("find", key))) for _ in range(WAITING)]
    await asyncio.sleep(0.3)
    began = time.monotonic()
    plain = action("insertOne", key, body=request_body(document={"_id": 2}), last=False)
    answered = await asyncio.gather(
        exchange(narrow.port, plain, patience=0.2),
        exchange(narrow.port, plain + plain, patience=0.2),
        exchange(narrow.port, action("find", key)),
        exchange(narrow.port, action("find", key, "Origin: https://a.test")),
    )
    took = time.monotonic() - began

    assert [len(found) for found in answered] == [1, 2, 1, 1]
    assert {(reply.status, reply.body) for found in answered for reply in found} == {(503, answered[0][0].body)}
    assert answered[0][0].json == REFUSED
    assert took < 0.6
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
    narrow: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    first = await busy(narrow, key, fail_point, 700)
    crowd = [asyncio.create_task(exchange(narrow.port, action("find", key))) for _ in range(WAITING)]
    await asyncio.sleep(0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", narrow.port)

    answers = []
    for pause in (0, 0, 1.2):
        await asyncio.sleep(pause)
        writer.write(action("insertOne", key, body=request_body(document={}), last=False))
        head = await reader.readuntil(b"\r\n\r\n")
        (reply,) = replies(head + await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0])))
        answers.append(reply.status)
    writer.close()
    await asyncio.gather(first, *crowd)

    assert answers == [503, 503, 201]
    assert await database.items.count_documents({}) == 1


@pytest.mark.parametrize(
    ("begun", "answers", "behind"),
    [
        pytest.param(b"POST /app/x/endpoint/data/v1/action/deleteMany HTTP/1.1\r\nX-A: ", 1, [503, 200], id="a head"),
        pytest.param(
            b"POST /app/x/endpoint/data/v1/action/find HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n",
            2,
            [],
            id="a body whose answer is sent",
        ),
    ],
)
async def test_what_belongs_to_a_request_that_has_begun_is_no_call_of_its_own(  # noqa: PLR0913, PLR0917
    narrow: Server,
    key: str,
    database: Any,
    fail_point: FailPoint,
    begun: bytes,
    answers: int,
    behind: list[int],
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", narrow.port)
    writer.write(action("findOne", key, last=False) + begun)
    for _ in range(answers):
        await asyncio.wait_for(reader.readuntil(b"}"), 5)
    first = await busy(narrow, key, fail_point, 1_500)
    crowd = [asyncio.create_task(exchange(narrow.port, action("find", key))) for _ in range(WAITING)]
    await asyncio.sleep(0.3)

    writer.write(action("findOne", key, last=False))
    await asyncio.sleep(0.1)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    received = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while data := await reader.read(65_536):
                received += data

    assert [reply.status for reply in replies(received)] == behind
    writer.transport.abort()
    await asyncio.gather(first, *crowd)


async def test_slow_senders_take_no_place(narrow: Server, key: str, database: Any) -> None:
    whole = action("find", key)
    sending = [asyncio.create_task(exchange(narrow.port, whole[:-5], whole[-5:], pause=1)) for _ in range(5)]
    await asyncio.sleep(0.2)
    began = time.monotonic()

    assert (await Post(narrow, key)("findOne")).status == 200
    assert time.monotonic() - began < 0.7
    assert [reply.status for found in await asyncio.gather(*sending) for reply in found] == [200] * 5


async def leave(server: Server, key: str, name: str, **members: Any) -> None:
    """Send a call and close the connection before it is answered."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(action(name, key, body=request_body(**members)))
    await asyncio.sleep(0.1)
    writer.transport.abort()


async def test_a_read_ends_when_its_caller_leaves(
    narrow: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    await Post(narrow, key)("findOne")
    await fail_point("find", "aggregate", blockConnection=True, blockTimeMS=5_000)
    await leave(narrow, key, "find")
    began = time.monotonic()

    assert (await Post(narrow, key)("insertOne", document={})).status == 201
    assert time.monotonic() - began < 1
    assert [line["status"] for line in narrow.log_lines if line.get("operation") == "find"][-1:] == [499]


async def test_a_write_goes_on_when_its_caller_leaves(
    narrow: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    await Post(narrow, key)("findOne")
    await fail_point("insert", blockConnection=True, blockTimeMS=600)
    await leave(narrow, key, "insertOne", document={"_id": "stays"})
    assert await database.items.count_documents({}) == 0

    async def is_there() -> bool:
        return bool(await database.items.count_documents({"_id": "stays"}))

    await eventually(is_there, 3)


async def test_a_call_whose_caller_left_while_it_waited_is_not_begun(
    narrow: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    first = await busy(narrow, key, fail_point, 450)
    await leave(narrow, key, "insertOne", document={"_id": "never"})

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
    env = {"MONGO_DB_MAX_POOL_SIZE": "4", "MONGO_DB_TIMEOUT_MS": "9000", "AUTH_CACHE_SECONDS": "0"}
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
    four: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    await database.items.insert_one({"_id": 1})
    await fail_point("find", times=3, blockConnection=True, blockTimeMS=3_000, namespace="shop.items")
    slow = [asyncio.create_task(Post(four, key)("findOne")) for _ in range(3)]
    await asyncio.sleep(0.2)
    began = time.monotonic()

    answers = await asyncio.gather(*(Post(four, key)(name, **members) for name, members in ACTIONS))

    assert 1.9 < time.monotonic() - began < 2.7
    assert {(each.status, each.headers["retry-after"]) for each in answers} == {(503, "1")}
    assert {errors_only(each)["error"] for each in answers} == {"all connections to MongoDB are in use"}
    assert (await four.request("GET", "/health/ready")).status == 200
    assert [each.status for each in await asyncio.gather(*slow)] == [200] * 3
    assert await database.items.find().to_list() == [{"_id": 1}]
