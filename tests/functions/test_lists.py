"""Documents as lines or as rows, and whether there are more of them than a reply may hold."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId

from tests.conftest import ACTION, Post, errors_only, request_body
from tests.functions.rules.test_every_action import CALLS
from tests.hosts import Host
from tests.test_actions import ACTIONS

LINES, ROWS = "application/x-ndjson", "text/csv"
EJSON = "; format=ejson"
LISTS = [name for name, action in ACTIONS.items() if action.lists and name != "getMore"]  # that goes on with these
OTHERS = sorted(name for name, action in ACTIONS.items() if not action.lists)

DOCUMENTS = [
    {"_id": ObjectId("5f0000000000000000000001"), "a": 1, "b": {"c": "x,y"}, "at": datetime(2026, 1, 2, tzinfo=UTC)},
    {"_id": 2, "a": Int64(2**53 + 1), "b": {"c": 'say "é"'}, "list": [{"n": 1}, {"n": 2}]},
    {"_id": 3, "a": None, "b": "line\nbreak\r\n"},
]
ALL: dict[str, Any] = {"find": {"sort": {"a": 1, "_id": 1}}, "aggregate": {"pipeline": [{"$sort": {"a": 1, "_id": 1}}]}}

every_list = pytest.mark.parametrize("name", LISTS)


@pytest.fixture
async def things(database: Any) -> Any:
    await database.items.insert_many(DOCUMENTS)
    return database.items


def test_the_actions_that_return_documents_are_known() -> None:
    assert {"find", "aggregate"} <= set(LISTS)


@every_list
@pytest.mark.parametrize(
    ("accept", "media", "form"),
    [
        pytest.param(LINES, LINES, "application/json", id="the default"),
        pytest.param(LINES + "; format=json", LINES, "application/json", id="json"),
        pytest.param(LINES + '; Format="EJSON"', LINES + EJSON, "application/ejson", id="ejson"),
        pytest.param(f"application/json;q=0.5, {LINES};q=0.9", LINES, "application/json", id="preferred"),
    ],
)
async def test_a_line_holds_what_the_list_holds(
    post: Post, things: Any, name: str, accept: str, media: str, form: str
) -> None:
    listed = await post(name, accept=form, **ALL[name])

    answer = await post(name, accept=accept, **ALL[name])

    assert (answer.status, answer.headers["content-type"]) == (200, media)
    assert b'{"documents":[%b]}' % b",".join(answer.body.splitlines()) == listed.body
    assert (answer.body.count(b"\n"), answer.body[-1:]) == (3, b"\n")


@every_list
async def test_nothing_has_no_line_and_no_row_but_the_first(post: Post, database: Any, name: str) -> None:
    lines = await post(name, accept=LINES, **ALL[name])
    rows = await post(name, accept=ROWS, columns=["a", "b.c"], **ALL[name])

    assert (lines.status, lines.body, rows.status, rows.body) == (200, b"", 200, b"a,b.c\r\n")


@every_list
async def test_a_row_holds_the_columns(post: Post, things: Any, name: str) -> None:
    answer = await post(name, accept=ROWS, columns=["_id", "a", "b.c", "list.n", "at", "none"], **ALL[name])

    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert list(csv.reader(io.StringIO(answer.body.decode(), newline=""))) == [
        ["_id", "a", "b.c", "list.n", "at", "none"],
        ["3", "", "", "", "", ""],
        ["5f0000000000000000000001", "1", "x,y", "", "2026-01-02T00:00:00.000Z", ""],
        ["2", "9007199254740993", 'say "é"', "[1,2]", "", ""],
    ]
    assert answer.body.count(b"\r\n") == 4
    whole = await post(name, accept=ROWS, columns=["b"], **ALL[name])
    assert whole.body == b'b\r\n"line\nbreak\r\n"\r\n"{""c"":""x,y""}"\r\n"{""c"":""say \\""\xc3\xa9\\""""}"\r\n'


async def test_a_row_of_extended_json(post: Post, things: Any) -> None:
    answer = await post("find", accept=ROWS + EJSON, columns=["_id.$oid", "a"], filter={"a": 1})

    assert answer.headers["content-type"] == "text/csv; format=ejson; charset=utf-8"
    assert answer.body == b'_id.$oid,a\r\n5f0000000000000000000001,"{""$numberInt"":""1""}"\r\n'


@pytest.mark.parametrize(
    ("name", "members", "header"),
    [
        pytest.param("find", {"projection": {"a": 1}}, b"_id,a", id="a projection"),
        pytest.param("find", {"projection": {"b.c": 1, "_id": 0}}, b"b.c", id="a path, without _id"),
        pytest.param("find", {"projection": {"a": 1}, "columns": ["b", "a"]}, b"b,a", id="columns before it"),
        pytest.param("aggregate", {"pipeline": [{"$project": {"x": "$a"}}]}, b"_id,x", id="a last $project"),
    ],
)
async def test_a_projection_names_the_columns(
    post: Post, things: Any, name: str, members: dict[str, Any], header: bytes
) -> None:
    answer = await post(name, accept=ROWS, **members)

    assert (answer.status, answer.body.partition(b"\r\n")[0]) == (200, header)


@pytest.mark.parametrize(
    ("name", "members", "code"),
    [
        pytest.param("find", {}, "InvalidParameter", id="nothing"),
        pytest.param("find", {"projection": {"a": 0}}, "InvalidParameter", id="what is left out"),
        pytest.param("find", {"columns": []}, "InvalidParameter", id="no columns"),
        pytest.param("find", {"columns": [""]}, "InvalidParameter", id="an empty name"),
        pytest.param("find", {"columns": [f"x{n}" for n in range(201)]}, "InvalidParameter", id="too many"),
        pytest.param("find", {"columns": ["a", "b", "a"]}, "InvalidParameter", id="one twice"),
        pytest.param("find", {"columns": ["b.c", "b"]}, "InvalidParameter", id="one inside of another"),
        pytest.param("find", {"columns": "a"}, "InvalidJSONFieldType", id="a text"),
        pytest.param("find", {"columns": [1]}, "InvalidJSONFieldType", id="a number"),
        pytest.param("aggregate", {"pipeline": []}, "InvalidParameter", id="an empty pipeline"),
        pytest.param(
            "aggregate", {"pipeline": [{"$project": {"a": 1}}, {"$match": {}}]}, "InvalidParameter", id="not the last"
        ),
    ],
)
async def test_a_table_needs_columns(post: Post, things: Any, name: str, members: dict[str, Any], code: str) -> None:
    answer = await post(name, accept=ROWS, **members)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, code)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("accept", [LINES, ROWS, f"{LINES}, text/plain", f"application/json;q=0, {ROWS}"])
async def test_what_is_no_list_is_no_lines(post: Post, things: Any, name: str, accept: str) -> None:
    before = await things.find().to_list()

    answer = await post(name, accept=accept, **CALLS[name])

    assert (answer.status, errors_only(answer)["error_code"]) == (406, "NotAcceptable")
    assert await things.find().to_list() == before


@pytest.mark.parametrize("accept", [LINES + "; format=xml", ROWS + "; format="])
async def test_another_format_of_lines_is_refused(post: Post, things: Any, accept: str) -> None:
    answer = await post("find", accept=accept, columns=["a"])

    assert (answer.status, errors_only(answer)["error_code"]) == (406, "NotAcceptable")
    assert "format=json or format=ejson" in answer.json["error"]


@pytest.mark.parametrize(
    "accept", [f"{LINES}, */*;q=0.1", f"{ROWS}, application/json;q=0.1", f"{LINES}, application/*", f"{ROWS};q=0"]
)
async def test_who_takes_json_too_gets_it(post: Post, things: Any, accept: str) -> None:
    answer = await post("findOne", accept=accept, filter={"_id": 3})

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


async def test_many_documents_are_many_lines(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number, "text": "é" * 300} for number in range(1_500)])

    lines = await post("find", accept=LINES, limit=1_500, sort={"_id": 1})
    rows = await post("find", accept=ROWS, limit=1_500, sort={"_id": 1}, columns=["_id"])

    assert [orjson.loads(each)["_id"] for each in lines.body.splitlines()] == list(range(1_500))
    assert rows.body.split() == [b"_id", *(b"%d" % number for number in range(1_500))]


MANY = 1_001
FEW_OF_MANY = [
    pytest.param("find", {}, 1_000, id="find"),
    pytest.param("find", {"sort": {"_id": -1}}, 1_000, id="find with a sort"),
    pytest.param("find", {"batchSize": 300}, 1_000, id="find in batches"),
    pytest.param("find", {"limit": 0}, 50_000, id="find up to the cap"),
    pytest.param("find", {"limit": 60_000}, 50_000, id="find of more than the cap"),
    pytest.param("aggregate", {"pipeline": []}, 50_000, id="aggregate"),
]


@pytest.mark.parametrize("accept", [None, "application/ejson", LINES, ROWS])
@pytest.mark.parametrize(("name", "members", "limit"), FEW_OF_MANY)
async def test_a_reply_that_was_cut_says_so(
    post: Post, crowded: str, name: str, members: dict[str, Any], limit: int, accept: str | None
) -> None:
    members = {"database": crowded, "columns": ["_id"], **members}
    exactly = {"pipeline": [{"$skip": 1}]} if name == "aggregate" else {"skip": 50_001 - limit}

    cut = await post(name, accept=accept, **members)
    whole = await post(name, accept=accept, **members | exactly)

    assert cut.headers["dozen-truncated"] == f"limit={limit}"
    assert "dozen-truncated" not in whole.headers
    assert cut.body.count(b"_id") + cut.body.count(b"\r\n") == whole.body.count(b"_id") + whole.body.count(b"\r\n")
    assert cut.status == whole.status == 200


async def test_the_body_is_what_it_would_be_with_the_limit(post: Post, crowded: str) -> None:
    cut = await post("find", database=crowded, sort={"_id": 1})
    asked = await post("find", database=crowded, sort={"_id": 1}, limit=1_000)

    assert cut.body == asked.body
    assert "dozen-truncated" not in asked.headers


@pytest.mark.parametrize("members", [{"limit": 1}, {"limit": 1_000}, {"limit": 50_000}], ids=str)
async def test_a_limit_of_the_caller_s_own_is_no_news(post: Post, crowded: str, members: dict[str, Any]) -> None:
    answer = await post("find", database=crowded, **members)

    assert (answer.status, "dozen-truncated" in answer.headers) == (200, False)


async def test_documents_of_any_length_are_cut_between(post: Post, database: Any) -> None:
    await database.items.insert_many([{"_id": number, "t": "x" * (number % 7 * 900)} for number in range(MANY)])

    cut = await post("find")
    rows = await post("find", accept=ROWS, columns=["_id"])

    assert len(cut.json["documents"]) == rows.body.count(b"\r\n") - 1 == 1_000
    assert cut.headers["dozen-truncated"] == rows.headers["dozen-truncated"] == "limit=1000"


async def test_of_a_transaction_the_operation_is_named_whose_reply_was_cut(post: Post, crowded: str) -> None:
    operations = [{"action": "findOne"}, {"action": "find"}, {"action": "find", "limit": 1}]

    cut = await post("transaction", database=crowded, operations=operations)
    whole = await post("transaction", database=crowded, operations=operations[::2])

    keyed = {"apiKey": post.key, "Idempotency-Key": "cut"}
    body = request_body(database=crowded, operations=operations)
    again = [await post.host.request("POST", ACTION + "transaction", keyed, body) for _ in range(2)]

    assert (cut.status, cut.headers["dozen-truncated"]) == (200, "limit=1000;operation=1")
    assert {each.headers["dozen-truncated"] for each in again} == {"limit=1000;operation=1"}
    assert (whole.status, "dozen-truncated" in whole.headers) == (200, False)


async def test_a_page_may_read_that_a_reply_was_cut(host: Host, key: str, crowded: str) -> None:
    headers = {"apiKey": key, "Origin": "https://shop.example"}

    answer = await host.request("POST", ACTION + "find", headers, request_body(database=crowded))

    assert {"Dozen-Truncated", "Dozen-Cursor"} <= set(answer.headers["access-control-expose-headers"].split(", "))
