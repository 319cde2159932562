"""A real proxy in front that gives its connections to several callers: nobody gets another caller's answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import request_body
from tests.edge import Reply, action, chunked, exchange
from tests.haproxy import HAPROXY, haproxy
from tests.hosts import Server
from tests.test_http_edge import FAULTY, OFFERS

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed: apt-get install haproxy")


@pytest.fixture(scope="module")
async def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """The port of an HAProxy that sends all callers over one connection, faulty requests too."""
    async with haproxy(tmp_path_factory.mktemp("haproxy"), server.port) as port:
        yield port


def victim(key: str, number: int) -> bytes:
    return action("insertOne", key, body=request_body(collection="victims", document={"_id": number}))


async def victims_beside(port: int, key: str, *packets: bytes) -> list[list[Reply]]:
    """Send an attacker's packets between the calls of a victim, and return what the victim got."""

    async def attack() -> None:
        await exchange(port, *packets, pause=0.05, patience=0.3)

    async def calls() -> list[list[Reply]]:
        return [await exchange(port, victim(key, number), pause=0) for number in range(6)]

    attacks = asyncio.gather(*(attack() for _ in range(3)))
    found = await calls()
    await attacks
    return found


def own(found: list[list[Reply]]) -> bool:
    """Tell whether each call got the answer to itself, or none at all because the proxy lost its connection."""
    expected = [[{"insertedId": number}] for number in range(6)]
    got = [[reply.json for reply in replies if reply.status == 201] for replies in found]
    others = {reply.status for replies in found for reply in replies} - {201}
    return all(mine in (right, []) for mine, right in zip(got, expected, strict=True)) and others <= {502, 503, 504}


SMUGGLED = request_body(document={"_id": "smuggled"})


@pytest.mark.parametrize("offer", OFFERS)
async def test_an_offer_through_a_proxy_is_no_second_request(
    proxy: int, key: str, database: Any, offer: list[str]
) -> None:
    inner = action("insertOne", key, body=SMUGGLED)
    outer = action("find", key, *offer, body=inner, last=False)
    at = outer.index(b"\r\n\r\n") + 4

    found = await victims_beside(proxy, key, outer[:at], outer[at:])

    assert own(found)
    assert await database.items.count_documents({}) == 0


@pytest.mark.parametrize(
    "data",
    [pytest.param(each.values[0], id=each.id) for each in FAULTY if each.id != "HTTP/2"],  # which HAProxy speaks
)
async def test_what_two_readers_may_read_differently_gives_nobody_anothers_answer(
    proxy: int, key: str, database: Any, data: bytes
) -> None:
    found = await victims_beside(proxy, key, data + action("insertOne", key, body=SMUGGLED))

    assert own(found)


async def test_a_trailer_through_a_proxy_is_no_header(proxy: int, key: str, database: Any) -> None:
    anonymous = chunked("find", "", body=request_body()).replace(b"apiKey: \r\n", b"")

    found = await exchange(proxy, anonymous + f"apiKey: {key}\r\n\r\n".encode())

    assert [reply.status for reply in found] == [400]


async def test_callers_who_share_a_connection_get_their_own_answers(proxy: int, key: str, database: Any) -> None:
    async def call(number: int) -> bool:
        return [reply.json for reply in await exchange(proxy, victim(key, number))] == [{"insertedId": number}]

    assert all(await asyncio.gather(*(call(number) for number in range(30))))
