"""$out and $merge: writes of a system key, where the operator has opened them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.conftest import FailPoint, Post, restart
from tests.functions.rules.conftest import SETTINGS
from tests.hosts import Server, Worker
from tests.valkey import Valkey

ITEMS: list[dict[str, Any]] = [{"_id": 1, "n": 1}, {"_id": 2, "n": 2}]
OUT: dict[str, Any] = {"pipeline": [{"$match": {"n": 2}}, {"$out": "copies"}]}
MERGE: dict[str, Any] = {"pipeline": [{"$merge": {"into": "copies", "whenMatched": [{"$set": {"m": "$$new.n"}}]}}]}


@pytest.fixture
def opened(worker: Worker, key: str, configured: pytest.MonkeyPatch, database: Any) -> Post:
    """The worker with both stages open."""
    configured.setenv("GUARD_ALLOWED_STAGES", "out, merge")
    restart()
    return Post(worker, key)


async def copies(database: Any) -> list[Any]:
    return [each async for each in database.copies.find().sort("_id")]


@pytest.mark.parametrize("stage", [{"$out": "copies"}, {"$merge": "copies"}], ids=str)
async def test_they_are_closed_unless_they_are_opened(post: Post, database: Any, stage: dict[str, Any]) -> None:
    await database.items.insert_many(ITEMS)

    answer = await post("aggregate", pipeline=[stage])

    assert (answer.status, answer.json["error"]) == (400, f"operator '{next(iter(stage))}' is not allowed")
    assert await copies(database) == []


async def test_what_comes_out_is_written(opened: Post, database: Any) -> None:
    await database.items.insert_many(ITEMS)

    out = await opened("aggregate", **OUT)
    first = await copies(database)
    merged = await opened("aggregate", **MERGE)

    assert (out.status, out.json, merged.json) == (200, {"documents": []}, {"documents": []})
    assert first == [{"_id": 2, "n": 2}]
    assert await copies(database) == [{"_id": 1, "n": 1}, {"_id": 2, "n": 2, "m": 2}]


async def test_more_is_written_than_a_reply_may_hold(opened: Post, crowded: str, driver: Any) -> None:
    answer = await opened("aggregate", database=crowded, pipeline=[{"$out": {"db": "shop", "coll": "copies"}}])

    assert answer.json == {"documents": []}
    assert await driver.shop.copies.count_documents({}) == 50_001


@pytest.mark.parametrize(
    "target",
    [
        {"db": "dozen", "coll": "api_keys"}, {"db": "admin", "coll": "x"}, {"db": "local", "coll": "x"},
        {"db": "shop", "coll": "system.views"}, {"db": "DOZEN", "coll": "x"},
    ],
    ids=str,
)  # fmt: skip
async def test_what_is_nobodys_is_not_written_to(opened: Post, database: Any, target: dict[str, str]) -> None:
    await database.items.insert_many(ITEMS)

    out = await opened("aggregate", pipeline=[{"$out": target}])
    merged = await opened("aggregate", pipeline=[{"$merge": {"into": target}}])
    inside = await opened("aggregate", pipeline=[{"$facet": {"x": [{"$merge": {"into": target}}]}}])

    for answer in (out, merged, inside):
        assert (answer.status, answer.json["error_code"]) == (403, "NoMatchingRuleFound")


@pytest.mark.parametrize(
    "pipeline",
    [
        [{"$out": "copies"}, {"$match": {}}], [{"$facet": {"x": [{"$out": "copies"}]}}], [{"$out": 5}],
        [{"$merge": {}}],
        [{"$merge": {"into": "copies", "whenMatched": [{"$set": {"x": {"$function": {}}}}]}}],
        [{"$merge": {"into": "copies", "let": {"x": {"$where": 1}}}}], [{"$out": "copies", "$match": {}}],
    ],
    ids=str,
)  # fmt: skip
async def test_a_stage_of_another_form_is_refused(opened: Post, database: Any, pipeline: Any) -> None:
    await database.items.insert_many(ITEMS)

    answer = await opened("aggregate", pipeline=pipeline)

    assert answer.status == 400
    assert await copies(database) == []


async def test_a_write_without_a_majority_may_have_happened(opened: Post, database: Any, fail_point: FailPoint) -> None:
    await database.items.insert_many(ITEMS)
    await fail_point("aggregate", writeConcernError={"code": 64, "errmsg": "planted"})

    answer = await opened("aggregate", **OUT)

    assert (answer.status, "retry-after" in answer.headers) == (503, False)
    assert "may have happened" in answer.json["error"]


async def test_an_answer_that_is_lost_says_that_it_may_have_happened(
    opened: Post, database: Any, fail_point: FailPoint
) -> None:
    await database.items.insert_many(ITEMS)
    await fail_point("aggregate", closeConnection=True)

    answer = await opened("aggregate", **OUT)

    assert (answer.status, "retry-after" in answer.headers) == (503, False)
    assert "may have happened" in answer.json["error"]


@pytest.fixture
async def caching(mongod: Mongod, valkey: Valkey, key: str, database: Any, tmp_path: Path) -> AsyncIterator[Post]:
    """A server that caches what is written to, and nothing else."""
    env = {
        "MONGO_DB_URI": mongod.uri, "REDIS_URL": valkey.url, "SESSION_SECRET": SETTINGS["SESSION_SECRET"],
        "CACHED_COLLECTIONS": "shop.copies=3600", "GUARD_ALLOWED_STAGES": "out,merge",
    }  # fmt: skip
    async with Server(tmp_path / "log", **env) as running:
        yield Post(running, key)


async def test_a_cached_reply_of_the_collection_that_is_written_to_is_seen_no_more(
    caching: Post, database: Any
) -> None:
    await database.items.insert_many(ITEMS)
    await database.copies.insert_one({"_id": 7})
    await caching("find", collection="copies")
    await database.copies.delete_many({})
    cached = await caching("find", collection="copies")

    written = await caching("aggregate", **OUT)
    after = await caching("find", collection="copies")
    itself = await caching("aggregate", collection="copies", pipeline=[{"$out": "copies"}])

    assert cached.json == {"documents": [{"_id": 7}]}
    assert (written.status, after.json) == (200, {"documents": [{"_id": 2, "n": 2}]})
    assert "etag" in after.headers
    assert "etag" not in itself.headers
