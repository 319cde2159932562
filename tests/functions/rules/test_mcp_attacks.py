"""Attacks at the door for agents: what rules hide is told by no size, count, error, dry run, cursor or name."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functions.rules.conftest import Known, Person
from tests.functions.rules.test_mcp import THINGS, ann, client, things, to_all

__all__ = ["ann", "to_all"]  # fixtures

LARGE = "x" * 20_000
OTHERS = {**THINGS, "filter": {"owner": "else"}}
UNSET = {"$unset": ["text", "x"]}
SIZES = {"$set": {"all": {"$size": "$all"}, "text": 0}}
SELF = {"from": "things", "as": "all"}

PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "cut by size": ("find", {**THINGS, "sort": {"_id": 1}}),
    "cut by size, backwards": ("find", {**THINGS, "sort": {"n": -1, "_id": -1}}),
    "one large document": ("find", {**THINGS, "limit": 1, "projection": {"text": 0}}),
    "not continued": ("aggregate", {**THINGS, "pipeline": [{"$set": {"x": {"$rand": {}}}}, UNSET], "limit": 3}),
    "numbered": ("aggregate", {**THINGS, "pipeline": [{"$setWindowFields": {
        "sortBy": {"_id": 1}, "output": {"at": {"$documentNumber": {}}}}}, UNSET]}),
    "counted": ("aggregate", {**THINGS, "pipeline": [{"$facet": {"all": [{"$count": "n"}]}}]}),
    "joined": ("aggregate", {**THINGS, "pipeline": [{"$lookup": {**SELF, "pipeline": [UNSET]}}, UNSET]}),
    "joined by a field": ("aggregate", {**THINGS, "pipeline": [
        {"$lookup": {**SELF, "localField": "n", "foreignField": "n"}}, SIZES]}),
    "joined as a graph": ("aggregate", {**THINGS, "pipeline": [{"$graphLookup": {
        **SELF, "startWith": "$n", "connectFromField": "n", "connectToField": "n"}}, SIZES]}),
    "united": ("aggregate", {**THINGS, "pipeline": [{"$unionWith": "things"}, {"$count": "n"}]}),
    "united with others": ("aggregate", {**THINGS, "pipeline": [{"$unionWith": "people"}, {"$count": "n"}]}),
    "sampled": ("aggregate", {**THINGS, "pipeline": [{"$sample": {"size": 90}}, {"$count": "n"}]}),
    "statistics": ("aggregate", {**THINGS, "pipeline": [{"$collStats": {"count": {}}}]}),
    "of indexes": ("aggregate", {**THINGS, "pipeline": [{"$indexStats": {}}]}),
    "plans": ("aggregate", {**THINGS, "pipeline": [{"$planCacheStats": {}}]}),
    "out": ("aggregate", {**THINGS, "pipeline": [{"$out": "copied"}]}),
    "merge": ("aggregate", {**THINGS, "pipeline": [{"$merge": {"into": "copied"}}]}),
    "out inside": ("aggregate", {**THINGS, "pipeline": [{"$facet": {"a": [{"$out": "copied"}]}}]}),
    "script": ("aggregate", {**THINGS, "pipeline": [{"$set": {"x": {"$function": {
        "body": "function() { return 1 }", "args": [], "lang": "js"}}}}]}),
    "explained": ("explain", {**THINGS, "filter": {"owner": "else"}}),
    "explained pipeline": ("explain", {**THINGS, "pipeline": [{"$count": "n"}]}),
    "counted by owner": ("count", OTHERS),
    "schema": ("collection_schema", THINGS),
    "collections": ("list_collections", {}),
    "update one": ("update", {**THINGS, "filter": {"n": 1}, "update": {"$set": {"m": 1}}}),
    "update many": ("update", {**THINGS, "filter": {"n": 1}, "update": {"$set": {"m": 1}}, "maxAffected": 50}),
    "update others": ("update", {**OTHERS, "update": {"$set": {"m": 1}}}),
    "update into a failure": ("update", {**THINGS, "filter": {}, "update": {"$inc": {"text": 1}}, "maxAffected": 50}),
    "delete one": ("delete", {**THINGS, "filter": {"n": 1}}),
    "delete many": ("delete", {**THINGS, "filter": {"n": 1}, "maxAffected": 50}),
    "delete others": ("delete", OTHERS),
    "insert for others": ("insert", {**THINGS, "documents": [{"_id": "x", "owner": "else"}]}),
}  # fmt: skip
"""What an agent may ask to find out what is hidden; writes are dry runs."""


def told(result: dict[str, Any]) -> dict[str, Any]:
    """Return what a result tells; a cursor is sealed, and another each time, but has a length."""
    content = dict(result["structuredContent"])
    content["cursor"] = len(content.get("cursor", ""))
    return content | {"isError": result["isError"]}


async def owned(database: Any, owner: str, start: float, **members: Any) -> None:
    """Give an owner seven documents."""
    await database.things.insert_many([{"_id": start + n, "owner": owner, "n": 1, **members} for n in range(7)])


@pytest.fixture
async def large(ann: Person, database: Any) -> Person:
    """The same user, with seven documents of 20 KB."""
    await database.things.delete_many({})
    await owned(database, ann.id, 0, text=LARGE)
    return ann


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize(
    "text", [pytest.param("x", id="small"), pytest.param("y" * 70_000, id="large", marks=pytest.mark.full)]
)
async def test_no_probe_tells_what_is_hidden(large: Person, database: Any, name: str, text: str) -> None:
    tool, arguments = PROBES[name]
    alone = told(await client(large).tool(tool, **arguments))
    for start in (-10.5, 0.5, 20.5):
        await owned(database, "else", start, secret=[text], text=text)
    before = await things(database)
    among = told(await client(large).tool(tool, **arguments))

    assert among == alone
    assert await things(database) == before
    assert await database.copied.count_documents({}) == 0


async def test_what_follows_a_cut_tells_nothing_either(large: Person, database: Any) -> None:
    cut = (await client(large).tool("find", **THINGS))["structuredContent"]
    alone = told(await client(large).tool("more", cursor=cut["cursor"]))
    await owned(database, "else", 2.5, text="y")
    among = told(await client(large).tool("more", cursor=cut["cursor"]))

    assert len(cut["documents"]) == len(alone["documents"]) == 3
    assert among == alone


SECRET: dict[str, tuple[str, dict[str, Any]]] = {
    "found": ("find", {**THINGS, "filter": {"secret": 7}}),
    "sorted": ("find", {**THINGS, "sort": {"secret": 1}}),
    "projected": ("find", {**THINGS, "projection": {"secret": 1}}),
    "computed": ("find", {**THINGS, "projection": {"a": "$secret"}}),
    "compared": ("count", {**THINGS, "filter": {"$expr": {"$gt": ["$secret", 5]}}}),
    "whole": ("find", THINGS),
    "as an array": ("aggregate", {**THINGS, "pipeline": [{"$project": {"a": {"$objectToArray": "$$ROOT"}}}]}),
    "its size": ("aggregate", {**THINGS, "pipeline": [{"$project": {"a": {"$bsonSize": "$$ROOT"}}}]}),
    "grouped": ("aggregate", {**THINGS, "pipeline": [{"$group": {"_id": "$secret", "n": {"$sum": 1}}}]}),
    "schema": ("collection_schema", THINGS),
    "updated": ("update", {**THINGS, "filter": {"secret": 7}, "update": {"$set": {"a": 2}}, "maxAffected": 9}),
    "copied": ("update", {**THINGS, "filter": {}, "update": {"$rename": {"secret": "a"}}, "maxAffected": 9}),
    "added to": ("update", {**THINGS, "filter": {}, "update": {"$inc": {"secret": 1}}, "maxAffected": 9}),
    "deleted": ("delete", {**THINGS, "filter": {"secret": 7}, "maxAffected": 9}),
    "explained": ("explain", {**THINGS, "filter": {"secret": 7}}),
}


@pytest.mark.parametrize("name", SECRET)
async def test_the_value_of_a_hidden_field_makes_no_difference(
    ann: Person, database: Any, to_all: Callable[..., None], name: str
) -> None:
    to_all(fields={"a": {"read": True, "write": True}, "_id": {"read": True}}, insert=True, delete=True)
    tool, arguments = SECRET[name]
    found = []
    for secret in (7, 8, "a long text that a size would tell", None):
        await database.things.delete_many({})
        await database.things.insert_many([{"_id": n, "a": 1, "secret": secret} for n in range(2)])
        found.append(told(await client(ann).tool(tool, **arguments)))

    assert found == [found[0]] * 4
    assert "secret" not in str(found[0].get("fields", "")) + str(found[0].get("documents", ""))


async def test_a_cursor_shows_no_more_than_the_rules_do_when_it_is_used(
    ann: Person, database: Any, to_all: Callable[..., None]
) -> None:
    first = (await client(ann).tool("find", **THINGS, limit=1))["structuredContent"]
    to_all(fields={"n": {"read": True}, "_id": {"read": True}}, insert=False, delete=False)
    second = (await client(ann).tool("more", cursor=first["cursor"]))["structuredContent"]

    assert [set(each) for each in second["documents"]] == [{"_id", "n"}]


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text + "A", lambda text: "-" + text[1:], str.lower]
)
async def test_a_cursor_that_was_changed_is_none(ann: Person, change: Callable[[str], str]) -> None:
    first = (await client(ann).tool("find", **THINGS, limit=1))["structuredContent"]
    refused = await client(ann).tool("more", cursor=change(first["cursor"]))

    assert (refused["isError"], refused["structuredContent"]["error_code"]) == (True, "InvalidParameter")


async def test_a_cursor_of_a_system_key_is_not_a_users_nor_the_reverse(ann: Person, key: str, database: Any) -> None:
    system = client(ann)._replace(credentials={"apiKey": key})
    all_of_it = (await system.tool("find", **THINGS, limit=1))["structuredContent"]
    own = (await client(ann).tool("find", **THINGS, limit=1))["structuredContent"]
    results = [
        await client(ann).tool("more", cursor=all_of_it["cursor"]), await system.tool("more", cursor=own["cursor"])
    ]  # fmt: skip

    assert [each["structuredContent"]["error_code"] for each in results] == ["InvalidParameter"] * 2


async def test_a_cursor_of_the_data_api_goes_on_here_for_its_caller_alone(ann: Person, known: Known) -> None:
    answer = await ann("find", collection="things", cursor={"batchSize": 1})
    bob = await known(ann.host, "bob@shop.example")
    results = [await client(each).tool("more", cursor=answer.json["cursor"]) for each in (ann, bob)]

    assert [each["isError"] for each in results] == [False, True]


async def test_collections_that_the_rules_do_not_open_are_not_named(ann: Person, database: Any, changed: Any) -> None:
    role = {"name": "r", "apply_when": {}, "insert": False, "delete": False}
    changed("data_sources/mongodb-atlas/default_rule.json", roles=[{**role, "fields": {}}], filters=[])
    changed("data_sources/mongodb-atlas/shop/notes/rules.json", roles=[{**role, "read": True}], filters=[])
    for name in ("notes", "hidden", "things"):
        await database[name].insert_one({"owner": "else"})
    listed = (await client(ann)("tools/list")).json["result"]["tools"][0]["description"]
    named = (await client(ann).tool("list_collections", database="shop"))["structuredContent"]["collections"]

    assert "notes" in str(named)
    assert "hidden" not in str(named) + listed
    assert "things" not in str(named) + listed
