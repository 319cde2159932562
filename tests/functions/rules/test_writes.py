"""What callers may change through the rules of an exported app, over HTTP and through both hosts."""

import asyncio
from typing import Any

import pytest

from tests.conftest import errors_only
from tests.functions.rules.conftest import Person

DENIED = "NoMatchingRoleFound"


@pytest.fixture
async def orders(ann: Person, database: Any) -> Any:
    """Ann's order, somebody else's that is visible, and one that is not."""
    await database.orders.insert_many([
        {"_id": 1, "owner": ann.id, "total": 5, "secret": 1, "tags": ["a", "b"]},
        {"_id": 2, "owner": "u2", "visible": True, "title": "t", "votes": 3, "secret": 2},
        {"_id": 3, "owner": "u2", "visible": False, "secret": 3},
    ])  # fmt: skip
    return database.orders


async def stored(orders: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await orders.find().sort("_id").to_list()
    return found


@pytest.mark.parametrize(
    ("number", "update", "counts"),
    [
        (1, {"$set": {"total": 6}}, (1, 1)),
        (1, {"$set": {"total": 5}}, (1, 0)),
        (1, {"$inc": {"total": 1}, "$push": {"tags": "c"}}, (1, 1)),
        (1, {"$set": {"tags.$[each]": "x"}}, (1, 1)),
        (2, {"$inc": {"votes": 1}}, (1, 1)),
        (3, {"$set": {"total": 1}}, (0, 0)),
        (9, {"$set": {"total": 1}}, (0, 0)),
    ],
)
async def test_an_update_that_is_allowed(ann: Person, orders: Any, number: int, update: Any, counts: Any) -> None:
    filters = [{"each": "a"}] if "tags.$[each]" in str(update) else None

    answer = await ann("updateOne", filter={"_id": number}, update=update, arrayFilters=filters)

    assert answer.json == {"matchedCount": counts[0], "modifiedCount": counts[1]}


@pytest.mark.parametrize(
    ("number", "update"),
    [
        (2, {"$set": {"title": "x"}}),
        (2, {"$inc": {"votes": 1, "total": 1}}),
        (2, {"$unset": {"title": ""}}),
        (2, {"$rename": {"votes": "title"}}),
        (1, {"$set": {"owner": "u2"}}),
        (1, {"$set": {"secret": 1}}),
        (1, {"$set": {"secret": 2}}),
        (1, {"$max": {"secret": 0}}),
        (1, {"$rename": {"secret": "open"}}),
        (1, [{"$set": {"open": "$secret"}}]),
    ],
)
async def test_an_update_that_is_denied_changes_nothing(ann: Person, orders: Any, number: int, update: Any) -> None:
    before = await stored(orders)

    answer = await ann("updateOne", filter={"_id": number}, update=update)

    assert answer.status == 400
    assert errors_only(answer) == {"error": "update not permitted", "error_code": DENIED}
    assert await stored(orders) == before


async def test_a_denial_is_explained_in_the_log_only(ann: Person, orders: Any) -> None:
    await ann("updateOne", filter={"_id": 2}, update={"$set": {"title": "x"}})

    if hasattr(ann.host, "log_lines"):
        line = ann.host.log_lines[-1]
        assert line["decision"] == "denied by role 'visitor': field 'title' is not writable"
        assert line["caller"] == ann.id


async def test_an_update_of_many_is_all_or_nothing(ann: Person, orders: Any) -> None:
    before = await stored(orders)

    denied = await ann("updateMany", filter={}, update={"$set": {"title": "x"}})
    after = await stored(orders)
    allowed = await ann("updateMany", filter={}, update={"$set": {"votes": 7}})

    assert errors_only(denied) == {"error": "update not permitted", "error_code": DENIED}
    assert after == before
    assert allowed.json == {"matchedCount": 2, "modifiedCount": 2}
    assert [each.get("votes") for each in await stored(orders)] == [7, 7, None]


async def test_an_update_of_more_documents_than_one_command_takes(ann: Person, database: Any) -> None:
    await database.orders.insert_many([{"_id": number, "owner": ann.id, "total": 0} for number in range(2_500)])

    answer = await ann("updateMany", filter={"total": 0}, update={"$inc": {"total": 1}})

    assert answer.json == {"matchedCount": 2_500, "modifiedCount": 2_500}
    assert await database.orders.count_documents({"total": 1}) == 2_500


@pytest.mark.parametrize("action", ["updateOne", "updateMany"])
async def test_an_upsert_never_meets_what_is_hidden(ann: Person, orders: Any, action: str) -> None:
    hidden = await ann(action, filter={"_id": 3}, update={"$set": {"owner": ann.id}}, upsert=True)
    made = await ann(action, filter={"_id": 8, "owner": ann.id}, update={"$set": {"total": 1}}, upsert=True)
    denied = await ann(action, filter={"_id": 9}, update={"$set": {"owner": "u2", "visible": True}}, upsert=True)
    nobody = await ann(action, filter={"_id": 9}, update={"$set": {"owner": "u2"}}, upsert=True)

    assert (hidden.status, errors_only(hidden)["error_code"]) == (400, "MongoDBError")  # the _id is taken
    assert made.json == {"matchedCount": 0, "modifiedCount": 0, "upsertedId": 8}
    assert errors_only(denied) == {"error": "insert not permitted", "error_code": DENIED}
    assert (nobody.status, errors_only(nobody)["error"]) == (403, "no matching role for document")
    assert [each["_id"] for each in await stored(orders)] == [1, 2, 3, 8]


async def test_a_replacement_must_not_lose_what_is_hidden(ann: Person, orders: Any) -> None:
    await orders.insert_one({"_id": 5, "owner": ann.id, "total": 1})

    denied = await ann("replaceOne", filter={"_id": 1}, replacement={"owner": ann.id, "total": 9})
    guessed = await ann(
        "replaceOne", filter={"_id": 1}, replacement={"owner": ann.id, "total": 5, "secret": 1, "tags": ["a", "b"]}
    )
    allowed = await ann("replaceOne", filter={"_id": 5}, replacement={"owner": ann.id, "note": "n"})

    assert errors_only(denied)["error"] == errors_only(guessed)["error"] == "update not permitted"
    assert allowed.json == {"matchedCount": 1, "modifiedCount": 1}
    assert (await stored(orders))[-1] == {"_id": 5, "owner": ann.id, "note": "n"}


async def test_inserts(ann: Person, database: Any) -> None:
    allowed = await ann("insertOne", document={"_id": 1, "owner": ann.id, "total": 1})
    own_id = await ann("insertOne", document={"owner": ann.id})
    hidden = await ann("insertOne", document={"owner": ann.id, "secret": 1})
    other = await ann("insertOne", document={"owner": "u2", "visible": True})
    nobody = await ann("insertOne", document={"total": 1})

    assert (allowed.status, allowed.json) == (201, {"insertedId": 1})
    assert len(own_id.json["insertedId"]) == 24
    assert errors_only(hidden) == errors_only(other) == {"error": "insert not permitted", "error_code": DENIED}
    assert (nobody.status, errors_only(nobody)["error"]) == (403, "no matching role for document")
    assert await database.orders.count_documents({}) == 2


@pytest.mark.parametrize(
    "bad", [{"_id": 3, "owner": "u2"}, {"_id": 3, "owner": "ANN", "total": "text"}, {"_id": 1, "owner": "ANN"}]
)
async def test_inserts_of_many_are_all_or_nothing(ann: Person, database: Any, bad: Any) -> None:
    bad = bad | ({"owner": ann.id} if bad["owner"] == "ANN" else {})

    answer = await ann("insertMany", documents=[{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": ann.id}, bad])

    assert answer.status in {400, 403}
    assert await database.orders.count_documents({}) == 0


async def test_deletes(ann: Person, orders: Any, database: Any) -> None:
    mine = await ann("deleteOne", filter={"_id": 1})  # the role's delete is false
    visible = await ann("deleteMany", filter={})
    unseen = await ann("deleteOne", filter={"_id": 3})
    await database.other.insert_many(
        [{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": "u2"}, {"_id": 3, "owner": ann.id}]
    )
    one = await ann("deleteOne", filter={}, collection="other")
    rest = await ann("deleteMany", filter={}, collection="other")

    assert errors_only(mine) == errors_only(visible) == {"error": "delete not permitted", "error_code": DENIED}
    assert unseen.json == {"deletedCount": 0}
    assert len(await stored(orders)) == 3
    assert (one.json, rest.json) == ({"deletedCount": 1}, {"deletedCount": 1})
    assert await database.other.distinct("_id") == [2]


@pytest.mark.parametrize(
    ("document", "path"),
    [({"state": "lost"}, "state"), ({}, "state"), ({"state": "open", "number": 1.5}, "number")],
)
async def test_a_schema_is_followed_or_nothing_is_written(ann: Person, database: Any, document: Any, path: str) -> None:
    answer = await ann("insertOne", collection="tickets", document={"members": [ann.id]} | document)

    assert answer.status == 400
    assert errors_only(answer)["error_code"] == "SchemaValidationFailedWrite"
    assert errors_only(answer)["error"].startswith(f"insert not permitted: schema validation failed: {path}: ")
    assert await database.tickets.count_documents({}) == 0


async def test_a_schema_sees_what_was_there_before(ann: Person, database: Any) -> None:
    await ann("insertOne", collection="tickets", document={"_id": 1, "members": [ann.id], "state": "open", "number": 1})

    denied = await ann("updateOne", collection="tickets", filter={"_id": 1}, update={"$inc": {"number": 1}})
    closed = await ann("updateOne", collection="tickets", filter={"_id": 1}, update={"$set": {"state": "closed"}})
    late = await ann("updateOne", collection="tickets", filter={"_id": 1}, update={"$set": {"state": "open"}})

    assert errors_only(denied)["error_code"] == "SchemaValidationFailedWrite"
    assert closed.json == {"matchedCount": 1, "modifiedCount": 1}
    assert errors_only(late)["error"] == "update not permitted"


async def test_two_writers_never_let_a_denied_change_through(ann: Person, bob: Person, database: Any) -> None:
    """A ticket may be changed while it is open: whoever comes after the one who closes it is denied."""
    for round_ in range(10):
        await database.tickets.insert_one({"_id": round_, "members": [ann.id, bob.id], "state": "open", "n": 0})
        close = {"$set": {"state": "closed"}, "$push": {"log": "closed"}}
        note = {"$push": {"log": "note"}}

        answers = await asyncio.gather(*(
            person("updateOne", collection="tickets", filter={"_id": round_}, update=update)
            for person in (ann, bob) for update in (note, close, note)
        ))  # fmt: skip

        ticket = await database.tickets.find_one({"_id": round_})
        assert ticket["log"].count("closed") == 1
        assert ticket["log"][-1] == "closed"
        assert sum(answer.status == 200 for answer in answers) == len(ticket["log"])


@pytest.mark.parametrize(
    "update",
    [{"$inc": {"secret": 1}}, {"$push": {"secret": 1}}, {"$pull": {"secret": 1}}, {"$mul": {"address.door_code": 2}}],
)
async def test_mongodbs_own_refusals_tell_nothing_of_hidden_fields(ann: Person, orders: Any, update: Any) -> None:
    await orders.update_one({"_id": 1}, {"$set": {"secret": "text", "address": {"city": "x", "door_code": "7"}}})

    answer = await ann("updateOne", filter={"_id": 1}, update=update)

    assert errors_only(answer) == {"error": "update not permitted", "error_code": DENIED}


async def test_array_filters_cannot_ask_about_hidden_fields(ann: Person, orders: Any) -> None:
    await orders.update_one({"_id": 1}, {"$set": {"lines": [{"sku": "A", "count": 1, "cost": 9}]}})

    guess = await ann("updateOne", filter={"_id": 1}, update={"$set": {"lines.$[line].count": 2}},
                      arrayFilters=[{"line.cost": 9}])  # fmt: skip
    allowed = await ann("updateOne", filter={"_id": 1}, update={"$set": {"lines.$[line].count": 2}},
                        arrayFilters=[{"line.sku": "A"}])  # fmt: skip

    assert errors_only(guess)["error"] == "update not permitted"
    assert allowed.json == {"matchedCount": 1, "modifiedCount": 1}
