"""`triggers`: the process that runs those of the app, and what its operator sees."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from local.mongod import Mongod
from shared.app import background_triggers
from shared.endpoint import inner_calls
from shared.triggers import calls, runner, scheduled, waiting
from shared.triggers.leases import LEASE_SECONDS
from tests.admin.conftest import Command, Process, told
from tests.functions.rules.conftest import SETTINGS
from tests.hosts import ROOT, eventually

CONTROL = "triggering"
PAGE = (ROOT / "docs" / "functions.md").read_text().partition("## How do triggers run?")[2]
NOTES = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)[0]
ON_ORDERS = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
NIGHTLY = {
    "name": "nightly", "type": "SCHEDULED", "config": {"schedule": "30 2 * * MON"},
    "event_processors": {"FUNCTION": {"config": {"function_name": "notes"}}},
}  # fmt: skip
ON_LOGIN = {
    "name": "greet", "type": "AUTHENTICATION", "function_name": "notes",
    "config": {"operation_type": "LOGIN", "providers": ["local-userpass"]},
}  # fmt: skip


@pytest.fixture
async def records(driver: AsyncMongoClient[dict[str, Any]]) -> Any:
    """What is stored of triggers: nothing."""
    await driver[CONTROL]["triggers"].delete_many({})
    return driver[CONTROL]["triggers"]


@pytest.fixture
def command(mongod: Mongod, tmp_path: Path, records: Any) -> Command:
    """The command with an app that has a trigger of each type."""
    app = shutil.copytree(ROOT / "tests" / "apps" / "shop", tmp_path / "shop")
    (app / "functions" / "notes.js").write_text(NOTES)
    (app / "triggers").mkdir()
    for trigger in (ON_ORDERS, NIGHTLY, ON_LOGIN):
        (app / "triggers" / f"{trigger['name']}.json").write_text(json.dumps(trigger))
    settings = SETTINGS | {"MONGO_DB_URI": mongod.uri, "DOZEN_DATABASE": CONTROL, "APP_CONFIG_DIR": str(app)}
    return Command(tmp_path, **settings, COLUMNS="80")


@pytest.fixture
async def started(command: Command) -> AsyncIterator[Callable[[], Process]]:
    """Start a process that runs triggers; it is ended after the test."""
    processes: list[Process] = []

    def start() -> Process:
        processes.append(command.start("triggers", "run", stdout=subprocess.PIPE))
        return processes[-1]

    yield start
    for each in processes:
        each.kill()
        each.communicate()


async def test_a_process_that_is_killed_is_followed_by_one_that_misses_nothing(
    started: Callable[[], Process], records: Any, database: Any
) -> None:
    async def is_ready() -> bool:
        return await records.find_one({"_id": "notes", "token": {"$exists": True}}) is not None

    async def has_begun() -> bool:
        return bool(await database["seen"].count_documents({}) >= 3)

    async def has_done_all() -> bool:
        return len(await database["seen"].distinct("of")) == 40

    first = started()
    await eventually(is_ready, 60)
    await database["orders"].insert_many([{"_id": number} for number in range(40)])
    await eventually(has_begun)
    first.kill()
    first.wait()
    await records.update_one({"_id": "notes"}, {"$unset": {"expires": ""}})  # which takes ten seconds by itself
    second = started()
    await eventually(has_done_all, 60)
    second.send_signal(signal.SIGTERM)
    log, errors = second.communicate(timeout=60)

    assert (second.returncode, errors) == (0, b"")
    seen = await database["seen"].find(sort={"$natural": 1}).to_list()
    assert list(dict.fromkeys(each["of"] for each in seen)) == list(range(40))
    assert {(each["type"], each["system"]) for each in seen} == {("insert", True)}
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"a trigger runs", "console"} <= {line["message"] for line in lines}
    stored = await records.find_one({"_id": "notes"})
    assert stored["holder"] == ""
    assert "failed" not in stored


def test_an_app_without_such_triggers_has_nothing_to_run(command: Command) -> None:
    shutil.rmtree(command.folder / "shop" / "triggers")

    done = told(command("triggers", "run"))

    assert (done.returncode, done.stdout) == (1, "")
    assert "the app has no trigger to run" in done.stderr


def test_a_check_of_the_app_says_which_there_are(command: Command) -> None:
    done = told(command("app", "check"))

    assert "Triggers that `dozen triggers run` runs: nightly, notes." in done.stdout.splitlines()


def test_they_are_listed_within_80_columns(command: Command) -> None:
    done = told(command("triggers", "list"))

    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert [line.split(maxsplit=2)[:2] for line in lines] == [
        ["Name", "Type"], ["greet", "AUTHENTICATION"], ["nightly", "SCHEDULED"], ["notes", "DATABASE"],
    ]  # fmt: skip
    assert "shop.orders" in lines[3]
    assert "30 2 * * MON" in lines[2]
    assert max(map(len, lines)) <= 80
    assert json.loads(told(command("triggers", "list", "--json")).stdout)[2] == {
        "name": "notes", "type": "DATABASE", "when": "shop.orders", "function": "notes",
    }  # fmt: skip


async def test_what_is_suspended_is_shown_and_resumed(command: Command, records: Any) -> None:
    at = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    failure = {"at": at, "function": "notes", "type": "FunctionFailedError", "error": "no", "event_id": "82"}
    suspended = {"reason": "MongoDB no longer has the changes that follow", "at": at}
    await records.insert_one(
        {"_id": "notes", "holder": "", "stored": at, "failed": 7, "failures": [failure], "suspended": suspended}
    )

    shown, one = told(command("triggers", "status")), told(command("triggers", "status", "notes"))
    document = json.loads(told(command("triggers", "status", "--json")).stdout)
    resumed = told(command("triggers", "resume", "notes"))
    again = told(command("triggers", "resume", "notes"))

    assert (shown.returncode, resumed.returncode, again.returncode) == (1, 0, 1)
    header, nightly, notes, why = shown.stdout.splitlines()
    assert header.split() == ["Name", "State", "Last", "stored", "Failed"]
    assert nightly.split() == ["nightly", "waits", "0"]
    assert notes.split() == ["notes", "suspended", "2026-11-26", "12:00:00", "UTC", "7"]
    assert max(map(len, map(str.rstrip, (header, nightly, notes)))) <= 80
    assert why == "notes: MongoDB no longer has the changes that follow; `triggers resume` lets it go on"
    assert one.stdout.splitlines()[-1] == "2026-11-26 12:00:00 notes: no"
    assert document[1]["state"] == "suspended"
    assert document[1]["failures"] == [failure | {"at": "2026-11-26T12:00:00Z"}]
    assert "is not suspended" in again.stderr
    assert await records.find_one({"_id": "notes", "suspended": None}) is not None


@pytest.mark.parametrize(("options", "kept"), [((), True), (("--from-now",), False)], ids=["behind", "from now"])
async def test_a_trigger_is_resumed_behind_what_it_did_or_from_now(
    command: Command, records: Any, options: tuple[str, ...], kept: bool
) -> None:
    await records.insert_one({"_id": "notes", "token": {"_data": "82"}, "suspended": {"reason": "x"}})

    command("triggers", "resume", "notes", *options)

    assert ("token" in await records.find_one({"_id": "notes"})) is kept


@pytest.mark.parametrize("name", ["other", "greet"])
def test_a_trigger_that_is_not_there_is_named(command: Command, name: str) -> None:
    for done in (told(command("triggers", "resume", name)), told(command("triggers", "status", name))):
        assert done.returncode == 1
        assert f"no database or scheduled trigger '{name}'" in done.stderr


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    for sentence in (
        f"takes over after about {LEASE_SECONDS:.0f} seconds",
        f"if it ended in order, within {LEASE_SECONDS / 5:.0f} seconds",
        f"get {runner.GRACE_SECONDS:.0f} seconds",
        f"may take {inner_calls.RUN_MS // 1000} seconds",
        f"{background_triggers._PARALLEL} events are handled at a time, with `maximum_throughput` "
        f"{background_triggers._MOST_PARALLEL}",
        f"the last {calls.MOST_FAILURES} of each trigger",
        f"the first {calls._LONGEST_ERROR} characters",
        f"after at most {waiting._LONGEST_SECONDS:.0f} seconds",
        f"not later than {scheduled._LATE.seconds} seconds",
    ):
        assert sentence in PAGE


async def test_it_tells_authentication_triggers_what_was_left_over(
    started: Callable[[], Process], command: Command, driver: AsyncMongoClient[dict[str, Any]], database: Any
) -> None:
    events = driver[CONTROL]["user_events"]
    await events.delete_many({})
    told_of = {"operationType": "LOGIN", "documentKey": {"_id": "ann"}}
    await events.insert_one({"trigger": "greet", "event": told_of, "tries": 1, "due": datetime(2026, 1, 1, tzinfo=UTC)})
    for name in ("notes", "nightly"):
        (command.folder / "shop" / "triggers" / f"{name}.json").unlink()

    async def is_told() -> bool:
        return bool(await events.count_documents({}) == 0)

    process = started()
    await eventually(is_told, 60)
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert await database["seen"].distinct("of") == ["ann"]
