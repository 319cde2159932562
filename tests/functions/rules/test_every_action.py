"""What every action keeps: nothing hidden counts, a cached reply is its own, a write is seen, a line is logged."""

import json
from typing import Any

import pytest

from shared.endpoint.actions import Action
from tests.conftest import Post
from tests.functions.rules.conftest import SETTINGS, Known, Person
from tests.hosts import Worker
from tests.test_actions import ACTIONS
from tests.valkey import Valkey

CALLS: dict[str, dict[str, Any]] = {
    "findOne": {"filter": {"n": 1}},
    "find": {"filter": {"n": 1}},
    "aggregate": {"pipeline": [{"$match": {"n": 1}}]},
    "countDocuments": {"filter": {"n": 1}},
    "estimatedDocumentCount": {},
    "distinct": {"fieldName": "_id", "filter": {"n": 1}},
    "getMore": {"cursor": {"filter": {"n": 1}, "cursor": {"batchSize": 1}}},
    "insertOne": {"document": {"_id": "new", "owner": "ANN"}},
    "insertMany": {"documents": [{"_id": "new", "owner": "ANN"}, {"_id": "newer", "owner": "ANN"}]},
    "updateOne": {"filter": {"n": 1}, "update": {"$set": {"m": 1}}},
    "updateMany": {"filter": {"n": 1}, "update": {"$set": {"m": 1}}},
    "replaceOne": {"filter": {"n": 1}, "replacement": {"owner": "ANN"}},
    "deleteOne": {"filter": {"n": 1}},
    "deleteMany": {"filter": {"n": 1}},
    "findOneAndUpdate": {"filter": {"n": 1}, "update": {"$set": {"m": 1}}, "sort": {"_id": 1}},
    "findOneAndReplace": {"filter": {"n": 1}, "replacement": {"owner": "ANN"}, "returnDocument": "After"},
    "findOneAndDelete": {"filter": {"n": 1}},
    "bulkWrite": {
        "requests": [
            {"insertOne": {"document": {"_id": "new", "owner": "ANN"}}},
            {"updateMany": {"filter": {"n": 1}, "update": {"$set": {"m": 1}}}},
            {"deleteOne": {"filter": {"n": 1}}},
        ]
    },
    "transaction": {
        "operations": [
            {"action": "findOne", "filter": {"n": 1}},
            {"action": "insertOne", "document": {"_id": "new", "owner": "ANN"}},
            {"action": "updateMany", "filter": {"n": 1}, "update": {"$set": {"m": 1}}},
            {"action": "aggregate", "pipeline": [{"$match": {"n": 1}}]},
            {"action": "find", "filter": {"n": 1}, "sort": {"m": -1, "_id": 1}},
        ]
    },
}
"""A call of each action that finds documents where n is 1, or makes some of the owner ANN, who is the caller.

A cursor is that of a find.
"""

HIDDEN = [{"_id": 0, "owner": "else", "n": 1}, {"_id": 9, "owner": "else", "n": 1}]  # before and behind

every_action = pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
FINDING = {name: action for name, action in ACTIONS.items() if CALLS.get(name, {}).keys() & {"filter", "pipeline"}}
READING = {name: action for name, action in ACTIONS.items() if action.reads}
CACHED = {name: action for name, action in READING.items() if "cursor" not in CALLS.get(name, {})}


@pytest.fixture
async def ann(worker: Worker, known: Known, configured: pytest.MonkeyPatch, valkey: Valkey, database: Any) -> Person:
    """A user, and two documents of hers in shop.things, which is cached."""
    cached = {"CACHED_COLLECTIONS": "shop.things=3600", "REDIS_URL": valkey.url}
    for name, value in (SETTINGS | cached).items():
        configured.setenv(name, value)
    person = await known(worker, "ann@shop.example")
    await database.things.insert_many([{"_id": 1, "owner": person.id, "n": 1}, {"_id": 2, "owner": person.id, "n": 1}])
    return person


async def members(action: Action, ann: Person, caller: Any = None) -> dict[str, Any]:
    assert action.name in CALLS, f"add a call of {action.name} to CALLS"
    found = {"collection": "things", **json.loads(json.dumps(CALLS[action.name]).replace("ANN", ann.id))}
    if "cursor" in found:
        found["cursor"] = (await (caller or ann)("find", collection="things", **found["cursor"])).json["cursor"]
    return found


async def things(database: Any) -> list[Any]:
    return [each async for each in database.things.find().sort("_id")]


@every_action
async def test_what_is_hidden_makes_no_difference(ann: Person, database: Any, valkey: Valkey, action: Action) -> None:
    before = await things(database)
    alone = await ann(action.name, **await members(action, ann))
    without = await things(database)
    await database.things.delete_many({})
    await database.things.insert_many([HIDDEN[0], *before, HIDDEN[1]])
    await valkey.client.flushall()

    among = await ann(action.name, **await members(action, ann))

    assert (alone.status, among.status, among.body) == (action.success, action.success, alone.body)
    assert sorted(await things(database), key=repr) == sorted(HIDDEN + without, key=repr)


@pytest.mark.parametrize("action", FINDING.values(), ids=FINDING)
async def test_without_rules_what_was_hidden_counts(
    ann: Person, worker: Worker, key: str, database: Any, valkey: Valkey, action: Action
) -> None:
    before = await things(database)
    await database.things.insert_one(HIDDEN[0])
    bound = await ann(action.name, **await members(action, ann))
    bound_left = await things(database)
    await database.things.delete_many({})
    await database.things.insert_many([HIDDEN[0], *before])
    await valkey.client.flushall()

    system = await Post(worker, key)(action.name, **await members(action, ann))

    assert system.status == action.success
    assert (system.body, await things(database)) != (bound.body, bound_left)


@every_action
async def test_what_reads_is_cached_and_what_writes_is_seen(ann: Person, database: Any, action: Action) -> None:
    before = await things(database)
    found = await ann("find", collection="things")
    first = await ann(action.name, **await members(action, ann))
    after = await things(database)
    await database.things.update_many({}, {"$set": {"n": 2}})
    again = await ann("find", collection="things")

    assert (before == after) is action.reads, "say truly whether the action reads"
    assert ("etag" in first.headers) is action.reads
    assert (again.body == found.body) is action.reads
    if action.name in CACHED:
        assert (await ann(action.name, **await members(action, ann))).body == first.body


@pytest.mark.parametrize("action", READING.values(), ids=READING)
async def test_no_action_is_answered_with_the_reply_of_another(ann: Person, valkey: Valkey, action: Action) -> None:
    shared = {name: value for call in CALLS.values() for name, value in call.items() if name in {"filter", "pipeline"}}
    body = await members(action, ann) | shared | {"limit": 1}
    alone = (await ann(action.name, **body)).body
    await valkey.client.flushall()
    for other in READING.keys() - {action.name}:
        await ann(other, **body)

    assert (await ann(action.name, **body)).body == alone


@pytest.mark.parametrize(
    "options",
    [{"comment": "x"}, {"readConcern": {"level": "local"}}, {"readPreference": "primaryPreferred"}],
    ids=str,
)
@pytest.mark.parametrize("action", CACHED.values(), ids=CACHED)
async def test_no_call_is_answered_with_the_reply_to_other_options(
    ann: Person, database: Any, action: Action, options: dict[str, Any]
) -> None:
    plain = await ann(action.name, **await members(action, ann))
    await database.things.delete_many({})

    other = await ann(action.name, **await members(action, ann), **options)

    assert other.body != plain.body
    assert (await ann(action.name, **await members(action, ann))).body == plain.body


@pytest.mark.parametrize("is_bound", [True, False], ids=["ruled", "full"])
@every_action
async def test_a_line_is_logged_with_a_number_of_documents(
    ann: Person, worker: Worker, key: str, caplog: pytest.LogCaptureFixture, action: Action, is_bound: bool
) -> None:
    caplog.set_level("INFO", "dozen")

    caller = ann if is_bound else Post(worker, key)
    await caller(action.name, **await members(action, ann, caller))

    line = [each for each in map(json.loads, caplog.messages) if each["message"] == "request"][-1]
    assert (line["operation"], type(line["documents"])) == (action.name, int)
    assert line["documents"] > 0
