"""findOne and find, through both hosts, on a real mongod."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson.objectid import ObjectId

from tests.conftest import Post, errors_only

OID = "65a1b2c3d4e5f60718293a4b"
ORDER = {"_id": ObjectId(OID), "total": 12.5, "placed": datetime(2024, 1, 12, 9, 30, tzinfo=UTC), "status": "open"}


async def test_find_one_returns_the_first_match(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": 1, "a": 1, "b": 2.5}, {"_id": 2, "a": 1}])

    answer = await post("findOne", filter={"a": 1}, projection={"b": 1}, sort={"_id": 1})

    assert answer.status == 200
    assert answer.body == b'{"document":{"_id":1,"b":2.5}}'


@pytest.mark.parametrize("accept", ["application/json", "application/ejson"])
async def test_find_one_without_a_match_gives_null(post: Post, accept: str) -> None:
    answer = await post("findOne", accept=accept, filter={"a": 1})

    assert (answer.status, answer.body) == (200, b'{"document":null}')
    assert answer.headers["content-type"] == accept


@pytest.mark.parametrize("accept", ["application/json", "application/ejson"])
async def test_find_without_a_match_gives_an_empty_list(post: Post, accept: str) -> None:
    answer = await post("find", accept=accept, filter={"a": 1})

    assert (answer.status, answer.body) == (200, b'{"documents":[]}')
    assert answer.headers["content-type"] == accept


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        pytest.param(
            "application/json",
            '{"document":{"_id":"65a1b2c3d4e5f60718293a4b","total":12.5,"placed":"2024-01-12T09:30:00.000Z"}}',
            id="JSON",
        ),
        pytest.param(
            "application/ejson",
            '{"document":{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"total":{"$numberDouble":"12.5"},'
            '"placed":{"$date":{"$numberLong":"1705051800000"}}}}',
            id="EJSON",
        ),
    ],
)
async def test_find_one_answers_in_the_format_asked_for(post: Post, database: Any, accept: str, body: str) -> None:
    await database.items.insert_one(ORDER)

    answer = await post("findOne", accept=accept, filter={"_id": {"$oid": OID}}, projection={"total": 1, "placed": 1})

    assert (answer.status, answer.headers["content-type"], answer.body.decode()) == (200, accept, body)


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        pytest.param("application/json", '{"documents":[{"total":99},{"total":12.5}]}', id="JSON"),
        pytest.param(
            "application/ejson",
            '{"documents":[{"total":{"$numberInt":"99"}},{"total":{"$numberDouble":"12.5"}}]}',
            id="EJSON",
        ),
    ],
)
async def test_find_takes_all_its_members_together(post: Post, database: Any, accept: str, body: str) -> None:
    totals = [10, 11, 12.5, 99, 500, 501, 3]
    await database.items.insert_many([{"_id": n, "status": "open", "total": t} for n, t in enumerate(totals)])

    answer = await post(
        "find", accept=accept, filter={"status": "open", "total": {"$gte": 10}}, sort={"total": -1, "_id": 1},
        limit=2, skip=2, projection={"_id": 0, "total": 1},
    )  # fmt: skip

    assert (answer.status, answer.body.decode()) == (200, body)


@pytest.mark.parametrize("action", ["findOne", "find"])
@pytest.mark.parametrize(
    "members",
    [
        pytest.param({}, id="absent"),
        pytest.param({"filter": None, "projection": None, "sort": None}, id="null"),
        pytest.param({"filter": {}, "projection": {}, "sort": {}}, id="empty"),
    ],
)
async def test_every_member_of_a_read_may_be_left_out(
    post: Post, database: Any, action: str, members: dict[str, Any]
) -> None:
    await database.items.insert_one({"_id": 1, "a": "x"})

    answer = await post(action, **members)

    assert answer.status == 200
    assert b'{"_id":1,"a":"x"}' in answer.body


@pytest.mark.parametrize("action", ["findOne", "find"])
async def test_unknown_members_are_ignored(post: Post, database: Any, action: str) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post(action, filter={"_id": 1}, nonsense={"a": 1}, options={"hint": 5}, FILTER={"_id": 2})

    assert answer.status == 200
    assert b'{"_id":1}' in answer.body


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        pytest.param({"n": 1}, 1, id="up"),
        pytest.param({"n": -1}, 3, id="down"),
        pytest.param({"n": -1.0}, 3, id="float"),
        pytest.param({"n": {"$numberLong": "-1"}}, 3, id="long"),
        pytest.param({"n": {"$numberDouble": "-1"}}, 3, id="double wrapper"),
    ],
)
async def test_find_one_takes_a_sort(post: Post, database: Any, sort: dict[str, Any], first: int) -> None:
    await database.items.insert_many([{"_id": 2, "n": 2}, {"_id": 3, "n": 3}, {"_id": 1, "n": 1}])

    answer = await post("findOne", sort=sort)

    assert answer.json == {"document": {"_id": first, "n": first}}


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        pytest.param('{"b":1,"a":-1}', [3, 1, 4, 2], id="b before a"),
        pytest.param('{"a":-1,"b":1}', [3, 4, 1, 2], id="a before b"),
    ],
)
async def test_the_order_of_sort_keys_counts(post: Post, database: Any, sort: str, order: list[int]) -> None:
    pairs = [(1, 1), (1, 2), (2, 1), (2, 2)]
    await database.items.insert_many([{"_id": n, "a": a, "b": b} for n, (a, b) in enumerate(pairs, start=1)])

    answer = await post(
        "find", f'{{"dataSource":"m","database":"shop","collection":"items","sort":{sort},"projection":{{"_id":1}}}}'
    )

    assert [document["_id"] for document in answer.json["documents"]] == order


@pytest.mark.parametrize("action", ["findOne", "find"])
@pytest.mark.parametrize(
    "direction",
    [
        pytest.param(True, id="true"),
        pytest.param("asc", id="text"),
        pytest.param(None, id="null"),
        pytest.param(0.5, id="fraction"),
        pytest.param(2, id="two"),
        pytest.param(1e300, id="a double beyond int64"),
        pytest.param(2**70, id="an integer beyond int64"),
        pytest.param([1], id="list"),
        pytest.param({"$numberDouble": "NaN"}, id="NaN"),
    ],
)
async def test_a_sort_direction_is_1_or_minus_1(post: Post, action: str, direction: Any) -> None:
    answer = await post(action, sort={"a": 1, "b": direction})

    assert answer.status == 400
    assert errors_only(answer) == {
        "error": "'sort': 'b' must be 1, -1 or a $meta expression", "error_code": "InvalidParameter",
    }  # fmt: skip


async def test_a_sort_may_be_by_text_score(post: Post, database: Any) -> None:
    await database.items.create_index([("t", "text")])
    await database.items.insert_many([{"_id": 1, "t": "red"}, {"_id": 2, "t": "red red"}])

    answer = await post(
        "find", filter={"$text": {"$search": "red"}}, sort={"score": {"$meta": "textScore"}}, projection={"_id": 1}
    )

    assert answer.json == {"documents": [{"_id": 2}, {"_id": 1}]}


async def test_the_order_of_fields_is_that_of_the_document(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "z": 1, "a": {"y": 1, "b": 2}, "m": [{"d": 1, "c": 2}]})

    answer = await post("find")

    assert answer.body == b'{"documents":[{"_id":1,"z":1,"a":{"y":1,"b":2},"m":[{"d":1,"c":2}]}]}'


@pytest.mark.parametrize(
    ("projection", "document"),
    [
        pytest.param({"a": 1}, {"_id": 1, "a": 1}, id="take"),
        pytest.param({"a": 0}, {"_id": 1, "b": {"c": 2, "d": 3}}, id="leave out"),
        pytest.param({"_id": False, "a": True}, {"a": 1}, id="booleans"),
        pytest.param({"b.c": 1, "_id": 0}, {"b": {"c": 2}}, id="path"),
        pytest.param({"twice": {"$add": ["$a", "$a"]}, "_id": 0}, {"twice": 2}, id="expression"),
    ],
)
async def test_a_projection_chooses_fields(
    post: Post, database: Any, projection: dict[str, Any], document: dict[str, Any]
) -> None:
    await database.items.insert_one({"_id": 1, "a": 1, "b": {"c": 2, "d": 3}})

    answer = await post("findOne", projection=projection)

    assert answer.json == {"document": document}


@pytest.mark.parametrize(
    ("members", "count"),
    [
        pytest.param({}, 1_000, id="absent is 1000"),
        pytest.param({"limit": None}, 1_000, id="null is 1000"),
        pytest.param({"limit": 1_001}, 1_001, id="1001"),
        pytest.param({"limit": 5.0}, 5, id="whole double"),
        pytest.param({"limit": {"$numberInt": "7"}}, 7, id="int32 wrapper"),
        pytest.param({"limit": {"$numberLong": "7"}}, 7, id="int64 wrapper"),
        pytest.param({"limit": {"$numberDouble": "7.0"}}, 7, id="double wrapper"),
        pytest.param({"limit": 0}, 50_000, id="0 is the cap"),
        pytest.param({"limit": 0.0}, 50_000, id="0.0 is the cap"),
        pytest.param({"limit": -0.0}, 50_000, id="-0.0 is the cap"),
        pytest.param({"limit": 50_000}, 50_000, id="50000"),
        pytest.param({"limit": 50_001}, 50_000, id="50001 is clamped"),
        pytest.param({"limit": 60_000}, 50_000, id="60000 is clamped"),
        pytest.param({"limit": 1e300}, 50_000, id="any number is clamped"),
        pytest.param({"limit": 0, "skip": 1}, 50_000, id="skip counts before the cap"),
        pytest.param({"limit": 0, "skip": 50_000}, 1, id="skip to the last"),
    ],
)
async def test_find_is_limited(post: Post, crowded: str, members: dict[str, Any], count: int) -> None:
    answer = await post("find", database=crowded, **members)

    assert answer.status == 200
    assert len(answer.json["documents"]) == count


@pytest.mark.parametrize("member", ["limit", "skip"])
@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(-1, "InvalidParameter", id="negative"),
        pytest.param(-1.0, "InvalidParameter", id="negative double"),
        pytest.param(1.5, "InvalidParameter", id="fraction"),
        pytest.param({"$numberDouble": "NaN"}, "InvalidParameter", id="NaN"),
        pytest.param({"$numberDouble": "Infinity"}, "InvalidParameter", id="infinity"),
        pytest.param("10", "InvalidJSONFieldType", id="text"),
        pytest.param(True, "InvalidJSONFieldType", id="true"),
        pytest.param([1], "InvalidJSONFieldType", id="list"),
        pytest.param({"a": 1}, "InvalidJSONFieldType", id="object"),
        pytest.param({"$numberDecimal": "1"}, "InvalidJSONFieldType", id="decimal"),
    ],
)
async def test_a_count_is_a_whole_number(post: Post, member: str, number: Any, code: str) -> None:
    answer = await post("find", **{member: number})

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == code
    assert f"'{member}'" in answer.json["error"]


@pytest.mark.parametrize(
    ("skip", "left"),
    [
        pytest.param(0, [1, 2, 3], id="none"),
        pytest.param(2, [3], id="two"),
        pytest.param(2.0, [3], id="whole double"),
        pytest.param(3, [], id="all"),
        pytest.param(2**63 - 1, [], id="int64"),
        pytest.param(2**63, [], id="beyond int64"),
        pytest.param(1e300, [], id="far beyond int64"),
    ],
)
async def test_find_skips(post: Post, database: Any, skip: Any, left: list[int]) -> None:
    await database.items.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3}])

    answer = await post("find", sort={"_id": 1}, skip=skip)

    assert answer.status == 200
    assert answer.json == {"documents": [{"_id": number} for number in left]}


@pytest.mark.parametrize(
    ("action", "body"),
    [
        pytest.param("findOne", b'{"document":null}', id="findOne"),
        pytest.param("find", b'{"documents":[]}', id="find"),
    ],
)
async def test_what_does_not_exist_is_empty(post: Post, database: Any, action: str, body: bytes) -> None:
    answer = await post(action, collection="nowhere")
    elsewhere = await post(action, database="nodatabase")

    assert (answer.status, answer.body) == (elsewhere.status, elsewhere.body) == (200, body)
    assert "nodatabase" not in await database.client.list_database_names()


@pytest.mark.parametrize("action", ["findOne", "find"])
async def test_an_unknown_query_operator_is_refused(post: Post, action: str) -> None:
    answer = await post(action, filter={"$foo": 1})

    assert answer.status == 400
    assert errors_only(answer) == {"error": "operator '$foo' is not allowed", "error_code": "InvalidParameter"}


@pytest.mark.parametrize("action", ["findOne", "find"])
@pytest.mark.parametrize(
    ("members", "code", "named"),
    [
        pytest.param({"filter": []}, "InvalidJSONFieldType", "'filter'", id="filter is a list"),
        pytest.param({"filter": "x"}, "InvalidJSONFieldType", "'filter'", id="filter is text"),
        pytest.param({"projection": ["a"]}, "InvalidJSONFieldType", "'projection'", id="projection is a list"),
        pytest.param({"sort": "a"}, "InvalidJSONFieldType", "'sort'", id="sort is text"),
        pytest.param({"collection": 5}, "InvalidJSONFieldType", "'collection'", id="collection is a number"),
        pytest.param({"database": {}}, "InvalidJSONFieldType", "'database'", id="database is an object"),
        pytest.param({"dataSource": None}, "MissingParameter", "'dataSource'", id="dataSource is null"),
        pytest.param({"database": None}, "MissingParameter", "'database'", id="database is null"),
        pytest.param({"collection": None}, "MissingParameter", "'collection'", id="collection is null"),
        pytest.param({"collection": ""}, "InvalidParameter", "collection names", id="collection is empty"),
        pytest.param({"collection": "a\0b"}, "InvalidParameter", "collection names", id="collection with a NUL"),
        pytest.param({"database": ""}, "InvalidParameter", "database name", id="database is empty"),
        pytest.param({"database": "a b"}, "InvalidParameter", "database names", id="database with a space"),
        pytest.param({"database": "x" * 64}, "InvalidParameter", "too long", id="database too long"),
    ],
)
async def test_a_wrong_member_is_named(post: Post, action: str, members: dict[str, Any], code: str, named: str) -> None:
    answer = await post(action, **members)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == code
    assert named in answer.json["error"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="text"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"[object Object]", id="object Object"),
        pytest.param(b"a=1&b=2", id="a form"),
        pytest.param(b'{"dataSource":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"filter":{"_id":{"$oid":"1"}}}', id="a malformed wrapper"),
    ],
)
@pytest.mark.parametrize("action", ["findOne", "deleteMany"])
async def test_a_body_that_is_not_a_json_object_is_refused(post: Post, action: str, body: bytes) -> None:
    answer = await post(action, body)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "InvalidJSON"
    assert answer.json["error"].startswith("invalid JSON in request body: ")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"dataSource=mongodb-atlas&filter=x", "it is a form: send the object as JSON text", id="form"),
        pytest.param(b"%66ilter%5Ba%5D=1", "it is a form: send the object as JSON text", id="escaped form"),
        pytest.param(b"filter[a]=1", "it is a form: send the object as JSON text", id="form of a tree"),
        pytest.param(
            b'--x\r\nContent-Disposition: form-data; name="filter"\r\n\r\n{}\r\n--x--\r\n',
            "it is a form: send the object as JSON text", id="multipart",
        ),
        pytest.param(
            b"[object Object]", "it is what JavaScript makes of an object: send JSON.stringify(object)", id="JavaScript"
        ),
        pytest.param(
            b"{'filter': {}}", "names and texts stand in double quotes: in Python, send json.dumps(object)", id="Python"
        ),
        pytest.param(
            b'"{\\"filter\\":{}}"', "it is a text that holds an object: encode the object once", id="encoded twice"
        ),
    ],
)  # fmt: skip
async def test_a_body_that_means_an_object_is_refused_with_what_to_send(post: Post, body: bytes, says: str) -> None:
    answer = await post("insertOne", body)

    assert (answer.status, answer.json["error"]) == (400, f"invalid JSON in request body: {says}")
