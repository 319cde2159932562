"""What callers see through the rules of an exported app, over HTTP and through both hosts."""

from typing import Any

import pytest
from bson.code import Code
from bson.objectid import ObjectId

from tests.conftest import ACTION, FailPoint, errors_only, request_body
from tests.functions.rules.conftest import Person, registered
from tests.hosts import Host

HIDDEN = "no role lets you read the field 'internal', which the call uses"


@pytest.fixture
async def orders(ann: Person, database: Any) -> Any:
    """Ann's order, two of somebody else of which one is visible, and one that nobody's role shows."""
    await database.orders.insert_many([
        {"_id": 1, "owner": ann.id, "title": "mine", "total": 5, "secret": 1,
         "address": {"city": "Porto", "door_code": "7"}, "lines": [{"sku": "A", "count": 2, "cost": 9}, {"cost": 1}]},
        {"_id": 2, "owner": "u2", "visible": True, "title": "seen", "votes": 3, "secret": 2},
        {"_id": 3, "owner": "u2", "visible": False, "title": "unseen", "secret": 3},
        {"_id": 4, "owner": "u3", "visible": True, "title": "seen too", "votes": 1, "secret": 4},
    ])  # fmt: skip
    return database.orders


async def test_documents_are_trimmed_and_invisible_ones_are_left_out(ann: Person, orders: Any) -> None:
    answer = await ann("find", sort={"title": 1})

    assert answer.json == {"documents": [
        {"_id": 1, "owner": ann.id, "title": "mine", "total": 5, "address": {"city": "Porto"},
         "lines": [{"sku": "A", "count": 2}]},
        {"title": "seen", "votes": 3},
        {"title": "seen too", "votes": 1},
    ]}  # fmt: skip


async def test_the_form_of_the_reply_changes_nothing(ann: Person, orders: Any) -> None:
    answer = await ann("find", accept="application/ejson", filter={"_id": 2})

    assert answer.json == {"documents": [{"title": "seen", "votes": {"$numberInt": "3"}}]}


@pytest.mark.parametrize("accept", ["application/json", "application/ejson"])
async def test_the_rules_have_the_last_word_on_what_mongodb_finds(ann: Person, database: Any, accept: str) -> None:
    await database.create_collection("loose", collation={"locale": "en", "strength": 2})  # MongoDB takes A for a
    texts = [{"_id": "mine", "owner": ann.id}, {"_id": "other", "owner": ann.id.upper()}, {"_id": "none"}]
    others = [{"_id": "id", "owner": ObjectId(ann.id)}, {"_id": "among", "owner": ["x", ann.id]},
              {"_id": "loosely among", "owner": [ann.id.upper()]}, {"_id": "code", "owner": Code(ann.id)},
              {"_id": "inside", "owner": {"owner": ann.id}}]  # fmt: skip

    await database.loose.insert_many(texts)
    of_texts = await ann("find", accept=accept, collection="loose", projection={"_id": 1})
    await database.loose.insert_many(others)
    of_all = await ann("find", accept=accept, collection="loose", projection={"_id": 1}, sort={"_id": -1})

    assert of_texts.json == {"documents": [{"_id": "mine"}]}
    assert of_all.json == {"documents": [{"_id": "mine"}, {"_id": "among"}]}


@pytest.mark.parametrize("members", [{}, {"sort": {"n": 1}}, {"projection": {"n": 1}}])
async def test_a_collation_makes_no_difference_to_what_is_counted(ann: Person, database: Any, members: Any) -> None:
    await database.create_collection("loose", collation={"locale": "en", "strength": 2})
    owners = [ann.id.upper(), ann.id, ann.id.upper(), ann.id.upper(), ann.id, ann.id]
    await database.loose.insert_many([{"_id": n, "n": n, "owner": owner} for n, owner in enumerate(owners)])

    async def found(**more: Any) -> list[int]:
        answer = await ann("find", collection="loose", **members, **more)
        return [each["_id"] for each in answer.json["documents"]]

    assert (await ann("findOne", collection="loose", **members)).json["document"]["_id"] == 1
    assert await found() == await found(limit=6) == [1, 4, 5]
    assert [await found(limit=each) for each in (1, 2, 3)] == [[1], [1, 4], [1, 4, 5]]
    assert [await found(skip=each) for each in (1, 2, 3)] == [[4, 5], [5], []]
    assert await found(skip=1, limit=1) == [4]


@pytest.mark.parametrize(
    ("action", "members", "reply"),
    [
        ("countDocuments", {}, {"count": 1}),
        ("estimatedDocumentCount", {}, {"count": 1}),
        ("distinct", {"fieldName": "n"}, {"values": [2]}),
        ("find", {"projection": {"n": 1}}, {"documents": [{"_id": 2, "n": 2}]}),
        ("find", {"skip": 1}, {"documents": []}),
        ("find", {"skip": 1, "projection": {"x": {"$slice": 1}}}, {"documents": []}),
        ("find", {"sort": {"n": 1}, "limit": 1, "projection": {"n": 1}}, {"documents": [{"_id": 2, "n": 2}]}),
        ("findOne", {"projection": {"n": 1, "a.b": 1}}, {"document": {"_id": 2, "n": 2}}),
        ("aggregate", {"pipeline": [{"$count": "n"}]}, {"documents": [{"n": 1}]}),
        ("updateMany", {"filter": {}, "update": {"$set": {"n": 3}}}, {"matchedCount": 1, "modifiedCount": 1}),
        ("deleteMany", {"filter": {}}, {"deletedCount": 1}),
    ],
    ids=str,
)
async def test_a_collection_that_was_made_anew_and_compares_otherwise_shows_no_more(
    ann: Person, database: Any, action: str, members: dict[str, Any], reply: Any
) -> None:
    await database.loose.insert_one({"owner": ann.id})
    await ann("find", collection="loose", skip=1)  # from now on it is known how the collection compares
    await database.drop_collection("loose")  # as another process does it
    await database.create_collection("loose", collation={"locale": "en", "strength": 2})
    await database.loose.insert_many([
        {"_id": 1, "owner": ann.id.upper(), "n": 1}, {"_id": 2, "owner": ann.id, "n": 2},
    ])  # fmt: skip

    answer = await ann(action, collection="loose", **members)

    assert (answer.status, answer.json) == (200, reply)


@pytest.mark.parametrize("fault", [{"errorCode": 13}, {"closeConnection": True}], ids=["denied", "lost"])
async def test_a_deployment_that_cannot_list_collections_skips_no_less(
    ann: Person, database: Any, fail_point: FailPoint, fault: dict[str, Any]
) -> None:
    await database.create_collection("loose", collation={"locale": "en", "strength": 2})
    await database.loose.insert_many([{"_id": n, "owner": ann.id if n % 2 else ann.id.upper()} for n in range(6)])
    await fail_point("listCollections", times=2, **fault)  # the driver tries twice

    answer = await ann("find", collection="loose", skip=1)

    assert [each["_id"] for each in answer.json["documents"]] == [3, 5]


async def test_a_limit_is_filled_with_what_is_visible(ann: Person, orders: Any) -> None:
    first = await ann("find", sort={"title": -1}, limit=2)  # "unseen" comes first
    second = await ann("find", sort={"title": -1}, limit=2, skip=2)

    assert [each["title"] for each in first.json["documents"]] == ["seen too", "seen"]
    assert [each["title"] for each in second.json["documents"]] == ["mine"]
    assert (await ann("findOne", sort={"title": -1})).json["document"]["title"] == "seen too"


@pytest.mark.parametrize(
    ("projection", "shown"),
    [
        ({"title": 1}, {"_id": 1, "title": "mine"}),
        ({"title": 1, "_id": 0}, {"title": "mine"}),
        ({"secret": 1}, {"_id": 1}),
        ({"address.door_code": 1}, {"_id": 1, "address": {}}),
        ({"address.city": True, "_id": False}, {"address": {"city": "Porto"}}),
        ({"lines.count": 1, "_id": 0}, {"lines": [{"count": 2}]}),
        ({"owner": 0, "lines": 0, "address": 0, "_id": 0}, {"title": "mine", "total": 5}),
    ],
)
async def test_a_projection_cuts_and_never_shows_more(ann: Person, orders: Any, projection: Any, shown: Any) -> None:
    for accept in (None, "application/json"):
        answer = await ann("findOne", filter={"_id": 1}, projection=projection, accept=accept)
        assert answer.json == {"document": shown}


@pytest.mark.parametrize(
    ("projection", "shown"),
    [
        ({"x": "$secret"}, {"_id": 1}),
        ({"x": {"$toInt": "$secret"}}, {"_id": 1, "x": None}),
        ({"x": {"$concat": ["$title", "!"]}, "_id": 0}, {"x": "mine!"}),
        ({"x": {"$slice": ["$lines", 1]}}, {"_id": 1, "x": [{"sku": "A", "count": 2}]}),
        ({"x": ["$secret", "$total"]}, {"_id": 1, "x": [None, 5]}),
        ({"x": {"$objectToArray": "$address"}, "_id": 0}, {"x": [{"k": "city", "v": "Porto"}]}),
        ({"_id": {"$objectToArray": "$$ROOT.address"}}, {"_id": [{"k": "city", "v": "Porto"}]}),
    ],
)
async def test_a_projection_computes_on_what_is_visible(ann: Person, orders: Any, projection: Any, shown: Any) -> None:
    answer = await ann("find", filter={"_id": 1}, projection=projection)

    assert answer.json == {"documents": [shown]}


async def test_an_expression_never_meets_a_hidden_document(ann: Person, orders: Any) -> None:
    await orders.insert_one({"_id": 5, "owner": "u2", "title": "UNSEEN"})

    computed = await ann("find", projection={"x": {"$toInt": "$title"}}, filter={"_id": 5})
    aggregated = await ann(
        "aggregate", pipeline=[{"$match": {"title": "UNSEEN"}}, {"$set": {"x": {"$toInt": "$title"}}}]
    )
    of_mine = await ann("find", projection={"x": {"$toInt": "$title"}}, filter={"_id": 1})

    assert [computed.json, aggregated.json] == [{"documents": []}] * 2
    assert (of_mine.status, "'mine'" in errors_only(of_mine)["error"]) == (400, True)


@pytest.mark.parametrize(
    "projection",
    [{"x": {"$meta": "textScore"}}, {"x": "$title", "lines": {"$slice": 1}}, {"x": {"$function": {}}}],
)
async def test_a_projection_that_rules_cannot_leave_to_mongodb(ann: Person, orders: Any, projection: Any) -> None:
    answer = await ann("find", projection=projection)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")


async def test_parts_of_readable_arrays(ann: Person, database: Any) -> None:
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "parts": [{"n": 1}, {"n": 2}, {"n": 3}], "secret": 1})

    sliced = await ann("findOne", projection={"parts": {"$slice": [1, 1]}, "owner": 0})
    matched = await ann("findOne", projection={"parts": {"$elemMatch": {"n": 3}}})

    assert sliced.json == {"document": {"_id": 1, "parts": [{"n": 2}]}}
    assert matched.json == {"document": {"_id": 1, "parts": [{"n": 3}]}}


@pytest.mark.parametrize(
    ("projection", "shown"),
    [
        ({"lines": {"$slice": 1}, "title": 1, "_id": 0}, {"title": "mine", "lines": [{"sku": "A", "count": 2}]}),
        ({"lines": {"$slice": -1}, "title": 1, "_id": 0}, {"title": "mine", "lines": [{"sku": "B"}]}),
        ({"lines": {"$slice": [1, 5]}, "lines.sku": 1, "_id": 0}, None),
        ({"boxes.items": {"$slice": 1}, "_id": 0, "title": 1},
         {"title": "mine", "boxes": [{"items": [1]}, {"items": [3]}]}),
        ({"boxes.items": {"$slice": [-1, 1]}, "boxes.n": 1, "_id": 0},
         {"boxes": [{"items": [2]}, {"items": [4], "n": 5}]}),
        ({"address.city": {"$slice": 1}, "_id": 0, "title": 1}, {"title": "mine", "address": {"city": "Porto"}}),
    ],
)  # fmt: skip
async def test_parts_of_arrays_are_counted_among_what_is_visible(
    ann: Person, orders: Any, projection: Any, shown: Any
) -> None:
    lines = [{"cost": 7777}, {"sku": "A", "count": 2, "cost": 9}, {"cost": 7777}, {"sku": "B"}]
    boxes = [{"items": [1, 2]}, {"items": [3, 4], "n": 5}]
    await orders.update_one({"_id": 1}, {"$set": {"lines": lines, "boxes": boxes}})

    answer = await ann("findOne", filter={"_id": 1}, projection=projection)

    assert answer.json == {"document": shown} if shown else answer.status == 400


@pytest.mark.parametrize("path", ["secret", "secret.inner", "address.door_code", "lines.cost"])
async def test_parts_of_hidden_arrays_are_refused(ann: Person, orders: Any, path: str) -> None:
    answer = await ann("find", filter={"_id": 1}, projection={path: {"$slice": 1}})

    assert (answer.status, errors_only(answer)["error_code"]) == (403, "NoMatchingRoleFound")


async def test_elements_of_an_array_with_hidden_members_cannot_be_matched(ann: Person, orders: Any) -> None:
    matched = await ann("find", filter={"_id": 1}, projection={"lines": {"$elemMatch": {"sku": "A"}}})
    nested = await ann("find", filter={"_id": 1}, projection={"a.b": {"$elemMatch": {"c": 1}}})

    assert matched.json == {"documents": []}
    assert (nested.status, errors_only(nested)["error_code"]) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    "asked",
    [
        {"filter": {"secret": 1}},
        {"filter": {"secret": {"$gte": 0}}},
        {"filter": {"secret": {"$exists": True}}},
        {"filter": {"$or": [{"_id": 1}, {"$nor": [{"secret": 1}]}]}},
        {"filter": {"address.door_code": "7"}},
        {"filter": {"address": {"city": "Porto", "door_code": "7"}}},
        {"filter": {"lines.cost": {"$gt": 1}}},
        {"filter": {"lines": {"$elemMatch": {"cost": 9}}}},
        {"filter": {"lines": {"$all": [{"$elemMatch": {"cost": 9}}]}}},
        {"filter": {"lines.0.cost": 9}},
        {"filter": {"lines": {"$size": 2}}},
        {"sort": {"secret": 1}},
        {"sort": {"address.door_code": -1}},
    ],
)
async def test_hidden_fields_cannot_be_asked_about(ann: Person, orders: Any, asked: Any) -> None:
    answer = await ann("find", **{"filter": {"_id": 1}} | asked)

    assert answer.status in {200, 403}
    if answer.status == 200:
        assert answer.json == {"documents": []}


@pytest.mark.parametrize(
    ("operator", "condition"),
    [
        ("$where", {"$where": "this.secret == 1"}),
        ("$text", {"$text": {"$search": "mine"}}),
        ("$text", {"$and": [{"$or": [{"$nor": [{"$text": {}}]}]}]}),
        ("$within", {"total": {"$within": {}}}),
        ("$sampleRate", {"$sampleRate": 0.5}),
    ],
)
async def test_operators_that_callers_under_rules_may_not_use(
    ann: Person, orders: Any, operator: str, condition: Any
) -> None:
    answer = await ann("find", filter=condition)

    assert answer.status == 400
    assert operator in errors_only(answer)["error"]


@pytest.mark.parametrize(
    ("condition", "titles"),
    [
        ({"title": {"$regex": "^M", "$options": "i"}}, ["mine"]),
        ({"title": {"$regularExpression": {"pattern": "^seen", "options": ""}}}, ["seen", "seen too"]),
        ({"title": {"$not": {"$regex": "too$"}}}, ["mine", "seen"]),
        ({"total": {"$bitsAllSet": 5}}, ["mine"]),
        ({"total": {"$bitsAllClear": 1}}, []),
        ({"$expr": {"$gt": [{"$strLenCP": "$title"}, 4]}}, ["seen too"]),
        ({"$expr": {"$eq": ["$secret", 1]}}, []),
        ({"$expr": {"$eq": [{"$type": "$secret"}, "missing"]}, "votes": {"$gt": 1}}, ["seen"]),
        ({"$or": [{"$expr": {"$eq": ["$title", "mine"]}}, {"votes": 1}]}, ["mine", "seen too"]),
        ({"$jsonSchema": {"required": ["secret"]}}, []),
        ({"$jsonSchema": {"properties": {"votes": {"minimum": 2}}, "required": ["votes"]}}, ["seen"]),
        ({"$nor": [{"$expr": {"$eq": ["$secret", None]}}]}, ["mine", "seen", "seen too"]),
        ({"place": {"$geoWithin": {"$centerSphere": [[1, 1], 0.1]}}}, ["mine"]),
        ({"place": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 1]}}}}, ["mine"]),
    ],
    ids=str,
)
async def test_what_may_be_asked_of_what_is_visible(
    ann: Person, orders: Any, condition: Any, titles: list[str]
) -> None:
    place = {"type": "Point", "coordinates": [1, 1]}
    await orders.update_many({"_id": {"$in": [1, 3]}}, {"$set": {"place": place}})
    await orders.create_index([("place", "2dsphere")])

    answer = await ann("find", filter=condition)
    piped = None if "$near" in str(condition) else await ann("aggregate", pipeline=[{"$match": condition}])

    for found in [answer, piped or answer]:
        assert sorted(each["title"] for each in found.json["documents"]) == titles


@pytest.mark.parametrize(
    "condition",
    [
        {"secret": {"$regex": "."}}, {"secret": {"$bitsAllSet": 1}}, {"address.door_code": {"$regex": "7"}},
        {"secret": {"$not": {"$regex": "x"}}}, {"secret": {"$near": [1, 1]}}, {"secret": {"$geoWithin": {}}},
    ],
    ids=str,
)  # fmt: skip
async def test_hidden_fields_are_no_more_open_to_patterns_and_geometry(
    ann: Person, orders: Any, condition: Any
) -> None:
    answer = await ann("find", filter={"_id": 1} | condition)

    assert answer.status in {200, 403}
    assert answer.status == 403 or answer.json == {"documents": []}


async def test_writes_mean_what_an_expression_sees(ann: Person, orders: Any) -> None:
    counted = await ann("updateMany", filter={"$expr": {"$gte": ["$votes", 1]}}, update={"$inc": {"votes": 1}})
    hidden = await ann("updateMany", filter={"$expr": {"$gte": ["$secret", 1]}}, update={"$inc": {"votes": 1}})
    failing = await ann(
        "updateOne", filter={"$expr": {"$eq": [{"$toInt": "$title"}, 1]}}, update={"$inc": {"votes": 1}}
    )

    assert [counted.json, hidden.json] == [
        {"matchedCount": 2, "modifiedCount": 2}, {"matchedCount": 0, "modifiedCount": 0},
    ]  # fmt: skip
    assert (failing.status, "UNSEEN" in failing.body.decode(), "unseen" in failing.body.decode()) == (400, False, False)


LONG = "address." + "0." * 1_100 + "city"


@pytest.mark.parametrize(
    ("action", "members"),
    [
        ("find", {"filter": {LONG: 1}}),
        ("find", {"filter": {"$or": [{"a": 1}, {LONG: {"$exists": True}}]}}),
        ("find", {"filter": {"address": {"$elemMatch": {LONG: 1}}}}),
        ("find", {"filter": {".".join("a" * 150): {"$elemMatch": {".".join("b" * 150): 1}}}}),
        ("findOne", {"sort": {LONG: 1}}),
        ("updateOne", {"filter": {}, "update": {"$set": {LONG: 1}}}),
        ("updateMany", {"filter": {}, "update": {"$rename": {"title": LONG}}}),
        ("updateOne", {"filter": {}, "update": {"$pull": {"lines": {LONG: 1}}}}),
        ("updateOne", {"filter": {}, "update": {"$set": {"lines.$[e].x": 1}}, "arrayFilters": [{f"e.{LONG}": 1}]}),
        ("deleteMany", {"filter": {LONG: 1}}),
    ],
)
async def test_a_path_has_a_most_of_parts(ann: Person, orders: Any, action: str, members: Any) -> None:
    before = [each async for each in orders.find()]

    answer = await ann(action, **members)

    assert (answer.status, errors_only(answer)["error"]) == (
        400, "a path has too many parts: MAX_PATH_PARTS allows 200"
    )  # fmt: skip
    assert [each async for each in orders.find()] == before


@pytest.mark.parametrize(
    "members", [{"projection": {LONG: 1}}, {"projection": {LONG: {"$slice": 1}}}, {"projection": {LONG: 0}}]
)
async def test_a_projection_of_a_long_path_is_no_bug(ann: Person, orders: Any, members: Any) -> None:
    answer = await ann("find", **members)

    assert answer.status in {200, 400}


async def test_a_filter_of_the_app_narrows_and_hides(ann: Person, database: Any) -> None:
    await database.people.insert_one({"user_id": ann.id, "team": "red"})
    await database.notes.insert_many([
        {"_id": 1, "team": "red", "text": "a", "internal": 1}, {"_id": 2, "team": "blue", "text": "b"}, {"_id": 3},
    ])  # fmt: skip

    without = await ann("find", collection="notes")
    await ann.host.request("POST", "/api/client/v2.0/auth/session", {"Authorization": f"Bearer {ann.refresh_token}"})
    renewed = await ann.host.request("POST", "/api/client/v2.0/auth/session",
                                     {"Authorization": f"Bearer {ann.refresh_token}"})  # fmt: skip
    ann = ann._replace(access_token=renewed.json["access_token"])
    found = await ann("find", collection="notes")
    shown = await ann("find", collection="notes", projection={"internal": 1})
    asked = await ann("find", collection="notes", filter={"internal": 1})

    assert without.json == {"documents": []}  # her team was not known when the token was issued
    assert found.json == {"documents": [{"_id": 1, "team": "red", "text": "a"}]}
    assert shown.json == {"documents": [{"_id": 1}]}
    assert errors_only(asked) == {"error": HIDDEN, "error_code": "NoMatchingRoleFound"}


async def test_a_role_that_allows_everything_is_bound_by_nothing_else(ann: Person, database: Any) -> None:
    await database.public.insert_one({"_id": 1, "name": "abc"})

    found = await ann("find", collection="public", filter={"name": {"$regex": "^a"}}, projection={"x": "$name"})
    grouped = await ann("aggregate", collection="public", pipeline=[
        {"$lookup": {"from": "public", "localField": "_id", "foreignField": "_id", "as": "same"}},
        {"$project": {"same": 1}},
    ])  # fmt: skip

    assert found.json == {"documents": [{"_id": 1, "x": "abc"}]}
    assert grouped.json == {"documents": [{"_id": 1, "same": [{"_id": 1, "name": "abc"}]}]}


async def test_the_default_rules_count_where_a_collection_has_none(ann: Person, database: Any) -> None:
    await database.other.insert_many([{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": "u2"}])

    found = await ann("find", collection="other")
    counted = await ann("aggregate", collection="other", pipeline=[{"$group": {"_id": None, "n": {"$sum": 1}}}])

    assert found.json == {"documents": [{"_id": 1, "owner": ann.id}]}
    assert counted.json == {"documents": [{"_id": None, "n": 1}]}


@pytest.mark.parametrize(
    "stage",
    [
        {"$collStats": {"count": {}}},
        {"$project": {"x": {"$meta": "indexKey"}}},
        {"$geoNear": {}},
        {"$search": {}},
    ],
)
async def test_stages_that_could_look_past_the_rules_are_refused_by_name(
    ann: Person, database: Any, stage: Any
) -> None:
    answer = await ann("aggregate", collection="other", pipeline=[stage])

    assert answer.status == 400
    name = next(iter(stage))
    assert (name if name != "$project" else "$") in errors_only(answer)["error"]


async def test_an_aggregation_sees_what_find_shows(ann: Person, orders: Any) -> None:
    found = await ann("find", sort={"title": 1})
    piped = await ann("aggregate", pipeline=[{"$sort": {"title": 1}}])
    counted = await ann("aggregate", pipeline=[{"$group": {"_id": "$secret", "n": {"$sum": 1}}}])

    assert piped.json == found.json
    assert counted.json == {"documents": [{"_id": None, "n": 3}]}


async def test_a_role_can_ask_who_calls(app_host: Host, ann: Person, orders: Any) -> None:
    auditor = await registered(app_host, "auditor@shop.example")

    answer = await auditor("find", filter={"_id": 3})

    assert answer.json == {"documents": [{"_id": 3, "owner": "u2", "visible": False, "title": "unseen", "secret": 3}]}


async def test_a_system_key_sees_everything_and_another_key_is_a_caller(
    app_host: Host, key: str, ann: Person, orders: Any
) -> None:
    answer = await app_host.request("POST", ACTION + "find", {"apiKey": key}, request_body(collection="orders"))

    assert len(answer.json["documents"]) == 4


@pytest.mark.parametrize("projection", [{"dozen_root": {"$slice": 1}}, {"dozen_root.a": 1}, {"lines.$": 1}])
async def test_projections_that_cannot_be_applied(ann: Person, orders: Any, projection: Any) -> None:
    answer = await ann("find", projection=projection)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")


async def test_keys_of_indexes_are_not_shown(ann: Person, database: Any) -> None:
    answer = await ann("aggregate", collection="other", pipeline=[{"$project": {"k": {"$meta": "indexKey"}}}])

    assert (answer.status, "$meta" in errors_only(answer)["error"]) == (400, True)
