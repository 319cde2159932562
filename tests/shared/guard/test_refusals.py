"""What no caller may do: refused operators and namespaces, alone and through both hosts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.errors import DataAPIError, InvalidParameterError, NoRuleError
from shared.guard.refusals import Guard
from shared.guard.walk import walked
from shared.operators import TABLES, Place, Standing
from tests.conftest import Post, errors_only

guard = Guard("dozen")
CLOSED = sorted({name for table in TABLES for name, each in table.items() if each.open_to >= Standing.NAMED})
JS = {"body": "function() { return true }", "args": [], "lang": "js"}
FUNCTION = {"$function": JS}
WHERE = {"$where": "true"}


@pytest.fixture
async def watched(database: Any) -> AsyncIterator[Any]:
    """The tests' database under MongoDB's profiler, which sees every command that arrives."""
    await database.items.insert_one({"_id": 1, "a": [1]})
    await database.command("profile", 2)
    yield database
    await database.command("profile", 0)


async def arrived(database: Any) -> int:
    """Return how many of the service's commands reached the database."""
    count: int = await database["system.profile"].count_documents({"appName": {"$regex": "^dozen/"}})
    return count


def pipeline(*stages: dict[str, Any]) -> dict[str, Any]:
    return {"pipeline": list(stages)}


def lookup(**members: Any) -> dict[str, Any]:
    return {"$lookup": {"localField": "a", "foreignField": "a", "as": "x"} | members}


REFUSED_CALLS = [
    pytest.param("find", {"filter": WHERE}, "$where", id="$where"),
    pytest.param("findOne", {"filter": WHERE}, "$where", id="$where in findOne"),
    pytest.param("find", {"filter": {"$and": [{"a": 1}, {"$or": [WHERE]}]}}, "$where", id="$where in $and and $or"),
    pytest.param("find", {"filter": {"$nor": [WHERE]}}, "$where", id="$where in $nor"),
    pytest.param("find", {"filter": {"a": {"$elemMatch": WHERE}}}, "$where", id="$where in $elemMatch"),
    pytest.param("find", {"filter": {"a": {"$not": {"$elemMatch": WHERE}}}}, "$where", id="$where in $not"),
    pytest.param("find", {"filter": {"$where": {"$code": "true"}}}, "$where", id="$where with a Code"),
    pytest.param("find", {"filter": {"$expr": FUNCTION}}, "$function", id="$function in $expr"),
    pytest.param(
        "find", {"filter": {"$expr": {"$and": [{"$eq": [FUNCTION, 1]}]}}}, "$function", id="$function deep in $expr"
    ),
    pytest.param("find", {"projection": {"x": FUNCTION}}, "$function", id="$function in a projection"),
    pytest.param("findOne", {"projection": {"x": {"y": FUNCTION}}}, "$function", id="$function in a nested projection"),
    pytest.param("find", {"projection": {"a": {"$elemMatch": WHERE}}}, "$where", id="$where in a projection"),
    pytest.param("find", {"sort": {"a": FUNCTION}}, "$function", id="$function in a sort"),
    pytest.param("find", {"filter": {"$query": {}, "find": "orders"}}, "$query", id="PyMongo's $query"),
    pytest.param("findOne", {"filter": {"$query": {}, "find": "system.views"}}, "$query", id="$query in findOne"),
    pytest.param("find", {"filter": {"find": "orders", "$query": {}}, "sort": {"a": 1}}, "$query", id="$query, sorted"),
    pytest.param("updateOne", {"filter": WHERE, "update": {"$set": {"b": 1}}}, "$where", id="$where in updateOne"),
    pytest.param("updateMany", {"filter": WHERE, "update": {"$set": {"b": 1}}}, "$where", id="$where in updateMany"),
    pytest.param("replaceOne", {"filter": WHERE, "replacement": {}}, "$where", id="$where in replaceOne"),
    pytest.param("deleteOne", {"filter": WHERE}, "$where", id="$where in deleteOne"),
    pytest.param("deleteMany", {"filter": {"$expr": FUNCTION}}, "$function", id="$function in deleteMany"),
    pytest.param(
        "updateOne", {"filter": {}, "update": [{"$set": {"b": FUNCTION}}]}, "$function", id="$function in an update"
    ),
    pytest.param(
        "updateMany",
        {"filter": {}, "update": [{"$set": {"b": {"$cond": [True, {"$map": {"in": FUNCTION}}, 0]}}}]},
        "$function",
        id="$function deep in a pipeline update",
    ),
    pytest.param(
        "updateOne",
        {"filter": {}, "update": {"$set": {"a.$[x]": 1}}, "arrayFilters": [{"$where": "true"}]},
        "$where",
        id="$where in arrayFilters",
    ),
    pytest.param(
        "updateOne",
        {"filter": {}, "update": {"$set": {"a.$[x]": 1}}, "arrayFilters": [{"$expr": FUNCTION}]},
        "$function",
        id="$function in arrayFilters",
    ),
    pytest.param("updateOne", {"filter": {}, "update": {"$pull": {"a": WHERE}}}, "$where", id="$where in $pull"),
    pytest.param("aggregate", pipeline({"$out": "stolen"}), "$out", id="$out"),
    pytest.param("aggregate", pipeline({"$out": {"db": "shop", "coll": "stolen"}}), "$out", id="$out with a database"),
    pytest.param("aggregate", pipeline({"$match": {}}, {"$merge": {"into": "stolen"}}), "$merge", id="$merge"),
    pytest.param("aggregate", pipeline({"$match": WHERE}), "$where", id="$where in $match"),
    pytest.param("aggregate", pipeline({"$project": {"x": FUNCTION}}), "$function", id="$function in $project"),
    pytest.param(
        "aggregate",
        pipeline({"$group": {"_id": 1, "x": {"$accumulator": {"init": "function() {}"}}}}),
        "$accumulator",
        id="$accumulator",
    ),
    pytest.param(
        "aggregate", pipeline({"$facet": {"f": [{"$match": {"$expr": FUNCTION}}]}}), "$function", id="js in $facet"
    ),
    pytest.param(
        "aggregate", pipeline({"$facet": {"f": [{"$out": "stolen"}]}}), "$out", id="$out in $facet"
    ),
    pytest.param(
        "aggregate",
        pipeline(lookup(**{"from": "items", "pipeline": [{"$match": {"$expr": FUNCTION}}]})),
        "$function",
        id="$function in $lookup",
    ),
    pytest.param(
        "aggregate",
        pipeline({"$unionWith": {"coll": "items", "pipeline": [{"$unionWith": {"pipeline": [{"$match": WHERE}]}}]}}),
        "$where",
        id="$where in $unionWith in $unionWith",
    ),
    pytest.param(
        "aggregate",
        pipeline({"$graphLookup": {"from": "items", "restrictSearchWithMatch": {"$expr": FUNCTION}}}),
        "$function",
        id="$function in $graphLookup",
    ),
    pytest.param(
        "aggregate", pipeline({"$_internalInhibitOptimization": {}}), "$_internalInhibitOptimization", id="$_internal"
    ),
    pytest.param(
        "aggregate",
        pipeline({"$project": {"x": {"$_internalJsEmit": {"this": "$$ROOT", "eval": "function() {}"}}}}),
        "$_internalJsEmit",
        id="$_internalJsEmit",
    ),
    pytest.param("aggregate", pipeline({"$indexStats": {}}), "$indexStats", id="$indexStats"),
    pytest.param("aggregate", pipeline({"$planCacheStats": {}}), "$planCacheStats", id="$planCacheStats"),
    pytest.param("aggregate", pipeline({"$changeStream": {}}), "$changeStream", id="$changeStream"),
    pytest.param("aggregate", pipeline({"$currentOp": {"allUsers": True}}), "$currentOp", id="$currentOp"),
    pytest.param("aggregate", pipeline({"$listSessions": {}}), "$listSessions", id="$listSessions"),
    pytest.param("aggregate", pipeline({"$listLocalSessions": {}}), "$listLocalSessions", id="$listLocalSessions"),
    pytest.param(
        "aggregate", pipeline({"$mergeCursors": {"remotes": []}}), "$mergeCursors", id="$mergeCursors"
    ),
    pytest.param(
        "aggregate",
        pipeline({"$listCachedAndActiveUsers": {}}),
        "$listCachedAndActiveUsers",
        id="$listCachedAndActiveUsers",
    ),
    pytest.param(
        "aggregate",
        pipeline({"$facet": {"f": [lookup(pipeline=[{"$listCachedAndActiveUsers": {}}])]}}),
        "$listCachedAndActiveUsers",
        id="$listCachedAndActiveUsers in $lookup in $facet",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("action", "members", "operator"), REFUSED_CALLS)
async def test_a_refused_operator_is_named_and_nothing_runs(
    post: Post, watched: Any, action: str, members: dict[str, Any], operator: str
) -> None:
    answer = await post(action, **members)

    assert answer.status == 400
    assert errors_only(answer) == {
        "error": f"operator '{operator}' is not allowed", "error_code": "InvalidParameter",
    }  # fmt: skip
    assert await arrived(watched) == 0
    assert "stolen" not in await watched.list_collection_names()


async def test_the_profiler_sees_what_is_allowed(post: Post, watched: Any) -> None:
    await post("find", filter={"a": 1})

    assert await arrived(watched) == 1


@pytest.mark.parametrize("operator", CLOSED)
@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda stage: [stage], id="stage"),
        pytest.param(lambda stage: [{"$facet": {"f": [{"$match": {}}, stage]}}], id="$facet"),
        pytest.param(lambda stage: [lookup(**{"from": "items", "pipeline": [stage]})], id="$lookup"),
        pytest.param(lambda stage: [[[[{"a": {"b": [stage]}}]]]], id="anywhere"),
        pytest.param(lambda stage: [{"$match": {"a": {"$in": [{"b": stage}]}}}], id="data"),
        pytest.param(lambda stage: [{"$project": {"a": {"$literal": stage}}}], id="$literal"),
    ],
)
def test_every_closed_operator_is_found_at_every_depth(operator: str, place: Any) -> None:
    with pytest.raises(InvalidParameterError, match=f"^operator '\\{operator}' is not allowed$"):
        guard.operators(walked([(Place.PIPELINE, place({operator: {}}))]), "shop", is_system=True)


FOREIGN = [
    pytest.param(lookup(**{"from": "system.views"}), "shop.system.views", id="$lookup in system.views"),
    pytest.param(lookup(**{"from": {"db": "admin", "coll": "x"}}), "admin.x", id="$lookup in another database"),
    pytest.param(lookup(**{"from": {"db": "DOZEN", "coll": "api_keys"}}), "DOZEN.api_keys", id="$lookup in DOZEN"),
    pytest.param(lookup(**{"db": "config", "from": "y"}), "config.y", id="$lookup with a db beside from"),
    pytest.param({"$unionWith": "system.profile"}, "shop.system.profile", id="$unionWith as text"),
    pytest.param({"$unionWith": {"coll": "system.js"}}, "shop.system.js", id="$unionWith as a document"),
    pytest.param({"$unionWith": {"db": "local", "coll": "oplog.rs"}}, "local.oplog.rs", id="$unionWith with a db"),
    pytest.param(
        {"$unionWith": {"coll": {"db": "dozen", "coll": "api_keys"}}}, "dozen.api_keys", id="$unionWith of two names"
    ),
    pytest.param({"$graphLookup": {"from": "system.buckets.x"}}, "shop.system.buckets.x", id="$graphLookup"),
    pytest.param(
        {"$graphLookup": {"from": {"db": "dozen", "coll": "api_keys"}}}, "dozen.api_keys", id="$graphLookup with a db"
    ),
    pytest.param(
        {"$facet": {"f": [lookup(**{"from": {"db": "dozen", "coll": "api_keys"}})]}}, "dozen.api_keys", id="in $facet"
    ),
    pytest.param(
        {"$unionWith": {"coll": "items", "pipeline": [{"$unionWith": "system.views"}]}},
        "shop.system.views",
        id="in $unionWith",
    ),
    pytest.param(
        lookup(**{"from": "items", "pipeline": [lookup(**{"from": "system.js"})]}), "shop.system.js", id="in $lookup"
    ),
    pytest.param(lookup(**{"from": "$cmd"}), "shop.$cmd", id="$lookup in $cmd"),
    pytest.param(lookup(**{"from": "$cmd.aggregate"}), "shop.$cmd.aggregate", id="$lookup in $cmd.aggregate"),
    pytest.param(
        lookup(**{"from": {"db": "$external", "coll": "x"}}), "$external.x", id="$lookup in a database with a $"
    ),
    pytest.param({"$unionWith": "$cmd.aggregate"}, "shop.$cmd.aggregate", id="$unionWith of $cmd.aggregate"),
    pytest.param({"$unionWith": {"coll": "oplog.$main"}}, "shop.oplog.$main", id="$unionWith of oplog.$main"),
    pytest.param({"$unionWith": {"db": "$external", "coll": "x"}}, "$external.x", id="$unionWith of $external"),
    pytest.param({"$graphLookup": {"from": "$cmd"}}, "shop.$cmd", id="$graphLookup in $cmd"),
    pytest.param({"$facet": {"f": [lookup(**{"from": "a$"})]}}, "shop.a$", id="a $ at the end, in $facet"),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "namespace"), FOREIGN)
async def test_a_stage_may_not_reach_a_refused_namespace(
    post: Post, watched: Any, stage: dict[str, Any], namespace: str
) -> None:
    answer = await post("aggregate", pipeline=[{"$match": {}}, stage])

    assert answer.status == 403
    assert errors_only(answer) == {
        "error": f"no rule exists for namespace '{namespace}'", "error_code": "NoMatchingRuleFound",
    }  # fmt: skip
    assert await arrived(watched) == 0


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(lookup(**{"from": "items"}), id="$lookup"),
        pytest.param(lookup(pipeline=[{"$documents": []}]), id="$lookup without from"),
        pytest.param({"$unionWith": "items"}, id="$unionWith"),
        pytest.param({"$unionWith": {"coll": "my.system.x"}}, id="system inside a name"),
        pytest.param({"$project": {"admin": "$local", "system.views": 1}}, id="fields of such names"),
        pytest.param({"$match": {"db": "admin", "coll": "system.views"}}, id="values of such names"),
    ],
)
def test_an_allowed_stage_passes(stage: dict[str, Any]) -> None:
    guard.operators(walked([(Place.PIPELINE, [stage])]), "shop", is_system=True)


CALLS = [
    pytest.param("findOne", {}, id="findOne"),
    pytest.param("find", {}, id="find"),
    pytest.param("insertOne", {"document": {"planted": 1}}, id="insertOne"),
    pytest.param("insertMany", {"documents": [{"planted": 1}]}, id="insertMany"),
    pytest.param("updateOne", {"filter": {}, "update": {"$set": {"planted": 1}}, "upsert": True}, id="updateOne"),
    pytest.param("updateMany", {"filter": {}, "update": {"$set": {"planted": 1}}, "upsert": True}, id="updateMany"),
    pytest.param("replaceOne", {"filter": {}, "replacement": {"planted": 1}, "upsert": True}, id="replaceOne"),
    pytest.param("deleteOne", {"filter": {}}, id="deleteOne"),
    pytest.param("deleteMany", {"filter": {}}, id="deleteMany"),
    pytest.param("aggregate", {"pipeline": []}, id="aggregate"),
]


@pytest.mark.parametrize(("action", "members"), CALLS)
@pytest.mark.parametrize(
    "namespace",
    [
        pytest.param("admin.system.users", id="admin"),
        pytest.param("local.oplog.rs", id="local"),
        pytest.param("config.settings", id="config"),
        pytest.param("dozen.api_keys", id="control database"),
        pytest.param("Dozen.api_keys", id="control database in another case"),
        pytest.param("ADMIN.x", id="admin in another case"),
        pytest.param("shop.system.views", id="system.views"),
        pytest.param("shop.system.profile", id="system.profile"),
        pytest.param("shop.system.", id="any system collection"),
        pytest.param("shop.$cmd", id="$cmd"),
        pytest.param("shop.$cmd.aggregate", id="$cmd.aggregate"),
        pytest.param("shop.oplog.$main", id="oplog.$main"),
        pytest.param("$external.x", id="$external"),
        pytest.param("shop.a$", id="a $ at the end"),
    ],
)
async def test_a_refused_namespace_is_refused_to_every_action(
    worker: Any, key: str, driver: Any, action: str, members: dict[str, Any], namespace: str
) -> None:
    database, _, collection = namespace.partition(".")
    keys = await driver.dozen.api_keys.find().to_list()

    answer = await Post(worker, key)(action, database=database, collection=collection, **members)

    assert answer.status == 403
    assert errors_only(answer) == {
        "error": f"no rule exists for namespace '{namespace}'", "error_code": "NoMatchingRuleFound",
    }  # fmt: skip
    assert await driver.dozen.api_keys.find().to_list() == keys


@pytest.mark.parametrize(("action", "members"), CALLS)
async def test_no_action_reaches_the_keys_through_the_server_either(
    server: Any, key: str, action: str, members: dict[str, Any]
) -> None:
    answer = await Post(server, key)(action, database="dozen", collection="api_keys", **members)

    assert answer.status == 403


@pytest.mark.parametrize(("action", "members"), CALLS)
async def test_no_action_reaches_a_command_through_the_server_either(
    server: Any, key: str, action: str, members: dict[str, Any]
) -> None:
    answer = await Post(server, key)(action, collection="$cmd", **members)

    assert answer.status == 403
    assert errors_only(answer)["error_code"] == "NoMatchingRuleFound"


def test_the_control_database_is_the_deployments() -> None:
    elsewhere = Guard("Control")

    elsewhere.namespace("dozen", "api_keys")
    with pytest.raises(NoRuleError, match="control"):
        elsewhere.namespace("control", "api_keys")


NASTY = {
    "$where": "true", "$function": {"body": "x"}, "x": [{"$out": "y"}, {"$_internal": 1}],
    "$lookup": {"from": {"db": "admin", "coll": "system.users"}}, "$query": {}, "find": "system.views",
}  # fmt: skip


async def test_data_that_looks_like_operators_is_stored_untouched(post: Post, database: Any) -> None:
    inserted = await post("insertOne", document={"_id": 1, "text": "$where", "deep": NASTY})
    several = await post("insertMany", documents=[{"_id": 2, "deep": NASTY}])
    set_ = await post("updateOne", filter={"_id": 3}, update={"$set": {"deep": NASTY}}, upsert=True)
    pushed = await post("updateMany", filter={"_id": 4}, update={"$push": {"deep": NASTY}}, upsert=True)
    replaced = await post("replaceOne", filter={"_id": 2}, replacement={"deep": [NASTY]})

    statuses = [answer.status for answer in (inserted, several, set_, pushed, replaced)]
    assert statuses == [201, 201, 200, 200, 200]
    assert await database.items.find(sort={"_id": 1}).to_list() == [
        {"_id": 1, "text": "$where", "deep": NASTY},
        {"_id": 2, "deep": [NASTY]},
        {"_id": 3, "deep": NASTY},
        {"_id": 4, "deep": [NASTY]},
    ]


def test_refusals_are_the_callers_errors() -> None:
    assert issubclass(InvalidParameterError, DataAPIError)
    assert issubclass(NoRuleError, DataAPIError)
