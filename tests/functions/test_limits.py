"""How large, how deep and how broken a request may be, through both hosts."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import reduce
from struct import pack
from typing import Any

import pytest
from bson.code import Code

from local.mongod import Mongod
from tests.bson_types import LEVELS, document, element, nested, text
from tests.conftest import Post, errors_only, request_body
from tests.depth import HOSTS
from tests.hosts import Answer, Server, Worker

MAX_BSON = 16 * 1024 * 1024
EMPTY_TEXT = document(element(0x10, pack("<i", 1), "_id"), element(0x02, text(""), "s"))
FITS = MAX_BSON - len(EMPTY_TEXT)
NS = b'"dataSource":"mongodb-atlas","database":"shop","collection":"items"'
BIG = [pytest.param(f'{{"_id":1,"s":"{"x" * (FITS + 1)}"}}', id="a string"),
       pytest.param(f'{{"_id":1,"s":"{"é" * (FITS // 2 + 1)}"}}', id="two bytes a letter"),
       pytest.param(f'{{"_id":1,"s":[{"0," * 2_000_000}0]}}', id="an array, small as JSON")]  # fmt: skip


def body(**members: str) -> bytes:
    """Return a request with members that are JSON already."""
    given = ",".join(f'"{name}":{value}' for name, value in members.items())
    return request_body()[:-1] + f",{given}}}".encode()


def refused(answer: Answer, code: str = "InvalidJSON") -> bool:
    """Return whether this is a 400 with the code, in the shape of every error."""
    return answer.status == 400 and errors_only(answer)["error_code"] == code


async def test_the_largest_document_goes_in_and_comes_back(post: Post, database: Any) -> None:
    long = "x" * FITS

    inserted = await post("insertOne", body(document=f'{{"_id":1,"s":"{long}"}}'))
    as_json = await post("findOne", filter={"_id": 1})
    as_ejson = await post("findOne", accept="application/ejson", filter={"_id": 1})

    assert inserted.status == 201
    assert as_json.body == f'{{"document":{{"_id":1,"s":"{long}"}}}}'.encode()
    assert as_ejson.body == f'{{"document":{{"_id":{{"$numberInt":"1"}},"s":"{long}"}}}}'.encode()


@pytest.mark.parametrize("large", BIG)
async def test_a_document_beyond_16_mb_is_refused(post: Post, database: Any, large: str) -> None:
    one = await post("insertOne", body(document=large))
    many = await post("insertMany", body(documents=f"[{large}]"))

    assert (one.status, many.status) == (400, 400)
    assert errors_only(one)
    assert errors_only(many)
    assert await database.list_collection_names() == []


async def test_an_update_beyond_16_mb_changes_nothing(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "s": "x" * (FITS - 10)})

    pushed = await post("updateOne", filter={"_id": 1}, update={"$set": {"more": "12345678901234567890"}})
    replaced = await post("replaceOne", body(filter="{}", replacement=f'{{"s":"{"x" * (FITS + 1)}"}}'))

    assert (pushed.status, replaced.status) == (400, 400)
    assert list(await database.items.find_one()) == ["_id", "s"]


@pytest.mark.parametrize("kind", ["objects", "arrays", "arrays and objects"])
async def test_a_hundred_levels_go_in_and_come_back(post: Post, database: Any, kind: str) -> None:
    deep = nested(kind, 100)

    inserted = await post("insertOne", body(document=f'{{"_id":1,"v":{deep}}}'))
    as_json = await post("findOne", body(filter=f'{{"v":{deep}}}'))
    as_ejson = await post("find", body(filter="{}"), accept="application/ejson")

    wrapped = deep.replace("1", '{"$numberInt":"1"}')
    assert inserted.status == 201
    assert as_json.body.decode() == f'{{"document":{{"_id":1,"v":{deep}}}}}'
    assert as_ejson.body.decode() == f'{{"documents":[{{"_id":{{"$numberInt":"1"}},"v":{wrapped}}}]}}'


@pytest.mark.parametrize("kind", ["objects", "arrays"])
async def test_what_others_stored_may_be_deeper(post: Post, database: Any, kind: str) -> None:
    deep = nested(kind, 179)
    await database.items.insert_one({"_id": 1, "v": json.loads(deep)})

    as_json = await post("findOne")
    as_ejson = await post("find", accept="application/ejson")

    wrapped = deep.replace("1", '{"$numberInt":"1"}')
    assert as_json.body.decode() == f'{{"document":{{"_id":1,"v":{deep}}}}}'
    assert as_ejson.body.decode() == f'{{"documents":[{{"_id":{{"$numberInt":"1"}},"v":{wrapped}}}]}}'


async def test_what_others_stored_may_have_scopes_in_scopes(post: Post, database: Any) -> None:
    levels = 99
    scopes = reduce(lambda inner, _: Code("f", {"a": inner}), range(levels), Code("f"))
    await database.items.insert_one({"_id": 1, "v": scopes})

    answer = await post("findOne", projection={"_id": 0})

    opening, closing = '{"Code":"f","Scope":{"a":' * levels, "}}" * levels
    assert answer.body.decode() == f'{{"document":{{"v":{opening}"f"{closing}}}}}'


DEEP = [
    pytest.param("insertOne", '{{"document":{{"v":{}}}}}', id="a document"),
    pytest.param("insertMany", '{{"documents":[{{"v":1}},{{"v":{}}}]}}', id="one of several documents"),
    pytest.param("insertOne", '{{"document":{{"v":{{"$code":"f","$scope":{{"v":{}}}}}}}}}', id="a scope"),
    pytest.param("findOne", '{{"filter":{{"v":{}}}}}', id="a filter of findOne"),
    pytest.param("find", '{{"filter":{{"$and":[{{"v":{}}}]}}}}', id="a filter of find"),
    pytest.param("find", '{{"projection":{{"v":{}}}}}', id="a projection"),
    pytest.param("find", '{{"sort":{{"v":{}}}}}', id="a sort"),
    pytest.param("updateOne", '{{"filter":{{}},"update":{{"$set":{{"v":{}}}}},"upsert":true}}', id="an update"),
    pytest.param("updateMany", '{{"filter":{{}},"update":[{{"$set":{{"v":{}}}}}],"upsert":true}}',
    id="an update pipeline"),
    pytest.param("updateMany", '{{"filter":{{}},"update":{{"$set":{{"v.$[x]":1}}}},"arrayFilters":[{{"x":{}}}]}}',
    id="an array filter"),
    pytest.param("replaceOne", '{{"filter":{{}},"replacement":{{"v":{}}},"upsert":true}}', id="a replacement"),
    pytest.param("deleteOne", '{{"filter":{{"v":{}}}}}', id="a filter of deleteOne"),
    pytest.param("deleteMany", '{{"filter":{{"v":{}}}}}', id="a filter of deleteMany"),
    pytest.param("aggregate", '{{"pipeline":[{{"$match":{{"v":{}}}}}]}}', id="a pipeline"),
    pytest.param("find", '{{"unknown":{{"v":{}}}}}', id="a member that nobody reads"),
    pytest.param("find", '{{"limit":{{"v":{}}}}}', id="in the place of a number"),
]  # fmt: skip


@pytest.mark.parametrize("kind", LEVELS)
@pytest.mark.parametrize(("action", "members"), DEEP)
async def test_deeper_levels_are_a_400_and_change_nothing(
    post: Post, database: Any, action: str, members: str, kind: str
) -> None:
    await database.kept.insert_one({"_id": 1})
    bodies = [
        request_body()[:-1] + b"," + members.format(nested(kind, levels)).encode()[1:] for levels in (102, 900, 100_000)
    ]

    answers = await asyncio.gather(*(post(action, body) for body in bodies))

    assert [answer for answer in answers if not refused(answer)] == []
    assert await database.list_collection_names() == ["kept"]


async def test_one_level_more_than_a_hundred_is_a_400(post: Post, database: Any) -> None:
    answer = await post("insertOne", body(document=f'{{"v":{nested("objects", 101)}}}'))

    assert errors_only(answer) == {
        "error": "invalid JSON in request body: nested deeper than 100 levels, the most that MAX_NESTING allows",
        "error_code": "InvalidJSON",
    }
    assert await database.list_collection_names() == []


BROKEN = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b'[{"document":{}}]', id="an array of requests"),
    pytest.param(b'"text"', id="a string"),
    pytest.param(b"0", id="a number"),
    pytest.param(b"{%b" % NS, id="a cut body"),
    pytest.param(b'{%b,"document":{"a":1}}}' % NS, id="a brace too many"),
    pytest.param(b'{%b,"document":{"a":1}} garbage' % NS, id="garbage at the end"),
    pytest.param(b'{%b,"document":{"a":1}}\0' % NS, id="a NUL at the end"),
    pytest.param(b'\xef\xbb\xbf{%b,"document":{"a":1}}' % NS, id="a BOM"),
    pytest.param((b'{%b,"document":{"a":1}}' % NS).decode().encode("utf-16"), id="UTF-16"),
    pytest.param(b'{%b,"document":{"a":"\xff"}}' % NS, id="invalid UTF-8"),
    pytest.param(b'{%b,"document":{"\xc3":1}}' % NS, id="cut UTF-8 in a key"),
    pytest.param(b'{%b,"document":{"a":"\\ud800"}}' % NS, id="a lone surrogate"),
    pytest.param(b'{%b,"document":{"\\udfff":1}}' % NS, id="a lone surrogate in a key"),
    pytest.param(b'{%b,"document":{"a":NaN}}' % NS, id="NaN"),
    pytest.param(b'{%b,"document":{"a":-Infinity}}' % NS, id="-Infinity"),
    pytest.param(b'{%b,"document":{"a":1e400}}' % NS, id="1e400"),
    pytest.param(b'{%b,"document":{"a":%b}}' % (NS, b"9" * 5_000), id="an integer of 5,000 digits"),
    pytest.param(b'{%b,"document":{"a":{"$numberLong":"%b"}}}' % (NS, b"9" * 5_000), id="a long of 5,000 digits"),
    pytest.param(b'{%b,"document":{"a":{"$numberDecimal":"%b"}}}' % (NS, b"9" * 50_000),
    id="a decimal of 50,000 digits"),
    pytest.param(b'{%b,"document":{"a":{"$numberDouble":"%b"}}}' % (NS, b"9" * 50_000), id="a double of 50,000 digits"),
    pytest.param(b"a=1&b=2", id="a form"),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_body_that_is_no_json_object_is_a_400(post: Post, database: Any, broken: bytes) -> None:
    answer = await post("insertOne", broken)

    assert refused(answer)
    assert await database.list_collection_names() == []


NUL = [
    pytest.param("insertOne", {"document": {"a\0b": 1}}, id="a document"),
    pytest.param("insertOne", {"document": {"a": [{"b": {"\0": 1}}]}}, id="an inner document"),
    pytest.param("insertOne", {"document": {"a": {"$code": "f", "$scope": {"\0": 1}}}}, id="a scope"),
    pytest.param("insertOne", {"document": {"_id": {"\0": 1}}}, id="an _id"),
    pytest.param("insertMany", {"documents": [{"a": 1}, {"b\0": 1}]}, id="the second of two documents"),
    pytest.param("findOne", {"filter": {"a\0": 1}}, id="a filter of findOne"),
    pytest.param("find", {"filter": {"$or": [{"a\0": 1}]}}, id="a filter of find"),
    pytest.param("find", {"projection": {"a\0": 1}}, id="a projection"),
    pytest.param("find", {"sort": {"a\0": 1}}, id="a sort"),
    pytest.param("updateOne", {"filter": {}, "update": {"$set": {"a\0": 1}}, "upsert": True}, id="an update"),
    pytest.param("updateMany", {"filter": {}, "update": [{"$set": {"a\0": 1}}], "upsert": True},
    id="an update pipeline"),
    pytest.param("replaceOne", {"filter": {}, "replacement": {"a\0": 1}, "upsert": True}, id="a replacement"),
    pytest.param("deleteMany", {"filter": {"a\0": 1}}, id="a filter of deleteMany"),
    pytest.param("aggregate", {"pipeline": [{"$match": {"a\0": 1}}]}, id="a pipeline"),
    pytest.param("insertOne", {"collection": "a\0b", "document": {}}, id="a collection"),
    pytest.param("insertOne", {"database": "a\0b", "document": {}}, id="a database"),
    pytest.param("find", {"collection": "a\0b"}, id="a collection to read"),
    pytest.param("find", {"filter": {"a": {"$regularExpression": {"pattern": "\0", "options": ""}}}}, id="a pattern"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "members"), NUL)
async def test_a_nul_in_a_name_is_a_400_and_changes_nothing(
    post: Post, database: Any, action: str, members: dict[str, Any]
) -> None:
    await database.kept.insert_one({"_id": 1})

    answer = await post(action, **members)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] in {"InvalidJSON", "InvalidParameter", "MongoDBError"}
    assert await database.list_collection_names() == ["kept"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param('{"_id":1,"a":1,"a":2}', '{"_id":1,"a":2}', id="the last of equal keys"),
        pytest.param('{"_id":9,"b":{"x":1,"x":{"y":1}},"_id":1}', '{"_id":1,"b":{"x":{"y":1}}}', id="an _id twice"),
        pytest.param('{"_id":1,"n":12345678901234567890}', '{"_id":1,"n":12345678901234567000}', id="beyond int64"),
        pytest.param('{"_id":1,"n":-0}', '{"_id":1,"n":0}', id="an integer -0"),
        pytest.param('{"_id":1,"n":1e-400}', '{"_id":1,"n":0}', id="a number too small"),
        pytest.param('{"_id":1,"s":"a\\u0000b"}', '{"_id":1,"s":"a\\u0000b"}', id="NUL in a string"),
        pytest.param(' {\n\t"_id" : 1 , "s" : "\\ud834\\udd1e" } ', '{"_id":1,"s":"𝄞"}', id="blanks and a pair"),
        pytest.param('{"_id":1,"":{"":[]}}', '{"_id":1,"":{"":[]}}', id="empty keys"),
        pytest.param('{"_id":1,"a.b":1,"c":{"$d":1}}', '{"_id":1,"a.b":1,"c":{"$d":1}}', id="dots and dollars"),
    ],
)
async def test_odd_json_is_taken_as_browsers_take_it(post: Post, given: str, shown: str) -> None:
    inserted = await post("insertOne", body(document=given))
    found = await post("findOne")

    assert inserted.status == 201
    assert found.body.decode() == f'{{"document":{shown}}}'


async def test_a_member_twice_counts_once_and_last(post: Post, database: Any) -> None:
    answer = await post("insertOne", b'{%b,"document":{"_id":1},"collection":"other","document":{"_id":2}}' % NS)

    assert answer.body == b'{"insertedId":2}'
    assert await database.list_collection_names() == ["other"]


@pytest.fixture(scope="module")
async def small_server(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """server.py with a small limit for bodies."""
    log = tmp_path_factory.mktemp("small") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, MAX_BODY_BYTES="1000") as running:
        yield running


@pytest.fixture
def small_worker(worker: Worker, configured: pytest.MonkeyPatch) -> Worker:
    """The worker with a small limit for bodies."""
    configured.setenv("MAX_BODY_BYTES", "1000")
    return worker


@pytest.fixture(params=HOSTS)
def small(request: pytest.FixtureRequest, key: str, database: Any) -> Post:
    """Post to each host in turn, with a limit of 1,000 bytes."""
    return Post(request.getfixturevalue(f"small_{request.param}"), key)


def padded(size: int) -> bytes:
    """Return an insert of exactly so many bytes."""
    empty = len(body(document='{"s":""}'))
    return body(document=f'{{"s":"{"x" * (size - empty)}"}}')


@pytest.mark.both_hosts  # server.py counts while it reads, the functions when all has come
@pytest.mark.parametrize(("size", "status"), [(999, 201), (1_000, 201), (1_001, 413), (100_000, 413), (3_000_000, 413)])
async def test_a_body_beyond_the_limit_is_a_413(small: Post, database: Any, size: int, status: int) -> None:
    answer = await small("insertOne", padded(size))

    assert answer.status == status
    assert await database.items.count_documents({}) == (status == 201)


async def test_a_413_says_the_limit(small: Post) -> None:
    answer = await small("insertOne", padded(2_000))

    assert errors_only(answer) == {
        "error": "request body too large: the limit is 1000 bytes",
        "error_code": "BadRequest",
    }


INSERT = {
    "action": "insertOne", "dataSource": "mongodb-atlas", "database": "shop", "collection": "items", "document": {},
}  # fmt: skip
VALUES = 11  # and names, in the body of an insertOne beside the elements of its array; the body is one of them


def deep(kind: str, levels: int) -> Any:
    return json.loads(nested(kind, levels))


def fields(number: int) -> dict[str, int]:
    return {f"f{n}": 1 for n in range(number)}


LIMITS = [
    pytest.param("NESTING", "insertOne", lambda n: {"document": deep("objects", n + 1)}, id="objects"),
    pytest.param("NESTING", "insertOne", lambda n: {"document": {"a": deep("arrays", n)}}, id="arrays"),
    pytest.param("NESTING", "find", lambda n: {"filter": deep("objects", n + 1)}, id="a filter"),
    pytest.param("MEMBERS", "insertOne", lambda n: {"document": fields(n)}, id="members"),
    pytest.param("BODY_VALUES", "insertOne", lambda n: {"document": {"a": [1] * (n - VALUES)}}, id="values"),
    pytest.param("CONDITIONS", "find", lambda n: {"filter": fields(n - 1), "sort": {"f": 1}}, id="conditions"),
    pytest.param("PATH_PARTS", "find", lambda n: {"filter": {".".join("a" * n): 1}}, id="parts"),
    pytest.param("STAGES", "aggregate", lambda n: {"pipeline": [{"$skip": 1}] * n}, id="stages"),
    pytest.param("OPERANDS", "find", lambda n: {"filter": {"a": {"$in": [1] * n}}}, id="operands"),
    pytest.param("PATTERN_LENGTH", "find", lambda n: {"filter": {"a": {"$regex": "x" * n}}}, id="a pattern"),
    pytest.param("TRANSACTION_OPERATIONS", "transaction", lambda n: {"operations": [INSERT] * n}, id="operations"),
]


@pytest.fixture
def limited(worker: Worker, key: str, configured: pytest.MonkeyPatch, setting: str, database: Any) -> Post:
    """Post to the worker, with a limit of 50."""
    configured.setenv(f"MAX_{setting}", "50")
    return Post(worker, key)


@pytest.mark.parametrize(("setting", "action", "members"), LIMITS)
async def test_a_limit_is_what_is_still_allowed(limited: Post, setting: str, action: str, members: Any) -> None:
    most, more = await limited(action, **members(50)), await limited(action, **members(51))

    assert most.status in {200, 201}
    assert (more.status in {400, 413}, f"MAX_{setting}" in errors_only(more)["error"]) == (True, True)
