"""Cursors under rules: the batches hold what `find` shows, and tell nothing else."""

import base64
from typing import Any

import pytest

from tests.conftest import Post
from tests.functions.rules.conftest import Known, Person
from tests.hosts import Worker

NOTES = {"collection": "notes"}
OWN = {"name": "own", "apply_when": {"owner": "%%user.id"}, "read": True}
INEXACT = {"name": "own", "apply_when": {"%%root.owner": "%%root.holder"}, "read": True}
FIELDS = {
    "name": "some", "apply_when": {"owner": {"%in": ["%%user.id", "open"]}},
    "fields": {
        "_id": {"read": True}, "kind": {"read": True}, "n": {"read": {"%%root.owner": "%%user.id"}},
        "lines": {"fields": {"sku": {"read": True}, "cost": {"read": {"%%this": {"%lt": 5}}}}},
    },
}  # fmt: skip
NAMED = {"name": "named", "apply_when": {"owner": "%%user.id"}, "fields": {"_id": {"read": True}, "n": {"read": True}}}
ROLES = {"own": OWN, "inexact": INEXACT, "fields": FIELDS, "named": NAMED}


@pytest.fixture
async def ann(app: Any, worker: Worker, known: Known) -> Person:
    return await known(worker, "ann@shop.example")


def notes(owner: str) -> list[dict[str, Any]]:
    others = [
        {"_id": number + 100, "owner": "else", "holder": "her", "n": number % 4, "kind": "hidden"}
        for number in range(20)
    ]
    opened = [
        {"_id": number + 50, "owner": "open", "holder": "x", "n": number, "kind": f"o{number % 3}"}
        for number in range(7)
    ]
    own = [
        {
            "_id": number, "owner": owner, "holder": owner, "n": number % 4, "kind": "ab"[number % 2],
            "lines": [{"sku": number % 5, "cost": number}, {"sku": 7, "cost": 1, "secret": 1}],
        }
        for number in range(20)
    ]  # fmt: skip
    return [*others[:10], *own, *others[10:], *opened]


async def batches(ann: Person, action: str, **members: Any) -> list[Any]:
    """Return what all batches hold, and how many there are."""
    answer = await ann(action, **NOTES, **members)
    found, number = [], 1
    while True:
        assert answer.status == 200, answer.body
        found += answer.json["documents"]
        if "cursor" not in answer.json:
            return [number, found]
        answer = await ann("getMore", **NOTES, cursor=answer.json["cursor"])
        number += 1


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
@pytest.mark.parametrize(
    "members",
    [
        {}, {"sort": {"n": -1}}, {"sort": {"kind": 1, "n": -1}}, {"sort": {"lines.sku": -1}},
        {"sort": {"n": 1}, "projection": {"n": 1}}, {"sort": {"n": 1}, "projection": {"_id": 0, "n": 1}},
        {"sort": {"n": 1}, "projection": {"kind": 0}}, {"filter": {"n": {"$ne": 2}}, "sort": {"n": 1}},
        {"filter": {"$expr": {"$gt": ["$n", 0]}}, "sort": {"n": -1}}, {"filter": {"lines.cost": {"$gt": 0}}},
        {"projection": {"lines": {"$elemMatch": {"sku": 7}}}}, {"projection": {"lines": {"$slice": 1}}},
        {"projection": {"twice": {"$add": ["$n", "$n"]}}, "sort": {"n": 1}}, {"sort": {"lines.cost": 1}},
    ],
    ids=str,
)  # fmt: skip
async def test_batches_hold_what_find_shows(
    ann: Person, app: Any, database: Any, role: dict[str, Any], members: dict[str, Any]
) -> None:
    app(role)
    await database.notes.insert_many(notes(ann.id))
    sort = members.get("sort", {})
    order = sort | {"_id": [*sort.values(), 1][len(sort) - 1 if sort else 0]}
    whole = await ann("find", **NOTES, **(members | {"sort": order}))

    if whole.status != 200:
        answer = await ann("find", **NOTES, **members, cursor={"batchSize": 3})
        assert (answer.status, answer.body) == (whole.status, whole.body)
        return
    for size in (1, 3, 50):
        number, found = await batches(ann, "find", **members, cursor={"batchSize": size})
        assert found == whole.json["documents"]
        assert number == max(1, -(-len(found) // size))


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
@pytest.mark.parametrize(
    "pipeline",
    [
        [],
        [{"$match": {"n": {"$gt": 1}}}, {"$sort": {"n": -1, "_id": 1}}],
        [{"$group": {"_id": "$n"}}, {"$sort": {"_id": 1}}],
    ],
    ids=str,
)
async def test_batches_hold_what_an_aggregate_shows(
    ann: Person, app: Any, database: Any, role: dict[str, Any], pipeline: list[Any]
) -> None:
    app(role)
    await database.notes.insert_many(notes(ann.id))
    order = [] if pipeline else [{"$sort": {"_id": 1}}]
    whole = await ann("aggregate", **NOTES, pipeline=[*pipeline, *order])

    number, found = await batches(ann, "aggregate", pipeline=pipeline, cursor={"batchSize": 3})

    assert found == whole.json["documents"]
    assert number == max(1, -(-len(found) // 3))


async def test_rules_decide_on_each_batch_anew(ann: Person, app: Any, database: Any) -> None:
    app(OWN)
    await database.notes.insert_many([{"_id": number, "owner": ann.id, "n": 1} for number in range(9)])
    first = await ann("find", **NOTES, cursor={"batchSize": 2})
    await database.notes.update_many({"_id": {"$in": [2, 4]}}, {"$set": {"owner": "else"}})
    second = await ann("getMore", **NOTES, cursor=first.json["cursor"])
    app({"name": "named", "apply_when": {"owner": "%%user.id"}, "fields": {"_id": {"read": True}}})
    third = await ann("getMore", **NOTES, cursor=second.json["cursor"])
    app({"name": "nothing", "apply_when": {"owner": "%%user.id"}, "read": False})
    fourth = await ann("getMore", **NOTES, cursor=third.json["cursor"])

    assert [each["_id"] for each in first.json["documents"] + second.json["documents"]] == [0, 1, 3, 5]
    assert third.json["documents"] == [{"_id": 6}, {"_id": 7}]
    assert (fourth.status, fourth.json["error_code"]) == (403, "NoMatchingRoleFound")


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
async def test_a_cursor_tells_nothing_of_hidden_documents_that_follow(
    ann: Person, app: Any, database: Any, role: dict[str, Any]
) -> None:
    app(role)
    await database.notes.insert_many([{"_id": n, "owner": ann.id, "holder": ann.id, "n": n} for n in range(4)])
    await database.notes.insert_many([{"_id": n, "owner": "else", "holder": "her", "n": n} for n in range(4, 90)])

    for action, members in (("find", {"sort": {"n": 1}}), ("aggregate", {"pipeline": [{"$sort": {"n": 1}}]})):
        answer = await ann(action, **NOTES, **members, cursor={"batchSize": 4})
        assert [each["_id"] for each in answer.json["documents"]] == [0, 1, 2, 3]
        assert answer.json.keys() == {"documents"}


async def test_a_cursor_shows_no_document_whose_id_is_hidden(ann: Person, app: Any, database: Any) -> None:
    app({"name": "named", "apply_when": {}, "fields": {"n": {"read": True}}})
    await database.notes.insert_many([{"_id": number, "n": 9 - number} for number in range(5)])

    answer = await ann("find", **NOTES, sort={"n": 1}, cursor={"batchSize": 2})

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRoleFound")


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
async def test_a_hidden_value_is_not_in_a_cursor(ann: Person, app: Any, database: Any, role: dict[str, Any]) -> None:
    app(role)
    hidden = [{"_id": f"secret {n}", "owner": "else", "holder": "her", "kind": "secret"} for n in range(9)]
    await database.notes.insert_many([*hidden, *({"_id": n, "owner": ann.id, "holder": ann.id} for n in range(9))])

    cursor = (await ann("find", **NOTES, sort={"_id": -1}, cursor={"batchSize": 2})).json["cursor"]

    assert b"secret" not in base64.urlsafe_b64decode(cursor + "==")


async def test_a_cursor_of_what_is_computed_takes_no_other_collation(ann: Person, app: Any, database: Any) -> None:
    app(OWN)
    await database.notes.insert_many(notes(ann.id))
    folded: dict[str, Any] = {"collation": {"locale": "en", "strength": 2}, "cursor": {"batchSize": 2}}

    calls: list[tuple[str, dict[str, Any]]] = [("find", {"sort": {"kind": 1}}), ("aggregate", {"pipeline": []})]
    for action, members in calls:
        answer = await ann(action, **NOTES, **members, **folded)
        assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
        assert 'add \'"collation": {"locale": "simple"}\'' in answer.json["error"]


UNSORTABLE = {"owner": "else", "n": [{"0": 1}, 2], "kind": [1, 2]}
"""A hidden document that MongoDB cannot sort by `n.0`, nor by `n` and `kind`."""


@pytest.mark.parametrize(
    ("sort", "status"), [({"n.0": 1}, 400), ({"n": 1, "kind": 1}, 400), ({"n": -1}, 200)], ids=["place", "two", "one"]
)
async def test_a_hidden_document_that_cannot_be_sorted_makes_no_difference(
    ann: Person, app: Any, database: Any, sort: dict[str, Any], status: int
) -> None:
    app(OWN)
    await database.create_collection("notes", collation={"locale": "en", "strength": 2})
    await database.notes.insert_one({"_id": 1, "owner": ann.id, "n": 1, "kind": 1})
    alone = await ann("find", **NOTES, sort=sort, cursor={"batchSize": 1})
    await database.notes.insert_one(UNSORTABLE)
    among = await ann("find", **NOTES, sort=sort, cursor={"batchSize": 1})

    assert (alone.status, alone.body) == (status, among.body)


async def test_a_user_cannot_go_on_with_the_cursor_of_another(
    ann: Person, app: Any, database: Any, worker: Worker, known: Known, key: str
) -> None:
    app(OWN, {"name": "open", "apply_when": {}, "read": True})
    await database.notes.insert_many([{"_id": number, "owner": ann.id} for number in range(5)])
    cursor = (await ann("find", **NOTES, cursor={"batchSize": 2})).json["cursor"]
    bob = await known(worker, "bob@shop.example")

    for other in (bob, Post(worker, key)):
        answer = await other("getMore", **NOTES, cursor=cursor)
        assert (answer.status, answer.json["error"]) == (400, "'cursor' is none that you were given")


async def test_hidden_documents_of_a_view_make_no_difference(ann: Person, app: Any, database: Any) -> None:
    app(INEXACT)
    await database.create_collection("notes", viewOn="others", pipeline=[])

    before = await ann("find", **NOTES, cursor={})
    await database.others.insert_one({"owner": "else", "holder": "her"})
    after = await ann("find", **NOTES, cursor={})

    assert before.status == 400
    assert (after.status, after.body) == (before.status, before.body)
