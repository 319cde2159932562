"""Documents read with as little of the driver as is enough, whatever the server's replies look like."""

from typing import Any

import bson
import pytest
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from shared.mongo import reads
from tests.conftest import Post
from tests.hosts import Host

DOCUMENTS = [{"_id": 1, "a": {"b": [1, 2]}}, {"_id": 2}]


@pytest.mark.parametrize(
    ("members", "finished"),
    [
        pytest.param({"firstBatch": DOCUMENTS, "id": Int64(0), "ns": "shop.items"}, True, id="as MongoDB writes it"),
        pytest.param({"id": Int64(0), "ns": "shop.items", "firstBatch": DOCUMENTS}, True, id="in another order"),
        pytest.param({"firstBatch": DOCUMENTS, "ns": "shop.items", "id": Int64(0)}, True, id="the id last"),
        pytest.param({"firstBatch": DOCUMENTS, "id": Int64(7), "ns": "shop.items"}, False, id="more to come"),
        pytest.param({"id": Int64(7), "firstBatch": DOCUMENTS, "ns": "shop.items"}, False, id="more, another order"),
    ],
)
def test_a_first_batch_is_read_in_whatever_order_its_cursor_is_written(members: dict[str, Any], finished: bool) -> None:
    documents, is_whole = reads._first_batch(RawBSONDocument(bson.encode(members)))

    assert bson.decode_all(documents) == DOCUMENTS
    assert is_whole is finished


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
