"""What an agent is told so that its call is right, the first time or the next: schemas, errors, verdicts."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from shared.documents.wrappers import WRAPPER_NAMES
from shared.endpoint.cursors import SECONDS
from shared.errors import DataAPIError
from shared.mcp import hints
from tests.functions.test_mcp import ITEMS, WRITING
from tests.hosts import Worker
from tests.mcp import Client

CALLS: dict[str, dict[str, Any]] = {
    "list_collections": {"database": "shop"},
    "collection_schema": ITEMS,
    "find": {**ITEMS, "filter": {}, "projection": {"a": 1}, "sort": {"a": -1}, "limit": 5},
    "aggregate": {**ITEMS, "pipeline": [{"$match": {}}], "limit": 5},
    "more": {"cursor": "x", "limit": 5},
    "count": {**ITEMS, "filter": {}},
    "explain": {**ITEMS, "filter": {}, "sort": {"a": 1}},
    **{name: {**ITEMS, **members, "dryRun": True, "idempotencyKey": "a"} for name, members in WRITING.items()},
}


@pytest.fixture
def door(configured: pytest.MonkeyPatch, worker: Worker, key: str, database: Any) -> Client:
    """A door where tools may write, on an empty database."""
    configured.setenv("MCP", "write")
    return Client(worker, {"apiKey": key})


async def tools(door: Client) -> dict[str, dict[str, Any]]:
    """Return the tools by their names."""
    return {each["name"]: each for each in (await door("tools/list")).json["result"]["tools"]}


async def refused(door: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """Return the error of a tool."""
    result = await door.tool(name, **arguments)
    assert result["isError"]
    content: dict[str, Any] = result["structuredContent"]
    return content


@pytest.mark.parametrize("name", CALLS)
async def test_a_schema_is_one_and_takes_what_its_tool_takes(door: Client, name: str) -> None:
    schema = (await tools(door))[name]["inputSchema"]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    assert validator.is_valid(CALLS[name])
    assert not validator.is_valid({**CALLS[name], "other": 1})
    assert set(CALLS[name]) | {"dataSource", "maxAffected", "database", "pipeline"} >= set(schema["properties"])
    assert "it takes" not in str(await door.tool(name, **CALLS[name]))


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("find", {**ITEMS, "skip": 5}, "database, collection, dataSource?, filter?, projection?, sort?, limit?"),
        ("find", {"database": "shop"}, "database, collection, dataSource?, filter?, projection?, sort?, limit?"),
        ("more", {}, "cursor, dataSource?, limit?"),
        ("insert", {**ITEMS, "document": {}}, "database, collection, documents, dataSource?, dryRun?, idempotencyKey?"),
        ("delete", ITEMS, "database, collection, filter, dataSource?, dryRun?, idempotencyKey?, maxAffected?"),
    ],
)
async def test_wrong_arguments_are_told_which_are_right(
    door: Client, name: str, arguments: dict[str, Any], told: str
) -> None:
    assert (await refused(door, name, **arguments))["error"].endswith(f"; it takes {told}")


@pytest.mark.parametrize("name", sorted(WRAPPER_NAMES))
async def test_a_malformed_value_is_shown_how_it_is_written(door: Client, name: str) -> None:
    error = (await refused(door, "find", **ITEMS, filter={"a": {name: []}}))["error"]
    example = json.loads(error.partition(": write it as in ")[2])

    assert error.startswith(f"arguments: malformed {name}")
    assert list(example) == [name]
    assert not (await door.tool("insert", **ITEMS, documents=[{"a": example}]))["isError"]


async def test_the_examples_of_a_filter_are_such(door: Client, database: Any) -> None:
    description = (await tools(door))["find"]["inputSchema"]["properties"]["filter"]["description"]
    examples = json.loads("[" + description.partition(": ")[2].partition(". No text")[0] + "]")
    results = [await door.tool("find", **ITEMS, filter=each) for each in examples]

    assert [list(each) for each in examples] == [["_id"], ["placed"], ["price"]]
    assert [each["structuredContent"] for each in results] == [{"documents": []}] * 3


async def test_the_example_of_a_pipeline_is_one(door: Client, database: Any) -> None:
    description = (await tools(door))["aggregate"]["inputSchema"]["properties"]["pipeline"]["description"]
    example = json.loads(description.partition("such as ")[2].partition("; values")[0])

    assert (await door.tool("aggregate", **ITEMS, pipeline=example))["structuredContent"] == {"documents": []}


async def test_a_description_says_how_long_a_cursor_is_good_and_what_a_name_is_made_of(
    door: Client, database: Any
) -> None:
    await database.items.insert_one({})
    described = await tools(door)

    assert (SECONDS, described["more"]["description"][-15:]) == (24 * 60 * 60, "good for a day.")
    assert "Now, as database/collection: [" in described["list_collections"]["description"]
    assert '"shop/items"' in described["list_collections"]["description"]


async def test_a_cursor_is_of_its_data_source(door: Client, database: Any) -> None:
    await database.items.insert_many([{}, {}])
    first = await door.tool("find", **ITEMS, limit=1, dataSource="mongodb-atlas")
    cursor = first["structuredContent"]["cursor"]

    assert "'dataSource'" in (await refused(door, "more", cursor=cursor, dataSource="another"))["error"]
    assert not (await door.tool("more", cursor=cursor, dataSource="mongodb-atlas"))["isError"]


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "MaxAffectedExceeded": ("update", {"filter": {}, "update": {"$set": {"a": 1}}}, "allow so many with maxAffected"),
    "QueryWithoutIndex": ("find", {"filter": {"n": 1}}, "explain says"),
    "NoMatchingRuleFound": ("find", {"database": "dozen"}, "list_collections names"),
    "ReadSizeLimitExceeded": ("aggregate", {"pipeline": [{"$limit": 1}]}, "by a projection"),
}


@pytest.mark.parametrize("code", WRONG)
async def test_an_error_says_what_to_do(door: Client, configured: pytest.MonkeyPatch, database: Any, code: str) -> None:
    configured.setenv("SCAN_GUARD", "refuse")
    configured.setenv("SCAN_GUARD_DOCUMENTS", "0")
    configured.setenv("MAX_READ_BYTES", "10000")
    await database.items.insert_many([{"n": 1, "text": "x" * 11_000}, {}])
    name, arguments, told = WRONG[code]
    error = await refused(door, name, **ITEMS | arguments)

    assert error["error_code"] == code
    assert told in error["hint"]


def test_each_hint_is_of_an_error() -> None:
    kinds = [*DataAPIError.__subclasses__()]
    codes = {each.code for kind in kinds for each in [kind, *kind.__subclasses__()]}

    assert set(hints._BY_CODE) <= codes


async def test_a_query_without_an_index_is_named_in_the_result(
    door: Client, configured: pytest.MonkeyPatch, database: Any
) -> None:
    configured.setenv("SCAN_GUARD", "warn")
    configured.setenv("SCAN_GUARD_DOCUMENTS", "0")
    await database.items.insert_one({"_id": 1, "n": 1})
    scanned = await door.tool("find", **ITEMS, filter={"n": 1})
    written = await door.tool("update", **ITEMS, filter={"n": 1}, update={"$set": {"m": 1}})
    served = await door.tool("find", **ITEMS, filter={"_id": 1})

    assert scanned["structuredContent"]["scan"] == 'no-index; suggested={"n":1}'
    assert scanned["structuredContent"]["documents"] == [{"_id": {"$numberInt": "1"}, "n": {"$numberInt": "1"}}]
    assert written["structuredContent"]["scan"] == 'no-index; suggested={"n":1}'
    assert "scan" not in served["structuredContent"]


async def test_a_verdict_that_has_no_room_is_left_out(
    door: Client, configured: pytest.MonkeyPatch, database: Any
) -> None:
    configured.setenv("SCAN_GUARD", "warn")
    configured.setenv("SCAN_GUARD_DOCUMENTS", "0")
    empty = len('{"documents":[{"_id":{"$numberInt":"1"},"n":{"$numberInt":"1"},"text":""}]}')
    await database.items.insert_one({"_id": 1, "n": 1, "text": "x" * (65_536 - empty)})
    full = await door.tool("find", **ITEMS, filter={"n": 1})

    assert len(full["content"][0]["text"]) == 65_536
    assert "scan" not in full["structuredContent"]
