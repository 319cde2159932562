"""Changes under rules: what is told is made of what is visible, and an event of a hidden document does not exist."""

import base64
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from tests.conftest import errors_only
from tests.functions.rules.conftest import Known, Person
from tests.hosts import Host, Worker

UNKNOWN_OPTION = 40415
NOTES = {"collection": "notes"}
OWN = {"name": "own", "apply_when": {"owner": "%%user.id"}, "read": True}
FIELDS = {
    "name": "some", "apply_when": {"owner": "%%user.id"},
    "fields": {
        "_id": {"read": True}, "n": {"read": True}, "owner": {"read": True}, "tags": {"read": True},
        "a": {"fields": {"b": {"read": True}}}, "lines": {"fields": {"sku": {"read": True}}},
        "dear": {"read": {"%%this": {"%lt": 5}}},
    },
}  # fmt: skip


@pytest.fixture
async def ann(app: Any, worker: Worker, known: Known) -> Person:
    app(FIELDS)
    return await known(worker, "ann@shop.example")


@pytest.fixture
async def notes(database: Any, ann: Person) -> Any:
    await database.create_collection("notes", changeStreamPreAndPostImages={"enabled": True})
    return database.notes


@pytest.fixture
async def ann_of_orders(app_host: Host, known: Known, database: Any) -> Person:
    return await known(app_host, "ann@shop.example")


async def begun(ann: Person, **members: Any) -> str:
    answer = await ann("changes", **NOTES, **members)
    assert answer.status == 200, answer.body
    assert answer.json["events"] == []
    token: str = answer.json["resumeToken"]
    return token


async def told(ann: Person, token: Any, **members: Any) -> list[dict[str, Any]]:
    """Return the events behind a token, less what differs each time."""
    answer = await ann("changes", **NOTES, resumeAfter=token, **members)
    assert answer.status == 200, answer.body
    events: list[dict[str, Any]] = answer.json["events"]
    for each in events:
        each.pop("_id"), each.pop("clusterTime"), each.pop("wallTime"), each.pop("ns")
    return events


def insert(document: dict[str, Any]) -> dict[str, Any]:
    return {"operationType": "insert", "fullDocument": document, "documentKey": {"_id": document["_id"]}}


def update(document: dict[str, Any], updated: dict[str, Any], *removed: str) -> dict[str, Any]:
    description = {"updatedFields": updated, "removedFields": list(removed), "truncatedArrays": []}
    found = {"operationType": "update", "fullDocument": document, "documentKey": {"_id": document["_id"]}}
    return found | {"updateDescription": description}


async def test_only_what_is_visible_is_told(ann: Person, notes: Any) -> None:
    token = await begun(ann)
    await notes.insert_many(
        [
            {"_id": 1, "owner": ann.id, "n": 1, "secret": 1, "a": {"b": 1, "c": 2}},
            {"_id": 2, "owner": "bob", "n": 2},
        ]
    )
    await notes.update_one({"_id": 2}, {"$set": {"n": 3}})
    await notes.replace_one({"_id": 2}, {"owner": "bob", "n": 4})
    await notes.delete_one({"_id": 2})

    assert await told(ann, token) == [insert({"_id": 1, "owner": ann.id, "n": 1, "a": {"b": 1}})]


@pytest.mark.parametrize(
    ("change", "updated", "removed"),
    [
        pytest.param({"$set": {"n": 2, "secret": 3}}, {"n": 2}, [], id="beside a hidden field"),
        pytest.param({"$set": {"secret": 3}}, None, [], id="a hidden field"),
        pytest.param({"$unset": {"secret": 1}}, None, [], id="a hidden field that goes"),
        pytest.param({"$set": {"a.c": 3}}, None, [], id="a hidden part"),
        pytest.param({"$set": {"a": {"b": 1, "c": 3}}}, None, [], id="a hidden part, with all around it"),
        pytest.param({"$set": {"a": {"b": 4, "c": 3}}}, {"a.b": 4}, [], id="both parts"),
        pytest.param({"$set": {"a.b": 5}}, {"a.b": 5}, [], id="a visible part"),
        pytest.param({"$unset": {"a.b": 1}}, {}, ["a"], id="a visible part that goes"),
        pytest.param({"$unset": {"n": 1}}, {}, ["n"], id="a visible field that goes"),
        pytest.param({"$unset": {"a": 1}}, {}, ["a"], id="a field that goes, of which a part was visible"),
        pytest.param({"$set": {"dear": 7}}, {}, ["dear"], id="a value that is hidden by itself"),
        pytest.param({"$set": {"dear": 1}}, {"dear": 1}, [], id="a value that is shown by itself"),
        pytest.param({"$set": {"lines.1.cost": 9}}, None, [], id="a hidden part of an element"),
        pytest.param({"$set": {"lines.1.sku": 9}}, {"lines": [{"sku": 9}]}, [], id="an element behind a hidden one"),
        pytest.param({"$push": {"lines": {"cost": 9}}}, None, [], id="a hidden element"),
        pytest.param({"$push": {"tags": 3}}, {"tags": [1, 2, 3]}, [], id="an element"),
        pytest.param({"$set": {"tags.0": 3}}, {"tags": [3, 2]}, [], id="another value of an element"),
    ],
)
async def test_an_update_names_what_is_visible(
    ann: Person, notes: Any, change: Any, updated: dict[str, Any] | None, removed: list[str]
) -> None:
    await notes.insert_one(
        {
            "_id": 1, "owner": ann.id, "n": 1, "secret": 2, "a": {"b": 1, "c": 2}, "tags": [1, 2],
            "lines": [{"cost": 1}, {"sku": 2, "cost": 3}], "dear": 2,
        }
    )  # fmt: skip
    token = await begun(ann)
    await notes.update_one({"_id": 1}, change)
    document = (await ann("findOne", **NOTES)).json["document"]

    assert await told(ann, token) == ([] if updated is None else [update(document, updated, *removed)])


async def test_values_are_those_of_now(ann: Person, notes: Any) -> None:
    """What a field had when it was somebody else's is nobody's to know."""
    await notes.insert_one({"_id": 1, "owner": "bob"})
    token = await begun(ann)
    for change in ({"n": "a secret of Bob's"}, {"owner": ann.id}, {"n": 3}):
        await notes.update_one({"_id": 1}, {"$set": change})

    now = {"_id": 1, "owner": ann.id, "n": 3}
    assert await told(ann, token) == [update(now, {"owner": ann.id, "n": 3}), update(now, {"n": 3})]


async def test_what_changed_while_it_was_hidden_is_not_told_later(ann: Person, notes: Any) -> None:
    """Neither of a hidden field, when others have changed since, nor of a document that has become visible."""
    await notes.insert_many([{"_id": 1, "owner": ann.id, "n": 1}, {"_id": 2, "owner": "bob"}])
    token = await begun(ann)
    for number in range(3):
        await notes.update_many({}, {"$set": {"secret": number}})
    await notes.update_one({"_id": 1}, {"$set": {"n": 2}})
    await notes.update_one({"_id": 2}, {"$set": {"owner": ann.id}})

    assert await told(ann, token) == [
        update({"_id": 1, "owner": ann.id, "n": 2}, {"n": 2}),
        update({"_id": 2, "owner": ann.id}, {"owner": ann.id}),
    ]


async def test_a_delete_is_told_of_what_was_visible(ann: Person, notes: Any) -> None:
    await notes.insert_many([{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": "bob"}])
    token = await begun(ann)
    await notes.delete_many({})

    assert await told(ann, token) == [{"operationType": "delete", "documentKey": {"_id": 1}}]
    before = await told(ann, token, fullDocumentBeforeChange="whenAvailable")
    assert before[0]["fullDocumentBeforeChange"] == {"_id": 1, "owner": ann.id}


async def test_a_delete_is_not_told_where_nobody_knows_what_was_visible(ann: Person, database: Any) -> None:
    await database.notes.insert_many([{"_id": 1, "owner": ann.id}, {"_id": 2, "owner": "bob"}])
    token = await begun(ann)
    await database.notes.delete_many({})

    assert await told(ann, token) == []


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param({"updateDescription.updatedFields.secret": 2}, id="what was changed"),
        pytest.param({"fullDocument.secret": 2}, id="a hidden field"),
        pytest.param({"fullDocument.owner": "bob"}, id="a hidden document"),
        pytest.param({"$expr": {"$eq": ["$fullDocument.secret", 2]}}, id="an expression"),
        pytest.param({"lsid": {"$exists": True}}, id="somebody's session"),
        pytest.param({"_id": {"$exists": True}}, id="the token"),
        pytest.param({"fullDocumentBeforeChange.secret": 1}, id="what was before"),
    ],
)
async def test_a_filter_is_asked_of_what_is_visible(ann: Person, notes: Any, condition: Any) -> None:
    await notes.insert_many([{"_id": 1, "owner": ann.id, "secret": 1, "n": 1}, {"_id": 2, "owner": "bob"}])
    token = await begun(ann)
    await notes.update_many({}, {"$set": {"secret": 2}, "$inc": {"n": 1}})

    assert await told(ann, token, filter=condition) == []
    negated = await told(ann, token, filter={"$nor": [condition]})
    assert [each["fullDocument"]["_id"] for each in negated] == [1]


async def test_a_filter_chooses_among_what_is_visible(ann: Person, notes: Any) -> None:
    token = await begun(ann)
    await notes.insert_many([{"_id": number, "owner": ann.id, "n": number} for number in range(5)])

    found = await told(ann, token, filter={"fullDocument.n": {"$gte": 3}})
    assert [each["documentKey"]["_id"] for each in found] == [3, 4]
    found = await told(ann, token, ids=[1, 4])
    assert [each["documentKey"]["_id"] for each in found] == [1, 4]


async def test_without_what_was_before_names_decide(ann: Person, database: Any) -> None:
    document = {"_id": 1, "owner": ann.id, "n": 1, "secret": 2, "a": {"b": 1, "c": 2}}
    await database.notes.insert_one(document)
    token = await begun(ann)
    await database.notes.update_one({"_id": 1}, {"$set": {"secret": 3}})
    await database.notes.update_one({"_id": 1}, {"$set": {"a.c": 3}})
    await database.notes.update_one({"_id": 1}, {"$set": {"a": {"b": 1, "c": 4}}})
    await database.notes.update_one({"_id": 1}, {"$unset": {"n": 1}})
    await database.notes.replace_one({"_id": 1}, document | {"secret": 4, "n": 1})

    now = {"_id": 1, "owner": ann.id, "n": 1, "a": {"b": 1}}
    assert await told(ann, token) == [
        update(now, {"a": {"b": 1}}),
        update(now, {"n": 1}),
        {"operationType": "replace", "fullDocument": now, "documentKey": {"_id": 1}},
    ]


async def test_a_server_that_keeps_nothing_of_before_tells_no_delete(ann: Person, notes: Any, fail_point: Any) -> None:
    token = await begun(ann)
    await notes.insert_one({"_id": 1, "owner": ann.id})
    await notes.delete_one({"_id": 1})
    await fail_point("aggregate", errorCode=UNKNOWN_OPTION)

    assert await told(ann, token) == [insert({"_id": 1, "owner": ann.id})]
    assert [each["operationType"] for each in await told(ann, token)] == ["insert", "delete"]


@pytest.mark.parametrize("megabytes", [6, 15])
async def test_a_large_change_stops_nobody(ann: Person, notes: Any, megabytes: int) -> None:
    """What MongoDB does not send with all that it tells comes with names alone, be it visible or not."""
    size = megabytes * 1024 * 1024 - 200
    await notes.insert_many([{"_id": each, "owner": owner} for each, owner in ((1, "bob"), (2, ann.id))])
    token = await begun(ann)
    for each in (1, 2):
        for letter in "xy":
            await notes.update_one({"_id": each}, {"$set": {"secret": letter * size, "n": letter}})
    await notes.insert_one({"_id": 3, "owner": ann.id})

    found = await told(ann, token)
    assert [(each["operationType"], each["documentKey"]["_id"]) for each in found] == [
        ("update", 2), ("update", 2), ("insert", 3),
    ]  # fmt: skip


async def test_a_large_change_of_many_names_stops_nobody(ann: Person, notes: Any) -> None:
    """Its names alone would be too much beside the document."""
    names = [f"{number:05}" for number in range(20_000)]
    large = dict.fromkeys(names, 1) | {"secret": "x" * (16 * 1024 * 1024 - 250_000)}
    await notes.insert_many([{"_id": each, "owner": owner} | large for each, owner in ((1, "bob"), (2, ann.id))])
    token = await begun(ann)
    await notes.update_many({}, {"$inc": dict.fromkeys(names, 1)})
    await notes.insert_one({"_id": 3, "owner": ann.id})

    now = {"_id": 2, "owner": ann.id}
    assert await told(ann, token) == [update(now, {}), insert({"_id": 3, "owner": ann.id})]


async def test_a_large_change_is_told_by_names(ann: Person, notes: Any) -> None:
    await notes.insert_one({"_id": 1, "owner": ann.id, "n": 1, "secret": "x" * 7_000_000})
    token = await begun(ann)
    await notes.update_one({"_id": 1}, {"$set": {"n": 2, "secret": "y" * 7_000_000}})

    assert await told(ann, token) == [update({"_id": 1, "owner": ann.id, "n": 2}, {"n": 2})]


async def test_a_document_that_rules_cannot_read_stops_nobody(ann: Person, notes: Any) -> None:
    """Names in no UTF-8, as some drivers send them."""
    token = await begun(ann)
    for number in range(3):
        readable = {"_id": number, "owner": ann.id, "n": 1}
        other = bson.encode({"_id": number + 10, "owner": ann.id, "name?": 1}).replace(b"name?", b"name\xff")
        await notes.database.command("insert", "notes", documents=[RawBSONDocument(other)])
        await notes.insert_one(readable)
        await notes.update_one({"_id": number}, {"$set": {"n": 2}})
        await notes.delete_many({"_id": number + 10})

    found = await told(ann, token)
    assert [(each["operationType"], each["documentKey"]["_id"]) for each in found] == [
        (kind, number) for number in range(3) for kind in ("insert", "update")
    ]


async def test_a_token_tells_nothing(ann: Person, notes: Any) -> None:
    """Its length does not follow the key of a hidden document, and it is nobody else's."""
    lengths = set()
    for key in ("a" * 10, "b" * 100):
        token = await begun(ann)
        await notes.insert_one({"_id": key, "owner": "bob"})
        answer = await ann("changes", **NOTES, resumeAfter=token)
        lengths.add(len(answer.json["resumeToken"]))
        sealed = base64.urlsafe_b64decode(answer.json["resumeToken"] + "==")
        assert key.encode() not in sealed
        assert b"_data" not in sealed
    assert len(lengths) == 1

    await notes.insert_one({"_id": 1, "owner": ann.id})
    (event,) = (await ann("changes", **NOTES, resumeAfter=token)).json["events"]
    assert event["clusterTime"]["I"] == 0
    assert await told(ann, event["_id"]) == []


async def test_hidden_changes_between_visible_ones_do_not_count(ann: Person, notes: Any) -> None:
    """How many events a reply has would tell how many others there are."""
    token = await begun(ann)
    for number in range(5):
        await notes.insert_many(
            [{"_id": f"hidden {number} {each}", "owner": "bob"} for each in range(number * 300 + 1)]
        )
        await notes.insert_one({"_id": number, "owner": ann.id})

    found = []
    for _ in range(3):
        answer = await ann("changes", **NOTES, resumeAfter=token, limit=3)
        token = answer.json["resumeToken"]
        found.append([each["documentKey"]["_id"] for each in answer.json["events"]])
    assert found == [[0, 1, 2], [3, 4], []]


@pytest.mark.parametrize(
    "members",
    [{"fullDocument": "required"}, {"fullDocument": "whenAvailable"}, {"fullDocumentBeforeChange": "required"}],
)
async def test_documents_that_must_be_there_are_refused(ann: Person, members: dict[str, str]) -> None:
    answer = await ann("changes", **NOTES, **members)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")


async def test_a_filter_of_the_app_narrows_and_hides(app: Any, worker: Worker, known: Known, database: Any) -> None:
    ruled = {"name": "f", "apply_when": {}, "query": {"kind": {"$regex": "^open"}}, "projection": {"secret": 0}}
    app({"name": "all", "apply_when": {}, "read": True}, filters=[ruled])
    ann = await known(worker, "ann@shop.example")
    await database.create_collection("notes", changeStreamPreAndPostImages={"enabled": True})
    token = await begun(ann)
    await database.notes.insert_many([{"_id": 1, "kind": "open 1", "secret": 1}, {"_id": 2, "kind": "closed"}])
    await database.notes.update_many({}, {"$set": {"secret": 2}})
    await database.notes.update_many({}, {"$set": {"n": 1, "secret": 3}})
    await database.notes.delete_many({})

    assert await told(ann, token) == [
        insert({"_id": 1, "kind": "open 1"}),
        {"operationType": "delete", "documentKey": {"_id": 1}},
    ]


async def test_whoever_sees_everything_learns_nothing_of_sessions(
    app: Any, worker: Worker, known: Known, database: Any, driver: Any
) -> None:
    app({"name": "all", "apply_when": {}, "read": True})
    ann = await known(worker, "ann@shop.example")
    await database.create_collection("notes")
    token = await begun(ann)
    async with driver.start_session() as session, await session.start_transaction():
        await database.notes.insert_one({"_id": 1}, session=session)

    assert await told(ann, token, filter={"lsid": {"$exists": True}}) == []
    assert await told(ann, token) == [insert({"_id": 1})]


async def test_whoever_sees_everything_reads_nothing_of_before_a_token(
    app: Any, worker: Worker, known: Known, database: Any
) -> None:
    """MongoDB's own token can be made for any time, and what is deleted is still in its log."""
    app({"name": "all", "apply_when": {}, "read": True})
    ann = await known(worker, "ann@shop.example")
    async with await database.notes.watch() as stream:
        await database.notes.insert_one({"_id": 1})
        await database.notes.delete_one({"_id": 1})
        raw = (await stream.next())["_id"]
    token = await begun(ann)
    await database.notes.insert_many([{"_id": 2}, {"_id": 3}])

    for made in (raw, {"_data": "8200000001" + raw["_data"][10:]}, raw["_data"]):
        answer = await ann("changes", **NOTES, resumeAfter=made)
        assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")
    first, _ = (await ann("changes", **NOTES, resumeAfter=token)).json["events"]
    assert await told(ann, first["_id"]) == [insert({"_id": 3})]


@pytest.mark.both_hosts
async def test_the_rules_of_the_app_hold_in_both_hosts(ann_of_orders: Person, database: Any) -> None:
    ann = ann_of_orders
    await database.create_collection("orders", changeStreamPreAndPostImages={"enabled": True})
    token = (await ann("changes")).json["resumeToken"]
    await database.orders.insert_many(
        [{"_id": 1, "owner": ann.id, "total": 1, "secret": 1}, {"_id": 2, "owner": "bob"}]
    )
    await database.orders.update_many({}, {"$set": {"total": 2, "secret": 2}})
    await database.orders.delete_many({})

    events = (await ann("changes", resumeAfter=token)).json["events"]

    assert [(each["operationType"], each["documentKey"]["_id"]) for each in events] == [("insert", 1), ("delete", 1)]
    assert events[0]["fullDocument"] == {"_id": 1, "owner": ann.id, "total": 1}


async def test_a_token_that_was_given_to_nobody_or_to_another_is_refused(
    ann: Person, worker: Worker, known: Known, notes: Any
) -> None:
    bob = await known(worker, "bob@shop.example")
    async with await notes.watch() as stream:
        raw = stream.resume_token
    given = await begun(bob)

    for token in (raw, raw["_data"], given, {"_data": given}, given[:-4] + "AAAA", {}):
        answer = await ann("changes", **NOTES, resumeAfter=token)
        assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter"), token
