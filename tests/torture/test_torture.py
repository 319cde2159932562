"""The measurements of `make torture`: that each sees what it looks for, and briefly what it promises."""

from typing import Any

from tests.hosts import Server
from tests.torture.ledger import Ledger
from tests.torture.promises import Promise
from tests.torture.report import Row, percentile, table
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
