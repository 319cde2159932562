"""Triggers by changes: what their functions are given, in which order, and what happens when something fails."""

import asyncio
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.binary import Binary
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient

from local.mongod import Mongod
from shared.errors import FunctionFailedError, Unavailable, UnavailableError
from shared.triggers import runner as runner_module
from shared.triggers.calls import MOST_FAILURES
from tests.hosts import eventually
from tests.shared.triggers.conftest import CONTROL, LEASE_SECONDS, Function, Place, on_items, raising


async def test_a_function_is_given_the_event_as_mongodb_tells_it(
    place: Place, function: Function, database: Any
) -> None:
    document = {"_id": Int64(7), "binary": Binary(b"u", 4), "at": Timestamp(1, 2), "n": {"$a": 1.0}}
    async with place.running(function, on_items(full_document=True)):
        await database["items"].insert_one(document)
        await database["items"].update_one({"_id": 7}, {"$set": {"b": 1}})
        await database["items"].delete_one({"_id": 7})
        await function.called(3)

    assert function.given("operationType") == ["insert", "update", "delete"]
    inserted, updated, deleted = (event for [event] in function.calls)
    assert isinstance(inserted, RawBSONDocument)
    assert bytes(inserted["fullDocument"].raw) == bson.encode(document)
    assert dict(inserted["ns"]) == {"db": "shop", "coll": "items"}
    assert type(inserted["clusterTime"]) is Timestamp
    assert dict(updated["updateDescription"]["updatedFields"]) == {"b": 1}
    assert bytes(updated["fullDocument"].raw) == bson.encode({**document, "b": 1})
    assert "fullDocument" not in deleted


@pytest.mark.parametrize("scope", [{}, {"collection": ""}, {"collection": "", "database": ""}], ids=str)
async def test_a_trigger_sees_its_collection_its_database_or_everything_but_the_control_database(
    place: Place, function: Function, database: Any, scope: dict[str, str]
) -> None:
    name = scope.get("database", "shop")
    async with place.running(function, on_items(**scope)):
        for other in ("other", "items"):
            await database[other].insert_one({"_id": other})
            await database.client["elsewhere"][other].insert_one({})
        await function.called(4 if name == "" else 2 if scope else 1)
        before = await place.stored()
        await place.driver[CONTROL]["notes"].insert_one({})
        await database["items"].insert_one({"_id": "last"})
        await function.called(len(function.calls) + (function.given()[-1] != "last"))
        assert before["holder"]
    await database.client.drop_database("elsewhere")

    seen = {(event["ns"]["db"], event["ns"]["coll"]) for [event] in function.calls}
    assert seen == {
        each for each in [("shop", "items"), ("shop", "other"), ("elsewhere", "items"), ("elsewhere", "other")]
        if each == ("shop", "items") or (scope and each[0] == "shop") or not name
    }  # fmt: skip


async def test_ordered_events_are_handled_one_after_the_other_in_their_order(
    place: Place, function: Function, database: Any
) -> None:
    function.acts = [lambda: asyncio.sleep(0.01)] * 20
    async with place.running(function, on_items()):
        await database["items"].insert_many([{"_id": number} for number in range(20)])
        await function.called(20)

    assert function.given() == list(range(20))
    assert function.most == 1


async def test_unordered_events_are_handled_side_by_side_up_to_a_bound(
    place: Place, function: Function, database: Any
) -> None:
    let_go = asyncio.Event()
    function.acts = [let_go.wait] * 7
    async with place.running(function, on_items(at_once=3)):
        await database["items"].insert_many([{"_id": number} for number in range(7)])
        await function.called(3)
        let_go.set()
        await function.called(7)

    assert function.most == 3


async def test_changes_while_no_process_is_there_are_caught_up(place: Place, function: Function, database: Any) -> None:
    async with place.running(function, on_items()):
        await database["items"].insert_one({"_id": 1})
        await function.called(1)
    await database["items"].insert_one({"_id": 2})
    async with place.running(function, on_items()):
        await function.called(2)

    assert function.given() == [1, 2]


@pytest.mark.parametrize(
    "change", [{"skip_catchup_events": True}, {"collection": "others"}], ids=["skipped", "of another collection"]
)
async def test_changes_are_not_caught_up_if_they_are_not_wanted(
    place: Place, function: Function, database: Any, change: dict[str, Any]
) -> None:
    trigger = on_items(**change)
    async with place.running(function, on_items()):
        pass
    before = await place.stored()
    await database[trigger.collection].insert_one({"_id": 1})

    async def is_new() -> bool:
        return bool((await place.stored())["token"] != before["token"])

    async with place.running(function, trigger):
        await eventually(is_new)
        await database[trigger.collection].insert_one({"_id": 2})
        await function.called(1)

    assert function.given() == [2]


async def test_a_function_that_fails_is_recorded_and_the_stream_goes_on(
    place: Place, function: Function, database: Any
) -> None:
    function.acts = [raising(FunctionFailedError("x" * 300)), raising(ZeroDivisionError("a mistake of ours"))]
    async with place.running(function, on_items()):
        await database["items"].insert_many([{"_id": number} for number in range(3)])
        await function.called(3)

    stored = await place.stored()
    first, second = stored["failures"]
    assert (first["function"], first["type"], first["error"]) == ("f", "FunctionFailedError", "x" * 200)
    assert first["event_id"] == function.given("_id._data")[0]
    assert second["type"] == "ZeroDivisionError"
    assert (stored["failed"], stored["token"]["_data"]) == (2, function.given("_id._data")[2])


async def test_failures_are_bounded(place: Place, function: Function, database: Any) -> None:
    function.acts = [raising(FunctionFailedError("no"))] * (MOST_FAILURES + 2)
    async with place.running(function, on_items()):
        await database["items"].insert_many([{"_id": number} for number in range(MOST_FAILURES + 2)])
        await function.called(MOST_FAILURES + 2)

    stored = await place.stored()
    assert (len(stored["failures"]), stored["failed"]) == (MOST_FAILURES, MOST_FAILURES + 2)


async def test_a_function_that_mongodb_refused_is_called_again(place: Place, function: Function, database: Any) -> None:
    function.acts = [raising(UnavailableError(Unavailable.UNREACHABLE))]
    async with place.running(function, on_items()):
        await database["items"].insert_one({"_id": 1})
        await function.called(2)

    assert function.given() == [1, 1]
    assert "failed" not in await place.stored()


async def test_an_event_whose_function_waits_for_mongodb_at_the_end_is_not_done(
    place: Place, function: Function, database: Any
) -> None:
    function.acts = [raising(UnavailableError(Unavailable.UNREACHABLE))] * 9
    async with place.running(function, on_items()):
        await database["items"].insert_one({"_id": 1})
        await function.called(1)
    again = Function()
    async with place.running(again, on_items()):
        await again.called(1)

    assert again.given() == [1]


async def test_the_end_waits_for_a_function_that_runs_and_begins_no_other(
    place: Place, function: Function, database: Any
) -> None:
    let_go = asyncio.Event()
    function.acts = [let_go.wait]
    async with place.running(function, on_items()) as runner:
        await database["items"].insert_many([{"_id": number} for number in range(2)])
        await function.called(1)
        runner.stop.set()
        let_go.set()

    stored = await place.stored()
    assert function.given() == [0]
    assert (stored["token"]["_data"], stored["holder"]) == (function.given("_id._data")[0], "")
    assert "expires" not in stored


async def test_a_function_that_does_not_end_in_time_is_given_up_and_begun_again(
    place: Place, function: Function, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "GRACE_SECONDS", 0.1)
    function.acts = [asyncio.Event().wait]
    async with place.running(function, on_items()):
        await database["items"].insert_one({"_id": 1})
        await function.called(1)
    async with place.running(function, on_items()):
        await function.called(2)

    assert function.given() == [1, 1]


async def test_a_collection_that_is_dropped_suspends_its_trigger_behind_the_drop(
    place: Place, function: Function, database: Any
) -> None:
    async with place.running(function, on_items()):
        await database["items"].insert_one({"_id": 1})
        await database.drop_collection("items")
        await place.holds("suspended")
        await database["items"].insert_one({"_id": 2})
        stored = await place.stored()
        assert stored["suspended"]["reason"] == "the collection or the database was dropped or renamed"
        await place.driver[CONTROL]["triggers"].update_one({"_id": "t"}, {"$unset": {"suspended": ""}})
        await function.called(2)

    assert function.given() == [1, 2]


UNKNOWN_TOKEN = {"_data": "82" + "00" * 20}


@pytest.mark.parametrize("tolerates", [False, True])
async def test_a_token_that_is_of_no_use_suspends_unless_that_is_tolerated(
    place: Place, function: Function, database: Any, tolerates: bool
) -> None:
    trigger = on_items(tolerate_resume_errors=tolerates)
    await place.driver[CONTROL]["triggers"].insert_one({"_id": "t", "token": UNKNOWN_TOKEN, "watches": trigger.watches})

    async def is_settled() -> bool:
        stored = await place.stored()
        return "suspended" in stored or stored.get("token", UNKNOWN_TOKEN) != UNKNOWN_TOKEN

    async with place.running(function, trigger, waits=False):
        await eventually(is_settled)

    stored = await place.stored()
    assert ("suspended" in stored, "token" in stored) == (not tolerates, tolerates)


async def test_streams_are_opened_again_when_mongodb_ends_them(
    place: Place, function: Function, database: Any, fail_point: Any
) -> None:
    async with place.running(function, on_items()):
        await fail_point("getMore", "aggregate", times=3, errorCode=8000, errorLabels=[])
        await database["items"].insert_many([{"_id": number} for number in range(5)])
        await function.called(5)

    assert function.given() == list(range(5))


@pytest.mark.full
async def test_no_event_is_lost_while_mongodb_is_away(
    place: Place, function: Function, tmp_path: Path, driver: AsyncMongoClient[dict[str, Any]]
) -> None:
    with Mongod(tmp_path / "own") as own:
        async with AsyncMongoClient[dict[str, Any]](own.uri) as client:
            there = Place(own.uri, client)
            async with there.running(function, on_items()):
                await client["shop"]["items"].insert_one({"_id": 1})
                await function.called(1)
                await asyncio.to_thread(own.kill)
                await asyncio.sleep(LEASE_SECONDS)  # the lease is lost meanwhile
                await asyncio.to_thread(own.start)
                await client["shop"]["items"].insert_one({"_id": 2})
                await eventually(lambda: is_given(function, 2), 60)

    assert list(dict.fromkeys(function.given())) == [1, 2]


async def is_given(function: Function, value: Any) -> bool:
    return value in function.given()


@pytest.mark.parametrize("scope", [{}, {"collection": ""}, {"collection": "", "database": ""}], ids=str)
async def test_a_trigger_that_chooses_other_events_than_before_goes_on_where_it_was(
    place: Place, function: Function, database: Any, scope: dict[str, str]
) -> None:
    async with place.running(function, on_items(**scope)):
        await database["items"].insert_one({"_id": 1})
        await function.called(1)
    await database["items"].insert_one({"_id": 2})
    await database["items"].update_one({"_id": 2}, {"$set": {"a": 1}})
    updates = {"$match": {"operationType": "update"}}
    async with place.running(function, on_items(pipeline=[updates], **scope)):
        await function.called(2)
    assert "suspended" not in await place.stored()

    assert [(event["operationType"], event["documentKey"]["_id"]) for [event] in function.calls] == [
        ("insert", 1),
        ("update", 2),
    ]


async def test_a_projection_that_leaves_the_operation_without_a_value_ends_nothing(
    place: Place, function: Function, database: Any
) -> None:
    projected = {"$project": {"operationType": "$nothing", "documentKey": 1}}
    async with place.running(function, on_items(pipeline=[projected])):
        await database["items"].insert_one({"_id": 1})
        await function.called(1)

    assert function.given() == [1]


async def test_what_is_wrong_with_one_trigger_leaves_the_others_running(
    place: Place, function: Function, database: Any
) -> None:
    broken = on_items(name="broken", pipeline=None)
    async with place.running(function, on_items(), broken):
        await place.holds("holder", "broken")
        await database["items"].insert_one({"_id": 1})
        await function.called(1)

    assert function.given() == [1]
    assert (await place.stored())["holder"] == ""
