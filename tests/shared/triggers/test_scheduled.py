"""Triggers at times: what is due, what was missed, and that none runs beside itself."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.app.cron import Schedule
from shared.app.model import ScheduledTrigger
from shared.errors import FunctionFailedError, Unavailable, UnavailableError
from shared.mongo.clients import Clients
from shared.mongo.control import Control
from shared.triggers.calls import Calling
from shared.triggers.leases import Lease
from shared.triggers.runner import Runner
from shared.triggers.scheduled import ScheduledWork, may_be_due
from tests.shared.triggers.conftest import CONTROL, Function, Place, raising

NOON = datetime(2026, 11, 26, 12, 0, 30, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def goes_on(self, **some: float) -> None:
        self.now += timedelta(**some)


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Once:
    """Runs a trigger once, as a process would that looks whether it is due."""

    def __init__(self, place: Place, function: Function, clock: Clock, control: Control) -> None:
        self.place, self.function, self.clock, self.control = place, function, clock, control

    async def __call__(self, schedule: str = "*/5 * * * *", **members: Any) -> int:
        """Return how often its function was called."""
        trigger = ScheduledTrigger(name="t", function="f", schedule=Schedule.of(schedule), **members)
        lease, stop = Lease(self.control, "t"), asyncio.Event()
        stored = await lease.take()
        assert stored is not None
        calls = len(self.function.calls)
        calling = Calling(self.function, lease, "t", "f", stop)
        await ScheduledWork(trigger, lease, calling, stop, self.clock).run_once(stored)
        await lease.give_back()
        return len(self.function.calls) - calls


@pytest.fixture
async def once(place: Place, function: Function, clock: Clock) -> Any:
    clients = Clients(place.settings)
    yield Once(place, function, clock, Control(clients, place.settings))
    await clients.close()


async def test_a_trigger_is_due_at_its_times_once_each(once: Once, function: Function, clock: Clock) -> None:
    seen = [await once()]
    for minutes in (1, 3.5, 0.1, 1, 4):
        clock.goes_on(minutes=minutes)
        seen.append(await once())

    assert seen == [0, 0, 1, 0, 0, 1]
    assert function.calls == [[], []]


async def test_times_that_were_missed_count_as_one(once: Once, clock: Clock) -> None:
    await once()
    clock.goes_on(hours=7)

    assert [await once(), await once()] == [1, 0]


async def test_times_that_were_missed_are_skipped_where_that_is_wanted(once: Once, clock: Clock) -> None:
    await once(skip_catchup_events=True)
    clock.goes_on(hours=7, minutes=2)
    seen = [await once(skip_catchup_events=True)]
    clock.goes_on(minutes=3)
    seen.append(await once(skip_catchup_events=True))

    assert seen == [0, 1]


async def test_a_run_by_a_clock_that_was_years_ahead_keeps_no_later_one_from_running(
    once: Once, place: Place, clock: Clock
) -> None:
    ahead = {"_id": "t", "last": clock.now + timedelta(days=3000)}
    await place.driver[CONTROL]["triggers"].insert_one(ahead)
    trigger = ScheduledTrigger(name="t", function="f", schedule=Schedule.of("*/5 * * * *"))
    assert may_be_due(trigger, ahead)
    await once()
    clock.goes_on(minutes=5)

    assert [await once(), await once()] == [1, 0]


async def test_a_failure_is_recorded_and_not_repeated(
    once: Once, place: Place, function: Function, clock: Clock
) -> None:
    await once()
    clock.goes_on(minutes=5)
    function.acts = [raising(FunctionFailedError("no"))]

    assert [await once(), await once()] == [1, 0]
    [failure] = (await place.stored())["failures"]
    assert (failure["function"], failure["error"], "event_id" in failure) == ("f", "no", False)


async def test_where_mongodb_is_away_it_is_called_again(once: Once, function: Function, clock: Clock) -> None:
    await once()
    clock.goes_on(minutes=5)
    function.acts = [raising(UnavailableError(Unavailable.UNREACHABLE))]

    assert [await once(), await once()] == [2, 0]


async def test_a_process_runs_what_was_missed_and_never_beside_itself(place: Place, function: Function) -> None:
    let_go = asyncio.Event()
    function.acts = [let_go.wait]
    trigger = ScheduledTrigger(name="t", function="f", schedule=Schedule.of("* * * * *"))
    await place.driver[CONTROL]["triggers"].insert_one({"_id": "t", "last": datetime.now(UTC) - timedelta(hours=1)})
    async with place.running(function, trigger), place.running(function, trigger):
        await function.called(1)
        let_go.set()

    assert function.most == 1
    assert (await place.stored())["last"] > datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)


async def test_what_is_due_is_run_by_whoever_looks(place: Place, function: Function) -> None:
    clients = Clients(place.settings)
    runner = Runner(Control(clients, place.settings), clients, place.settings, function)
    now = datetime.now(UTC)
    once = Schedule.of(f"{now - timedelta(minutes=2):%M %H %d %m} *")  # and not again while the test runs
    trigger = ScheduledTrigger(name="t", function="f", schedule=once)
    await place.driver[CONTROL]["triggers"].insert_one({"_id": "t", "last": now - timedelta(hours=1)})

    await asyncio.gather(*(runner.run_due([trigger]) for _ in range(3)))
    await clients.close()

    assert function.calls == [[]]
