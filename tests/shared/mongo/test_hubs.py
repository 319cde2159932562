"""One change stream for all who listen to a collection: who is told what, who is dropped, and what is held."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from bson import decode

from local.mongod import Mongod
from shared.admission import Places
from shared.endpoint import event_streams
from shared.errors import CallerLeftError, DataAPIError, OverloadedError, UnavailableError
from shared.mongo import hubs
from shared.mongo.clients import Clients
from shared.mongo.hubs import MOST_EVENTS, Hubs, Listener
from shared.settings import Settings
from tests.conftest import FailPoint
from tests.hosts import ROOT, eventually

PLACES = 4


class World(NamedTuple):
    """Hubs of a process, and the collection as others write to it."""

    hubs: Hubs
    written: Any

    async def listen(self) -> Listener:
        return await self.hubs.listen("mongodb-atlas", "shop", "items")


@pytest.fixture
async def world(mongod: Mongod, database: Any) -> AsyncIterator[World]:
    clients = Clients(Settings.from_environ({"MONGO_DB_URI": mongod.uri}))
    made = Hubs(clients, Places.for_streams(PLACES))
    await database.create_collection("items")  # of which nobody is told here
    yield World(made, database["items"])
    await made.close()
    await clients.close()


async def told(listener: Listener, number: int) -> list[Any]:
    """Return the ids of so many documents, as they are told."""
    found: list[Any] = []
    async with asyncio.timeout(60):
        while len(found) < number and (listener.ended is None or listener.at.following):
            found += [decode(each.raw)["documentKey"]["_id"] for each in await listener.events(5)]
    return found


def test_the_limits_are_those_that_the_decision_states() -> None:
    decision = (ROOT / "docs" / "decisions" / "0044-changes-as-they-happen.md").read_text()

    assert f"hold {hubs.MOST_BYTES >> 20} MB for those who are behind" in decision
    assert f"a listener may be {MOST_EVENTS:,} events behind" in decision
    assert f"less than {hubs.AHEAD_EVENTS} events and {hubs.AHEAD_BYTES >> 20} MB behind" in decision
    assert f"Every {event_streams.KEEP_ALIVE_SECONDS:.0f} seconds without an event" in decision


async def test_listeners_share_the_events_themselves(world: World) -> None:
    one, other = await world.listen(), await world.listen()

    await world.written.insert_one({"_id": 1})
    [event], [same] = await one.events(30), await other.events(30)

    assert event is same


async def test_nothing_happens_for_as_long_as_was_asked(world: World) -> None:
    listener = await world.listen()

    assert await listener.events(0.01) == []
    assert await listener.events(0) == []
    assert listener.ended is None


async def test_a_listener_who_stays_behind_is_dropped_and_the_other_told_everything(world: World) -> None:
    ended: list[str] = []
    idle, busy = await world.listen(), await world.listen()
    idle.tell(lambda: ended.append("idle"))
    number = MOST_EVENTS + hubs.AHEAD_EVENTS + 1

    telling = asyncio.create_task(told(busy, number))
    await world.written.insert_many([{"_id": n} for n in range(number)])

    assert await telling == list(range(number))
    assert isinstance(idle.ended, UnavailableError)
    assert ended == ["idle"]
    assert await idle.events(1) == []
    assert busy.ended is None


async def test_who_comes_later_does_not_wait_for_one_who_is_stuck(world: World) -> None:
    stuck = await world.listen()
    await world.written.insert_many([{"_id": n} for n in range(10 * hubs.AHEAD_EVENTS)])
    await asyncio.sleep(1.5)  # the hub waits for it

    later = await world.listen()
    await world.written.insert_one({"_id": "later"})

    assert await told(later, 1) == ["later"]
    assert stuck.ended is None


async def test_nobody_is_dropped_where_all_are_slow(world: World) -> None:
    one, other = await world.listen(), await world.listen()
    number = MOST_EVENTS + 10 * hubs.AHEAD_EVENTS

    await world.written.insert_many([{"_id": n} for n in range(number)])
    await asyncio.sleep(1.5)

    assert [*await asyncio.gather(told(one, number), told(other, number))] == [list(range(number))] * 2


async def test_what_is_held_for_those_behind_is_bounded_in_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MOST_BYTES", 1_000_000)
    idle, busy = await world.listen(), await world.listen()

    telling = asyncio.create_task(told(busy, 30))
    await world.written.insert_many([{"_id": n, "text": "x" * 100_000} for n in range(30)])

    assert await telling == list(range(30))
    assert isinstance(idle.ended, UnavailableError)
    assert busy.ended is None


async def test_many_collections_hold_no_more_together_and_nobody_is_dropped_for_others(
    world: World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "MOST_BYTES", 1_000_000)
    names = [f"items{n}" for n in range(PLACES)]
    for name in names:
        await database.create_collection(name)
    listeners = [await world.hubs.listen("mongodb-atlas", "shop", name) for name in names]

    for name in names:
        await database[name].insert_many([{"_id": n, "text": "x" * 100_000} for n in range(10)])
    await asyncio.sleep(1.5)
    held = sum(each.hub.held for each in listeners)

    assert held < 1_000_000
    assert await asyncio.gather(*(told(each, 10) for each in listeners)) == [list(range(10))] * PLACES


async def test_a_listener_who_leaves_gives_all_back(world: World) -> None:
    listeners = [await world.listen() for _ in range(PLACES)]
    with pytest.raises(OverloadedError):
        await world.listen()
    await world.written.insert_many([{"_id": n} for n in range(10)])
    assert await told(listeners[0], 10) == list(range(10))

    for each in listeners:
        each.end(CallerLeftError())
        each.end(CallerLeftError())  # once is enough

    again = [await world.listen() for _ in range(PLACES)]
    assert [each.ended for each in again] == [None] * PLACES


async def test_a_stream_that_cannot_be_opened_is_an_error_of_each_who_wanted_it(
    world: World, fail_point: FailPoint
) -> None:
    await fail_point("aggregate", errorCode=40573)

    outcomes = await asyncio.gather(*(world.listen() for _ in range(PLACES)), return_exceptions=True)

    assert all(isinstance(each, DataAPIError) for each in outcomes)
    assert (await world.listen()).ended is None  # which has a place again


async def test_what_happened_before_a_failure_is_told_before_it(world: World, fail_point: FailPoint) -> None:
    listener = await world.listen()
    await world.written.insert_one({"_id": 1})

    async def is_there() -> bool:
        return listener.at.following is not None

    await eventually(is_there)
    await fail_point("getMore", errorCode=286, namespace="shop.items")

    async def has_ended() -> bool:
        return listener.ended is not None

    await eventually(has_ended)
    assert await told(listener, 1) == [1]
    assert listener.ended is not None
    assert listener.ended.code == "ChangeStreamHistoryLost"


async def test_the_end_of_a_process_ends_all_and_lets_nobody_begin(world: World) -> None:
    listener = await world.listen()
    waiting = asyncio.create_task(listener.events(60))
    await asyncio.sleep(0)

    world.hubs.end()

    assert await asyncio.wait_for(waiting, 30) == []
    assert isinstance(listener.ended, UnavailableError)
    with pytest.raises(UnavailableError):
        await world.listen()
