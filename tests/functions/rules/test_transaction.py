"""transaction through the rules of an exported app, and with cached replies."""

from typing import Any

import pytest

from tests.conftest import Post, errors_only
from tests.functions.rules.conftest import SETTINGS, Known, Person
from tests.functions.rules.test_bulk_write import ROLE
from tests.hosts import Worker
from tests.valkey import Valkey

DENIED = "NoMatchingRoleFound"
NOTES = "data_sources/mongodb-atlas/shop/notes/rules.json"
FIND = {"action": "find", "sort": {"_id": 1}}


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
    return {"action": "updateOne", "filter": {"_id": number}, "update": {"$set": changes}}


async def test_what_is_read_inside_is_trimmed_and_sees_what_was_written(ann: Person, orders: Any) -> None:
    new = {"action": "insertOne", "document": {"_id": 4, "owner": ann.id}}

    answer = await ann("transaction", operations=[change(1, total=6), new, {"action": "find"}, FIND])

    mine = [{"_id": 1, "owner": ann.id, "total": 6}, {"_id": 4, "owner": ann.id}]
    assert answer.json["replies"][2]["documents"] == [mine[0], {"title": "t", "votes": 3}, mine[1]]
    assert answer.json["replies"][3]["documents"] == mine


@pytest.mark.parametrize(
    ("denied", "status"),
    [
        pytest.param(change(2, title="x"), 400, id="a field that may not be written"),
        pytest.param({"action": "deleteMany", "filter": {}}, 400, id="documents that may not be deleted"),
        pytest.param({"action": "insertOne", "document": {"owner": "u2"}}, 403, id="a document of nobody's"),
        pytest.param({"action": "find", "filter": {"secret": 1}}, 403, id="a field that nobody reads"),
        pytest.param(
            {"action": "bulkWrite", "requests": [{"deleteOne": {"filter": {"_id": 1}}}]}, 400, id="of several"
        ),
    ],
)
async def test_one_denied_operation_undoes_all(ann: Person, orders: Any, denied: dict[str, Any], status: int) -> None:
    before = await stored(orders)

    answer = await ann("transaction", operations=[change(1, total=6), denied])

    assert (answer.status, answer.json["error_code"], answer.json["index"]) == (status, DENIED, 1)
    assert answer.json["error"].startswith("operations[1]: ")
    assert await stored(orders) == before


async def test_a_reference_leads_to_what_is_shown_alone(ann: Person, orders: Any) -> None:
    reading = {"action": "findOne", "filter": {"_id": 1}}
    target = {"action": "insertOne", "document": {"_id": 4, "owner": ann.id}}

    answers = [
        await ann("transaction", operations=[reading, target | {"references": {"/document/x": source}}])
        for source in ("/0/document/secret", "/0/document/total")
    ]

    assert [each.status for each in answers] == [400, 200]
    assert answers[0].json["error"].endswith("leads nowhere")
    assert (await orders.find_one({"_id": 4}))["x"] == 5


async def test_a_sort_that_fails_on_what_is_hidden_tells_nothing(
    worker: Worker, changed: Any, known: Known, database: Any
) -> None:
    """MongoDB cannot sort by two arrays of one document."""
    roles = [ROLE | {"apply_when": {"mine": True}}]
    changed(
        "data_sources/mongodb-atlas/shop/notes/rules.json", database="shop", collection="notes", roles=roles, filters=[]
    )
    await database.notes.insert_many([{"_id": 1, "mine": True}, {"_id": 2, "mine": 1, "a": [1, 2], "b": [1, 2]}])
    ann = await known(worker, "ann@shop.example")

    answer = await ann("transaction", collection="notes", operations=[FIND | {"sort": {"a": 1, "b": 1}}])

    assert (answer.status, answer.json) == (200, {"replies": [{"documents": [{"_id": 1, "mine": True}]}]})


async def test_a_collection_is_made_and_read_in_one_transaction(ann: Person, database: Any) -> None:
    await database.drop_collection("orders")
    new = {"action": "insertOne", "document": {"owner": ann.id, "total": 1}}

    answer = await ann("transaction", operations=[new, FIND, {"action": "aggregate", "pipeline": [{"$count": "n"}]}])

    assert (answer.status, answer.json["replies"][2]) == (200, {"documents": [{"n": 1}]})


async def test_an_action_that_the_app_closes_is_closed_inside(
    worker: Worker, changed: Any, known: Known, database: Any
) -> None:
    changed("http_endpoints/data_api_config.json", can_evaluate={"%%request.action": {"%ne": "deleteMany"}})
    ann = await known(worker, "ann@shop.example")
    new = {"action": "insertOne", "document": {"owner": ann.id}}
    deleting = {"action": "deleteMany", "filter": {}}
    nested = {"action": "bulkWrite", "requests": [{"deleteMany": {"filter": {}}}]}

    answers = [await ann("transaction", operations=each) for each in ([new, deleting], [new, nested], [new])]

    assert [each.status for each in answers] == [403, 403, 200]
    assert await database.orders.count_documents({}) == 1


async def test_a_rule_on_the_action_counts_for_each_operation(
    worker: Worker, changed: Any, known: Known, database: Any
) -> None:
    roles = [ROLE | {"apply_when": {"%%request.action": {"%ne": "deleteMany"}}}]
    changed(
        "data_sources/mongodb-atlas/shop/notes/rules.json", database="shop", collection="notes", roles=roles, filters=[]
    )
    await database.notes.insert_many([{"_id": 1}, {"_id": 2}])
    ann = await known(worker, "ann@shop.example")
    many = {"action": "deleteMany", "filter": {}}

    answer = await ann("transaction", collection="notes", operations=[many, FIND])

    assert answer.json["replies"] == [{"deletedCount": 0}, {"documents": [{"_id": 1}, {"_id": 2}]}]


@pytest.fixture
def cached(configured: pytest.MonkeyPatch, valkey: Valkey) -> None:
    for name, value in (SETTINGS | {"CACHED_COLLECTIONS": "shop.items=3600", "REDIS_URL": valkey.url}).items():
        configured.setenv(name, value)


async def test_nothing_inside_is_answered_from_the_cache_or_kept_there(
    worker: Worker, key: str, cached: None, valkey: Valkey, database: Any
) -> None:
    post = Post(worker, key)
    await database.items.insert_one({"_id": 1, "a": 1})
    first = await post("find", sort={"_id": 1})
    await database.items.update_one({"_id": 1}, {"$set": {"a": 2}})  # behind the service: what is cached stays
    entries = await valkey.client.dbsize()

    inside = await post("transaction", operations=[FIND, {"action": "findOne"}])
    again = await post("find", sort={"_id": 1})

    assert inside.json["replies"][0] == {"documents": [{"_id": 1, "a": 2}]}
    assert again.body == first.body  # it only read, so that nothing was invalidated
    assert await valkey.client.dbsize() == entries


@pytest.mark.parametrize("fails", [False, True], ids=["committed", "undone"])
async def test_a_transaction_that_wrote_is_seen_by_cached_reads(
    worker: Worker, key: str, cached: None, database: Any, fails: bool
) -> None:
    post = Post(worker, key)
    await database.items.insert_one({"_id": 1, "a": 1})
    await post("find")
    failing = [{"action": "insertOne", "document": {"_id": 1}}] if fails else []

    await post(
        "transaction", operations=[{"action": "updateMany", "filter": {}, "update": {"$set": {"a": 2}}}, *failing]
    )

    assert (await post("find")).json["documents"] == [{"_id": 1, "a": 1 if fails else 2}]


async def test_under_rules_a_closed_collection_is_closed_inside(
    worker: Worker, changed: Any, known: Known, database: Any
) -> None:
    ann = await known(worker, "ann@shop.example")

    answer = await ann("transaction", operations=[FIND | {"database": "dozen", "collection": "users"}])

    assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRuleFound")


async def test_a_body_without_operations_is_refused_under_rules(ann: Person) -> None:
    assert errors_only(await ann("transaction"))["error_code"] == "MissingParameter"
