"""The options of the drivers' specification, through both hosts: honoured, or refused by name."""

from typing import Any

import pytest

from shared.options import OPTIONS
from tests.conftest import FailPoint, Post, errors_only
from tests.functions.rules.test_every_action import CALLS
from tests.test_actions import ACTIONS, KINDS

ITEMS: list[dict[str, Any]] = [
    {"_id": 1, "t": "b", "n": 1}, {"_id": 2, "t": "A", "n": 2}, {"_id": 3, "t": "a", "n": 3},
]  # fmt: skip
LOOSE: dict[str, Any] = {"collation": {"locale": "en", "strength": 2}}
SET: dict[str, Any] = {"update": {"$set": {"m": 1}}}
NEW: dict[str, Any] = {"replacement": {"m": 1}}

TAKEN: dict[str, dict[str, Any]] = {
    "allowDiskUse": {"allowDiskUse": True},
    "allowPartialResults": {"allowPartialResults": True},
    "batchSize": {"batchSize": 2},
    "bypassDocumentValidation": {"bypassDocumentValidation": True},
    "collation": LOOSE,
    "comment": {"comment": {"of": ["any", 1, None]}},
    "hint": {"hint": "_id_"},
    "let": {"let": {"x": 1}},
    "max": {"max": {"_id": 9}, "hint": {"_id": 1}},
    "maxTimeMS": {"maxTimeMS": 20_000},
    "min": {"min": {"_id": 0}, "hint": {"_id": 1.0}},
    "ordered": {"ordered": False},
    "readConcern": {"readConcern": {"level": "majority"}},
    "readPreference": {"readPreference": {"mode": "primaryPreferred"}},
    "returnKey": {"returnKey": True},
    "showRecordId": {"showRecordId": True},
    "writeConcern": {"writeConcern": {"w": 1, "journal": True, "wtimeoutMS": 5000}},
}
"""A use of each option."""
OF_REQUESTS = {"arrayFilters", "limit", "returnDocument", "skip", "sort"}
NEW_SERVERS = {("distinct", "hint")}  # MongoDB 7.1


@pytest.fixture
async def items(database: Any) -> Any:
    await database.items.insert_many(ITEMS)
    return database.items


def members(action: str) -> dict[str, Any]:
    return {name: value for name, value in CALLS[action].items() if name != "sort"}


def test_every_option_has_a_use() -> None:
    assert TAKEN.keys() == set().union(*(kind.takes for kind in KINDS.values()))
    assert TAKEN.keys() < OPTIONS.keys()


@pytest.mark.parametrize(
    ("action", "option"), [(action, option) for action in ACTIONS for option in sorted(KINDS[action].takes)]
)
async def test_an_option_that_an_action_takes_is_taken(post: Post, items: Any, action: str, option: str) -> None:
    answer = await post(action, **members(action), **TAKEN[option])

    if (action, option) in NEW_SERVERS and answer.status == 400:
        assert answer.json["error_code"] == "MongoDBError"
    else:
        assert answer.status == ACTIONS[action].success, answer.body


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_option_that_an_action_does_not_take_is_refused_by_name(
    post: Post, items: Any, database: Any, action: str
) -> None:
    before = await items.find().to_list()
    refused = (
        OPTIONS.keys()
        - KINDS[action].takes
        - set(KINDS[action].__struct_encode_fields__)
        - {"limit", "skip", "sort", "arrayFilters", "returnDocument"}
    )
    for option in sorted(refused):
        value = {"cursorType": "tailable"}.get(option, 5)
        answer = await post(action, **members(action), **(TAKEN.get(option, {option: value})))
        named = errors_only(answer)["error"].split("'")[1]
        assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
        assert named in {option, "hint"}
    assert await items.find().to_list() == before


@pytest.mark.parametrize("option", ["limit", "skip", "sort"])
@pytest.mark.parametrize("action", ["deleteOne", "deleteMany", "updateMany", "findOneAndDelete"])
async def test_a_write_refuses_what_would_choose_other_documents(
    post: Post, items: Any, action: str, option: str
) -> None:
    value: Any = {"n": -1} if option == "sort" else 1
    answer = await post(action, **members(action), **{option: value})

    if (action, option) == ("findOneAndDelete", "sort"):
        assert answer.json["document"]["_id"] == 1
    else:
        assert (answer.status, answer.json["error"]) == (400, f"'{option}' is not an option of this action")
        assert await items.find().to_list() == ITEMS


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"collation": "en"}, "'collation': expected `object`, got `str`"),
        ({"hint": 1}, "'hint': expected `str | object`, got `int`"),
        ({"hint": {}}, "'hint' must be the name of an index, or its keys with their kinds"),
        ({"hint": {"n": 1.5}}, "'hint' must be the name of an index, or its keys with their kinds"),
        ({"hint": {"n": 1e308}}, "'hint' must be the name of an index, or its keys with their kinds"),
        ({"hint": {"n": True}}, "'hint' must be the name of an index, or its keys with their kinds"),
        ({"hint": {"n": {"a": 1}}}, "'hint' must be the name of an index, or its keys with their kinds"),
        ({"let": [1]}, "'let': expected `object`, got `array`"),
        ({"let": {"x": {"$function": {}}}}, "operator '$function' is not allowed"),
        ({"let": {"x": {"$unknown": 1}}}, "operator '$unknown' is not allowed"),
        ({"min": {"n": 1}}, "'min' and 'max' need a 'hint' that names their index"),
        ({"max": {"n": 1}}, "'min' and 'max' need a 'hint' that names their index"),
        ({"max": 1, "hint": "n"}, "'max': expected `object`, got `int`"),
        ({"batchSize": -1}, "'batchSize' must be a whole number of at least 0"),
        ({"batchSize": 0.5}, "'batchSize' must be a whole number of at least 0"),
        ({"maxTimeMS": -1}, "'maxTimeMS' must be a whole number of at least 0"),
        ({"maxTimeMS": "1"}, "'maxTimeMS': expected `int | float`, got `str`"),
        ({"allowDiskUse": 1}, "'allowDiskUse': expected `bool`, got `int`"),
        ({"returnKey": "yes"}, "'returnKey': expected `bool`, got `str`"),
        ({"cursorType": "tailable"}, "'cursorType' is not an option of this action"),
        ({"readConcern": "local"}, "'readConcern': expected `object`, got `str`"),
        (
            {"readConcern": {"level": []}},
            "'readConcern' must be a level of available, local, majority, snapshot, linearizable",
        ),
        (
            {"readPreference": {"mode": []}},
            "'readPreference' must have a mode of nearest, primary, primaryPreferred, secondary, secondaryPreferred",
        ),
        (
            {"readPreference": "Primary"},
            "'readPreference' must have a mode of nearest, primary, primaryPreferred, secondary, secondaryPreferred",
        ),
    ],
    ids=str,
)  # fmt: skip
async def test_an_option_of_a_wrong_form_is_refused(
    post: Post, items: Any, members: dict[str, Any], error: str
) -> None:
    answer = await post("find", **members)

    assert (answer.status, answer.json["error"]) == (400, error)


@pytest.mark.parametrize(
    "preference",
    [
        {"mode": "primary", "tagSets": [{"a": "b"}]}, {"mode": "secondary", "maxStalenessSeconds": 1.5},
        {"mode": "secondary", "maxStalenessSeconds": 0}, {"mode": "secondary", "maxStalenessSeconds": []},
        {"mode": "secondary", "tags": 5}, {"mode": "secondary", "tagSets": [5]},
        {"mode": "nearest", "maxStalenessSeconds": 89}, {"mode": "nearest", "maxStalenessSeconds": 1e300},
        {"mode": "nearest", "maxStalenessSeconds": 2**40}, {"mode": "nearest", "maxStalenessSeconds": True},
        {"mode": "nearest", "maxStalenessSeconds": {"$numberDecimal": "90"}},
    ],
    ids=str,
)  # fmt: skip
async def test_a_read_preference_that_the_driver_refuses_is_400(post: Post, preference: dict[str, Any]) -> None:
    answer = await post("find", readPreference=preference)

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert answer.json["error"].startswith("'readPreference")
    assert "operand" not in answer.json["error"]


@pytest.mark.parametrize(
    ("kind", "form"), [("$numberInt", "{}"), ("$numberLong", "{}"), ("$numberDouble", "{}.0")], ids=str
)
async def test_a_whole_number_of_any_type_is_one(post: Post, items: Any, kind: str, form: str) -> None:
    one, ninety = ({kind: form.format(number)} for number in (1, 90))
    preference = {"mode": "primaryPreferred", "maxStalenessSeconds": ninety}

    written = await post("insertOne", document={}, writeConcern={"w": one, "wtimeout": ninety})
    found = await post("find", readPreference=preference)

    assert (written.status, found.status) == (201, 200)


@pytest.mark.parametrize(
    "concern",
    [
        {"w": -1}, {"w": 1.5}, {"w": []}, {"w": True}, {"w": {"dc": 1}}, {"j": 1}, {"wtimeout": -1}, {"x": 1},
        {"wtimeout": "1"}, {"w": 3}, {"w": "elsewhere"}, {"w": 1e300}, {"w": 2**40}, {"wtimeout": True},
    ],
    ids=str,
)  # fmt: skip
async def test_a_write_concern_that_cannot_be_met_writes_nothing(
    post: Post, database: Any, concern: dict[str, Any]
) -> None:
    answer = await post("insertOne", document={"_id": 1}, writeConcern=concern)

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert answer.json["error"].startswith("'writeConcern'")
    assert await database.items.count_documents({}) == 0


@pytest.mark.parametrize("concern", [{"w": 0}, {"w": 1}, {"w": "majority"}, {"w": 1.0, "j": False}, {}], ids=str)
async def test_a_write_is_acknowledged_as_the_operator_wants_at_least(
    post: Post, database: Any, fail_point: FailPoint, concern: dict[str, Any]
) -> None:
    answer = await post("insertOne", document={"_id": 1}, writeConcern=concern)

    assert (answer.status, answer.json) == (201, {"insertedId": 1})


@pytest.mark.parametrize("names", ["name", "n"])
async def test_a_collation_compares_filters_sorts_and_values(post: Post, items: Any, names: str) -> None:
    found = await post("find", filter={"t": "A"}, sort={"_id": 1}, projection={"_id": 1}, **LOOSE)
    ordered = await post("find", sort={"t": 1, "_id": 1}, projection={"_id": 1}, limit=2_000, **LOOSE)
    piped = await post("aggregate", pipeline=[{"$match": {"t": "a"}}, {"$count": "n"}], **LOOSE)
    counted = await post("countDocuments", filter={"t": "a"}, **LOOSE)
    values = await post("distinct", fieldName="t", **LOOSE)
    updated = await post("updateMany", filter={"t": "a"}, update={"$set": {"x": 1}}, **LOOSE)
    changed = await post("findOneAndUpdate", filter={"t": "B"}, update={"$set": {"x": 1}}, **LOOSE)
    deleted = await post("deleteMany", filter={"t": "a"}, **LOOSE)

    assert found.json == {"documents": [{"_id": 2}, {"_id": 3}]}
    assert ordered.json == {"documents": [{"_id": 2}, {"_id": 3}, {"_id": 1}]}
    assert (piped.json, counted.json) == ({"documents": [{"n": 2}]}, {"count": 2})
    assert len(values.json["values"]) == 2
    assert (updated.json, deleted.json) == ({"matchedCount": 2, "modifiedCount": 2}, {"deletedCount": 2})
    assert changed.json["document"]["_id"] == 1


@pytest.mark.parametrize("limit", [10, 2_000], ids=["one command", "a cursor"])
async def test_bounds_and_keys_of_an_index(post: Post, items: Any, limit: int) -> None:
    await items.create_index("n")
    bounds: dict[str, Any] = {"hint": {"n": 1.0}, "min": {"n": 2}, "max": {"n": 3}, "limit": limit}

    bounded = await post("find", **bounds, projection={"_id": 1})
    keys = await post("find", **bounds, returnKey=True)
    ids = await post("find", **bounds, projection={"_id": 1}, showRecordId=True)
    named = await post("find", hint="nowhere", limit=limit)

    assert bounded.json == {"documents": [{"_id": 2}]}
    assert keys.json == {"documents": [{"n": 2}]}
    assert ids.json == {"documents": [{"_id": 2, "$recordId": 2}]}
    assert (named.status, named.json["error_code"]) == (400, "MongoDBError")


@pytest.mark.parametrize("limit", [10, 2_000], ids=["one command", "a cursor"])
async def test_variables_are_constants_in_expressions(post: Post, items: Any, limit: int) -> None:
    least = {"$expr": {"$gte": ["$n", "$$least"]}}
    let: dict[str, Any] = {"let": {"least": {"$add": [1, 1]}}}

    found = await post("find", filter=least, projection={"_id": 1}, sort={"_id": 1}, limit=limit, **let)
    piped = await post("aggregate", pipeline=[{"$match": least}, {"$count": "n"}], **let)
    updated = await post("updateOne", filter=least, update=[{"$set": {"n": {"$multiply": ["$n", "$$least"]}}}], **let)
    deleted = await post("deleteMany", filter=least, **let)

    assert found.json == {"documents": [{"_id": 2}, {"_id": 3}]}
    assert piped.json == {"documents": [{"n": 2}]}
    assert updated.json == {"matchedCount": 1, "modifiedCount": 1}
    assert deleted.json == {"deletedCount": 2}


@pytest.mark.parametrize("size", [1, 2, 0, 5_000])
async def test_a_size_of_batches_changes_nothing_in_the_reply(post: Post, items: Any, size: int) -> None:
    found = await post("find", sort={"_id": 1}, batchSize=size)
    piped = await post("aggregate", pipeline=[{"$sort": {"_id": 1}}], batchSize=size)

    assert found.json == piped.json == {"documents": ITEMS}


async def test_find_one_skips(post: Post, items: Any) -> None:
    found = [await post("findOne", sort={"_id": 1}, projection={"_id": 1}, skip=skip) for skip in (0, 1, 2.0, 3)]

    assert [each.json["document"] for each in found] == [{"_id": 1}, {"_id": 2}, {"_id": 3}, None]


@pytest.mark.parametrize(("action", "change"), [("updateOne", SET), ("replaceOne", NEW)])
async def test_the_refusal_of_a_sort_by_an_old_server_reaches_the_caller(
    post: Post, items: Any, driver: Any, action: str, change: dict[str, Any]
) -> None:
    answer = await post(action, filter={}, sort={"n": -1}, **change)

    if (await driver.server_info())["versionArray"][0] >= 8:
        assert answer.json == {"matchedCount": 1, "modifiedCount": 1}
    else:
        assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
        assert "sort" in answer.json["error"]
        assert await items.find().to_list() == ITEMS


@pytest.mark.parametrize("sort", [{"n": "x"}, [1], {"n": {"$function": 1}}], ids=str)
async def test_a_sort_of_an_update_is_looked_at(post: Post, items: Any, sort: Any) -> None:
    answer = await post("updateOne", filter={}, sort=sort, **SET)

    assert answer.status == 400
    assert await items.find().to_list() == ITEMS


@pytest.mark.parametrize("number", [2, 300, 5_000])
async def test_without_an_order_all_are_inserted_that_do_not_fail(post: Post, database: Any, number: int) -> None:
    await database.items.insert_many([{"_id": 0}, {"_id": number - 1}])
    documents = [{"_id": each} for each in range(number + 1)]

    answer = await post("insertMany", documents=documents, ordered=False)
    ordered = await post("insertMany", documents=[{"_id": 0}, {"_id": -1}], ordered=True)

    assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
    assert answer.json["error"].startswith("(DuplicateKey) ")
    assert ordered.status == 400
    assert await database.items.count_documents({}) == number + 1


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("number", [3, 300, 5_000])
@pytest.mark.parametrize("place", [1, -1], ids=["the second", "the last"])
async def test_documents_that_no_majority_confirmed_are_not_told_of_as_stored_beside_a_rejected_one(
    post: Post, database: Any, fail_point: FailPoint, ordered: bool, number: int, place: int
) -> None:
    """The rejected one is in the first of several commands, or in the last."""
    documents = [{"_id": each} for each in range(number)]
    await database.items.insert_one(documents[place])
    await fail_point("insert", times=9, writeConcernError={"code": 64, "errmsg": "planted"})

    answer = await post("insertMany", documents=documents, ordered=ordered)

    assert (answer.status, "may have happened" in errors_only(answer)["error"]) == (503, True)
    assert "retry-after" not in answer.headers


async def test_validation_is_passed_by_who_may(post: Post, database: Any) -> None:
    await database.create_collection("items", validator={"n": {"$type": "int"}})
    by: dict[str, Any] = {"bypassDocumentValidation": True}

    refused = await post("insertOne", document={"_id": 1})
    inserted = [
        await post("insertOne", document={"_id": 1}, **by),
        await post("insertMany", documents=[{"_id": 2}, {"_id": 3}], **by),
        await post("insertMany", documents=[{"_id": 100 + each} for each in range(200)], **by),
    ]
    changed = [
        await post("updateOne", filter={"_id": 1}, update={"$set": {"n": "x"}}, **by),
        await post("updateMany", filter={}, update={"$set": {"n": "y"}}, **by),
        await post("replaceOne", filter={"_id": 1}, replacement={"n": "x"}, **by),
        await post("findOneAndUpdate", filter={"_id": 1}, update={"$set": {"n": "z"}}, **by),
        await post("findOneAndReplace", filter={"_id": 1}, replacement={}, **by),
    ]

    assert (refused.status, refused.json["error"].partition(" ")[0]) == (400, "(DocumentValidationFailure)")
    assert [each.status for each in inserted] == [201] * 3
    assert [each.status for each in changed] == [200] * 5


async def test_a_time_limit_of_the_callers_own_counts(post: Post, database: Any, fail_point: FailPoint) -> None:
    await database.items.insert_many(ITEMS)
    await post("find")
    for action, command in (("find", "find"), ("aggregate", "aggregate"), ("distinct", "distinct")):
        await fail_point(command, blockConnection=True, blockTimeMS=400)
        late = await post(action, **members(action), maxTimeMS=100)
        assert (late.status, late.json["error_code"]) == (504, "ExecutionTimeLimitExceeded"), action
        assert (await post(action, **members(action), maxTimeMS=10_000)).status == 200


async def test_an_aggregate_without_a_collection_is_of_the_database(post: Post, database: Any) -> None:
    await database.items.insert_many(ITEMS)
    joined = {"$lookup": {"from": "items", "localField": "n", "foreignField": "n", "as": "found"}}
    pipeline = [{"$documents": [{"n": 1}, {"n": 9}]}, joined, {"$project": {"k": {"$size": "$found"}}}]

    for body in ({"collection": None}, {"collection": ""}):
        made = await post("aggregate", pipeline=pipeline, comment="x", **body)
        assert (made.status, made.json) == (200, {"documents": [{"k": 1}, {"k": 0}]})
        wrong = await post("aggregate", pipeline=[{"$match": {}}], **body)
        assert (wrong.status, wrong.json["error_code"]) == (400, "MongoDBError")


async def test_the_refused_parts_of_a_database_stay_closed(post: Post) -> None:
    for name in ("$currentOp", "$listLocalSessions", "$changeStream"):
        answer = await post("aggregate", collection=None, pipeline=[{name: {}}])
        assert (answer.status, answer.json["error"]) == (400, f"operator '{name}' is not allowed")
    assert (await post("aggregate", collection=None, database="admin", pipeline=[])).status == 403
