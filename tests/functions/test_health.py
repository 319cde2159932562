"""/health/live and /health/ready, through both hosts."""

import pytest

from shared.settings import VERSION
from tests.hosts import Host

pytestmark = pytest.mark.both_hosts  # paths and methods are routed by each host in its way


@pytest.mark.parametrize("state", ["live", "ready"])
async def test_a_healthy_service_says_so(host: Host, state: str) -> None:
    answer = await host.request("GET", f"/health/{state}")

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"status": state, "version": VERSION}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_health_is_only_read(host: Host, method: str) -> None:
    answer = await host.request(method, "/health/live", {}, b"{}")

    assert answer.status == 404


async def test_health_needs_no_key_and_ignores_one(host: Host) -> None:
    answer = await host.request("GET", "/health/ready", {"Authorization": "Bearer x", "apiKey": "wrong"})

    assert answer.status == 200
