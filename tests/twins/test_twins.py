"""Nobody whom rules bind can tell apart what differs only in what they hide."""

from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from tests.conftest import restart
from tests.depth import examples
from tests.twins.comparing import Comparison
from tests.twins.host import Host
from tests.twins.plain import Document
from tests.twins.running import Totals, run

SEEDS = 4  # tests, which workers share


@pytest.fixture
async def host(configured: pytest.MonkeyPatch, driver: AsyncMongoClient[Document], tmp_path: Path) -> Host:
    configured.setenv("APP_CONFIG_DIR", str(tmp_path))
    configured.setenv("LOG_LEVEL", "ERROR")
    restart()
    return await Host.start(tmp_path, driver)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_twins_cannot_be_told_apart(host: Host, driver: AsyncMongoClient[Document], seed: int) -> None:
    totals = Totals(Comparison(host, driver))
    found = [str(each) async for each in run(totals, str(seed), examples(20_000) // SEEDS)]
    assert not found, "\n\n".join([*found, str(totals)])
    assert totals.useful > 0.3, str(totals)
    assert totals.comparison.changed > totals.calls * 0.02, str(totals)
