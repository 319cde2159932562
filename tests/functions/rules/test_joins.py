"""Joins of collections of which rules hide a part: they show what find shows of them."""

from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import Person

CLOSED = "a stage reads another collection that rules do not open to you, or not by what a stage can say"


@pytest.fixture
async def stored(ann: Person, database: Any) -> Any:
    """Documents of an open collection, of one of which Ann sees her own, and of one that hides a field."""
    await database.public.insert_many([{"_id": 1, "key": "a"}, {"_id": 2, "key": "b"}])
    await database.other.insert_many([
        {"_id": 1, "owner": ann.id, "key": "a", "text": "5"}, {"_id": 2, "owner": "bob", "key": "a", "text": "HIDDEN"},
        {"_id": 3, "owner": ann.id, "key": "b", "text": "7", "parent": 1}, {"_id": 4, "owner": "bob", "parent": 1},
    ])  # fmt: skip
    return database


SHOWN = [1, 3]


def ids(documents: Any) -> list[Any]:
    return sorted(each["_id"] for each in documents)


@pytest.mark.parametrize("local", ["public", "tickets"])
async def test_a_join_shows_what_find_shows(ann: Person, stored: Any, local: str) -> None:
    await stored.tickets.insert_many([{"_id": 1, "key": "a", "members": [ann.id]}, {"_id": 9, "members": []}])

    async def joined(*stages: Any) -> Any:
        answer = await ann("aggregate", collection=local, pipeline=[{"$match": {"_id": 1}}, *stages])
        assert answer.status == 200, answer.body
        return answer.json["documents"]

    by_key = {"from": "other", "localField": "key", "foreignField": "key", "as": "x"}
    other_key = [{"$match": {"$expr": {"$ne": ["$key", "$$key"]}}}]
    fails_on_hidden = [{"$match": {"$expr": {"$gt": [{"$toInt": "$text"}, 5]}}}]
    of_all = {"from": "other", "pipeline": [], "as": "x"}
    nested = {"from": "public", "pipeline": [{"$match": {"_id": 2}}, {"$lookup": of_all}], "as": "y"}
    nobody = {"$match": {"_id": 0}}

    assert ids((await joined({"$lookup": by_key}))[0]["x"]) == [1]
    assert ids((await joined({"$lookup": by_key | {"pipeline": [{"$project": {"_id": 1}}]}}))[0]["x"]) == [1]
    assert ids((await joined({"$lookup": of_all}))[0]["x"]) == SHOWN
    assert ids((await joined({"$lookup": of_all | {"let": {"key": "$key"}, "pipeline": other_key}}))[0]["x"]) == [3]
    assert ids((await joined({"$lookup": of_all | {"pipeline": fails_on_hidden}}))[0]["x"]) == [3]
    assert ids(await joined(nobody, {"$unionWith": "other"})) == SHOWN
    assert ids(await joined(nobody, {"$unionWith": {"coll": "other", "pipeline": [{"$skip": 0}]}})) == SHOWN
    assert ids((await joined({"$facet": {"f": [{"$unionWith": "other"}]}}))[0]["f"]) == sorted([1, *SHOWN])
    assert ids((await joined({"$lookup": nested}))[0]["y"][0]["x"]) == SHOWN


async def test_a_graph_is_searched_among_what_is_visible(ann: Person, stored: Any) -> None:
    graph = {"from": "other", "startWith": 1, "connectFromField": "_id", "connectToField": "parent", "as": "x"}

    async def found(**more: Any) -> Any:
        return await ann("aggregate", collection="public", pipeline=[{"$limit": 1}, {"$graphLookup": graph | more}])

    assert ids((await found()).json["documents"][0]["x"]) == [3]
    assert ids((await found(restrictSearchWithMatch={"text": "8"})).json["documents"][0]["x"]) == []
    assert (await found(restrictSearchWithMatch={"$expr": {"$eq": [{"$toInt": "$text"}, 7]}})).status == 400
    assert errors_only(await found(**{"from": "notes"})) == {"error": CLOSED, "error_code": "NoMatchingRoleFound"}


async def test_a_joined_document_is_cut_by_a_filter(ann: Person, stored: Any) -> None:
    await stored.notes.insert_many([{"_id": 1, "team": None, "internal": "HIDDEN"}, {"_id": 2, "team": "blue"}])

    answer = await ann("aggregate", collection="public", pipeline=[{"$unionWith": "notes"}])
    by_hidden = {"from": "notes", "localField": "key", "foreignField": "internal", "as": "x"}
    asked = await ann("aggregate", collection="public", pipeline=[{"$lookup": by_hidden}])

    assert b"HIDDEN" not in answer.body
    assert (asked.status, b"internal" in asked.body) == (403, True)


async def test_a_join_that_stages_cannot_bind_is_refused(ann: Person, stored: Any) -> None:
    for stage in ({"$unionWith": "orders"}, {"$lookup": {"from": "orders", "pipeline": [], "as": "x"}}):
        answer = await ann("aggregate", collection="public", pipeline=[stage])
        assert (answer.status, errors_only(answer)["error"]) == (403, CLOSED)


@pytest.mark.parametrize(("local", "foreign"), [("public", "folded"), ("folded", "other")])
async def test_a_join_under_a_collation_is_refused(ann: Person, database: Any, local: str, foreign: str) -> None:
    await database.create_collection("folded", collation={"locale": "en", "strength": 2})
    await database[foreign].insert_one({"_id": 1, "owner": ann.id.upper(), "text": "HIDDEN"})
    await database[local].insert_one({"_id": 2, "owner": ann.id})

    answer = await ann("aggregate", collection=local, pipeline=[{"$unionWith": foreign}])

    assert (answer.status, b"HIDDEN" in answer.body) == (403, False)


@pytest.mark.parametrize("stage", [{"$text": {"$search": "x"}}, {"$where": "1"}])
async def test_operators_that_rules_close_are_closed_inside_a_join(ann: Person, stored: Any, stage: Any) -> None:
    lookup = {"from": "other", "pipeline": [{"$match": stage}], "as": "x"}

    answer = await ann("aggregate", collection="public", pipeline=[{"$lookup": lookup}])

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    "stage",
    [
        {"$lookup": "other"}, {"$lookup": 5}, {"$lookup": ["other"]}, {"$graphLookup": "other"}, {"$graphLookup": None},
        {"$lookup": {"from": "other", "pipeline": "x", "as": "x"}}, {"$unionWith": 5}, {"$unionWith": {"coll": 5}},
        {"$lookup": {"from": "other", "pipeline": None, "as": "x"}}, {"$unionWith": {"coll": "other", "pipeline": {}}},
        {"$lookup": {"from": "other", "pipeline": ["x"], "as": "x"}}, {"$facet": {"a": ["x"]}}, {"$facet": {"a": 5}},
        {"$lookup": {"from": "other", "pipeline": [[{"$match": {}}]], "as": "x"}}, {"$facet": []},
        {"$lookup": {"from": "other", "localField": 5, "foreignField": {"a": 1}, "as": "x"}}, {},
        {"$graphLookup": {"from": "other", "startWith": 1, "connectFromField": "a", "connectToField": "b", "as": "x",
                          "restrictSearchWithMatch": 5}},
        {"$match": {}, "$lookup": {"from": "other", "pipeline": [], "as": "x"}},
        {"$lookup": {"from": "other", "pipeline": [{}], "as": "x"}},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("local", ["public", "other", "orders"])
async def test_a_malformed_join_is_refused(ann: Person, stored: Any, stage: Any, local: str) -> None:
    answer = await ann("aggregate", collection=local, pipeline=[stage])

    assert answer.status in {400, 403}
    assert b"HIDDEN" not in answer.body
