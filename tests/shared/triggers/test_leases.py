"""Leases: one process at a time, whoever comes next soon, and nothing of an earlier one is written."""

import asyncio
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from shared.mongo.clients import Clients
from shared.mongo.control import Control
from shared.triggers import leases
from shared.triggers.calls import Calling
from shared.triggers.leases import Lease, LeaseLostError
from tests.hosts import eventually
from tests.shared.triggers.conftest import CONTROL, LEASE_SECONDS, Function, Place, on_items


@pytest.fixture
async def control(place: Place) -> Any:
    clients = Clients(place.settings)
    yield Control(clients, place.settings)
    await clients.close()


async def test_one_of_many_has_a_lease(control: Control) -> None:
    taken = await asyncio.gather(*(Lease(control, "t").take() for _ in range(8)))

    assert sum(each is not None for each in taken) == 1


async def test_a_lease_that_was_given_back_is_free_at_once(control: Control) -> None:
    first, second = Lease(control, "t"), Lease(control, "t")
    await first.take()

    await first.give_back()

    assert await second.take() is not None


async def test_a_lease_that_is_not_renewed_is_lost_and_nothing_is_written_any_more(
    control: Control, place: Place
) -> None:
    first, second = Lease(control, "t", 0.2), Lease(control, "t")
    await first.take()

    async def has_it() -> bool:
        return await second.take() is not None

    await eventually(has_it)
    with pytest.raises(LeaseLostError):
        await first.write({"$set": {"token": "late"}})
    with pytest.raises(LeaseLostError):
        await first.give_back()
    with pytest.raises(LeaseLostError):
        await first.keep(asyncio.Event())
    assert "token" not in await place.stored()


async def test_a_lease_is_kept_as_long_as_it_is_wanted(control: Control, place: Place) -> None:
    lease, over = Lease(control, "t", LEASE_SECONDS), asyncio.Event()
    taken = await lease.take()
    assert taken is not None

    async def is_renewed() -> bool:
        return bool((await place.stored())["expires"] > taken["expires"])

    kept = asyncio.create_task(lease.keep(over))
    await eventually(is_renewed)
    over.set()
    await kept
    assert await Lease(control, "t").take() is None


async def test_a_process_that_was_paused_for_longer_calls_no_function_and_renews_nothing(
    control: Control, place: Place, function: Function
) -> None:
    lease = Lease(control, "t")
    taken = await lease.take()
    lease._renewed -= LEASE_SECONDS * 2

    with pytest.raises(LeaseLostError):
        await Calling(function, lease, "t", "f", asyncio.Event()).failures([])
    lease._step = 0.01
    with pytest.raises(LeaseLostError):
        await lease.keep(asyncio.Event())

    assert function.calls == []
    assert taken is not None
    assert (await place.stored())["expires"] == taken["expires"]


class Clock:
    """A clock that goes on when something waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def comes(self, _: asyncio.Event, seconds: float) -> bool:
        self.now += seconds
        return False


@pytest.mark.parametrize("part", [0.0, 0.5, 0.95, 1.0])
async def test_renewals_are_over_before_the_lease_is_however_long_they_take_to_fail(
    control: Control, monkeypatch: pytest.MonkeyPatch, part: float
) -> None:
    clock, ends = Clock(), []
    monkeypatch.setattr(leases, "time", clock)
    monkeypatch.setattr(leases, "comes", clock.comes)

    class Failing(Lease):
        async def write(self, _: Any, most_ms: int = 0) -> None:
            ends.append(clock.now + most_ms / 1000)
            clock.now += part * most_ms / 1000
            raise AutoReconnect

    with pytest.raises(LeaseLostError):
        await Failing(control, "t", 10.0).keep(asyncio.Event())

    assert len(ends) > 1
    assert max(ends) <= 8.0


async def test_nobody_has_the_lease_of_a_suspended_trigger(control: Control, place: Place) -> None:
    await place.driver[CONTROL]["triggers"].insert_one({"_id": "t", "suspended": {"reason": "x"}})

    assert await Lease(control, "t").take() is None


async def test_of_two_processes_one_handles_each_event_and_the_other_takes_over(place: Place, database: Any) -> None:
    one, other = Function(), Function()
    async with place.running(one, on_items()):
        async with place.running(other, on_items()):
            await database["items"].insert_many([{"_id": number} for number in range(5)])
            await one.called(5)
            assert other.calls == []
        async with place.running(other, on_items()) as second:
            holder = (await place.stored())["holder"]
            # the first process is cut off, as if it had been paused for longer than its lease lasts
            await place.driver[CONTROL]["triggers"].update_one({"_id": "t"}, {"$unset": {"expires": ""}})

            async def is_taken() -> bool:
                return (await place.stored())["holder"] not in {"", holder, "another"}

            await eventually(is_taken)
            await database["items"].insert_one({"_id": 5})

            async def is_handled() -> bool:
                return len(one.calls) + len(other.calls) >= 6

            await eventually(is_handled)
            assert second.stop.is_set() is False

    assert set(one.given() + other.given()) == set(range(6))
