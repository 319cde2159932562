"""Tags of documents under rules: they follow from what is visible alone, and a write compares just that."""

import asyncio
from typing import Any

import pytest

from tests.conftest import ACTION, request_body
from tests.functions.rules.conftest import Known, Person
from tests.functions.test_tags import ODD_IDS, Send
from tests.hosts import Answer, Host, Worker
from tests.values import stored


async def post(ann: Person, action: str, headers: dict[str, str], **members: Any) -> Answer:
    sent = {"Authorization": f"Bearer {ann.access_token}", **headers}
    return await ann.host.request("POST", ACTION + action, sent, request_body(**{"collection": "orders"} | members))


async def tag(ann: Person, **members: Any) -> str:
    return (await ann("findOne", **members)).headers["etag"]


@pytest.fixture
async def orders(ann: Person, database: Any) -> Any:
    """Two orders of Ann's, one that she sees a part of, and one that nobody's role shows."""
    await database.orders.insert_many([
        {"_id": 0, "owner": "u2", "total": 5, "title": "unseen"},
        {"_id": 1, "owner": ann.id, "title": "mine", "total": 5, "secret": 1,
         "address": {"city": "Porto", "door_code": "7"}, "lines": [{"sku": "A", "count": 2, "cost": 9}, {"cost": 1}]},
        {"_id": 2, "owner": "u2", "visible": True, "title": "seen", "votes": 3, "secret": 2},
        {"_id": 3, "owner": ann.id, "total": 5},
    ])  # fmt: skip
    return database.orders


HIDDEN = [
    pytest.param(1, {"$set": {"secret": 2}}, id="a value"),
    pytest.param(1, {"$unset": {"secret": 1}}, id="a member"),
    pytest.param(1, {"$set": {"address.door_code": "8", "lines.0.cost": 1.0}}, id="inside"),
    pytest.param(1, {"$unset": {"lines.0.cost": 1}}, id="a member inside"),
    pytest.param(1, {"$push": {"lines": {"cost": 1}}}, id="an element of which nothing is visible"),
    pytest.param(2, {"$set": {"owner": "u3", "more": [1]}}, id="all but some members"),
]
VISIBLE = [
    pytest.param(1, {"$set": {"total": 5.0}}, id="a type"),
    pytest.param(1, {"$set": {"address.city": "Faro"}}, id="inside"),
    pytest.param(1, {"$set": {"new": 1}}, id="a member"),
    pytest.param(2, {"$inc": {"votes": 1}}, id="one of some members"),
]
TITLES = {1: "mine", 2: "seen"}


@pytest.mark.parametrize(("number", "change"), HIDDEN)
async def test_what_is_hidden_makes_no_difference(ann: Person, orders: Any, number: int, change: Any) -> None:
    before = await tag(ann, filter={"title": TITLES[number]})
    await orders.update_one({"_id": number}, change)
    after = await tag(ann, filter={"title": TITLES[number]})
    done = await post(
        ann, "updateOne", {"If-Match": before}, filter={"title": TITLES[number]}, update={"$set": {"votes": 7}}
    )

    assert before == after
    assert (done.status, done.json) == (200, {"matchedCount": 1, "modifiedCount": 1})


@pytest.mark.parametrize(("number", "change"), VISIBLE)
async def test_what_is_visible_makes_one(ann: Person, orders: Any, number: int, change: Any) -> None:
    before = await tag(ann, filter={"title": TITLES[number]})
    await orders.update_one({"_id": number}, change)
    stored = await orders.find().to_list()
    after = await tag(ann, filter={"title": TITLES[number]})
    refused = await post(
        ann, "updateOne", {"If-Match": before}, filter={"title": TITLES[number]}, update={"$set": {"votes": 7}}
    )

    assert before != after
    assert (refused.status, refused.json["error_code"]) == (412, "PreconditionFailed")
    assert await orders.find().to_list() == stored


async def test_a_tag_is_of_the_first_visible_document(ann: Person, orders: Any) -> None:
    first = await tag(ann, filter={"total": 5})
    other = await tag(ann, filter={"total": 5}, sort={"_id": -1})
    change = {"filter": {"total": 5}, "update": {"$set": {"total": 6}}}

    refused = await post(ann, "updateOne", {"If-Match": other}, **change)
    done = await post(ann, "findOneAndUpdate", {"If-Match": other}, sort={"_id": -1}, **change)

    assert first != other
    assert (refused.status, done.status) == (412, 200)
    assert [each["total"] async for each in orders.find({"total": {"$exists": True}}, sort={"_id": 1})] == [5, 5, 6]


async def test_a_document_that_is_not_visible_is_none(ann: Person, orders: Any) -> None:
    refused = await post(ann, "updateOne", {"If-Match": "*"}, filter={"title": "unseen"}, update={"$set": {"votes": 1}})

    assert (refused.status, refused.json["error"]) == (412, "If-Match: no document matches the filter")


async def test_another_caller_s_tag_is_another(ann: Person, orders: Any, key: str, host: Host) -> None:
    whole = await Send(ann.host, key).tag(collection="orders", filter={"_id": 1})
    refused = await post(ann, "updateOne", {"If-Match": whole}, filter={"title": "mine"}, update={"$set": {"total": 1}})

    assert (await tag(ann, filter={"title": "mine"}), refused.status) != (whole, 200)
    assert refused.status == 412


async def test_a_part_of_what_is_visible_has_a_weak_tag(ann: Person, orders: Any) -> None:
    weak = await tag(ann, filter={"title": "mine"}, projection={"total": 1})
    same = await post(ann, "findOne", {"If-None-Match": weak}, filter={"title": "mine"}, projection={"total": 1})

    assert weak.startswith("W/")
    assert (same.status, same.body) == (304, b"")


@pytest.mark.parametrize("accept", ["application/json", "application/ejson"])
@pytest.mark.parametrize(
    "members",
    [{}, {"sort": {"total": -1}}, {"filter": {"lines.sku": "A"}}, {"filter": {"$expr": {"$eq": ["$title", "mine"]}}}],
    ids=str,
)
async def test_whichever_way_a_document_is_found_its_tag_is_the_same(
    ann: Person, orders: Any, accept: str, members: dict[str, Any]
) -> None:
    await orders.delete_one({"_id": 3})
    await orders.delete_one({"_id": 2})
    usual = await tag(ann, accept=accept, filter={"title": "mine"})
    found = await tag(ann, accept=accept, **members)
    done = await post(ann, "updateOne", {"If-Match": found}, **{"filter": {}} | members, update={"$set": {"total": 6}})

    assert found == usual
    assert (done.status, done.json["modifiedCount"]) == (200, 1)


async def test_of_many_calls_at_once_each_changes_what_it_has_seen(ann: Person, orders: Any) -> None:
    async def add() -> None:
        for _ in range(100):
            seen = await ann("findOne", filter={"title": "mine"})
            update = {"$set": {"total": seen.json["document"]["total"] + 1}}
            headers = {"If-Match": seen.headers["etag"]}
            if (await post(ann, "updateOne", headers, filter={"title": "mine"}, update=update)).status == 200:
                return

    await asyncio.gather(*(add() for _ in range(6)))

    assert (await orders.find_one({"_id": 1}))["total"] == 11


@pytest.mark.parametrize("accept", ["application/x-ndjson", "application/x-ndjson; format=ejson"])
async def test_lines_hold_what_is_visible(ann: Person, orders: Any, accept: str) -> None:
    form = "application/ejson" if "ejson" in accept else "application/json"
    for action, members in (("find", {"sort": {"title": 1}}), ("aggregate", {"pipeline": [{"$sort": {"title": 1}}]})):
        listed = await ann(action, accept=form, **members)
        lines = await ann(action, accept=accept, **members)

        assert b'{"documents":[%b]}' % b",".join(lines.body.splitlines()) == listed.body
        assert lines.body.count(b"\n") == 3


async def test_a_column_that_is_hidden_is_empty(ann: Person, orders: Any) -> None:
    columns = ["title", "secret", "address.city", "address.door_code", "lines.cost", "owner"]

    answer = await ann("find", accept="text/csv", filter={"title": "mine"}, columns=columns)

    assert answer.body == b"%b\r\nmine,,Porto,,[],%b\r\n" % (",".join(columns).encode(), ann.id.encode())


@pytest.mark.parametrize("members", [{}, {"sort": {"title": 1}}, {"filter": {"$expr": {"$eq": ["$n", 1]}}}], ids=str)
@pytest.mark.parametrize("accept", [None, "application/x-ndjson"])
async def test_what_is_hidden_is_not_what_was_cut(
    ann: Person, database: Any, members: dict[str, Any], accept: str | None
) -> None:
    await database.orders.insert_many([{"owner": ann.id, "n": 1} for _ in range(1_000)])
    await database.orders.insert_many([{"owner": "u2", "n": 1} for _ in range(50)])
    whole = await ann("find", accept=accept, **members)
    await database.orders.insert_one({"owner": ann.id, "n": 1})
    cut = await ann("find", accept=accept, **members)

    assert (whole.body.count(b"_id"), "dozen-truncated" in whole.headers) == (1_000, False)
    assert (cut.body.count(b"_id"), cut.headers["dozen-truncated"]) == (1_000, "limit=1000")


OWN = {"name": "own", "apply_when": {"owner": "%%user.id"}, "read": True, "write": True, "delete": True}


@pytest.mark.parametrize("identity", [each for each in ODD_IDS if each.id != "no UTF-8"])
async def test_an_id_that_the_driver_does_not_write_is_met(
    changed: Any, worker: Worker, known: Known, database: Any, identity: Any
) -> None:
    changed("data_sources/mongodb-atlas/shop/notes/rules.json", roles=[OWN], filters=[])
    ann = await known(worker, "ann@shop.example")
    await database.notes.insert_one(stored({"_id": identity, "owner": ann.id, "n": 1}))
    here = {"collection": "notes"}
    add: dict[str, Any] = here | {"filter": {}, "update": {"$inc": {"n": 1}}}

    done = await post(ann, "updateOne", {"If-Match": await tag(ann, **here)}, **add)
    many = await ann("updateMany", **add)
    after = await ann("findOneAndUpdate", **add, returnDocument="After", projection={"_id": 0, "n": 1})
    gone = await ann("deleteOne", **here, filter={"n": 4})

    assert done.json == many.json == {"matchedCount": 1, "modifiedCount": 1}
    assert after.json == {"document": {"n": 4}}
    assert gone.json == {"deletedCount": 1}
    assert await database.notes.count_documents({}) == 0
