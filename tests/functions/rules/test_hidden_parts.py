"""What rules hide inside documents and collections, asked for over HTTP in the ways that once told of it."""

from typing import Any

import pytest

from tests.functions.rules.conftest import Known, Person
from tests.hosts import Worker

RULES = "data_sources/mongodb-atlas/shop/notes/rules.json"
NOTES = {"collection": "notes"}
ALL = {"read": True, "write": True}
HIDING: dict[str, Any] = {
    "roles": [{"name": "r", "apply_when": {}, **ALL}],
    "filters": [{"name": "f", "apply_when": {}, "projection": {"_id.secret": 0, "a.secret": 0, "ref.secret": 0}}],
}
STORED: dict[str, Any] = {
    "_id": {"n": 1, "secret": 7777},
    "a": [{"x": 1, "secret": 7777}],
    "ref": {"$ref": "c", "$id": 1, "secret": 7777},
}
SHOWN = {"_id": {"n": 1}, "a": [{"x": 1}], "ref": {"$ref": "c", "$id": 1}}


@pytest.fixture
async def ann(changed: Any, worker: Worker, known: Known) -> Person:
    """A user of an app whose notes have members that a filter hides."""
    changed(RULES, **HIDING)
    return await known(worker, "ann@shop.example")


@pytest.mark.parametrize(
    ("apply_when", "collation"),
    [
        ({"%%root.owner": "%%root.holder"}, None),
        ({"%%prevRoot.owner": "%%user.id"}, None),
        ({"deleted": None}, None),
        ({"owner": "%%user.id"}, {"locale": "en", "strength": 2}),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "expression",
    [
        {"$toInt": "$text"},
        {"$cond": [{"$eq": ["$_id", 2]}, {"$toInt": "$text"}, 5]},
        {"$reduce": {"input": {"$objectToArray": "$$ROOT"}, "initialValue": 0, "in": {"$toInt": "$text"}}},
    ],
    ids=str,
)
async def test_an_expression_tells_nothing_of_an_invisible_document(
    ann: Person, changed: Any, database: Any, apply_when: Any, collation: Any, expression: Any
) -> None:
    changed(RULES, roles=[{"name": "r", "apply_when": apply_when, **ALL}], filters=[])
    await database.create_collection("notes", **({"collation": collation} if collation else {}))
    mine = {"_id": 1, "owner": ann.id, "holder": ann.id, "deleted": None, "text": "5"}
    await database.notes.insert_many([mine, {"_id": 2, "owner": ann.id.upper(), "text": "BOBS HIDDEN VALUE"}])

    projected = await ann("find", projection={"x": expression}, **NOTES)
    matched = await ann("find", filter={"$expr": {"$gte": [expression, 5]}}, projection={"x": {"$add": [5]}}, **NOTES)
    piped = await ann("aggregate", pipeline=[{"$project": {"x": expression}}], **NOTES)

    assert [each.json for each in (projected, matched, piped)] == [{"documents": [{"_id": 1, "x": 5}]}] * 3


async def test_a_member_that_a_filter_hides_is_shown_by_no_action_and_in_no_form(ann: Person, database: Any) -> None:
    await database.notes.insert_one(STORED)

    for accept in ("application/json", "application/ejson"):
        found = await ann("find", accept=accept, **NOTES)
        one = await ann("findOne", accept=accept, projection={"_id": 1, "a": 1, "ref": 1}, **NOTES)
        piped = await ann("aggregate", pipeline=[], accept=accept, **NOTES)
        assert found.json == piped.json == {"documents": [one.json["document"]]}
        assert b"7777" not in found.body
        assert accept != "application/json" or found.json == {"documents": [SHOWN]}


@pytest.mark.parametrize("path", ["a.secret", "a.0.secret", "_id.secret", "ref.secret"])
async def test_a_member_that_a_filter_hides_answers_no_question(ann: Person, database: Any, path: str) -> None:
    await database.notes.insert_one(STORED)

    asked = [await ann("find", filter={path: {"$gt": bound}}, **NOTES) for bound in (0, 9999)]
    ordered = await ann("find", sort={path: 1}, **NOTES)
    computed = [await ann("find", filter={"$expr": {"$gt": [f"${path}", bound]}}, **NOTES) for bound in (0, 9999)]

    assert [(each.status, path in each.json["error"]) for each in (*asked, ordered)] == [(403, True)] * 3
    assert asked[0].body == asked[1].body
    assert computed[0].body == computed[1].body


@pytest.mark.parametrize("path", ["a.0.secret", "a.$[].secret", "a.$[e].secret", "ref.secret"])
@pytest.mark.parametrize("operator", ["$max", "$min", "$inc", "$set", "$unset"])
async def test_a_member_that_a_filter_hides_is_not_written(
    ann: Person, database: Any, operator: str, path: str
) -> None:
    await database.notes.insert_one(STORED)
    before = await database.notes.find_one()
    more: Any = {"arrayFilters": [{"e.x": 1}]} if "$[e]" in path else {}

    answers = [
        await ann("updateOne", filter={}, update={operator: {path: value}}, **more, **NOTES) for value in (1, 9999)
    ]

    assert [each.status for each in answers] == [400, 400]
    assert answers[0].body == answers[1].body
    assert await database.notes.find_one() == before


@pytest.mark.parametrize(
    "members", [{}, {"limit": 5}, {"limit": 3, "skip": 1}, {"projection": {"n": {"$add": ["$n", 0]}}}]
)
@pytest.mark.parametrize(
    ("apply_when", "collation"),
    [
        ({"deleted": {"$ne": True}}, None),
        ({"%%prevRoot.deleted": {"%ne": True}}, None),
        ({"kind": "open"}, {"locale": "en", "strength": 2}),
    ],
    ids=str,
)
async def test_what_a_sort_finds_equal_stands_in_an_order_that_tells_nothing_of_an_invisible_document(
    ann: Person, changed: Any, database: Any, apply_when: Any, collation: Any, members: Any
) -> None:
    changed(RULES, roles=[{"name": "r", "apply_when": apply_when, **ALL}], filters=[])
    bodies = []
    for hidden in ({"a": 1}, {"a": [], "b": {"in": []}}, {"a": [{"in": [1]}, {"in": [2]}], "b": {"in": [1, 2]}}):
        await database.drop_collection("notes")
        await database.create_collection("notes", **({"collation": collation} if collation else {}))
        visible = [{"_id": number, "n": number, "kind": "open"} for number in (1, 3, 4, 5, 6)]
        stored = [visible[0], {"_id": 2, "kind": "OPEN", "deleted": True} | hidden, *visible[1:]]
        await database.notes.insert_many(stored)
        found = await ann("find", sort={"a.1.in.0": 1, "b.in.2": -1}, **members, **NOTES)
        bodies.append((found.status, found.body))

    assert bodies[0][0] == 200
    assert bodies == [bodies[0]] * 3


async def test_without_a_sort_an_index_may_tell_an_order(ann: Person, changed: Any, database: Any) -> None:
    changed(
        RULES, roles=[{"name": "r", "apply_when": {}, "fields": {"n": {"read": True}, "k": {"read": True}}}], filters=[]
    )
    await database.notes.insert_many([{"k": 1, "n": n, "secret": 9 - n} for n in (1, 2, 3)])
    await database.notes.create_index([("k", 1), ("secret", 1)])

    unsorted = await ann("find", filter={"k": 1}, projection={"n": 1}, **NOTES)
    ordered = await ann("find", filter={"k": 1}, projection={"n": 1}, sort={"n": 1}, **NOTES)

    assert [each["n"] for each in unsorted.json["documents"]] == [3, 2, 1]  # the order of what is hidden
    assert [each["n"] for each in ordered.json["documents"]] == [1, 2, 3]


async def test_who_may_write_finds_out_that_something_is_hidden_and_not_what(
    ann: Person, changed: Any, database: Any
) -> None:
    writable = {"_id": {"write": True}, "lines": {"fields": {"sku": {"write": True}}}}
    changed(RULES, roles=[{"name": "r", "apply_when": {}, "fields": writable}], filters=[])
    push = {"filter": {}, "update": {"$push": {"lines": {"sku": "B"}}}}
    calls: Any = [("updateOne", push), ("replaceOne", {"filter": {}, "replacement": {}}), ("deleteOne", {"filter": {}})]
    outcomes = []
    for hidden in ({}, {"cost": 1}, {"cost": 9999}):
        for action, members in calls:
            await database.notes.delete_many({})
            await database.notes.insert_one({"_id": 1, "lines": [{"sku": "A", **hidden}]})
            outcomes.append((await ann(action, **members, **NOTES)).body)

    assert [b"not permitted" in each for each in outcomes] == [False] * 3 + [True] * 6
    assert outcomes[3:6] == outcomes[6:]


@pytest.mark.parametrize("hidden", [3, "text", None, [3], [{"x": 1}, 3]], ids=repr)
async def test_a_write_through_what_a_filter_hides_is_denied(
    ann: Person, changed: Any, database: Any, hidden: Any
) -> None:
    role = {"name": "r", "apply_when": {}, **ALL}
    changed(RULES, roles=[role], filters=[{"name": "f", "apply_when": {}, "projection": {"b.x": 1}}])
    await database.notes.delete_many({})
    await database.notes.insert_one({"_id": 1, "b": hidden})

    for action in ("updateOne", "updateMany"):
        reply = await ann(action, filter={}, update={"$set": {"b.x": 1}}, **NOTES)

        assert (reply.status, reply.json["error"]) == (400, "update not permitted")
    assert await database.notes.find_one() == {"_id": 1, "b": hidden}


async def test_a_write_into_what_is_not_there_is_no_write_through_what_a_filter_hides(
    ann: Person, changed: Any, database: Any
) -> None:
    role = {"name": "r", "apply_when": {}, **ALL}
    changed(RULES, roles=[role], filters=[{"name": "f", "apply_when": {}, "projection": {"b.x": 1}}])
    await database.notes.delete_many({})
    await database.notes.insert_many([{"_id": 1}, {"_id": 2, "b": {}}, {"_id": 3, "b": {"x": 2, "y": 1}}])

    reply = await ann("updateMany", filter={}, update={"$set": {"b.x": 1}}, **NOTES)

    assert reply.json == {"matchedCount": 3, "modifiedCount": 3}


async def test_the_size_of_what_is_invisible_may_be_told(
    ann: Person, changed: Any, database: Any, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("MAX_READ_BYTES", "5000")
    changed(RULES, roles=[{"name": "r", "apply_when": {"%%prevRoot.owner": "%%user.id"}, "read": True}], filters=[])
    outcomes = []
    for size in (1_000, 5_000):
        await database.notes.delete_many({})
        await database.notes.insert_one({"text": "x" * size})
        outcomes.append((await ann("find", **NOTES)).json)

    assert outcomes[0] == {"documents": []}
    assert outcomes[1]["error_code"] == "ReadSizeLimitExceeded"
