"""The door for agents in both hosts: the same request gets the same bytes, whatever its method and headers are."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from local.mongod import Mongod
from tests.edge import exchange
from tests.hosts import Answer, Server, Worker
from tests.mcp import ENVELOPE, STATELESS

PAGE = "https://page.example"
SETTINGS = {"MCP": "write", "CORS_ALLOWED_ORIGINS": PAGE}
COMPARED = (
    "access-control-allow-headers", "access-control-allow-methods", "access-control-allow-origin", "allow",
    "cache-control", "content-type", "mcp-session-id", "retry-after", "vary", "www-authenticate",
)  # fmt: skip
ITEMS = {"database": "shop", "collection": "items"}


@pytest.fixture(scope="module")
async def opened(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with an open door."""
    async with Server(tmp_path_factory.mktemp("opened") / "log", MONGO_DB_URI=mongod.uri, **SETTINGS) as running:
        yield running


class Both(NamedTuple):
    """Both hosts, and a key."""

    worker: Worker
    server: Server
    key: str

    async def __call__(self, method: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Send one request to each, and return what both answer."""
        found = [await host.request(method, "/mcp", headers, body) for host in (self.worker, self.server)]
        one, other = (each._replace(headers={name: each.headers.get(name, "") for name in COMPARED}) for each in found)
        one = one._replace(body=b"") if method == "HEAD" else one  # Azure's host takes it away
        assert one == other
        return one


@pytest.fixture
def both(configured: pytest.MonkeyPatch, worker: Worker, opened: Server, key: str, database: Any) -> Both:
    """Both hosts with the same settings, on an empty database."""
    for name, value in SETTINGS.items():
        configured.setenv(name, value)
    return Both(worker, opened, key)


def stateless(method: str, **params: Any) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a request of the newest revision."""
    headers = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method, "Mcp-Name": params.get("name", "")}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": ENVELOPE}}
    return headers, json.dumps(message).encode()


def older(method: str, **params: Any) -> tuple[dict[str, str], bytes]:
    """Return those of a request of an older revision."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return {"MCP-Protocol-Version": "2025-11-25"}, json.dumps(message).encode()


INSERTED = {**ITEMS, "documents": [{"_id": 1}]}
MESSAGES: dict[str, tuple[tuple[dict[str, str], bytes], int]] = {
    "discover": (stateless("server/discover"), 200),
    "list": (stateless("tools/list"), 200),
    "call": (stateless("tools/call", name="find", arguments=ITEMS), 200),
    "dry run": (stateless("tools/call", name="insert", arguments=INSERTED), 200),
    "refused": (stateless("tools/call", name="find", arguments={}), 200),
    "no tool": (stateless("tools/call", name="nothing", arguments={}), 400),
    "no method": (stateless("nothing"), 404),
    "initialize": (older("initialize", protocolVersion="2025-11-25"), 200),
    "older ping": (older("ping"), 200),
    "older list": (older("tools/list"), 200),
    "older call": (older("tools/call", name="find", arguments=ITEMS), 200),
    "older no tool": (older("tools/call", name="nothing", arguments={}), 200),
    "older no name": (older("tools/call"), 200),
    "older no method": (older("nothing"), 200),
    "by hand": (
        ({"Content-Type": "application/x-www-form-urlencoded"}, b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'),
        200,
    ),
    "notification": (({}, b'{"jsonrpc":"2.0","method":"notifications/initialized"}'), 202),
    "no JSON": (({}, b"\xff"), 400),
    "nothing": (({}, b""), 400),
    "a mark of the order of bytes": (({}, b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}'), 400),
    "compressed": (({"Content-Encoding": "gzip"}, gzip.compress(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')), 200),
    "compressed in another way": (({"Content-Encoding": "br"}, b"{}"), 415),
}


@pytest.mark.both_hosts
@pytest.mark.parametrize("name", MESSAGES)
async def test_a_message_gets_the_same_bytes_in_both_hosts(both: Both, name: str) -> None:
    (headers, body), status = MESSAGES[name]
    answer = await both("POST", headers | {"apiKey": both.key}, body)

    assert answer.status == status
    assert answer.headers["mcp-session-id"] == ""


@pytest.mark.both_hosts
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD"])
async def test_another_method_is_not_allowed_in_either_host(both: Both, method: str) -> None:
    headers = {"apiKey": both.key, "Accept": "text/event-stream", "Mcp-Session-Id": "x", "Last-Event-ID": "1"}
    answer = await both(method, headers)
    unknown = await both(method, headers | {"apiKey": "nobody's"})

    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert unknown.status == 400


@pytest.mark.both_hosts
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "application/json"},
        {"Accept": "text/event-stream"},
        {"Accept": "text/html, application/json;q=0"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin1"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Mcp-Session-Id": "1868a90c", "Last-Event-ID": "7"},
        {"Authorization": "Basic Og=="},
    ],
    ids=repr,
)
async def test_headers_that_say_nothing_here_change_nothing(both: Both, headers: dict[str, str]) -> None:
    sent, body = stateless("tools/call", name="count", arguments=ITEMS)
    answer = await both("POST", {"apiKey": both.key, **sent, **headers}, body)

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["result"]["structuredContent"] == {"count": {"$numberInt": "0"}}


@pytest.mark.both_hosts
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
@pytest.mark.parametrize(
    "origin", [f"{PAGE}/", "http://page.example", PAGE.upper(), "null", "", "https://evil.example"]
)
async def test_a_page_that_is_not_named_is_refused_whatever_it_asks(both: Both, method: str, origin: str) -> None:
    answer = await both(method, {"apiKey": both.key, "Origin": origin})

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (403, "")


@pytest.mark.both_hosts
@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("GET", 405), ("OPTIONS", 204)])
async def test_a_page_that_is_named_comes_in(both: Both, method: str, status: int) -> None:
    sent, body = stateless("tools/list")
    answer = await both(method, {"apiKey": both.key, "Origin": PAGE, **sent}, {"POST": body}.get(method, b""))

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, PAGE)


@pytest.mark.both_hosts
@pytest.mark.parametrize(
    "credentials",
    [{}, {"apiKey": "nobody's"}, {"Authorization": "Bearer x"}, {"email": "ann@shop.example", "password": "wrong"}],
    ids=repr,
)
async def test_what_is_wrong_before_a_message_is_read_is_an_error_that_clients_show(
    both: Both, credentials: dict[str, str]
) -> None:
    sent, body = stateless("tools/list")
    answer = await both("POST", {**sent, **credentials}, body)
    error = answer.json["error"]

    assert (answer.status, answer.headers["www-authenticate"]) == (400, "")
    assert (answer.json["jsonrpc"], answer.json["id"], error["code"]) == ("2.0", None, 400)
    assert error["message"].startswith("wrong key, password or token: " if credentials else "no authentication methods")


@pytest.mark.parametrize("name", ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"])
async def test_a_header_that_stands_twice_says_something_else(both: Both, name: str) -> None:
    sent, body = stateless("tools/call", name="count", arguments=ITEMS)
    twice = [*sent.items(), (name, sent[name])]
    head = ["POST /mcp HTTP/1.1", "Host: x", f"apiKey: {both.key}", f"Content-Length: {len(body)}", "Connection: close"]
    lines = [*head, *(f"{each}: {value}" for each, value in twice)]
    [reply] = await exchange(both.server.port, "\r\n".join([*lines, "", ""]).encode() + body)

    assert (reply.status, reply.json["error"]["code"], reply.json["id"]) == (400, -32020, 1)
