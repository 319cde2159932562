"""What an event says of an update, beside the document that MongoDB says it left."""

from collections.abc import Mapping
from random import Random
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from shared.documents.elements import decoded
from shared.rules.changes import Event
from shared.rules.descriptions import Description
from shared.turns import at_once

BEFORE: dict[str, Any] = {
    "_id": 1, "n": 1, "d": {"a": 1, "b": {"c": [1, {"x": 1}]}, "0": {"1": 2}}, "l": [1, {"x": 1, "y": 2}, [1, 2, 3], 4],
    "e.f": 1, "a": {"b": 2, "c.d": {"e": 1}}, "$x": 1, "": {"": 1}, "long": list(range(100)),
}  # fmt: skip


def pipeline(**fields: Any) -> Any:
    return [{"$set": fields}]


def with_field(name: str, value: Any, within: Any = "$$ROOT") -> Any:
    return {"$setField": {"field": {"$literal": name}, "input": within, "value": value}}


@pytest.mark.parametrize(
    "update",
    [
        pytest.param({"$set": {"n": 2, "new": {"a": [1]}}}, id="fields"),
        pytest.param({"$set": {"d.b.c.1.x": 5, "d.new.deep": 1}}, id="inside"),
        pytest.param({"$set": {"d.0.1": 5, "d.0.2": 6}}, id="numbers as names"),
        pytest.param({"$set": {"l.1.x": 5, "l.2.1": 6}}, id="inside elements"),
        pytest.param({"$set": {"l.7": 5}}, id="an element behind the end"),
        pytest.param({"$unset": {"d.a": 1, "l.1.y": 1, "l.0": 1, "n": 1}}, id="what goes"),
        pytest.param({"$push": {"l": {"$each": [5, 6], "$position": 1}}}, id="elements between others"),
        pytest.param({"$pop": {"long": 1}}, id="the last element"),
        pytest.param({"$push": {"long": {"$each": [], "$slice": 5}}}, id="a truncated array"),
        pytest.param({"$push": {"l": {"$each": [], "$slice": -2}}}, id="the last elements"),
        pytest.param({"$rename": {"d.b": "moved"}}, id="another name"),
        pytest.param(pipeline(long={"$slice": ["$long", 50]}, n={"$add": ["$n", 1]}), id="a truncated array and more"),
        pytest.param(
            pipeline(long={"$concatArrays": [[9], {"$slice": ["$long", 1, 49]}]}), id="a truncated array that changes"
        ),
        pytest.param([{"$replaceWith": with_field("$x", 7)}], id="a name like an operator"),
        pytest.param(pipeline(a=with_field("c.d", {"e": 2}, "$a")), id="a name with a dot inside"),
        pytest.param([{"$unset": ["l", "d.b", "a.b"]}], id="much of it goes"),
    ],
)
async def test_the_document_that_an_update_left_is_what_mongodb_says(database: Any, update: Any) -> None:
    await database.create_collection("items", changeStreamPreAndPostImages={"enabled": True})
    await database.items.insert_one(RawBSONDocument(bson.encode(BEFORE)))
    images = {"full_document": "required", "full_document_before_change": "required", "show_expanded_events": True}
    async with await database.items.watch(**images) as stream:
        await database.items.update_one({"_id": 1}, update)
        await database.items.update_one({"_id": 1}, {"$set": {"n": "another"}})
        found = await stream.next()

    assert found["operationType"] == "update"
    left = at_once(Event(bson.encode(found)).left())
    assert left is not None
    assert in_any_order(decoded(left)) == in_any_order(found["fullDocument"])


def left_of(before: dict[str, Any], now: dict[str, Any], **description: Any) -> Any:
    made = at_once(Description(bson.encode(description)).applied(bson.encode(before), bson.encode(now)))
    return made and decoded(made)


@pytest.mark.parametrize(
    ("before", "now", "path"),
    [
        pytest.param({"a.b": 1, "a": {"b": 1}}, {}, "a.b", id="before"),
        pytest.param({"a": {"b": 1}}, {"a.b": 2, "a": {"b": 1}}, "a.b", id="now"),
        pytest.param({"a": {"b.c": 1}}, {}, "a.b.c", id="inside"),
        pytest.param({"a": [{"b.c": {"d": 1}}]}, {}, "a.0.b.c.d", id="inside an element"),
    ],
)
def test_what_may_be_a_path_or_a_name_is_not_known(before: Any, now: Any, path: str) -> None:
    for change in ({"updatedFields": {path: 2}}, {"removedFields": [path]}):
        assert left_of(before, now, **change) is None


def test_a_server_says_what_is_a_name() -> None:
    both = {"a.b": 1, "a": {"b": 1}}
    changed = {"updatedFields": {"a.b": 2}}

    assert left_of(both, both, **changed, disambiguatedPaths={"a.b": ["a.b"]}) == {"a.b": 2, "a": {"b": 1}}
    assert left_of(both, both, **changed, disambiguatedPaths={"a.b": ["a", "b"]}) == {"a.b": 1, "a": {"b": 2}}


def in_any_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sorted((name, repr(in_any_order(each))) for name, each in value.items())
    return [in_any_order(each) for each in value] if isinstance(value, list) else value


def test_what_no_server_says_changes_nothing() -> None:
    before = {"a": {"c": 1}, "b": [1], "n": 1}
    odd = {"updatedFields": {"a.c.d": 1, "b.x": 2, "n.x": 1}, "removedFields": ["c.d", "b.0"]}

    assert left_of(before, before, **odd, truncatedArrays=[{"field": "e", "newSize": 0}]) == before
    assert left_of(before, before) == before


def test_many_paths_are_applied_in_time_that_grows_with_them() -> None:
    """In one walk: a path for each of many elements costs no walk of its own."""
    random = Random(1)
    items = [{"v": random.random()} for _ in range(20_000)]
    changed = {f"items.{number}.v": 0 for number in range(20_000)}

    assert left_of({"items": items}, {"items": items}, updatedFields=changed) == {"items": [{"v": 0}] * 20_000}
