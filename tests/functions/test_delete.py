"""deleteOne and deleteMany, through both hosts, on a real mongod."""

from typing import Any

import pytest

from tests.conftest import Post, errors_only

DELETES = ["deleteOne", "deleteMany"]


@pytest.mark.parametrize(
    ("action", "deleted"), [pytest.param("deleteOne", 1, id="one"), pytest.param("deleteMany", 2, id="many")]
)
async def test_only_many_deletes_more_than_one_of_two_matches(
    post: Post, database: Any, action: str, deleted: int
) -> None:
    await database.items.insert_many([{"_id": 1, "a": 1}, {"_id": 2, "a": 1}, {"_id": 3, "a": 2}])

    answer = await post(action, filter={"a": 1})

    assert (answer.status, answer.body.decode()) == (200, f'{{"deletedCount":{deleted}}}')
    assert await database.items.count_documents({}) == 3 - deleted
    assert await database.items.count_documents({"a": 2}) == 1


@pytest.mark.parametrize("action", DELETES)
async def test_the_count_is_wrapped_in_ejson(post: Post, database: Any, action: str) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post(action, accept="application/ejson", filter={"_id": 1})

    assert (answer.status, answer.body) == (200, b'{"deletedCount":{"$numberInt":"1"}}')
    assert answer.headers["content-type"] == "application/ejson"


@pytest.mark.parametrize("action", DELETES)
async def test_without_a_match_nothing_is_deleted(post: Post, database: Any, action: str) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post(action, filter={"_id": 2})
    elsewhere = await post(action, collection="nowhere", filter={})

    assert (answer.status, answer.body) == (elsewhere.status, elsewhere.body) == (200, b'{"deletedCount":0}')
    assert await database.list_collection_names() == ["items"]
    assert await database.items.count_documents({}) == 1


async def test_an_empty_filter_deletes_all_when_written(post: Post, database: Any) -> None:
    await database.items.insert_many([{}, {}, {}])

    answer = await post("deleteMany", filter={})

    assert answer.json == {"deletedCount": 3}
    assert await database.items.count_documents({}) == 0


@pytest.mark.parametrize("action", DELETES)
@pytest.mark.parametrize(
    ("members", "code", "error"),
    [
        pytest.param({}, "MissingParameter", "must provide a 'filter' field", id="absent"),
        pytest.param({"filter": None}, "MissingParameter", "must provide a 'filter' field", id="null"),
        pytest.param({"fliter": {"_id": 1}}, "MissingParameter", "must provide a 'filter' field", id="misspelt"),
        pytest.param({"query": {"_id": 1}}, "MissingParameter", "must provide a 'filter' field", id="other name"),
        pytest.param(
            {"filter": [{"_id": 1}]}, "InvalidJSONFieldType", "'filter': expected `object`, got `array`", id="list"
        ),
        pytest.param({"filter": "{}"}, "InvalidJSONFieldType", "'filter': expected `object`, got `str`", id="text"),
        pytest.param(
            {"filter": {"$foo": 1}},
            "InvalidParameter",
            "operator '$foo' is not allowed",
            id="unknown operator",
        ),
    ],
)
async def test_a_delete_without_a_usable_filter_deletes_nothing(
    post: Post, database: Any, action: str, members: dict[str, Any], code: str, error: str
) -> None:
    await database.items.insert_many([{"_id": 1}, {"_id": 2}])

    answer = await post(action, **members)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == code
    assert error in answer.json["error"]
    assert await database.items.count_documents({}) == 2


@pytest.mark.parametrize("action", DELETES)
async def test_unknown_members_are_ignored(post: Post, database: Any, action: str) -> None:
    await database.items.insert_many([{"_id": 1}, {"_id": 2}])

    answer = await post(action, filter={"_id": 1}, nonsense=[1], upsert=5, projection={"a": 1})

    assert answer.json == {"deletedCount": 1}
    assert await database.items.find().to_list() == [{"_id": 2}]
