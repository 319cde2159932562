"""Long work is done in turns with everything else on the event loop."""

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

import pytest

from shared import turns
from shared.access import inserts
from shared.documents import large_bodies, replies
from shared.errors import DeadlinePassedError
from shared.guard.walk import walk
from shared.mongo import reads
from shared.mongo.deadlines import driver_call
from shared.operators import Place
from shared.turns import FullCollections, Steps
from tests.steps import share_of_longest

ROOT = Path(__file__).parent.parent.parent


def busy(seconds: float) -> Steps[str]:
    """Work so long, in steps of a millisecond of processor time: others may have the processor meanwhile."""
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        step = time.thread_time() + 0.001
        while time.thread_time() < step:
            pass
        yield
    return "done"


async def test_others_have_their_turn_after_some_milliseconds() -> None:
    work, had = asyncio.create_task(turns.taken(busy(0.3))), 0
    while not work.done():
        await asyncio.sleep(0)
        had += 1

    assert await work == "done"
    assert had > 10


async def test_a_deadline_ends_work_between_its_steps() -> None:
    started = time.thread_time()

    with pytest.raises(DeadlinePassedError), driver_call(100):
        await turns.taken(busy(10))

    assert time.thread_time() - started < 5


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


@pytest.mark.parametrize(
    "query",
    [
        {"$or": [{"a": {"$in": list(range(100_000))}}] * 30},
        {"$or": [{f"a{n}": {"$gt": 1}} for n in range(200_000)]},
        {"a": {"$in": [{"b": n} for n in range(300_000)]}},
    ],
    ids=["operands", "conditions", "documents"],
)
def test_no_step_of_the_walk_through_a_filter_is_most_of_it(query: dict[str, Any]) -> None:
    with FullCollections():
        assert share_of_longest(walk([(Place.QUERY, query)])) < 0.7


def test_the_decision_names_the_sizes_that_the_code_has() -> None:
    decision = (ROOT / "docs/decisions/0034-turns-on-the-event-loop.md").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert f"from {large_bodies.LARGE // 1024} KB on" in decision
    assert f"after {turns.SECONDS * 1e3:.0f} ms it lets others go first" in decision
    assert f"commands of {inserts.MOST_DOCUMENTS:,} documents or {inserts.MOST_BYTES // 1024**2} MB" in decision
    assert f"asked for {reads.AT_ONCE:,} documents at a time" in decision
    assert f"{replies.PIECE // 1024} KB at a time" in decision
    assert f"commands of {inserts.MOST_DOCUMENTS:,} documents" in changelog
    assert f"ask for {reads.AT_ONCE:,} documents at a time" in changelog
