"""Bodies made to hurt, through both hosts: refused as the caller's error, briefly, and with nothing done."""

from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from local.mongod import Mongod
from shared.errors import InvalidJSONError
from tests.conftest import ACTION, Post, errors_only, request_body
from tests.hosts import Answer, Host, Server, Worker

MANY_DIGITS = "1" * 300_000
NUL_KEY = {"a\0b": 1}
BRIEF = 300
LONGEST_DATABASE = 63
LONGEST_NAMESPACE = 255


def brief(answer: Answer) -> str:
    """Return the text of an error reply, having seen that it does not repeat what the caller sent at length."""
    text = errors_only(answer)["error"]
    assert len(text) < BRIEF
    return text


@pytest.mark.parametrize(
    "digits",
    [
        pytest.param(MANY_DIGITS + "x", id="digits"),
        pytest.param(f"{MANY_DIGITS}.{MANY_DIGITS}x", id="digits and a fraction"),
        pytest.param(f".{MANY_DIGITS}x", id="fraction"),
        pytest.param(f"1e{MANY_DIGITS}x", id="exponent"),
        pytest.param(MANY_DIGITS, id="well-formed, but too large"),
        pytest.param(f"1e{MANY_DIGITS}", id="well-formed, but a too large exponent"),
    ],
)
async def test_endless_digits_are_refused(worker: Worker, key: str, digits: str) -> None:
    answer = await Post(worker, key)("find", filter={"a": {"$numberDecimal": digits}})

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == InvalidJSONError.code
    assert "$numberDecimal" in brief(answer)


@pytest.mark.parametrize("wrapper", ["$numberInt", "$numberLong", "$numberDouble", "$date", "$oid", "$uuid"])
async def test_endless_digits_are_refused_in_every_wrapper(worker: Worker, key: str, wrapper: str) -> None:
    answer = await Post(worker, key)("find", filter={"a": {wrapper: MANY_DIGITS + "x"}})

    assert (answer.status, errors_only(answer)["error_code"]) == (400, InvalidJSONError.code)
    assert brief(answer)


@pytest.mark.parametrize(
    ("database", "collection"),
    [
        pytest.param("overlong".ljust(LONGEST_DATABASE + 1, "x"), "items", id="database"),
        pytest.param("overlong" + "é" * 29, "items", id="database, counted in bytes"),
        pytest.param("overlong" * 10_000, "items", id="database of 70 kB"),
        pytest.param("shop", "overlong".ljust(LONGEST_NAMESPACE - 4, "x"), id="namespace"),
        pytest.param("shop", "overlong" + "é" * 122, id="namespace, counted in bytes"),
        pytest.param("shop", "overlong" * 10_000, id="collection of 70 kB"),
    ],
)
@pytest.mark.parametrize(("action", "members"), [("find", {}), ("insertOne", {"document": {"a": 1}})])
async def test_a_name_longer_than_mongodbs_is_refused_and_not_logged(
    server: Server, key: str, database: str, collection: str, action: str, members: dict[str, Any]
) -> None:
    answer = await Post(server, key)(action, database=database, collection=collection, **members)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "InvalidParameter"
    assert brief(answer)
    assert server.log_lines[-1]["status"] == 400
    assert "overlong" not in str(server.log_lines[-1])


@pytest.mark.parametrize(
    ("database", "collection"),
    [
        pytest.param("x" * LONGEST_DATABASE, "items", id="database"),
        pytest.param("x" + "é" * 31, "items", id="database, counted in bytes"),
        pytest.param("shop", "x" * (LONGEST_NAMESPACE - 5), id="namespace"),
        pytest.param("shop", "é" * 125, id="namespace, counted in bytes"),
    ],
)
async def test_a_name_of_the_greatest_length_is_served(post: Post, database: str, collection: str) -> None:
    answer = await post("find", database=database, collection=collection)

    assert (answer.status, answer.body) == (200, b'{"documents":[]}')


@pytest.mark.parametrize(
    ("action", "members"),
    [
        pytest.param("find", {"filter": {"$_" + "a" * 100_000: 1}}, id="filter"),
        pytest.param("aggregate", {"pipeline": [{"$_" + "a" * 100_000: {}}]}, id="stage"),
        pytest.param("find", {"projection": {"x": {"$_" + "é" * 100_000: 1}}}, id="projection, not ASCII"),
    ],
)
async def test_an_endless_operator_is_refused_briefly(post: Post, action: str, members: dict[str, Any]) -> None:
    answer = await post(action, **members)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "InvalidParameter"
    assert "$_" in brief(answer)


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param({"$lookup": {"from": "system." + "x" * 100_000, "as": "x"}}, id="$lookup"),
        pytest.param({"$unionWith": {"db": "admin" * 20_000, "coll": "x"}}, id="$unionWith"),
        pytest.param({"$unionWith": "$" + "x" * 100_000}, id="$unionWith as text"),
    ],
)
async def test_an_endless_other_collection_is_refused_briefly(post: Post, stage: dict[str, Any]) -> None:
    answer = await post("aggregate", pipeline=[stage])

    assert answer.status in {400, 403}
    assert brief(answer)


@pytest.mark.both_hosts
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/" + "x" * 5_000, id="one segment"),
        pytest.param("/x" * 2_500, id="segments"),
        pytest.param(ACTION + "x" * 5_000, id="an action"),
        pytest.param(f"/app/x/endpoint/data/{'v' * 5_000}/action/find", id="a version"),
    ],
)
async def test_a_404_for_an_endless_path_is_brief(host: Host, path: str) -> None:
    answer = await host.request("POST", path)

    assert (answer.status, errors_only(answer)["error_code"]) == (404, "EndpointNotFound")
    assert brief(answer)


@pytest.mark.parametrize(
    ("action", "members"),
    [
        pytest.param("insertMany", {"documents": [{"_id": 1}, {"_id": 2}, NUL_KEY]}, id="the last of insertMany"),
        pytest.param("insertMany", {"documents": [{"_id": 1}, {"_id": 2}, {"x": [{"y": NUL_KEY}]}]}, id="nested"),
        pytest.param("insertMany", {"documents": [{"_id": 1}, {"$a": {"\0": 1}}]}, id="beside an operator"),
        pytest.param("insertOne", {"document": NUL_KEY}, id="insertOne"),
        pytest.param("insertOne", {"document": {"x": {"y": NUL_KEY}}}, id="insertOne, nested"),
        pytest.param("insertOne", {"document": {"x": {"$code": "c", "$scope": NUL_KEY}}}, id="scope"),
        pytest.param("find", {"filter": NUL_KEY}, id="filter"),
        pytest.param("find", {"filter": {"$or": [NUL_KEY]}}, id="filter, nested"),
        pytest.param("find", {"projection": NUL_KEY}, id="projection"),
        pytest.param("find", {"sort": NUL_KEY}, id="sort"),
        pytest.param("deleteMany", {"filter": NUL_KEY}, id="filter of a deletion"),
        pytest.param("updateOne", {"filter": {}, "update": {"$set": NUL_KEY}, "upsert": True}, id="update"),
        pytest.param(
            "updateMany", {"filter": {}, "update": [{"$set": {"x": NUL_KEY}}], "upsert": True}, id="pipeline update"
        ),
        pytest.param("replaceOne", {"filter": {}, "replacement": NUL_KEY, "upsert": True}, id="replacement"),
        pytest.param("aggregate", {"pipeline": [{"$match": NUL_KEY}]}, id="pipeline"),
    ],
)
async def test_a_nul_in_a_key_is_refused_and_nothing_is_stored(
    post: Post, database: Any, action: str, members: dict[str, Any]
) -> None:
    answer = await post(action, **members)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "InvalidJSON"
    assert await database.items.find().to_list() == []


@pytest.mark.parametrize("document", [{"x": "a\0b"}, {"x": ["\0", {"y": "\0"}]}, {"x": "\\u0000"}, {"\\u0000": "x"}])
async def test_a_nul_in_a_value_is_stored(post: Post, database: Any, document: dict[str, Any]) -> None:
    answer = await post("insertOne", document={"_id": 1} | document)

    assert answer.status == 201
    assert await database.items.find().to_list() == [{"_id": 1} | document]


async def test_too_many_documents_are_refused_and_none_is_stored(worker: Worker, key: str, database: Any) -> None:
    answer = await Post(worker, key)("insertMany", documents=[{}] * 100_001)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "InvalidParameter"
    assert await database.items.find().to_list() == []


async def test_a_stored_document_that_cannot_be_read_is_no_error_of_the_caller(post: Post, database: Any) -> None:
    whole = bson.encode({"_id": 1, "x": bson.Binary(b"abc", 2)})
    inner_length = whole.index(b"\x07\x00\x00\x00\x02") + 5  # of the binary of 7 bytes: the old subtype counts twice
    malformed = whole[:inner_length] + b"\x63" + whole[inner_length + 1 :]
    await database.items.insert_one(RawBSONDocument(malformed))

    found, one = await post("find"), await post("findOne")

    for answer in (found, one):
        assert answer.status == 500
        assert errors_only(answer)["error_code"] == "InternalServerError"
        assert answer.json["error"].startswith("internal error, logged with id ")


def many(number: int, value: Any = 1) -> dict[str, Any]:
    """Return an object of so many members."""
    return {f"a{position}": value for position in range(number)}


COMPLEX = [
    pytest.param("insertOne", {"document": many(100_001)}, "MAX_MEMBERS", id="members"),
    pytest.param("insertMany", {"documents": [{"a": [many(100_001)]}]}, "MAX_MEMBERS", id="members of one deep inside"),
    pytest.param("find", {"unknown": many(100_001, {"$numberInt": "1"})}, "MAX_MEMBERS", id="members nobody reads"),
    pytest.param("find", {"filter": many(10_001)}, "MAX_CONDITIONS", id="fields of a filter"),
    pytest.param("deleteMany", {"filter": {"$or": [{"a": 1}] * 10_001}}, "MAX_CONDITIONS", id="a long $or"),
    pytest.param("find", {"projection": many(10_001)}, "MAX_CONDITIONS", id="fields of a projection"),
    pytest.param("find", {"filter": many(5_000), "sort": many(5_001)}, "MAX_CONDITIONS", id="filter and sort"),
    pytest.param(
        "updateOne", {"filter": {}, "update": {"$set": many(10_001)}, "upsert": True}, "MAX_CONDITIONS",
        id="a wide $set",
    ),
    pytest.param(
        "updateMany",
        {
            "filter": {},
            "update": {"$set": {f"a{n}.$[e].x": 1 for n in range(500)}},
            "arrayFilters": [{f"e.b{n}": 1 for n in range(500)}],
            "upsert": True,
        },
        "MAX_CONDITIONS",
        id="array filters",
    ),
    pytest.param(
        "replaceOne", {"filter": many(10_001), "replacement": {}, "upsert": True}, "MAX_CONDITIONS", id="a replacement"
    ),
    pytest.param("aggregate", {"pipeline": [{"$skip": 1}] * 1_001}, "MAX_STAGES", id="stages"),
    pytest.param(
        "aggregate", {"pipeline": [{"$facet": {"a": [{"$skip": 1}] * 500, "b": [{"$skip": 1}] * 500}}]}, "MAX_STAGES",
        id="stages of facets",
    ),
    pytest.param("find", {"filter": {"a": {"$in": [1] * 100_001}}}, "MAX_OPERANDS", id="$in"),
    pytest.param("deleteOne", {"filter": {"a": {"$nin": [1] * 100_001}}}, "MAX_OPERANDS", id="$nin"),
    pytest.param("find", {"filter": {"a": {"$all": [1] * 100_001}}}, "MAX_OPERANDS", id="$all"),
    pytest.param("find", {"filter": {"a": {"$regex": "x" * 32_765}}}, "MAX_PATTERN_LENGTH", id="a pattern"),
    pytest.param("find", {"filter": {"a." * 200 + "a": 1}}, "MAX_PATH_PARTS", id="a path"),
    pytest.param("find", {"sort": {"0." * 1_100 + "a": 1}}, "MAX_PATH_PARTS", id="a path of a sort"),
    pytest.param(
        "updateOne", {"filter": {}, "update": {"$set": {"a." * 200 + "a": 1}}, "upsert": True}, "MAX_PATH_PARTS",
        id="a path of an update",
    ),
    pytest.param("insertOne", {"document": {"a": [[]] * 2_000_000}}, "MAX_BODY_VALUES", id="empty arrays"),
    pytest.param("find", {"unknown": [{"a": 1}] * 1_400_000}, "MAX_BODY_VALUES", id="values nobody reads"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "members", "setting"), COMPLEX)
async def test_too_much_is_refused_by_the_name_of_the_setting_and_nothing_is_done(
    post: Post, database: Any, action: str, members: dict[str, Any], setting: str
) -> None:
    await database.kept.insert_one({"_id": 1})

    answer = await post(action, **members)

    assert answer.status == (413 if setting == "MAX_BODY_VALUES" else 400)
    assert setting in brief(answer)
    assert await database.list_collection_names() == ["kept"]


@pytest.mark.both_hosts
@pytest.mark.parametrize("levels", [900, 1_100, 30_000])
async def test_a_deep_body_of_the_client_api_is_a_400(host: Host, levels: int) -> None:
    deep = f'{{"key":{"[" * levels}{"]" * levels}}}'.encode()

    answer = await host.request("POST", "/api/client/v2.0/app/shop-abcde/auth/providers/api-key/login", {}, deep)

    assert answer.status == 400
    assert brief(answer)


@pytest.mark.parametrize(
    ("one", "number", "status"),
    [
        pytest.param("[]", 5_000_000, 413, id="15 MB of empty arrays"),
        pytest.param("[]", 10_000_000, 413, id="30 MB of empty arrays"),
        pytest.param('{"a":1}', 1_875_000, 413, id="15 MB of small objects"),
        pytest.param('{"a":1}', 1_333_000, 200, id="as many small objects as are read"),
    ],
)
async def test_a_body_of_hardly_anything_takes_a_limited_memory(
    mongod: Mongod, key: str, tmp_path: Path, one: str, number: int, status: int
) -> None:
    body = request_body()[:-1] + f',"unknown":[{",".join([one] * number)}]}}'.encode()
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri) as server:
        await Post(server, key)("find")
        before = peak_bytes(server.process.pid)

        answer = await Post(server, key)("find", body)

        assert answer.status == status
        assert peak_bytes(server.process.pid) - before < (100_000_000 if status == 413 else 400_000_000)


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
