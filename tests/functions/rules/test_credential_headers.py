"""The headers that hold credentials as clients write them: in UTF-8 or Latin-1, and more than once."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.conftest import ACTION, errors_only, request_body
from tests.edge import Reply, exchange
from tests.functions.rules.conftest import CLIENT, Person, registered, send
from tests.functions.rules.test_sessions import custom_token
from tests.hosts import Answer, Host, Server

type Lines = list[tuple[str, str]]
type Call = Callable[..., Awaitable[Answer | Reply]]
EMAIL = "j\u00f6rg@shop.example"
PASSWORD = "p\u00e4ssw\u00f6rd, \u20ac"


async def _raw(server: Server, lines: Lines, encoding: str, path: str, method: str) -> Reply:
    body = request_body(collection="orders") if method == "POST" else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n".encode()
    head += b"".join(name.encode() + b": " + value.encode(encoding) + b"\r\n" for name, value in lines)
    (reply,) = await exchange(server.port, head + b"\r\n" + body)
    return reply


@pytest.fixture
def call(app_host: Host) -> Call:
    """Call find, or another path, with headers of which some may be repeated, as each host gets them."""

    async def call(
        lines: Lines, encoding: str = "utf-8", path: str = ACTION + "find", method: str = "POST"
    ) -> Answer | Reply:
        if isinstance(app_host, Server):
            return await _raw(app_host, lines, encoding, path, method)
        joined: dict[str, str] = {}
        for name, value in lines:  # Azure's host decodes and joins them
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        return await app_host.request(method, path, joined, request_body(collection="orders"))

    return call


@pytest.fixture
async def jorg(app_host: Host, users: None, database: Any) -> None:
    """A user whose address and password are beyond ASCII."""
    answer = await send(
        app_host, "POST", f"{CLIENT}/auth/providers/local-userpass/register", {"email": EMAIL, "password": PASSWORD}
    )
    assert answer.status == 201


@pytest.mark.both_hosts
async def test_an_address_and_a_password_in_utf_8_are_read(call: Call, jorg: None) -> None:
    answer = await call([("email", EMAIL), ("password", PASSWORD)])

    assert answer.status == 200, answer.body


async def test_what_is_no_utf_8_is_latin_1(app_server: Server, users: None, database: Any) -> None:
    body = {"email": "jorg@shop.example", "password": "p\u00e4ssw\u00f6rd"}
    await send(app_server, "POST", f"{CLIENT}/auth/providers/local-userpass/register", body)
    lines = [("email", body["email"]), ("password", body["password"])]

    answer = await _raw(app_server, lines, "latin-1", ACTION + "find", "POST")

    assert answer.status == 200, answer.body


@pytest.mark.both_hosts
@pytest.mark.parametrize("password", ["secret words", "twice,twice", "a, b, c", "comma,"])
@pytest.mark.parametrize("times", [(1, 1), (2, 1), (1, 2), (2, 2)])
async def test_an_address_or_a_password_that_is_repeated_is_that_one(
    call: Call, app_host: Host, users: None, database: Any, password: str, times: tuple[int, int]
) -> None:
    body = {"email": "ann@shop.example", "password": password}
    await send(app_host, "POST", f"{CLIENT}/auth/providers/local-userpass/register", body)

    answer = await call([("email", body["email"])] * times[0] + [("password", password)] * times[1])

    assert answer.status == 200, answer.body


@pytest.mark.both_hosts
async def test_two_passwords_are_none(call: Call, app_host: Host, users: None, database: Any) -> None:
    await registered(app_host, "ann@shop.example")

    answer = await call([("email", "ann@shop.example"), ("password", "secret words"), ("password", "other words")])

    assert answer.status == 401
    assert "more than once" in answer.json["error"]


@pytest.mark.both_hosts
@pytest.mark.parametrize("name", ["apiKey", "api-key", "jwtTokenString", "Authorization"])
@pytest.mark.parametrize("copies", [2, 3])
async def test_a_key_or_token_that_is_repeated_is_that_one_and_two_are_refused(
    call: Call, ann: Person, key: str, name: str, copies: int
) -> None:
    value = {"jwtTokenString": custom_token(), "Authorization": f"Bearer {ann.access_token}"}.get(name, key)

    repeated = await call([(name, value)] * copies)
    different = await call([(name, value)] * copies + [(name, value[:-1])])

    assert repeated.status == 200, repeated.body
    assert different.status == 400
    assert f"'{name}'".lower() in different.json["error"].lower()
    assert "more than once" in different.json["error"]


@pytest.mark.both_hosts
async def test_the_client_api_takes_a_repeated_token_too(call: Call, ann: Person) -> None:
    lines = [("Authorization", f"Bearer {ann.access_token}")] * 2

    answer = await call(lines, path="/api/client/v2.0/auth/profile", method="GET")

    assert answer.status == 200


def basic(name: str, secret: str, encoding: str = "utf-8") -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{name}:{secret}'.encode(encoding)).decode()}"}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_basic_is_read_in_either_encoding(app_host: Host, users: None, encoding: str) -> None:
    body = {"email": EMAIL, "password": "p\u00e4ss:w\u00f6rd"}
    await send(app_host, "POST", f"{CLIENT}/auth/providers/local-userpass/register", body)

    answer = await app_host.request(
        "POST", f"{ACTION}find", basic(EMAIL, "p\u00e4ss:w\u00f6rd", encoding), request_body(collection="orders")
    )

    assert (answer.status, answer.body) == (200, b'{"documents":[]}')


async def test_basic_is_a_user_to_whom_the_rules_apply(ann: Person, bob: Person, database: Any) -> None:
    await database.orders.insert_many([{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": bob.id}])
    body = request_body(collection="orders", projection={"_id": 1})

    found = [
        await ann.host.request("POST", f"{ACTION}find", basic(name, "secret words"), body)
        for name in ("ann@shop.example", "bob@shop.example")
    ]
    wrong = await ann.host.request("POST", f"{ACTION}find", basic("ann@shop.example", "wrong"), body)

    assert [each.json["documents"] for each in found] == [[{"_id": 1}], [{"_id": 2}]]
    assert (wrong.status, errors_only(wrong)["error_code"]) == (401, "InvalidSession")
