"""Writes that return a document, under rules: what is found, what is changed, and what is shown of it."""

from typing import Any

import pytest

from tests.functions.rules.conftest import Known, Person
from tests.hosts import Worker

NOTES: dict[str, Any] = {"collection": "notes"}
ALL = {"read": True, "write": True}
OWN = {"name": "own", "apply_when": {"owner": "%%user.id"}, **ALL}
INEXACT = {"name": "own", "apply_when": {"%%root.owner": "%%root.holder"}, **ALL}
FIELDS: dict[str, Any] = {
    "name": "some", "apply_when": {"owner": "%%user.id"},
    "fields": {
        "_id": {"read": True}, "owner": ALL, "n": ALL, "s": {"read": {"%%root.n": {"%lt": 5}}, "write": False},
        "lines": {"read": True}, "mixed": {"fields": {"sku": ALL}},
    },
}  # fmt: skip


@pytest.fixture
async def ann(app: Any, worker: Worker, known: Known) -> Person:
    return await known(worker, "ann@shop.example")


async def stored(database: Any) -> list[Any]:
    return [each async for each in database.notes.find().sort("_id")]


async def notes(database: Any, owner: str) -> list[dict[str, Any]]:
    own = {"owner": owner, "holder": owner}
    made = [
        {"_id": 1, "owner": "else", "holder": "her", "n": 0, "s": "HIDDEN"},
        {"_id": 2, **own, "n": 1, "s": "two", "lines": [{"a": 1}, {"a": 2}]},
        {"_id": 3, **own, "n": 2, "s": "three"},
        {"_id": 4, "owner": "else", "holder": "her", "n": 9, "s": "HIDDEN"},
    ]
    await database.notes.insert_many(made)
    return made


@pytest.mark.parametrize("role", [OWN, INEXACT], ids=["exact", "inexact"])
@pytest.mark.parametrize(("sort", "number"), [(None, 1), ({"n": 1}, 1), ({"n": -1}, 2)], ids=["none", "up", "down"])
async def test_the_first_visible_document_is_the_one(
    ann: Person, app: Any, database: Any, role: dict[str, Any], sort: Any, number: int
) -> None:
    app(role)
    made = await notes(database, ann.id)
    members: dict[str, Any] = NOTES | {"filter": {}, "sort": sort}

    before = await ann("findOneAndUpdate", update={"$set": {"new": True}}, **members)
    after = await ann("findOneAndUpdate", update={"$set": {"new": 2}}, returnDocument="After", **members)
    replaced = await ann("findOneAndReplace", replacement=made[number], **members)
    deleted = await ann("findOneAndDelete", **members)

    assert before.json == deleted.json == {"document": made[number]}
    assert after.json == replaced.json == {"document": made[number] | {"new": 2}}
    assert await stored(database) == [each for each in made if each != made[number]]


async def test_the_document_is_trimmed_as_it_is_read_at_that_time(ann: Person, app: Any, database: Any) -> None:
    app(FIELDS)
    made = await notes(database, ann.id)
    raised: dict[str, Any] = {"filter": {"_id": 3}, "update": {"$set": {"n": 7}}, **NOTES}

    before = await ann("findOneAndUpdate", **raised)
    after = await ann("findOneAndUpdate", **raised, returnDocument="After")

    assert before.json == {"document": {"_id": 3, "owner": ann.id, "n": 2, "s": "three"}}
    assert after.json == {"document": {"_id": 3, "owner": ann.id, "n": 7}}
    assert (await stored(database))[2] == made[2] | {"n": 7}


@pytest.mark.parametrize(("time", "shown"), [("Before", 3), ("After", None)])
async def test_a_document_that_is_given_away_is_not_shown_afterwards(
    ann: Person, app: Any, database: Any, time: str, shown: int | None
) -> None:
    app(OWN | {"write": {"%%prevRoot.owner": "%%user.id"}})
    await notes(database, ann.id)
    given: dict[str, Any] = {
        "filter": {"_id": 3},
        "update": {"$set": {"owner": "else"}},
        "returnDocument": time,
        **NOTES,
    }

    answer = await ann("findOneAndUpdate", **given)

    assert (answer.status, (answer.json["document"] or {}).get("_id")) == (200, shown)
    assert (await stored(database))[2]["owner"] == "else"


async def test_what_a_filter_leaves_out_is_not_shown_afterwards(ann: Person, app: Any, database: Any) -> None:
    seen = {"name": "f", "apply_when": {}, "query": {"n": {"$lt": 5}}, "projection": {"s": 0}}
    app({"name": "r", "apply_when": {}, **ALL}, filters=[seen])
    await database.notes.insert_one({"_id": 1, "n": 1, "s": "HIDDEN"})
    raised: dict[str, Any] = {"filter": {}, "update": {"$inc": {"n": 3}}, "returnDocument": "After", **NOTES}

    answers = [await ann("findOneAndUpdate", **raised) for _ in range(3)]

    assert [each.json["document"] for each in answers] == [{"_id": 1, "n": 4}, None, None]
    assert await stored(database) == [{"_id": 1, "n": 7, "s": "HIDDEN"}]


@pytest.mark.parametrize(
    ("projection", "before", "after"),
    [
        ({"n": 1}, {"_id": 2, "n": 1}, {"_id": 2, "n": 3}),
        ({"_id": 0, "owner": 0, "lines": 0}, {"n": 1, "s": "two"}, {"n": 3, "s": "two"}),
        ({"_id": 0, "lines": {"$slice": 1}, "n": 1}, {"n": 1, "lines": [{"a": 1}]}, {"n": 3, "lines": [{"a": 1}]}),
        ({"_id": 0, "lines": {"$elemMatch": {"a": 2}}}, {"lines": [{"a": 2}]}, {"lines": [{"a": 2}]}),
        ({"_id": 0, "x": {"$add": ["$n", 1]}, "h": "$holder"}, {"x": 2}, {"x": 4}),
    ],
    ids=str,
)
async def test_a_projection_cuts_what_is_visible(
    ann: Person, app: Any, database: Any, projection: Any, before: Any, after: Any
) -> None:
    app(FIELDS)
    await notes(database, ann.id)
    members: dict[str, Any] = {"filter": {"_id": 2}, "update": {"$set": {"n": 3}}, "projection": projection, **NOTES}

    first = await ann("findOneAndUpdate", **members)
    second = await ann("findOneAndUpdate", **members, returnDocument="After")

    assert (first.json, second.json) == ({"document": before}, {"document": after})


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"filter": {"holder": "x"}}, 403),
        ({"filter": {}, "sort": {"holder": 1}}, 403),
        ({"filter": {}, "sort": {"x": {"$meta": "textScore"}}}, 400),
        ({"filter": {}, "projection": {"x": {"$meta": "recordId"}}}, 400),
        ({"filter": {}, "projection": {"lines.$": 1}}, 400),
        ({"filter": {}, "projection": {"holder": {"$elemMatch": {"secret": 1}}}}, 403),
        ({"filter": {}, "projection": {"x": {"$toInt": "$s"}}}, 400),
    ],
    ids=str,
)
async def test_what_is_refused_changes_nothing(
    ann: Person, app: Any, database: Any, members: dict[str, Any], status: int
) -> None:
    app(FIELDS)
    made = await notes(database, ann.id)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("findOneAndUpdate", {"update": {"$set": {"n": 3}}}),
        ("findOneAndDelete", {}),
    ]

    for action, change in calls:
        answer = await ann(action, **members, **change, **NOTES)
        assert answer.status == status, answer.body
        assert b"HIDDEN" not in answer.body
    assert await stored(database) == made


async def test_a_write_that_rules_deny_is_undone(ann: Person, app: Any, database: Any) -> None:
    app(FIELDS)
    made = await notes(database, ann.id)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("findOneAndUpdate", {"update": {"$set": {"s": "x"}}}),
        ("findOneAndUpdate", {"update": {"$set": {"owner": "else", "more": 1}}}),
        ("findOneAndUpdate", {"update": [{"$set": {"n": 1}}]}),
        ("findOneAndReplace", {"replacement": {"n": 1}}),
        ("findOneAndDelete", {}),
    ]

    answers = [await ann(action, filter={"_id": 2}, **members, **NOTES) for action, members in calls]

    assert [(each.status, each.json["error_code"]) for each in answers] == [(400, "NoMatchingRoleFound")] * 5
    assert await stored(database) == made


async def test_an_upsert_meets_no_document_that_is_not_visible(ann: Person, app: Any, database: Any) -> None:
    await notes(database, ann.id)
    members: dict[str, Any] = {"filter": {"n": 9}, "update": {"$set": {"owner": ann.id}}, "upsert": True, **NOTES}

    before = await ann("findOneAndUpdate", **members, projection={"_id": 0})
    after = await ann("findOneAndReplace", filter={"n": 8}, replacement={"_id": 8, "owner": ann.id}, upsert=True,
                      returnDocument="After", **NOTES)  # fmt: skip
    denied = await ann("findOneAndReplace", filter={"n": 7}, replacement={"owner": "else"}, upsert=True, **NOTES)

    assert (before.json, after.json) == ({"document": None}, {"document": {"_id": 8, "owner": ann.id}})
    assert (denied.status, denied.json["error_code"]) == (403, "NoMatchingRoleFound")
    assert await database.notes.count_documents({"owner": ann.id}) == 4
    assert await database.notes.count_documents({}) == 6


async def test_a_sort_that_fails_on_an_invisible_document_tells_nothing(ann: Person, app: Any, database: Any) -> None:
    app(INEXACT)
    await notes(database, ann.id)
    await database.notes.insert_one({"_id": 9, "owner": "else", "a": [1], "b": [1]})

    answer = await ann("findOneAndUpdate", filter={}, sort={"a": 1, "b": 1}, update={"$set": {"m": 1}}, **NOTES)

    assert (answer.status, answer.json["document"]["_id"]) == (200, 2)


async def test_who_sees_everything_has_mongodbs_projections(ann: Person, app: Any, database: Any) -> None:
    app({"name": "reader", "apply_when": {}, "read": True, "write": {"owner": "%%user.id"}})
    made = await notes(database, ann.id)
    members: dict[str, Any] = {"filter": {"_id": 2}, "update": {"$set": {"n": 5}}, **NOTES}

    before = await ann("findOneAndUpdate", **members, projection={"lines": {"$elemMatch": {"a": 2}}})
    after = await ann("findOneAndUpdate", **members, returnDocument="After", projection={"m": {"$add": ["$n", 1]}})
    whole = await ann("findOneAndUpdate", **members, returnDocument="After")
    denied = await ann("findOneAndUpdate", **(members | {"filter": {"_id": 1}}))

    assert before.json == {"document": {"_id": 2, "lines": [{"a": 2}]}}
    assert after.json == {"document": {"_id": 2, "m": 6}}
    assert whole.json == {"document": made[1] | {"n": 5}}
    assert denied.status == 400


HIDING = {"name": "f", "apply_when": {}, "projection": {"lines.hidden": 0}}
AMBIGUOUS = [{"x": 1, "0": "shown", "hidden": "SECRET"}, {"x": 2}]  # MongoDB refuses to sort by "lines.0.x"


@pytest.mark.parametrize(
    ("action", "members"),
    [
        ("findOneAndUpdate", {"update": {"$set": {"n": 2}}}),
        ("findOneAndReplace", {"replacement": {}}),
        ("findOneAndDelete", {}),
        ("updateOne", {"update": {"$set": {"n": 2}}}),
        ("replaceOne", {"replacement": {}}),
        ("find", {}),
        ("findOne", {}),
    ],
)
async def test_the_text_of_a_sort_that_fails_shows_nothing_hidden(
    ann: Person, app: Any, database: Any, action: str, members: dict[str, Any]
) -> None:
    app({"name": "all", "apply_when": {}, **ALL}, filters=[HIDING])
    await database.notes.insert_one({"_id": 1, "lines": AMBIGUOUS})

    answer = await ann(action, **NOTES, filter={}, sort={"lines.0.x": 1}, **members)

    assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
    assert b"shown" in answer.body
    assert b"SECRET" not in answer.body
