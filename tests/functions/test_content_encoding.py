"""Compressed bodies, through both hosts: decoded within the limits, or refused as HTTP says."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shared import budget
from shared.budget import Budget, Share
from shared.endpoint.content_encoding import decoded
from shared.errors import BodyTooLargeError, MalformedEncodingError, OverloadedError
from tests.conftest import ACTION, errors_only, request_body
from tests.hosts import Answer, Host, Worker
from tests.steps import share_of_longest_turn

MOST = 32 * 1024 * 1024
LOGIN = "/api/client/v2.0/app/shop-abcde/auth/providers/api-key/login"
EMPTY = gzip.compress(b"")


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def members(data: bytes) -> bytes:
    return b"".join(gzip.compress(data[at : at + 10]) for at in range(0, len(data), 10))


def bomb(size: int) -> bytes:
    return gzip.compress(b" " * size, 1)


LARGE = bomb(60_000_000)


async def find(host: Host, key: str, body: bytes, encoding: str, **headers: str) -> Answer:
    return await host.request("POST", ACTION + "find", {"apiKey": key, "Content-Encoding": encoding} | headers, body)


ENCODED: list[Any] = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("GZip", gzip.compress, id="in capitals"),
    pytest.param("x-gzip", gzip.compress, id="x-gzip"),
    pytest.param("gzip", members, id="many members"),
    pytest.param("gzip", lambda data: EMPTY + gzip.compress(data) + EMPTY, id="empty members"),
    pytest.param("deflate", zlib.compress, id="deflate"),
    pytest.param("deflate", raw_deflate, id="deflate without a header"),
    pytest.param("deflate, gzip", lambda data: gzip.compress(zlib.compress(data)), id="two"),
    pytest.param("gzip,gzip", lambda data: gzip.compress(gzip.compress(data)), id="twice"),
    pytest.param("identity", bytes, id="identity"),
    pytest.param("", bytes, id="nothing"),
]


@pytest.mark.both_hosts
@pytest.mark.parametrize(("encoding", "encode"), ENCODED)
async def test_an_encoded_body_is_decoded(
    host: Host, key: str, database: Any, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    await database.items.insert_one({"_id": "\u00e9" * 1_000})

    answer = await find(host, key, encode(request_body(filter={"_id": "\u00e9" * 1_000})), encoding)

    assert answer.status == 200, answer.body
    assert len(answer.json["documents"]) == 1


@pytest.mark.both_hosts
@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "gzip;q=1", "x"])
async def test_another_encoding_is_415_that_names_those_that_are_taken(host: Host, key: str, encoding: str) -> None:
    answer = await find(host, key, request_body(), encoding)

    assert (answer.status, errors_only(answer)["error_code"]) == (415, "BadRequest")
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert "gzip, deflate" in errors_only(answer)["error"]


@pytest.mark.both_hosts
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", request_body(), id="not encoded"),
        pytest.param("gzip", gzip.compress(request_body())[:-1], id="cut off"),
        pytest.param("gzip", gzip.compress(request_body())[:5], id="hardly begun"),
        pytest.param("gzip", gzip.compress(request_body())[:-8] + b"\0" * 8, id="a wrong sum"),
        pytest.param("gzip", gzip.compress(request_body()) + b"x", id="something behind it"),
        pytest.param("gzip", zlib.compress(request_body()), id="deflate for gzip"),
        pytest.param("deflate", gzip.compress(request_body()), id="gzip for deflate"),
        pytest.param("deflate", zlib.compress(request_body()) * 2, id="deflate twice"),
        pytest.param("deflate", zlib.compress(request_body())[:-2], id="deflate cut off"),
        pytest.param("gzip, gzip", gzip.compress(request_body()), id="once for twice"),
    ],
)
async def test_broken_data_are_400(host: Host, key: str, encoding: str, body: bytes) -> None:
    answer = await find(host, key, body, encoding)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "BadRequest")
    assert "Content-Encoding" in errors_only(answer)["error"]


@pytest.mark.both_hosts
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", bomb(MOST + 1), id="one byte too much"),
        pytest.param("gzip", LARGE, id="gzip"),
        pytest.param("deflate", zlib.compress(b" " * 50_000_000), id="deflate"),
        pytest.param("gzip", bomb(1_000_000) * 40, id="members"),
        pytest.param("gzip", EMPTY * 100_000, id="members of nothing"),
        pytest.param("gzip, gzip", gzip.compress(LARGE), id="nested"),
        pytest.param("gzip, identity, deflate, gzip", gzip.compress(zlib.compress(LARGE)), id="three"),
        pytest.param(", ".join(["gzip"] * 1_000), gzip.compress(b""), id="a thousand"),
    ],
)
async def test_a_bomb_is_413(host: Host, key: str, encoding: str, body: bytes) -> None:
    answer = await find(host, key, body, encoding)

    assert (answer.status, errors_only(answer)["error_code"]) == (413, "BadRequest")


async def test_a_bomb_is_not_decoded_for_nobody(worker: Worker, database: Any) -> None:
    answer = await find(worker, "nobody's", LARGE, "gzip")

    assert answer.status == 401


@pytest.mark.both_hosts
async def test_the_values_of_a_decoded_body_are_counted(host: Host, key: str, database: Any) -> None:
    body = request_body()[:-1] + b',"unknown":[' + b"[]," * 5_000_000 + b"1]}"

    answer = await find(host, key, gzip.compress(body, 1), "gzip")

    assert answer.status == 413
    assert "MAX_BODY_VALUES" in errors_only(answer)["error"]


@pytest.mark.both_hosts
@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        pytest.param("gzip", gzip.compress(b'{"key":"nobody"}'), 401, id="nobody's key"),
        pytest.param("gzip", b'{"key":"nobody"}', 400, id="broken"),
        pytest.param("br", b'{"key":"nobody"}', 415, id="another"),
        pytest.param("gzip", bomb(100_000), 413, id="too large"),
    ],
)
async def test_the_client_api_decodes_too(host: Host, encoding: str, body: bytes, status: int) -> None:
    answer = await host.request("POST", LOGIN, {"Content-Encoding": encoding}, body)

    assert answer.status == status, answer.body


@pytest.mark.parametrize("headers", [{"Content-Encoding": "br"}, {"Content-Encoding": "gzip"}])
async def test_without_a_body_there_is_nothing_to_decode(host: Host, headers: Mapping[str, str]) -> None:
    answer = await host.request("GET", "/health/live", headers)

    assert answer.status == 200


async def test_others_are_served_while_a_large_body_is_decoded() -> None:
    body = gzip.compress(json.dumps(list(range(3_500_000))).encode(), 1)

    assert await share_of_longest_turn(decoded(body, "gzip", MOST, Share(Budget(MOST)))) < 0.2


@pytest.mark.parametrize(("body", "error"), [(LARGE, BodyTooLargeError), (EMPTY * 100_000 + b"x", BodyTooLargeError)])
async def test_a_bomb_takes_no_more_memory_than_a_body_may(body: bytes, error: type[Exception]) -> None:
    tracemalloc.start()

    with pytest.raises(error):
        await decoded(body, "gzip", 4 * 1024 * 1024, Share(Budget(MOST)))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize("size", [*range(40), 32 * 1024 - 1, 32 * 1024, 256 * 1024, 256 * 1024 + 1, 1_000_000])
@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("deflate", raw_deflate)])
async def test_every_size_is_decoded_exactly_and_no_cut_is(
    size: int, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    data = bytes(number * number % 251 for number in range(size))
    body = encode(data)

    assert await decoded(body, encoding, max(size, 1), Share(Budget(MOST))) == data
    with pytest.raises(MalformedEncodingError):
        await decoded(body[:-1] or b"\0", encoding, max(size, 1), Share(Budget(MOST)))


async def test_what_comes_out_is_held_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "WAIT_SECONDS", 0.1)
    shared = Budget(4 * 1024 * 1024)
    first, second = Share(shared), Share(shared)
    await first.hold(2 * 1024 * 1024)

    with pytest.raises(OverloadedError):
        await decoded(gzip.compress(bytes(MOST)), "gzip", MOST, second)

    assert second.counted <= 2 * 1024 * 1024
