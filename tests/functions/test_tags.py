"""Tags of documents: what a caller has is not sent again, and what it has not seen is not changed."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from shared.documents.elements import Element, document_of, wrapped
from tests.conftest import ACTION, errors_only, request_body
from tests.functions.rules.test_every_action import CALLS
from tests.hosts import Answer, Host, Worker
from tests.test_actions import ACTIONS
from tests.values import UNDEFINED
from tests.values import stored as stored_as

ONE = [name for name, action in ACTIONS.items() if action.changes_one]
OTHERS = ACTIONS.keys() - set(ONE)
EJSON = {"Accept": "application/ejson"}

ODD_IDS = [
    pytest.param(Element(0x03, wrapped("a", *UNDEFINED[::-1])), id="undefined"),
    pytest.param(Element(0x03, wrapped("a", b"\2\0\0\0x\0" + bytes(12), 0x0C)), id="a pointer"),
    pytest.param(Element(0x03, document_of(b"\x0aa\0\x10a\0\1\0\0\0")), id="a name twice"),
    pytest.param(Element(0x02, b"\2\0\0\0\xff\0"), id="no UTF-8"),
    pytest.param(Element(0x0E, b"\2\0\0\0a\0"), id="a symbol"),
    pytest.param(-0.0, id="minus zero"),
]
"""What the driver does not write as it reads it, or not at all."""

every_write_of_one = pytest.mark.parametrize("name", ONE)


class Send(NamedTuple):
    """Posts with a key and more headers."""

    host: Host
    key: str

    async def __call__(self, action: str, headers: Mapping[str, str] = {}, /, **members: Any) -> Answer:
        sent = {"apiKey": self.key, "Content-Type": "application/json", **headers}
        return await self.host.request("POST", ACTION + action, sent, request_body(**members))

    async def tag(self, headers: Mapping[str, str] = {}, /, **members: Any) -> str:
        """Return the tag of what findOne finds."""
        return (await self("findOne", headers, **members)).headers["etag"]


@pytest.fixture
async def send(host: Host, key: str, database: Any) -> Send:
    """Post to each host in turn, on a database with two documents."""
    await database.items.insert_many([{"_id": number, "n": 1, "owner": "ANN"} for number in (1, 2)])
    return Send(host, key)


async def stored(database: Any) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = await database.items.find(sort={"_id": 1}).to_list()
    return documents


def test_the_writes_of_one_document_are_known() -> None:
    assert set(ONE) == {
        "updateOne", "replaceOne", "deleteOne", "findOneAndUpdate", "findOneAndReplace", "findOneAndDelete",
    }  # fmt: skip


async def test_a_document_has_a_tag_that_answers_304_while_it_is_the_same(send: Send, database: Any) -> None:
    first = await send("findOne", filter={"_id": 1})
    held = {"If-None-Match": f'"another", W/{first.headers["etag"]}'}
    same = await send("findOne", held, filter={"n": 1}, sort={"_id": 1})
    other = await send("findOne", held, filter={"_id": 2})
    await database.items.update_one({"_id": 1}, {"$set": {"m": 1}})
    changed = await send("findOne", held, filter={"_id": 1})

    assert (same.status, same.body, same.headers["etag"]) == (304, b"", first.headers["etag"])
    assert [each.status for each in (first, other, changed)] == [200, 200, 200]
    assert first.headers["vary"] == "Origin"
    assert len({each.headers["etag"] for each in (first, other, changed)}) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(5, 5.0, id="a double"),
        pytest.param(5, Int64(5), id="a long"),
        pytest.param("5", Decimal128("5"), id="a decimal"),
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, id="another order"),
    ],
)
async def test_a_tag_changes_with_each_byte_that_is_stored(send: Send, database: Any, before: Any, after: Any) -> None:
    tags = []
    for value in (before, after, before):
        await database.items.update_one({"_id": 1}, {"$set": {"v": value}})
        tags.append(await send.tag(filter={"_id": 1}))

    assert tags[0] == tags[2] != tags[1]


async def test_the_forms_of_a_document_have_tags_of_their_own(send: Send) -> None:
    plain, extended = await send.tag(filter={"_id": 1}), await send.tag(EJSON, filter={"_id": 1})

    assert plain != extended
    assert plain.removesuffix('-json"') == extended.removesuffix('-ejson"')
    assert (await send("findOne", {**EJSON, "If-None-Match": plain}, filter={"_id": 1})).status == 200
    assert (await send("findOne", {**EJSON, "If-None-Match": extended}, filter={"_id": 1})).status == 304


async def test_both_hosts_give_the_same_tag(send: Send, worker: Worker) -> None:
    assert await send.tag(filter={"_id": 1}) == await Send(worker, send.key).tag(filter={"_id": 1})


async def test_a_large_document_has_a_tag_too(send: Send, database: Any) -> None:
    await database.items.update_one({"_id": 1}, {"$set": {"text": "x" * 200_000}})
    tag = await send.tag(filter={"_id": 1})

    assert (await send("findOne", {"If-None-Match": tag}, filter={"_id": 1})).status == 304
    assert (await send("deleteOne", {"If-Match": tag}, filter={"_id": 1})).json == {"deletedCount": 1}


@pytest.mark.parametrize(
    "members", [{"projection": {"n": 1}}, {"projection": {"owner": 0}}, {"showRecordId": True}], ids=str
)
async def test_what_is_no_whole_document_has_a_weak_tag(send: Send, database: Any, members: dict[str, Any]) -> None:
    answer = await send("findOne", filter={"_id": 1}, **members)
    tag = answer.headers["etag"]
    same = await send("findOne", {"If-None-Match": tag}, filter={"_id": 1}, **members)
    refused = await send("deleteOne", {"If-Match": tag}, filter={"_id": 1})

    assert tag.startswith('W/"')
    assert (same.status, same.body) == (304, b"")
    assert (refused.status, errors_only(refused)["error_code"]) == (412, "PreconditionFailed")
    assert "weak tags" in refused.json["error"]
    assert len(await stored(database)) == 2


async def test_no_document_has_no_tag(send: Send) -> None:
    answer = await send("findOne", {"If-None-Match": "*"}, filter={"_id": 9})

    assert (answer.status, answer.body, "etag" in answer.headers) == (200, b'{"document":null}', False)


@every_write_of_one
async def test_a_write_of_what_was_seen_is_done(send: Send, database: Any, name: str) -> None:
    before = await stored(database)
    for headers in ({}, EJSON):
        tag = await send.tag(headers, filter=CALLS[name]["filter"])
        tried = await send(name, {"If-Match": tag, "Dozen-Dry-Run": "true"}, **CALLS[name])
        assert (tried.status, await stored(database)) == (200, before)
    done = await send(name, {"If-Match": f'"x,y", {tag}'}, **CALLS[name])

    assert (done.status, done.body) == (200, tried.body)
    assert await stored(database) != before


@every_write_of_one
@pytest.mark.parametrize("change", [{"$set": {"m": 2}}, {"$set": {"n": 1.0}}], ids=["a value", "a type"])
async def test_a_write_of_what_has_changed_is_refused(send: Send, database: Any, name: str, change: Any) -> None:
    tag = await send.tag(filter=CALLS[name]["filter"])
    await database.items.update_many({}, change)
    before = await stored(database)

    refused = await send(name, {"If-Match": tag}, **CALLS[name])

    assert (refused.status, errors_only(refused)["error_code"]) == (412, "PreconditionFailed")
    assert await stored(database) == before


@every_write_of_one
@pytest.mark.parametrize("tag", ["*", '"x"', 'W/"x"'])
async def test_nothing_is_no_document_that_a_write_expects(send: Send, database: Any, name: str, tag: str) -> None:
    upsert = {} if "elete" in name else {"upsert": True}
    before = await stored(database)

    refused = await send(name, {"If-Match": tag}, **{**CALLS[name], "filter": {"_id": 9}, **upsert})

    assert (refused.status, errors_only(refused)["error_code"]) == (412, "PreconditionFailed")
    assert "no document matches" in refused.json["error"]
    assert await stored(database) == before


@every_write_of_one
async def test_a_star_expects_any_document(send: Send, database: Any, name: str) -> None:
    before = await stored(database)

    done = await send(name, {"If-Match": "*"}, **CALLS[name])

    assert done.status == 200
    assert await stored(database) != before


@pytest.mark.parametrize("name", sorted(OTHERS))
@pytest.mark.parametrize("tag", ["*", '"x"', ""])
async def test_no_other_action_takes_a_condition(send: Send, database: Any, name: str, tag: str) -> None:
    before = await stored(database)

    refused = await send(name, {"If-Match": tag}, **CALLS[name])

    assert (refused.status, errors_only(refused)["error_code"]) == (400, "InvalidParameter")
    assert refused.json["error"] == "If-Match is for an action that changes or deletes one document"
    assert await stored(database) == before


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if not action.reads])
async def test_no_write_takes_if_none_match(send: Send, database: Any, name: str) -> None:
    before = await stored(database)

    refused = await send(name, {"If-None-Match": "*"}, **CALLS[name])

    assert (refused.status, refused.json["error"]) == (400, "If-None-Match is for reads")
    assert await stored(database) == before


@pytest.mark.parametrize("tag", ["", "x", '"x', '"a" "b"', '*, "a"', "w/'a'", 'w/"a"', '"a\tb"', ","])
async def test_what_is_no_list_of_tags_is_refused(send: Send, database: Any, tag: str) -> None:
    refused = await send("deleteOne", {"If-Match": tag}, filter={"_id": 1})

    assert (refused.status, errors_only(refused)["error_code"]) == (400, "InvalidParameter")
    assert "If-Match must be *" in refused.json["error"]
    assert len(await stored(database)) == 2


async def test_of_many_calls_at_once_each_changes_what_it_has_seen(send: Send, database: Any) -> None:
    async def add() -> None:
        for _ in range(100):
            seen = await send("findOne", filter={"_id": 1})
            number = seen.json["document"]["n"]
            headers = {"If-Match": seen.headers["etag"]}
            if (await send("updateOne", headers, filter={"_id": 1}, update={"$set": {"n": number + 1}})).status == 200:
                return

    await asyncio.gather(*(add() for _ in range(8)))

    assert (await stored(database))[0]["n"] == 9


async def test_of_two_replacements_at_once_one_is_refused(send: Send, database: Any) -> None:
    headers = {"If-Match": await send.tag(filter={"_id": 1})}

    answers = await asyncio.gather(
        *(send("replaceOne", headers, filter={"_id": 1}, replacement={"by": each}) for each in range(5))
    )

    assert sorted(each.status for each in answers) == [200, 412, 412, 412, 412]


async def test_a_write_meets_the_document_whose_tag_is_compared(send: Send, database: Any) -> None:
    tag = await send.tag(filter={}, sort={"_id": -1})
    done = await send(
        "findOneAndUpdate", {"If-Match": tag}, filter={}, sort={"_id": -1}, update={"$set": {"n": 2}},
        returnDocument="After",
    )  # fmt: skip

    assert done.json == {"document": {"_id": 2, "n": 2, "owner": "ANN"}}


async def test_a_filter_that_finds_another_the_second_time_changes_none(send: Send, database: Any) -> None:
    by_chance = {"$expr": {"$lt": [{"$rand": {}}, 0.5]}}
    for _ in range(40):
        headers = {"If-Match": await send.tag(filter={"_id": 1})}
        await send("updateOne", headers, filter=by_chance, update={"$inc": {"n": 1}})

    assert (await stored(database))[1]["n"] == 1
    assert (await stored(database))[0]["n"] > 1


@pytest.mark.parametrize(
    ("condition", "update", "filters"),
    [
        pytest.param({"list.x": 2}, {"$set": {"list.$.y": 1}}, None, id="the place that matched"),
        pytest.param({"_id": 1}, {"$set": {"list.$[e].y": 1}}, [{"e.x": 2}], id="arrayFilters"),
        pytest.param({"$text": {"$search": "word"}, "list.x": 2}, {"$set": {"list.$.y": 1}}, None, id="a text"),
        pytest.param({"at": {"$near": [0, 0]}}, {"$set": {"list.1.y": 1}}, None, id="a place"),
    ],
)
async def test_an_update_does_what_it_does_without(
    send: Send, database: Any, condition: Any, update: Any, filters: Any
) -> None:
    await database.items.create_index([("text", "text")])
    await database.items.create_index([("at", "2d")])
    await database.items.update_one(
        {"_id": 1}, {"$set": {"list": [{"x": 1}, {"x": 2}], "text": "a word", "at": [0, 0]}}
    )
    tag = await send.tag(filter={"_id": 1})

    done = await send("updateOne", {"If-Match": tag}, filter=condition, update=update, arrayFilters=filters)

    assert (done.status, done.body) == (200, b'{"matchedCount":1,"modifiedCount":1}')
    assert (await stored(database))[0]["list"] == [{"x": 1}, {"x": 2, "y": 1}]


@pytest.mark.parametrize("identity", ODD_IDS)
async def test_an_id_that_the_driver_does_not_write_is_met(send: Send, database: Any, identity: Any) -> None:
    await database.items.insert_one(stored_as({"_id": identity, "n": 7}))
    tag = await send.tag(filter={"n": 7})

    done = await send("updateOne", {"If-Match": tag}, filter={"n": 7}, update={"$set": {"n": 8}})

    assert (done.status, done.body) == (200, b'{"matchedCount":1,"modifiedCount":1}')
    assert await database.items.count_documents({"n": 8}) == 1


async def test_a_collation_by_which_ids_are_equal_is_refused(send: Send, database: Any) -> None:
    refused = await send(
        "deleteOne", {"If-Match": "*"}, filter={"owner": "ann"}, collation={"locale": "en", "strength": 2}
    )

    assert (refused.status, refused.json["error"]) == (400, "option 'collation' is not allowed beside If-Match")


async def test_a_write_that_is_sent_again_is_not_refused(send: Send, database: Any, driver: Any) -> None:
    await driver["dozen"]["replies"].delete_many({})
    headers = {"If-Match": await send.tag(filter={"_id": 1}), "Idempotency-Key": "once"}
    change = {"filter": {"_id": 1}, "update": {"$inc": {"n": 1}}}

    answers = [await send("updateOne", headers, **change) for _ in range(2)]

    assert [each.status for each in answers] == [200, 200]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert (await stored(database))[0]["n"] == 2


async def test_a_page_may_send_conditions_and_read_tags(host: Host, send: Send) -> None:
    page = {"Origin": "https://shop.example"}

    preflight = await host.request("OPTIONS", ACTION + "updateOne", page)
    answer = await send("findOne", page, filter={"_id": 1})

    assert {"If-Match", "If-None-Match"} <= set(preflight.headers["access-control-allow-headers"].split(", "))
    assert "ETag" in answer.headers["access-control-expose-headers"].split(", ")
