"""An export with something of everything runs as it is: its files unchanged, one server, one process of triggers."""

import hmac
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.admin.conftest import Command, Process, told
from tests.hosts import ROOT, Answer, Server, eventually

APP = ROOT / "tests" / "apps" / "bakery"
CONTROL = "baking"
HOOK_KEY = "the key of the hook"
REPORT_KEY = "the key+of&the=report"
SETTINGS = {
    "APP_CONFIG_DIR": str(APP),
    "APP_SECRET_HOOK_KEY": HOOK_KEY,
    "APP_SECRET_REPORT_KEY": REPORT_KEY,
    "DOZEN_DATABASE": CONTROL,
    "SESSION_SECRET": "a secret of the bakery that is long enough",
}
ENDPOINT = "/app/bakery-xkqzp/endpoint"
CLIENT = "/api/client/v2.0/app/bakery-xkqzp"
USERPASS = f"{CLIENT}/auth/providers/local-userpass"
ANN = {"email": "ann@bakery.example", "password": "bread and cake"}
ORDERS = {"dataSource": "mongodb-atlas", "database": "bakery", "collection": "orders"}


@pytest.fixture
async def bakery(driver: Any) -> AsyncIterator[Any]:
    """The database of the app, with what is sold; the schedule was last run before its last time."""
    await driver.drop_database(CONTROL)
    await driver.drop_database("bakery")
    await driver["bakery"].stock.insert_many([{"name": "bread", "left": 50}, {"name": "cake", "left": 5}])
    last = datetime.now(UTC) - timedelta(minutes=3)
    await driver[CONTROL].triggers.insert_one({"_id": "everyMinute", "last": last})
    yield driver["bakery"]
    await driver.drop_database(CONTROL)
    await driver.drop_database("bakery")


@pytest.fixture
def command(mongod: Mongod, tmp_path: Path) -> Command:
    """The command with the app."""
    return Command(tmp_path, **SETTINGS, MONGO_DB_URI=mongod.uri)


@pytest.fixture
async def triggers(command: Command, bakery: Any) -> AsyncIterator[Process]:
    """The process that runs the triggers of the app."""
    process = command.start("triggers", "run", stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
async def server(mongod: Mongod, triggers: Process, tmp_path: Path) -> AsyncIterator[Server]:
    """server.py with the app."""
    async with Server(tmp_path / "server.log", **SETTINGS, MONGO_DB_URI=mongod.uri) as running:
        yield running


async def send(server: Server, path: str, body: Any, token: str = "") -> Answer:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await server.request("POST", path, headers, json.dumps(body).encode())


async def call(server: Server, token: str, name: str, *arguments: Any) -> Answer:
    return await send(server, f"{CLIENT}/functions/call", {"name": name, "arguments": arguments}, token)


async def test_everything_of_an_export_runs(
    server: Server, triggers: Process, command: Command, bakery: Any, driver: Any
) -> None:
    # somebody registers, as the confirmation function allows, and logs in
    refused = await send(server, f"{USERPASS}/register", ANN | {"email": "ann@elsewhere.example"})
    registered = await send(server, f"{USERPASS}/register", ANN)
    login = await send(server, f"{USERPASS}/login", {"username": ANN["email"], "password": ANN["password"]})
    assert [each.status for each in (refused, registered, login)] == [400, 201, 200], login.body
    token, user_id = login.json["access_token"], login.json["user_id"]

    async def are_watched() -> bool:
        return await driver[CONTROL].triggers.find_one({"_id": "onOrder", "token": {"$exists": True}}) is not None

    await eventually(are_watched, 60)

    # functions that the SDKs call: a transaction with a private function, values, an environment, a package, a script
    placed = await call(server, token, "placeOrder", [{"name": "bread", "count": 2}, {"name": "cake", "count": 1}])
    too_many = await call(server, token, "placeOrder", [{"name": "bread", "count": 1}, {"name": "cake", "count": 9}])
    assert (placed.status, placed.json["currency"]) == (200, "EUR"), placed.body
    order_id = placed.json["orderId"]["$oid"]
    assert (too_many.status, "order failed: not enough cake" in too_many.json["error"]) == (400, True)
    assert {each["name"]: each["left"] async for each in bakery.stock.find()} == {"bread": 48, "cake": 4}
    assert (await call(server, token, "slug", "Brezel & Brot")).json == "brezel-brot"
    owner = {"system": True, "id": user_id, "points": {"$numberInt": "0"}, "arg": "x"}
    assert (await call(server, token, "asOwner", "x")).json == owner
    assert (await call(server, token, "takeStock", "bread", 1)).status == 404

    # rules, of which a role asks a function: Ann sees her order, and the staff all
    await bakery.orders.insert_one({"customer": "somebody else", "items": [], "total": 5, "state": "new"})
    found = f"{ENDPOINT}/data/v1/action/find"
    assert [each["_id"] for each in (await send(server, found, ORDERS, token)).json["documents"]] == [order_id]
    assert [each["total"] for each in (await call(server, token, "myOrders")).json] == [{"$numberInt": "18"}]
    await bakery.staff.insert_one({"userId": user_id, "role": "baker"})
    assert len((await send(server, found, ORDERS, token)).json["documents"]) == 2

    # endpoints: one that is open, one that is signed, one with a secret in the query
    body = json.dumps({"order": order_id}).encode()
    signature = {"Endpoint-Signature": f"sha256={hmac.new(HOOK_KEY.encode(), body, 'sha256').hexdigest()}"}
    menu = await server.request("GET", f"{ENDPOINT}/menu?city=Ulm")
    paid = await server.request("POST", f"{ENDPOINT}/payment", signature, body)
    report = await server.request("PUT", f"{ENDPOINT}/report?secret=the+key%2Bof%26the%3Dreport")
    assert (menu.status, menu.json["city"], menu.json["env"], len(menu.json["stock"])) == (200, "Ulm", "production", 2)
    assert (paid.status, paid.headers["x-payment"], paid.body) == (200, "yes", b'{"matchedCount":1}')
    assert (report.headers["content-type"], [each["_id"] for each in report.json]) == (
        "application/ejson",
        ["new", "paid"],
    )
    assert (await server.request("POST", f"{ENDPOINT}/payment", signature, body + b" ")).status == 401
    assert (await server.request("PUT", f"{ENDPOINT}/report?secret=another")).status == 401

    # triggers: of the login, of the orders and of the minute
    async def are_told() -> bool:
        stats = await bakery.stats.find_one({"_id": "orders", "count": {"$gte": 2}})
        return stats is not None and await bakery.ticks.find_one() is not None

    await eventually(are_told, 60)
    triggers.send_signal(signal.SIGTERM)
    _, errors = triggers.communicate(timeout=60)
    assert (triggers.returncode, errors) == (0, b"")
    assert [each["email"] async for each in bakery.logins.find()] == [ANN["email"]]
    assert await driver[CONTROL].triggers.count_documents({"failed": {"$exists": True}}) == 0

    # and what an operator asks of it
    assert told(command("app", "check")).stdout.splitlines()[-1] == "0 problems, 0 warnings, 0 unsupported"
    ran = command("functions", "run", "myOrders", "--user", user_id)
    assert [each["total"] for each in json.loads(ran.stdout)] == [{"$numberInt": "18"}, {"$numberInt": "5"}]
