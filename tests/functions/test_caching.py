"""Replies that are kept: two hosts, one of them a process of its own, share a real Valkey and a real mongod."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from local.mongod import Mongod
from tests.conftest import ACTION, Post, errors_only, request_body
from tests.depth import HOSTS
from tests.functions.rules.conftest import SETTINGS
from tests.held import Hold
from tests.hosts import Answer, Host, Server, Worker, eventually
from tests.proxy import Proxy
from tests.valkey import Valkey

CACHED = {
    "CACHED_COLLECTIONS": "shop.items=3600, shop.parts=60, shop.seen=60",
    "SESSION_SECRET": SETTINGS["SESSION_SECRET"],
}


@pytest.fixture(scope="module")
async def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Valkey]:
    """The Valkey of this module's tests."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    await server.start()
    yield server
    await server.close()


@pytest.fixture(scope="module")
async def other(
    mongod: Mongod, shared_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """server.py with cached collections."""
    log = tmp_path_factory.mktemp("cached-server") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, REDIS_URL=shared_valkey.url, **CACHED) as running:
        yield running


class Pair(NamedTuple):
    """Two hosts of one deployment, the database behind them and their Valkey."""

    here: Post
    there: Post
    database: Any
    valkey: Valkey

    async def kept(self, action: str = "find", **members: Any) -> Answer:
        """Read once, change the documents past the service, and return the first reply when it still is the reply.

        A busy Valkey may not have taken the first one in time.
        """
        found: list[Answer] = []

        async def is_kept() -> bool:
            found[:] = [await self.here(action, **members)]
            await self.mark()
            found.append(await self.here(action, **members))
            assert [each.status for each in found] == [200, 200], found
            return found[0].body == found[1].body

        await eventually(is_kept)
        return found[0]

    async def mark(self) -> None:
        """Change documents past the service, so that a fresh reply is another one."""
        marks = {"$inc": {"past": 1}}
        for name in ("items", "parts"):
            await self.database[name].update_many({}, marks)


@pytest.fixture(params=HOSTS)
def hosts(request: pytest.FixtureRequest, worker: Worker, other: Server) -> list[Host]:
    """Both, each in turn the first."""
    return [worker, other] if request.param == "worker" else [other, worker]


@pytest.fixture
async def pair(
    hosts: list[Host], configured: pytest.MonkeyPatch, shared_valkey: Valkey, database: Any, key: str
) -> Pair:
    """Each host in turn is `here`, the other one `there`; three documents in items and one in parts."""
    for name, value in (CACHED | {"REDIS_URL": shared_valkey.url}).items():
        configured.setenv(name, value)
    await shared_valkey.client.flushall()
    await database.items.insert_many([{"_id": number, "value": number * 10} for number in range(3)])
    await database.parts.insert_one({"_id": 0, "item": 1})
    return Pair(Post(hosts[0], key), Post(hosts[1], key), database, shared_valkey)


READS = [
    pytest.param("findOne", {"filter": {"_id": 1}}, id="findOne"),
    pytest.param("findOne", {"filter": {"_id": "nobody"}}, id="findOne of nothing"),
    pytest.param("find", {"filter": {}, "sort": {"_id": -1}, "limit": 2, "skip": 1}, id="find"),
    pytest.param("aggregate", {"pipeline": [{"$match": {"_id": 1}}]}, id="aggregate"),
    pytest.param("aggregate", {"pipeline": []}, id="aggregate of nothing"),
]


@pytest.mark.parametrize("accept", ["application/json", "application/ejson"])
@pytest.mark.parametrize(("action", "members"), READS)
async def test_a_reply_is_kept_for_all_processes(pair: Pair, action: str, members: Any, accept: str) -> None:
    first = await pair.here(action, accept=accept, **members)
    await pair.mark()

    assert (first.status, first.headers["content-type"]) == (200, accept)
    assert (await pair.here(action, accept=accept, **members)).body == first.body
    assert (await pair.there(action, accept=accept, **members)).body == first.body
    await pair.valkey.client.flushall()
    assert ((await pair.there(action, accept=accept, **members)).body == first.body) == ("nobody" in str(members))


WRITES = [
    ("insertOne", {"document": {"_id": 9}}),
    ("insertMany", {"documents": [{"_id": 8}, {"_id": 9}]}),
    ("updateOne", {"filter": {"_id": 1}, "update": {"$set": {"a": 1}}}),
    ("updateMany", {"filter": {}, "update": {"$set": {"a": 1}}}),
    ("updateOne", {"filter": {"_id": 7}, "update": {"$set": {"a": 1}}, "upsert": True}),
    ("replaceOne", {"filter": {"_id": 1}, "replacement": {"a": 1}}),
    ("deleteOne", {"filter": {"_id": 1}}),
    ("deleteMany", {"filter": {}}),
]


@pytest.mark.parametrize(("action", "members"), WRITES)
async def test_a_write_anywhere_makes_what_was_kept_useless(pair: Pair, action: str, members: Any) -> None:
    stale = await pair.kept()

    written = await pair.there(action, **members)

    assert written.status in {200, 201}
    fresh = await pair.here("find")
    assert fresh.body != stale.body
    assert fresh.json == {"documents": [document async for document in pair.database["items"].find()]}


async def test_a_write_that_stops_half_way_counts(pair: Pair) -> None:
    stale = await pair.kept()

    answer = await pair.there("insertMany", documents=[{"_id": 8}, {"_id": 1}])

    assert errors_only(answer)["error_code"] == "MongoDBError"
    assert (await pair.here("find")).body != stale.body
    await pair.kept()


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        pytest.param({"closeConnection": True, "times": 2}, 503, id="the connection is lost"),
        pytest.param({"writeConcernError": {"code": 64, "errmsg": "waiting timed out"}}, 503, id="no majority"),
    ],
)
async def test_after_a_write_that_may_happen_yet_nothing_is_kept_for_a_while(
    pair: Pair, fail_point: Any, failure: dict[str, Any], status: int
) -> None:
    stale = await pair.kept()
    await fail_point("insert", **failure)

    answer = await pair.there("insertOne", document={"_id": 9})

    fresh = await pair.here("find")
    await pair.mark()
    assert answer.status == status
    assert fresh.body != stale.body
    assert (await pair.here("find")).body != fresh.body
    assert await lives(pair.valkey, "dozen:closed:*") > 60_000


async def _answers(post: Post) -> bool:
    """Tell whether a server knows the key, and answers in time."""
    return (await post("findOne")).status == 200


async def test_a_write_that_happens_after_its_504_is_seen(
    pair: Pair, mongod: Mongod, key: str, hold: Hold, tmp_path: Path
) -> None:
    env = CACHED | {"MONGO_DB_URI": mongod.uri, "REDIS_URL": pair.valkey.url, "MONGO_DB_TIMEOUT_MS": "1000"}
    async with Server(tmp_path / "log", **env) as hasty:
        await eventually(partial(_answers, Post(hasty, key)))
        await hold.begin("insert")
        late = await Post(hasty, key)("insertOne", document={"_id": "late"})
        early = await pair.here("find")
        await hold.end()

    async def has_happened() -> bool:
        return await pair.database["items"].find_one({"_id": "late"}) is not None

    await eventually(has_happened)
    assert late.status == 504
    assert len(early.json["documents"]) == 3
    assert len((await pair.here("find")).json["documents"]) == 4


async def test_a_refused_write_leaves_what_was_kept(pair: Pair) -> None:
    kept = await pair.kept()

    answer = await pair.there("updateOne", filter={"$where": "1"}, update={"$set": {"a": 1}})

    assert answer.status == 400
    assert (await pair.here("find")).body == kept.body


async def test_other_collections_do_not_matter(pair: Pair) -> None:
    kept = await pair.kept()

    await pair.there("insertOne", collection="parts", document={"_id": 5})
    await pair.there("insertOne", collection="others", document={"_id": 5})

    assert (await pair.here("find")).body == kept.body


async def test_a_collection_that_is_not_named_is_not_kept(pair: Pair) -> None:
    first = await pair.here("insertOne", collection="others", document={"_id": 1})
    before = await pair.here("find", collection="others")
    await pair.database.others.update_one({}, {"$set": {"a": 1}})

    assert first.status == 201
    assert (await pair.here("find", collection="others")).json == {"documents": [{"_id": 1, "a": 1}]}
    assert not {"etag", "cache-control"} & before.headers.keys()


@pytest.mark.parametrize("directive", ["no-store", "no-cache", "max-age=0, No-Store"])
async def test_a_request_can_do_without(pair: Pair, key: str, directive: str) -> None:
    kept = await pair.kept()
    headers = {"apiKey": key, "Cache-Control": directive}

    skipped = await pair.here.host.request("POST", ACTION + "find", headers, request_body())
    names = await pair.valkey.client.keys("dozen:reply:*")
    await pair.here.host.request("POST", ACTION + "findOne", headers, request_body(filter={"_id": 2}))

    assert skipped.body != kept.body
    assert (await pair.here("find")).body == kept.body
    assert await pair.valkey.client.keys("dozen:reply:*") == names


VARYING = [
    ("find", {"filter": {"$expr": {"$lt": ["$_id", {"$rand": {}}]}}}),
    ("find", {"filter": {"$expr": {"$lt": ["$at", "$$NOW"]}}}),
    ("findOne", {"filter": {}, "projection": {"now": "$$NOW"}}),
    ("aggregate", {"pipeline": [{"$sample": {"size": 3}}]}),
    ("aggregate", {"pipeline": [{"$match": {"$sampleRate": 1.0}}]}),
    ("aggregate", {"pipeline": [{"$facet": {"a": [{"$addFields": {"now": "$$NOW"}}]}}]}),
    ("aggregate", {"pipeline": [{"$unionWith": {"coll": "parts", "pipeline": [{"$sample": {"size": 1}}]}}]}),
    ("aggregate", {"pipeline": [{"$lookup": {"from": "others", "as": "a", "pipeline": []}}]}),
    ("aggregate", {"pipeline": [{"$unionWith": "others"}]}),
    ("aggregate", {"pipeline": [{"$facet": {"a": [{"$unionWith": "others"}]}}]}),
    ("aggregate", {"pipeline": [{"$unionWith": {"coll": "parts", "pipeline": [{"$unionWith": "others"}]}}]}),
    ("aggregate", {"pipeline": [{"$unionWith": "seen"}]}),
    ("find", {"collection": "seen"}),
]


@pytest.mark.parametrize(("action", "members"), VARYING)
async def test_what_may_vary_by_itself_is_not_kept(pair: Pair, action: str, members: Any) -> None:
    await pair.database.drop_collection("seen")
    await pair.database.create_collection("seen", viewOn="items")

    answer = await pair.here(action, **members)

    assert answer.status == 200, answer.body
    assert await pair.valkey.client.keys("dozen:reply:*") == []


JOINS = [
    {"$lookup": {"from": "parts", "localField": "_id", "foreignField": "item", "as": "parts"}},
    {"$graphLookup": {
        "from": "parts", "startWith": "$_id", "connectFromField": "item", "connectToField": "item", "as": "parts",
    }},
    {"$unionWith": "parts"},
    {"$unionWith": {"coll": "parts", "pipeline": [{"$match": {}}]}},
    {"$facet": {"a": [{"$unionWith": "parts"}]}},
]  # fmt: skip


@pytest.mark.parametrize("stage", JOINS)
async def test_a_join_depends_on_both_collections(pair: Pair, stage: Any) -> None:
    pipeline = [stage, {"$addFields": {"seen": True}}]
    stale = await pair.kept("aggregate", pipeline=pipeline)

    await pair.there("updateOne", collection="parts", filter={}, update={"$set": {"a": 1}})
    fresh = await pair.kept("aggregate", pipeline=pipeline)
    await pair.there("updateOne", filter={"_id": 1}, update={"$set": {"a": 1}})
    fresher = await pair.here("aggregate", pipeline=pipeline)

    assert len({stale.body, fresh.body, fresher.body}) == 3
    assert 0 < await lives(pair.valkey, "dozen:reply:*") <= 60_000


async def lives(server: Valkey, names: str) -> int:
    """Return for how many milliseconds at most these keys live."""
    return max([await server.client.pttl(name) for name in await server.client.keys(names)])


async def replies(server: Valkey) -> list[Any]:
    return list(await server.client.keys("dozen:reply:*"))


async def test_numbers_of_different_types_are_different_requests(pair: Pair) -> None:
    fives = [{f"$number{kind}": "5"} for kind in ("Int", "Long", "Double", "Decimal")]
    pipelines = [[{"$limit": 1}, {"$project": {"_id": 0, "five": {"$literal": five}}}] for five in fives]
    answers = [await pair.here("aggregate", accept="application/ejson", pipeline=each) for each in pipelines]

    assert [next(iter(each.json["documents"][0]["five"])) for each in answers] == [next(iter(five)) for five in fives]


async def test_the_order_of_members_is_part_of_a_request(pair: Pair) -> None:
    ascending = await pair.here("find", sort={"none": 1, "_id": 1})
    descending = await pair.here("find", sort={"_id": -1, "none": 1})

    assert [each["_id"] for each in ascending.json["documents"]] == [0, 1, 2]
    assert [each["_id"] for each in descending.json["documents"]] == [2, 1, 0]


async def test_errors_are_not_kept(pair: Pair) -> None:
    wrong = await pair.here("aggregate", pipeline=[{"$project": {"a": {"$divide": [1, "$value"]}}}])

    assert wrong.status == 400
    assert await replies(pair.valkey) == []


async def test_a_large_reply_is_not_kept(pair: Pair) -> None:
    await pair.database["items"].update_many({}, {"$set": {"text": "x" * 400_000}})

    answer = await pair.here("find")

    assert answer.status == 200
    assert len(answer.body) > 1024 * 1024
    assert await replies(pair.valkey) == []


async def test_a_revoked_key_does_not_reach_what_is_kept(pair: Pair) -> None:
    await pair.kept()

    assert (await Post(pair.here.host, "nobody")("find")).status == 401


async def test_a_reply_has_a_tag_that_answers_304_while_it_is_the_same(pair: Pair, key: str) -> None:
    first = await pair.here("find")
    headers = {"apiKey": key, "If-None-Match": f'"another", W/{first.headers["etag"]}'}
    same = await pair.there.host.request("POST", ACTION + "find", headers, request_body())
    await pair.there("updateOne", filter={"_id": 1}, update={"$set": {"a": 1}})
    changed = await pair.here.host.request("POST", ACTION + "find", headers, request_body())

    assert (same.status, same.body, same.headers["etag"]) == (304, b"", first.headers["etag"])
    assert first.headers["cache-control"] == same.headers["cache-control"] == "private, no-cache"
    assert {"Accept", "Authorization", "apiKey", "Origin"} <= set(first.headers["vary"].split(", "))
    assert changed.status == 200
    assert changed.headers["etag"] != first.headers["etag"]
    assert (await pair.here("insertOne", document={})).headers.keys().isdisjoint({"etag", "cache-control"})


async def test_a_kept_document_has_the_tag_that_a_write_expects(pair: Pair, key: str) -> None:
    read = await pair.here("findOne", filter={"_id": 1})
    kept = await pair.there("findOne", filter={"_id": 1})
    sent = {"apiKey": key, "If-Match": kept.headers["etag"]}
    change = request_body(filter={"_id": 1}, update={"$set": {"value": 11}})
    answers = [await pair.there.host.request("POST", ACTION + "updateOne", sent, change) for _ in range(2)]
    fresh = await pair.here("findOne", filter={"_id": 1})

    assert read.headers["etag"] == kept.headers["etag"]
    assert [each.status for each in answers] == [200, 412]
    assert fresh.json == {"document": {"_id": 1, "value": 11}}
    assert (fresh.headers["etag"] != read.headers["etag"], fresh.headers["cache-control"]) == (
        True,
        "private, no-cache",
    )


async def test_a_kept_reply_says_that_it_was_cut_to_whom_it_was(pair: Pair) -> None:
    await pair.database["items"].insert_many([{"_id": number} for number in range(3, 1_001)])
    asked = await pair.here("find", limit=1_000)
    cut = [await host("find") for host in (pair.here, pair.there)]

    assert "dozen-truncated" not in asked.headers
    assert {each.headers["dozen-truncated"] for each in cut} == {"limit=1000"}
    assert {each.body for each in (asked, *cut)} == {asked.body}


async def test_lines_and_lists_are_kept_apart(pair: Pair) -> None:
    accepts = ("application/json", "application/x-ndjson", "text/csv", "application/x-ndjson; format=ejson")
    first = [await pair.here("find", accept=accept, columns=["_id"]) for accept in accepts]
    again = [await pair.there("find", accept=accept, columns=["_id"]) for accept in accepts]

    assert [each.body for each in again] == [each.body for each in first]
    assert [each.body.partition(b"1")[0][:11] for each in first] == [
        b'{"documents', b'{"_id":0,"v', b"_id\r\n0\r\n", b'{"_id":{"$n',
    ]  # fmt: skip
    assert len({each.headers["etag"] for each in first}) == 4


async def test_the_two_forms_of_a_reply_are_kept_apart(pair: Pair) -> None:
    plain = await pair.here("findOne", filter={"_id": 1})
    extended = await pair.here("findOne", accept="application/ejson", filter={"_id": 1})

    assert plain.json == {"document": {"_id": 1, "value": 10}}
    assert extended.json == {"document": {"_id": {"$numberInt": "1"}, "value": {"$numberInt": "10"}}}


async def test_the_two_forms_of_a_reply_have_different_tags(pair: Pair) -> None:
    plain = await pair.here("findOne", filter={"_id": "nobody"})
    extended = await pair.here("findOne", accept="application/ejson", filter={"_id": "nobody"})

    assert plain.body == extended.body
    assert plain.headers["etag"] != extended.headers["etag"]


async def test_pages_may_use_tags(pair: Pair, key: str) -> None:
    origin = {"Origin": "https://page.example"}
    allowed = await pair.here.host.request("OPTIONS", ACTION + "find", origin)
    answer = await pair.here.host.request("POST", ACTION + "find", origin | {"apiKey": key}, request_body())

    assert {"Cache-Control", "If-None-Match"} <= set(allowed.headers["access-control-allow-headers"].split(", "))
    assert "ETag" in answer.headers["access-control-expose-headers"].split(", ")


async def test_without_the_setting_a_reply_has_no_new_headers(post: Post) -> None:
    answer = await post("find")

    assert answer.headers.keys().isdisjoint({"etag", "cache-control"})
    assert answer.headers["vary"] == "Origin"


def poison(kind: str, good: bytes) -> tuple[Any, ...]:
    """Return a command, without its key, that makes something else of a value."""
    return {
        "cut": ("SET", good[: len(good) // 2]),
        "empty": ("SET", b""),
        "too large": ("SET", good * 100_000),
        "garbage": ("SET", good[::-1]),
        "another type": ("HSET", "a", "b"),
        "gone": ("DEL",),
    }[kind]


async def poisoned(server: Valkey, kind: str, name: bytes) -> None:
    """Make something else of a key's value."""
    good: Any = await server.client.get(name) or b"1"
    await server.client.delete(name)
    command, *arguments = poison(kind, good)
    await server.client.execute_command(command, name, *arguments)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("purpose", ["reply", "generation", "epoch", "closed"])
@pytest.mark.parametrize("kind", ["cut", "empty", "too large", "garbage", "another type", "gone"])
async def test_a_poisoned_store_changes_no_answer(pair: Pair, purpose: str, kind: str) -> None:
    await pair.here("find")
    await pair.there("updateOne", filter={"_id": 1}, update={"$set": {"a": 1}})
    first = await pair.here("find")
    names: list[Any] = await pair.valkey.client.keys(f"dozen:{purpose}*")
    closed = f"dozen:closed:{sha256(b'shop.items').hexdigest()}".encode()
    await asyncio.gather(*(poisoned(pair.valkey, kind, name) for name in names or [closed]))

    answers = [await pair.here("find"), await pair.there("find")]
    written = await pair.there("updateOne", filter={"_id": 1}, update={"$set": {"a": 2}})
    fresh = await pair.here("find")

    assert [each.body for each in answers] == [first.body] * 2
    assert written.json == {"matchedCount": 1, "modifiedCount": 1}
    assert fresh.json["documents"][1]["a"] == 2


@pytest.fixture
async def refusing(shared_valkey: Valkey) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """Make Valkey refuse to store anything, or serve as one that is no primary any more; in the end it is one."""

    async def refuse(how: str) -> None:
        if how == "replica":
            await shared_valkey.client.replicaof("127.0.0.1", "1")
        else:
            await shared_valkey.client.config_set("maxmemory", "1")

    yield refuse
    await shared_valkey.client.replicaof("NO", "ONE")
    await shared_valkey.client.config_set("maxmemory", "0")


@pytest.mark.parametrize("how", ["replica", "no memory"])
async def test_a_store_that_refuses_changes_hides_no_write(
    pair: Pair, refusing: Callable[[str], Awaitable[None]], how: str
) -> None:
    await pair.kept()
    await refusing(how)
    written = await pair.there("updateOne", filter={"_id": 1}, update={"$set": {"a": 1}})
    fresh = [await pair.here("find"), await pair.there("find")]
    await pair.valkey.client.replicaof("NO", "ONE")
    await pair.valkey.client.config_set("maxmemory", "0")
    later = await pair.here("find")

    assert written.status == 200
    assert [each.json["documents"][1]["a"] for each in [*fresh, later]] == [1, 1, 1]
    await eventually(lambda: is_kept(pair, pair.here))
    await eventually(lambda: is_kept(pair, pair.there))


async def is_kept(pair: Pair, post: Post) -> bool:
    """Tell whether a host answers with what it read before a change past the service."""
    first = await post("find")
    await pair.mark()
    return (await post("find")).body == first.body


async def test_an_entry_in_anothers_place_is_not_served(pair: Pair) -> None:
    one = await pair.here("findOne", filter={"_id": 1})
    (name,) = await replies(pair.valkey)
    kept: Any = await pair.valkey.client.get(name)
    two = await pair.here("findOne", filter={"_id": 2})
    (other,) = set(await replies(pair.valkey)) - {name}
    await pair.valkey.client.set(other, kept)

    assert (await pair.here("findOne", filter={"_id": 2})).body == two.body != one.body


async def test_a_read_that_began_before_a_write_is_not_served_after_it(
    pair: Pair, mongod: Mongod, key: str, tmp_path: Path
) -> None:
    async with Proxy(mongod.port) as proxy:
        uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        env = CACHED | {"MONGO_DB_URI": uri, "REDIS_URL": pair.valkey.url}
        async with Server(tmp_path / "log", **env) as slow:
            reader = Post(slow, key)
            await reader("findOne", filter={"_id": 0})
            proxy.hold(b"value")
            reading = asyncio.create_task(reader("findOne", filter={"_id": 1}))
            await proxy.is_holding()
            await pair.there("updateOne", filter={"_id": 1}, update={"$set": {"value": "new"}})
            proxy.release()
            early = await reading
            late = await reader("findOne", filter={"_id": 1})

    assert early.json["document"]["value"] == 10
    assert late.json["document"]["value"] == "new"


async def test_a_secondary_is_not_kept(mongod: Mongod, pair: Pair, key: str, tmp_path: Path) -> None:
    uri = f"{mongod.uri}{'&' if '?' in mongod.uri else '?'}readPreference=secondaryPreferred"
    async with Server(tmp_path / "log", **CACHED | {"MONGO_DB_URI": uri, "REDIS_URL": pair.valkey.url}) as lagging:
        answer = await Post(lagging, key)("find")

    assert answer.status == 200
    assert await replies(pair.valkey) == []


OF_ITEMS = {"dataSource": "mongodb-atlas", "database": "shop", "collection": "items"}
INSERTED = {"action": "insertOne", "document": {"_id": 9}}
ELSEWHERE = {"database": "shop", "collection": "elsewhere"}


@pytest.mark.parametrize(
    ("action", "body"),
    [
        pytest.param("insertOne", {"document": {"_id": 9}}, id="one"),
        pytest.param(
            "insertOne", {"document": {"_id": 9}, "operations": [ELSEWHERE]}, id="a member that means nothing"
        ),
        pytest.param("transaction", {"operations": [INSERTED]}, id="names of the call"),
        pytest.param("transaction", {"operations": [INSERTED | {"collection": None}]}, id="null is absent"),
        pytest.param("transaction", ELSEWHERE | {"operations": [INSERTED | OF_ITEMS]}, id="names of the operation"),
    ],
)
async def test_a_write_on_terms_is_seen_by_the_next_read(pair: Pair, action: str, body: dict[str, Any]) -> None:
    before = await pair.kept("find", filter={"_id": 9})
    headers = {"apiKey": pair.here.key, "Content-Type": "application/json", "Idempotency-Key": uuid4().hex}

    written = await pair.here.host.request("POST", ACTION + action, headers, json.dumps(OF_ITEMS | body).encode())

    assert (before.json, written.status < 300) == ({"documents": []}, True)
    assert (await pair.there("find", filter={"_id": 9})).json == {"documents": [{"_id": 9}]}
