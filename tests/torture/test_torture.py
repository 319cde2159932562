"""The measurements of `make torture`: that each sees what it looks for, and briefly what it promises."""

import re
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.conftest import DATABASE, FailPoint, request_body
from tests.depth import examples
from tests.edge import action
from tests.functions.rules.test_every_action import CALLS
from tests.hosts import ROOT, Server, eventually
from tests.torture import promises
from tests.torture.__main__ import PARTS
from tests.torture.bulky import Bulky, Calls
from tests.torture.callers import Callers, Load
from tests.torture.cases import Case, cases
from tests.torture.fuzz import REQUESTS, TRANSACTION, Judge, fuzz
from tests.torture.ledger import Ledger
from tests.torture.place import Place, ask
from tests.torture.promises import Promise
from tests.torture.report import Row, percentile, table
from tests.torture.watched_server import WatchedServer
from tests.traffic import Connection


def short(rows: list[Row]) -> list[str]:
    return [row.what.partition(": ")[2] for row in rows if not row.ok]


async def filled(server: Server, key: str, database: Any) -> Ledger:
    """Return the ledger of a few writes."""
    async with Ledger(server.port, key).load(database) as ledger:
        connection = await Connection(server.port, key).open()
        while len(ledger.acknowledged) < 48:
            await connection.send("findOne")
            await connection.receive()
        await connection.close()
    return ledger


async def test_the_ledger_of_a_quiet_service_is_in_order(server: Server, key: str, database: Any) -> None:
    ledger = await filled(server, key, database)

    assert short(await ledger.rows("quiet", database)) == []


async def test_the_ledger_sees_what_is_lost_doubled_and_done_against_a_promise(
    server: Server, key: str, database: Any
) -> None:
    ledger = await filled(server, key, database)
    one, many, pushed = (f"write {number}" for number in (0, 16, 32))
    await database.items.delete_one({"write": many, "part": 1})
    await database.items.insert_one({"write": one, "part": 0})
    await database.items.update_one({"writes": pushed}, {"$push": {"writes": pushed}})
    ledger.invited.add(one)

    rows = await ledger.rows("broken", database)

    assert [row.seen.partition(" ")[0] for row in rows] == ["1", "2", "0", "1", "0"]
    assert rows[0].seen == f"1 (of {len(ledger.acknowledged)})"


def test_a_table_says_what_falls_short() -> None:
    slow, useful, wrong = (
        Promise("a", "slow", 1, "s"),
        Promise("b", "useful", 80, "%", is_least=True),
        Promise("c", "wrong", 0),
    )
    rows = [slow.row("here", 1.25), useful.row("there", 90), wrong.none_of("nowhere", ["it is wrong"], "of 7")]

    lines = table(rows).splitlines()

    assert [row.ok for row in rows] == [False, True, False]
    assert [line.split() for line in lines[:3]] == [
        ["figure", "limit", "seen", "ok"],
        ["here:", "slow", "at", "most", "1", "s", "1.25", "s", "NO"],
        ["there:", "useful", "at", "least", "80", "%", "90", "%", "yes"],
    ]
    assert lines[4] == "      it is wrong"
    assert lines[-1] == "3 figures, 2 fall short"


def test_a_percentile_of_nothing_is_no_good_figure() -> None:
    assert percentile(range(1, 101), 0.99) == 100
    assert not Promise("a", "p99", 1).row("nowhere", percentile([], 0.99)).ok


def promised() -> list[Promise]:
    found: list[Promise] = []
    for value in vars(promises).values():
        found += [value] if isinstance(value, Promise) else []
    return found + [each for useful in promises.USEFUL.values() for each in useful.values()]


def test_the_page_states_each_promise_with_its_figure_and_command() -> None:
    page = (ROOT / "docs/reliability.md").read_text()

    rows = re.findall(r"^\| (.+) \| (.+) \| `(.+)` \|$", page, re.MULTILINE)

    assert sorted(rows) == sorted((each.text, each.figure, each.command) for each in promised())


def test_no_figure_of_the_page_stands_outside_its_tables() -> None:
    page = (ROOT / "docs/reliability.md").read_text()

    prose = re.sub(r"^\|.*$|`[^`]*`|\[\d+\]\(\S+\)|\b50[34]\b", "", page, flags=re.MULTILINE)

    assert re.findall(r".*\d.*", prose) == []


def test_every_promise_is_measured_by_a_part_that_can_be_run() -> None:
    sources = [
        path for path in Path(__file__).parent.glob("*.py") if path.name not in {"promises.py", Path(__file__).name}
    ]
    code = "".join(path.read_text() for path in sources)
    names = [name for name, value in vars(promises).items() if isinstance(value, Promise)]

    assert [name for name in names if not re.search(rf"\b{name}\.(row|none_of)\b|\b{name}\b[,)]", code)] == []
    assert {part for each in promised() for part in each.parts.split()} == PARTS.keys()


async def test_callers_come_at_a_rate_and_are_counted(server: Server, key: str, database: Any) -> None:
    load = Load(port=server.port, request=action("findOne", key, last=False), seconds=0.5, rate=100)

    tally = await Callers(load).run()

    assert (tally.came, tally.answered, tally.left, tally.lost) == (50, {200: 50}, 0, 0)
    assert 0 < tally.p50_ms <= tally.p99_ms < 1_000


async def test_callers_who_wait_too_long_leave(server: Server, key: str, fail_point: FailPoint, database: Any) -> None:
    await fail_point("find", times=1, blockConnection=True, blockTimeMS=1_500, namespace=f"{DATABASE}.items")
    load = Load(port=server.port, request=action("findOne", key, last=False), seconds=0.1, rate=20)

    tally = await Callers(load).run()

    assert (tally.came, tally.answered, tally.left) == (2, {200: 1}, 1)
    assert promises.ADMITTED.row("here", tally.p99_ms).ok  # of the one that was served


async def test_callers_of_big_calls_count_what_came(server: Server, key: str, database: Any) -> None:
    requests = {"find": (2, action("find", key)), "nothing": (1, action("findOne", "nobody's"))}

    came = await (await Bulky.start(Calls(port=server.port, seconds=0.2, requests=requests))).came()

    assert came.statuses["find"].keys() == {200}
    assert came.other_than(200) == [f"nothing: {came.statuses['nothing'][401]} times 401"]


async def test_a_watched_loop_tells_for_how_long_others_had_no_turn(
    mongod: Mongod, key: str, database: Any, tmp_path: Path
) -> None:
    async with WatchedServer(tmp_path / "log", MONGO_DB_URI=mongod.uri) as server:

        async def has_a_new_line() -> bool:
            return len(server.seen("block_ms")) > seen

        seen = len(server.seen("block_ms"))
        await eventually(has_a_new_line)
        seen = len(server.seen("block_ms"))
        body = request_body(documents=[{"n": number} for number in range(20_000)])
        status, _ = await ask(server.port, action("insertMany", key, body=body))
        await eventually(has_a_new_line)

        assert status == 201
        assert max(server.seen("block_ms", seen)) > 1
        assert min(server.seen("tasks")) > 0


async def test_random_requests_are_answered_or_refused(tmp_path: Path) -> None:
    rows = await fuzz(Place(tmp_path, cases=examples(10_000)))

    assert [row for row in rows if row.what.endswith(promises.FUZZ_FAULTS.text) and not row.ok] == []


def test_every_action_meets_random_requests() -> None:
    assert {case.action for case in cases(2_000, 1)} == {*REQUESTS, TRANSACTION}


@pytest.mark.parametrize("name", [name for name in REQUESTS if name in CALLS])
async def test_a_right_request_is_judged(name: str) -> None:
    case = Case(name, request_body(**CALLS[name], comment="x", maxTimeMS=500), (), "", is_system=True)

    status, fault = await Judge(0).outcome(case)

    assert (status < 500, fault) == (True, None)


async def test_most_random_requests_are_nearly_right() -> None:
    judge = Judge(0)

    statuses = [
        status for status, _ in [await judge.outcome(case) for case in cases(800, 0) if case.action != "transaction"]
    ]

    assert statuses.count(200) > 150  # hypothesis draws from the constants of all modules that a process has loaded


def test_the_same_seed_makes_the_same_requests() -> None:
    assert repr(cases(40, 7)) == repr(cases(40, 7))
