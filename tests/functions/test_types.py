"""Every BSON type through both hosts: request -> the bytes in MongoDB -> both replies."""

import asyncio
from struct import pack
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from shared.documents import transcoder
from shared.service import process
from tests.bson_types import OID, ROWS, STORED_ROWS, Row, cases, document, element
from tests.conftest import Post, errors_only, request_body
from tests.hosts import Worker
from tests.mcp import Client

EJSON = "application/ejson"
REVISION = {"MCP-Protocol-Version": "2025-11-25"}
RAW = CodecOptions[RawBSONDocument](document_class=RawBSONDocument)
ID = element(0x10, pack("<i", 1), "_id")
SCALARS = [row for row in ROWS if row.kind not in {0x03, 0x04, 0x0F}]  # MongoDB refuses `$` in the names of an _id
FORMS = max(len(row.requests) for row in ROWS)


def names(rows: list[Row]) -> list[str]:
    """Return a field name for each row; they sort in the order of the rows."""
    return [f"v{number:03d}" for number in range(len(rows))]


def every(values: list[str]) -> str:
    """Return the members of an object that has each value under its name."""
    return ",".join(f'"v{number:03d}":{value}' for number, value in enumerate(values))


def stored(rows: list[Row], first: bytes = ID) -> bytes:
    """Return the document that has each row's value under its name."""
    values = zip(names(rows), rows, strict=True)
    return document(first, *(element(row.kind, row.payload, name) for name, row in values))


def body(**members: str) -> bytes:
    """Return a request with members that are Extended JSON already."""
    given = ",".join(f'"{name}":{value}' for name, value in members.items())
    return request_body()[:-1] + f",{given}}}".encode()


async def raw(database: Any) -> bytes:
    """Return the bytes of the one document in MongoDB."""
    found: RawBSONDocument = await database.items.with_options(RAW).find_one()
    return bytes(found.raw)


@pytest.mark.parametrize("form", range(FORMS))
async def test_a_document_of_every_type_is_stored_exactly(post: Post, database: Any, form: int) -> None:
    values = [row.requests[form % len(row.requests)] for row in ROWS]

    answer = await post("insertOne", body(document=f'{{"_id":1,{every(values)}}}'))

    assert (answer.status, answer.body) == (201, b'{"insertedId":1}')
    assert await raw(database) == stored(ROWS)


@pytest.mark.parametrize("form", range(FORMS))
async def test_a_document_of_every_type_goes_through_an_agent_exactly(
    configured: pytest.MonkeyPatch, worker: Worker, key: str, database: Any, form: int
) -> None:
    configured.setenv("MCP", "write")
    agent = Client(worker, {"apiKey": key})
    values = [row.requests[form % len(row.requests)] for row in ROWS]
    await agent.send(inserting(f'{{"_id":1,{every(values)}}}'), REVISION)
    first = await raw(database)
    found = (await agent.tool("find", database="shop", collection="items"))["content"][0]["text"]
    await database.items.delete_many({})
    await agent.send(inserting(found.removeprefix('{"documents":[').removesuffix("]}")), REVISION)

    assert first == stored(ROWS)
    assert await raw(database) == stored(ROWS)


def inserting(document: str) -> bytes:
    """Return the message of an agent that inserts a document."""
    arguments = f'{{"database":"shop","collection":"items","dryRun":false,"documents":[{document}]}}'
    params = f'{{"name":"insert","arguments":{arguments}}}'
    return f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'.encode()


@pytest.mark.parametrize(
    "rows", [pytest.param(ROWS, id="all types"), pytest.param(STORED_ROWS, id="what others stored")]
)
async def test_a_document_of_every_type_is_shown_in_both_formats(post: Post, database: Any, rows: list[Row]) -> None:
    await database.items.insert_one(RawBSONDocument(stored(rows)))

    await assert_shown(post, rows)


@pytest.mark.parametrize("choice", ["auto", "off"])
@pytest.mark.parametrize(
    "rows", [pytest.param(ROWS, id="all types"), pytest.param(STORED_ROWS, id="what others stored")]
)
async def test_a_document_of_every_type_is_shown_with_native_code_and_without(
    worker: Worker, key: str, database: Any, configured: pytest.MonkeyPatch, rows: list[Row], choice: str
) -> None:
    configured.setenv("NATIVE", choice)
    await database.items.insert_one(RawBSONDocument(stored(rows)))

    await assert_shown(Post(worker, key), rows)
    assert process.service().transcoder == transcoder.load(choice)


async def assert_shown(post: Post, rows: list[Row]) -> None:
    """Assert that the one document is shown with each row's value under its name, by each action, in both forms."""
    one_json = await post("findOne", accept="application/json")
    one_ejson = await post("findOne", accept=EJSON)
    all_json = await post("find", accept="application/json")
    all_ejson = await post("aggregate", accept=EJSON, pipeline=[])

    as_json = f'{{"_id":1,{every([row.as_json for row in rows])}}}'
    as_ejson = f'{{"_id":{{"$numberInt":"1"}},{every([row.as_ejson for row in rows])}}}'
    assert one_json.body.decode() == f'{{"document":{as_json}}}'
    assert one_ejson.body.decode() == f'{{"document":{as_ejson}}}'
    assert all_json.body.decode() == f'{{"documents":[{as_json}]}}'
    assert all_ejson.body.decode() == f'{{"documents":[{as_ejson}]}}'


async def test_an_ejson_reply_goes_back_in_as_the_same_bytes(post: Post, database: Any) -> None:
    await database.items.insert_one(RawBSONDocument(stored(ROWS)))
    found = await post("findOne", accept=EJSON)
    shown = found.body.decode().removeprefix('{"document":').removesuffix("}")
    await database.items.replace_one({}, {"emptied": True})

    answer = await post("replaceOne", body(filter='{"_id":1}', replacement=shown))

    assert answer.body == b'{"matchedCount":1,"modifiedCount":1}'
    assert await raw(database) == stored(ROWS)


async def test_an_update_stores_every_type_exactly(post: Post, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    changes = every([row.as_ejson for row in ROWS])

    answer = await post("updateOne", body(filter="{}", update=f'{{"$set":{{{changes}}}}}'))

    assert answer.body == b'{"matchedCount":1,"modifiedCount":1}'
    assert await raw(database) == stored(ROWS)


async def test_an_upsert_stores_and_answers_an_id_of_every_type(post: Post, database: Any) -> None:
    document_of_all = f"{{{every([row.as_ejson for row in SCALARS])}}}"

    answer = await post(
        "updateOne",
        body(filter=f'{{"_id":{{"$eq":{document_of_all}}}}}', update='{"$set":{"n":1}}', upsert="true"),
        accept=EJSON,
    )

    counts = '"matchedCount":{"$numberInt":"0"},"modifiedCount":{"$numberInt":"0"}'
    assert answer.body.decode() == f'{{{counts},"upsertedId":{document_of_all}}}'


BEYOND_PYTHON = [
    pytest.param('{"$date":{"$numberLong":"-62135596800001"}}', id="the year 0"),
    pytest.param('{"$date":{"$numberLong":"253402300800000"}}', id="the year 10000"),
    pytest.param('{"$date":{"$numberLong":"9223372036854775807"}}', id="the last moment"),
]


@pytest.mark.parametrize("value", BEYOND_PYTHON)
async def test_an_upserted_id_may_be_a_date_that_python_has_not(post: Post, database: Any, value: str) -> None:
    answer = await post(
        "updateOne", body(filter=f'{{"_id":{value}}}', update='{"$set":{"n":1}}', upsert="true"), accept=EJSON
    )

    assert await database.items.count_documents({}) == 1
    assert answer.status == 200
    assert answer.body.decode().endswith(f'"upsertedId":{value}}}')


@pytest.mark.parametrize("value", BEYOND_PYTHON)
async def test_a_duplicate_date_that_python_has_not_is_a_duplicate(post: Post, database: Any, value: str) -> None:
    await post("insertOne", body(document=f'{{"_id":{value}}}'))

    one = await post("insertOne", body(document=f'{{"_id":{value}}}'))
    many = await post("insertMany", body(documents=f'[{{"_id":{value}}}]'))

    assert [one.json["error_code"], many.json["error_code"]] == ["MongoDBError", "MongoDBError"]
    assert one.json["error"].startswith("(DuplicateKey) E11000 ")


async def test_a_filter_finds_each_value_by_its_type(post: Post, database: Any) -> None:
    await post(
        "insertMany", body(documents=f"[{','.join(f'{{"_id":"{row.name}","v":{row.as_ejson}}}' for row in ROWS)}]")
    )

    answers = await asyncio.gather(
        *(post("find", body(filter=f'{{"_id":"{row.name}","v":{{"$eq":{row.as_ejson}}}}}')) for row in ROWS)
    )

    assert [answer.json["documents"][0]["_id"] for answer in answers] == [row.name for row in ROWS]


@pytest.mark.parametrize(
    "row", cases([row for row in ROWS if row.kind in {0x01, 0x09, 0x13, 0x10, 0x12, 0x05, 0x07}][::4])
)
async def test_a_pipeline_takes_each_value_as_its_type(post: Post, database: Any, row: Row) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await post(
        "aggregate",
        body(pipeline=f'[{{"$match":{{"_id":1}}}},{{"$set":{{"v":{{"$literal":{row.as_ejson}}}}}}}]'),
        accept=EJSON,
    )

    assert answer.body.decode() == f'{{"documents":[{{"_id":{{"$numberInt":"1"}},"v":{row.as_ejson}}}]}}'


@pytest.mark.parametrize(
    ("action", "members", "expected"),
    [
        pytest.param("find", {}, '{"documents":[{"_id":2,"name":"abd"}]}', id="find"),
        pytest.param("findOne", {"sort": '{"name":1}'}, '{"document":{"_id":2,"name":"abd"}}', id="findOne"),
        pytest.param("deleteMany", {}, '{"deletedCount":1}', id="deleteMany"),
        pytest.param("updateMany", {"update": '{"$set":{"seen":true}}'}, '{"matchedCount":1,"modifiedCount":1}',
        id="updateMany"),
        pytest.param("replaceOne", {"replacement": "{}"}, '{"matchedCount":1,"modifiedCount":1}', id="replaceOne"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "condition",
    [
        pytest.param('{"$regex":"^a","$nin":["abc"]}', id="$nin last"),
        pytest.param('{"$nin":["abc"],"$regex":"^a"}', id="$nin first"),
        pytest.param('{"$regex":"^A","$options":"i","$nin":["abc"]}', id="with $options"),
        pytest.param(
            '{"$regex":{"$regularExpression":{"pattern":"^a","options":""}},"$ne":"abc"}', id="a wrapped regex"
        ),
    ],
)
async def test_a_condition_beside_a_regex_is_never_lost(
    post: Post, database: Any, action: str, members: dict[str, str], condition: str, expected: str
) -> None:
    secret, other = {"_id": 1, "name": "abc"}, {"_id": 2, "name": "abd"}
    await database.items.insert_many([secret, other])

    answer = await post(action, body(filter=f'{{"name":{condition}}}', **members))

    assert answer.body.decode() == expected
    assert await database.items.find_one({"_id": 1}) == secret


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        pytest.param('{"v":{"$regex":"^a","$options":"i"}}', 2, id="$regex with $options"),
        pytest.param('{"v":{"$regularExpression":{"pattern":"^a","options":""}}}', 1, id="a regular expression"),
        pytest.param('{"v":{"$in":[{"$regularExpression":{"pattern":"^A","options":""}}]}}', 1, id="one in a list"),
        pytest.param('{"v":{"$type":"string"}}', 2, id="$type"),
        pytest.param('{"v":{"$type":["date","int"]}}', 2, id="$type of several"),
        pytest.param('{"v":{"$lte":{"$date":"2022-01-12T00:00:00Z"}}}', 1, id="a date"),
        pytest.param('{"$expr":{"$lte":["$v",{"$date":"2022-01-12T00:00:00Z"}]}}', 4, id="a date in $expr"),
        pytest.param('{"v":10}', 1, id="a number of another type"),
        pytest.param('{"v":{"$numberDecimal":"10.0"}}', 1, id="a decimal that equals an int32"),
    ],
)
async def test_operators_reach_mongodb_as_they_are(post: Post, database: Any, condition: str, found: int) -> None:
    values = '[{"v":"abc"},{"v":"Abd"},{"v":{"$date":"2022-01-11T00:00:00Z"}},{"v":10}]'
    await post("insertMany", body(documents=values))

    answer = await post("find", body(filter=condition))

    assert len(answer.json["documents"]) == found


async def test_unknown_options_of_a_regex_are_the_servers_to_refuse(post: Post) -> None:
    answer = await post("find", filter={"v": {"$regex": "a", "$options": "q"}})

    assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")


async def test_requests_say_deprecated_types_but_modern_ones_are_stored(post: Post, database: Any) -> None:
    pointer = f'{{"$dbPointer":{{"$ref":"c","$id":{{"$oid":"{OID}"}}}}}}'

    await post("insertOne", body(document=f'{{"_id":1,"s":{{"$symbol":"x"}},"u":{{"$undefined":true}},"p":{pointer}}}'))
    answer = await post("findOne", accept=EJSON)

    assert answer.body.decode() == (
        f'{{"document":{{"_id":{{"$numberInt":"1"}},"s":"x","u":null,"p":{{"$ref":"c","$id":{{"$oid":"{OID}"}}}}}}}}'
    )


async def test_mongodb_puts_its_time_into_an_empty_timestamp(post: Post, database: Any) -> None:
    empty = '{"$timestamp":{"t":0,"i":0}}'

    await post("insertOne", body(document=f'{{"_id":1,"at":{empty},"list":[{empty}]}}'))

    found = await database.items.find_one()
    assert found["at"].time > 1_700_000_000
    assert found["list"][0].time == 0


@pytest.mark.parametrize("code", ['{"$code":"shop"}', '{"$code":"shop","$scope":{}}', '{"$code":""}'])
@pytest.mark.parametrize("member", ["dataSource", "database", "collection", "upsert"])
async def test_code_is_no_text_where_the_api_wants_text(post: Post, database: Any, member: str, code: str) -> None:
    given = body(filter="{}", update='{"$set":{"n":1}}', **{member: code})  # of equal members the last counts

    answer = await post("updateOne", given)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidJSONFieldType")
    assert await database.list_collection_names() == []


@pytest.mark.parametrize("accept", ["application/json", EJSON])
async def test_a_reply_is_the_same_whatever_content_type_the_request_had(post: Post, accept: str) -> None:
    await post("insertOne", body(document='{"_id":1,"n":{"$numberLong":"1"}}'))

    plain = await post.host.request(
        "POST", _url("findOne"), _headers(post, "application/json", accept), body(filter="{}")
    )
    extended = await post.host.request("POST", _url("findOne"), _headers(post, EJSON, accept), body(filter="{}"))

    assert plain.body == extended.body
    assert plain.headers["content-type"] == extended.headers["content-type"] == accept


def _url(action: str) -> str:
    return f"/app/shop-abcde/endpoint/data/v1/action/{action}"


def _headers(post: Post, content_type: str, accept: str) -> dict[str, str]:
    return {"apiKey": post.key, "Content-Type": content_type, "Accept": accept}
