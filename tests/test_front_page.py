"""What the root of the service answers."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from shared.settings import VERSION
from tests.hosts import Host, Worker

pytestmark = pytest.mark.both_hosts


async def test_a_program_is_told_what_this_is_and_where_to_go(host: Host) -> None:
    answer = await host.request("GET", "/")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {
        "name": "Dozen, a MongoDB Data API",
        "version": VERSION,
        "openapi": "openapi.json",
        "health": "health/ready",
    }


async def test_a_browser_gets_a_page_whose_style_the_policy_allows(host: Host) -> None:
    answer = await host.request("GET", "/", {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    style = re.search(rb"<style>(.*)</style>", answer.body, re.DOTALL)

    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert style is not None
    assert f"'sha256-{b64encode(sha256(style[1]).digest()).decode()}'" in answer.headers["content-security-policy"]
    assert b"openapi.json" in answer.body
    assert b"explorer" not in answer.body


async def test_the_explorer_is_named_where_it_is_on(configured: pytest.MonkeyPatch, worker: Worker) -> None:
    configured.setenv("EXPLORER", "on")
    answer, page = await worker.request("GET", "/"), await worker.request("GET", "/", {"Accept": "text/html"})

    assert answer.json["explorer"] == "explorer"
    assert b'<a href="explorer">' in page.body


async def test_another_page_is_told_what_it_may_ask_the_root(host: Host) -> None:
    answer = await host.request("OPTIONS", "/")

    assert (answer.status, answer.headers["access-control-allow-methods"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_the_root_is_only_read(host: Host, method: str) -> None:
    answer = await host.request(method, "/")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
