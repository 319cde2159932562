"""Writes of agents that are sent again with a key: each happens once."""

import asyncio
from typing import Any

import pytest

from tests.conftest import ACTION, FailPoint, request_body
from tests.functions.rules.test_key_quotas import Made, made
from tests.functions.test_mcp import INT, ITEMS
from tests.hosts import Worker
from tests.mcp import Client

__all__ = ["made"]  # a fixture

KEY = {"idempotencyKey": "a key"}
HEADER = {"Idempotency-Key": "a key"}
NEW: dict[str, Any] = {**ITEMS, "documents": [{"n": 1}], "dryRun": False}
WRITES: dict[str, dict[str, Any]] = {
    "insert": NEW,
    "update": {**ITEMS, "filter": {"_id": 1}, "update": {"$inc": {"n": 1}}, "dryRun": False},
    "delete": {**ITEMS, "filter": {"n": {"$gte": 0}}, "maxAffected": 5, "dryRun": False},
}


@pytest.fixture
async def door(configured: pytest.MonkeyPatch, worker: Worker, key: str, database: Any, driver: Any) -> Client:
    """A door where tools may write, a document, and no key that was used."""
    configured.setenv("MCP", "write")
    await driver["dozen"]["replies"].delete_many({})
    await database.items.insert_one({"_id": 1, "n": 0})
    return Client(worker, {"apiKey": key})


def keyed(door: Client) -> Client:
    """Return the client that sends the key as a header."""
    return door._replace(credentials=door.credentials | HEADER)


async def stored(database: Any) -> list[Any]:
    found: list[Any] = await database.items.find().sort("_id").to_list()
    return found


def replayed(first: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = first["structuredContent"]
    return content | {"replayed": True}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("by_header", [(False, False), (True, True), (True, False), (False, True)], ids=repr)
async def test_a_write_that_is_sent_again_happens_once(
    door: Client, database: Any, name: str, by_header: tuple[bool, bool]
) -> None:
    senders = [{True: (keyed(door), {}), False: (door, KEY)}[each] for each in by_header]
    first = await senders[0][0].tool(name, **WRITES[name], **senders[0][1])
    after = await stored(database)
    await database.items.insert_one({"_id": 0, "n": 5})
    again = await senders[1][0].tool(name, **WRITES[name], **senders[1][1])
    await database.items.delete_one({"_id": 0, "n": 5})

    assert "replayed" not in first["structuredContent"]
    assert (first["isError"], again["isError"]) == (False, False)
    assert again["structuredContent"] == replayed(first)
    assert await stored(database) == after


async def test_without_a_key_each_call_is_a_write_of_its_own(door: Client, database: Any) -> None:
    results = [await door.tool("insert", **NEW) for _ in range(2)]

    assert ["replayed" in each["structuredContent"] for each in results] == [False, False]
    assert await database.items.count_documents({"n": 1}) == 2


async def test_a_call_is_the_same_in_another_message_and_another_order(door: Client, database: Any) -> None:
    first = await door.tool("insert", **NEW, **KEY)
    turned = dict(reversed([*NEW.items(), *KEY.items()]))
    older = door._replace(is_stateless=False)
    again = await older.tool("insert", **turned)

    assert again["structuredContent"] == replayed(first)
    assert await database.items.count_documents({"n": 1}) == 1


async def test_calls_at_once_happen_once(door: Client, database: Any) -> None:
    results = await asyncio.gather(*(door.tool("update", **WRITES["update"], **KEY) for _ in range(8)))

    assert [each["isError"] for each in results] == [False] * 8
    assert sum("replayed" not in each["structuredContent"] for each in results) == 1
    assert await stored(database) == [{"_id": 1, "n": 1}]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        pytest.param("insert", NEW | {"documents": [{"n": 2}]}, id="another document"),
        pytest.param("insert", NEW | {"documents": [{"n": {"$numberLong": "1"}}]}, id="another type"),
        pytest.param("insert", NEW | {"documents": [{"n": 1.0}]}, id="a double"),
        pytest.param("insert", NEW | {"collection": "others"}, id="another collection"),
        pytest.param("insert", NEW | {"database": "others"}, id="another database"),
        pytest.param("update", WRITES["update"], id="another tool"),
        pytest.param("delete", WRITES["delete"], id="one that deletes"),
    ],
)
async def test_another_write_with_the_key_is_refused_and_says_what_to_do(
    door: Client, database: Any, name: str, arguments: dict[str, Any]
) -> None:
    await door.tool("insert", **NEW, **KEY)
    before = await stored(database)
    refused = await door.tool(name, **arguments, **KEY)

    assert (refused["isError"], refused["structuredContent"]["error_code"]) == (True, "IdempotencyKeyReused")
    assert "another idempotencyKey" in refused["structuredContent"]["hint"]
    assert await stored(database) == before
    assert await database.list_collection_names() == ["items"]


async def test_the_order_of_fields_is_a_part_of_a_document(door: Client, database: Any) -> None:
    await door.tool("insert", **NEW | {"documents": [{"a": 1, "b": 2}]}, **KEY)
    refused = await door.tool("insert", **NEW | {"documents": [{"b": 2, "a": 1}]}, **KEY)

    assert refused["structuredContent"]["error_code"] == "IdempotencyKeyReused"


async def test_a_dry_run_uses_up_no_key(door: Client, database: Any) -> None:
    tried = await door.tool("insert", **NEW | {"dryRun": True}, **KEY)
    done = await door.tool("insert", **NEW, **KEY)
    tried_again = await door.tool("insert", **NEW | {"dryRun": True}, **KEY)

    assert [each["structuredContent"].get("replayed") for each in (tried, done, tried_again)] == [None] * 3
    assert await database.items.count_documents({"n": 1}) == 1


async def test_what_failed_uses_up_no_key(door: Client, database: Any) -> None:
    twice = NEW | {"documents": [{"_id": 1, "n": 1}]}
    refused = await door.tool("insert", **twice, **KEY)
    await database.items.delete_one({"_id": 1})
    done = await door.tool("insert", **twice, **KEY)

    assert (refused["isError"], done["isError"]) == (True, False)


@pytest.mark.parametrize("given", ["", " a", "a ", "é", "a\n", "\n", "x" * 256, 5, None, {}, "a\u2028b"], ids=repr)
async def test_a_key_that_is_none_is_refused_and_nothing_is_written(door: Client, database: Any, given: Any) -> None:
    refused = await door.tool("insert", **NEW, idempotencyKey=given)

    assert (refused["isError"], refused["structuredContent"]["error_code"]) == (True, "InvalidParameter")
    assert await stored(database) == [{"_id": 1, "n": 0}]


async def test_a_write_has_one_key(door: Client, database: Any) -> None:
    refused = await keyed(door).tool("insert", **NEW, idempotencyKey="another")
    done = await keyed(door).tool("insert", **NEW, **KEY)

    assert "Idempotency-Key" in refused["structuredContent"]["error"]
    assert not done["isError"]
    assert await database.items.count_documents({"n": 1}) == 1


async def test_what_reads_has_no_key_as_an_argument_and_ignores_that_of_the_header(
    door: Client, database: Any, driver: Any
) -> None:
    refused = await door.tool("count", **ITEMS, **KEY)
    counts = [(await keyed(door).tool("count", **ITEMS))["structuredContent"]]
    await database.items.insert_one({})
    counts.append((await keyed(door).tool("count", **ITEMS))["structuredContent"])

    assert refused["isError"]
    assert [each["count"] for each in counts] == [{INT: "1"}, {INT: "2"}]
    assert (await keyed(door)("tools/list")).status == 200
    assert await driver["dozen"]["replies"].count_documents({}) == 0


async def test_each_caller_has_keys_of_their_own(door: Client, made: Made, database: Any) -> None:
    other = door._replace(credentials={"apiKey": made("calls=100/day", "--system")})
    results = [await each.tool("insert", **NEW, **KEY) for each in (door, other)]

    assert ["replayed" in each["structuredContent"] for each in results] == [False, False]


async def test_a_key_that_an_action_has_used_is_used(door: Client, database: Any) -> None:
    await door.tool("insert", **NEW, **KEY)
    answer = await door.host.request(
        "POST", ACTION + "insertMany", door.credentials | HEADER, request_body(documents=[{"n": 1}])
    )

    assert (answer.status, answer.json["error_code"]) == (422, "IdempotencyKeyReused")
    assert await database.items.count_documents({"n": 1}) == 1


async def test_the_replay_of_a_reply_that_has_no_room_is_as_large(door: Client, database: Any) -> None:
    large = NEW | {"documents": [{"_id": f"{n:02}{'x' * 1_000}"} for n in range(80)]}
    first = await door.tool("insert", **large, **KEY)
    again = await door.tool("insert", **large, **KEY)

    assert (first["structuredContent"]["truncated"], again["structuredContent"]["replayed"]) == (True, True)
    assert len(again["content"][0]["text"]) <= 65_536
    assert await database.items.count_documents({}) == 81


@pytest.mark.parametrize(
    ("command", "fault", "hint"),
    [
        pytest.param("commitTransaction", 13, "same idempotencyKey again", id="refused as it was committed"),
        pytest.param("commitTransaction", 8, "same idempotencyKey again", id="of no known kind as it was committed"),
        pytest.param("update", 8, None, id="of no known kind, and undone"),
        pytest.param("update", 50, None, id="late, and undone"),
    ],
)
async def test_what_to_do_follows_from_what_may_have_been_written(
    door: Client, fail_point: FailPoint, command: str, fault: int, hint: str | None
) -> None:
    await door.tool("insert", **NEW, idempotencyKey="another")
    await fail_point(command, errorCode=fault)
    told = await door.tool("update", **WRITES["update"], **KEY)

    assert told["isError"]
    assert (hint or "None") in str(told["structuredContent"].get("hint"))


async def test_a_write_whose_answer_is_lost_says_to_be_sent_again_and_happens_once(
    door: Client, database: Any, fail_point: FailPoint
) -> None:
    await door.tool("insert", **NEW, idempotencyKey="another")
    await fail_point("commitTransaction", writeConcernError={"code": 100, "errmsg": "planted"})
    lost = (await door.tool("update", **WRITES["update"], **KEY))["structuredContent"]
    again = await door.tool("update", **WRITES["update"], **KEY)

    assert "may have happened" in lost["error"]
    assert "same idempotencyKey again" in lost["hint"]
    assert again["structuredContent"]["replayed"]
    assert again["structuredContent"]["result"]["modifiedCount"] == {INT: "1"}
    assert await database.items.find_one({"_id": 1}) == {"_id": 1, "n": 1}
