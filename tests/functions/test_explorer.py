"""The files of the explorer, as both hosts send them."""

import pytest

from tests.conftest import errors_only
from tests.hosts import Host, Worker

pytestmark = pytest.mark.both_hosts


@pytest.fixture
def on(configured: pytest.MonkeyPatch, worker: Worker) -> Host:
    """The worker with its explorer on."""
    configured.setenv("EXPLORER", "on")
    return worker


async def test_it_is_off_unless_it_is_set(host: Host) -> None:
    page, file = await host.request("GET", "/explorer"), await host.request("GET", "/explorer/app.js")

    assert (page.status, file.status) == (404, 404)
    assert errors_only(page) == {
        "error": "no endpoint found for '/explorer'",
        "error_code": "EndpointNotFound",
    }


async def test_the_page_may_do_nothing_but_ask_its_own_host(on: Host) -> None:
    page = await on.request("GET", "/explorer")

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_what_has_not_changed_is_not_sent_again(on: Host) -> None:
    page = await on.request("GET", "/explorer")
    again = await on.request("GET", "/explorer", {"If-None-Match": page.headers["etag"]})

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", page.headers["etag"])


@pytest.mark.parametrize(
    ("file", "kind"), [("app.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")]
)
async def test_a_file_has_its_type(on: Host, file: str, kind: str) -> None:
    answer = await on.request("GET", f"/explorer/{file}")

    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, kind)


@pytest.mark.parametrize(
    "file", ["nothing.js", "__init__.py", "..%2f__init__.py", "%2e%2e/settings.py", "index.html%00", "."]
)
async def test_nothing_else_is_a_file(on: Host, file: str) -> None:
    answer = await on.request("GET", f"/explorer/{file}")

    assert answer.status == 404


@pytest.mark.parametrize("path", ["/explorer/", "/explorer/index.html"])
async def test_what_is_beside_the_page_is_found_from_wherever_it_is_asked_for(on: Host, path: str) -> None:
    answer = await on.request("GET", path)

    assert (answer.status, answer.headers["location"]) == (308, "../explorer")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_the_page_is_only_read(on: Host, method: str) -> None:
    answer = await on.request(method, "/explorer")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
