"""Documents read with as little of the driver as is enough, whatever the server's replies look like."""

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from pymongo.errors import OperationFailure

from shared.errors import NoRoleError
from shared.mongo import reads
from shared.settings import Settings
from tests.conftest import Post
from tests.hosts import Host


async def test_an_empty_batch_has_no_documents(host: Host, key: str) -> None:
    found = await Post(host, key)("find", filter={"nobody": "here"})

    assert found.json == {"documents": []}


async def test_what_one_reply_cannot_hold_is_read_whole_and_leaves_no_cursor_open(
    host: Host, key: str, database: Any
) -> None:
    await database.items.insert_many([{"_id": n, "text": "x" * 7_000_000} for n in range(4)])
    before = await database.command("serverStatus")

    found = await Post(host, key)("find", sort={"_id": -1}, limit=4, skip=1)

    after = await database.command("serverStatus")
    assert [each["_id"] for each in found.json["documents"]] == [2, 1, 0]
    assert {len(each["text"]) for each in found.json["documents"]} == {7_000_000}
    assert after["metrics"]["cursor"]["open"]["total"] == before["metrics"]["cursor"]["open"]["total"]


@pytest.mark.parametrize(
    ("stage", "expected"), [("$documents", NoRoleError), ("$later", OperationFailure)], ids=["before 5.1", "any other"]
)
async def test_a_mongodb_that_cannot_compute_on_what_is_sent_is_said(stage: str, expected: type[Exception]) -> None:
    async def aggregate(*_: Any, **__: Any) -> NoReturn:
        raise OperationFailure(f"Unrecognized pipeline stage name: '{stage}'", 40324)

    old: Any = SimpleNamespace(database=SimpleNamespace(with_options=lambda **_: SimpleNamespace(aggregate=aggregate)))

    with pytest.raises(expected):
        _ = [batch async for batch in reads.computed(old, [], [], Settings(), {})]
