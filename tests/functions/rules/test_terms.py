"""Terms of writes through the rules of an exported app, and with cached replies."""

from typing import Any

import pytest

from tests.conftest import ACTION, errors_only, request_body
from tests.functions.rules.conftest import Person
from tests.functions.rules.test_transaction import cached
from tests.functions.test_terms import KEY, Terms
from tests.hosts import Answer, Worker

__all__ = ["cached"]  # a fixture


async def send(person: Person, action: str, headers: dict[str, str], **members: Any) -> Answer:
    sent = {"Authorization": f"Bearer {person.access_token}", **headers}
    return await person.host.request("POST", ACTION + action, sent, request_body(**{"collection": "orders"} | members))


@pytest.fixture
async def orders(ann: Person, database: Any, driver: Any) -> Any:
    """Two orders of Ann's, and two that are hidden from her."""
    await driver["dozen"]["replies"].delete_many({})
    owners = [ann.id, "u2", ann.id, "u2"]
    await database.orders.insert_many([{"_id": place, "owner": owner} for place, owner in enumerate(owners)])
    return database.orders


async def test_each_user_has_keys_of_their_own(ann: Person, bob: Person, orders: Any) -> None:
    first = [await send(each, "insertOne", KEY, document={"owner": each.id}) for each in (ann, bob)]
    again = [await send(each, "insertOne", KEY, document={"owner": each.id}) for each in (ann, bob)]
    forged = await send(bob, "insertOne", KEY, document={"owner": ann.id})

    assert [each.status for each in first] == [201, 201]
    assert first[0].body != first[1].body
    assert [each.body for each in again] == [each.body for each in first]
    assert (forged.status, errors_only(forged)["error_code"]) == (422, "IdempotencyKeyReused")
    assert await orders.count_documents({}) == 6


async def test_an_unknown_caller_gets_no_stored_reply(ann: Person, orders: Any) -> None:
    await send(ann, "insertOne", KEY, document={"owner": ann.id})

    forged = await send(ann._replace(access_token=ann.access_token[:-2] + "xx"), "insertOne", KEY, document={})

    assert forged.status == 401


async def test_only_what_a_caller_sees_is_counted(ann: Person, orders: Any) -> None:
    change = {"filter": {}, "update": {"$set": {"x": 1}}}

    answers = [await send(ann, "updateMany", {"Dozen-Max-Affected": most}, **change) for most in ("1", "2")]

    assert [each.status for each in answers] == [400, 200]
    assert "would affect 2 documents" in answers[0].json["error"]


async def test_a_dry_run_is_decided_by_the_rules(ann: Person, orders: Any) -> None:
    dry = {"Dozen-Dry-Run": "true"}
    before = await orders.find().to_list()

    allowed = await send(ann, "updateOne", dry, filter={"_id": 0}, update={"$set": {"total": 1}})
    denied = await send(ann, "deleteOne", dry, filter={"_id": 0})

    assert (allowed.status, allowed.json) == (200, {"matchedCount": 1, "modifiedCount": 1})
    assert (denied.status, errors_only(denied)["error"]) == (400, "delete not permitted")
    assert await orders.find().to_list() == before


async def test_a_write_with_a_key_is_seen_by_cached_reads_and_a_dry_run_leaves_them(
    worker: Worker, key: str, cached: None, database: Any, driver: Any
) -> None:
    await driver["dozen"]["replies"].delete_many({})
    post = Terms(worker, key)
    change = {"filter": {}, "update": {"$set": {"a": 2}}}
    await database.items.insert_one({"_id": 1, "a": 1})
    await post("find", {})
    await database.items.update_one({}, {"$set": {"b": 1}})  # behind the service: what is cached stays

    await post("updateMany", {"Dozen-Dry-Run": "true"}, **change)
    before = await post("find", {})
    await post("updateMany", KEY, **change)

    assert before.json["documents"] == [{"_id": 1, "a": 1}]
    assert (await post("find", {})).json["documents"] == [{"_id": 1, "a": 2, "b": 1}]
