"""createIndexes, dropIndexes, createCollection, dropCollection."""

import asyncio
import json
import time
from typing import Any

import pytest

from shared.mongo.clients import SIMPLE
from shared.service import process
from tests.conftest import ACTION, Post, errors_only, request_body
from tests.hosts import Worker
from tests.valkey import Valkey

CALLS: dict[str, dict[str, Any]] = {
    "createIndexes": {"indexes": [{"key": {"n": 1}}]},
    "dropIndexes": {"index": "a_1"},
    "createCollection": {},
    "dropCollection": {},
}
COMMANDS = {
    "createIndexes": "createIndexes", "dropIndexes": "dropIndexes", "createCollection": "create",
    "dropCollection": "drop",
}  # fmt: skip

every = pytest.mark.parametrize("action", CALLS)


async def indexes(database: Any) -> dict[str, Any]:
    return {name: each async for each in await database.items.list_indexes() if (name := each["name"]) != "_id_"}


async def state(database: Any) -> Any:
    return await database.list_collection_names(), await indexes(database)


async def test_indexes_are_made(post: Post, database: Any) -> None:
    answer = await post(
        "createIndexes",
        indexes=[
            {"key": {"a": 1, "b": -1}},
            {"key": {"email": 1}, "name": "mail", "unique": True, "partialFilterExpression": {"n": {"$gt": 5}}},
            {"key": {"at": 1}, "expireAfterSeconds": 60, "sparse": None},
            {"key": {"name": 1}, "collation": {"locale": "en", "strength": 2}, "hidden": True},
            {"key": {"place": "2dsphere"}, "sparse": True},
            {"key": {"$**": 1}, "wildcardProjection": {"x": 1}},
            {"key": {"t": "text"}, "weights": {"t": 3}, "default_language": "none"},
            {"key": {"d": 1.0}},
        ],
    )

    names = ["a_1_b_-1", "mail", "at_1", "name_1", "place_2dsphere", "$**_1", "t_text", "d_1"]
    assert answer.status == 200
    assert answer.json == {"names": names, "numIndexesBefore": 1, "numIndexesAfter": 9}
    made = await indexes(database)
    assert list(made) == names
    assert (made["mail"]["unique"], made["mail"]["partialFilterExpression"]) == (True, {"n": {"$gt": 5}})
    assert (made["at_1"]["expireAfterSeconds"], "sparse" in made["at_1"]) == (60, False)
    assert (made["name_1"]["collation"]["strength"], made["name_1"]["hidden"]) == (2, True)
    assert made["t_text"]["weights"] == {"t": 3}


async def test_an_index_that_is_there_stays(post: Post, database: Any) -> None:
    await database.items.create_index("n")

    answer = await post("createIndexes", indexes=[{"key": {"n": 1}}])

    assert answer.json == {"names": ["n_1"], "numIndexesBefore": 2, "numIndexesAfter": 2}


@pytest.mark.parametrize(
    ("index", "left"),
    [
        pytest.param("b_1", {"a_1", "c_1"}, id="by name"),
        pytest.param({"b": 1}, {"a_1", "c_1"}, id="by keys"),
        pytest.param(["a_1", "b_1"], {"c_1"}, id="several"),
        pytest.param("*", set(), id="all"),
    ],
)
async def test_indexes_are_dropped(post: Post, database: Any, index: Any, left: set[str]) -> None:
    for name in "abc":
        await database.items.create_index(name)

    answer = await post("dropIndexes", index=index)

    assert (answer.status, answer.json) == (200, {"nIndexesWas": 4})
    assert set(await indexes(database)) == left


async def test_a_collection_is_made_with_what_it_should_have(post: Post, database: Any) -> None:
    answer = await post(
        "createCollection",
        capped=True,
        size=4096,
        max=10,
        validator={"n": {"$gt": 1}},
        validationAction="warn",
        validationLevel="moderate",
        collation={"locale": "en"},
    )

    assert (answer.status, answer.json) == (200, {"ok": 1})
    options = await database.items.options()
    assert (options["capped"], options["size"], options["max"]) == (True, 4096, 10)
    assert (options["validator"], options["validationAction"]) == ({"n": {"$gt": 1}}, "warn")
    assert options["collation"]["locale"] == "en"


async def test_a_time_series_is_made(post: Post, driver: Any) -> None:
    kind: dict[str, Any] = {"timeseries": {"timeField": "at", "metaField": "of"}, "expireAfterSeconds": 3600}

    answer = await post("createCollection", database="series", **kind)

    options = await driver["series"].items.options()
    await driver.drop_database("series")  # its buckets are not to be dropped alone
    assert answer.status == 200
    assert (options["timeseries"]["timeField"], options["expireAfterSeconds"]) == ("at", 3600)


@pytest.mark.parametrize("capped", [None, False])
async def test_zero_and_false_are_values(post: Post, driver: Any, capped: bool | None) -> None:
    kind: dict[str, Any] = {"timeseries": {"timeField": "at"}, "expireAfterSeconds": 0, "capped": capped}

    answer = await post("createCollection", database="series", **kind)

    options = await driver["series"].items.options()
    await driver.drop_database("series")
    assert answer.status == 200
    assert options["expireAfterSeconds"] == 0


@pytest.mark.parametrize("member", [{"size": 0}, {"max": 0}, {"expireAfterSeconds": 0}], ids=str)
async def test_what_mongodb_does_not_take_is_told_even_if_it_is_zero(
    post: Post, database: Any, member: dict[str, Any]
) -> None:
    answer = await post("createCollection", **member)

    assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
    assert await database.list_collection_names() == []


async def test_a_collection_is_dropped_with_all_in_it(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    await database.items.create_index("n")

    first, second = await post("dropCollection"), await post("dropCollection")

    assert [first.json, second.json] == [{"nIndexesWas": 2}, {"nIndexesWas": 0}]
    assert await database.list_collection_names() == []


@pytest.mark.parametrize(
    ("action", "members", "code", "words"),
    [
        ("createIndexes", {}, "MissingParameter", "'indexes'"),
        ("createIndexes", {"indexes": {}}, "InvalidJSONFieldType", "'indexes'"),
        ("createIndexes", {"indexes": []}, "InvalidParameter", "1 to 64"),
        ("createIndexes", {"indexes": [{"key": {"a": 1}}] * 65}, "InvalidParameter", "1 to 64"),
        ("createIndexes", {"indexes": [1]}, "InvalidJSONFieldType", "'indexes[0]'"),
        ("createIndexes", {"indexes": [{}]}, "InvalidParameter", "'indexes[0]'"),
        ("createIndexes", {"indexes": [{"key": {}}]}, "InvalidParameter", "'key'"),
        ("createIndexes", {"indexes": [{"key": "a"}]}, "InvalidJSONFieldType", "'indexes[0].key'"),
        ("createIndexes", {"indexes": [{"key": {"a": {"b": 1}}}]}, "MongoDBError", "a"),
        ("createIndexes", {"indexes": [{"key": {"a": 7.5}}, {"key": {"a": "no"}}]}, "MongoDBError", "no"),
        ("createIndexes", {"indexes": [{"key": {"a": 1}, "uniqe": True}]}, "InvalidParameter", "'uniqe'"),
        ("createIndexes", {"indexes": [{"key": {"a": 1}, "storageEngine": {}}]}, "InvalidParameter", "'storageEngine'"),
        ("createIndexes", {"indexes": [{"key": {"a": 1}, "unique": 1}]}, "InvalidJSONFieldType", "'indexes[0].unique'"),
        (
            "createIndexes",
            {"indexes": [{"key": {"a": 1}, "partialFilterExpression": {"$where": "1"}}]},
            "InvalidParameter",
            "'$where'",
        ),
        ("createIndexes", {"indexes": [{"key": {"a": 1}}], "commitQuorum": 0}, "InvalidParameter", "'commitQuorum'"),
        ("createIndexes", {"indexes": [{"key": {"a": 1}}], "hint": "x"}, "InvalidParameter", "'hint'"),
        ("createIndexes", {"indexes": [{"key": {".".join("a" * 300): 1}}]}, "InvalidParameter", "MAX_PATH_PARTS"),
        ("dropIndexes", {}, "MissingParameter", "'index'"),
        ("dropIndexes", {"index": 1}, "InvalidJSONFieldType", "'index'"),
        ("dropIndexes", {"index": [1]}, "InvalidJSONFieldType", "'index[0]'"),
        ("dropIndexes", {"index": "nowhere"}, "MongoDBError", "IndexNotFound"),
        ("dropIndexes", {"index": "_id_"}, "MongoDBError", "_id"),
        ("dropIndexes", {"index": "a_1", "collection": "nowhere"}, "MongoDBError", "NamespaceNotFound"),
        ("createCollection", {"viewOn": "secrets", "pipeline": []}, "InvalidParameter", "'viewOn'"),
        ("createCollection", {"storageEngine": {}}, "InvalidParameter", "'storageEngine'"),
        ("createCollection", {"encryptedFields": {}}, "InvalidParameter", "'encryptedFields'"),
        ("createCollection", {"validator": {"$where": "1"}}, "InvalidParameter", "'$where'"),
        ("createCollection", {"validator": {"$expr": {"$function": {}}}}, "InvalidParameter", "'$function'"),
        ("createCollection", {"capped": True}, "MongoDBError", "size"),
        ("createCollection", {"capped": "yes"}, "InvalidJSONFieldType", "'capped'"),
        ("createCollection", {"validationAction": "explode"}, "MongoDBError", "explode"),
        ("createCollection", {"collation": {"locale": "nowhere"}}, "MongoDBError", "locale"),
        ("createCollection", {"collection": ""}, "InvalidParameter", ""),
        ("createCollection", {"collection": "x" * 300}, "InvalidParameter", "too long"),
        ("createCollection", {"collection": "a..b"}, "InvalidParameter", ""),
        ("createCollection", {"collection": "a\0b"}, "InvalidParameter", ""),
        ("dropCollection", {"collection": 1}, "InvalidJSONFieldType", "'collection'"),
        ("dropCollection", {"encryptedFields": {}}, "InvalidParameter", "'encryptedFields'"),
    ],
    ids=str,
)
async def test_bad_input_is_refused_and_nothing_is_changed(
    post: Post, database: Any, action: str, members: dict[str, Any], code: str, words: str
) -> None:
    if action != "createCollection":
        await database.items.create_index("a")
    before = await state(database)

    answer = await post(action, **members)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, code), answer.json
    assert words in answer.json["error"]
    assert await state(database) == before


@every
@pytest.mark.parametrize(
    "place",
    [
        {"database": "dozen"},
        {"database": "Dozen", "collection": "api_keys"},
        {"database": "admin"},
        {"database": "config", "collection": "transactions"},
        {"collection": "system.views"},
        {"collection": "a$cmd"},
    ],
    ids=str,
)
async def test_closed_namespaces_are_nobodys_to_administer(post: Post, action: str, place: dict[str, Any]) -> None:
    answer = await post(action, **CALLS[action] | place)

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRuleFound")


@every
@pytest.mark.parametrize(
    "headers",
    [
        {"Idempotency-Key": "k"},
        {"Dozen-Dry-Run": "true"},
        {"Dozen-Max-Affected": "0"},
        {"Prefer": "handling=strict, max-affected=1"},
    ],
    ids=str,
)
async def test_what_no_transaction_can_hold_is_refused_on_terms(
    post: Post, database: Any, action: str, headers: dict[str, str]
) -> None:
    await database.items.create_index("a")
    before = await state(database)

    sent = {"apiKey": post.key, "Content-Type": "application/json", **headers}
    answer = await post.host.request("POST", ACTION + action, sent, request_body(**CALLS[action]))

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert answer.json["error"].startswith(f"{action} cannot be undone")
    assert await state(database) == before


@pytest.mark.parametrize("action", [*CALLS, "listDatabases", "listCollections", "listIndexes", "getSchema", "explain"])
async def test_no_transaction_has_them(post: Post, database: Any, action: str) -> None:
    operations = [{"action": "insertOne", "document": {"_id": 1}}, {"action": action, **CALLS.get(action, {})}]

    answer = await post("transaction", operations=operations)

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert "'action' must be one of" in answer.json["error"]
    assert await database.list_collection_names() == []


@every
async def test_what_may_have_happened_is_told(post: Post, database: Any, fail_point: Any, action: str) -> None:
    await database.items.create_index("a")
    await fail_point(COMMANDS[action], closeConnection=True)

    answer = await post(action, **CALLS[action])

    assert (answer.status, answer.json["error_code"]) == (503, "InternalServerError")
    is_repeatable = action == "createIndexes"
    assert ("retry-after" in answer.headers) is is_repeatable
    assert ("may have happened" in answer.json["error"]) is not is_repeatable


@every
async def test_an_unconfirmed_change_is_told(post: Post, database: Any, fail_point: Any, action: str) -> None:
    if action != "createCollection":
        await database.items.create_index("a")
    await fail_point(COMMANDS[action], writeConcernError={"code": 64, "errmsg": "too few"})

    answer = await post(action, **CALLS[action])

    assert (answer.status, "retry-after" in answer.headers) == (503, False)
    assert "too few" not in answer.json["error"]


@every
async def test_a_change_ends_at_the_deadline(post: Post, database: Any, fail_point: Any, action: str) -> None:
    await database.items.create_index("a")
    await fail_point(COMMANDS[action], errorCode=50)

    answer = await post(action, **CALLS[action])

    assert (answer.status, answer.json["error_code"]) == (504, "ExecutionTimeLimitExceeded")


@every
async def test_a_change_that_mongodb_does_not_end_is_given_up(
    post: Post, database: Any, fail_point: Any, action: str
) -> None:
    await database.items.create_index("a")
    await fail_point(COMMANDS[action], blockConnection=True, blockTimeMS=60_000)
    started = time.monotonic()

    answer = await post(action, maxTimeMS=300, **CALLS[action])

    assert (answer.status, answer.json["error_code"]) == (504, "ExecutionTimeLimitExceeded")
    assert ("may have happened" in answer.json["error"]) is (action != "createIndexes")
    assert time.monotonic() - started < 20


@every
async def test_cached_replies_do_not_outlive_a_change(
    worker: Worker, key: str, configured: pytest.MonkeyPatch, valkey: Valkey, database: Any, action: str
) -> None:
    configured.setenv("CACHED_COLLECTIONS", "shop.items=3600")
    configured.setenv("REDIS_URL", valkey.url)
    configured.setenv("SESSION_SECRET", "a secret of the tests that is long enough")
    post = Post(worker, key)
    await database.items.create_index("a")
    await database.items.insert_one({"_id": 1})
    before = (await post("find")).json
    await database.items.insert_one({"_id": 2})
    assert (await post("find")).json == before
    if action == "createCollection":
        await database.drop_collection("items")

    assert (await post(action, **CALLS[action])).status == 200

    after = [] if "Collection" in action else [{"_id": 1}, {"_id": 2}]
    assert (await post("find")).json == {"documents": after}


async def test_a_collection_that_is_made_anew_may_compare_otherwise(worker: Worker, key: str, database: Any) -> None:
    post = Post(worker, key)
    await post("createCollection", collation={"locale": "en", "strength": 2})
    clients = process.service().clients
    target = clients.collection("mongodb-atlas", "shop", "items")
    before = await clients.options(target)
    await post("dropCollection")
    await post("createCollection")

    after = await clients.options(target)

    assert before is not None
    assert after is not None
    assert (before.is_simple, after.is_simple, after.collation) == (False, True, SIMPLE)


async def test_what_was_asked_before_a_change_is_not_kept(
    worker: Worker, key: str, database: Any, fail_point: Any
) -> None:
    clients = process.service().clients
    target = clients.collection("mongodb-atlas", "shop", "items")
    armed = await fail_point("listCollections", times=2, blockConnection=True, blockTimeMS=300)
    asked = asyncio.gather(clients.options(target), clients.is_collection("mongodb-atlas", "shop", "items"))
    await armed.has_met()
    await Post(worker, key)("createCollection")
    await asked

    await database.drop_collection("items")
    await database.create_collection("other", collation={"locale": "en"})
    await database.create_collection("items", viewOn="other", pipeline=[], collation={"locale": "en"})
    found = await clients.options(target)

    assert found is not None
    assert (found.is_view, found.is_simple) == (True, False)
    assert not await clients.is_collection("mongodb-atlas", "shop", "items")


@every
async def test_a_line_is_logged(
    worker: Worker, key: str, database: Any, caplog: pytest.LogCaptureFixture, action: str
) -> None:
    caplog.set_level("INFO", "dozen")
    if action != "createCollection":
        await database.items.create_index("a")

    await Post(worker, key)(action, **CALLS[action])

    line = [each for each in map(json.loads, caplog.messages) if each["message"] == "request"][-1]
    assert (line["operation"], line["namespace"], line["status"], line["documents"]) == (action, "shop.items", 200, 1)


async def test_many_may_drop_at_once(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1})

    answers = await asyncio.gather(*(post("dropCollection") for _ in range(5)))

    assert [each.status for each in answers] == [200] * 5
    assert sorted(each.json["nIndexesWas"] for each in answers) == [0, 0, 0, 0, 1]
