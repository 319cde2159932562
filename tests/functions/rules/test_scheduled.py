"""The timer of Azure's host, which runs the app's scheduled triggers, where it is asked for."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.scheduled import scheduled
from shared import settings
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

    assert settings.has_timer() is expected


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


async def test_the_timer_runs_what_is_due_once(
    worker: Worker, scripts: Scripts, tmp_path: Path, database: Any, driver: Any
) -> None:
    triggers = tmp_path / "shop" / "triggers"
    triggers.mkdir()
    (triggers / "often.json").write_text(
        json.dumps({"name": "often", "type": "SCHEDULED", "function_name": "f", "config": {"schedule": "* * * * *"}})
    )
    scripts(f='exports = () => context.services.get("mongodb-atlas").db("shop").collection("ran").insertOne({});')
    stored = driver["dozen"]["triggers"]
    await stored.delete_many({})
    await stored.insert_one({"_id": "often", "last": datetime.now(UTC) - timedelta(minutes=5)})

    for _ in range(2):
        await scheduled(TIMER)

    ran = await database["ran"].count_documents({})
    kept = await stored.find_one({"_id": "often"})
    await stored.delete_many({})
    assert ran == 1
    assert (kept["holder"], "failed" in kept) == ("", False)
