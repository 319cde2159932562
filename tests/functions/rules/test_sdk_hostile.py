"""What is no call of an SDK, though it looks like one: refused with 4xx, with nothing changed, through both hosts."""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import errors_only
from tests.depth import examples
from tests.functions.rules.conftest import CLIENT, Known, Person, send
from tests.hosts import Answer, Server

CALL = f"{CLIENT}/functions/call"
PLACE = {"database": "shop", "collection": "public"}
NAMES = [
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "__class__",
    "__init__",
    "METHODS",
    "",
    "find ",
    "FIND",
]
NOT_ONE_OBJECT: list[Any] = [None, {}, PLACE, "x", 1, True, [], [None], [1], ["find"], [[]], [[PLACE]], [PLACE, PLACE]]


async def called(person: Person, body: Any) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await person.host.request("POST", CALL, {"Authorization": f"Bearer {person.access_token}"}, content)


def call(name: Any = "deleteMany", arguments: Any = ({**PLACE, "query": {}},), service: Any = "mongodb-atlas") -> Any:
    return {"name": name, "arguments": arguments, "service": service}


def asking(**members: Any) -> Any:
    """Return a call of deleteMany with other arguments."""
    return call(arguments=[PLACE | {"query": {}} | members])


NO_NAMES: list[Any] = [*NAMES, None, 1, [], {}, "x" * 100_000, "find\0"]
NO_TEXTS: list[Any] = [1, True, [], {}, ["mongodb-atlas"], {"$code": "mongodb-atlas"}]
NO_SERVICES = ["nowhere", "", "__proto__", "x" * 100_000]
NO_FUNCTIONS = [*NAMES, "x" * 100_000]
NO_FILTERS: list[Any] = [[], "", 1, False]
INCOMPLETE: list[Any] = [
    asking(database=None), asking(collection=None), asking(query=None), call(arguments=[PLACE]),
    call(arguments=[{"query": {}}]), call("updateMany", [PLACE | {"update": {"$set": {"n": 9}}}]),
    call("insertOne", [PLACE | {"document": None}]),
]  # fmt: skip
MISTYPED: list[Any] = [
    asking(database=1), call("insertMany", [PLACE | {"documents": [{}, None]}]),
    call("insertMany", [PLACE | {"documents": {}}]), *(asking(query=each) for each in NO_FILTERS),
]  # fmt: skip
NO_BODIES: list[Any] = [
    [call()], call(arguments=[{"$oid": "x"}]), b"", b"null", b'"find"', b"\xff\xfe", b'{"name":NaN}',
    b'{"name":"deleteMany","arguments":' + b"[" * 50_000 + b"]" * 50_000 + b"}", json.dumps(call()).encode()[:-1],
]  # fmt: skip


def cases() -> Iterator[tuple[Any, int, str]]:
    """Give what is sent, and what is answered."""
    yield from ((call(name=each), 400, "InvalidParameter") for each in NO_NAMES)
    yield from ((call(name=each, service=None), 404, "FunctionNotFound") for each in NO_FUNCTIONS)
    yield from ((call(arguments=each), 400, "InvalidParameter") for each in NOT_ONE_OBJECT)
    yield {"name": "deleteMany", "service": "mongodb-atlas"}, 400, "InvalidParameter"
    yield from ((call(service=each), 400, "InvalidParameter") for each in NO_TEXTS)
    yield from ((call(service=each), 404, "ServiceNotFound") for each in NO_SERVICES)
    yield from ((each, 400, "MissingParameter") for each in INCOMPLETE)
    yield from ((each, 400, "InvalidJSONFieldType") for each in MISTYPED)
    yield asking(database="a/b"), 400, "InvalidParameter"
    yield asking(database="admin"), 403, "NoMatchingRuleFound"
    yield from ((each, 400, "InvalidJSON") for each in NO_BODIES)


CASES = list(cases())


@pytest.mark.parametrize(("sent", "status", "code"), CASES, ids=[str(each[0])[:80] for each in CASES])
async def test_what_is_no_call_changes_nothing(ann: Person, database: Any, sent: Any, status: int, code: str) -> None:
    await database.public.insert_one({"_id": 1})

    answer = await called(ann, sent)

    assert (answer.status, errors_only(answer)["error_code"]) == (status, code)
    assert len(answer.body) < 1_000
    assert await database.public.find().to_list() == [{"_id": 1}]


async def test_a_body_that_is_too_large_is_refused(ann: Person, database: Any) -> None:
    answer = await called(ann, b'{"name":"' + b"x" * 33 * 1024 * 1024 + b'"}')

    assert (answer.status, errors_only(answer)["error_code"]) == (413, "BadRequest")


async def test_what_is_sent_twice_at_once_is_done_once(ann: Person, database: Any) -> None:
    inserted = call("insertOne", [PLACE | {"document": {"_id": 1}}])
    deleted = call("findOneAndReplace", [PLACE | {"filter": {"_id": 1}}])

    made = await asyncio.gather(*(called(ann, inserted) for _ in range(4)))
    gone = await asyncio.gather(*(called(ann, deleted) for _ in range(4)))

    assert sorted(each.status for each in made) == [200, 400, 400, 400]
    assert sorted(each.body for each in gone) == [b"null", b"null", b"null", b'{"_id":{"$numberInt":"1"}}']


async def test_a_call_that_arrives_in_part_does_nothing(app_server: Server, known: Known, database: Any) -> None:
    ann = await known(app_server, "ann@shop.example")
    await database.public.insert_one({"_id": 1})
    body = json.dumps(call()).encode()
    head = f"POST {CALL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.access_token}\r\nContent-Length: {len(body)}"

    _, writer = await asyncio.open_connection("127.0.0.1", app_server.port)
    writer.write(head.encode() + b"\r\n\r\n" + body[:-1])
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await send(app_server, "GET", f"{CLIENT}/location")).status == 200
    assert await database.public.find().to_list() == [{"_id": 1}]


GOOD = [
    call("find", [PLACE | {"query": {"n": 1}, "project": {"n": 1}, "sort": {"n": 1}, "limit": 2}]),
    call("aggregate", [PLACE | {"pipeline": [{"$match": {"n": 1}}]}]),
    call("count", [PLACE | {"query": {}, "limit": 1}]),
    call("insertMany", [PLACE | {"documents": [{"n": 1}]}]),
    call("updateMany", [PLACE | {"query": {"n": 1}, "update": {"n": 2}, "upsert": True, "arrayFilters": []}]),
    call("findOneAndReplace", [PLACE | {"filter": {}, "update": {"n": 1}, "sort": {"n": 1}, "projection": {"n": 1}}]),
    call("bulkWrite", [PLACE | {"operations": [{"insertOne": {"document": {"n": 1}}}]}]),
    call("distinct", [PLACE | {"key": "n", "query": {}}]),
]  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from([*NAMES, "$set", "$where", "a.b", "$n", "dozen", "public"]),
    lambda some: st.lists(some, max_size=3)
    | st.dictionaries(st.sampled_from([*NAMES, "$set", "$oid", "$numberInt", "$expr", "query", "n", "_id"]), some,
                      max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(data=st.data())
@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_stands_in_a_call_is_answered(data: Any, ann: Person, database: Any) -> None:
    body = copy.deepcopy(data.draw(st.sampled_from(GOOD)))
    [argument] = body["arguments"] = list(body["arguments"])
    place = data.draw(st.sampled_from([body, argument]))
    place[data.draw(st.sampled_from([*place, "cursor", "filter", "returnNewDocument"]))] = data.draw(ANYTHING)

    answer = await called(ann, body)

    assert answer.status in {200, 400, 403, 404}, answer.body
    assert answer.status == 200 or answer.json.keys() >= {"error", "error_code"}
