"""Places for calls: never more than there are, never one lost, and nobody waits long."""

import asyncio
import contextlib
import gc
import logging
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import admission
from shared.admission import WAITING, Departure, Places
from shared.errors import CallerLeftError, OverloadedError, Unavailable
from shared.settings import Settings
from tests.depth import examples

type Outcomes = list[tuple[int, str]]


async def call(places: Places, number: int, outcomes: Outcomes, departure: Departure | None = None) -> None:
    try:
        await places.enter(departure)
    except (OverloadedError, CallerLeftError) as error:
        outcomes.append((number, type(error).__name__))
    else:
        outcomes.append((number, "begun"))


async def started(places: Places, numbers: range, outcomes: Outcomes) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(call(places, number, outcomes)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_so_many_are_begun_so_many_wait_and_the_next_is_refused_at_once() -> None:
    places = Places.for_calls(2)
    outcomes: Outcomes = []

    await started(places, range(WAITING + 3), outcomes)

    assert places.is_full
    assert outcomes == [(0, "begun"), (1, "begun"), (WAITING + 2, "OverloadedError")]
    assert OverloadedError.headers == {"Retry-After": "1"}
    places.leave()
    await asyncio.sleep(0)
    assert outcomes[-1] == (2, "begun")
    assert not places.is_full


async def test_who_waits_too_long_is_refused() -> None:
    places = Places(1, 10, 0.05, Unavailable.TOO_MANY_CALLS)
    outcomes: Outcomes = []

    await asyncio.gather(*await started(places, range(3), outcomes))

    assert outcomes == [(0, "begun"), (1, "OverloadedError"), (2, "OverloadedError")]
    places.leave()
    await places.enter()


async def test_who_came_first_is_first_until_more_come_than_can_be_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENT_SECONDS", 60.0)
    places = Places.for_calls(1)
    outcomes: Outcomes = []
    await started(places, range(5), outcomes)

    for patience in (60.0, 60.0, -1.0, -1.0):
        monkeypatch.setattr(admission, "PATIENT_SECONDS", patience)
        places.leave()
        await asyncio.sleep(0)

    assert [number for number, _ in outcomes] == [0, 1, 2, 4, 3]


async def test_who_has_left_is_not_begun_and_the_next_one_is() -> None:
    places, left = Places.for_calls(1), Departure()
    outcomes: Outcomes = []
    await places.enter()
    tasks = [
        asyncio.create_task(call(places, 1, outcomes, left)),
        asyncio.create_task(call(places, 2, outcomes, Departure())),
    ]
    await asyncio.sleep(0)

    left.happen()
    places.leave()
    await asyncio.gather(*tasks)

    assert outcomes == [(1, "CallerLeftError"), (2, "begun")]


async def test_a_call_that_is_cancelled_in_the_moment_of_its_turn_gives_its_place_on() -> None:
    places = Places.for_calls(1)
    await places.enter()
    waiting = asyncio.create_task(places.enter())
    await asyncio.sleep(0)

    places.leave()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert waiting.cancelled()
    await asyncio.wait_for(places.enter(), 0.1)


class Large:
    """What a call holds."""


async def test_a_refused_call_leaves_nothing_to_the_garbage_collector() -> None:
    places = Places(1, 10, 0.01, Unavailable.TOO_MUCH)
    await places.enter()
    held: list[weakref.ref[Large]] = []

    async def refused() -> None:
        large = Large()
        held.append(weakref.ref(large))
        await places.enter()

    gc.disable()
    try:
        with contextlib.suppress(OverloadedError):
            await refused()
        assert held[0]() is None
    finally:
        gc.enable()


async def test_the_log_says_how_many_were_refused_and_seldom(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    places = Places.for_calls(1)

    for _ in range(100):
        places.refusal()

    messages = [record.getMessage() for record in caplog.records]
    assert len([message for message in messages if "calls are refused" in message]) == 1


async def test_a_departure_is_told_a_little_later_and_only_to_who_still_wants_to_know() -> None:
    told: list[str] = []
    early, finished = Departure(), Departure()
    early.tell(lambda: told.append("early"))
    finished.tell(lambda: told.append("finished"))

    early.happen()
    finished.happen()
    finished.tell(None)

    assert told == []
    await asyncio.sleep(admission.DEPARTURE_SECONDS + 0.05)
    assert told == ["early"]
    early.tell(lambda: told.append("late"))
    assert told == ["early", "late"]


STEPS = st.lists(st.tuples(st.sampled_from(["come", "leave", "cancel", "depart"]), st.integers(0, 50)), max_size=80)


@settings(max_examples=examples(2_000), deadline=None)
@given(most=st.integers(1, 4), steps=STEPS)
def test_places_are_never_exceeded_and_never_lost(most: int, steps: list[tuple[str, int]]) -> None:
    asyncio.run(_walk(most, steps))


class Visit:
    """A call that stays until it is told to end."""

    def __init__(self, places: Places, inside: set["Visit"]) -> None:
        self.places, self.inside = places, inside
        self.departure, self.end = Departure(), asyncio.Event()
        self.task = asyncio.create_task(self.run())

    async def run(self) -> int:
        await self.places.enter(self.departure)
        self.inside.add(self)
        seen = len(self.inside)
        try:
            await self.end.wait()
        finally:
            self.inside.remove(self)
            self.places.leave()
        return seen

    def step(self, name: str) -> None:
        match name:
            case "leave":
                self.end.set()
            case "cancel":
                self.task.cancel()
            case "depart":
                self.departure.has_happened = True


async def _walk(most: int, steps: list[tuple[str, int]]) -> None:
    places = Places.for_calls(most)
    visits: list[Visit] = []
    inside: set[Visit] = set()
    for name, number in steps:
        if name == "come":
            visits.append(Visit(places, inside))
        elif visits:
            visits[number % len(visits)].step(name)
        if number % 2:
            await asyncio.sleep(0)
    for visit in visits:
        visit.end.set()
    ended = await asyncio.gather(*(visit.task for visit in visits), return_exceptions=True)

    seen = [each for each in ended if isinstance(each, int)]
    assert {type(each) for each in ended} <= {int, CallerLeftError, asyncio.CancelledError}
    assert all(1 <= each <= most for each in seen)
    assert not inside
    for _ in range(most):
        await asyncio.wait_for(places.enter(), 0.1)


@pytest.mark.parametrize(
    ("environ", "places"),
    [
        ({}, 62),
        ({"MONGO_DB_MAX_POOL_SIZE": "4"}, 16),
        ({"MONGO_DB_MAX_POOL_SIZE": "20"}, 25),
        ({"MONGO_DB_MAX_POOL_SIZE": "500"}, 200),
        ({"MONGO_DB_MAX_POOL_SIZE": "500", "MAX_CALLS": "3"}, 3),
    ],
    ids=str,
)
def test_there_are_a_quarter_more_places_than_connections_unless_they_are_set(
    environ: dict[str, str], places: int
) -> None:
    assert Settings.from_environ({"MONGO_DB_URI": "mongodb://h/", **environ}).calls_at_once == places
    assert (WAITING, admission.WAIT_SECONDS) == (128, 1.0)  # docs/settings.md
