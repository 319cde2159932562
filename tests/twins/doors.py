"""How a call comes in: as it is, on terms, or by a tool of an agent."""

import json
from random import Random
from typing import Any, NamedTuple

from bson import json_util

from tests.twins.plain import Document

_TOOLS: dict[str, tuple[str, frozenset[str]]] = {
    "find": ("find", frozenset({"filter", "projection", "sort", "limit"})),
    "aggregate": ("aggregate", frozenset({"pipeline"})),
    "countDocuments": ("count", frozenset({"filter"})),
    "getSchema": ("collection_schema", frozenset()),
    "explain": ("explain", frozenset({"filter", "sort", "pipeline"})),
    "insertMany": ("insert", frozenset({"documents"})),
    "updateMany": ("update", frozenset({"filter", "update"})),
    "deleteMany": ("delete", frozenset({"filter"})),
}
"""The tool that an action is, and which members of its body it takes."""

_CHANGES_ONE = frozenset({
    "updateOne", "replaceOne", "deleteOne", "findOneAndUpdate", "findOneAndReplace", "findOneAndDelete",
})  # fmt: skip
_WRITES = _CHANGES_ONE | {"insertOne", "insertMany", "updateMany", "deleteMany", "bulkWrite", "transaction"}
_BY_A_TOOL, _ON_TERMS = 0.3, 0.25  # of those that can


def chosen(random: Random, call: Document) -> Document:
    """Return a call with the door that it comes in by."""
    action, body = call["action"], call["body"]
    kind = random.random()
    if kind < _BY_A_TOOL and action in _TOOLS and not isinstance(body.get("update"), list):
        return call | {"arguments": _arguments(random, action, body)}
    if kind > 1 - _ON_TERMS and action in _WRITES:
        return call | _terms(random, action)
    return call


def _arguments(random: Random, action: str, body: Document) -> Document:
    made = {name: value for name, value in body.items() if name in _TOOLS[action][1]}
    if action in {"find", "aggregate"}:
        made["limit"] = random.choice([1, 2, 3, 20])
    if action in {"updateMany", "deleteMany"}:
        made["maxAffected"] = random.choice([1, 2, 20])
    if action in {"insertMany", "updateMany", "deleteMany"}:
        made["dryRun"] = random.random() < 0.5
    return made


def _terms(random: Random, action: str) -> Document:
    kind = random.choice(["dry", "most", "key", "tag"])
    if kind == "dry":
        return {"headers": {"dozen-dry-run": "true"}}
    if kind == "most":
        return {"headers": {"prefer": f"handling=strict, max-affected={random.randrange(4)}"}}
    return {"terms": "tag" if kind == "tag" and action in _CHANGES_ONE else "key"}


class Result(NamedTuple):
    """What a tool has answered."""

    status: int
    body: bytes


def message(action: str, arguments: Document) -> bytes:
    """Return the message that calls the tool which an action is."""
    tool = _TOOLS[action][0] if action in _TOOLS else action
    return b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%b","arguments":%b}}' % (
        tool.encode(),
        written(arguments),
    )


def written(body: Document) -> bytes:
    """Return a body as canonical Extended JSON."""
    return json_util.dumps(body, json_options=json_util.CANONICAL_JSON_OPTIONS).encode()


def result(body: bytes) -> Result:
    """Return the result in a reply, with the status that the action would have had where that is a fault."""
    reply = json.loads(body)
    assert "result" in reply, body
    found: dict[str, Any] = reply["result"]
    text = found["content"][0]["text"]
    assert json.loads(text) == found["structuredContent"]
    is_fault = found["structuredContent"].get("error_code") == "InternalServerError"
    return Result(500 if is_fault else 400 if found["isError"] else 200, text.encode())
