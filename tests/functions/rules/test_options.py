"""Options under rules: none of them tells of what is hidden, or lets more be written."""

from typing import Any

import pytest

from tests.functions.rules.conftest import Known, Person
from tests.hosts import Worker

NOTES: dict[str, Any] = {"collection": "notes"}
ALL = {"read": True, "write": True}
OWN: dict[str, Any] = {"name": "own", "apply_when": {"owner": "%%user.id"}, **ALL}
EVERYTHING: dict[str, Any] = {"name": "all", "apply_when": {}, **ALL}
READER: dict[str, Any] = {"name": "reader", "apply_when": {}, "read": True, "write": {"owner": "%%user.id"}}
LOOSE: dict[str, Any] = {"collation": {"locale": "en", "strength": 2}}
TEAM = {"name": "f", "apply_when": {}, "query": {"team": "red"}, "projection": {"secret": 0}}
REVEALING: list[dict[str, Any]] = [
    {"hint": "secret_1"}, {"hint": {"secret": 1}}, {"hint": "secret_1", "min": {"secret": 1}},
    {"hint": {"secret": 1}, "max": {"secret": 9}}, {"returnKey": True}, {"showRecordId": True},
    {"bypassDocumentValidation": True},
]  # fmt: skip


@pytest.fixture
async def ann(app: Any, worker: Worker, known: Known) -> Person:
    return await known(worker, "ann@shop.example")


async def stored(database: Any) -> list[Any]:
    return [each async for each in database.notes.find().sort("_id")]


async def notes(database: Any, owner: str) -> list[dict[str, Any]]:
    made = [
        {"_id": "a", "owner": owner, "t": "b", "team": "red", "n": 1, "secret": 1},
        {"_id": "A", "owner": owner.upper(), "t": "B", "team": "RED", "n": 2, "secret": 2},
        {"_id": "b", "owner": owner, "t": "B", "team": "red", "n": 3},
    ]
    await database.notes.insert_many(made)
    await database.notes.create_index("secret", sparse=True)
    return sorted(made, key=lambda each: str(each["_id"]))


def ids(answer: Any) -> list[Any]:
    assert answer.status == 200, answer.body
    return [each["_id"] for each in answer.json["documents"]]


@pytest.mark.parametrize("option", REVEALING, ids=str)
@pytest.mark.parametrize("action", ["find", "findOne", "updateOne", "deleteMany", "findOneAndDelete"])
async def test_what_would_tell_of_hidden_values_is_refused_by_name(
    ann: Person, database: Any, option: dict[str, Any], action: str
) -> None:
    made = await notes(database, ann.id)
    update: dict[str, Any] = {"update": {"$set": {"n": 5}}} if action == "updateOne" else {}

    answer = await ann(action, filter={}, **update, **option, **NOTES)

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert answer.json["error"].split("'")[1] in option
    assert await stored(database) == made


async def test_who_sees_everything_may_use_indexes_but_not_what_tells_of_the_server(
    ann: Person, app: Any, database: Any
) -> None:
    for role in (EVERYTHING, READER):
        app(role)
        await database.notes.delete_many({})
        await notes(database, ann.id)
        hinted: dict[str, Any] = {"hint": "secret_1", **NOTES}

        assert ids(await ann("find", filter={}, **hinted)) == ["a", "A"]  # the index is sparse
        assert (await ann("countDocuments", filter={}, **hinted)).json == {"count": 2}
        assert ids(await ann("find", min={"secret": 2}, **hinted)) == ["A"]
        keys = await ann("find", returnKey=True, **hinted)
        assert keys.json == {"documents": [{"secret": 1}, {"secret": 2}]}
        updated = await ann("updateMany", filter={"_id": {"$ne": "A"}}, update={"$set": {"m": 1}}, **hinted)
        assert updated.json == {"matchedCount": 1, "modifiedCount": 1}
        shown = await ann("find", showRecordId=True, **NOTES)
        inserted = await ann("insertOne", document={"_id": 1}, bypassDocumentValidation=True, **NOTES)
        assert (shown.status, inserted.status) == (400, 400)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, ["a", "b"]),
        ({"filter": {"t": "b"}}, ["a", "b"]),
        ({"filter": {"t": "B", "n": {"$gt": 1}}}, ["b"]),
        ({"filter": {"_id": "A"}}, ["a"]),
        ({"filter": {"$and": [{"t": "b"}, {"n": 1}]}}, ["a"]),
        ({"filter": {"$expr": {"$eq": ["$t", "b"]}}}, ["a", "b"]),
        ({"filter": {"t": {"$in": ["b"]}}, "projection": {"_id": 1, "x": {"$eq": ["$t", "b"]}}}, ["a", "b"]),
        ({"sort": {"t": 1, "n": -1}}, ["b", "a"]),
        ({"filter": {"owner": {"$exists": True}}, "skip": 1}, ["b"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("by_filter", [False, True], ids=["a role", "a filter"])
async def test_a_collation_compares_for_the_caller_and_never_for_the_rules(
    ann: Person, app: Any, database: Any, members: dict[str, Any], found: list[str], by_filter: bool
) -> None:
    if by_filter:
        app(EVERYTHING, filters=[TEAM])
    await notes(database, ann.id)
    skip = members.get("skip", 0)

    assert ids(await ann("find", **members, **LOOSE, **NOTES)) == found
    condition = members.get("filter", {})
    counted = await ann("countDocuments", filter=condition, skip=skip, **LOOSE, **NOTES)
    piped = await ann("aggregate", pipeline=[{"$match": condition}, {"$skip": skip or 0}], **LOOSE, **NOTES)
    assert counted.json == {"count": len(found)}
    assert sorted(ids(piped)) == sorted(found)


async def test_a_collation_decides_what_is_equal_among_visible_values(ann: Person, app: Any, database: Any) -> None:
    await notes(database, ann.id)

    loosely = await ann("distinct", fieldName="t", **LOOSE, **NOTES)
    plainly = await ann("distinct", fieldName="t", **NOTES)
    teams = await ann("distinct", fieldName="team", **LOOSE, **NOTES)

    assert len(loosely.json["values"]) == 1
    assert sorted(plainly.json["values"]) == ["B", "b"]
    assert teams.json == {"values": ["red"]}


async def test_a_write_with_a_collation_meets_only_what_is_found_by_it(ann: Person, app: Any, database: Any) -> None:
    made = await notes(database, ann.id)
    upper = {"filter": {"_id": "A"}, **LOOSE, **NOTES}

    updated = await ann("updateMany", **upper, update={"$set": {"n": 8}})
    returned = await ann("findOneAndUpdate", **upper, update={"$inc": {"n": 1}}, returnDocument="After")
    replaced = await ann("replaceOne", **upper, replacement={"owner": ann.id, "n": 10})
    assert (updated.json, replaced.json) == ({"matchedCount": 1, "modifiedCount": 1},) * 2
    assert (returned.json["document"]["_id"], returned.json["document"]["n"]) == ("a", 9)
    deleted = await ann("deleteMany", filter={"_id": "A"}, **LOOSE, **NOTES)

    assert deleted.json == {"deletedCount": 1}
    assert await stored(database) == [each for each in made if each["_id"] != "a"]


@pytest.mark.parametrize(
    "change",
    [
        {"update": {"$addToSet": {"l": "x"}}}, {"update": {"$pull": {"l": "x"}}}, {"update": {"$max": {"t": "x"}}},
        {"update": {"$push": {"l": {"$each": ["x"], "$sort": 1}}}},
        {"update": {"$set": {"l.$": 1}}, "filter": {"l": "x"}},
        {"update": {"$set": {"l.$[e]": 1}}, "arrayFilters": [{"e": "x"}]},
    ],
    ids=str,
)  # fmt: skip
async def test_an_update_that_compares_takes_no_collation(
    ann: Person, app: Any, database: Any, change: dict[str, Any]
) -> None:
    await notes(database, ann.id)
    await database.notes.update_many({}, {"$set": {"l": ["X"]}})
    before = await stored(database)

    for action in ("updateOne", "updateMany", "findOneAndUpdate"):
        answer = await ann(action, **({"filter": {}} | change), **LOOSE, **NOTES)
        assert (answer.status, answer.json["error"]) == (
            400, "option 'collation' is not allowed for an update that compares, where rules apply"
        )  # fmt: skip
    assert await stored(database) == before


async def test_a_collation_does_not_reach_what_rules_cut_of_a_join(ann: Person, changed: Any, database: Any) -> None:
    await notes(database, ann.id)
    changed("data_sources/mongodb-atlas/shop/notes/rules.json", roles=[READER], filters=[])
    await database.orders.insert_one({"owner": ann.id, "title": "x"})
    join = {"$lookup": {"from": "orders", "pipeline": [{"$match": {"title": "x"}}], "as": "o"}}

    answer = await ann("aggregate", pipeline=[join], **LOOSE, **NOTES)

    assert answer.status in {400, 403}


async def test_variables_reach_the_expressions_of_every_action(ann: Person, app: Any, database: Any) -> None:
    await notes(database, ann.id)
    asked: dict[str, Any] = {"filter": {"$expr": {"$gt": ["$n", "$$least"]}}, "let": {"least": 1}, **NOTES}

    assert ids(await ann("find", **asked, projection={"x": {"$add": ["$n", "$$least"]}})) == ["b"]
    assert (await ann("findOne", **asked)).json["document"]["_id"] == "b"
    piped = await ann("aggregate", pipeline=[{"$match": asked["filter"]}], let=asked["let"], **NOTES)
    assert ids(piped) == ["b"]
    assert (await ann("updateMany", **asked, update={"$set": {"m": 1}})).json["matchedCount"] == 1
    assert (await ann("findOneAndUpdate", **asked, update={"$set": {"m": 1}})).json["document"]["_id"] == "b"
    assert (await ann("deleteMany", **asked)).json == {"deletedCount": 1}


async def test_a_variable_is_no_way_to_what_is_hidden(ann: Person, app: Any, database: Any) -> None:
    app(EVERYTHING, filters=[TEAM])
    await notes(database, ann.id)

    for let in ({"x": "$secret"}, {"x": "$$ROOT"}, {"x": {"$meta": "recordId"}}, {"x": "$$USER_ROLES"}):
        answer = await ann("find", filter={"$expr": {"$eq": ["$$x", 1]}}, let=let, **NOTES)
        assert answer.status == 400 or answer.json == {"documents": []}


@pytest.mark.parametrize("ordered", [False])
async def test_inserts_without_an_order_are_no_way_around_all_or_nothing(
    ann: Person, database: Any, ordered: bool
) -> None:
    documents = [{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": "else"}]

    answer = await ann("insertMany", documents=documents, ordered=ordered, **NOTES)

    assert (answer.status, answer.json["error"]) == (
        400, "option 'ordered' is not allowed where rules apply: all are inserted, or none"
    )  # fmt: skip
    assert await stored(database) == []


@pytest.mark.parametrize(("action", "change"), [("updateOne", {"update": {"$set": {"m": 1}}}),
                                                ("replaceOne", {"replacement": {"m": 1}})])  # fmt: skip
async def test_a_sort_of_an_update_chooses_among_what_is_visible(
    ann: Person, app: Any, database: Any, action: str, change: dict[str, Any]
) -> None:
    app(OWN | {"write": {"%%prevRoot.owner": "%%user.id"}})
    await notes(database, ann.id)
    await database.notes.insert_one({"_id": "z", "owner": "else", "n": 99})

    answer = await ann(action, filter={}, sort={"n": -1}, **change, **NOTES)

    assert answer.json == {"matchedCount": 1, "modifiedCount": 1}
    assert [each["_id"] async for each in database.notes.find({"m": 1})] == ["b"]


@pytest.mark.parametrize(
    "options",
    [
        {"comment": {"a": 1}}, {"maxTimeMS": 20_000}, {"allowDiskUse": True}, {"batchSize": 1},
        {"readConcern": {"level": "majority"}}, {"readPreference": "nearest"}, {"allowPartialResults": True},
        {"hint": None}, {"returnKey": False}, {"showRecordId": False}, {"explain": True},
    ],
    ids=str,
)  # fmt: skip
async def test_other_options_change_nothing_in_what_is_seen(
    ann: Person, app: Any, database: Any, options: dict[str, Any]
) -> None:
    for role in (OWN, OWN | {"apply_when": {"%%root.owner": "%%user.id"}}):
        app(role)
        await database.notes.delete_many({})
        await notes(database, ann.id)
        for members in ({"sort": {"_id": 1}}, {"filter": {"$expr": {"$eq": ["$n", 1]}}}, {"limit": 1}):
            plain = await ann("find", **members, **NOTES)
            assert (await ann("find", **members, **options, **NOTES)).body == plain.body


@pytest.mark.parametrize("stage", [{"$out": "notes"}, {"$merge": "notes"}], ids=str)
@pytest.mark.parametrize("role", [OWN, EVERYTHING], ids=["some", "all"])
async def test_a_stage_that_writes_is_closed_to_all_to_whom_rules_apply(
    ann: Person, app: Any, configured: pytest.MonkeyPatch, database: Any, role: dict[str, Any], stage: dict[str, Any]
) -> None:
    configured.setenv("GUARD_ALLOWED_STAGES", "out,merge")
    app(role)
    made = await notes(database, ann.id)

    answer = await ann("aggregate", pipeline=[{"$match": {"_id": "a"}}, stage], **NOTES)

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert await stored(database) == made


async def test_a_database_has_no_rules(ann: Person, database: Any) -> None:
    answer = await ann("aggregate", collection=None, pipeline=[{"$documents": [{"a": 1}]}])

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRuleFound")
