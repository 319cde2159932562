"""What lets a page in a browser call, through both hosts."""

from typing import Any

import pytest

from tests.conftest import ACTION, errors_only, request_body
from tests.hosts import Host, Worker

pytestmark = pytest.mark.both_hosts  # methods and headers come and go through each host in its way

PAGE = "https://shop.example"
ALLOWED = (
    "Authorization, Content-Type, Accept, If-None-Match, Idempotency-Key, Dozen-Max-Affected, Dozen-Dry-Run, Prefer,"
    " If-Match"
)
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "apikey"}


@pytest.mark.parametrize("url", [ACTION + "insertOne", "/action/find", "/api/mdb_dataapi/action/find"])
async def test_a_preflight_needs_no_credentials(host: Host, url: str) -> None:
    answer = await host.request("OPTIONS", url, PREFLIGHT)

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == ALLOWED
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers


async def test_options_without_an_origin_allows_none(host: Host) -> None:
    answer = await host.request("OPTIONS", ACTION + "find")

    assert answer.status == 204
    assert "access-control-allow-origin" not in answer.headers


async def test_a_reply_may_be_read_by_the_page(host: Host, key: str, database: Any) -> None:
    answer = await host.request("POST", ACTION + "find", {"apiKey": key, "Origin": PAGE}, request_body())

    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"


async def test_a_reply_without_an_origin_still_varies(host: Host, key: str, database: Any) -> None:
    answer = await host.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        pytest.param("POST", b"{}", 400, id="no credentials"),
        pytest.param("POST", b"{", 400, id="not JSON"),
        pytest.param("GET", b"", 405, id="method"),
    ],
)
async def test_an_error_may_be_read_by_the_page(host: Host, method: str, body: bytes, status: int) -> None:
    answer = await host.request(method, ACTION + "find", {"Origin": PAGE}, body)

    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"


async def test_the_servers_error_may_be_read_by_the_page(host: Host, key: str) -> None:
    headers = {"apiKey": key, "Origin": PAGE}

    answer = await host.request("POST", ACTION + "find", headers, request_body(filter={"$foo": 1}))

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (400, PAGE)


async def test_credential_headers_are_allowed_by_a_setting_only(worker: Worker, configured: pytest.MonkeyPatch) -> None:
    configured.setenv("CORS_ALLOW_CREDENTIAL_HEADERS", "true")

    answer = await worker.request("OPTIONS", ACTION + "find", PREFLIGHT)

    assert (
        answer.headers["access-control-allow-headers"]
        == f"{ALLOWED}, apiKey, api-key, x-functions-key, email, password, jwtTokenString"
    )


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "GET"])
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://shop.example", "https://shop.example:8443", "https://shop.example.evil", "null"],
)
async def test_an_origin_that_is_not_listed_is_refused(
    worker: Worker, configured: pytest.MonkeyPatch, database: Any, key: str, method: str, origin: str
) -> None:  # fmt: skip
    configured.setenv("CORS_ALLOWED_ORIGINS", "https://shop.example, https://admin.example/")
    body = request_body(document={"a": 1}) if method == "POST" else b""

    answer = await worker.request(method, ACTION + "insertOne", {"Origin": origin, "apiKey": key}, body)

    assert answer.status == 403
    assert errors_only(answer) == {"error": "origin not allowed", "error_code": "DomainNotAllowed"}
    assert [name for name in answer.headers if name.startswith("access-control")] == []
    assert answer.headers["vary"] == "Origin"
    assert await database.list_collection_names() == []


@pytest.mark.parametrize("origin", ["https://shop.example", "https://admin.example"])
async def test_an_origin_that_is_listed_is_served(
    worker: Worker, configured: pytest.MonkeyPatch, database: Any, key: str, origin: str
) -> None:
    configured.setenv("CORS_ALLOWED_ORIGINS", "https://shop.example, https://admin.example/")

    answer = await worker.request("POST", ACTION + "find", {"Origin": origin, "apiKey": key}, request_body())

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize("origin", ["https://shop.example", "http://evil.example:81", "null"])
@pytest.mark.parametrize("listed", ["*", " * "])
async def test_a_star_allows_every_origin(
    worker: Worker, configured: pytest.MonkeyPatch, database: Any, key: str, origin: str, listed: str
) -> None:
    configured.setenv("CORS_ALLOWED_ORIGINS", listed)

    preflight = await worker.request("OPTIONS", ACTION + "find", PREFLIGHT | {"Origin": origin})
    answer = await worker.request("POST", ACTION + "find", {"Origin": origin, "apiKey": key}, request_body())

    assert (preflight.status, answer.status) == (204, 200)
    assert preflight.headers["access-control-allow-origin"] in {origin, "*"}
    assert answer.headers["access-control-allow-origin"] in {origin, "*"}


async def test_who_is_no_page_is_served_whatever_is_listed(
    worker: Worker, configured: pytest.MonkeyPatch, database: Any, key: str
) -> None:
    configured.setenv("CORS_ALLOWED_ORIGINS", "https://shop.example")

    answer = await worker.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert answer.status == 200


async def test_request_headers_that_only_look_like_a_preflight_do_nothing(host: Host, key: str, database: Any) -> None:
    headers = {"apiKey": key, "Access-Control-Request-Headers": "*", "Access-Control-Request-Method": "POST"}

    answer = await host.request("POST", ACTION + "find", headers, request_body())

    assert answer.status == 200


@pytest.mark.parametrize("url", [ACTION + "count", ACTION.replace("v1", "v2") + "find", "/nothing"])
async def test_a_404_may_be_read_by_the_page(host: Host, url: str) -> None:
    answer = await host.request("POST", url, {"Origin": PAGE}, b"{}")

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (404, PAGE)
