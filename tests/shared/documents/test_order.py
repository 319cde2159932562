"""MongoDB's order of values, in Python, beside MongoDB's own."""

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from shared.documents.elements import elements
from shared.documents.order import members, order, sort_key
from shared.mongo.clients import RAW
from tests.values import ARRAYS, RARE, VALUES
from tests.values import stored as as_stored

MARK = {"key": {"$meta": "sortKey"}}
PATHS = ["a", "a.b", "a.0", "a.1.b", "a.0.0", "a.0.b", "a.b.0", "a.b.c", "a.7", "a.01", "a.²"]


@pytest.fixture
async def stored(database: Any) -> Any:
    """Documents with a value each, behind a collection whose documents stay bytes."""
    values = [*VALUES, *ARRAYS, *RARE]
    await database.items.insert_many(as_stored({"_id": place, "a": value}) for place, value in enumerate(values))
    await database.items.insert_one({"_id": -1})
    return database.items.with_options(codec_options=RAW)


async def sorted_by(stored: Any, keys: list[tuple[str, int]]) -> list[RawBSONDocument]:
    return [each async for each in stored.find({}, {"a": 1, **MARK}, sort=keys)]


def mark(document: RawBSONDocument) -> Any:
    return tuple(members(elements(bytes(document.raw))["key"].value))


@pytest.mark.parametrize("path", ["a", "a.b"])
async def test_values_have_the_order_in_which_mongodb_sorts(stored: Any, path: str) -> None:
    found = [mark(each) for each in await sorted_by(stored, [(path, 1), ("_id", 1)])]

    assert [[*map(order, each)] for each in found] == sorted([*map(order, each)] for each in found)


async def test_what_mongodb_finds_equal_is_equal(stored: Any, database: Any) -> None:
    groups = await database.items.aggregate([{"$group": {"_id": "$a", "ids": {"$push": "$_id"}}}, {"$unset": "_id"}])
    together = [each["ids"] async for each in groups]
    found = await sorted_by(stored, [("a", 1)])
    ids = [bson.decode(as_stored({"_id": elements(bytes(each.raw))["_id"]}).raw)["_id"] for each in found]
    keys = {id_: order(mark(each)[0]) for id_, each in zip(ids, found, strict=True)}

    assert any(len(ids) > 1 for ids in together)
    assert all(keys[ids[0]] == keys[each] for ids in together for each in ids)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("path", PATHS)
async def test_a_sort_key_is_the_one_that_mongodb_takes(stored: Any, path: str, direction: int) -> None:
    keys = [(path, direction), ("_id", direction)]

    for each in await sorted_by(stored, keys):
        document = {name: value for name, value in elements(bytes(each.raw)).items() if name != "key"}
        made = sort_key(bytes(as_stored(document).raw), keys)
        assert [*map(order, made)] == [*map(order, mark(each))], document


def test_no_sort_key_is_made_up_of_two_elements_of_an_array() -> None:
    document = bson.encode({"a": [{"b": 1, "c": 9}, {"b": 2, "c": 1}]})

    with pytest.raises(ValueError, match="c"):
        sort_key(document, [("a.b", 1), ("a.c", 1)])
