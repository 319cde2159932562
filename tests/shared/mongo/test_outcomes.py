"""Which failed writes may have happened: what is certain is a short list, and everything else is not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from local.mongod import Mongod
from local.ports import free_port
from shared.errors import DataAPIError, UnavailableError, UnconfirmedWriteError
from shared.mongo.deadlines import transaction
from shared.mongo.outcomes import Client
from shared.mongo.refusals import translated
from shared.settings import VERSION
from tests.conftest import FailPoint
from tests.held import Hold

type Work = Callable[[Any], Awaitable[Any]]

REFUSED_UNREAD = {"errorCode": 462, "errorLabels": ["SystemOverloadedError", "RetryableError"]}
NOTHING_WRITTEN = {"errorCode": 6, "errorLabels": ["RetryableWriteError", "NoWritesPerformed"]}
ALWAYS = 1_000_000
WORK: dict[str, tuple[str, Work]] = {
    "insert": ("insert", lambda target: target.insert_one({})),
    "insert many": ("insert", lambda target: target.insert_many([{}, {}])),
    "update": ("update", lambda target: target.update_one({}, {"$set": {"a": 1}})),
    "update many": ("update", lambda target: target.update_many({}, {"$set": {"a": 1}})),
    "replace": ("update", lambda target: target.replace_one({}, {"a": 1})),
    "delete": ("delete", lambda target: target.delete_one({})),
    "delete many": ("delete", lambda target: target.delete_many({})),
    "find and update": ("findAndModify", lambda target: target.find_one_and_update({}, {"$set": {"a": 1}})),
    "commit": (
        "commitTransaction",
        lambda target: transaction(target, lambda s: target.insert_one({}, session=s), 900),
    ),
}
OUT = ("aggregate", lambda target: target.aggregate([{"$out": "other"}]))
HARMLESS: dict[str, tuple[str, Work]] = {
    "find": ("find", lambda target: target.find_one()),
    "aggregate": ("aggregate", lambda target: target.aggregate([])),
    "index": ("createIndexes", lambda target: target.create_index("a")),
    "statement": ("insert", lambda target: transaction(target, lambda s: target.insert_one({}, session=s), 900)),
}

written = pytest.mark.parametrize(("command", "work"), WORK.values(), ids=WORK)


@pytest.fixture
async def target(mongod: Mongod, database: Any) -> AsyncIterator[Any]:
    async with Client(mongod.uri, appname=f"dozen/{VERSION}") as client:
        await client["shop"]["items"].insert_many([{"n": 1}, {"n": 2}])
        yield client["shop"]["items"]
    await database.client.admin.command({"killAllSessions": []})  # a transaction that could not end is waited for


async def told(work: Work, target: Any) -> DataAPIError:
    with pytest.raises(PyMongoError) as raised:
        await work(target)
    error = translated(raised.value)
    assert isinstance(error, DataAPIError)
    return error


@pytest.mark.parametrize(("command", "work"), [*WORK.values(), OUT], ids=[*WORK, "out"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"closeConnection": True}, id="lost"),
        pytest.param({"errorCode": 365}, id="an answer that proves nothing"),
        pytest.param({"errorCode": 6, "errorLabels": ["RetryableWriteError"]}, id="retriable"),
        pytest.param({"errorCode": 449, "errorLabels": ["SystemOverloadedError"]}, id="overloaded"),
    ],
)
async def test_a_write_may_have_happened_unless_it_is_certain(
    target: Any, fail_point: FailPoint, command: str, work: Work, fault: dict[str, Any]
) -> None:
    await fail_point(command, times=ALWAYS, **fault)

    error = await told(work, target)

    assert isinstance(error, UnconfirmedWriteError) or error.status == 504  # a commit is tried until its time is over
    assert "Retry-After" not in error.headers


@pytest.mark.parametrize("fault", [REFUSED_UNREAD, NOTHING_WRITTEN, {"errorCode": 18}], ids=str)
@pytest.mark.parametrize(("command", "work"), list(WORK.values())[:-1], ids=list(WORK)[:-1])
async def test_what_mongodb_did_not_begin_may_be_sent_again(
    target: Any, fail_point: FailPoint, command: str, work: Work, fault: dict[str, Any]
) -> None:
    await fail_point(command, times=ALWAYS, **fault)

    error = await told(work, target)

    assert type(error) is UnavailableError
    assert error.headers == {"Retry-After": "5"}


@pytest.mark.parametrize(("command", "work"), HARMLESS.values(), ids=HARMLESS)
async def test_what_changes_no_document_may_be_sent_again(
    target: Any, fail_point: FailPoint, command: str, work: Work
) -> None:
    await fail_point(command, times=ALWAYS, errorCode=365)

    assert type(await told(work, target)) is UnavailableError


@pytest.mark.parametrize("work", [work for _, work in WORK.values()], ids=WORK)
@pytest.mark.parametrize("options", ["", "&retryWrites=false"])
async def test_what_was_never_sent_may_be_sent_again(work: Work, options: str) -> None:
    nowhere = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=100{options}"
    async with Client(nowhere) as client:
        assert type(await told(work, client["shop"]["items"])) is UnavailableError


async def test_what_waited_for_a_connection_in_vain_may_be_sent_again(
    mongod: Mongod, hold: Hold, database: Any
) -> None:
    await hold.begin("find")
    async with Client(mongod.uri, appname=f"dozen/{VERSION}", maxPoolSize=1, waitQueueTimeoutMS=100) as client:
        target = client["shop"]["items"]
        reading = asyncio.create_task(target.find_one())
        await hold.holds()

        assert type(await told(lambda target: target.insert_one({}), target)) is UnavailableError
        await hold.end()
        await reading


async def test_a_second_command_that_wrote_nothing_does_not_speak_for_the_first(
    target: Any, database: Any, fail_point: FailPoint
) -> None:
    data = {"failCommands": ["insert"], "appName": f"dozen/{VERSION}", **NOTHING_WRITTEN}
    await database.client.admin.command({"configureFailPoint": "failCommand", "mode": {"skip": 1}, "data": data})

    error = await told(lambda target: target.insert_many([{} for _ in range(100_001)]), target)

    assert type(error) is UnconfirmedWriteError
    assert await database.items.estimated_document_count() == 100_002
