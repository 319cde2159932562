"""Hostile messages at the door for agents: whatever comes in, what goes out is a reply that a client understands."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.depth import examples
from tests.functions.test_mcp import WRITES
from tests.hosts import Answer, Worker
from tests.mcp import ENVELOPE, STATELESS, Client

KEPT = [{"_id": 1, "n": 1}, {"_id": 2, "n": 2}]
TOOLS = ["list_collections", "collection_schema", "find", "aggregate", "more", "count", "explain", *WRITES]
METHODS = ["tools/call", "tools/list", "server/discover", "initialize", "ping", "resources/read", "notifications/x"]
STATUSES = {200, 202, 400, 404, 406, 411, 413, 415}
CODES = {-32700, -32600, -32601, -32602, -32020, -32022, *STATUSES}

odd = st.sampled_from(
    ["__proto__", "constructor", "$oid", "$date", "$where", "", "\0", "é", "a.b", "\u202e", "\ud800", "x" * 3_000, "-1"]
)
texts = st.one_of(odd, st.text(max_size=8))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.sampled_from([2**63, -(2**64), 10**400, 1e308])
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
deep = st.sampled_from([10, 200, 1_100, 30_000]).map(lambda depth: Raw('{"a":' * depth + "1" + "}" * depth))
operators = st.dictionaries(
    st.sampled_from(["n", "_id", "$set", "$unset", "$inc", "$or", "$expr", "$match", "$out", "$merge", "$where"]),
    st.one_of(values, st.dictionaries(odd, values, max_size=1)),
    max_size=2,
)
members = {
    "database": st.one_of(st.just("shop"), values),
    "collection": st.one_of(st.just("items"), values),
    "filter": st.one_of(operators, values, deep),
    "update": st.one_of(operators, values),
    "pipeline": st.one_of(st.lists(operators, max_size=2), values),
    "documents": st.one_of(st.lists(st.dictionaries(texts, values, max_size=2), max_size=2), values),
    "cursor": values, "limit": values, "sort": operators, "dataSource": values,
    "maxAffected": st.one_of(st.just(9), values),
    "dryRun": values.filter(lambda value: value is not False),
}  # fmt: skip
arguments = st.one_of(st.fixed_dictionaries({}, optional=members), values, deep)
USUAL: dict[str, Any] = {
    "database": "shop", "collection": "items", "filter": {}, "update": {"$set": {"m": 1}}, "maxAffected": 9,
    "documents": [{"_id": 3}], "pipeline": [{"$match": {}}], "cursor": "x",
}  # fmt: skip
TAKEN = {
    "list_collections": ["database"], "collection_schema": ["database", "collection"], "more": ["cursor"],
    "aggregate": ["database", "collection", "pipeline"], "insert": ["database", "collection", "documents"],
    "update": ["database", "collection", "filter", "update", "maxAffected"],
    "delete": ["database", "collection", "filter", "maxAffected"],
}  # fmt: skip


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Any]:
    """Give a tool and its arguments: those that it takes, of which some may be something else, or anything."""
    name = draw(st.sampled_from(TOOLS))
    usual = {member: USUAL[member] for member in TAKEN.get(name, ["database", "collection", "filter"])}
    others = draw(st.fixed_dictionaries({}, optional=members))
    few = dict(list(others.items())[: draw(st.integers(0, 2))])
    return name, draw(st.sampled_from([{**usual, **few}] * 9 + [draw(arguments)]))


names = st.one_of(st.sampled_from(TOOLS), values)
metas = st.one_of(
    st.just(ENVELOPE),
    st.dictionaries(
        st.one_of(texts, st.sampled_from(list(ENVELOPE))), st.one_of(values, st.just(STATELESS)), max_size=4
    ),
    values,
)
params = st.one_of(
    st.fixed_dictionaries({"name": names, "arguments": arguments, "_meta": metas}),
    st.fixed_dictionaries({}, optional={"name": names, "arguments": arguments, "_meta": metas, "cursor": values}),
    values,
)
methods = st.one_of(st.sampled_from(METHODS), values)
messages = st.one_of(
    st.fixed_dictionaries({"jsonrpc": st.just("2.0"), "id": leaves, "method": methods, "params": params}),
    st.fixed_dictionaries({}, optional={"jsonrpc": st.one_of(st.just("2.0"), values), "id": values, "method": methods,
                                        "params": params, "result": values, "error": values}),
    values,
    deep,
)  # fmt: skip


class Raw(str):
    """JSON as it is."""

    __slots__ = ()


def written(value: Any) -> str:
    """Return JSON, with the values that Python's own writer refuses or cannot reach as deep as they are."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Give a body: a message, several, one whose members are repeated, one that was cut, or bytes."""
    text = written(draw(messages))
    other = written(draw(messages))
    kinds = [text] * 5 + [
        f"[{text}]",
        f"[{text},{other}]",
        text + other,
        text[:-1] + "," + other[1:],
        text[: len(text) // 2],
    ]
    return draw(st.one_of(st.sampled_from(kinds).map(str.encode), st.binary(max_size=20)))


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


@st.composite
def heads(draw: st.DrawFn) -> dict[str, str]:
    """Give headers that a client of some revision might send, of any spelling, or not."""
    plain = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
    named = st.one_of(st.sampled_from([*TOOLS, *map(encoded, TOOLS), "=?base64?!?=", "=?base64?/w==?="]), plain)
    choices = {
        "MCP-Protocol-Version": st.one_of(st.sampled_from([STATELESS, "2025-11-25", "2025-03-26", "1"]), plain),
        "Mcp-Method": st.one_of(st.sampled_from(METHODS), plain),
        "Mcp-Name": named,
        "Accept": st.sampled_from(["*/*", "text/event-stream", "application/x-ndjson", ""]),
        "Content-Type": st.sampled_from(["application/json", "text/plain; charset=utf-16", ""]),
        "Content-Encoding": st.sampled_from(["gzip", "br", "identity", ""]),
        "If-Match": st.sampled_from(["*", '"x"']),
        "Dozen-Dry-Run": st.sampled_from(["true", "false", "x"]),
        "Mcp-Session-Id": plain,
    }
    found = draw(st.fixed_dictionaries({}, optional=choices))
    return {draw(st.sampled_from([name, name.lower(), name.upper()])): value for name, value in found.items()}


def matching(body: dict[str, Any]) -> dict[str, str]:
    """Return the headers that say what a body says, where it says that as the newest revision has it."""
    given = body["params"]
    return {"MCP-Protocol-Version": STATELESS, "Mcp-Method": body["method"], "Mcp-Name": encoded(given["name"])}


def check(answer: Answer, own: Any) -> None:
    """Fail unless an answer is a reply of JSON-RPC to a request with this id, or none to what is no request."""
    assert answer.status in STATUSES, answer
    if answer.status == 202:
        assert answer.body == b""
        return
    reply = answer.json
    assert answer.headers["content-type"] == "application/json"
    assert reply["jsonrpc"] == "2.0"
    assert reply["id"] is None or (type(reply["id"]), reply["id"]) == (type(own), own)
    assert ("result" in reply) != ("error" in reply)
    if "error" in reply:
        assert reply["error"]["code"] in CODES, reply
        assert 0 < len(reply["error"]["message"]) < 2_000
    else:
        assert reply["id"] is not None
        assert answer.status == 200


def check_tool(answer: Answer) -> None:
    """Fail unless a result is an object, the same as text, and no error that nobody expected."""
    result = answer.json.get("result", {}) if answer.body else {}  # a message that wants no reply has none
    if "content" in result:
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        assert result["structuredContent"].get("error_code") != "InternalServerError"
        assert len(result["content"][0]["text"]) <= 65_536


def id_in(body: bytes) -> Any:
    """Return what a reply may have as its id."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found.get("id") if isinstance(found, dict) else None


@pytest.fixture
async def door(configured: pytest.MonkeyPatch, worker: Worker, key: str, database: Any) -> Client:
    """A door where tools may write, and two documents."""
    configured.setenv("MCP", "write")
    await database.items.insert_many(KEPT)
    return Client(worker, {"apiKey": key})


QUIET = settings(
    max_examples=examples(1_200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUIET
@given(body=bodies(), headers=heads())
@example(body=b'{"jsonrpc":"2.0","method":"tools/call"}', headers={})
async def test_whatever_comes_is_answered_and_nothing_is_written(
    door: Client, database: Any, body: bytes, headers: dict[str, str]
) -> None:
    answer = await door.host.request("POST", "/mcp", door.credentials | headers, body)

    check(answer, id_in(body))
    check_tool(answer)
    assert await database.items.find().to_list() == KEPT
    assert await database.list_collection_names() == ["items"]


@QUIET
@given(call=calls(), own=st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(max_size=9)))
async def test_whatever_a_tool_is_given_it_answers_and_nothing_is_written(
    door: Client, database: Any, call: tuple[str, Any], own: Any
) -> None:
    name, given_ = call
    message = {"jsonrpc": "2.0", "id": own, "method": "tools/call", "params": {"name": name, "_meta": ENVELOPE}}
    text = written({**message, "params": {**message["params"], "arguments": given_}})
    answer = await door.host.request("POST", "/mcp", door.credentials | matching(message), text.encode())

    check(answer, own)
    check_tool(answer)
    assert await database.items.find().to_list() == KEPT
    assert await database.list_collection_names() == ["items"]
