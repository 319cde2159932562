"""Documents read with as little of the driver as is enough, whatever the server's replies look like."""

from typing import Any

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
