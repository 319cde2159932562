"""Long work is done in turns with everything else on the event loop."""

import asyncio
import gc
import time

import pytest

from shared import turns
from shared.errors import DeadlinePassedError
from shared.mongo.deadlines import driver_call
from shared.turns import FullCollections, Steps


def busy(seconds: float) -> Steps[str]:
    """Work so long, in steps of a millisecond."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        step = time.monotonic() + 0.001
        while time.monotonic() < step:
            pass
        yield
    return "done"


async def test_others_have_their_turn_after_some_milliseconds() -> None:
    longest, waited = 0.0, time.monotonic()
    work = asyncio.create_task(turns.taken(busy(0.3)))
    while not work.done():
        await asyncio.sleep(0)
        longest, waited = max(longest, time.monotonic() - waited), time.monotonic()

    assert await work == "done"
    assert longest < 0.1


async def test_a_deadline_ends_work_between_its_steps() -> None:
    started = time.monotonic()

    with pytest.raises(DeadlinePassedError), driver_call(100):
        await turns.taken(busy(10))

    assert time.monotonic() - started < 1


async def test_an_error_of_the_work_is_the_callers() -> None:
    def wrong() -> Steps[None]:
        yield
        raise KeyError

    with pytest.raises(KeyError):
        await turns.taken(wrong())


def test_full_collections_are_put_off_until_the_last_call_ends() -> None:
    before, collections = gc.get_threshold(), FullCollections()

    with collections:
        with collections:
            assert gc.get_threshold()[2] > 1_000_000
        assert gc.get_threshold()[2] > 1_000_000

    assert gc.get_threshold() == before
