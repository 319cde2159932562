"""Paths, methods and bodies at the edge: what reaches an action, and what does not."""

from typing import Any

import httpx
import pytest

from tests.conftest import ACTION, Post, errors_only, request_body
from tests.hosts import Host, Server, Worker

pytestmark = pytest.mark.both_hosts  # paths and methods are routed by each host in its way

ACTIONS = [
    "findOne", "find", "insertOne", "insertMany", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany",
    "aggregate",
]  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_another_method_than_post_is_405(host: Host, key: str, method: str, action: str) -> None:
    answer = await host.request(method, ACTION + action, {"apiKey": key}, request_body(filter={}))

    assert answer.status == 405
    assert answer.headers["allow"] == "POST, OPTIONS"
    assert errors_only(answer) == {"error": "method not allowed", "error_code": "BadRequest"}


@pytest.mark.parametrize("url", [ACTION + "find", "/action/find", "/api/mdb_dataapi/action/find"])
async def test_head_is_405(host: Host, url: str) -> None:
    answer = await host.request("HEAD", url)

    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    "url", ["/action/find", "/api/mdb_dataapi/action/find", ACTION.replace("/v1/", "/v1//") + "find"]
)
async def test_another_spelling_answers_405_too(host: Host, url: str) -> None:
    answer = await host.request("GET", url)

    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
async def test_an_unknown_app_is_404_without_a_code(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, method: str
) -> None:
    configured.setenv("APP_ID", "shop-abcde")

    answer = await worker.request(method, "/app/shop-zzzzz/endpoint/data/v1/action/find", {"apiKey": key})

    assert answer.status == 404
    assert errors_only(answer) == {"error": "cannot find app using Client App ID 'shop-zzzzz'"}


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("/app/shop-abcde/endpoint/data/v1/action/find", id="the app"),
        pytest.param("/app/shop-abcde/endpoint/data/v1//action/find", id="the app, and two slashes"),
        pytest.param("/action/find", id="short, which names no app"),
        pytest.param("/api/mdb_dataapi/action/find", id="MongoDB's Azure sample, which names no app"),
    ],
)
async def test_the_app_that_is_set_is_served(
    worker: Worker, configured: pytest.MonkeyPatch, key: str, database: Any, url: str
) -> None:
    configured.setenv("APP_ID", "shop-abcde")

    answer = await worker.request("POST", url, {"apiKey": key}, request_body())

    assert answer.status == 200


async def test_an_app_in_another_case_is_another_app(worker: Worker, configured: pytest.MonkeyPatch, key: str) -> None:
    configured.setenv("APP_ID", "shop-abcde")

    answer = await worker.request("POST", "/app/Shop-Abcde/endpoint/data/v1//action/find", {"apiKey": key})

    assert answer.json == {"error": "cannot find app using Client App ID 'Shop-Abcde'"}


@pytest.mark.parametrize("transfer", ["chunked", "Chunked", "gzip, chunked"])
async def test_a_chunked_body_that_the_platform_dropped_is_411(worker: Worker, key: str, transfer: str) -> None:
    headers = {"apiKey": key, "Transfer-Encoding": transfer, "Content-Length": ""}

    answer = await worker.request("POST", ACTION + "find", headers)

    assert answer.status == 411
    assert errors_only(answer) == {
        "error": "request body must be sent with a Content-Length", "error_code": "BadRequest",
    }  # fmt: skip


async def test_a_chunked_body_works_on_the_server(server: Server, key: str, database: Any) -> None:
    async def chunks() -> Any:
        yield request_body(document={"_id": 1})[:20]
        yield request_body(document={"_id": 1})[20:]

    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{server.url}{ACTION}insertOne", headers={"apiKey": key}, content=chunks())

    assert "transfer-encoding" in answer.request.headers
    assert (answer.status_code, answer.content) == (201, b'{"insertedId":1}')
    assert await database.items.find().to_list() == [{"_id": 1}]


@pytest.mark.parametrize("data_source", ["mongodb-atlas", "Cluster0", "anything", ""])
async def test_the_only_data_source_has_every_name(post: Post, data_source: str) -> None:
    answer = await post("find", dataSource=data_source)

    assert answer.status == 200


@pytest.mark.parametrize(
    ("data_source", "status"),
    [
        pytest.param("mongodb-atlas", 200, id="the first by its default name"),
        pytest.param("Cluster-0", 200, id="the second"),
        pytest.param("cluster_0", 200, id="the second, as its variable is written"),
        pytest.param("MONGODB-ATLAS", 200, id="case does not matter"),
        pytest.param("Cluster1", 400, id="unknown"),
        pytest.param("", 400, id="empty"),
    ],
)
async def test_one_of_several_data_sources_is_named(
    worker: Worker, configured: pytest.MonkeyPatch, mongod: Any, key: str, data_source: str, status: int
) -> None:
    configured.setenv("MONGO_DB_URI__CLUSTER_0", mongod.uri)

    answer = await Post(worker, key)("find", dataSource=data_source)

    assert answer.status == status


async def test_an_unknown_data_source_is_named_in_the_refusal(
    worker: Worker, configured: pytest.MonkeyPatch, mongod: Any, key: str
) -> None:
    configured.setenv("MONGO_DB_URI__OTHER", mongod.uri)

    answer = await Post(worker, key)("find", dataSource="Cluster1")

    assert errors_only(answer) == {"error": "service not found: 'Cluster1'", "error_code": "ServiceNotFound"}


@pytest.mark.parametrize("accept", ["application/json", "application/ejson", "*/*", "text/html"])
async def test_errors_are_always_plain_json(host: Host, accept: str) -> None:
    answer = await host.request("POST", ACTION + "find", {"Accept": accept}, b"{}")

    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"


async def test_a_host_header_that_is_no_host_is_not_a_500(server: Server, key: str) -> None:
    answer = await server.request("POST", ACTION + "find", {"Host": "[", "apiKey": key}, request_body())

    assert answer.status < 500
