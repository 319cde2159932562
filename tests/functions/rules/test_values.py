"""What callers count and which values they get under rules: of what `find` shows them, and of nothing else."""

import json
from typing import Any

import pytest
from bson.decimal128 import Decimal128

from tests.conftest import Post
from tests.functions.rules.conftest import Known, Person
from tests.hosts import Worker

NOTES = {"collection": "notes"}
OWN = {"name": "own", "apply_when": {"owner": "%%user.id"}, "read": True}
INEXACT = {"name": "own", "apply_when": {"%%root.owner": "%%root.holder"}, "read": True}
HIDDEN = {"owner": "else", "holder": "her", "n": 1, "kind": "HIDDEN", "secret": 1}
FIELDS = {
    "name": "some", "apply_when": {"owner": {"%in": ["%%user.id", "open"]}},
    "fields": {
        "kind": {"read": True}, "n": {"read": {"%%root.owner": "%%user.id"}}, "owner": {"read": True},
        "lines": {"fields": {"sku": {"read": True}, "cost": {"read": {"%%this": {"%lt": 5}}}}},
    },
}  # fmt: skip


@pytest.fixture
async def ann(app: Any, worker: Worker, known: Known) -> Person:
    return await known(worker, "ann@shop.example")


def notes(owner: str) -> list[dict[str, Any]]:
    return [
        {"_id": 1, "owner": owner, "holder": owner, "n": 1, "kind": "a", "secret": 5, "tags": ["x", "y"]},
        {"_id": 2, "owner": owner, "holder": owner, "n": 2, "kind": "b", "secret": 6, "tags": ["x"]},
        {"_id": 3, "owner": owner, "holder": owner, "n": 2.0, "kind": "a", "tags": "z"},
    ]


def values(answer: Any) -> list[Any]:
    assert answer.status == 200, answer.body
    return sorted(answer.json["values"], key=json.dumps)


@pytest.mark.parametrize("role", [OWN, INEXACT], ids=["exact", "inexact"])
@pytest.mark.parametrize("collation", [None, {"locale": "en", "strength": 2}], ids=["simple", "folded"])
async def test_what_is_counted_is_what_is_found(
    ann: Person, app: Any, database: Any, role: dict[str, Any], collation: Any
) -> None:
    app(role)
    await database.create_collection("notes", **({"collation": collation} if collation else {}))
    owners = [HIDDEN | {"_id": number} for number in range(10, 14)] + [HIDDEN | {"_id": 9, "owner": ann.id.upper()}]
    await database.notes.insert_many([*owners[:2], *notes(ann.id), *owners[2:]])

    for members in (
        {}, {"filter": {"kind": "a"}}, {"filter": {"n": {"$ne": 1}}}, {"filter": {"$expr": {"$gt": ["$n", 1]}}},
        {"filter": {"secret": {"$exists": False}}}, {"skip": 1}, {"limit": 2}, {"skip": 2, "limit": 5}, {"skip": 7},
    ):  # fmt: skip
        found = await ann("find", **NOTES, **members)
        counted = await ann("countDocuments", **NOTES, **members)
        assert (counted.status, counted.json) == (200, {"count": len(found.json["documents"])}), members
    assert (await ann("estimatedDocumentCount", **NOTES)).json == {"count": 3}


async def test_a_count_by_a_field_that_is_hidden_in_some_documents_counts_the_others(
    ann: Person, app: Any, database: Any
) -> None:
    app(FIELDS)
    await database.notes.insert_many([*notes(ann.id), *[HIDDEN | {"_id": n, "owner": "open"} for n in range(5, 9)]])

    assert (await ann("countDocuments", **NOTES)).json == {"count": 7}
    assert (await ann("countDocuments", filter={"n": 1}, **NOTES)).json == {"count": 1}
    assert (await ann("countDocuments", filter={"n": {"$ne": 1}}, **NOTES)).json == {"count": 2}
    assert (await ann("countDocuments", filter={"$expr": {"$eq": ["$n", 1]}}, **NOTES)).json == {"count": 1}


@pytest.mark.parametrize(
    ("action", "members"),
    [
        ("countDocuments", {"filter": {"secret": {"$gt": 5}}}),
        ("countDocuments", {"filter": {"$or": [{"kind": "a"}, {"secret": 5}]}}),
        ("distinct", {"fieldName": "kind", "filter": {"secret": 5}}),
    ],
)
async def test_a_field_that_is_never_readable_is_not_asked_about(
    ann: Person, app: Any, database: Any, action: str, members: dict[str, Any]
) -> None:
    app(FIELDS)
    await database.notes.insert_many(notes(ann.id))

    answer = await ann(action, **NOTES, **members)

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRoleFound")


async def test_a_caller_who_sees_everything_gets_what_the_metadata_say(ann: Person, app: Any, database: Any) -> None:
    app({"name": "all", "apply_when": {}, "read": True})
    await database.notes.insert_many([*notes(ann.id), HIDDEN | {"_id": 9}])

    assert (await ann("estimatedDocumentCount", **NOTES)).json == {"count": 4}
    assert values(await ann("distinct", fieldName="kind", **NOTES)) == ["HIDDEN", "a", "b"]


@pytest.mark.parametrize("role", [OWN, INEXACT], ids=["exact", "inexact"])
async def test_values_of_invisible_documents_are_left_out(
    ann: Person, worker: Worker, key: str, app: Any, database: Any, role: dict[str, Any]
) -> None:
    app(role)
    await database.notes.insert_many([HIDDEN | {"_id": 9, "tags": ["h"]}, *notes(ann.id)])

    assert values(await ann("distinct", fieldName="kind", **NOTES)) == ["a", "b"]
    assert values(await ann("distinct", fieldName="tags", **NOTES)) == ["x", "y", "z"]
    assert values(await ann("distinct", fieldName="n", **NOTES)) == [1, 2]
    assert values(await ann("distinct", fieldName="kind", filter={"n": 2}, **NOTES)) == ["a", "b"]
    assert values(await ann("distinct", fieldName="kind", filter={"$expr": {"$eq": ["$n", 1]}}, **NOTES)) == ["a"]
    assert values(await Post(worker, key)("distinct", fieldName="kind", **NOTES)) == ["HIDDEN", "a", "b"]


async def test_values_that_are_hidden_are_left_out_one_by_one(ann: Person, app: Any, database: Any) -> None:
    app(FIELDS)
    lines = [{"sku": "a", "cost": 1}, {"sku": "b", "cost": 9}, {"cost": 8}, "text", {"sku": "c", "cost": 2}]
    await database.notes.insert_many([
        {"_id": 1, "owner": ann.id, "n": 1, "lines": lines},
        {"_id": 2, "owner": "open", "n": 7, "lines": {"sku": "d", "cost": 7, "more": 1}},
    ])  # fmt: skip

    assert values(await ann("distinct", fieldName="n", **NOTES)) == [1]
    assert values(await ann("distinct", fieldName="_id", **NOTES)) == []
    assert values(await ann("distinct", fieldName="lines.cost", **NOTES)) == [1, 2]
    assert values(await ann("distinct", fieldName="lines.sku", **NOTES)) == ["a", "b", "c", "d"]
    assert values(await ann("distinct", fieldName="lines.1.sku", **NOTES)) == ["b"]
    assert values(await ann("distinct", fieldName="lines.2.sku", **NOTES)) == ["c"]  # hidden ones have no place
    assert values(await ann("distinct", fieldName="lines", **NOTES)) == [
        {"sku": "a", "cost": 1}, {"sku": "b"}, {"sku": "c", "cost": 2}, {"sku": "d"},
    ]  # fmt: skip


async def test_a_name_with_dots_is_a_field_of_its_own(ann: Person, app: Any, database: Any) -> None:
    app(OWN | {"read": None, "fields": {"owner": {"read": True}, "a": {"read": True}}})
    await database.notes.insert_many([{"_id": 1, "owner": ann.id, "a.b": "HIDDEN", "a": {"b": 1}}])

    assert values(await ann("distinct", fieldName="a.b", **NOTES)) == [1]


@pytest.mark.parametrize("role", [OWN, INEXACT], ids=["exact", "inexact"])
async def test_equal_values_count_once_as_the_collection_compares_them(
    ann: Person, app: Any, database: Any, role: dict[str, Any]
) -> None:
    app(role)
    await database.create_collection("notes", collation={"locale": "en", "strength": 2})
    some = ["A", "a", 1, 1.0, Decimal128("1"), {"x": 1}, {"x": 1.0}, [1], None, True, "b"]
    await database.notes.insert_many([{"owner": ann.id, "holder": ann.id, "v": each} for each in some])
    await database.notes.insert_one({"owner": ann.id.upper(), "holder": ann.id, "v": "HIDDEN"})

    answer = await ann("distinct", fieldName="v", **NOTES)

    assert len(values(answer)) == 6  # A, 1 with [1] by its element, {"x": 1}, null, true, b
    assert b"HIDDEN" not in answer.body


async def test_queries_of_hidden_fields_can_be_opened_for_filters_alone(
    ann: Person, app: Any, database: Any, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("RULES_ALLOW_HIDDEN_FIELD_QUERIES", "true")
    app(FIELDS)
    await database.notes.insert_many(notes(ann.id))

    assert (await ann("countDocuments", filter={"secret": 5}, **NOTES)).json == {"count": 1}
    assert (await ann("distinct", fieldName="secret", **NOTES)).json == {"values": []}


async def test_too_many_values_under_rules_are_refused(ann: Person, app: Any, database: Any) -> None:
    app(INEXACT)
    await database.notes.insert_many([
        {"owner": ann.id, "holder": ann.id, "v": str(number) * 6_000_000} for number in range(3)
    ])  # fmt: skip

    answer = await ann("distinct", fieldName="v", **NOTES)

    assert (answer.status, answer.json["error"]) == (400, "distinct: the values exceed 16 MB: narrow the filter")
