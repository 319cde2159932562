"""Every action keeps the terms of its caller or refuses them: none is ignored by what writes."""

from typing import Any

import pytest

from tests.conftest import restart
from tests.functions.rules.test_every_action import CALLS
from tests.functions.test_terms import KEY, Terms
from tests.hosts import Worker
from tests.test_actions import ACTIONS

STAGES = {"$out": {"$out": "copies"}, "$merge": {"$merge": "copies"}}
EVERY = {name: (name, CALLS[name]) for name in ACTIONS if name in CALLS}
EVERY |= {f"aggregate {name}": ("aggregate", {"pipeline": [stage]}) for name, stage in STAGES.items()}
EVERY |= {
    f"transaction {name}": ("transaction", {"operations": [{"action": "aggregate", "pipeline": [stage]}]})
    for name, stage in STAGES.items()
}

every_call = pytest.mark.parametrize(("action", "members"), EVERY.values(), ids=EVERY)


@pytest.fixture
async def send(worker: Worker, key: str, configured: pytest.MonkeyPatch, database: Any, driver: Any) -> Terms:
    """Post to the worker where pipelines may write, on two documents, without stored replies."""
    configured.setenv("GUARD_ALLOWED_STAGES", "out, merge")
    restart()
    await driver["dozen"]["replies"].delete_many({})
    await database.items.insert_many([{"_id": number, "n": 1, "owner": "ANN"} for number in (1, 2)])
    return Terms(worker, key)


async def everything(database: Any) -> dict[str, list[Any]]:
    names = sorted(await database.list_collection_names())
    return {name: await database[name].find(sort={"_id": 1}).to_list() for name in names}


@every_call
@pytest.mark.parametrize(
    "header", ["Dozen-Max-Affected: 0", "Prefer: handling=strict, max-affected=0", "Dozen-Dry-Run: true"]
)
async def test_what_may_change_nothing_changes_nothing(
    send: Terms, database: Any, action: str, members: dict[str, Any], header: str
) -> None:
    name, _, value = header.partition(": ")
    before = await everything(database)

    answer = await send(action, {name: value}, **members)

    assert answer.status in {ACTIONS[action].success, 400}, answer.body
    assert await everything(database) == before


@every_call
async def test_what_is_sent_again_is_done_once(
    send: Terms, database: Any, action: str, members: dict[str, Any]
) -> None:
    before = await everything(database)

    first = await send(action, KEY, **members)
    after = await everything(database)
    again = await send(action, KEY, **members)

    assert await everything(database) == after
    assert (first.status, after == before) != (400, False), first.body
    assert after == before or again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ["Idempotency-Key", "Dozen-Max-Affected", "Dozen-Dry-Run", "Prefer"])
async def test_a_pipeline_that_writes_refuses_each_term_by_name(
    send: Terms, database: Any, stage: str, name: str
) -> None:
    values = {"Dozen-Dry-Run": "true", "Prefer": "handling=strict, max-affected=9"}

    answer = await send("aggregate", {name: values.get(name, "9")}, pipeline=[STAGES[stage]])

    assert (answer.status, answer.json["error_code"]) == (400, "InvalidParameter")
    assert stage in answer.json["error"]
    assert name in answer.json["error"]
    assert await database.list_collection_names() == ["items"]


async def test_headers_that_are_no_terms_hinder_no_pipeline(send: Terms, database: Any) -> None:
    headers = {"Dozen-Dry-Run": "false", "Prefer": "return=minimal"}

    answer = await send("aggregate", headers, pipeline=[STAGES["$out"]])

    assert answer.status == 200
    assert await database.copies.count_documents({}) == 2
