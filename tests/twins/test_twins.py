"""Nobody bound by rules can tell apart what differs only in what they hide, or write more or less than they say."""

from pathlib import Path
from random import Random

import pytest
from pymongo import AsyncMongoClient

from tests.conftest import restart
from tests.depth import examples
from tests.twins.changes import Changes
from tests.twins.host import SETTINGS, Host
from tests.twins.plain import Document
from tests.twins.reads import Reads
from tests.twins.running import Totals, run
from tests.twins.shrinking import Check
from tests.twins.twins import Twins
from tests.twins.world import World
from tests.twins.writes import Writes

SEEDS = 2  # each is a test, so that workers share them
MORE_SEEDS = 3
MOST_SHOWN = 3


@pytest.fixture
async def world(configured: pytest.MonkeyPatch, driver: AsyncMongoClient[Document], tmp_path: Path) -> World:
    configured.setenv("APP_CONFIG_DIR", str(tmp_path))
    for name, value in {"LOG_LEVEL": "ERROR", **SETTINGS}.items():
        configured.setenv(name, value)
    restart()
    return World(await Host.start(tmp_path, driver), driver)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(MORE_SEEDS))
async def test_twins_cannot_be_told_apart(world: World, seed: int) -> None:
    totals = Totals(Twins(world))
    await refuse_differences(totals, seed, examples(6_000) // MORE_SEEDS)
    assert totals.useful > 0.3, str(totals)
    assert world.changed > totals.calls * 0.01, str(totals)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_is_read_is_what_the_rules_show(world: World, seed: int) -> None:
    totals = Totals(Reads(world))
    await refuse_differences(totals, seed, examples(2_000) // SEEDS)
    assert totals.useful > 0.8, str(totals)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_is_written_is_what_the_rules_say(world: World, seed: int) -> None:
    totals = Totals(Writes(world))
    await refuse_differences(totals, seed, examples(2_000) // SEEDS)
    assert totals.useful > 0.3, str(totals)
    assert world.changed > totals.calls * 0.1, str(totals)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_changes_of_twins_are_told_alike_and_as_the_rules_say(world: World, seed: int) -> None:
    totals = Totals(Changes(world))
    await refuse_differences(totals, seed, examples(600) // SEEDS)
    assert totals.useful > 0.8, str(totals)


async def test_the_same_seed_asks_the_same(world: World) -> None:
    assert await asked(Twins(world)) == await asked(Twins(world))


async def asked(check: Check) -> list[str]:
    found = []
    for number in range(4):
        random = Random(f"7 {number}")
        case = await check.case(random)
        found.append(repr((case, list(check.calls(random, case)) if case else [])))
    return found


async def refuse_differences(totals: Totals, seed: int, calls: int) -> None:
    found: list[str] = []
    async for each in run(totals, str(seed), calls):
        found.append(f"seed {seed}, case {each.number}\n{each}")
        if len(found) == MOST_SHOWN:
            break
    assert not found, "\n\n".join([*found, str(totals)])
