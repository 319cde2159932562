"""The condition that finds what is behind a position: never too little, and by an index where there is one."""

from random import Random
from typing import Any

import bson
import pytest

from shared.access.continuation import Position
from shared.documents.elements import elements
from shared.documents.order import members
from shared.mongo.clients import RAW
from tests.values import ARRAYS, RARE, UNDEFINED, VALUES
from tests.values import stored as as_stored

SORTS = [
    {"_id": 1}, {"a": 1, "_id": 1}, {"a": -1, "_id": -1}, {"a.b": 1, "_id": 1}, {"a.b": -1, "_id": -1},
    {"n": 1, "a": -1, "_id": -1}, {"m": -1, "a.b": 1, "_id": 1}, {"a.b": 1, "n": -1, "_id": -1},
    {"a.b": -1, "a.c": 1, "_id": 1}, {"a.0": 1, "_id": 1}, {"n": 1, "m": 1, "a": 1, "o": 1, "_id": 1},
]  # fmt: skip


async def positions(collection: Any, sort: dict[str, int]) -> list[Position]:
    """Return the position of each document, in the order of a sort."""
    raw = collection.with_options(codec_options=RAW)
    found = []
    async for each in raw.find({}, {"key": {"$meta": "sortKey"}}, sort=[*sort.items()]):
        stored = elements(each.raw)
        key = tuple(members(stored["key"].value))
        found.append(Position(key, stored["_id"], key))
    return found


@pytest.mark.parametrize("sort", SORTS, ids=str)
async def test_a_condition_finds_all_that_is_behind(database: Any, sort: dict[str, int]) -> None:
    random = Random(1)
    values = [*VALUES, *ARRAYS, *RARE, UNDEFINED, None, UNDEFINED]
    await database.items.insert_many(
        as_stored({"_id": place, "a": value, "n": place % 3, "m": random.choice([*VALUES, *RARE]), "o": 1})
        for place, value in enumerate(values)
    )
    await database.items.insert_one({"_id": -1})
    ordered = await positions(database.items, sort)

    for place, position in enumerate(ordered):
        stored = Position.of(bson.encode(position.document()))
        unknown = position._replace(values=[None] * len(sort))
        behind = {each.identity for each in ordered[place + 1 :]}
        assert stored == position._replace(values=[*position.values])
        assert [each for each in ordered if position.is_before(each.key, each.identity, [*sort.items()])] == ordered[
            place + 1 :
        ]
        for each in (stored, unknown):
            raw = database.items.with_options(codec_options=RAW)
            found = {elements(one.raw)["_id"] async for one in raw.find(each.behind([*sort.items()]), {"_id": 1})}
            assert behind <= found, position


@pytest.mark.parametrize("direction", [1, -1])
async def test_two_paths_into_one_array_are_one_choice(database: Any, direction: int) -> None:
    pairs = [(1, 9), (1, 10), (2, 0), (1, 0)]
    await database.items.insert_many(
        {"_id": place, "a": [{"b": b, "c": c}, {"b": 1 + direction * 4, "c": 5 - direction * 5}]}
        for place, (b, c) in enumerate(pairs)
    )
    sort = {"a.b": direction, "a.c": direction, "_id": 1}
    ordered = await positions(database.items, sort)

    for place, position in enumerate(ordered):
        raw = database.items.with_options(codec_options=RAW)
        found = {elements(one.raw)["_id"] async for one in raw.find(position.behind([*sort.items()]), {"_id": 1})}
        assert {each.identity for each in ordered[place + 1 :]} <= found


@pytest.mark.parametrize(
    ("sort", "condition"),
    [
        ({"_id": 1}, {}), ({"_id": -1}, {}), ({"a": 1, "_id": 1}, {}), ({"a": -1, "_id": -1}, {}),
        ({"s": 1, "b": 1, "_id": 1}, {}), ({"s": -1, "b": -1, "_id": -1}, {}), ({"b": 1, "_id": 1}, {"s": "t3"}),
        ({"a": 1, "_id": 1}, {"b": {"$gte": 0}}),
    ],
    ids=str,
)  # fmt: skip
async def test_an_index_is_read_from_the_position(database: Any, sort: dict[str, int], condition: Any) -> None:
    await database.items.insert_many(
        {"_id": n, "a": n // 100 if n % 7 else None, "s": f"t{n // 500}", "b": n % 50} for n in range(4_000)
    )
    await database.items.create_index([("a", 1), ("_id", 1)])
    await database.items.create_index([("s", 1), ("b", 1), ("_id", 1)])
    position = (await positions(database.items, sort))[1_850]
    behind = {"$and": [condition, position.behind([*sort.items()])]}

    command = {"find": "items", "filter": behind, "sort": sort, "limit": 20}
    explained = await database.command("explain", command, verbosity="executionStats")

    assert explained["executionStats"]["nReturned"] <= 20
    assert explained["executionStats"]["totalKeysExamined"] < 40
