"""Every operator in every place, over the service: for a system key, for a role that allows all, and under rules."""

import mmap
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from local.mongod import find_mongod
from shared.operators import EXPRESSIONS, NAMED_STAGES, QUERIES, STAGES, TABLES, UPDATES, Standing
from tests.conftest import Post, errors_only, restart
from tests.depth import is_full
from tests.functions.rules.conftest import Person
from tests.hosts import Answer

pytestmark = [pytest.mark.parametrize("app_host", ["worker"], indirect=True), pytest.mark.both_hosts]  # never left out

type Caller = Callable[..., Awaitable[Answer]]


def _internal() -> set[bytes]:
    """Return the operators that mongod keeps for itself, as its program names them."""
    with find_mongod().open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program:
        return set(re.findall(rb"\$_internal[a-zA-Z]+(?=\0)", program))


INTERNAL = _internal()
NAMES = sorted(
    {name for table in TABLES for name in table if not name.startswith("$$")}
    | {each.decode() for each in INTERNAL}
    | {"$someday", "$const", "$queue", "$setVariableFromSubPipeline", "$v", "$geoNear", "$orderby", "$eval", "$"}
)


def stages(stage: Any) -> Iterator[tuple[str, Any]]:
    yield "aggregate", {"pipeline": [stage]}
    yield "aggregate", {"pipeline": [{"$match": {}}, stage]}
    yield "aggregate", {"pipeline": [{"$facet": {"x": [stage]}}]}
    yield "aggregate", {"pipeline": [{"$lookup": {"from": "public", "pipeline": [stage], "as": "x"}}]}
    yield "aggregate", {"pipeline": [{"$unionWith": {"coll": "public", "pipeline": [{"$facet": {"x": [stage]}}]}}]}
    yield "updateOne", {"filter": {}, "update": [stage]}


def expressions(expression: Any) -> Iterator[tuple[str, Any]]:
    yield "find", {"projection": {"x": expression}}
    yield "findOne", {"projection": {"x": {"y": expression}}}
    yield "find", {"projection": {"x": {"$ref": "c", "$id": expression}}}
    yield "find", {"filter": {"$or": [{"$expr": {"$eq": [1, expression]}}]}}
    yield "find", {"sort": {"x": expression}}
    yield "aggregate", {"pipeline": [{"$set": {"x": {"$cond": [True, expression, 0]}}}]}
    yield "aggregate", {"pipeline": [{"$group": {"_id": None, "x": expression}}]}
    yield "aggregate", {"pipeline": [{"$setWindowFields": {"sortBy": {"_id": 1}, "output": {"x": expression}}}]}
    yield "updateMany", {"filter": {}, "update": [{"$set": {"x": expression}}]}


def queries(query: Any) -> Iterator[tuple[str, Any]]:
    yield "find", {"filter": query}
    yield "findOne", {"filter": {"$nor": [{"$and": [query]}]}}
    yield "find", {"filter": {"x": query}}
    yield "find", {"filter": {"x": {"$elemMatch": query}}}
    yield "find", {"projection": {"x": {"$elemMatch": {"y": query}}}}
    yield "aggregate", {"pipeline": [{"$match": {"x": {"$not": query}}}]}
    yield "updateOne", {"filter": query, "update": {"$set": {"x": 1}}}
    yield "updateOne", {"filter": {}, "update": {"$set": {"x.$[y]": 1}}, "arrayFilters": [{"y": query}]}
    yield "updateOne", {"filter": {}, "update": {"$pull": {"x": query}}}
    yield "replaceOne", {"filter": query, "replacement": {"x": 1}}
    yield "deleteOne", {"filter": {"x": {"$all": [query]}}}


def updates(update: Any) -> Iterator[tuple[str, Any]]:
    yield "updateOne", {"filter": {}, "update": update}
    yield "updateMany", {"filter": {}, "update": {"$set": {"x": 1}} | update, "upsert": True}


SHAPES: list[tuple[Callable[[Any], Iterator[tuple[str, Any]]], Any]] = [
    (stages, STAGES), (expressions, EXPRESSIONS), (queries, QUERIES), (updates, UPDATES),
]  # fmt: skip


@pytest.fixture
async def callers(
    ann: Person, key: str, database: Any, configured: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, Caller]]:
    """A caller of each standing, who is asked once who that is; MongoDB's profiler sees what arrives."""
    configured.setenv("AUTH_CACHE_SECONDS", "3600")
    restart()
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "title": "mine", "x": [1]})
    await database.public.insert_one({"_id": 1, "x": [1]})

    async def whole(action: str, **members: Any) -> Answer:
        return await ann(action, collection="public", **members)

    async def system(action: str, **members: Any) -> Answer:
        return await Post(ann.host, key)(action, **members)

    async def ruled(action: str, **members: Any) -> Answer:
        return await ann(action, **members)

    yield {"system": system, "whole": whole, "ruled": ruled}
    await database.command("profile", 0)


async def asked(callers: dict[str, Caller], calls: Any) -> list[tuple[Any, Answer]]:
    return [
        ((caller, action, members), await callers[caller](action, **members))
        for action, members in calls
        for caller in callers
    ]


@pytest.mark.parametrize(("shapes", "table"), SHAPES, ids=lambda each: getattr(each, "__name__", ""))
async def test_what_is_closed_or_unknown_reaches_mongodb_from_nobody(
    callers: dict[str, Caller], database: Any, shapes: Any, table: Any
) -> None:
    closed = [name for name in NAMES if name not in table or table[name].open_to >= Standing.NAMED]
    tried = closed if shapes is updates else closed[:: 1 if is_full() else 3]
    elsewhere = {"$elemMatch"} if shapes is expressions else set()  # a projection takes it
    await database.command("profile", 2)

    answers = await asked(callers, [call for name in tried if name not in elsewhere for call in shapes({name: {}})])

    assert len(answers) > 100
    assert [
        (call, answer.status, answer.body)
        for call, answer in answers
        if answer.status != 400 or "is not allowed" not in errors_only(answer)["error"]
    ] == []
    seen = await database["system.profile"].find({"appName": {"$regex": "^dozen/"}}).to_list()
    assert [each["command"] for each in seen] == []


@pytest.mark.long
@pytest.mark.parametrize(("shapes", "table"), SHAPES, ids=lambda each: getattr(each, "__name__", ""))
async def test_what_is_open_shows_nothing_of_the_server_and_writes_nowhere_else(
    callers: dict[str, Caller], database: Any, shapes: Any, table: Any
) -> None:
    tried = sorted(table)[:: 1 if is_full() else 7]

    operands: list[Any] = [{}, "stolen"]
    given = [(name, operands[number % 2]) for number, name in enumerate(tried)]
    answers = await asked(callers, [call for name, each in given for call in shapes({name: each})])

    host = socket.gethostname().encode()
    assert [(call, answer.body) for call, answer in answers if answer.status >= 500 or host in answer.body] == []
    assert set(await database.list_collection_names()) <= {"items", "orders", "public", "system.profile"}


REVEALING = [
    ("find", {"projection": {"r": "$$USER_ROLES"}}, "$$USER_ROLES"),
    ("findOne", {"projection": {"r": {"a": ["$$USER_ROLES.role"]}}}, "$$USER_ROLES"),
    ("find", {"projection": {"r": {"$meta": "recordId"}}}, "$meta"),
    ("find", {"filter": {"$expr": {"$in": ["root", "$$USER_ROLES.role"]}}}, "$$USER_ROLES"),
    ("aggregate", {"pipeline": [{"$set": {"r": {"$meta": "recordId"}}}]}, "$meta"),
    ("aggregate", {"pipeline": [{"$replaceWith": {"r": "$$USER_ROLES"}}]}, "$$USER_ROLES"),
    ("updateOne", {"filter": {}, "update": [{"$set": {"r": "$$USER_ROLES"}}]}, "$$USER_ROLES"),
    ("aggregate", {"pipeline": [{"$collStats": {"latencyStats": {}}}]}, "$collStats"),
]


NAMELESS: dict[str, Any] = {
    "itself": {"": {"$elemMatch": {"x": 1}}},
    "not": {"$or": [{"x": 1}, {"": {"$not": {"$elemMatch": {"x": 1}}}}]},
    "all": {"": {"$all": [{"$elemMatch": {"x": 1}}]}},
}
"""Conditions of which MongoDB 6.0.5 dies, beside another one that has an index."""


@pytest.mark.parametrize("condition", NAMELESS.values(), ids=NAMELESS)
async def test_nobody_kills_mongodb_by_a_field_without_a_name(
    callers: dict[str, Caller], database: Any, condition: Any
) -> None:
    await database.orders.create_index("owner")
    query = {"$and": [condition, {"owner": "x"}]}
    calls = [("find", {"filter": query}), ("aggregate", {"pipeline": [{"$match": query}]})]
    answers = [answer for _, answer in await asked(callers, calls)]

    assert {(each.status, each.json["error_code"]) for each in answers} == {(400, "InvalidParameter")}
    assert {each.json["error"] for each in answers} == {
        "operator '$elemMatch' is not allowed for a field whose name is empty"
    }


@pytest.mark.parametrize("collection", ["orders", "public", "other"])
@pytest.mark.parametrize(("action", "members", "name"), REVEALING, ids=str)
async def test_a_caller_bound_by_rules_learns_nothing_of_the_server(
    ann: Person, database: Any, action: str, members: dict[str, Any], name: str, collection: str
) -> None:
    await database[collection].insert_one({"_id": 1, "owner": ann.id})

    answer = await ann(action, collection=collection, **members)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert f"operator '{name}' is not allowed" in answer.json["error"]


@pytest.mark.parametrize(
    "projection",
    [{"r": {"$meta": "textScore"}}, {"r": {"$meta": "indexKey"}}, {"r": {"$encStrContains": {}}}],
    ids=str,
)
async def test_a_projection_under_rules_takes_listed_expressions_only(
    ann: Person, database: Any, projection: Any
) -> None:
    answer = await ann("find", collection="other", projection=projection)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    assert "for callers that rules apply to" in answer.json["error"]


async def test_a_projection_of_listed_expressions_is_computed_under_rules(ann: Person, database: Any) -> None:
    await database.other.insert_one({"_id": 1, "owner": ann.id, "n": 2})

    answer = await ann("find", collection="other", projection={"_id": 0, "n": {"$add": ["$n", 1]}})

    assert answer.json == {"documents": [{"n": 3}]}


async def test_a_system_key_may_ask_who_the_deployment_is(ann: Person, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await Post(ann.host, key)("find", projection={"_id": 0, "r": {"$meta": "recordId"}})

    assert answer.json == {"documents": [{"r": 1}]}


@pytest.mark.parametrize("names", ["$collStats", " collStats , $indexStats,"])
async def test_a_stage_that_the_deployment_names_is_open_to_system_keys_alone(
    ann: Person, key: str, database: Any, configured: pytest.MonkeyPatch, names: str
) -> None:
    await database.public.insert_one({"_id": 1})
    configured.setenv("GUARD_ALLOWED_STAGES", names)
    restart()
    system = Post(ann.host, key)
    counted = [{"$collStats": {"count": {}}}, {"$project": {"_id": 0, "count": 1}}]

    answer = await system("aggregate", collection="public", pipeline=counted)
    bound = await ann("aggregate", collection="public", pipeline=counted)
    others = [await system("aggregate", pipeline=[{name: {}}]) for name in sorted(NAMED_STAGES)]

    assert answer.json == {"documents": [{"count": 1}]}
    assert (bound.status, errors_only(bound)["error"]) == (400, "operator '$collStats' is not allowed")
    refused = {name for name, each in zip(sorted(NAMED_STAGES), others, strict=True) if b"is not allowed" in each.body}
    assert refused == NAMED_STAGES - {f"${each.strip().removeprefix('$')}" for each in names.split(",")}


async def test_a_stage_that_is_named_still_reaches_no_closed_collection(
    ann: Person, key: str, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("GUARD_ALLOWED_STAGES", "$collStats")
    restart()
    stage = {"$unionWith": {"coll": {"db": "dozen", "coll": "api_keys"}, "pipeline": [{"$collStats": {"count": {}}}]}}

    answer = await Post(ann.host, key)("aggregate", pipeline=[stage])

    assert answer.status == 403
