"""The door for agents: its protocol, and its tools for whom no rule binds."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import errors_only
from tests.hosts import ROOT, Host, Worker
from tests.mcp import ENVELOPE, STATELESS, Client

READS = ["list_collections", "collection_schema", "find", "aggregate", "more", "count", "explain"]
WRITES = ["insert", "update", "delete"]
ITEMS = {"database": "shop", "collection": "items"}
LISTING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": ENVELOPE}}
HEADERS = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": "tools/list"}
INT = "$numberInt"


@pytest.fixture
def reader(configured: pytest.MonkeyPatch, worker: Worker, key: str) -> Client:
    """An agent with all rights, at a door that only reads."""
    configured.setenv("MCP", "read")
    return Client(worker, {"apiKey": key})


@pytest.fixture
def writer(configured: pytest.MonkeyPatch, worker: Worker, key: str) -> Client:
    """The same, where tools may write."""
    configured.setenv("MCP", "write")
    return Client(worker, {"apiKey": key})


@pytest.mark.both_hosts
async def test_it_is_off_unless_it_is_set(host: Host, key: str) -> None:
    answer = await Client(host, {"apiKey": key})("tools/list")

    assert answer.status == 404
    assert errors_only(answer) == {"error": "no endpoint found for '/mcp'", "error_code": "EndpointNotFound"}


def test_nothing_of_it_is_imported_before_it_is_on() -> None:
    code = "import sys, function_app; print([each for each in sys.modules if each.startswith('shared.mcp')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


async def test_the_newest_revision_is_discovered(reader: Client) -> None:
    answer = await reader("server/discover")
    result = answer.json["result"]

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert (answer.json["jsonrpc"], answer.json["id"]) == ("2.0", 1)
    assert result["supportedVersions"] == [STATELESS, "2025-11-25", "2025-06-18", "2025-03-26"]
    assert (result["resultType"], result["cacheScope"], result["capabilities"]) == (
        "complete",
        "private",
        {"tools": {}},
    )
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "dozen"


@pytest.mark.parametrize(("asked", "given"), [("2025-11-25",) * 2, ("2025-06-18",) * 2, ("2024-11-05", "2025-11-25")])
async def test_an_older_revision_begins_with_a_handshake_that_leaves_nothing(
    reader: Client, asked: str, given: str
) -> None:
    older = reader._replace(is_stateless=False)
    params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    begun = await older.send({"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": params})
    told = await older.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    assert (begun.status, begun.json["id"], begun.json["result"]["protocolVersion"]) == (200, "a", given)
    assert "mcp-session-id" not in begun.headers
    assert (told.status, told.body) == (202, b"")
    assert (await older("ping")).json["result"] == {}
    assert await older.names() == READS


async def test_a_door_that_reads_has_no_tool_that_writes(reader: Client, database: Any) -> None:
    refused = await reader("tools/call", name="delete", arguments={**ITEMS, "filter": {}, "dryRun": False})

    assert await reader.names() == READS
    assert (refused.status, refused.json["error"]["code"]) == (400, -32602)


async def test_the_list_is_the_same_each_time(writer: Client, database: Any) -> None:
    await database.items.insert_one({})
    lists = [await writer("tools/list") for _ in range(3)]
    tools = lists[0].json["result"]["tools"]

    assert len({each.body for each in lists}) == 1
    assert [each["name"] for each in tools] == READS + WRITES
    assert '"shop/items"' in tools[0]["description"]
    assert {each["name"]: each["annotations"]["readOnlyHint"] for each in tools} == dict.fromkeys(READS, True) | (
        dict.fromkeys(WRITES, False)
    )
    assert all(each["inputSchema"]["type"] == "object" for each in tools)
    assert all(each["inputSchema"]["additionalProperties"] is False for each in tools)


async def test_every_tool_that_reads_answers(reader: Client, database: Any) -> None:
    await database.items.insert_many([{"_id": n, "n": n} for n in range(3)])
    named = await reader.tool("list_collections", database="shop")
    schema = await reader.tool("collection_schema", **ITEMS)
    piped = await reader.tool("aggregate", **ITEMS, pipeline=[{"$group": {"_id": None, "sum": {"$sum": "$n"}}}])
    plan = await reader.tool("explain", **ITEMS, filter={"n": 1})
    other = await reader.tool("explain", **ITEMS, pipeline=[{"$match": {"n": 1}}])
    count = await reader.tool("count", **ITEMS, filter={"n": {"$gt": 0}})

    assert named["structuredContent"] == {"collections": [{"database": "shop", "collection": "items"}]}
    assert '"n"' in schema["content"][0]["text"]
    assert piped["structuredContent"]["documents"] == [{"_id": None, "sum": {INT: "3"}}]
    assert [each["isError"] for each in (named, schema, piped, plan, other, count)] == [False] * 6
    assert {INT: "2"} in count["structuredContent"].values()


async def test_a_cursor_goes_on(reader: Client, database: Any) -> None:
    await database.items.insert_many([{"_id": n} for n in range(5)])
    first = (await reader.tool("find", **ITEMS, sort={"_id": -1}, limit=2))["structuredContent"]
    second = (await reader.tool("more", cursor=first["cursor"], limit=1))["structuredContent"]
    third = (await reader.tool("more", cursor=second["cursor"]))["structuredContent"]

    found = [int(each["_id"][INT]) for part in (first, second, third) for each in part["documents"]]
    assert (found, "cursor" in third) == ([4, 3, 2, 1, 0], False)


async def test_a_large_result_is_cut_and_goes_on(reader: Client, database: Any) -> None:
    await database.items.insert_many([{"_id": n, "text": "x" * 20_000} for n in range(7)])
    first = await reader.tool("find", **ITEMS)
    second = await reader.tool("more", cursor=first["structuredContent"]["cursor"])

    sizes = [len(each["content"][0]["text"]) for each in (first, second)]
    found = [each["_id"][INT] for part in (first, second) for each in part["structuredContent"]["documents"]]
    assert max(sizes) <= 65_536
    assert found == ["0", "1", "2", "3", "4", "5"]


async def test_a_document_that_is_too_large_is_an_error_that_says_what_to_do(reader: Client, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "text": "x" * 70_000})
    refused = await reader.tool("find", **ITEMS)
    asked = await reader.tool("find", **ITEMS, projection={"_id": 1})

    assert refused["isError"]
    assert "projection" in refused["structuredContent"]["error"]
    assert asked["structuredContent"] == {"documents": [{"_id": {INT: "1"}}]}


async def test_a_pipeline_that_no_cursor_continues_says_that_there_may_be_more(reader: Client, database: Any) -> None:
    await database.items.insert_many([{"_id": n} for n in range(5)])
    pipeline = [{"$group": {"_id": "$_id"}}, {"$sample": {"size": 5}}, {"$set": {"a": 1}}]
    cut = await reader.tool("aggregate", **ITEMS, pipeline=pipeline, limit=2)
    whole = await reader.tool("aggregate", **ITEMS, pipeline=pipeline)

    assert (len(cut["structuredContent"]["documents"]), cut["structuredContent"]["truncated"]) == (2, True)
    assert (len(whole["structuredContent"]["documents"]), "truncated" in whole["structuredContent"]) == (5, False)


@pytest.mark.parametrize("stage", [{"$out": "other"}, {"$merge": {"into": "other"}}])
async def test_a_pipeline_writes_nothing(writer: Client, database: Any, stage: Any) -> None:
    await database.items.insert_one({"_id": 1})
    refused = await writer.tool("aggregate", **ITEMS, pipeline=[stage])
    await writer.tool("explain", **ITEMS, pipeline=[stage])

    assert (refused["isError"], refused["structuredContent"]["error_code"]) == (True, "InvalidParameter")
    assert await database.list_collection_names() == ["items"]


WRITING: dict[str, dict[str, Any]] = {
    "insert": {"documents": [{"_id": 3, "at": {"$date": {"$numberLong": "-1"}}}]},
    "update": {"filter": {"_id": 1}, "update": {"$set": {"m": {"$numberLong": "5"}}}},
    "delete": {"filter": {"_id": 1}},
}


@pytest.mark.parametrize("name", WRITES)
async def test_a_write_is_only_tried_unless_the_agent_says_otherwise(writer: Client, database: Any, name: str) -> None:
    before = [{"_id": 1}, {"_id": 2}]
    await database.items.insert_many(before)
    tried = await writer.tool(name, **ITEMS, **WRITING[name])
    unchanged = await database.items.find().sort("_id").to_list()
    done = await writer.tool(name, **ITEMS, **WRITING[name], dryRun=False)

    assert unchanged == before
    assert [each["structuredContent"]["dryRun"] for each in (tried, done)] == [True, False]
    assert tried["structuredContent"]["result"] == done["structuredContent"]["result"]
    assert await database.items.find().sort("_id").to_list() != before


@pytest.mark.parametrize("name", ["update", "delete"])
async def test_a_write_affects_one_document_unless_the_agent_says_how_many(
    writer: Client, database: Any, name: str
) -> None:
    await database.items.insert_many([{"_id": 1}, {"_id": 2}])
    members = {**ITEMS, **WRITING[name], "filter": {}, "dryRun": False}
    refused = await writer.tool(name, **members)
    left = await database.items.find({"m": None}).to_list()
    done = await writer.tool(name, **members, maxAffected=2)

    assert (refused["isError"], refused["structuredContent"]["error_code"]) == (True, "MaxAffectedExceeded")
    assert len(left) == 2
    assert not done["isError"]
    assert await database.items.find({"m": None}).to_list() == []


async def test_documents_are_inserted_together_or_not_at_all(writer: Client, database: Any) -> None:
    refused = await writer.tool("insert", **ITEMS, documents=[{"_id": 1}, {"_id": 1}], dryRun=False)

    assert refused["isError"]
    assert await database.items.find().to_list() == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({**ITEMS, "limit": 0}, "InvalidParameter"),
        ({**ITEMS, "limit": 101}, "InvalidParameter"),
        ({**ITEMS, "limit": True}, "InvalidParameter"),
        ({**ITEMS, "filter": []}, "InvalidParameter"),
        ({**ITEMS, "readConcern": {}}, "InvalidParameter"),
        ({"database": "shop"}, "InvalidParameter"),
        ({"database": {"$code": "shop"}, "collection": "items"}, "InvalidJSONFieldType"),
        ({**ITEMS, "filter": {"_id": {"$oid": "no"}}}, "InvalidParameter"),
        ({**ITEMS, "filter": {"$where": "1"}}, "InvalidParameter"),
        ({**ITEMS, "database": "dozen"}, "NoMatchingRuleFound"),
        ({**ITEMS, "database": "admin"}, "NoMatchingRuleFound"),
        ([], "InvalidParameter"),
        ("text", "InvalidParameter"),
        ({"$oid": "5f4d7f0c0000000000000000"}, "InvalidParameter"),
    ],
    ids=repr,
)
async def test_an_agent_is_told_what_is_wrong_with_its_arguments(
    reader: Client, database: Any, arguments: Any, code: str
) -> None:
    answer = await reader("tools/call", name="find", arguments=arguments)

    assert (answer.status, answer.json["result"]["isError"]) == (200, True)
    assert answer.json["result"]["structuredContent"]["error_code"] == code


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Mcp-Method": "tools/call"}, 400, -32020),
        ({"Mcp-Method": ""}, 400, -32020),
        ({"MCP-Protocol-Version": "2025-11-25"}, 400, -32020),
        ({"MCP-Protocol-Version": ""}, 400, -32020),
    ],
    ids=repr,
)
async def test_headers_must_say_what_the_body_says(
    reader: Client, headers: dict[str, str], status: int, code: int
) -> None:
    answer = await reader.send(LISTING, HEADERS | headers)

    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (status, code, 1)


@pytest.mark.parametrize(
    ("name", "status"), [("find", 400), ("=?base64?Y291bnQ=?=", 200), ("=?base64?Y291bnQ?=", 400), ("count", 200)]
)
async def test_the_name_of_a_tool_stands_in_a_header(reader: Client, database: Any, name: str, status: int) -> None:
    params = {"_meta": ENVELOPE, "name": "count", "arguments": ITEMS}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = await reader.send(body, HEADERS | {"Mcp-Method": "tools/call", "Mcp-Name": name})

    assert answer.status == status


@pytest.mark.parametrize("method", ["initialize", "ping", "resources/list", "tools/Call", "", "x" * 5_000])
async def test_a_method_that_is_not_served_is_not_found(reader: Client, method: str) -> None:
    answer = await reader(method)

    assert (answer.status, answer.json["error"]["code"]) == (404, -32601)
    assert len(answer.body) < 1_000


async def test_a_method_that_an_older_revision_lacks_ends_no_session(reader: Client) -> None:
    answer = await reader._replace(is_stateless=False)("server/discover")

    assert (answer.status, answer.json["error"]["code"]) == (200, -32601)
    assert answer.json["id"] == 1


async def test_a_revision_that_is_not_served_is_told_those_that_are(reader: Client) -> None:
    envelope = ENVELOPE | {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    body = LISTING | {"params": {"_meta": envelope}}
    answer = await reader.send(body, HEADERS | {"MCP-Protocol-Version": "2099-01-01"})

    assert (answer.status, answer.json["error"]["code"]) == (400, -32022)
    assert answer.json["error"]["data"] == {
        "supported": [STATELESS, "2025-11-25", "2025-06-18", "2025-03-26"],
        "requested": "2099-01-01",
    }


@pytest.mark.parametrize(
    ("body", "code", "own"),
    [
        (b"", -32700, None),
        (b"{", -32700, None),
        (b"\xff", -32700, None),
        (b"[" * 100_000, -32700, None),
        ([LISTING], -32600, None),
        ([], -32600, None),
        ("text", -32600, None),
        (LISTING | {"jsonrpc": "1.0"}, -32600, 1),
        (LISTING | {"jsonrpc": 2.0}, -32600, 1),
        (LISTING | {"id": None}, -32600, None),
        (LISTING | {"id": True}, -32600, None),
        (LISTING | {"id": 1.5}, -32600, None),
        (LISTING | {"id": {}}, -32600, None),
        (LISTING | {"id": "x" * 1_001}, -32600, None),
        (LISTING | {"method": 1}, -32600, 1),
        (LISTING | {"params": []}, -32600, 1),
        (LISTING | {"params": None}, -32600, 1),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, -32600, None),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}}, -32600, None),
        (LISTING | {"params": {}}, -32602, 1),
        (LISTING | {"params": {"_meta": {}}}, -32602, 1),
        (LISTING | {"params": {"_meta": 1}}, -32602, 1),
        (LISTING | {"params": {"_meta": ENVELOPE, "cursor": "x"}}, -32602, 1),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_what_is_no_message_is_refused(reader: Client, body: Any, code: int, own: Any) -> None:
    answer = await reader.send(body, HEADERS)

    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (400, code, own)


NOTICE = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}


@pytest.mark.parametrize(
    ("version", "status"),
    [(STATELESS, 202), ("2025-11-25", 202), ("2025-03-26", 202), ("2099-01-01", 400), ("2024-11-05", 400), ("", 400)],
)
async def test_a_notification_is_accepted_in_a_revision_that_is_served(
    reader: Client, version: str, status: int
) -> None:
    answer = await reader.send(NOTICE, {"MCP-Protocol-Version": version})

    assert (answer.status, answer.body == b"") == (status, status == 202)


@pytest.mark.parametrize("is_stateless", [True, False])
async def test_a_call_without_an_id_does_nothing(writer: Client, database: Any, is_stateless: bool) -> None:
    arguments = {**ITEMS, "documents": [{}], "dryRun": False}
    params = {"name": "insert", "arguments": arguments} | ({"_meta": ENVELOPE} if is_stateless else {})
    headers = HEADERS | {"Mcp-Method": "tools/call", "Mcp-Name": "insert"} if is_stateless else {}
    answer = await writer.send({"jsonrpc": "2.0", "method": "tools/call", "params": params}, headers)

    assert (answer.status, answer.body) == (202, b"")
    assert await database.list_collection_names() == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"name":"find","name":"count","arguments":{"database":"shop","collection":"items"}}', "1"),
        ('{"name":"count","arguments":{"database":"x","database":"shop","collection":"items"}}', "1"),
        ('{"name":"count","arguments":1,"arguments":{"database":"shop","collection":"items"}}', "1"),
    ],
)
async def test_of_a_member_that_stands_twice_the_last_counts_everywhere(
    reader: Client, database: Any, text: str, count: str
) -> None:
    await database.items.insert_one({})
    params = text[:-1] + f',"_meta":{json.dumps(ENVELOPE)}' + "}"
    body = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{}},"params":{params}}}'
    answer = await reader.send(body.encode(), HEADERS | {"Mcp-Method": "tools/call", "Mcp-Name": "count"})

    assert answer.json["result"]["structuredContent"] == {"count": {INT: count}}


@pytest.mark.parametrize("given", [0, -1, 2**53 + 1, "", "a", "é"])
async def test_an_id_comes_back_as_it_was_sent(reader: Client, given: Any) -> None:
    answer = await reader.send(LISTING | {"id": given}, HEADERS)

    assert (answer.status, answer.json["id"]) == (200, given)


async def test_arguments_may_be_as_deep_and_as_large_as_those_of_an_action(reader: Client, database: Any) -> None:
    deep = json.loads('{"a":' * 150 + "1" + "}" * 150)
    refused = await reader.tool("find", **ITEMS, filter=deep)
    large = await reader("tools/call", name="find", arguments={**ITEMS, "filter": {"a": "x" * 1_100_000}})

    assert (refused["isError"], large.status) == (True, 413)


@pytest.mark.both_hosts
async def test_a_page_that_is_not_named_is_refused(configured: pytest.MonkeyPatch, worker: Worker, key: str) -> None:
    configured.setenv("MCP", "read")
    client = Client(worker, {"apiKey": key})
    unnamed = await client.send(LISTING, HEADERS | {"Origin": "https://evil.example"})
    configured.setenv("CORS_ALLOWED_ORIGINS", "https://page.example")

    assert (unnamed.status, unnamed.json["error_code"]) == (403, "DomainNotAllowed")


async def test_a_page_that_is_named_comes_in(configured: pytest.MonkeyPatch, reader: Client) -> None:
    configured.setenv("CORS_ALLOWED_ORIGINS", "https://page.example")
    named = await reader.send(LISTING, HEADERS | {"Origin": "https://page.example"})
    other = await reader.send(LISTING, HEADERS | {"Origin": "https://evil.example"})
    asked = await reader.host.request("OPTIONS", "/mcp", {"Origin": "https://page.example"})

    assert (named.status, other.status, asked.status) == (200, 403, 204)
    assert "Mcp-Method" in asked.headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_there_is_no_stream_and_no_session(reader: Client, method: str) -> None:
    answer = await reader.host.request(method, "/mcp", reader.credentials)

    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Dozen-Max-Affected", "1"), ("Dozen-Dry-Run", "true"), ("If-Match", '"x"'), ("If-None-Match", '"x"'),
        ("Prefer", "handling=strict, max-affected=1"), ("Idempotency-Key", "é"), ("Idempotency-Key", "x" * 256),
    ],
)  # fmt: skip
async def test_terms_of_the_data_api_are_not_ignored(writer: Client, database: Any, header: str, value: str) -> None:
    sent = {header: value}
    answer = await writer._replace(credentials=writer.credentials | sent)("tools/list")

    assert answer.status == 400


async def test_a_failure_of_mongodb_is_told_to_the_agent(reader: Client, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    refused = await reader.tool("aggregate", **ITEMS, pipeline=[{"$set": {"x": {"$toInt": "no number"}}}])

    assert (refused["isError"], refused["structuredContent"]["error_code"]) == (True, "MongoDBError")


async def test_agents_ask_at_the_same_time(reader: Client, database: Any) -> None:
    await database.items.insert_many([{"_id": n} for n in range(8)])
    asked = [reader.tool("find", **ITEMS, filter={"_id": n}) for n in range(8)]
    found = [each["structuredContent"]["documents"] for each in await asyncio.gather(*asked)]

    assert found == [[{"_id": {INT: str(n)}}] for n in range(8)]
