"""The exported app of tests/apps/people, whose functions decide about users, and the callers of its client API."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from shared.service import process
from tests.conftest import errors_only, restart
from tests.functions.rules.conftest import PASSWORD, QUICK, SETTINGS
from tests.hosts import ROOT, Answer, Host, Server, Worker

APP = ROOT / "tests" / "apps" / "people"
CLIENT = "/api/client/v2.0/app/people-abcde"
PROVIDERS = f"{CLIENT}/auth/providers"
USERPASS = f"{PROVIDERS}/local-userpass"
FUNCTION = f"{PROVIDERS}/custom-function/login"
ANONYMOUS = f"{PROVIDERS}/anon-user/login"
PROFILE = "/api/client/v2.0/auth/profile"
DELETE = "/api/client/v2.0/auth/delete"
ANN = "ann_auto_verify@people.example"
PENDING = "ann_pending_verify@people.example"
ANN_OF_FUNCTION = {"username": "ann", "secret": "v3ry-s3cret"}
OTHER_PASSWORD = "other words"


class People:
    """A host that serves a copy of the app, and the databases behind it."""

    def __init__(self, host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch, database: Any, dozen: Any) -> None:
        self.host = host
        self.database = database
        self.dozen = dozen
        self._folder = folder
        self._monkeypatch = monkeypatch

    def set(self, **settings: str) -> None:
        """Change settings of the worker."""
        for name, value in settings.items():
            self._monkeypatch.setenv(name, value)
        begin()

    def change(self, files: dict[str, Any] | None = None, **sources: str) -> None:
        """Change files of the worker's copy, and sources of functions by name."""
        for path, content in (files or {}).items():
            (self._folder / path).write_text(json.dumps(content))
        for name, source in sources.items():
            (self._folder / "functions" / f"{name}.js").write_text(source)
        begin()

    async def send(self, method: str, path: str, body: Any = None, token: str | None = None) -> Answer:
        """Send a request to the client API, from one address."""
        headers = {"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.9"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        return await self.host.request(method, path, headers, b"" if body is None else json.dumps(body).encode())

    async def register(self, email: str) -> Answer:
        """Register an address."""
        return await self.send("POST", f"{USERPASS}/register", {"email": email, "password": PASSWORD})

    async def log_in(self, email: str, password: str = PASSWORD) -> Answer:
        """Log in with a password."""
        return await self.send("POST", f"{USERPASS}/login", {"username": email, "password": password})

    async def reset(self, email: str, *arguments: Any, password: str = OTHER_PASSWORD) -> Answer:
        """Ask the reset function for another password."""
        body = {"email": email, "password": password, "arguments": list(arguments)}
        return await self.send("POST", f"{USERPASS}/reset/call", body)


def begin() -> None:
    """Have the worker begin anew, with hashes of passwords that are made in no time."""
    restart()
    process.service().passwords._hasher = QUICK


def refusal(answer: Answer) -> tuple[int, str, str]:
    """Return status, code and text of an error."""
    members = errors_only(answer)
    return answer.status, members["error_code"], members["error"]


@pytest.fixture
async def people(tmp_path: Path, configured: pytest.MonkeyPatch, worker: Worker, driver: Any, database: Any) -> People:
    """The worker with a copy of the app; nobody is registered, and no trigger has anything to be told."""
    for name in ("users", "sessions", "confirmations", "user_events"):
        await driver["dozen"][name].delete_many({})
    folder = Path(shutil.copytree(APP, tmp_path / "people"))
    for name, value in (SETTINGS | {"APP_CONFIG_DIR": str(folder)}).items():
        configured.setenv(name, value)
    begin()
    return People(worker, folder, configured, database, driver["dozen"])


@pytest.fixture(scope="session")
async def people_server(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """server.py with the app."""
    log = tmp_path_factory.mktemp("people") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, **SETTINGS | {"APP_CONFIG_DIR": str(APP)}) as running:
        yield running
