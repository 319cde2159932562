"""Reads of documents of which rules hide a part: as if the visible parts were all that there is."""

import json
from collections.abc import Awaitable, Callable
from struct import pack
from typing import Any, NamedTuple

import pytest
from bson.dbref import DBRef
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from shared.access.full import FullAccess
from shared.access.opening import RuledAccess
from shared.access.protocol import Wanted
from shared.errors import DeniedWriteError, InvalidParameterError
from shared.mongo.clients import RAW, Clients
from shared.requests import Reading
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.report import Report
from shared.settings import Settings
from tests.bson_types import ROWS, document, element
from tests.steps import share_of_longest_turn

BY_DOCUMENT = {"name": "owner", "apply_when": {"%%prevRoot.owner": "%%user.id"}, "read": True}
"""A role of which no query can say where it applies."""

X_ALONE: dict[str, Any] = {
    "name": "r",
    "apply_when": {},
    "fields": {"a": {"fields": {"x": {"read": True}}}, "n": {"read": True}},
}
EXPANSIONS = Expansions({"id": "ann"})


class Seen(NamedTuple):
    """A collection as rules show it."""

    collection: Any

    def through(self, *roles: dict[str, Any], filters: Any = ()) -> RuledAccess:
        source = {"roles": list(roles), "filters": list(filters)}
        rules = compile_ruleset(source, Constants(), Report())
        full = FullAccess(self.collection.with_options(codec_options=RAW), Settings(), Wanted("JSON"), None)
        return RuledAccess(full, rules.rights(EXPANSIONS), None, EXPANSIONS, Clients(Settings()).options)


@pytest.fixture
def seen(database: Any) -> Seen:
    return Seen(database["items"])


async def found(
    access: RuledAccess,
    condition: Any = None,
    projection: Any = None,
    sort: list[tuple[str, Any]] | None = None,
    limit: int = 0,
    skip: int = 0,
) -> Any:
    reply = await access.find(Reading(condition or {}, projection or {}, sort, limit, skip))
    return json.loads(reply.body)["documents"]


async def piped(access: RuledAccess, *stages: Any) -> Any:
    return json.loads((await access.aggregate(list(stages))).body)["documents"]


IN_ARRAYS: list[dict[str, Any]] = [
    {"a": [{"x": 1}], "n": 1},
    {"a": [{"x": 1}, {"secret": 2}], "n": 2},
    {"a": [5, {"x": 1}], "n": 3},
    {"a": [{"x": 1}, {"x": None}], "n": 4},
    {"a": {"x": 1}, "n": 5},
    {"a": [{"secret": 1}, {"x": 2}], "n": 6},
    {"a": 5, "n": 7},
    {"n": 8},
    {"a": [], "n": 9},
]


@pytest.mark.parametrize(
    "condition",
    [
        {"a.x": 1}, {"a.x": None}, {"a.x": {"$ne": None}}, {"a.x": {"$exists": False}}, {"a.0.x": 1}, {"a.1.x": 1},
        {"a.x": {"$in": [None, 2]}}, {"a.x": {"$nin": [1]}}, {"a.x": {"$not": {"$gt": 1}}}, {"$nor": [{"a.x": 1}]},
        {"$or": [{"a.0.x": 2}, {"n": 1}]}, {"$and": [{"n": {"$gt": 1}}, {"a.x": {"$ne": 2}}]},
        {"a.x": {"$all": [None]}}, {"a.x": {"$exists": True}}, {"n": {"$ne": 3}, "a.0.x": {"$gte": 1}},
    ],
    ids=str,
)  # fmt: skip
async def test_a_filter_matches_what_is_visible(seen: Seen, database: Any, condition: Any) -> None:
    await seen.collection.insert_many([dict(each) for each in IN_ARRAYS])
    shown = await found(seen.through(X_ALONE), sort=[("n", 1)])
    await database["shown"].insert_many(shown)

    matched = await found(seen.through(X_ALONE), condition, sort=[("n", 1)])
    first = await piped(seen.through(X_ALONE), {"$match": condition}, {"$sort": {"n": 1}})

    theirs = database["shown"].find(condition, {"_id": 0}, sort=[("n", 1)])
    assert matched == first == [each async for each in theirs]


@pytest.mark.parametrize("hidden", [[], "12", 5, None, {"secret": 1}, [5, {"secret": 1}]])
@pytest.mark.parametrize("path", ["a.0", "a.0.x", "a.x.0"])
async def test_whether_a_number_is_a_place_does_not_depend_on_what_is_hidden(
    seen: Seen, hidden: Any, path: str
) -> None:
    fields = {"a": {"fields": {"0": {"read": True}, "x": {"read": True}}}, "n": {"read": True}}
    role = {"name": "r", "apply_when": {}, "fields": fields}
    await seen.collection.insert_one({"n": 1, "a": hidden})

    assert await found(seen.through(role), {path: None}) == [{"n": 1}]
    assert await found(seen.through(role), {path: {"$exists": True}}) == []
    assert await found(seen.through(role), sort=[(path, 1)]) == [{"n": 1}]


@pytest.mark.parametrize(
    "condition", [{"n": None}, {"n": {"$ne": 1}}, {"n": 1}, {"$and": [{"n": None}, {"share": False}]}]
)
async def test_a_field_that_is_hidden_is_missing_to_a_pipeline(seen: Seen, database: Any, condition: Any) -> None:
    role = {"name": "r", "apply_when": {}, "fields": {"n": {"read": {"share": True}}, "share": {"read": True}}}
    await seen.collection.insert_many([{"n": n, "share": share} for n in (None, 1, 2) for share in (True, False)])
    await database["shown"].insert_many(await found(seen.through(role)))

    matched = await piped(seen.through(role), {"$match": condition})

    assert matched == [each async for each in database["shown"].find(condition, {"_id": 0})]


async def test_what_is_stored_is_asked_where_the_deployment_says_so(seen: Seen) -> None:
    access = seen.through(X_ALONE)
    access.settings = Settings(rules_allow_hidden_field_queries=True)
    await seen.collection.insert_many([dict(each) for each in IN_ARRAYS])

    assert [each["n"] for each in await found(access, {"a.secret": {"$ne": 2}})] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert [each["n"] for each in await found(access, {"a.1.x": 1})] == [3]
    assert await piped(access, {"$match": {"a.secret": 2}}) == []


IN_PART = {"name": "r", "apply_when": {}, "fields": {
    "_id": {"fields": {"k": {"read": True}}}, "n": {"read": True},
    "address": {"fields": {"city": {"read": True}}}, "lines": {"fields": {"sku": {"read": True}}},
    "place": {"fields": {"type": {"read": True}, "coordinates": {"read": True}}},
}}  # fmt: skip


@pytest.mark.parametrize(
    "condition",
    [
        {"address": {"$lt": {"city": "Porto", "door": "5"}}}, {"address": {"$lt": {"city": "Porto", "door": "9"}}},
        {"address": {"$gte": {"city": "Porto", "door": "5"}}}, {"address": {"city": "Porto"}},
        {"address": {"city": "Porto", "door": "7"}}, {"address": {"$in": [{"city": "Porto"}, 1]}},
        {"lines": {"$size": 2}}, {"lines": {"$size": 3}}, {"lines": {"$elemMatch": {"$lt": {"sku": "A", "cost": 5}}}},
        {"lines": {"$all": [{"sku": "A"}]}}, {"lines.sku": "A"}, {"lines": {"$type": "array"}}, {"_id": {"k": 1}},
        {"_id": {"k": 1, "secret": 2}}, {"_id": {"$in": [{"k": 1}]}}, {"_id.k": 1}, {"_id": {"$gt": {"k": 1}}},
        {"place": {"$geoWithin": {"$box": [[0, 0], [2, 2]]}}}, {"$or": [{"address": {"city": "Porto"}}, {"n": 5}]},
        {"$and": [{"n": 1}, {"address": {"city": "Porto"}}]},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("hiding", ["a role", "a filter"])
async def test_a_pipeline_compares_what_is_visible_of_a_value(
    seen: Seen, database: Any, condition: Any, hiding: str
) -> None:
    lines = [{"sku": "A", "cost": 9}, {"sku": "B"}, {"cost": 3}]
    place = {"secret": [9, 9], "type": "Point", "coordinates": [1, 1]}
    document = {"address": {"city": "Porto", "door": "7"}, "lines": lines, "n": 1, "place": place}
    await seen.collection.insert_one({"_id": {"k": 1, "secret": 2}, **document})
    hidden = dict.fromkeys(["_id.secret", "address.door", "lines.cost", "place.secret"], 0)
    whole = [{"name": "r", "apply_when": {}, "read": True}]
    hiding_filter = [{"name": "f", "apply_when": {}, "projection": hidden}]
    access = seen.through(IN_PART) if hiding == "a role" else seen.through(*whole, filters=hiding_filter)
    shown = await piped(access)
    await database["shown"].insert_many([dict(each) for each in shown])

    assert await piped(access, {"$match": condition}) == [each async for each in database["shown"].find(condition)]


@pytest.mark.parametrize("direction", [1, -1])
async def test_a_sort_orders_what_is_visible(seen: Seen, database: Any, direction: int) -> None:
    await seen.collection.insert_many([dict(each) for each in IN_ARRAYS])
    await database["shown"].insert_many(await found(seen.through(X_ALONE)))
    order = [("a.x", direction), ("n", 1)]

    mine = await found(seen.through(X_ALONE), sort=order, limit=4, skip=1)

    assert mine == [each async for each in database["shown"].find({}, {"_id": 0}, sort=order, limit=4, skip=1)]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ({"$jsonSchema": {"maxProperties": 2}}, [1, 2]),
        ({"$jsonSchema": {"additionalProperties": False, "properties": {"_id": {}, "n": {}}}}, [1, 2]),
        ({"$expr": {"$eq": [{"$size": {"$objectToArray": "$$ROOT"}}, 2]}}, [1, 2]),
        ({"$expr": {"$eq": ["$$ROOT", {"_id": 1, "n": 1}]}}, [1]),
        ({"$nor": [{"$jsonSchema": {"maxProperties": 2}}]}, []),
    ],
    ids=str,
)
async def test_a_condition_on_the_whole_document_sees_nothing_else(seen: Seen, condition: Any, ids: list[int]) -> None:
    role = {"name": "r", "apply_when": {}, "fields": {"secret": {}}, "additional_fields": {"write": True}}
    await seen.collection.insert_many([{"_id": 1, "n": 1, "secret": 1}, {"_id": 2, "n": 2}])
    await seen.collection.insert_one({"_id": 3, "n": 2, "m": 1})

    shown = await found(seen.through(role), condition, {"n": 0}, [("_id", -1)])
    await seen.through(role).update_many(condition, {"$set": {"met": True}}, None, upsert=False)

    expected = ids if ids != [] else [3]
    assert [each["_id"] for each in shown] == expected[::-1]
    assert [each["_id"] async for each in seen.collection.find({"met": True}, sort=[("_id", 1)])] == expected


async def test_documents_of_every_type_are_known_again(seen: Seen) -> None:
    stored = [
        document(element(0x10, pack("<i", n), "_id"), element(row.kind, row.payload)) for n, row in enumerate(ROWS)
    ]
    await seen.collection.with_options(codec_options=RAW).insert_many(
        [RawBSONDocument(each, RAW) for each in stored * 1]
    )
    role = {"name": "r", "apply_when": {}, "fields": {"secret": {}, "_id": {}}, "additional_fields": {"read": True}}

    shown = await found(seen.through(role), {"$expr": {"$ne": ["$none", 1]}}, sort=[("v", 1)])

    assert len(shown) == len(ROWS)


async def test_a_sort_never_fails_on_a_hidden_document(seen: Seen) -> None:
    mine = [{"_id": n, "owner": "ann", "a": [{"x": n}]} for n in (2, 1)]
    hidden = {"_id": 3, "owner": "bob", "a": [{"0": "RED", "secret": 1}], "b": [1], "c": [2]}
    await seen.collection.insert_many([*mine, hidden])

    assert [each["_id"] for each in await found(seen.through(BY_DOCUMENT), sort=[("a.0.x", 1)])] == [1, 2]
    assert [each["_id"] for each in await found(seen.through(BY_DOCUMENT), sort=[("a.0", -1)], limit=1)] == [2]
    assert len(await found(seen.through(BY_DOCUMENT), sort=[("b", 1), ("c", 1)])) == 2


async def test_parts_of_arrays_are_those_of_what_is_sorted_as_visible(seen: Seen) -> None:
    mine = [{"_id": n, "owner": "ann", "a": [{"x": n}], "l": [n, 5], "r": {"$ref": "c", "$id": 1}} for n in (2, 1)]
    await seen.collection.insert_many([*mine, {"_id": 3, "owner": "bob", "a": [{"0": "RED"}]}])
    access = seen.through(BY_DOCUMENT)

    async def shown(projection: Any) -> Any:
        return await found(access, projection=projection, sort=[("a.0.x", 1)], limit=2)

    assert await shown({"l": {"$slice": 1}, "a": 0, "r": 0}) == [
        {"_id": 1, "owner": "ann", "l": [1]}, {"_id": 2, "owner": "ann", "l": [2]},
    ]  # fmt: skip
    assert await shown({"l": {"$elemMatch": {"$lt": 5}}}) == [{"_id": 1, "l": [1]}, {"_id": 2, "l": [2]}]
    assert await shown({"x": {"$first": "$l"}}) == [{"_id": 1, "x": 1}, {"_id": 2, "x": 2}]
    assert await shown({"_id": 1}) == [{"_id": 1}, {"_id": 2}]


@pytest.mark.parametrize(
    "role",
    [
        BY_DOCUMENT,
        {"name": "r", "apply_when": {"%%root.owner": "%%root.holder"}, "read": True},
        {"name": "r", "apply_when": {"deleted": None}, "read": True},
    ],
    ids=str,
)
async def test_nothing_is_computed_on_a_document_that_no_role_shows(seen: Seen, role: Any) -> None:
    mine = {"_id": 1, "owner": "ann", "holder": "ann", "deleted": None, "text": "5"}
    await seen.collection.insert_many([mine, {"_id": 2, "owner": "bob", "text": "BOBS HIDDEN VALUE"}])
    to_int = {"x": {"$toInt": "$text"}}

    assert await found(seen.through(role), projection=to_int) == [{"_id": 1, "x": 5}]
    assert await piped(seen.through(role), {"$project": to_int}) == [{"_id": 1, "x": 5}]
    assert await piped(seen.through(role), {"$match": {"_id": 2}}, {"$project": to_int}) == []


async def test_elements_are_not_matched_in_a_document_that_no_role_shows(seen: Seen) -> None:
    hidden = {"_id": 1, "owner": "bob", "list": [{"k": 42, "pad": "z" * 9_000_000}]}
    await seen.collection.insert_many([hidden, {"_id": 2, "owner": "ann", "list": [{"k": 41}, {"k": 42, "n": 1}]}])

    for sort in (None, [("_id", -1)], [("a.0.x", 1)]):
        matched = await found(seen.through(BY_DOCUMENT), projection={"list": {"$elemMatch": {"k": 42}}}, sort=sort)
        assert matched == [{"_id": 2, "list": [{"k": 42, "n": 1}]}]


async def test_a_limit_is_filled_with_documents_whose_elements_are_matched(database: Any) -> None:
    await database.create_collection("items", collation={"locale": "en", "strength": 2})
    owners = ["ANN", "ann", "ANN", "ann"]
    await database["items"].insert_many([{"_id": n, "owner": each, "l": [n]} for n, each in enumerate(owners)])
    access = Seen(database["items"]).through({"name": "r", "apply_when": {"owner": "ann"}, "read": True})

    for limit, expected in ((1, [1]), (2, [1, 3])):
        matched = await found(access, projection={"l": {"$elemMatch": {"$gte": 0}}}, limit=limit)
        assert [each["_id"] for each in matched] == expected


async def test_elements_are_matched_in_more_than_a_command_holds(seen: Seen) -> None:
    documents = [{"_id": n, "owner": "ann", "pad": "z" * 2_000_000, "list": [{"k": n}, {"k": -1}]} for n in range(10)]
    await seen.collection.insert_many(documents)

    matched = await found(seen.through(BY_DOCUMENT), projection={"list": {"$elemMatch": {"k": {"$gte": 0}}}})

    assert matched == [{"_id": n, "list": [{"k": n}]} for n in range(10)]


@pytest.mark.parametrize(
    "update",
    [{"$set": {"lines.0.sku": "Z"}}, {"$set": {"lines.1.sku": "Z"}}, {"$set": {"lines.$[].sku": "Z"}}], ids=str,
)  # fmt: skip
async def test_an_update_does_not_meet_a_hidden_element(seen: Seen, update: Any) -> None:
    role = {"name": "r", "apply_when": {}, "fields": {"lines": {"fields": {"sku": {"write": True}}}}}
    stored = [{"_id": 1, "lines": [{"cost": 3}, {"sku": "A"}]}, {"_id": 2, "lines": [{"sku": "A", "cost": 1}] * 2}]
    await seen.collection.insert_many(stored)

    with pytest.raises(DeniedWriteError):
        await seen.through(role).update_one({"_id": 1}, update, None, upsert=False)
    await seen.through(role).update_one({"_id": 2}, update, None, upsert=False)

    assert [await seen.collection.find_one({"_id": 1}), await seen.collection.find_one({"_id": 2})][0] == stored[0]
    assert await seen.collection.find_one({"_id": 2}) != stored[1]


async def test_texts_and_types_come_back_as_they_were_stored(seen: Seen) -> None:
    document = {"_id": 1, "owner": "ann", "text": "$owner", "inner": {"$ref": "c", "$id": Int64(1)}, "n": Int64(5)}
    await seen.collection.insert_one(document)
    access = seen.through(BY_DOCUMENT)
    access.full.form = "EJSON"

    assert await piped(access) == [{
        "_id": {"$numberInt": "1"}, "owner": "ann", "text": "$owner",
        "inner": {"$ref": "c", "$id": {"$numberLong": "1"}}, "n": {"$numberLong": "5"},
    }]  # fmt: skip


@pytest.mark.parametrize("filters", [[], [{"name": "f", "apply_when": {}, "projection": {"b.secret": 0}}]])
async def test_a_field_set_anew_is_the_last_whatever_was_hidden(seen: Seen, filters: Any) -> None:
    role = {"name": "r", "apply_when": {}, "fields": {"s": {}}, "additional_fields": {"read": True}}
    await seen.collection.insert_many([{"_id": 1, "s": 1, "b": {"secret": 1, "x": 1}}, {"_id": 2, "b": {"x": 1}}])

    both = await piped(seen.through(role, filters=filters), {"$set": {"s": 5, "b.secret": 6}}, {"$unset": "_id"})

    assert json.dumps(both[0]) == json.dumps(both[1]) or not filters
    assert [list(each) for each in both] == [["b", "s"]] * 2


async def test_what_is_too_much_to_compute_on_is_refused_with_what_to_do(seen: Seen) -> None:
    await seen.collection.insert_many([{"_id": n, "owner": "ann", "text": "x" * 1_000_000} for n in range(17)])

    with pytest.raises(InvalidParameterError, match=r"16 MB .*: narrow the filter"):
        await piped(seen.through(BY_DOCUMENT), {"$count": "n"})
    assert await piped(seen.through(BY_DOCUMENT), {"$match": {"_id": {"$lt": 3}}}, {"$count": "n"}) == [{"n": 3}]


async def test_a_pipeline_compares_as_the_collection_where_rules_ask_nothing_of_it(database: Any) -> None:
    role = {"name": "r", "apply_when": {}, "fields": {"_id": {"read": True}, "name": {"read": True}}}
    await database.create_collection("items", collation={"locale": "en", "strength": 2})
    await database.create_collection("view", viewOn="items", pipeline=[], collation={"locale": "en", "strength": 2})
    await database["items"].insert_one({"_id": 1, "name": "a", "secret": 1})

    for name in ("items", "view"):
        access = Seen(database[name]).through(role)
        assert (
            await piped(access, {"$match": {"name": "A"}})
            == await found(access, {"name": "A"})
            == [{"_id": 1, "name": "a"}]
        )


async def test_a_skip_counts_what_is_visible_of_a_view_without_ids(seen: Seen, database: Any) -> None:
    fields = {"_id": {"read": True}, "name": {"read": True}, "n": {"read": True}}
    await seen.collection.insert_many([{"n": n, **({"secret": 1} if n % 2 else {"name": str(n)})} for n in range(6)])
    await database.create_collection("view", viewOn="items", pipeline=[{"$sort": {"n": 1}}, {"$unset": ["_id", "n"]}])
    access = Seen(database["view"]).through({"name": "r", "apply_when": {}, "fields": fields})

    names = [[each["name"] for each in await found(access, skip=skip)] for skip in range(4)]

    assert names == [["0", "2", "4"], ["2", "4"], ["4"], []]


@pytest.mark.parametrize("role", [BY_DOCUMENT, {"name": "r", "apply_when": {"owner": "ann"}, "read": True}])
async def test_a_collation_is_that_of_the_caller_and_never_that_of_rules(database: Any, role: Any) -> None:
    await database.create_collection("items", collation={"locale": "en", "strength": 2})
    owners = ["ANN", "ann", "Ann", "ann"]
    await database["items"].insert_many([{"_id": n, "owner": each, "k": "A"} for n, each in enumerate(owners)])
    access = Seen(database["items"]).through(role)

    assert [each["_id"] for each in await found(access, {"k": "a"})] == [1, 3]
    assert [each["_id"] for each in await piped(access, {"$match": {"k": "a"}})] == [1, 3]
    assert await piped(access, {"$group": {"_id": "$k", "n": {"$sum": 1}}}) == [{"_id": "A", "n": 2}]


@pytest.mark.parametrize(
    "read", [{"k": {"%ne": "x"}}, {"k": {"%lt": "a"}}, {"%or": [{"k": {"%lt": "a"}}, {"_id": 5}]}, {"%not": {"k": "x"}}]
)
async def test_a_document_is_found_that_a_collation_takes_for_another(database: Any, read: Any) -> None:
    await database.create_collection("items", collation={"locale": "en", "strength": 2})
    await database["items"].insert_many([{"_id": 1, "k": "X"}, {"_id": 2, "k": "x"}])
    role = {"name": "r", "apply_when": {}, "read": read}

    assert [each["_id"] for each in await found(Seen(database["items"]).through(role))] == [1]


@pytest.mark.parametrize("secret", [[1], 5, {"x": 1}, None])
async def test_what_is_set_on_insert_is_not_tried_on_a_document_that_is_there(seen: Seen, secret: Any) -> None:
    role = {"name": "r", "apply_when": {}, "fields": {"_id": {"read": True}, "n": {"write": True}}}
    await seen.collection.insert_one({"_id": 1, "n": 1, "secret": secret})

    async def updated(changes: Any) -> Any:
        access, many = seen.through(role), seen.through(role)
        one = await access.update_one({"_id": 1}, changes, None, upsert=True)
        return json.loads(one.body), json.loads((await many.update_many({}, changes, None, upsert=False)).body)

    assert await updated({"$setOnInsert": {"secret.$[]": 1}}) == ({"matchedCount": 1, "modifiedCount": 0},) * 2
    assert (
        await updated({"$setOnInsert": {"secret.$[]": 1}, "$inc": {"n": 1}})
        == ({"matchedCount": 1, "modifiedCount": 1},) * 2
    )
    assert await seen.collection.find_one() == {"_id": 1, "n": 3, "secret": secret}


@pytest.mark.parametrize(
    ("condition", "matched"),
    [({"a.x": None}, [7, 8, 9, 4]), ({"a.0.x": 1}, [1, 2, 3, 4]), ({"a.x": {"$ne": 1}}, [6, 7, 8, 9])],
)
async def test_a_write_means_what_is_visible(seen: Seen, condition: Any, matched: list[int]) -> None:
    role = X_ALONE | {"fields": X_ALONE["fields"] | {"m": {"write": True}, "_id": {"read": True}}}
    await seen.collection.insert_many([{**each, "_id": each["n"]} for each in IN_ARRAYS])

    one = await seen.through(role).update_one(
        {"$and": [condition, {"n": {"$gt": 4}}]}, {"$inc": {"m": 1}}, None, upsert=False
    )
    await seen.through(role).update_many(condition, {"$inc": {"m": 10}}, None, upsert=False)

    marked = {each["_id"]: each["m"] async for each in seen.collection.find({"m": {"$exists": True}})}
    first = [each for each in sorted(matched) if each > 4][:1]
    assert json.loads(one.body)["matchedCount"] == len(first)
    assert marked == {each: 11 if each in first else 10 for each in matched}


async def test_a_delete_means_what_is_visible(seen: Seen) -> None:
    role = {"name": "r", "apply_when": {}, "fields": {"a": {"fields": {"x": {"write": True}}}, "_id": {"write": True}}}
    await seen.collection.insert_many([{"_id": 1, "a": [{"x": 1}]}, {"_id": 2, "a": [{"x": None}]}])

    assert json.loads((await seen.through(role).delete_many({"a.x": None})).body) == {"deletedCount": 1}
    assert [each["_id"] async for each in seen.collection.find()] == [1]


@pytest.mark.parametrize("action", ["insert", "find", "update", "delete"])
async def test_many_documents_do_not_keep_the_loop_from_others(seen: Seen, action: str) -> None:
    documents = [{"_id": n, "owner": "ann", "text": "x" * 500} for n in range(10_000)]
    everything = BY_DOCUMENT | {"apply_when": {"owner": "ann"}, "write": True, "insert": {"owner": "ann"}}
    access = seen.through(everything, filters=[{"name": "f", "apply_when": {}, "projection": {"none.x": 0}}])
    if action != "insert":
        await seen.collection.insert_many(documents)
    count = 0
    for name in ("masks", "may_insert", "may_touch", "may_update", "may_delete"):
        real = getattr(access.rights, name)

        def counted(*given: Any, _real: Any = real, **more: Any) -> Any:
            nonlocal count
            count += len(given[0]) if isinstance(given[0], list) else 1
            return _real(*given, **more)

        setattr(access.rights, name, counted)

    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "insert": lambda: access.insert_many(documents),
        "find": lambda: found(access),
        "update": lambda: access.update_many({}, {"$set": {"n": 1}}, None, upsert=False),
        "delete": lambda: access.delete_many({}),
    }

    share = await share_of_longest_turn(calls[action]())

    assert count >= 10_000
    assert share < 0.2


@pytest.mark.parametrize(
    ("permission", "value"),
    [
        ({"%%this.$id": {"%exists": False}}, DBRef("c", ObjectId())),
        ({"%%this": Timestamp(0, 0)}, Timestamp(0, 0)),
    ],
    ids=["a reference", "MongoDB's own time"],
)
@pytest.mark.parametrize("many", [False, True])
async def test_an_insert_is_decided_on_what_is_stored(seen: Seen, permission: Any, value: Any, many: bool) -> None:
    fields = {"_id": {"write": True}, "value": {"write": permission}}
    access = seen.through({"name": "r", "apply_when": {}, "fields": fields})

    document = {"_id": 1, "value": value}

    with pytest.raises(DeniedWriteError):
        await (access.insert_many([{"_id": 2}, document]) if many else access.insert_one(document))

    assert await seen.collection.count_documents({}) == 0


async def test_mongodbs_own_time_is_inserted_where_rules_allow_it(seen: Seen) -> None:
    access = seen.through({"name": "r", "apply_when": {}, "write": {"value": {"%gt": Timestamp(0, 1)}}, "read": True})
    later = seen.through({"name": "r", "apply_when": {}, "write": True, "read": {"none": {"%exists": False}}})

    with pytest.raises(DeniedWriteError):  # as it is sent
        await access.insert_one({"_id": 1, "value": Timestamp(0, 0)})
    await later.insert_many([{"_id": 2, "value": Timestamp(0, 0)}, {"_id": 3}])
    await later.insert_one({"_id": 4, "value": Timestamp(0, 0)})

    stored = [each.get("value") async for each in seen.collection.find(sort=[("_id", 1)])]
    assert stored[1] is None
    assert min(stored[0], stored[2]) > Timestamp(1, 0)
