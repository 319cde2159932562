"""What Azure's worker finds in function_app: the list of the API's functions, and nothing else."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import ROOT, Worker

ACTIONS = "app/{app_id}/endpoint/data/{version}/action/"
ALL = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
CLIENT = "api/client/v2.0/"
PASSWORD = CLIENT + "app/{app_id}/auth/providers/local-userpass/"
FUNCTIONS: dict[str, tuple[str, set[str]]] = {
    "findOne": (ACTIONS + "findOne", ALL),
    "find": (ACTIONS + "find", ALL),
    "insertOne": (ACTIONS + "insertOne", ALL),
    "insertMany": (ACTIONS + "insertMany", ALL),
    "updateOne": (ACTIONS + "updateOne", ALL),
    "updateMany": (ACTIONS + "updateMany", ALL),
    "replaceOne": (ACTIONS + "replaceOne", ALL),
    "deleteOne": (ACTIONS + "deleteOne", ALL),
    "deleteMany": (ACTIONS + "deleteMany", ALL),
    "aggregate": (ACTIONS + "aggregate", ALL),
    "countDocuments": (ACTIONS + "countDocuments", ALL),
    "estimatedDocumentCount": (ACTIONS + "estimatedDocumentCount", ALL),
    "distinct": (ACTIONS + "distinct", ALL),
    "getMore": (ACTIONS + "getMore", ALL),
    "findOneAndUpdate": (ACTIONS + "findOneAndUpdate", ALL),
    "findOneAndReplace": (ACTIONS + "findOneAndReplace", ALL),
    "findOneAndDelete": (ACTIONS + "findOneAndDelete", ALL),
    "bulkWrite": (ACTIONS + "bulkWrite", ALL),
    "transaction": (ACTIONS + "transaction", ALL),
    "listDatabases": (ACTIONS + "listDatabases", ALL),
    "listCollections": (ACTIONS + "listCollections", ALL),
    "listIndexes": (ACTIONS + "listIndexes", ALL),
    "getSchema": (ACTIONS + "getSchema", ALL),
    "explain": (ACTIONS + "explain", ALL),
    "changes": (ACTIONS + "changes", ALL),
    "createIndexes": (ACTIONS + "createIndexes", ALL),
    "dropIndexes": (ACTIONS + "dropIndexes", ALL),
    "createCollection": (ACTIONS + "createCollection", ALL),
    "dropCollection": (ACTIONS + "dropCollection", ALL),
    "location": (CLIENT + "app/{app_id}/location", ALL),
    "login": (CLIENT + "app/{app_id}/auth/providers/{provider}/login", ALL),
    "session": (CLIENT + "auth/session", ALL),
    "appSession": (CLIENT + "app/{app_id}/auth/session", ALL),
    "profile": (CLIENT + "auth/profile", ALL),
    "deleteUser": (CLIENT + "auth/delete", ALL),
    "register": (PASSWORD + "register", ALL),
    "confirm": (PASSWORD + "confirm", ALL),
    "confirmSend": (PASSWORD + "confirm/send", ALL),
    "confirmCall": (PASSWORD + "confirm/call", ALL),
    "resetSend": (PASSWORD + "reset/send", ALL),
    "reset": (PASSWORD + "reset", ALL),
    "resetCall": (PASSWORD + "reset/call", ALL),
    "apiKeys": (CLIENT + "auth/api_keys", ALL),
    "apiKey": (CLIENT + "auth/api_keys/{key_id}", ALL),
    "enableApiKey": (CLIENT + "auth/api_keys/{key_id}/enable", ALL),
    "disableApiKey": (CLIENT + "auth/api_keys/{key_id}/disable", ALL),
    "endpoint": ("app/{app_id}/endpoint/{*route}", ALL),
    "webhook": (CLIENT + "app/{app_id}/service/{service}/incoming_webhook/{hook}", ALL),
    "functionsCall": (CLIENT + "app/{app_id}/functions/call", ALL),
    "live": ("health/live", {"GET", "HEAD"}),
    "ready": ("health/ready", {"GET", "HEAD"}),
    "openapi": ("openapi.json", ALL),
    "explorer": ("explorer", ALL),
    "explorer_file": ("explorer/{file}", ALL),
    "mcp": ("mcp", ALL),
    "metrics": ("metrics", {"GET", "HEAD"}),
    "fallback": ("{*path}", ALL),
}
WITHOUT_A_NETWORK = """
import socket, sys
def refuse(event, arguments):
    if event.startswith("socket.") and event not in {"socket.__new__", "socket.gethostname"}:
        raise RuntimeError(f"{event} at import")
sys.addaudithook(refuse)
import function_app
print(len(function_app.app.get_functions()))
"""


def test_the_worker_finds_exactly_these_functions(worker: Worker) -> None:
    found = {
        function.name: (function.trigger["route"], set(function.trigger["methods"])) for function in worker.functions
    }

    assert found == FUNCTIONS


@pytest.mark.parametrize("member", ["authLevel", "direction", "type"])
def test_every_trigger_is_anonymous(worker: Worker, member: str) -> None:
    expected: Any = {"authLevel": "ANONYMOUS", "direction": "IN", "type": "httpTrigger"}

    assert {function.trigger[member] for function in worker.functions} == {expected[member]}


def test_no_route_begins_as_the_platforms_own() -> None:
    assert not [route for route, _ in FUNCTIONS.values() if route.startswith(("admin", "runtime"))]


def test_importing_function_app_needs_no_settings_and_no_network() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_A_NETWORK],
        cwd=ROOT, env={"PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout.strip()) == (0, str(len(FUNCTIONS)))
    assert json.loads(done.stderr)["reason"] == "no MongoDB is configured: set MONGO_DB_URI, or MONGO_DB_HOST"


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The modules of a process that imports function_app and does no more."""
    code = "import sys, function_app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["typer", "rich", "uvicorn", "httpx", "redis", "azure.identity", "opencensus"])
def test_importing_function_app_leaves_out_what_other_processes_need(imported: set[str], module: str) -> None:
    assert "function_app" in imported
    assert module not in imported


def test_function_app_only_registers() -> None:
    tree = ast.parse(Path(ROOT / "function_app.py").read_text())

    kinds = {type(statement).__name__ for statement in tree.body}

    assert kinds == {"Expr", "Import", "ImportFrom", "Assign", "For"}
