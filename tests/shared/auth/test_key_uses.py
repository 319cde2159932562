"""The last use of a key, as a process stores it on a real mongod."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.auth.key_uses import KeyUses
from shared.auth.keys import new_key
from shared.service import process
from shared.settings import VERSION
from tests.conftest import ACTION, request_body
from tests.functions.rules.conftest import CLIENT, SETTINGS, send
from tests.hosts import Worker, eventually

pytestmark = pytest.mark.usefixtures("worker")


class Clock:
    """What the process takes for now."""

    moment = datetime(2026, 1, 31, 7, 0, 59, tzinfo=UTC)

    def now(self, _zone: Any) -> datetime:
        return self.moment


@pytest.fixture
def soon(configured: pytest.MonkeyPatch) -> None:
    """Uses are stored as soon as the loop comes to it; nothing of keys is cached."""
    configured.setattr("shared.auth.key_uses.PAUSE_SECONDS", 0)
    configured.setenv("KEY_USES", "on")
    configured.setenv("AUTH_CACHE_SECONDS", "0")


@pytest.fixture
async def used(driver: Any) -> AsyncIterator[Any]:
    """A key of its own, and what is stored of its last use."""
    key, stored = new_key("that is used")
    await driver.dozen.api_keys.insert_one(stored)

    async def last() -> datetime | None:
        found = await driver.dozen.api_keys.find_one({"_id": stored["_id"]})
        moment: datetime | None = found.get("used")
        return moment

    yield key, stored["_id"], last
    await driver.dozen.api_keys.delete_one({"_id": stored["_id"]})


async def find(worker: Worker, key: str) -> int:
    return (await worker.request("POST", ACTION + "find", {"apiKey": key}, request_body())).status


def is_idle(uses: KeyUses) -> bool:
    return uses._timer is None and uses._storing is None and not uses._unstored


async def test_the_last_use_is_stored_to_the_hour_and_once_an_hour(
    worker: Worker, configured: pytest.MonkeyPatch, soon: None, used: Any, driver: Any
) -> None:
    key, key_id, last = used
    clock = Clock()
    configured.setattr("shared.auth.key_uses.datetime", clock)
    await find(worker, key)
    await eventually(last, 30)
    first = await last()
    await driver.dozen.api_keys.update_one({"_id": key_id}, {"$unset": {"used": ""}})

    clock.moment += timedelta(minutes=59)
    await find(worker, key)
    within = is_idle(process.service().key_uses)
    clock.moment += timedelta(minutes=1)
    await find(worker, key)
    await eventually(last, 30)

    assert (first, within, await last()) == (datetime(2026, 1, 31, 7), True, datetime(2026, 1, 31, 8))


async def test_the_hour_never_goes_back(worker: Worker, soon: None, used: Any, driver: Any) -> None:
    key, key_id, last = used
    later = datetime(2100, 1, 1)
    await driver.dozen.api_keys.update_one({"_id": key_id}, {"$set": {"used": later}})
    await find(worker, key)
    uses = process.service().key_uses

    async def is_stored() -> bool:
        return is_idle(uses)

    await eventually(is_stored, 30)

    assert await last() == later


async def test_a_login_with_a_key_is_a_use(worker: Worker, configured: Any, soon: None, used: Any) -> None:
    for name, value in SETTINGS.items():
        configured.setenv(name, value)

    answer = await send(worker, "POST", f"{CLIENT}/auth/providers/api-key/login", {"key": used[0]})

    assert answer.status == 200
    await eventually(used[2], 30)


async def test_nothing_is_noted_where_nobody_wants_it(worker: Worker, configured: Any, soon: None, used: Any) -> None:
    configured.setenv("KEY_USES", "off")

    await find(worker, used[0])

    assert is_idle(process.service().key_uses)
    assert not len(process.service().key_uses._noted)


async def test_nothing_is_stored_on_the_way_of_a_call(worker: Worker, configured: Any, used: Any) -> None:
    key, key_id, last = used
    configured.setenv("KEY_USES", "on")

    await find(worker, key)

    uses = process.service().key_uses
    assert list(uses._unstored) == [key_id]
    assert uses._storing is None
    assert await last() is None


async def test_a_wrong_key_and_an_ended_one_are_no_uses(worker: Worker, soon: None, used: Any, driver: Any) -> None:
    key, key_id, _ = used
    await driver.dozen.api_keys.update_one({"_id": key_id}, {"$set": {"expires": datetime.now(UTC)}})

    assert [await find(worker, "wrong"), await find(worker, key)] == [401, 401]
    assert is_idle(process.service().key_uses)


async def test_a_database_that_takes_no_writes_is_left_alone_for_an_hour(
    worker: Worker, soon: None, used: Any, driver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    key, _, last = used
    caplog.set_level(logging.INFO, "dozen")  # another test may have left another
    refused = {
        "failCommands": ["update"], "errorCode": 13, "namespace": "dozen.api_keys", "appName": f"dozen/{VERSION}",
    }  # fmt: skip
    await driver.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": refused})
    try:
        status = await find(worker, key)
        uses = process.service().key_uses

        async def is_said() -> bool:
            return "the last uses of keys cannot be stored" in caplog.text

        await eventually(is_said, 30)
    finally:
        await driver.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    uses._noted.pop(str(used[1]))

    again = await find(worker, key)

    assert status == again
    assert is_idle(uses)
    assert await last() is None


async def test_what_is_closed_stores_no_more(used: Any, soon: None) -> None:
    uses = KeyUses(process.service().control, process.service().settings)
    uses.note(str(used[1]))

    await uses.close()
    uses.note(str(used[1]))

    assert await used[2]() is None
    assert not uses._unstored
