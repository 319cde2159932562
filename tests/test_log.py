"""The log lines that an operator reads: what they count, their levels, and what is said of MongoDB's servers."""

from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from shared.auth.keys import new_key
from tests.conftest import ACTION, request_body
from tests.hosts import Server, eventually

THREE = [{"_id": 1, "a": 1}, {"_id": 2, "a": 1}, {"_id": 3, "a": 2}]
UPSERT = {"filter": {"_id": 9}, "update": {"$set": {"a": 9}}, "upsert": True}


def last_request(server: Server) -> dict[str, Any]:
    line: dict[str, Any] = [line for line in server.log_lines if line["message"] == "request"][-1]
    return line


@pytest.mark.parametrize(
    ("action", "members", "documents"),
    [
        ("findOne", {"filter": {"_id": 1}}, 1),
        ("findOne", {"filter": {"_id": 7}}, 0),
        ("find", {}, 3),
        ("find", {"filter": {"_id": 7}}, 0),
        ("find", {"limit": 2}, 2),
        ("aggregate", {"pipeline": [{"$match": {"a": 1}}]}, 2),
        ("insertOne", {"document": {"_id": 4}}, 1),
        ("insertMany", {"documents": [{"_id": 4}, {"_id": 5}]}, 2),
        ("updateOne", {"filter": {"a": 1}, "update": {"$set": {"a": 1}}}, 1),
        ("updateMany", {"filter": {"a": 1}, "update": {"$set": {"a": 3}}}, 2),
        ("updateOne", UPSERT, 1),
        ("replaceOne", {"filter": {"_id": 7}, "replacement": {}}, 0),
        ("deleteOne", {"filter": {"a": 1}}, 1),
        ("deleteMany", {"filter": {}}, 3),
        ("insertOne", {"document": {"_id": 1}}, None),
        ("find", {"limit": -1}, None),
    ],
)
async def test_a_line_counts_documents_and_bytes(
    server: Server, key: str, database: Any, action: str, members: Any, documents: int | None
) -> None:
    await database.items.insert_many(THREE)
    body = request_body(**members)

    answer = await server.request("POST", ACTION + action, {"apiKey": key}, body)

    line = last_request(server)
    assert (line["operation"], line["documents"]) == (action, documents)
    assert (line["request_bytes"], line["reply_bytes"]) == (len(body), len(answer.body))


async def test_many_batches_are_counted_together(server: Server, key: str, crowded: str) -> None:
    body = request_body(database=crowded, limit=2_500, projection={"_id": 1})

    await server.request("POST", ACTION + "find", {"apiKey": key}, body)

    assert last_request(server)["documents"] == 2_500


@pytest.mark.parametrize(
    ("headers", "body", "level", "status"),
    [
        pytest.param({"apiKey": "nobody's key"}, request_body(), "WARNING", 401, id="refused"),
        pytest.param({}, request_body(), "INFO", 400, id="no credentials"),
        pytest.param({"apiKey": "key"}, b"{", "INFO", 400, id="no JSON"),
        pytest.param({"apiKey": "key"}, request_body(database="admin"), "WARNING", 403, id="closed to all"),
    ],
)
async def test_a_refusal_is_a_warning_and_a_mistake_is_not(
    server: Server, key: str, headers: dict[str, str], body: bytes, level: str, status: int
) -> None:
    given = {name: key if value == "key" else value for name, value in headers.items()}

    await server.request("POST", ACTION + "find", given, body)

    line = last_request(server)
    assert (line["level"], line["status"]) == (level, status)


@pytest.mark.parametrize(
    "parent",
    [
        pytest.param("", id="none"),
        pytest.param("00-" + "0" * 32 + "-" + "1" * 16 + "-01", id="zeros"),
        pytest.param("ff-" + "1" * 32 + "-" + "1" * 16 + "-01", id="a version that is none"),
        pytest.param("planted-secret", id="nonsense"),
    ],
)
async def test_a_call_without_a_trace_gets_one(server: Server, key: str, parent: str) -> None:
    for _ in range(2):
        await server.request("POST", ACTION + "find", {"apiKey": key, "traceparent": parent}, request_body())

    first, second = [line["trace_id"] for line in server.log_lines if line["message"] == "request"][-2:]
    assert first != second
    assert {len(first), len(second)} == {32}
    assert first not in {"0" * 32, "1" * 32}


async def test_a_probe_is_logged_for_who_wants_to_see_it(mongod: Mongod, tmp_path: Path) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, LOG_LEVEL="DEBUG") as server:
        before = len(server.log_lines)
        await server.request("GET", "/health/live")
        await server.request("GET", "/health/ready")

    probes = [line for line in server.log_lines[before:] if line["message"] == "probe"]
    assert [(line["operation"], line["status"], line["level"]) for line in probes] == [
        ("live", 200, "DEBUG"), ("ready", 200, "DEBUG"),
    ]  # fmt: skip


async def test_a_server_of_mongodb_that_goes_and_comes_back_is_logged(tmp_path: Path) -> None:
    made, _ = new_key("own", system=True)
    with Mongod(tmp_path / "mongod") as own:
        async with Server(tmp_path / "log", MONGO_DB_URI=own.uri, AUTH_CACHE_SECONDS="3600") as server:

            async def kinds() -> list[str]:
                return [line["kind"] for line in server.log_lines if line["message"] == "MongoDB server"]

            async def was_lost() -> bool:
                return "lost" in await kinds()

            async def is_back() -> bool:
                await server.request("POST", ACTION + "find", {"apiKey": made}, request_body())
                return (await kinds())[-1] == "RSPrimary"

            await server.request("POST", ACTION + "find", {"apiKey": made}, request_body())
            own.kill()
            await eventually(was_lost, 60)
            own.start()
            await eventually(is_back, 60)

    lines = [line for line in server.log_lines if line["message"] == "MongoDB server"]
    address = own.uri.removeprefix("mongodb://").partition("/")[0]
    assert {line["server"] for line in lines} == {address}
    assert (lines[0]["level"], lines[0]["kind"], lines[0]["before"]) == ("INFO", "RSPrimary", None)
    assert (lines[1]["level"], lines[1]["kind"], lines[1]["before"]) == ("WARNING", "lost", "RSPrimary")
    assert lines[1]["cause"] in {"AutoReconnect", "NetworkTimeout"}
    assert lines[-1]["before"] is not None
    assert [line["kind"] for line in lines].count("lost") == 1


async def test_a_call_that_is_slow_as_a_whole_is_a_warning(
    mongod: Mongod, key: str, database: Any, tmp_path: Path
) -> None:
    await database.items.insert_many([{"_id": number, "text": "x" * 2_000} for number in range(2_000)])
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, SLOW_MS="1") as server:
        await server.request("POST", ACTION + "find", {"apiKey": key}, request_body(limit=2_000))

        assert last_request(server)["level"] == "WARNING"


async def test_a_call_that_is_not_slow_is_no_warning(mongod: Mongod, key: str, tmp_path: Path) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, SLOW_MS="60000") as server:
        await server.request("POST", ACTION + "find", {"apiKey": key}, request_body())

    assert {line["level"] for line in server.log_lines} == {"INFO"}
    assert "slow command" not in server.log.read_text()
