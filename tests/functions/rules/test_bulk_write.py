"""bulkWrite through the rules of an exported app: each operation is decided as it would be by itself."""

from typing import Any

import pytest

from tests.conftest import FailPoint, errors_only
from tests.functions.rules.conftest import Known, Person
from tests.functions.test_bulk_write import NOTHING
from tests.hosts import Worker

DENIED = "NoMatchingRoleFound"


@pytest.fixture
async def orders(ann: Person, database: Any) -> Any:
    """Ann's order, somebody else's that is visible, and one that is not."""
    await database.orders.insert_many([
        {"_id": 1, "owner": ann.id, "total": 5, "secret": 1},
        {"_id": 2, "owner": "u2", "visible": True, "title": "t", "votes": 3, "secret": 2},
        {"_id": 3, "owner": "u2", "visible": False, "total": 1, "secret": 3},
    ])  # fmt: skip
    return database.orders


async def stored(orders: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await orders.find().sort("_id").to_list()
    return found


def change(number: int, **changes: Any) -> dict[str, Any]:
    return {"updateOne": {"filter": {"_id": number}, "update": {"$set": changes}}}


def new(ann: Person, number: Any, **members: Any) -> dict[str, Any]:
    return {"insertOne": {"document": {"_id": number, "owner": ann.id} | members}}


async def test_what_is_allowed_is_done_and_each_operation_sees_those_before_it(ann: Person, orders: Any) -> None:
    requests = [
        new(ann, 4),
        new(ann, 5),
        change(4, total=1),
        {"updateMany": {"filter": {}, "update": {"$inc": {"x": 1}}}},
    ]

    answer = await ann("bulkWrite", requests=requests[:3])
    after = await stored(orders)

    assert (answer.status, answer.json) == (
        200,
        NOTHING | {"insertedCount": 2, "matchedCount": 1, "modifiedCount": 1, "insertedIds": {"0": 4, "1": 5}},
    )
    assert [each.get("total") for each in after] == [5, None, 1, 1, None]


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])
@pytest.mark.parametrize(
    ("denied", "text"),
    [
        pytest.param(change(2, title="x"), "update not permitted", id="a field that may not be written"),
        pytest.param({"deleteOne": {"filter": {"_id": 1}}}, "delete not permitted", id="a document not to be deleted"),
        pytest.param(
            {"replaceOne": {"filter": {"_id": 1}, "replacement": {"total": 1}}}, "update not permitted", id="replaced"
        ),
    ],
)
async def test_one_denied_operation_undoes_all(
    ann: Person, orders: Any, denied: dict[str, Any], text: str, ordered: bool
) -> None:
    before = await stored(orders)

    answer = await ann("bulkWrite", requests=[change(1, total=6), denied, new(ann, 4)], ordered=ordered)

    assert (answer.status, answer.json) == (
        400,
        {
            "error": f"requests[1]: {text}",
            "error_code": DENIED,
            "writeErrors": [{"index": 1, "error": text, "error_code": DENIED}],
            "partialResult": NOTHING,
        },
    )
    assert await stored(orders) == before


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(6, [(2, 11000)], id="taken"),
        pytest.param(3, [(2, 11000)], id="taken by a hidden document"),
    ],
)
async def test_of_new_documents_the_one_that_fails_is_named(
    ann: Person, orders: Any, number: int, expected: Any
) -> None:
    await orders.insert_one({"_id": 6})
    before = await stored(orders)

    answer = await ann("bulkWrite", requests=[change(1, total=6), new(ann, 4), new(ann, number), new(ann, 5)])

    assert [(each["index"], each["code"]) for each in answer.json["writeErrors"]] == expected
    assert await stored(orders) == before


async def test_of_new_documents_the_denied_one_is_named(ann: Person, orders: Any) -> None:
    denied = {"insertOne": {"document": {"_id": 5, "owner": "u2"}}}

    answer = await ann("bulkWrite", requests=[new(ann, 4), denied])

    assert (answer.status, answer.json["error"]) == (403, "requests[1]: " + answer.json["writeErrors"][0]["error"])
    assert answer.json["writeErrors"][0]["index"] == 1
    assert await orders.count_documents({}) == 3


async def test_a_refusal_of_mongodb_undoes_all_and_has_its_code(ann: Person, orders: Any) -> None:
    before = await stored(orders)

    answer = await ann(
        "bulkWrite", requests=[new(ann, 4), {"updateOne": {"filter": {"_id": 1}, "update": {"$push": {"total": 1}}}}]
    )

    assert (answer.status, answer.json["error_code"]) == (400, "MongoDBError")
    assert [(each["index"], each["code"]) for each in answer.json["writeErrors"]] == [(1, 2)]
    assert (answer.json["partialResult"], await stored(orders)) == (NOTHING, before)


async def test_a_field_that_nobody_reads_is_refused_for_the_operation(ann: Person, orders: Any) -> None:
    answer = await ann("bulkWrite", requests=[new(ann, 4), {"deleteMany": {"filter": {"secret": 1}}}])

    assert (answer.status, answer.json["error_code"]) == (403, DENIED)
    assert answer.json["error"].startswith("requests[1]: ")
    assert await orders.count_documents({}) == 3


async def test_options_of_operations_count_under_rules(ann: Person, orders: Any) -> None:
    loose = {"collation": {"locale": "en", "strength": 2}}
    requests = [
        new(ann, 4, t="A"),
        {"updateMany": {"filter": {"t": "a"}, "update": {"$set": {"total": 7}}} | loose},
        {"updateMany": {"filter": {"t": "a"}, "update": {"$set": {"total": 8}}}},
        {"updateOne": {"filter": {"$expr": {"$eq": ["$total", "$$x"]}}, "update": {"$set": {"y": 1}}}},
        {"updateOne": {"filter": {"owner": ann.id}, "update": {"$set": {"last": True}}, "sort": {"_id": -1}}},
    ]

    answer = await ann("bulkWrite", requests=requests, let={"x": 7}, comment="c")

    counted = {"insertedCount": 1, "matchedCount": 3, "modifiedCount": 3, "insertedIds": {"0": 4}}
    assert (answer.status, answer.json) == (200, NOTHING | counted)
    assert (await stored(orders))[-1] == {"_id": 4, "owner": ann.id, "t": "A", "total": 7, "y": 1, "last": True}


@pytest.mark.parametrize("option", [{"hint": "_id_"}, {"hint": {"secret": 1}}], ids=str)
async def test_an_option_that_tells_of_what_is_hidden_is_refused_for_the_operation(
    ann: Person, orders: Any, option: dict[str, Any]
) -> None:
    before = await stored(orders)

    answer = await ann("bulkWrite", requests=[change(1, total=6), {"deleteMany": {"filter": {"_id": 1}} | option}])

    assert (answer.status, answer.json["writeErrors"][0]["index"]) == (400, 1)
    assert "'hint' is not allowed" in answer.json["error"]
    assert await stored(orders) == before


async def test_what_another_write_comes_between_is_done_again_as_a_whole(
    ann: Person, orders: Any, fail_point: FailPoint
) -> None:
    await fail_point("findAndModify", errorCode=112, errorLabels=["TransientTransactionError"])

    answer = await ann("bulkWrite", requests=[new(ann, 4), change(1, total=6)])

    assert (answer.status, answer.json["insertedCount"], answer.json["modifiedCount"]) == (200, 1, 1)
    assert await orders.count_documents({}) == 4


ROLE = {
    "name": "all", "document_filters": {"read": True, "write": True}, "read": True, "write": True, "insert": True,
    "delete": True, "search": True,
}  # fmt: skip


@pytest.fixture
async def bound_by_action(worker: Worker, changed: Any, known: Known, database: Any) -> Person:
    """A user who may do everything in shop.notes, but delete many."""
    roles = [ROLE | {"apply_when": {"%%request.action": {"%ne": "deleteMany"}}}]
    file = "data_sources/mongodb-atlas/shop/notes/rules.json"
    changed(file, database="shop", collection="notes", roles=roles, filters=[])
    await database.notes.insert_many([{"_id": 1}, {"_id": 2}])
    return await known(worker, "ann@shop.example")


async def test_a_rule_on_the_action_counts_for_each_operation(bound_by_action: Person, database: Any) -> None:
    many: dict[str, Any]
    many, one = {"deleteMany": {"filter": {}}}, {"deleteOne": {"filter": {"_id": 1}}}

    none = await bound_by_action("bulkWrite", collection="notes", requests=[many])
    some = await bound_by_action("bulkWrite", collection="notes", requests=[many, one])

    assert (none.status, none.json["deletedCount"]) == (200, 0)
    assert (some.status, some.json["deletedCount"]) == (200, 1)
    assert await database.notes.find().to_list() == [{"_id": 2}]


async def test_an_action_that_the_app_closes_is_closed_as_an_operation(
    worker: Worker, changed: Any, known: Known, database: Any
) -> None:
    changed("http_endpoints/data_api_config.json", can_evaluate={"%%request.action": {"%ne": "deleteMany"}})
    ann = await known(worker, "ann@shop.example")
    requests = [new(ann, 1), {"deleteMany": {"filter": {}}}]

    answers = [await ann("bulkWrite", requests=each) for each in (requests, requests[:1])]

    assert [each.status for each in answers] == [403, 200]
    assert errors_only(answers[0])["error_code"] == "FunctionNotCallable"
