"""The log lines of callers whom rules bind, and of the client API."""

import json
from typing import Any

import pytest

from tests.functions.rules.conftest import CLIENT, Known, Person, log_in, send
from tests.hosts import Server
from tests.test_log import last_request


@pytest.fixture
async def ann(app_server: Server, known: Known, database: Any) -> Person:
    """A user of server.py with two orders, beside one of somebody else."""
    ann = await known(app_server, "ann@shop.example")
    await database.orders.insert_many([
        {"_id": 1, "owner": ann.id, "total": 5}, {"_id": 2, "owner": ann.id}, {"_id": 3, "owner": "u2"},
    ])  # fmt: skip
    return ann


@pytest.mark.parametrize(
    ("action", "members", "level", "documents"),
    [
        ("find", {}, "INFO", 2),
        ("findOne", {"filter": {"_id": 3}}, "INFO", 0),
        ("insertOne", {"document": {"_id": 4, "owner": "ann"}}, "INFO", 1),
        ("insertMany", {"documents": [{"_id": 4, "owner": "ann"}, {"_id": 5, "owner": "ann"}]}, "INFO", 2),
        ("updateMany", {"filter": {"_id": 1}, "update": {"$set": {"total": 6}}}, "INFO", 1),
        ("updateMany", {"filter": {"_id": 1}, "update": {"$set": {"secret": 6}}}, "WARNING", None),
        ("deleteOne", {"filter": {"_id": 3}}, "INFO", 0),
        ("deleteOne", {"filter": {"_id": 1}}, "WARNING", None),
    ],
)
async def test_a_caller_bound_by_rules_is_counted_and_its_denials_are_warnings(
    ann: Person, app_server: Server, action: str, members: Any, level: str, documents: int | None
) -> None:
    await ann(action, **json.loads(json.dumps(members).replace('"ann"', f'"{ann.id}"')))

    line = last_request(app_server)
    assert (line["operation"], line["level"], line["documents"]) == (action, level, documents)
    assert line.get("decision", "").startswith("denied by role 'owner'") == (level == "WARNING")
    assert line["caller"] == ann.id


async def test_the_client_api_logs_who_came_and_who_was_refused(ann: Person, app_server: Server) -> None:
    await send(app_server, "GET", "/api/client/v2.0/auth/profile", token=ann.access_token)
    seen = last_request(app_server)
    body = {"username": "ann@shop.example", "password": "not the password"}
    answer = await send(app_server, "POST", f"{CLIENT}/auth/providers/local-userpass/login", body)
    refused = last_request(app_server)

    assert (seen["operation"], seen["caller"], seen["status"], seen["level"]) == ("profile", ann.id, 200, "INFO")
    assert (refused["operation"], refused["caller"], refused["status"]) == ("login", None, 401)
    assert (refused["level"], refused["error_code"]) == ("WARNING", "AuthError")
    assert refused["reply_bytes"] == len(answer.body)
    assert (await log_in(app_server, "local-userpass", body | {"password": "secret words"})).id == ann.id
