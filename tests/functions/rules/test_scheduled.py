"""The timer of Azure's host, which runs the app's scheduled triggers, where it is asked for."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions import scheduled as module
from functions.scheduled import scheduled
from shared import environment
from shared.triggers.runner import GRACE_SECONDS
from tests.functions.rules.conftest import Scripts
from tests.hosts import ROOT, Worker

TIMER: Any = None  # which says nothing that is needed
TIMERS = """
import function_app
for function in function_app.app.get_functions():
    trigger = function.get_trigger()
    if trigger.get_binding_name() != "httpTrigger":
        print(function.get_function_name(), trigger.get_binding_name(), trigger.schedule)
"""


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SCHEDULES_BY_TIMER": "on"}, False),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, False),
        ({"FUNCTIONS_WORKER_RUNTIME": "python", "SCHEDULES_BY_TIMER": "maybe"}, False),
        ({"FUNCTIONS_WORKER_RUNTIME": "python", "SCHEDULES_BY_TIMER": "on"}, True),
    ],
    ids=str,
)
def test_a_timer_is_asked_for_in_azures_host_only(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: bool
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert environment.has_timer() is expected


def test_the_host_finds_the_timer_that_is_asked_for() -> None:
    environ = {"MONGO_DB_URI": "mongodb://127.0.0.1:1", "FUNCTIONS_WORKER_RUNTIME": "python"}

    done = subprocess.run(
        [sys.executable, "-c", TIMERS],
        cwd=ROOT,
        env=environ | {"SCHEDULES_BY_TIMER": "on"},
        capture_output=True,
        check=True,
        text=True,
    )

    assert done.stdout.splitlines() == ["scheduled timerTrigger 0 * * * * *"]


@pytest.fixture
async def stored(tmp_path: Path, scripts: Scripts, driver: Any) -> AsyncIterator[Any]:
    """What is stored of triggers, of which one calls the function f: it was due two minutes ago, and is in a year."""
    now = datetime.now(UTC)
    triggers = tmp_path / "shop" / "triggers"
    triggers.mkdir()
    once = {"schedule": f"{now - timedelta(minutes=2):%M %H %d %m} *"}
    (triggers / "once.json").write_text(
        json.dumps({"name": "once", "type": "SCHEDULED", "function_name": "f", "config": once})
    )
    stored = driver["dozen"]["triggers"]
    await stored.delete_many({})
    await stored.insert_one({"_id": "once", "last": now - timedelta(minutes=5)})
    yield stored
    await stored.delete_many({})


async def test_a_run_that_has_no_end_is_given_up_before_the_host_ends_the_process(
    worker: Worker, stored: Any, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts(f="exports = () => new Promise((done) => setTimeout(done, 60000));")
    monkeypatch.setattr(module, "RUN_SECONDS", 0.3)

    await scheduled(TIMER)

    kept = await stored.find_one({"_id": "once"})
    assert (kept["holder"], kept["failed"]) == ("", 1)


def test_runs_end_before_the_host_ends_the_process() -> None:
    hours, minutes, seconds = map(int, json.loads((ROOT / "host.json").read_text())["functionTimeout"].split(":"))

    assert (hours * 60 + minutes) * 60 + seconds > module.RUN_SECONDS + GRACE_SECONDS
    assert f"by the timer of Azure's host {module.RUN_SECONDS}," in (ROOT / "docs" / "functions.md").read_text()


async def test_the_timer_runs_what_is_due_once(worker: Worker, stored: Any, scripts: Scripts, database: Any) -> None:
    scripts(f='exports = () => context.services.get("mongodb-atlas").db("shop").collection("ran").insertOne({});')

    for _ in range(2):
        await scheduled(TIMER)

    ran = await database["ran"].count_documents({})
    kept = await stored.find_one({"_id": "once"})
    assert ran == 1
    assert (kept["holder"], "failed" in kept) == ("", False)
