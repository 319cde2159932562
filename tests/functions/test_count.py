"""countDocuments and estimatedDocumentCount, through both hosts, on a real mongod."""

from typing import Any

import pytest

from tests.conftest import Post

ITEMS = [{"_id": number, "kind": "even" if number % 2 == 0 else "odd", "n": number} for number in range(10)]


@pytest.mark.parametrize(
    ("members", "count"),
    [
        pytest.param({}, 10, id="all"),
        pytest.param({"filter": {}}, 10, id="an empty filter"),
        pytest.param({"filter": {"kind": "odd"}}, 5, id="a filter"),
        pytest.param({"filter": {"kind": "no"}}, 0, id="none"),
        pytest.param({"limit": 3}, 3, id="a limit"),
        pytest.param({"limit": 0}, 10, id="no limit"),
        pytest.param({"skip": 8}, 2, id="some skipped"),
        pytest.param({"skip": 20}, 0, id="all skipped"),
        pytest.param({"filter": {"n": {"$gte": 4}}, "skip": 1, "limit": 3.0}, 3, id="both"),
        pytest.param({"filter": None, "limit": None, "skip": None}, 10, id="nulls"),
        pytest.param({"sort": {"n": 1}, "nonsense": [1]}, 10, id="what it does not have"),
    ],
)
async def test_documents_are_counted(post: Post, database: Any, members: dict[str, Any], count: int) -> None:
    await database.items.insert_many(ITEMS)

    answer = await post("countDocuments", **members)

    assert (answer.status, answer.body) == (200, b'{"count":%d}' % count)


async def test_a_count_is_typed_as_the_other_counters_are(post: Post, database: Any) -> None:
    await database.items.insert_many(ITEMS)

    counted = await post("countDocuments", accept="application/ejson")
    estimated = await post("estimatedDocumentCount", accept="application/ejson")

    assert counted.body == estimated.body == b'{"count":{"$numberInt":"10"}}'


async def test_an_estimate_takes_no_filter(post: Post, database: Any) -> None:
    await database.items.insert_many(ITEMS)

    answer = await post("estimatedDocumentCount", filter={"kind": "odd"}, limit=1)

    assert (answer.status, answer.body) == (200, b'{"count":10}')


@pytest.mark.parametrize("action", ["countDocuments", "estimatedDocumentCount"])
async def test_a_collection_that_does_not_exist_has_none(post: Post, database: Any, action: str) -> None:
    answer = await post(action, collection="nowhere")

    assert (answer.status, answer.body) == (200, b'{"count":0}')
    assert await database.list_collection_names() == []


@pytest.mark.parametrize(
    ("members", "error", "code"),
    [
        pytest.param({"filter": []}, "'filter': expected `object`, got `array`", "InvalidJSONFieldType", id="a list"),
        pytest.param({"limit": -1}, "'limit' must be a whole number of at least 0", "InvalidParameter", id="negative"),
        pytest.param({"skip": 1.5}, "'skip' must be a whole number of at least 0", "InvalidParameter", id="fraction"),
        pytest.param({"skip": "1"}, "'skip': expected `int | float`, got `str`", "InvalidJSONFieldType", id="text"),
        pytest.param(
            {"filter": {"$where": "1"}}, "operator '$where' is not allowed", "InvalidParameter", id="JavaScript"
        ),
        pytest.param({"filter": {"n": {"$gg": 1}}}, "operator '$gg' is not allowed", "InvalidParameter", id="unknown"),
    ],
)
async def test_a_count_of_something_wrong_is_refused(
    post: Post, members: dict[str, Any], error: str, code: str
) -> None:
    answer = await post("countDocuments", **members)

    assert (answer.status, answer.json) == (400, {"error": error, "error_code": code})
