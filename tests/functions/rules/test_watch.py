"""watch, as the SDKs of App Services call it: changes as server-sent events, from a server of its own."""

import asyncio
import hmac
import json
import signal
import socket
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from bson.objectid import ObjectId

from local.mongod import Mongod
from local.ports import LOOPBACK
from tests.conftest import FailPoint, errors_only
from tests.event_source import EventSource, StreamError, opened, query_of, request_of, request_text
from tests.functions.rules.conftest import CLIENT, SETTINGS, Known, Person, send
from tests.hosts import Server, Worker, eventually
from tests.leaks import PLANTED, secret

CALL = f"{CLIENT}/functions/call"

type Watch = Callable[..., AbstractAsyncContextManager[EventSource]]


@pytest.fixture
async def ann(app_server: Server, known: Known, database: Any) -> Person:
    """A user of the app, on an empty database."""
    return await known(app_server, "ann@shop.example")


@pytest.fixture
def watch(app_server: Server, ann: Person) -> Watch:
    """Watch a collection as ann."""

    def watch(collection: str = "public", **members: Any) -> AbstractAsyncContextManager[EventSource]:
        return opened(app_server.port, CALL + query_of(collection, **members), ann.access_token)

    return watch


async def test_an_insert_is_told_as_it_happens(watch: Watch, database: Any) -> None:
    async with watch() as source:
        await database.public.insert_one({"_id": 1, "n": 1.5})
        told = await source.event()

    assert (source.status, source.headers["content-type"]) == (200, "text/event-stream")
    assert source.headers["transfer-encoding"] == "chunked"
    assert source.headers["cache-control"] == "no-cache"
    assert source.headers["x-accel-buffering"] == "no"
    assert told["operationType"] == "insert"
    assert told["ns"] == {"db": "shop", "coll": "public"}
    assert told["documentKey"] == {"_id": {"$numberInt": "1"}}
    assert told["fullDocument"] == {"_id": {"$numberInt": "1"}, "n": {"$numberDouble": "1.5"}}
    assert source.raw.startswith(b'data: {"_id":{"_data":"')
    assert source.raw.endswith(b"}\n\n")


async def test_what_ends_a_line_and_percent_signs_come_as_they_were(watch: Watch, database: Any) -> None:
    odd = "100% %25 %0A a\nb\rc\r\nd \u2028 data: x\n\nevent: error"

    async with watch() as source:
        await database.public.insert_one({"_id": odd, odd: odd})
        told = await source.event()

    assert told["fullDocument"] == {"_id": odd, odd: odd}
    assert b"100%25 %2525 %250A a" in source.raw
    assert source.raw.count(b"\n") == 2  # those at the end
    assert b"\r" not in source.raw


async def test_changes_come_in_their_order(watch: Watch, database: Any) -> None:
    async with watch() as source:
        for n in range(11):
            await database.public.insert_one({"_id": n})
            await asyncio.sleep(0.01)
        told = await source.events(11)

    assert [int(each["documentKey"]["_id"]["$numberInt"]) for each in told] == list(range(11))


async def test_a_stream_is_open_when_its_status_comes_and_soon_after_the_call(
    app_server: Server, ann: Person, database: Any
) -> None:
    async def is_told_of_both() -> bool:
        inserting = asyncio.get_running_loop().create_task(_insert_after(0.49, database))
        async with opened(app_server.port, CALL + query_of(), ann.access_token) as source:
            await database.public.insert_one({"at": "its status"})
            await inserting
            await database.public.insert_one({"at": "last"})
            told = [(await source.event())["fullDocument"]["at"]]
            while told[-1] != "last":
                told.append((await source.event())["fullDocument"]["at"])
        assert "its status" in told
        return "soon" in told

    await eventually(is_told_of_both, 60)  # a busy server may begin later than soon


async def _insert_after(seconds: float, database: Any) -> None:
    await asyncio.sleep(seconds)
    await database.public.insert_one({"at": "soon"})


async def test_every_kind_of_change_is_told(watch: Watch, database: Any) -> None:
    async with watch() as source:
        await database.public.insert_one({"_id": 1, "n": 1, "m": 1})
        await database.public.update_one({"_id": 1}, {"$set": {"n": 2}, "$unset": {"m": 1}})
        await database.public.replace_one({"_id": 1}, {"o": 3})
        await database.public.delete_one({"_id": 1})
        inserted, updated, replaced, deleted = await source.events(4)

    assert inserted["operationType"] == "insert"
    assert updated["operationType"] == "update"
    assert updated["updateDescription"]["updatedFields"] == {"n": {"$numberInt": "2"}}
    assert updated["updateDescription"]["removedFields"] == ["m"]
    assert "fullDocument" in updated
    assert (replaced["operationType"], replaced["fullDocument"]["o"]) == ("replace", {"$numberInt": "3"})
    assert (deleted["operationType"], deleted["documentKey"]) == ("delete", {"_id": {"$numberInt": "1"}})
    assert "fullDocumentBeforeChange" not in updated


async def test_compact_events_have_short_names_and_no_document_with_an_update(watch: Watch, database: Any) -> None:
    async with watch(useCompactEvents=True) as source:
        await database.public.insert_one({"_id": 1, "n": 1})
        await database.public.update_one({"_id": 1}, {"$set": {"n": 2}})
        await database.public.delete_one({"_id": 1})
        inserted, updated, deleted = await source.events(3)

    key = {"_id": {"$numberInt": "1"}}
    assert inserted == {"ot": "insert", "dk": key, "fd": {**key, "n": {"$numberInt": "1"}}}
    assert updated.keys() == {"ot", "dk", "ud"}
    assert updated["ud"]["updatedFields"] == {"n": {"$numberInt": "2"}}
    assert deleted == {"ot": "delete", "dk": key}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"ids": [{"$numberInt": "2"}, {"$oid": "5f0000000000000000000000"}]}, [2]),
        ({"filter": {"fullDocument.n": {"$gt": {"$numberInt": "1"}}}}, [2, 3]),
        ({"filter": {"operationType": "insert", "documentKey._id": {"$ne": {"$numberInt": "3"}}}}, [1, 2]),
        ({"filter": {}, "ids": None}, [1, 2, 3]),
        ({"ids": [3]}, [3]),
    ],
    ids=str,
)
async def test_ids_or_a_filter_say_what_is_told(
    watch: Watch, database: Any, members: dict[str, Any], told: list[int]
) -> None:
    async with watch(**members) as source:
        await database.public.insert_many([{"_id": n, "n": n} for n in (1, 2, 3)])
        events = await source.events(len(told))

    assert [int(each["documentKey"]["_id"]["$numberInt"]) for each in events] == told


async def test_rules_decide_what_each_listener_is_told(
    watch: Watch, app_server: Server, ann: Person, known: Known, database: Any
) -> None:
    bob = await known(app_server, "bob@shop.example")

    async with watch("orders") as hers, opened(app_server.port, CALL + query_of("orders"), bob.access_token) as his:
        await database.orders.insert_many([
            {"_id": 1, "owner": ann.id, "total": 1, "secret": "s", "address": {"city": "Rome", "door_code": 1}},
            {"_id": 2, "owner": bob.id, "total": 2, "secret": "s"},
        ])  # fmt: skip
        await database.orders.update_one({"_id": 1}, {"$set": {"secret": "t", "total": 3}})
        told, told_to_bob = await hers.events(2), await his.events(1)  # while the documents are there to be seen
        await database.orders.delete_many({"_id": {"$in": [1, 2]}})
        told, told_to_bob = [*told, await hers.event()], [*told_to_bob, await his.event()]

    assert [each["operationType"] for each in told] == ["insert", "update", "delete"]
    assert [each["operationType"] for each in told_to_bob] == ["insert", "delete"]
    assert told[0]["fullDocument"]["address"] == {"city": "Rome"}
    assert told_to_bob[0]["fullDocument"]["owner"] == bob.id
    assert b"secret" not in hers.raw + his.raw
    assert ann.id.encode() not in his.raw


async def test_a_listener_is_told_of_what_happens_and_not_of_what_has_happened(watch: Watch, database: Any) -> None:
    async with watch() as first:
        for n in range(20):
            await database.public.insert_one({"_id": n})
            async with watch() as another:
                await database.public.insert_one({"_id": f"after {n}"})
                assert (await another.event())["documentKey"] == {"_id": f"after {n}"}
        assert len(await first.events(40)) == 40


async def change_streams(driver: Any) -> int:
    """Count the change streams that MongoDB has open for the database of the tests."""
    pipeline = [
        {"$currentOp": {"idleCursors": True, "allUsers": True}},
        {
            "$match": {
                "ns": {"$regex": "^shop\\."},
                "cursor.originatingCommand.pipeline.$changeStream": {"$exists": True},
            }
        },
    ]
    async with await driver.admin.aggregate(pipeline) as found:
        return len({each["cursor"]["cursorId"] async for each in found})


async def test_all_listeners_of_a_collection_share_a_change_stream_which_ends_with_the_last(
    watch: Watch, database: Any, driver: Any
) -> None:
    async def is_none() -> bool:
        return await change_streams(driver) == 0

    await eventually(is_none)
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(watch(filter={}, ids=None)) for _ in range(50)]
        await database.public.insert_one({"_id": 1})
        told = [await source.event() for source in sources]
        open_streams = await change_streams(driver)
        await sources[0].leave()
        await database.public.insert_one({"_id": 2})
        assert len([await source.event() for source in sources[1:]]) == 49

    assert open_streams == 1
    assert all(each == told[0] for each in told)
    await eventually(is_none)


async def test_a_client_that_does_not_read_is_dropped_and_holds_nobody_else(
    watch: Watch, app_server: Server, ann: Person, database: Any
) -> None:
    async with opened(app_server.port, CALL + query_of(), ann.access_token, limit=1024) as idle, watch() as source:
        reading = asyncio.create_task(source.events(500))
        for start in range(0, 500, 50):
            await database.public.insert_many([{"_id": n, "text": "x" * 100_000} for n in range(start, start + 50)])
        told = await asyncio.wait_for(reading, 120)

        assert [int(each["documentKey"]["_id"]["$numberInt"]) for each in told] == list(range(500))
        await eventually(_logged(app_server, "slow listeners are dropped"))
        await eventually(
            _logged(app_server, "a stream of changes ended", reason="changes come faster than they are read")
        )
        assert await idle.is_closed()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel waits as long as it wants")
async def test_a_client_that_confirms_nothing_is_dropped(
    mongod: Mongod, tmp_path: Path, known: Known, database: Any
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **SETTINGS, KEEP_ALIVE_SECONDS="1") as server:
        person = await known(server, "ann@shop.example")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((LOOPBACK, server.port))
            client.sendall(request_of(CALL + query_of(), person.access_token))
            await eventually(_logged(server, "request", operation="watch"))
            await database.public.insert_many([{"_id": n, "text": "x" * 20_000} for n in range(10)])

            await eventually(_logged(server, "a stream of changes ended", reason="the caller has left"), 60)


async def test_no_more_listen_than_may(mongod: Mongod, tmp_path: Path, known: Known, database: Any) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **SETTINGS, MAX_CHANGE_STREAMS="2") as server:
        person = await known(server, "ann@shop.example")

        def watch(collection: str) -> AbstractAsyncContextManager[EventSource]:
            return opened(server.port, CALL + query_of(collection), person.access_token)

        async with watch("public"), watch("orders") as last, watch("notes") as refused:
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert json.loads(refused.raw)["error"] == "too many callers wait for changes"
            await last.leave()
            await eventually(_logged(server, "a stream of changes ended"))
            async with watch("notes") as another:
                assert another.status == 200


async def test_a_stream_takes_no_place_of_calls_and_its_wait_is_not_slow(
    mongod: Mongod, tmp_path: Path, known: Known, database: Any
) -> None:
    settings = SETTINGS | {"MAX_CALLS": "1", "SLOW_MS": "900"}
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **settings) as server:
        person = await known(server, "ann@shop.example")
        async with opened(server.port, CALL + query_of(), person.access_token) as source:
            await asyncio.sleep(2.5)
            answer = await person("insertOne", collection="public", document={"_id": 1})

            assert answer.status == 201
            assert (await source.event())["documentKey"] == {"_id": {"$numberInt": "1"}}
    slow = [line["command"] for line in server.log_lines if line["message"] == "slow command"]
    assert "getMore" not in slow


def _logged(server: Server, message: str, **fields: str) -> Callable[[], Awaitable[bool]]:
    async def is_logged() -> bool:
        return any(line.items() >= {"message": message, **fields}.items() for line in server.log_lines)

    return is_logged


async def test_the_end_of_a_collection_is_told_and_ends_the_stream(watch: Watch, database: Any) -> None:
    await database.public.insert_one({"_id": 1})
    async with watch() as source:
        await database.public.drop()
        dropped, invalidated, error, end = await source.events(4)

    assert (dropped["operationType"], invalidated["operationType"]) == ("drop", "invalidate")
    assert error == StreamError("MongoDBError", "the collection was dropped or renamed")
    assert end is None


async def test_who_watches_a_collection_that_has_just_gone_is_told_of_the_next_of_its_name(
    watch: Watch, database: Any
) -> None:
    await database.public.insert_one({"_id": 1})
    async with watch() as source:
        await database.public.drop()
        async with watch() as another:
            await database.public.insert_one({"_id": 2})
            first = await another.event()
        await source.events(3)

    assert (first["operationType"], first["documentKey"]) == ("insert", {"_id": {"$numberInt": "2"}})


async def test_a_stream_that_mongodb_cannot_go_on_with_ends_with_an_error_for_all(
    watch: Watch, database: Any, fail_point: FailPoint
) -> None:
    async with watch() as source, watch() as another:
        await database.public.insert_one({"_id": 1})
        assert len([await source.event(), await another.event()]) == 2
        await fail_point("getMore", errorCode=286, namespace="shop.public")

        errors = [await source.event(), await another.event()]

        assert [error.code for error in errors] == ["ChangeStreamHistoryLost"] * 2
        assert await source.event() is None
        assert await source.is_closed()


async def test_a_lost_connection_to_mongodb_is_taken_up_again(
    watch: Watch, database: Any, fail_point: FailPoint
) -> None:
    async with watch() as source:
        await database.public.insert_one({"_id": 1})
        await source.event()
        await fail_point("getMore", closeConnection=True, namespace="shop.public")
        await database.public.insert_one({"_id": 2})

        assert (await source.event())["documentKey"] == {"_id": {"$numberInt": "2"}}


async def test_a_session_that_is_ended_ends_its_streams(
    watch: Watch, app_server: Server, ann: Person, known: Known, database: Any
) -> None:
    bob = await known(app_server, "bob@shop.example")
    async with watch() as hers, opened(app_server.port, CALL + query_of(), bob.access_token) as his:
        ended = await send(app_server, "DELETE", "/api/client/v2.0/auth/session", token=ann.refresh_token)
        error = await hers.event()
        await database.public.insert_one({"_id": 1})

        assert ended.status == 200
        assert error == StreamError("InvalidSession", "invalid session")
        assert await hers.event() is None
        assert await hers.is_closed()
        assert (await his.event())["documentKey"] == {"_id": {"$numberInt": "1"}}


@pytest.mark.parametrize("change", [{"$set": {"disabled": True}}, None], ids=["disabled", "deleted"])
async def test_a_user_who_may_not_call_any_more_is_told_nothing_more(
    watch: Watch, ann: Person, driver: Any, change: Any
) -> None:
    users, who = driver.dozen.users, {"_id": ObjectId(ann.id)}
    async with watch() as source:
        await (users.delete_one(who) if change is None else users.update_one(who, change))

        assert await source.event() == StreamError("InvalidSession", "invalid session")


async def test_rules_see_the_data_of_a_user_as_they_are_now(watch: Watch, ann: Person, database: Any) -> None:
    async def is_told_of_b() -> bool:
        await database.notes.insert_many([{"team": "b", "text": 1}, {"team": "a", "text": 2}])
        return b'"team":"b"' in source.raw

    await database.people.insert_one({"user_id": ann.id, "team": "a"})
    async with watch("notes") as source:
        await database.notes.insert_many([{"team": "b", "text": 0}, {"team": "a", "text": 1}])
        assert (await source.event())["fullDocument"]["team"] == "a"
        await database.people.update_one({"user_id": ann.id}, {"$set": {"team": "b"}})
        reading = asyncio.create_task(_until(source, "b"))
        await eventually(is_told_of_b)
        await reading


async def test_the_end_of_what_was_shown_is_not_told_to_a_user_of_other_data(
    watch: Watch, ann: Person, database: Any
) -> None:
    async def is_told_of_b() -> bool:
        await database.notes.insert_one({"team": "b"})
        return b'"team":"b"' in source.raw

    await database.people.insert_one({"user_id": ann.id, "team": "a"})
    async with watch("notes") as source:
        await database.notes.insert_one({"_id": "of a", "team": "a"})
        assert (await source.event())["documentKey"] == {"_id": "of a"}
        await database.people.update_one({"user_id": ann.id}, {"$set": {"team": "b"}})
        reading = asyncio.create_task(_until(source, "b"))
        await eventually(is_told_of_b)
        await reading
        await database.notes.delete_one({"_id": "of a"})
        await database.notes.insert_one({"team": "b", "is_last": True})
        while "is_last" not in (told := await source.event())["fullDocument"]:
            assert told["operationType"] == "insert"


async def _until(source: EventSource, team: str) -> None:
    while (await source.event())["fullDocument"]["team"] != team:
        pass


async def test_a_stream_goes_on_when_its_access_token_expires(app_server: Server, ann: Person, database: Any) -> None:
    claims = jwt.decode(ann.access_token, options={"verify_signature": False})
    key = hmac.new(SETTINGS["SESSION_SECRET"].encode(), b"dozen session tokens", "sha256").digest()
    token = jwt.encode(claims | {"exp": int(time.time()) + 7}, key, "HS256")

    async def is_refused() -> bool:
        return bool((await send(app_server, "GET", "/api/client/v2.0/auth/profile", token=token)).status == 401)

    async with opened(app_server.port, CALL + query_of(), token) as source:
        await eventually(is_refused)
        await database.public.insert_one({"_id": 1})

        assert source.status == 200
        assert (await source.event())["operationType"] == "insert"


def spelled(query: str, characters: Any, token_in_query: bool = False) -> Any:
    return pytest.param((query, characters, token_in_query), id=query.partition("_")[0][1:] + str(characters))


@pytest.mark.parametrize(
    "spelling",
    [
        spelled("?stitch_request={}&stitch_at={}", {"+": "%2B", "/": "%2F", "=": "%3D"}, token_in_query=True),
        spelled("?baas_request={}&baas_at={}", {"+": "%2B", "/": "%2F", "=": "%3D"}, token_in_query=True),
        spelled("?baas_request={}", {}),  # plus signs are spaces
        spelled("?baas_request={}", {"=": ""}),
        spelled("?baas_request={}", {"+": "-", "/": "_", "=": ""}),
    ],
)
@pytest.mark.parametrize("text", ["", "x", "xy", "??>>~~\u00fc"])
async def test_every_spelling_of_the_request_is_read(
    app_server: Server, ann: Person, database: Any, spelling: Any, text: str
) -> None:
    query, characters, token_in_query = spelling
    request = request_text(filter={"fullDocument.text": text}).translate(str.maketrans(characters))
    path = CALL + query.format(request, ann.access_token)

    async with opened(app_server.port, path, None if token_in_query else ann.access_token) as source:
        await database.public.insert_many([{"_id": 1, "text": "other"}, {"_id": 2, "text": text}])

        assert (await source.event())["documentKey"] == {"_id": {"$numberInt": "2"}}


async def test_a_page_of_another_origin_may_read_a_stream(app_server: Server, ann: Person) -> None:
    async with opened(
        app_server.port, CALL + query_of(), ann.access_token, "Origin: https://page.example", "Accept-Encoding: gzip"
    ) as source:
        assert source.headers["access-control-allow-origin"] == "https://page.example"
        assert "content-encoding" not in source.headers


async def test_neither_the_request_nor_its_token_is_logged(app_server: Server, ann: Person, database: Any) -> None:
    text = request_text("public", filter={"fullDocument.text": PLANTED})
    secret(text, "a request")
    path = f"{CALL}?baas_request={quote(text, safe='')}&baas_at={ann.access_token}"

    async with opened(app_server.port, path, None):
        pass
    async with opened(app_server.port, f"{path}x", None) as refused:
        assert refused.status == 401

    async def is_logged() -> bool:
        return any(line["message"] == "a stream of changes ended" for line in app_server.log_lines)

    await eventually(is_logged)
    log = app_server.log.read_text()
    assert "baas" not in log
    assert [line["operation"] for line in app_server.log_lines if line["message"] == "request"][-1] == "watch"


def refused(query: str, status: int, code: str, text: str = "") -> Any:
    return pytest.param(query, (status, code), text, id=text or code)


def encoded(body: bytes) -> str:
    return "?baas_request=" + quote(b64encode(body).decode(), safe="")


@pytest.mark.both_hosts
@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        refused("", 400, "MissingParameter", "must provide a 'baas_request' in the query"),
        refused("?baas_request=%21", 400, "InvalidParameter", "'baas_request' must be JSON in base64"),
        refused("?baas_request=%C3%BC", 400, "InvalidParameter", "'baas_request' must be JSON in base64"),
        refused(encoded(b"[1]"), 400, "InvalidJSON"),
        refused(encoded(b'{"a":' * 200 + b"1" + b"}" * 200), 400, "InvalidJSON", "nest"),
        refused(encoded(b'{"name":"watch"}'), 404, "FunctionNotFound", "function not found: 'watch'"),
        refused(
            encoded(b'{"name":"watch","service":"x"}'), 400, "InvalidParameter", "'arguments' must hold one object"
        ),
        refused(query_of(service="mongodb"), 404, "ServiceNotFound", "service not found: 'mongodb'"),
        refused(query_of(name="find"), 400, "InvalidParameter", "'find' is not called by GET"),
        refused(query_of(ids=[1], filter={"a": 1}), 400, "InvalidParameter", "give 'filter' or 'ids', not both"),
        refused(query_of(ids=[1] * 1_001), 400, "InvalidParameter", "'ids' must be at most 1000"),
        refused(query_of(ids={"a": 1}), 400, "InvalidJSONFieldType", "'ids'"),
        refused(query_of(pipeline=[]), 400, "InvalidParameter", "'pipeline' is not a member"),
        refused(query_of(filter={"$where": "1"}), 400, "InvalidParameter", "$where"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said_before_a_stream_begins(
    app_host: Any, known: Known, query: str, status: tuple[int, str], text: str
) -> None:
    person = await known(app_host, "ann@shop.example")

    answer = await app_host.request("GET", CALL + query, {"Authorization": f"Bearer {person.access_token}"})

    assert (answer.status, errors_only(answer)["error_code"]) == status
    assert text in errors_only(answer)["error"]


async def test_a_collection_without_rules_has_no_stream(watch: Watch, ann: Person) -> None:
    async with watch(database="admin") as source:
        assert source.status == 403
        assert json.loads(source.raw)["error_code"] == "NoMatchingRuleFound"


@pytest.mark.both_hosts
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x.y.z"}], ids=["none", "nobody's"])
async def test_without_a_session_there_is_no_stream(
    app_host: Any, users: None, database: Any, headers: dict[str, str]
) -> None:
    answer = await app_host.request("GET", CALL + query_of(), headers)

    assert (answer.status, errors_only(answer)["error_code"]) == (401, "InvalidSession")


async def test_azures_worker_names_the_host_that_streams_and_what_it_has_itself(
    worker: Worker, configured: pytest.MonkeyPatch, known: Known, database: Any
) -> None:
    for name, value in SETTINGS.items():
        configured.setenv(name, value)
    person = await known(worker, "ann@shop.example")

    answer = await worker.request("GET", CALL + query_of(), {"Authorization": f"Bearer {person.access_token}"})

    assert (answer.status, errors_only(answer)["error_code"]) == (501, "FunctionExecutionError")
    assert "container" in errors_only(answer)["error"]
    assert "'changes'" in errors_only(answer)["error"]


async def test_a_client_of_http_1_0_gets_no_chunks(app_server: Server, ann: Person) -> None:
    head = f"GET {CALL}{query_of()} HTTP/1.0\r\nAuthorization: Bearer {ann.access_token}\r\n\r\n"

    received = await app_server.raw(head.encode())

    assert received.startswith(b"HTTP/1.1 501 ")
    assert b"FunctionExecutionError" in received


async def test_watch_is_no_post(app_server: Server, ann: Person) -> None:
    body = {"name": "watch", "service": "mongodb-atlas", "arguments": [{"database": "shop", "collection": "public"}]}

    answer = await send(app_server, "POST", CALL, body, ann.access_token)

    assert (answer.status, errors_only(answer)["error"]) == (400, "'watch' is called by GET")


async def test_sigterm_ends_streams_in_order_also_of_clients_that_do_not_read(
    mongod: Mongod, tmp_path: Path, known: Known, database: Any
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, **SETTINGS) as server:
        person = await known(server, "ann@shop.example")
        async with (
            opened(server.port, CALL + query_of(), person.access_token) as source,
            opened(server.port, CALL + query_of(), person.access_token, limit=1024),
        ):
            await database.public.insert_many([{"_id": n, "text": "x" * 100_000} for n in range(100)])
            await source.events(100)
            server.process.send_signal(signal.SIGTERM)
            error, end = await source.events(2)
            began = time.monotonic()
            await asyncio.to_thread(server.process.wait, 60)
            seconds = time.monotonic() - began

    assert error == StreamError("InternalServerError", "this process is ending")
    assert end is None
    assert server.process.returncode == 0
    assert seconds < 25  # far from the 32 that a call may take
    assert [line["message"] for line in server.log_lines][-1] == "stopped"
