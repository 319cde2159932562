"""What triggers are told of users, whatever comes between."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson.objectid import ObjectId

from shared.auth.user_events import Untold
from shared.endpoint.contexts import CallContext
from shared.endpoint.user_functions import tell_left_over
from shared.errors import DeadlinePassedError
from shared.mongo.deadlines import driver_call
from shared.service import process
from shared.telemetry.requests import RequestLine
from tests.conftest import FailPoint
from tests.functions.people.conftest import ANN_OF_FUNCTION, ANONYMOUS, FUNCTION, People

NOTES = """exports = async ({ operationType }) => {
  await context.services.get("mongodb-atlas").db("shop").collection("notes").insertOne({ operationType });
};"""


def followed(name: str, operation: str, function: str) -> dict[str, Any]:
    config = {"operation_type": operation, "providers": ["custom-function"]}
    return {"name": name, "type": "AUTHENTICATION", "config": config, "function_name": function}


def logged_failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if '"trigger failed"' in each.message]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param('exports = () => { throw new Error("the secret"); };', "it threw an error at", id="error"),
        pytest.param('exports = () => { throw "the secret"; };', "it threw an error at", id="text"),
        pytest.param("exports = () => { const a = {}; a.a = a; return a; };", "", id="circle"),
        pytest.param("exports = (", "", id="cannot be loaded"),
    ],
)
async def test_one_that_fails_is_logged_and_the_login_goes_on(
    people: People, caplog: pytest.LogCaptureFixture, source: str, reason: str
) -> None:
    people.change({"triggers/a.json": followed("a", "LOGIN", "wrong")}, wrong=source)

    answer = await people.send("POST", FUNCTION, ANN_OF_FUNCTION)

    assert answer.status == 200
    [line] = logged_failures(caplog)
    assert reason in line
    assert "the secret" not in caplog.text
    assert await people.database.notes.count_documents({"operationType": "LOGIN"}) == 1  # the other one was told
    assert await people.dozen.user_events.count_documents({}) == 0


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("exports = () => new Promise((done) => setTimeout(done, 60000));", id="waits"),
        pytest.param("exports = () => { for (;;) {} };", id="computes"),
    ],
)
async def test_one_that_has_no_end_is_ended_and_the_login_goes_on(
    people: People, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    people.set(FUNCTION_TIMEOUT_MS="500")
    people.change({"triggers/a.json": followed("a", "LOGIN", "wrong")}, wrong=source)

    answer = await people.send("POST", FUNCTION, ANN_OF_FUNCTION)

    assert answer.status == 200
    assert any('"function":"wrong"' in each for each in logged_failures(caplog))
    assert await people.dozen.user_events.count_documents({}) == 0


async def test_one_is_told_of_its_own_operations_and_providers_alone(people: People) -> None:
    user_id = (await people.send("POST", ANONYMOUS)).json["user_id"]

    notes = await people.database.notes.find().to_list()
    assert [(each["id"], each["operationType"]) for each in notes] == [(user_id, "CREATE")]
    assert notes[0]["custom_data"] == {}
    assert notes[0]["time"] <= datetime.now(UTC).replace(tzinfo=None)


async def test_what_a_process_left_over_is_told_by_the_next_call(people: People) -> None:
    people.change()
    service = process.service()
    user = await service.users.create("custom-function", "left", {})  # by nobody who tells it

    left = await people.dozen.user_events.count_documents({})
    await people.send("POST", FUNCTION, ANN_OF_FUNCTION)

    assert left == 1
    assert await people.dozen.user_events.count_documents({}) == 0
    assert await people.database.notes.count_documents({"operationType": "CREATE", "id": user.id}) == 1


async def test_a_user_whom_an_operator_deletes_is_told_of_by_the_next_call(people: People) -> None:
    gone = (await people.send("POST", ANONYMOUS)).json["user_id"]
    await process.service().users.delete(gone)

    await people.send("POST", FUNCTION, ANN_OF_FUNCTION)

    [note] = await people.database.notes.find({"operationType": "DELETE"}).to_list()
    assert (note["id"], note["providers"]) == (gone, ["anon-user"])


async def test_a_process_of_its_own_can_tell_what_is_left_over(people: People) -> None:
    people.change()
    user = await process.service().users.create("custom-function", "left", {})
    context = CallContext(process.service(), RequestLine("test"), process.actions)

    async with context:
        told = [await tell_left_over(context) for _ in range(2)]

    assert told == [True, False]
    assert await people.database.notes.count_documents({"id": user.id}) == 1


async def test_what_there_is_no_time_to_try_does_not_count_as_tried(people: People) -> None:
    people.change()
    await process.service().users.create("custom-function", "left", {})
    context = CallContext(process.service(), RequestLine("test"), process.actions)

    async with context:
        with driver_call(900):
            assert not await tell_left_over(context)

    [untold] = await people.dozen.user_events.find().to_list()
    assert untold["tries"] == 0


async def test_one_that_had_less_time_than_functions_have_is_told_another_time(people: People) -> None:
    people.change(noteUser="exports = () => new Promise((done) => setTimeout(done, 60000));")
    await process.service().users.create("custom-function", "left", {})
    people.set(MONGO_DB_TIMEOUT_MS="4000")
    context = CallContext(process.service(), RequestLine("test"), process.actions)

    async with context:
        with pytest.raises(DeadlinePassedError):
            await tell_left_over(context)

    [untold] = await people.dozen.user_events.find().to_list()
    assert untold["tries"] == 1


@pytest.mark.parametrize("source", [NOTES, NOTES.replace("await ", "")], ids=["waits for it", "does not wait"])
async def test_one_whose_function_mongodb_could_not_serve_is_told_another_time(
    people: People, fail_point: FailPoint, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    people.change(noteUser=source)
    await fail_point("insert", times=9, namespace="shop.notes", errorCode=11601)  # Interrupted

    answer = await people.send("POST", FUNCTION, ANN_OF_FUNCTION)

    await fail_point.client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    untold = await people.dozen.user_events.find().to_list()
    assert (answer.status, logged_failures(caplog)) == (200, [])
    assert ("came", 1) in [(each["trigger"], each["tries"]) for each in untold]
    await people.dozen.user_events.update_many({}, {"$set": {"due": datetime.now(UTC)}})
    context = CallContext(process.service(), RequestLine("test"), process.actions)
    async with context:
        assert [await tell_left_over(context) for _ in range(len(untold) + 1)] == [True] * len(untold) + [False]
    assert await people.database.notes.count_documents({}) == len(untold)


async def test_nothing_is_told_of_what_was_not_done(people: People) -> None:
    people.change()
    service = process.service()
    await service.users.create("custom-function", "once", {})
    await people.dozen.user_events.delete_many({})

    await service.users.create("custom-function", "once", {})  # somebody was first
    await service.users.delete(str(ObjectId()))

    assert await people.dozen.user_events.count_documents({}) == 0


@pytest.mark.parametrize(
    "trigger",
    [
        pytest.param({"trigger": "came", "tries": 3}, id="tried too often"),
        pytest.param({"trigger": "removed", "tries": 1}, id="of no trigger any more"),
    ],
)
async def test_what_cannot_be_told_is_given_up(people: People, trigger: dict[str, Any]) -> None:
    people.change()
    await process.service().users.create("custom-function", "left", {})
    await people.dozen.user_events.update_many({}, {"$set": trigger})
    context = CallContext(process.service(), RequestLine("test"), process.actions)

    async with context:
        assert await tell_left_over(context)

    assert await people.dozen.user_events.count_documents({}) == 0
    assert await people.database.notes.count_documents({}) == 0


async def test_what_another_process_is_telling_is_left_to_it(people: People) -> None:
    people.change()
    service = process.service()
    await service.users.create("custom-function", "left", {})

    taken = [await service.user_events.left_over() for _ in range(2)]

    assert isinstance(taken[0], Untold)
    assert taken[1] is None


async def test_an_app_without_triggers_stores_no_event(people: People) -> None:
    people.change({"triggers/came.json": {}, "triggers/logged_in.json": {}})

    await people.send("POST", FUNCTION, ANN_OF_FUNCTION)

    assert await people.dozen.user_events.count_documents({}) == 0
