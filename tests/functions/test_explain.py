"""explain: how MongoDB runs a query, in words and numbers, and the index that would help."""

from typing import Any

import pytest

from tests.conftest import Post, errors_only

NUMBERS = [
    {"_id": number, "n": number, "m": number % 10, "kind": "odd" if number % 2 else "even"} for number in range(100)
]


@pytest.fixture(autouse=True)
async def numbers(database: Any) -> None:
    """A hundred numbers."""
    await database.items.insert_many(NUMBERS)


async def test_a_scan_of_all_documents_is_told_with_the_index_that_would_help(post: Post) -> None:
    answer = await post("explain", action="find", filter={"kind": "odd", "n": {"$gt": 90}}, sort={"m": -1})

    assert answer.status == 200
    assert answer.json == {
        "verdict": "no index is used: 100 documents are examined for 5 returned, sorted in memory;"
        ' an index on {"kind":1,"m":-1,"n":1} would help',
        "indexes": [],
        "stages": ["SORT", "COLLSCAN"],
        "nReturned": 5,
        "totalDocsExamined": 100,
        "totalKeysExamined": 0,
        "docsExaminedPerReturned": 20,
        "suggestedIndex": {"key": {"kind": 1, "m": -1, "n": 1}},
    }


async def test_the_index_that_would_help_does(post: Post, database: Any) -> None:
    call: dict[str, Any] = {"action": "find", "filter": {"kind": "odd", "n": {"$gt": 90}}, "sort": {"m": -1}}
    suggested = (await post("explain", **call)).json["suggestedIndex"]["key"]
    assert (await post("createIndexes", indexes=[{"key": suggested}])).status == 200

    answer = await post("explain", **call)

    assert answer.json["verdict"] == "the index kind_1_m_-1_n_1 is used: 5 documents are examined for 5 returned"
    assert (answer.json["indexes"], answer.json["docsExaminedPerReturned"]) == (["kind_1_m_-1_n_1"], 1)


async def test_an_index_that_finds_too_much_is_told(post: Post, database: Any) -> None:
    await database.items.create_index("kind")

    answer = await post("explain", action="find", filter={"kind": "odd", "n": 3})

    assert answer.json["verdict"] == (
        'the index kind_1 is used: 50 documents are examined for 1 returned; an index on {"kind":1,"n":1} would help'
    )


@pytest.mark.parametrize(
    ("call", "verdict"),
    [
        pytest.param(
            {"action": "findOne", "filter": {"_id": 3}},
            "the index _id_ is used: 1 document is examined for 1 returned",
            id="by _id",
        ),
        pytest.param(
            {"action": "find", "limit": 0},
            "no index is used: 100 documents are examined for 100 returned; none is needed",
            id="all",
        ),
        pytest.param(
            {"action": "findOne"},
            "no index is used: 1 document is examined for 1 returned; none is needed",
            id="the first",
        ),
        pytest.param(
            {"action": "find", "filter": {"n": 1000}},
            'no index is used: 100 documents are examined for 0 returned; an index on {"n":1} would help',
            id="none found",
        ),
        pytest.param(
            {"action": "aggregate", "pipeline": [{"$match": {"n": 3}}, {"$group": {"_id": "$kind"}}]},
            'no index is used: 100 documents are examined for 1 returned; an index on {"n":1} would help',
            id="aggregate",
        ),
        pytest.param(
            {"action": "aggregate", "pipeline": [{"$sort": {"n": -1}}, {"$limit": 2}]},
            "no index is used: 100 documents are examined for 2 returned, sorted in memory;"
            ' an index on {"n":-1} would help',
            id="sorted aggregate",
        ),
        pytest.param(
            {"action": "find", "sort": {"$natural": -1}, "limit": 2},
            "no index is used: 2 documents are examined for 2 returned; none is needed",
            id="as they are stored",
        ),
        pytest.param(
            {"action": "find", "filter": {"$or": [{"n": 1}, {"m": 2}]}},
            "no index is used: 100 documents are examined for 11 returned",
            id="of which each would need one",
        ),
        pytest.param(
            {"action": "find", "collection": "nowhere", "filter": {"n": 1}},
            "nothing is read: 0 documents are examined for 0 returned",
            id="no collection",
        ),
    ],
)
async def test_a_verdict_says_what_was_done(post: Post, call: dict[str, Any], verdict: str) -> None:
    answer = await post("explain", **call)

    assert (answer.status, answer.json["verdict"]) == (200, verdict)


ID = "65a1b2c3d4e5f60718293a4b"
NOT_AN_ID = '"_id" is compared with a text: an ObjectId is written {"$oid":"…"}'
NOT_A_DATE = '"at" is compared with a text: a date is written {"$date":"…"}'


@pytest.mark.parametrize(
    ("filter", "mistake"),
    [
        pytest.param({"_id": ID}, NOT_AN_ID, id="an id"),
        pytest.param({"_id": f"ObjectId('{ID}')"}, NOT_AN_ID, id="an id of the shell"),
        pytest.param({"_id": {"$in": [1000, ID]}}, NOT_AN_ID, id="one of several ids"),
        pytest.param({"$and": [{"n": 1000}, {"_id": {"$eq": ID}}]}, NOT_AN_ID, id="in $and"),
        pytest.param({"at": {"$gte": "2026-01-31"}}, NOT_A_DATE, id="a day"),
        pytest.param({"at": {"$lt": "2026-01-31T10:00:00.000+01:00"}}, NOT_A_DATE, id="a time"),
    ],
)
async def test_a_text_that_should_be_an_id_or_a_date_is_told(post: Post, filter: Any, mistake: str) -> None:  # noqa: A002
    answer = await post("explain", action="find", filter=filter)

    assert answer.json["nReturned"] == 0
    assert answer.json["verdict"].endswith(f"; {mistake}")


@pytest.mark.parametrize(
    "filter",
    [
        pytest.param({"_id": {"$oid": ID}}, id="an id"),
        pytest.param({"at": {"$gte": {"$date": "2026-01-31T00:00:00Z"}}}, id="a date"),
        pytest.param({"kind": {"$in": ["odd", ID]}}, id="a text among what is found"),
        pytest.param({"kind": {"$regex": "^none"}}, id="another text"),
    ],
)
async def test_a_filter_that_may_be_right_is_not_doubted(post: Post, filter: Any) -> None:  # noqa: A002
    answer = await post("explain", action="find", filter=filter)

    assert answer.status == 200
    assert "compared" not in answer.json["verdict"]


@pytest.mark.parametrize(
    ("keys", "suggested"),
    [([("m", 1), ("n", 1)], {"key": {"m": 1, "n": -1}}), ([("m", 1), ("n", -1)], None), ([("m", -1), ("n", 1)], None)],
    ids=str,
)
async def test_an_index_that_cannot_sort_is_not_enough(
    post: Post, database: Any, keys: list[tuple[str, int]], suggested: Any
) -> None:
    await database.items.create_index(keys)

    answer = await post("explain", action="find", filter={"m": {"$lt": 2}}, sort={"m": 1, "n": -1})

    assert answer.json["indexes"] == ["_".join(f"{name}_{direction}" for name, direction in keys)]
    assert answer.json.get("suggestedIndex") == suggested


async def test_a_join_counts_what_it_reads(post: Post, database: Any) -> None:
    await database.others.insert_many({"_id": number, "n": number} for number in range(10))
    lookup = {"from": "others", "localField": "n", "foreignField": "n", "as": "found"}

    answer = await post("explain", action="aggregate", pipeline=[{"$match": {"_id": 3}}, {"$lookup": lookup}])

    assert answer.json["totalDocsExamined"] == 11
    assert "_id_" in answer.json["indexes"]


async def test_a_suggested_index_compares_as_the_query_does(post: Post) -> None:
    collation = {"locale": "en", "strength": 2}

    answer = await post("explain", action="find", filter={"kind": "ODD"}, collation=collation)

    assert answer.json["suggestedIndex"] == {"key": {"kind": 1}, "collation": collation}


@pytest.mark.parametrize(
    "filter_",
    [
        {"stage": "COLLSCAN", "inputStage": {"stage": "COLLSCAN"}, "indexName": "x"},
        {"winningPlan": {"stage": "IXSCAN", "indexName": "made up"}},
        {"executionStats": {"totalDocsExamined": 10**9}},
        {"executionStats.totalDocsExamined": 10**9, "shards": {"a": {"stage": "SORT"}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("action", ["find", "aggregate"])
async def test_what_the_caller_sends_is_not_taken_for_a_plan(post: Post, action: str, filter_: dict[str, Any]) -> None:
    sent = {"filter": filter_} if action == "find" else {"pipeline": [{"$match": filter_}]}

    answer = await post("explain", action=action, **sent)

    assert (set(answer.json["stages"]) - {"LIMIT"}, answer.json["indexes"]) == ({"COLLSCAN"}, [])
    assert answer.json["totalDocsExamined"] == 100


async def test_nothing_of_the_server_is_told(post: Post) -> None:
    answer = await post("explain", action="find", filter={"n": 1})

    assert not {b"serverInfo", b"host", b"port", b"clusterTime", b"Cache"} & set(answer.body.split(b'"'))


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "MissingParameter"),
        ({"action": "insertOne"}, "InvalidJSONFieldType"),
        ({"action": 1}, "InvalidJSONFieldType"),
        ({"action": "aggregate"}, "MissingParameter"),
        ({"action": "aggregate", "pipeline": {}}, "InvalidJSONFieldType"),
        ({"action": "aggregate", "pipeline": [], "filter": {"n": 1}}, "InvalidParameter"),
        ({"action": "aggregate", "pipeline": [], "limit": 5}, "InvalidParameter"),
        ({"action": "findOne", "pipeline": []}, "InvalidParameter"),
        ({"action": "aggregate", "pipeline": [{"$out": "other"}]}, "InvalidParameter"),
        ({"action": "aggregate", "pipeline": [{"$merge": {"into": "other"}}]}, "InvalidParameter"),
        ({"action": "aggregate", "pipeline": [{"$currentOp": {}}]}, "InvalidParameter"),
        ({"action": "find", "filter": {"$where": "1"}}, "InvalidParameter"),
        ({"action": "find", "sort": {"a": 2}}, "InvalidParameter"),
        ({"action": "find", "limit": -1}, "InvalidParameter"),
        ({"action": "find", "verbosity": "allPlansExecution"}, "InvalidParameter"),
        ({"action": "find", "filter": {"$nope": 1}}, "InvalidParameter"),
        ({"action": "find", "hint": "nowhere_1"}, "MongoDBError"),
    ],
    ids=str,
)
async def test_what_cannot_be_explained_is_refused(post: Post, members: dict[str, Any], code: str) -> None:
    answer = await post("explain", **members)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, code)


async def test_an_explanation_ends_at_the_time_limit_of_the_call(post: Post, database: Any) -> None:
    numbers = {"$range": [0, {"$add": [10**6, "$n"]}]}
    slow = {"$expr": {"$lt": [{"$reduce": {"input": numbers, "initialValue": 0, "in": "$$this"}}, 0]}}

    answer = await post("explain", action="find", filter=slow, maxTimeMS=200)

    assert (answer.status, answer.json["error_code"]) == (504, "ExecutionTimeLimitExceeded"), answer.json


async def test_nothing_is_written_by_an_explanation(post: Post, database: Any) -> None:
    before = [each async for each in database.items.find()]
    await post("explain", action="aggregate", pipeline=[{"$match": {}}, {"$set": {"n": 0}}])

    assert [each async for each in database.items.find()] == before
    assert await database.list_collection_names() == ["items"]
