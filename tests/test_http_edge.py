"""HTTP as clients, proxies and attackers write it: one answer to each request, and no byte taken for another one's."""

import asyncio
from typing import Any

import pytest

from local.mongod import Mongod
from tests.conftest import ACTION, request_body
from tests.edge import action, chunked, exchange
from tests.hosts import Server

OFFERS = [
    pytest.param(
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQBAAAA"],
        id="h2c",
    ),
    pytest.param(
        [
            "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ],
        id="websocket",
    ),
    pytest.param(["Connection: keep-alive, upgrade", "Upgrade: TLS/1.0, h2c;q=1"], id="several"),
    pytest.param(["Connection: upgrade", "upgrade: x", "Upgrade: h2c"], id="twice"),
]  # fmt: skip
SMUGGLED = {"document": {"_id": "smuggled"}}


async def stored(database: Any) -> list[Any]:
    return [each["_id"] for each in await database.items.find().sort("_id").to_list()]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("pieces", [1, 2, 3])
async def test_an_offer_to_upgrade_is_declined_and_the_body_is_read(
    server: Server, key: str, database: Any, offer: list[str], pieces: int
) -> None:
    request = action("insertOne", key, *offer, body=request_body(document={"_id": 1}), last=False)
    at = request.index(b"\r\n\r\n") + 4
    packets = [[request], [request[:at], request[at:]], [request[:70], request[70 : at + 5], request[at + 5 :]]]

    found = await exchange(server.port, *packets[pieces - 1], action("find", key))

    assert [reply.status for reply in found] == [201, 200]
    assert await stored(database) == [1]


@pytest.mark.parametrize("offer", OFFERS)
async def test_the_body_behind_an_offer_is_no_request(
    server: Server, key: str, database: Any, offer: list[str]
) -> None:  # fmt: skip
    inner = action("insertOne", key, body=request_body(**SMUGGLED))
    outer = action("find", key, *offer, body=inner, last=False)
    at = outer.index(b"\r\n\r\n") + 4

    found = await exchange(server.port, outer[:at], outer[at:], action("find", key))

    assert [reply.status for reply in found] == [400, 200]
    assert await stored(database) == []


@pytest.mark.parametrize("offer", OFFERS)
async def test_a_chunked_body_behind_an_offer_is_read(
    server: Server, key: str, database: Any, offer: list[str]
) -> None:  # fmt: skip
    body = request_body(document={"_id": 1})

    found = await exchange(server.port, chunked("insertOne", key, *offer, body=body) + b"\r\n")

    assert [reply.status for reply in found] == [201]
    assert await stored(database) == [1]


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
async def test_offers_on_any_method_are_declined_in_a_pipeline(
    server: Server, key: str, database: Any, method: str
) -> None:
    offer = f"{method} /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".encode()

    found = await exchange(server.port, offer * 50 + action("find", key))

    assert [reply.status for reply in found] == [found[0].status] * 50 + [200]
    assert found[0].status in {200, 204, 404, 405}


async def test_connect_is_refused_and_what_follows_is_not_read(server: Server, key: str, database: Any) -> None:
    insert = action("insertOne", key, body=request_body(**SMUGGLED))

    found = await exchange(server.port, b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n" + insert, insert)

    assert [reply.status for reply in found] == [501]
    assert await stored(database) == []


async def test_trailers_are_no_headers(mongod: Mongod, server: Server, key: str, database: Any) -> None:
    body = request_body(document={"_id": 1})
    anonymous = chunked("insertOne", "", body=body).replace(b"apiKey: \r\n", b"")

    found = await exchange(server.port, anonymous + f"apiKey: {key}\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n".encode())

    assert [reply.status for reply in found] == [400]
    assert found[0].json["error"] == "no authentication methods were specified"
    assert await stored(database) == []


async def test_trailers_do_not_reach_the_next_request(server: Server, key: str, database: Any) -> None:
    body = request_body()
    first = chunked("find", key, body=body, last=False) + f"apiKey: {key}\r\n\r\n".encode()

    found = await exchange(server.port, first + action("find", "").replace(b"apiKey: \r\n", b""))

    assert [reply.status for reply in found] == [200, 400]


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"0;" + b"x" * 300_000, id="an extension"),
        pytest.param(b"0\r\nX: " + b"x" * 300_000, id="a trailer"),
        pytest.param(b"0\r\n" + b"X: y\r\n" * 50_000, id="trailers"),
    ],
)
async def test_what_is_no_body_behind_a_chunk_is_limited(server: Server, key: str, flood: bytes) -> None:
    begun = chunked("find", key, body=request_body()).removesuffix(b"0\r\n")

    found = await exchange(server.port, begun, *(flood[at : at + 30_000] for at in range(0, 300_000, 30_000)), pause=0)

    assert [reply.status for reply in found] == [400]


def request(*lines: str, body: str = "") -> bytes:
    return ("\r\n".join(["POST /app/x/endpoint/data/v1/action/find HTTP/1.1", *lines, "", ""]) + body).encode("latin-1")


FAULTY = [
    pytest.param(request("Host: x", "Content-Length: 2", "Content-Length: 3", body="{}"), 400, id="two lengths"),
    pytest.param(request("Host: x", "Content-Length: 2, 3", body="{}"), 400, id="a list of lengths"),
    pytest.param(request("Host: x", "Content-Length: -1"), 400, id="a negative length"),
    pytest.param(request("Host: x", "Content-Length: +2", body="{}"), 400, id="a sign"),
    pytest.param(request("Host: x", "Content-Length: 9" + "9" * 30), 400, id="an endless length"),
    pytest.param(
        request("Host: x", "Content-Length: 5", "Transfer-Encoding: chunked", body="0\r\n\r\n"), 400, id="CL.TE"
    ),
    pytest.param(
        request("Host: x", "Transfer-Encoding: chunked", "Content-Length: 5", body="0\r\n\r\n"), 400, id="TE.CL"
    ),
    pytest.param(request("Host: x", "Transfer-Encoding: xchunked", body="0\r\n\r\n"), 400, id="an unknown coding"),
    pytest.param(request("Host: x", "Transfer-Encoding: chunked, identity", body="0\r\n\r\n"), 400, id="chunked first"),
    pytest.param(request("Host: x", "Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"), 501, id="gzip, chunked"),
    pytest.param(
        request("Transfer-Encoding: chunked", body="0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
        400,
        id="1.0, chunked",
    ),
    pytest.param(request("Host: x", "Transfer-Encoding: chunked", body="x\r\n\r\n"), 400, id="no chunk size"),
    pytest.param(request("Host: x", "Transfer-Encoding: chunked", body="0x2\r\n{}\r\n"), 400, id="0x"),
    pytest.param(request("Host: x", "Transfer-Encoding: chunked", body="2\n{}\n0\n\n"), 400, id="chunks with LF"),
    pytest.param(
        request("Host: x", "Transfer-Encoding: chunked", body="1\r\n{}\r\n0\r\n\r\n"), 400, id="a short chunk"
    ),
    pytest.param(request("Host: x", "X: a", " b"), 400, id="obs-fold"),
    pytest.param(request("Host: x", "X : a"), 400, id="a space before the colon"),
    pytest.param(request("Host: x", "X: a\0b"), 400, id="NUL"),
    pytest.param(request("Host: x", "X: a\x01b"), 400, id="a control byte"),
    pytest.param(request("Host: x", "X: a\x7fb"), 400, id="DEL"),
    pytest.param(request("Host: x", "X: a\rY: b"), 400, id="a bare CR"),
    pytest.param(request("Host: x", "X: a\nY: b"), 400, id="a bare LF"),
    pytest.param(request("Host: x", ": a"), 400, id="no name"),
    pytest.param(request("Host: x", "Host: y", "Content-Length: 0"), 400, id="two hosts"),
    pytest.param(request("Host: x").replace(b"\r\n", b"\n"), 400, id="LF alone"),
    pytest.param(request("Host: x").replace(b"HTTP/1.1", b"HTTP/2.0"), 505, id="HTTP/2.0"),
    pytest.param(request("Host: x").replace(b"HTTP/1.1", b"HTTP/1.2"), 400, id="HTTP/1.2"),
    pytest.param(b"GET /health/live\r\n\r\n", 505, id="HTTP/0.9"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS"),
    pytest.param(b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="a target that is no ASCII"),
    pytest.param(b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, id="a long target"),
    pytest.param(b"GET /" + b"x" * 900_000, 414, id="an endless target"),
    pytest.param(request("Host: x", "X: " + "x" * 70_000), 431, id="a long header"),
    pytest.param(request("Host: x", *["X: y"] * 20_000), 431, id="many headers"),
]


@pytest.mark.parametrize(("data", "status"), FAULTY)
async def test_a_faulty_request_is_refused_once_and_nothing_behind_it_is_read(
    server: Server, key: str, database: Any, data: bytes, status: int
) -> None:
    found = await exchange(server.port, data + action("insertOne", key, body=request_body(**SMUGGLED)))

    assert [reply.status for reply in found] == [status]
    assert found[0].headers["connection"] == "close"
    assert await stored(database) == []


@pytest.mark.parametrize(("data", "status"), FAULTY)
async def test_a_fault_never_takes_the_place_of_an_answer_before_it(
    server: Server, key: str, database: Any, data: bytes, status: int
) -> None:
    found = await exchange(server.port, action("find", key, last=False) + data, action("find", key))

    assert [reply.status for reply in found] in ([200], [200, status])
    assert found[0].json == {"documents": []}
    assert found[-1].headers["connection"] == "close"


@pytest.mark.parametrize("cut", [10, 20_000, 65_000, 69_000])
async def test_a_head_that_begins_behind_another_request_has_the_same_limit(
    server: Server, key: str, database: Any, cut: int
) -> None:
    first, large = action("find", key, last=False), request("Host: x", "X: " + "x" * 70_000)

    found = await exchange(server.port, first + large[:cut], large[cut:], action("find", key))

    assert [reply.status for reply in found] == [200, 431]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("http://x:80{}", id="absolute"),
        pytest.param("https://[::1]{}?a=b", id="absolute with a query"),
        pytest.param("HTTP://x{}", id="absolute in capitals"),
    ],
)
async def test_a_target_in_absolute_form_is_served(server: Server, key: str, database: Any, target: str) -> None:
    path = ACTION + "find"
    data = action("find", key).replace(path.encode(), target.format(path).encode(), 1)

    found = await exchange(server.port, data)

    assert [reply.status for reply in found] == [200]


@pytest.mark.parametrize(("line", "status"), [("GET http://x", 200), ("GET http://x?y", 200), ("OPTIONS *", 204)])
async def test_a_target_without_a_path_is_the_root(server: Server, line: str, status: int) -> None:
    found = await exchange(server.port, f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert [reply.status for reply in found] == [status]


async def test_answers_of_a_pipeline_come_in_order(server: Server, key: str, database: Any) -> None:
    inserts = [
        action("insertOne", key, body=request_body(document={"_id": number}), last=False) for number in range(20)
    ]
    missing = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"

    found = await exchange(server.port, b"".join(insert + missing for insert in inserts) + action("find", key))

    assert [reply.status for reply in found] == [201, 404] * 20 + [200]
    assert [reply.json["insertedId"] for reply in found[:-1:2]] == list(range(20))


async def test_nothing_behind_the_last_request_is_done(server: Server, key: str, database: Any) -> None:
    insert = action("insertOne", key, body=request_body(**SMUGGLED))

    found = await exchange(server.port, action("find", key) + insert, insert)

    assert [reply.status for reply in found] == [200]
    assert await stored(database) == []


async def test_http_1_0_gets_one_answer_whatever_it_expects(server: Server, key: str, database: Any) -> None:
    request = action("find", key, "Expect: 100-continue", last=False).replace(b"HTTP/1.1", b"HTTP/1.0")
    at = request.index(b"\r\n\r\n") + 4

    found = await exchange(server.port, request[:at], request[at:], request)

    assert [reply.status for reply in found] == [200]


async def test_a_client_that_waits_for_100_gets_it_once(server: Server, key: str, database: Any) -> None:
    request = action("find", key, "Expect: 100-continue")
    at = request.index(b"\r\n\r\n") + 4

    waiting = await exchange(server.port, request[:at], request[at:])
    eager = await exchange(server.port, request)

    assert [reply.status for reply in waiting] == [100, 200]
    assert [reply.status for reply in eager] == [200]


async def test_a_client_whose_body_is_refused_before_it_sends_it_is_not_misread(
    server: Server, key: str, database: Any
) -> None:
    waits = action("find", key, "Expect: 100-continue", last=False).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    large = waits.replace(f"Content-Length: {len(request_body())}".encode(), b"Content-Length: 99999999")

    found = await exchange(server.port, large, action("find", key))

    assert [reply.status for reply in found] == [413]
    assert found[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "http://\u2603"),
        ("Origin", "http://\xe9"),
        ("traceparent", "00-\u0661" + "1" * 31 + "-" + "1" * 16 + "-01"),
        ("Accept", "\u2603;q=\u0661"),
        ("X-Forwarded-For", "\u2603:\u0661"),
        ("Authorization", "Bearer \u2603"),
        ("Authorization", "\u2603"),
        ("apiKey", "\u2603"),
        ("jwtTokenString", "\u2603"),
        ("If-None-Match", "\u2603"),
        ("Content-Encoding", "\u2603"),
        ("User-Agent", "\U0001f600"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
async def test_no_header_is_a_500(
    server: Server, key: str, database: Any, name: str, value: str, encoding: str
) -> None:  # fmt: skip
    raw = bytes(max(byte, 0x80) for byte in value.encode(encoding)) if encoding != "utf-8" else value.encode()
    data = action("find", key).replace(b"Host: x\r\n", b"Host: x\r\n%b: %b\r\n" % (name.encode(), raw))

    found = await exchange(server.port, data)

    (reply,) = found
    assert reply.status in {200, 400, 401, 403, 415}


async def test_many_connections_at_once_get_their_own_answers(server: Server, key: str, database: Any) -> None:
    async def call(number: int) -> bool:
        document = {"_id": number}
        found = await exchange(server.port, action("insertOne", key, body=request_body(document=document)), pause=0)
        return [reply.json for reply in found] == [{"insertedId": number}]

    assert all(await asyncio.gather(*(call(number) for number in range(60))))
