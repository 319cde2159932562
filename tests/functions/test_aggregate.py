"""aggregate, through both hosts, on a real mongod."""

from typing import Any

import pytest

from tests.conftest import Post, errors_only

ORDERS = [
    {"_id": number, "status": "open", "region": "south" if number == 0 else "north", "total": number}
    for number in range(5)
]
BY_REGION = [{"$match": {"status": "open"}}, {"$group": {"_id": "$region", "n": {"$sum": 1}}}, {"$sort": {"n": -1}}]


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        pytest.param("application/json", '{"documents":[{"_id":"north","n":4},{"_id":"south","n":1}]}', id="JSON"),
        pytest.param(
            "application/ejson",
            '{"documents":[{"_id":"north","n":{"$numberInt":"4"}},{"_id":"south","n":{"$numberInt":"1"}}]}',
            id="EJSON",
        ),
    ],
)
async def test_aggregate_answers_what_the_pipeline_gives(post: Post, database: Any, accept: str, body: str) -> None:
    await database.items.insert_many(ORDERS)

    answer = await post("aggregate", accept=accept, pipeline=BY_REGION)

    assert (answer.status, answer.headers["content-type"], answer.body.decode()) == (200, accept, body)


async def test_an_empty_pipeline_gives_all_documents(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": 1, "z": 1, "a": 2}, {"_id": 2}])

    answer = await post("aggregate", pipeline=[])

    assert answer.body == b'{"documents":[{"_id":1,"z":1,"a":2},{"_id":2}]}'


async def test_a_collection_that_does_not_exist_is_empty(post: Post, database: Any) -> None:
    answer = await post("aggregate", collection="nowhere", pipeline=[{"$match": {}}])

    assert (answer.status, answer.body) == (200, b'{"documents":[]}')
    assert await database.list_collection_names() == []


async def test_an_aggregate_ends_at_the_cap(post: Post, crowded: str) -> None:
    answer = await post("aggregate", database=crowded, pipeline=[])

    assert len(answer.json["documents"]) == 50_000


async def test_the_cap_is_on_results_only(post: Post, crowded: str) -> None:
    answer = await post("aggregate", database=crowded, pipeline=[{"$count": "n"}])

    assert answer.body == b'{"documents":[{"n":50001}]}'


@pytest.mark.parametrize(
    ("pipeline", "documents"),
    [
        pytest.param([{"$sort": {"total": -1}}, {"$limit": 1}], [{"_id": 4, "total": 4}], id="$sort and $limit"),
        pytest.param([{"$group": {"_id": None, "n": {"$sum": 1}}}], [{"_id": None, "n": 5}], id="count by $group"),
        pytest.param([{"$match": {"_id": {"$lt": 0}}}, {"$count": "n"}], [], id="$count of none"),
        pytest.param([{"$sample": {"size": 50}}, {"$count": "n"}], [{"n": 5}], id="$sample"),
        pytest.param(
            [{"$facet": {"few": [{"$limit": 1}], "n": [{"$count": "n"}]}}],
            [{"few": [{"_id": 0, "total": 0}], "n": [{"n": 5}]}], id="$facet",
        ),
        pytest.param(
            [
                {"$match": {"_id": 3}},
                {"$lookup": {
                    "from": "regions", "let": {"t": "$total"},
                    "pipeline": [{"$match": {"$expr": {"$eq": ["$_id", "$$t"]}}}], "as": "found",
                }},
            ],
            [{"_id": 3, "total": 3, "found": [{"_id": 3, "name": "three"}]}], id="$lookup",
        ),
        pytest.param(
            [{"$match": {"_id": 0}}, {"$unionWith": "regions"}],
            [{"_id": 0, "total": 0}, {"_id": 3, "name": "three"}], id="$unionWith",
        ),
        pytest.param(
            [
                {"$match": {"_id": 3}},
                {"$graphLookup": {
                    "from": "regions", "startWith": "$_id", "connectFromField": "x", "connectToField": "_id", "as": "g",
                }},
            ],
            [{"_id": 3, "total": 3, "g": [{"_id": 3, "name": "three"}]}], id="$graphLookup",
        ),
    ],
)  # fmt: skip
async def test_the_stages_are_the_servers(post: Post, database: Any, pipeline: list[Any], documents: list[Any]) -> None:
    await database.items.insert_many([{"_id": number, "total": number} for number in range(5)])
    await database.regions.insert_one({"_id": 3, "name": "three"})

    answer = await post("aggregate", pipeline=pipeline)

    assert answer.status == 200
    assert answer.json == {"documents": documents}


@pytest.mark.parametrize(
    ("members", "code", "error"),
    [
        pytest.param({}, "MissingParameter", "must provide a 'pipeline' field", id="absent"),
        pytest.param({"pipeline": None}, "MissingParameter", "must provide a 'pipeline' field", id="null"),
        pytest.param(
            {"pipeline": {}}, "InvalidJSONFieldType", "'pipeline': expected `array`, got `object`", id="an object"
        ),
        pytest.param(
            {"pipeline": ["$match"]}, "InvalidJSONFieldType", "'pipeline[0]': expected `object`, got `str`",
            id="a stage is text",
        ),
        pytest.param(
            {"pipeline": [{"$foo": 1}]}, "InvalidParameter", "operator '$foo' is not allowed",
            id="unknown stage",
        ),
        pytest.param(
            {"pipeline": [{}]}, "MongoDBError",
            "(Location40323) A pipeline stage specification object must contain exactly one field.", id="empty stage",
        ),
        pytest.param(
            {"pipeline": [{"$match": {"$foo": 1}}]}, "InvalidParameter", "operator '$foo' is not allowed",
            id="unknown operator",
        ),
        pytest.param(
            {"pipeline": [{"$project": {"a": {"$divide": [1, 0]}}}]}, "MongoDBError",
            "can't $divide by zero", id="an expression that fails",
        ),
    ],
)  # fmt: skip
async def test_a_wrong_pipeline_is_a_400(
    post: Post, database: Any, members: dict[str, Any], code: str, error: str
) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post("aggregate", **members)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == code
    assert error in answer.json["error"]
