"""The memory that large calls share: never exceeded together, never lost, and nobody waits for ever."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examined
from hypothesis import strategies as st

from shared import budget
from shared.budget import LARGE, LARGE_AT_ONCE, UNCOUNTED, Budget, Share, bytes_of, held_by, work_on
from shared.errors import OverloadedError
from shared.settings import Settings
from tests.depth import examples

MB = 1024 * 1024
SECONDS = budget.WAIT_SECONDS


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "WAIT_SECONDS", 0.2)


async def is_granted(taking: Any) -> bool:
    task = asyncio.ensure_future(taking)
    await asyncio.sleep(0.01)
    if task.done():
        await task
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


async def test_what_does_not_fit_waits_for_what_is_given_back() -> None:
    shared = Budget(10 * MB)
    first, second = Share(shared), Share(shared)
    await first.hold(8 * MB)
    waiting = asyncio.create_task(second.hold(4 * MB))
    await asyncio.sleep(0.05)

    assert not waiting.done()
    first.end()
    await waiting
    assert (first.counted, second.counted) == (0, 4 * MB)


async def test_what_does_not_fit_in_time_is_refused(hasty: None) -> None:
    shared = Budget(10 * MB)
    first, second = Share(shared), Share(shared)
    await first.hold(8 * MB)

    with pytest.raises(OverloadedError, match=r"^too many large calls at once$"):
        await second.hold(4 * MB)
    second.end()
    await second.hold(2 * MB)


async def test_the_first_call_may_hold_more_than_there_is_and_small_ones_go_on() -> None:
    shared = Budget(10 * MB)
    alone, small, large = Share(shared), Share(shared), Share(shared)

    await alone.hold(50 * MB)
    await alone.hold(50 * MB)

    await small.hold(UNCOUNTED)
    assert not await is_granted(large.hold(UNCOUNTED + 1))


async def test_of_calls_that_would_wait_for_each_other_the_first_goes_on() -> None:
    shared = Budget(10 * MB)
    first, second, third = Share(shared), Share(shared), Share(shared)
    await first.hold(5 * MB)
    await second.hold(5 * MB)
    waiting = asyncio.create_task(second.hold(2 * MB))
    behind = asyncio.create_task(third.hold(MB))
    await asyncio.sleep(0.01)

    await asyncio.wait_for(first.hold(20 * MB), 20)
    assert not waiting.done()
    first.end()
    await asyncio.gather(waiting, behind)
    assert (second.counted, third.counted) == (7 * MB, MB)


async def test_who_becomes_the_first_goes_on_before_those_who_waited_before() -> None:
    shared = Budget(10 * MB)
    first, second, third = Share(shared), Share(shared), Share(shared)
    await first.hold(2 * MB)
    await second.hold(8 * MB)
    before = asyncio.create_task(third.hold(9 * MB))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(second.hold(8 * MB))
    await asyncio.sleep(0)

    first.end()
    await asyncio.wait_for(waiting, 20)
    assert not before.done()
    second.end()
    await before


async def test_few_large_calls_are_worked_on_at_a_time_and_any_number_arrives() -> None:
    shared = Budget(1_000 * MB)
    shares = [Share(shared) for _ in range(5)]
    for share in shares:
        await share.hold(LARGE)

    begun = [await is_granted(share.work_on(1)) for share in shares]

    assert begun == [True] * LARGE_AT_ONCE + [False] * (5 - LARGE_AT_ONCE)
    assert await is_granted(Share(shared).work_on(LARGE))  # which is not large yet
    shares[0].end_work()
    assert await is_granted(shares[-1].work_on(1))
    assert shares[0].counted > 0


async def test_what_is_read_inside_is_held_by_the_call_and_outside_by_nobody() -> None:
    shared = Budget(MB)
    share = Share(shared)

    with held_by(share):
        await work_on(5 * MB)
    await work_on(5 * MB)

    assert share.counted == 5 * MB
    assert await is_granted(shared.large.enter())
    assert await is_granted(shared.large.enter())


STEPS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["hold", "end", "cancel"]), st.integers(1, 12)), max_size=60
)


@examined(max_examples=examples(1_500), deadline=None)
@given(steps=STEPS)
def test_nothing_is_exceeded_or_lost(steps: list[tuple[int, str, int]]) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[tuple[int, str, int]]) -> None:
    most = 10 * MB
    shared = Budget(most)
    shares = [Share(shared) for _ in range(5)]
    tasks: dict[int, asyncio.Task[None]] = {}
    for number, step, size in steps:
        task = tasks.get(number)
        is_waiting = task is not None and not task.done()
        if step == "hold" and not is_waiting:
            tasks[number] = asyncio.create_task(shares[number].hold(size * MB))
        elif step == "cancel" and task is not None:
            task.cancel()
        elif step == "end" and not is_waiting:
            shares[number].end()
        for _ in range(size % 3):
            await asyncio.sleep(0)
        assert sum(sorted(share.counted for share in shares)[:-1]) <= most
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    for share in shares:
        share.end()
    await asyncio.wait_for(Share(shared).hold(most), 20)


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        pytest.param({}, {}, 192 * MB, id="no container"),
        pytest.param({"memory.max": "max\n"}, {}, 192 * MB, id="no limit"),
        pytest.param({"memory.max": f"{512 * MB}\n"}, {}, 192 * MB, id="half a gigabyte"),
        pytest.param({"memory.max": f"{2048 * MB}\n"}, {}, 192 * MB, id="two gigabytes"),
        pytest.param({"memory.max": f"{64 * MB}\n"}, {}, 32 * MB, id="too little"),
        pytest.param({"memory.max": f"{1024 * MB}\n"}, {"WEB_CONCURRENCY": "4"}, 64 * MB, id="four processes"),
        pytest.param({"memory/memory.limit_in_bytes": f"{512 * MB}\n"}, {}, 192 * MB, id="version 1"),
        pytest.param({"memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, {}, 192 * MB, id="version 1 without"),
        pytest.param({"memory.max": f"{512 * MB}\n"}, {"MEMORY_BUDGET_BYTES": "1000"}, 1_000, id="set"),
    ],
)
def test_the_budget_follows_from_the_limit_of_the_container(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], expected: int
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)

    assert bytes_of(Settings.from_environ({"MONGO_DB_URI": "mongodb://h/", **environ}), tmp_path) == expected


def test_the_numbers_are_those_of_the_decision() -> None:
    assert (UNCOUNTED, LARGE, LARGE_AT_ONCE, SECONDS) == (64 * 1024, MB, 2, 5.0)
