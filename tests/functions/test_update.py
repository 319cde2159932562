"""updateOne, updateMany and replaceOne, through both hosts, on a real mongod."""

import re
from typing import Any

import pytest

from tests.conftest import Post, errors_only
from tests.functions.test_insert import IDS

UPDATES = ["updateOne", "updateMany"]
CHANGES = [
    pytest.param("updateOne", {"update": {"$set": {"a": 2}}}, id="updateOne"),
    pytest.param("updateMany", {"update": {"$set": {"a": 2}}}, id="updateMany"),
    pytest.param("replaceOne", {"replacement": {"a": 2}}, id="replaceOne"),
]


async def stored(database: Any) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = await database.items.find(sort={"_id": 1}).to_list()
    return documents


@pytest.mark.parametrize(("action", "members"), CHANGES)
@pytest.mark.parametrize(
    ("accept", "body"),
    [
        pytest.param("application/json", '{"matchedCount":1,"modifiedCount":1}', id="JSON"),
        pytest.param(
            "application/ejson",
            '{"matchedCount":{"$numberInt":"1"},"modifiedCount":{"$numberInt":"1"}}',
            id="EJSON",
        ),
    ],
)
async def test_a_change_is_counted(
    post: Post, database: Any, action: str, members: dict[str, Any], accept: str, body: str
) -> None:
    await database.items.insert_many([{"_id": 1, "a": 1}, {"_id": 2, "a": 1}])

    answer = await post(action, accept=accept, filter={"_id": 1}, **members)

    assert (answer.status, answer.body.decode(), answer.headers["content-type"]) == (200, body, accept)
    assert await stored(database) == [{"_id": 1, "a": 2}, {"_id": 2, "a": 1}]


@pytest.mark.parametrize(
    ("action", "members", "matched"),
    [
        pytest.param("updateOne", {"update": {"$set": {"b": 2}}}, 1, id="updateOne"),
        pytest.param("updateMany", {"update": {"$set": {"b": 2}}}, 2, id="updateMany"),
        pytest.param("replaceOne", {"replacement": {"a": 1, "b": 2}}, 1, id="replaceOne"),
    ],
)
async def test_only_many_touches_more_than_one_of_two_matches(
    post: Post, database: Any, action: str, members: dict[str, Any], matched: int
) -> None:
    await database.items.insert_many([{"_id": 1, "a": 1}, {"_id": 2, "a": 1}])

    answer = await post(action, filter={"a": 1}, **members)

    assert answer.json == {"matchedCount": matched, "modifiedCount": matched}
    assert await database.items.count_documents({"b": 2}) == matched


@pytest.mark.parametrize(("action", "members"), CHANGES)
@pytest.mark.parametrize("upsert", [False, None, ""], ids=repr)
async def test_without_upsert_nothing_is_inserted(
    post: Post, database: Any, action: str, members: dict[str, Any], upsert: Any
) -> None:
    answer = await post(action, filter={"_id": 1}, upsert=upsert, **members)

    assert (answer.status, answer.body) == (200, b'{"matchedCount":0,"modifiedCount":0}')
    assert await stored(database) == []


@pytest.mark.parametrize("action", UPDATES)
async def test_what_is_the_same_already_is_matched_only(post: Post, database: Any, action: str) -> None:
    await database.items.insert_one({"_id": 1, "a": 2})

    answer = await post(action, filter={"_id": 1}, update={"$set": {"a": 2}}, upsert=True)

    assert (answer.status, answer.body) == (200, b'{"matchedCount":1,"modifiedCount":0}')


@pytest.mark.parametrize(("action", "members"), CHANGES)
async def test_an_upsert_that_matches_has_no_upserted_id(
    post: Post, database: Any, action: str, members: dict[str, Any]
) -> None:
    await database.items.insert_one({"_id": None, "a": 1})

    answer = await post(action, filter={"_id": None}, upsert=True, **members)

    assert (answer.status, answer.body) == (200, b'{"matchedCount":1,"modifiedCount":1}')


@pytest.mark.parametrize(("action", "members"), CHANGES)
async def test_an_upsert_that_inserts_answers_the_id_made(
    post: Post, database: Any, action: str, members: dict[str, Any]
) -> None:
    plain = await post(action, filter={"sku": "A"}, upsert=True, **members)
    wrapped = await post(action, accept="application/ejson", filter={"sku": "B"}, upsert=True, **members)

    assert re.fullmatch(rb'\{"matchedCount":0,"modifiedCount":0,"upsertedId":"[0-9a-f]{24}"\}', plain.body)
    assert re.fullmatch(
        rb'\{"matchedCount":\{"\$numberInt":"0"\},"modifiedCount":\{"\$numberInt":"0"\},'
        rb'"upsertedId":\{"\$oid":"[0-9a-f]{24}"\}\}',
        wrapped.body,
    )
    assert plain.json["upsertedId"] in {str(document["_id"]) for document in await stored(database)}


@pytest.mark.parametrize(("action", "members"), CHANGES)
@pytest.mark.parametrize(("given", "as_json", "as_ejson"), IDS)
async def test_an_upserted_id_of_any_type_is_answered(
    post: Post, action: str, members: dict[str, Any], given: Any, as_json: str, as_ejson: str
) -> None:
    asked: dict[str, Any] = {"filter": {"_id": {"$eq": given}}, "upsert": True} | members
    plain = await post(action, **asked)
    wrapped = await post(action, accept="application/ejson", collection="more", **asked)

    assert (plain.status, wrapped.status) == (200, 200)
    assert plain.body.decode() == f'{{"matchedCount":0,"modifiedCount":0,"upsertedId":{as_json}}}'
    assert wrapped.body.decode().endswith(f',"upsertedId":{as_ejson}}}')


@pytest.mark.parametrize(
    ("update", "after"),
    [
        pytest.param({"$inc": {"stock": -1}, "$set": {"seen": True}}, {"stock": 4, "seen": True}, id="$inc and $set"),
        pytest.param({"$unset": {"stock": ""}}, {}, id="$unset"),
        pytest.param({"$push": {"a": {"$each": [4, 5], "$slice": -2}}}, {"stock": 5, "a": [4, 5]}, id="$push"),
        pytest.param({"$addToSet": {"a": 1}}, {"stock": 5, "a": [1]}, id="$addToSet"),
        pytest.param({"$rename": {"stock": "left"}}, {"left": 5}, id="$rename"),
        pytest.param({"$bit": {"stock": {"or": 8}}}, {"stock": 13}, id="$bit"),
        pytest.param({"$min": {"stock": 2}, "$max": {"b": 3}}, {"stock": 2, "b": 3}, id="$min and $max"),
        pytest.param({"$mul": {"stock": 2.5}}, {"stock": 12.5}, id="$mul"),
        pytest.param({"$setOnInsert": {"b": 1}}, {"stock": 5}, id="$setOnInsert"),
        pytest.param([{"$set": {"b": {"$add": ["$stock", 1]}}}], {"stock": 5, "b": 6}, id="pipeline"),
        pytest.param([{"$replaceWith": {"_id": 1, "n": "$stock"}}], {"n": 5}, id="pipeline that replaces"),
    ],
)
@pytest.mark.parametrize("action", UPDATES)
async def test_updates_are_the_servers(
    post: Post, database: Any, action: str, update: Any, after: dict[str, Any]
) -> None:
    await database.items.insert_one({"_id": 1, "stock": 5})

    answer = await post(action, filter={"_id": 1}, update=update)

    assert answer.status == 200
    assert await stored(database) == [{"_id": 1} | after]


@pytest.mark.parametrize("action", UPDATES)
async def test_array_filters_choose_elements(post: Post, database: Any, action: str) -> None:
    await database.items.insert_one({"_id": 1, "marks": [{"n": 1}, {"n": 9}, {"n": 8}]})

    answer = await post(
        action, filter={}, update={"$set": {"marks.$[high].n": 5}}, arrayFilters=[{"high.n": {"$gt": 7}}]
    )

    assert answer.json == {"matchedCount": 1, "modifiedCount": 1}
    assert await stored(database) == [{"_id": 1, "marks": [{"n": 1}, {"n": 5}, {"n": 5}]}]


@pytest.mark.parametrize("action", UPDATES)
@pytest.mark.parametrize("array_filters", [None, []], ids=["null", "empty"])
async def test_no_array_filters_are_none(post: Post, database: Any, action: str, array_filters: Any) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post(action, filter={}, update=[{"$set": {"a": 1}}], arrayFilters=array_filters)

    assert answer.json == {"matchedCount": 1, "modifiedCount": 1}


@pytest.mark.parametrize("action", ["updateMany", "updateOne"])
async def test_an_empty_filter_is_allowed_when_written(post: Post, database: Any, action: str) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post(action, filter={}, update={"$set": {"a": 1}})

    assert answer.json == {"matchedCount": 1, "modifiedCount": 1}


async def test_a_replacement_keeps_the_id_and_nothing_else(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "a": 1, "b": 2})

    filled = await post("replaceOne", filter={"a": 1}, replacement={"z": 1, "c": 3})
    first = list((await stored(database))[0])
    emptied = await post("replaceOne", filter={"_id": 1}, replacement={})

    assert filled.json == emptied.json == {"matchedCount": 1, "modifiedCount": 1}
    assert first == ["_id", "z", "c"]
    assert await stored(database) == [{"_id": 1}]


@pytest.mark.parametrize(("action", "members"), CHANGES)
async def test_a_change_of_nothing_that_exists_makes_no_collection(
    post: Post, database: Any, action: str, members: dict[str, Any]
) -> None:
    answer = await post(action, collection="nowhere", filter={}, **members)

    assert answer.json == {"matchedCount": 0, "modifiedCount": 0}
    assert await database.list_collection_names() == []


UPDATE = {"update": {"$set": {"a": 2}}}
NO_OPERATORS = "'update' must hold update operators only"


@pytest.mark.parametrize("action", [*UPDATES, "replaceOne"])
@pytest.mark.parametrize(
    ("members", "code", "error"),
    [
        pytest.param({}, "MissingParameter", "must provide a 'filter' field", id="absent"),
        pytest.param({"filter": None}, "MissingParameter", "must provide a 'filter' field", id="null"),
        pytest.param({"filters": {}}, "MissingParameter", "must provide a 'filter' field", id="misspelt"),
        pytest.param({"filter": []}, "InvalidJSONFieldType", "'filter': expected `object`, got `array`", id="a list"),
        pytest.param({"filter": ""}, "InvalidJSONFieldType", "'filter': expected `object`, got `str`", id="text"),
    ],
)
async def test_a_change_without_a_filter_changes_nothing(
    post: Post, database: Any, action: str, members: dict[str, Any], code: str, error: str
) -> None:
    await database.items.insert_one({"_id": 1, "a": 1})

    answer = await post(action, update={"$set": {"a": 2}}, replacement={"a": 2}, **members)

    assert answer.status == 400
    assert errors_only(answer) == {"error": error, "error_code": code}
    assert await stored(database) == [{"_id": 1, "a": 1}]


@pytest.mark.parametrize("action", UPDATES)
@pytest.mark.parametrize(
    ("members", "code", "error"),
    [
        pytest.param({}, "MissingParameter", "must provide a 'update' field", id="absent"),
        pytest.param({"update": None}, "MissingParameter", "must provide a 'update' field", id="null"),
        pytest.param({"update": {}}, "InvalidParameter", NO_OPERATORS, id="empty"),
        pytest.param({"update": []}, "InvalidParameter", NO_OPERATORS, id="empty pipeline"),
        pytest.param({"update": {"a": 2}}, "InvalidParameter", NO_OPERATORS, id="a whole document"),
        pytest.param({"update": {"$set": {"a": 2}, "b": 1}}, "InvalidParameter", NO_OPERATORS, id="a mixture"),
        pytest.param(
            {"update": "$set"}, "InvalidJSONFieldType", "'update': expected `object | array`, got `str`", id="text"
        ),
        pytest.param(
            UPDATE | {"upsert": "false"}, "InvalidJSONFieldType", "'upsert': expected `bool`, got `str`",
            id="upsert is text",
        ),
        pytest.param(
            UPDATE | {"upsert": 1}, "InvalidJSONFieldType", "'upsert': expected `bool | str`, got `int`",
            id="upsert is a number",
        ),
        pytest.param(
            UPDATE | {"arrayFilters": {}}, "InvalidJSONFieldType", "'arrayFilters': expected `array`, got `object`",
            id="arrayFilters is an object",
        ),
    ],
)  # fmt: skip
async def test_a_wrong_update_changes_nothing(
    post: Post, database: Any, action: str, members: dict[str, Any], code: str, error: str
) -> None:
    await database.items.insert_one({"_id": 1, "a": 1})

    answer = await post(action, filter={}, **members)

    assert answer.status == 400
    assert errors_only(answer) == {"error": error, "error_code": code}
    assert await stored(database) == [{"_id": 1, "a": 1}]


@pytest.mark.parametrize(
    ("members", "code", "error"),
    [
        pytest.param({}, "MissingParameter", "must provide a 'replacement' field", id="absent"),
        pytest.param(
            {"replacement": None}, "MissingParameter", "must provide a 'replacement' field", id="null"
        ),
        pytest.param(
            {"replacement": {"$set": {"a": 2}}}, "InvalidParameter",
            "'replacement' must not hold update operators", id="operators",
        ),
        pytest.param(
            {"replacement": {"a": 2, "$inc": {"b": 1}}}, "InvalidParameter",
            "'replacement' must not hold update operators", id="a mixture",
        ),
        pytest.param(
            {"replacement": []}, "InvalidJSONFieldType", "'replacement': expected `object`, got `array`", id="a list"
        ),
        pytest.param(
            {"replacement": {}, "upsert": "true"}, "InvalidJSONFieldType",
            "'upsert': expected `bool`, got `str`", id="upsert is text",
        ),
    ],
)  # fmt: skip
async def test_a_wrong_replacement_changes_nothing(
    post: Post, database: Any, members: dict[str, Any], code: str, error: str
) -> None:
    await database.items.insert_one({"_id": 1, "a": 1})

    answer = await post("replaceOne", filter={}, **members)

    assert answer.status == 400
    assert errors_only(answer) == {"error": error, "error_code": code}
    assert await stored(database) == [{"_id": 1, "a": 1}]


@pytest.mark.parametrize("action", UPDATES)
@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"update": {"$foo": {"a": 1}}}, id="operator"),
        pytest.param({"update": {"$push": {"a": {"$each": [], "$foo": 1}}}}, id="modifier"),
        pytest.param({"update": [{"$foo": 1}]}, id="stage"),
        pytest.param({"filter": {"$foo": 1}} | UPDATE, id="filter"),
    ],
)
async def test_an_unknown_operator_of_an_update_is_refused(
    post: Post, database: Any, action: str, members: dict[str, Any]
) -> None:
    await database.items.insert_one({"_id": 1, "a": []})

    answer = await post(action, **({"filter": {"_id": 1}} | members))

    assert answer.status == 400
    assert errors_only(answer) == {"error": "operator '$foo' is not allowed", "error_code": "InvalidParameter"}
    assert await stored(database) == [{"_id": 1, "a": []}]


@pytest.mark.parametrize("action", UPDATES)
@pytest.mark.parametrize(
    ("members", "error"),
    [
        pytest.param({"update": {"$inc": {"name": 1}}}, "Cannot apply $inc to a value of non-numeric type", id="$inc"),
        pytest.param({"update": {"$set": {"_id": 2}}}, "immutable field '_id'", id="the _id"),
        pytest.param({"update": {"$set": {"sku": "B"}}}, "E11000 duplicate key error", id="unique index"),
        pytest.param({"update": [{"$match": {}}]}, "$match is not allowed", id="a stage for reading"),
        pytest.param({"update": {"$set": {"a.$[x]": 1}}}, "No array filter found", id="no array filter"),
    ],
)
async def test_a_rejected_update_is_the_servers_400(
    post: Post, database: Any, action: str, members: dict[str, Any], error: str
) -> None:
    await database.items.create_index("sku", unique=True)
    await database.items.insert_many([{"_id": 0, "sku": "B", "a": []}, {"_id": 1, "sku": "A", "name": "x", "a": []}])

    answer = await post(action, **({"filter": {"_id": 1}} | members))

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "MongoDBError"
    assert error in answer.json["error"]
    assert re.match(r"\(\w+\) ", answer.json["error"])
    assert (await stored(database))[1] == {"_id": 1, "sku": "A", "name": "x", "a": []}


@pytest.mark.parametrize("name", [{"$code": "x"}, {"$code": "x", "$scope": {}}, 5, {"a": 1}, None, {"$symbol": "x"}])
async def test_a_field_is_renamed_to_a_text_alone(post: Post, database: Any, name: Any) -> None:
    await database.items.insert_one({"_id": 1, "title": "a"})

    answer = await post("updateOne", filter={"_id": 1}, update={"$rename": {"title": name}})

    assert answer.status in {200, 400}
    assert answer.status == 400 or name == {"$symbol": "x"}
