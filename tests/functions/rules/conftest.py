"""Both hosts serving the exported app of tests/apps/shop, and users who log in to it."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from local.mongod import Mongod
from tests.conftest import ACTION, request_body
from tests.hosts import ROOT, Answer, Host, Server, Worker

CLIENT = "/api/client/v2.0/app/shop-abcde"
SETTINGS = {
    "APP_CONFIG_DIR": str(ROOT / "tests" / "apps" / "shop"),
    "SESSION_SECRET": "a secret of the tests that is long enough",
    "APP_SECRET_JWT_KEY": "k" * 40,
    "APP_SECRET_HOOK_SECRET": "hook",
    "AUTH_CACHE_SECONDS": "0",
    "LOGIN_ATTEMPTS": "1000",
}


@pytest.fixture(scope="session")
async def app_server(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """server.py with the exported app."""
    log = tmp_path_factory.mktemp("app-server") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, **SETTINGS) as running:
        yield running


@pytest.fixture(params=["worker", "server"])
def app_host(request: pytest.FixtureRequest, configured: pytest.MonkeyPatch) -> Host:
    """Each host in turn, with the exported app."""
    if request.param == "server":
        server: Server = request.getfixturevalue("app_server")
        return server
    for name, value in SETTINGS.items():
        configured.setenv(name, value)
    worker: Worker = request.getfixturevalue("worker")
    return worker


class Person(NamedTuple):
    """A user who is logged in."""

    host: Host
    id: str
    access_token: str
    refresh_token: str

    async def __call__(self, action: str, *, accept: str | None = None, **members: Any) -> Answer:
        """Post an action on shop.orders, or on the collection named, with the access token."""
        headers = {"Authorization": f"Bearer {self.access_token}"} | ({"Accept": accept} if accept else {})
        return await self.host.request(
            "POST", ACTION + action, headers, request_body(**{"collection": "orders"} | members)
        )


async def send(host: Host, method: str, path: str, body: Any = None, token: str | None = None) -> Answer:
    """Send a request to the client API."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = b"" if body is None else json.dumps(body).encode()
    return await host.request(method, path, headers, content)


async def log_in(host: Host, provider: str, body: Any) -> Person:
    """Log in and return who that is."""
    answer = await send(host, "POST", f"{CLIENT}/auth/providers/{provider}/login", body)
    assert answer.status == 200, answer.body
    tokens = answer.json
    return Person(host, tokens["user_id"], tokens["access_token"], tokens["refresh_token"])


@pytest.fixture
async def users(driver: Any) -> None:
    """Nobody is registered."""
    for name in ("users", "sessions", "confirmations"):
        await driver["dozen"][name].delete_many({})


async def registered(host: Host, email: str) -> Person:
    """Register and log in."""
    body = {"email": email, "password": "secret words"}
    answer = await send(host, "POST", f"{CLIENT}/auth/providers/local-userpass/register", body)
    assert answer.status == 201, answer.body
    return await log_in(host, "local-userpass", {"username": email, "password": "secret words"})


@pytest.fixture
async def ann(app_host: Host, users: None, database: Any) -> Person:
    """A user of the app, on an empty database."""
    return await registered(app_host, "ann@shop.example")


@pytest.fixture
async def bob(app_host: Host, ann: Person) -> Person:
    """Another one."""
    return await registered(app_host, "bob@shop.example")
