"""One table of requests through both hosts: status, headers and body must agree."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from tests.conftest import ACTION, request_body
from tests.hosts import Answer, Host, Server, Worker

FROM_THE_SERVER = {"date", "content-length", "x-content-type-options"}  # Azure's host adds the last, too: host.json


class Request(NamedTuple):
    """One request; the key stands for itself."""

    method: str
    url: str
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012  never changed


def action(name: str, headers: dict[str, str] | None = None, /, **members: Any) -> Request:
    return Request("POST", ACTION + name, request_body(**members), {"apiKey": "<key>"} | (headers or {}))


def raw(body: bytes, headers: dict[str, str] | None = None) -> Request:
    return Request("POST", ACTION + "find", body, {"apiKey": "<key>"} | (headers or {}))


def accepting(accept: str) -> Request:
    return action("find", {"Accept": accept}, sort={"_id": 1})


ACCEPTS = [
    "application/json", "application/ejson", "*/*", "", "APPLICATION/EJSON", "application/ejson; charset=utf-8",
    "application/json, text/plain, */*", "application/ejson, application/json", "application/json, application/ejson",
    "application/json;q=0.5, application/ejson", "application/ejson;q=0.5, application/json;q=0.9",
    "application/ejson;q=0", "application/ejson;q=0, application/json;q=0", "application/ejson;q=x", "text/html",
    "application/{{CONTENT_TYPE}}", "nonsense", ",,,", ";q=1", "application/*", "application/ejson;q=nan",
    "application/ejson;q=inf, application/json", "application/ejson;q=-1",
]  # fmt: skip
CONTENT_TYPES = [
    "application/json", "application/ejson", "application/json; charset=utf-8", "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense", "",
]  # fmt: skip
PATHS = [
    "/", "//", "/nothing", "/app", "/app/x", "/action/find", "/action/find/", "//action//find", "/action/FIND",
    "/api/mdb_dataapi/action/find", "/app/x/endpoint/data/v1/action/find/", "/app/x/endpoint/data/v1/action/find//",
    "/app/x/endpoint/data/v1//action/find", "/app/x/endpoint/data/beta/action/find",
    "/app/x/endpoint/data/v2/action/find",
    "//app/x/endpoint/data/v1/action/find", "/App/x/Endpoint/Data/v1/action/find",
    "/app/x/endpoint/data/v1/action/Find",
    "/app/x%20y/endpoint/data/v1/action/find", "/app/%C3%A9/endpoint/data/v1/action/find",
    "/app/x/endpoint/data/v1/action/fi%6Ed",
    "/app//endpoint/data/v1/action/find", "/action/find?a=1&a=2&b=", "/action/find?%FF",
    "/action/%", "/a%00b", "/caf%C3%A9", "/a%0Ab", "/app/x/endpoint/data/v1/action/find%0A",
]  # fmt: skip
REQUESTS = {
    "findOne": action("findOne", filter={"_id": 1}),
    "findOne, none": action("findOne", filter={"_id": 99}),
    "find": action("find", sort={"_id": -1}, projection={"_id": 0}),
    "insertOne": action("insertOne", document={"_id": "new", "z": 1, "a": {"$numberLong": "5"}}),
    "insertMany": action("insertMany", documents=[{"_id": "x"}, {"_id": "y"}]),
    "insertOne, duplicate": action("insertOne", document={"_id": 1}),
    "insertMany, duplicate": action("insertMany", documents=[{"_id": 7}, {"_id": 1}, {"_id": 8}]),
    "insertMany, empty": action("insertMany", documents=[]),
    "updateOne": action("updateOne", filter={"_id": 1}, update={"$set": {"a": 5}}),
    "updateMany": action("updateMany", filter={}, update={"$inc": {"a": 1}}),
    "updateOne, upsert": action("updateOne", filter={"_id": "u"}, update={"$set": {"a": 5}}, upsert=True),
    "updateOne, no operators": action("updateOne", filter={}, update={"a": 5}),
    "updateOne, unknown operator": action("updateOne", filter={}, update={"$foo": {"a": 5}}),
    "replaceOne": action("replaceOne", filter={"_id": 2}, replacement={"b": 1}),
    "deleteOne": action("deleteOne", filter={"a": 1}),
    "deleteMany": action("deleteMany", filter={}),
    "deleteMany, no filter": action("deleteMany"),
    "aggregate": action("aggregate", pipeline=[{"$sort": {"_id": 1}}, {"$limit": 1}]),
    "aggregate, unknown stage": action("aggregate", pipeline=[{"$foo": 1}]),
    "aggregate, refused stage": action("aggregate", pipeline=[{"$out": "x"}]),
    "find, unknown operator": action("find", filter={"$foo": 1}),
    "find, wrong type": action("find", limit="10"),
    "find, negative": action("find", skip=-1),
    "find, refused namespace": action("find", database="admin"),
    "find, wrong name": action("find", database="a b"),
    "unknown key": action("find", {"apiKey": "unknown"}),
    "no key": Request("POST", ACTION + "find", b"{}"),
    "half of an email": Request("POST", ACTION + "find", b"{}", {"email": "x"}),
    "Bearer": action("find", {"Authorization": "Bearer x"}),
    "the key in both headers": action("find", {"api-key": "unknown"}),
    "empty body": raw(b""),
    "not JSON": raw(b"{"),
    "not UTF-8": raw(b'{"a":"\xff"}'),
    "not an object": raw(b"[]"),
    "BOM": raw(b"\xef\xbb\xbf{}"),
    "live": Request("GET", "/health/live"),
    "ready": Request("GET", "/health/ready"),
    "live/": Request("GET", "/health/live/"),
    "LIVE": Request("GET", "/HEALTH/LIVE"),
    "live, POST": Request("POST", "/health/live"),
    "preflight": Request("OPTIONS", ACTION + "find", b"", {"Origin": "https://a.example"}),
    "preflight without Origin": Request("OPTIONS", ACTION + "find"),
    "reply to a page": action("find", {"Origin": "https://a.example"}),
    "error to a page": Request("POST", ACTION + "find", b"{}", {"Origin": "https://a.example"}),
    "an Origin outside ASCII": Request("POST", ACTION + "find", b"{}", {"Origin": "https://\xe9.example"}),
} | {
    f"{method} {url}": Request(method, url, b"{}" if method == "POST" else b"")
    for url in (ACTION + "find", "/action/find", "/nothing", "/health/ready", ACTION + "none")
    for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "POST")
} | {
    f"Accept: {accept}": accepting(accept) for accept in ACCEPTS
} | {
    f"Content-Type: {kind}": action("find", {"Content-Type": kind}) for kind in CONTENT_TYPES
} | {
    f"path {path}": Request("POST", path, request_body(), {"apiKey": "<key>"}) for path in PATHS
}  # fmt: skip

type Seen = tuple[int, dict[str, str], bytes]


@pytest.fixture
def seen(database: Any, key: str) -> Callable[[Host, Request], Awaitable[Seen]]:
    """Send a request to a host, on the same documents each time, and return what the hosts must agree on."""

    async def seen(host: Host, request: Request) -> Seen:
        await database.drop_collection("items")
        await database.items.insert_many([{"_id": 1, "a": 1, "d": 2.0}, {"_id": 2, "a": 1}])
        headers = {name: value.replace("<key>", key) for name, value in request.headers.items()}
        answer: Answer = await host.request(request.method, request.url, headers, request.body)
        body = b"" if request.method == "HEAD" else answer.body  # the platform cuts it off
        return answer.status, {n: v for n, v in answer.headers.items() if n not in FROM_THE_SERVER}, body

    return seen


@pytest.mark.parametrize("request_", [pytest.param(request, id=name) for name, request in REQUESTS.items()])
async def test_both_hosts_answer_alike(
    worker: Worker, server: Server, seen: Callable[[Host, Request], Awaitable[Seen]], request_: Request
) -> None:
    from_the_worker = await seen(worker, request_)
    from_the_server = await seen(server, request_)

    assert from_the_server == from_the_worker
    assert from_the_worker[0] < 500


async def test_repeated_headers_are_joined(server: Server, worker: Worker, key: str) -> None:
    repeated = await server.raw(
        b"POST /action/find HTTP/1.1\r\nHost: x\r\napiKey: %b\r\napiKey: other\r\nContent-Length: 2\r\n"
        b"Connection: close\r\n\r\n{}" % key.encode()
    )
    joined = await worker.request("POST", "/action/find", {"apiKey": f"{key},other"}, b"{}")

    assert repeated.startswith(b"HTTP/1.1 400 ")
    assert repeated.endswith(joined.body)
