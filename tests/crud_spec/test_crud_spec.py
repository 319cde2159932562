"""The unified tests of the drivers' CRUD specification, sent as calls to both hosts."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from local.mongod import Mongod
from tests import driver_source
from tests.crud_spec.cases import cases
from tests.crud_spec.matching import matches
from tests.crud_spec.run import Runner
from tests.hosts import Host, Server, Worker

STAGES = "$out,$merge"

_SESSIONS = "db-aggregate-write-readPreference: Database-level aggregate with "
OTHERWISE = {
    "db-aggregate: Aggregate with $listLocalSessions": "it is of admin",
    "db-aggregate: Aggregate with $listLocalSessions and allowDiskUse": "it is of admin",
    f"{_SESSIONS}$out includes read preference for 5.0+ server": "$listLocalSessions is of the whole server",
    f"{_SESSIONS}$merge includes read preference for 5.0+ server": "$listLocalSessions is of the whole server",
    "estimatedDocumentCount: estimatedDocumentCount errors correctly--socket error": "a read is sent again",
    "insertMany: InsertMany continue-on-error behavior with unordered (preexisting duplicate key)": "an error of Atlas",
    "insertMany: InsertMany continue-on-error behavior with unordered (duplicate key in requests)": "an error of Atlas",
}
"""What is not as the tests expect, and why; an error of Atlas's ten actions does not tell what was done."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The specification's tests, unpacked."""
    place = tmp_path_factory.mktemp("source")
    with driver_source.opened() as source:
        source.extractall(place, filter="data")
    [unpacked] = place.iterdir()
    return unpacked / "test" / "crud" / "unified"


@pytest.fixture(params=["worker", "server"])
async def allowing(
    request: pytest.FixtureRequest, worker: Worker, mongod: Mongod, tmp_path: Path, configured: pytest.MonkeyPatch
) -> AsyncIterator[Host]:
    """Each host, where writing stages are allowed."""
    if request.param == "worker":
        configured.setenv("GUARD_ALLOWED_STAGES", STAGES)
        yield worker
    else:
        async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, GUARD_ALLOWED_STAGES=STAGES) as server:
            yield server


@pytest.mark.long
@pytest.mark.full
async def test_what_the_drivers_are_tested_with_holds(
    allowing: Host, key: str, driver: AsyncMongoClient[dict[str, Any]], folder: Path
) -> None:
    runner, sent = Runner(allowing, key, driver), [case for case in cases(folder) if not case.why_not]
    before = await driver.list_database_names()

    failures = {case.name: wrong for case in sent if (wrong := await runner.failure(case))}

    for name in set(await driver.list_database_names()) - {*before}:
        await driver.drop_database(name)
    assert len(sent) > 270
    assert failures.keys() == OTHERWISE.keys(), failures


@pytest.mark.parametrize(
    ("expected", "actual", "are_alike"),
    [
        ({"a": 1}, {"a": 1.0, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {}, False),
        ([{"a": 1}], [{"a": 1}, {"a": 2}], False),
        ({"a": {"$$unsetOrMatches": {"b": 1}}}, {}, True),
        ({"a": {"$$unsetOrMatches": {"b": 1}}}, {"a": {"b": 2}}, False),
        ({"a": {"$$exists": False}}, {"a": None}, False),
        ({"a": {"$$type": "string"}}, {}, False),
    ],
)
def test_what_is_expected_is_compared(expected: Any, actual: Any, are_alike: bool) -> None:
    assert matches(expected, actual) == are_alike
