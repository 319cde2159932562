"""What a caller is told of a write that a schema refuses: nothing of fields that a role or a filter hides."""

from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import Person

REFUSED = "schema validation failed"
VOTE: dict[str, Any] = {"filter": {"_id": 1}, "update": {"$inc": {"votes": 1}}}


def told(answer: Any) -> str:
    assert errors_only(answer)["error_code"] == "SchemaValidationFailedWrite"
    return str(errors_only(answer)["error"])


@pytest.mark.parametrize("total", [-1, "text", None, [1]], ids=str)
async def test_what_is_hidden_is_not_named_and_the_log_has_it(
    ann: Person, database: Any, caplog: pytest.LogCaptureFixture, total: Any
) -> None:
    await database.orders.insert_one({"_id": 1, "owner": "u2", "visible": True, "votes": 1, "total": total})

    answer = await ann("updateOne", **VOTE)

    assert told(answer) == f"update not permitted: {REFUSED}"
    assert "denied by the schema: total: " in str(getattr(ann.host, "log_lines", caplog.messages)[-1])
    assert (await database.orders.find_one())["votes"] == 1


async def test_what_may_be_read_is_named(ann: Person, database: Any) -> None:
    own = await ann("insertOne", document={"owner": ann.id, "total": -1})

    assert told(own) == f"insert not permitted: {REFUSED}: total: must be at least 0"


@pytest.mark.parametrize("total", [1, -1, "text"], ids=str)
async def test_hidden_failures_neither_count_nor_come_between(ann: Person, database: Any, total: Any) -> None:
    stored = {"_id": 1, "owner": "u2", "visible": True, "votes": 1, "total": total, "title": "t" * 41}
    await database.orders.insert_one(stored)

    answer = await ann("updateOne", **VOTE)

    assert told(answer) == f"update not permitted: {REFUSED}: title: must have at most 40 characters"


async def test_who_makes_a_document_his_own_in_vain_is_told_nothing_of_it(ann: Person, database: Any) -> None:
    """The role of the document after the change shows the total, that of the document before does not."""
    await database.orders.insert_one({"_id": 1, "owner": "u2", "visible": True, "votes": 1, "total": -1})

    replaced = await ann("replaceOne", filter={"_id": 1}, replacement={"owner": ann.id, "total": -1})
    changed = await ann("updateOne", filter={"_id": 1}, update={"$set": {"owner": ann.id, "votes": 2}})

    assert "total" not in errors_only(replaced)["error"] + errors_only(changed)["error"]
