"""Both hosts serving the exported app of tests/apps/shop, and users who log in to it."""

import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from argon2 import PasswordHasher
from bson.objectid import ObjectId

from local.mongod import Mongod
from tests.conftest import ACTION, request_body, restart
from tests.depth import HOSTS
from tests.hosts import ROOT, Answer, Host, Server, Worker

PASSWORD = "secret words"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
CLIENT = "/api/client/v2.0/app/shop-abcde"
SETTINGS = {
    "APP_CONFIG_DIR": str(ROOT / "tests" / "apps" / "shop"),
    "SESSION_SECRET": "a secret of the tests that is long enough",
    "APP_SECRET_JWT_KEY": "k" * 40,
    "APP_SECRET_HOOK_SECRET": "hook",
    "AUTH_CACHE_SECONDS": "0",
    "LOGIN_ATTEMPTS": "1000",
    "MAILS_PER_ADDRESS": "1000",
}


@pytest.fixture(scope="session")
async def app_server(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """server.py with the exported app."""
    log = tmp_path_factory.mktemp("app-server") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, **SETTINGS) as running:
        yield running


@pytest.fixture(params=HOSTS)
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

    async def __call__(self, action: str, /, *, accept: str | None = None, **members: Any) -> Answer:
        """Post an action on shop.orders, or on the collection named, with the access token."""
        headers = {"Authorization": f"Bearer {self.access_token}"} | ({"Accept": accept} if accept else {})
        return await self.host.request(
            "POST", ACTION + action, headers, request_body(**{"collection": "orders"} | members)
        )


type Known = Callable[[Host, str], Awaitable[Person]]


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
    body = {"email": email, "password": PASSWORD}
    answer = await send(host, "POST", f"{CLIENT}/auth/providers/local-userpass/register", body)
    assert answer.status == 201, answer.body
    return await log_in(host, "local-userpass", {"username": email, "password": PASSWORD})


@pytest.fixture(scope="session")
def met() -> dict[str, Any]:
    """Who has registered before, as they are stored, with a hash of their password that is made in no time."""
    return {}


@pytest.fixture
def known(users: None, driver: Any, met: dict[str, Any]) -> Known:
    """Register and log in; who has done so before is stored as then, because two real hashes cost 150 ms."""
    stored = driver["dozen"]["users"]

    async def known(host: Host, email: str) -> Person:
        if email not in met:
            await registered(host, email)
            met[email] = await stored.find_one_and_delete({"identities.id": email})
            met[email]["password"] = QUICK.hash(PASSWORD)
        await stored.insert_one(met[email] | {"_id": ObjectId()})
        return await log_in(host, "local-userpass", {"username": email, "password": PASSWORD})

    return known


@pytest.fixture
def app(request: pytest.FixtureRequest, changed: Any) -> Any:
    """Change the rules of shop.notes, which begin as the role OWN of the test's module."""

    def change(*roles: dict[str, Any], **members: Any) -> None:
        rules = {"roles": list(roles), "filters": []} | members
        changed("data_sources/mongodb-atlas/shop/notes/rules.json", **rules)

    change(request.module.OWN)
    return change


type Scripts = Callable[..., None]


@pytest.fixture
def scripts(changed: Any, tmp_path: Path) -> Scripts:
    """Give the app functions: the entries of some by name, the sources of all; `/` is `__` here."""

    def write(entries: dict[str, dict[str, Any]] | None = None, **sources: str) -> None:
        folder = tmp_path / "shop" / "functions"
        listed = [{"name": name, **entry} for name, entry in (entries or {}).items()]
        (folder / "config.json").write_text(json.dumps(listed))
        for name, source in sources.items():
            path = folder / f"{name.replace('__', '/')}.js"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        restart()

    return write


@pytest.fixture
async def ann(app_host: Host, known: Known, database: Any) -> Person:
    """A user of the app, on an empty database."""
    return await known(app_host, "ann@shop.example")


@pytest.fixture
async def bob(app_host: Host, ann: Person, known: Known) -> Person:
    """Another one."""
    return await known(app_host, "bob@shop.example")


@pytest.fixture
def changed(tmp_path: Path, configured: pytest.MonkeyPatch, worker: Worker, users: None, database: Any) -> Any:
    """Serve the app of the tests with some members of its files changed."""
    folder = Path(shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop"))
    for name, value in (SETTINGS | {"APP_CONFIG_DIR": str(folder)}).items():
        configured.setenv(name, value)

    def change(file: str, **members: Any) -> None:
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | members))
        restart()

    return change
