"""What a call uses: paths however they are written, operators that are refused wherever they are nested."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import MinKey, Regex

from shared.errors import InvalidParameterError
from shared.rules import field_paths
from shared.rules.values import path
from tests.work import is_linear, work


def paths(*names: str) -> set[tuple[str, ...]]:
    return {path(name) for name in names}


@pytest.mark.parametrize(
    ("condition", "used"),
    [
        ({}, set()),
        ({"a": 1}, paths("a")),
        ({"a.b.0.c": {"$gt": 1}}, paths("a.b.0.c")),
        ({"_id": 1}, set()),
        ({"_id": {"$in": [1, 2]}}, set()),
        ({"_id": {"$eq": 1}}, set()),
        ({"_id": {"$gt": 1}}, paths("_id")),
        ({"_id": {"$in": [1], "$gt": 0}}, paths("_id")),
        ({"_id.a": 1}, paths("_id.a")),
        ({"$and": [{"a": 1}, {"$or": [{"b": 1}, {"$nor": [{"c": 1}]}]}]}, paths("a", "b", "c")),
        ({"a": {"$elemMatch": {"b": 1, "$or": [{"c": 1}]}}}, paths("a", "a.b", "a.c")),
        ({"a": {"$elemMatch": {"$gt": 1}}}, paths("a")),
        ({"a": {"$not": {"$elemMatch": {"b": 1}}}}, paths("a", "a.b")),
        ({"a": {"$all": [{"$elemMatch": {"b": 1}}, 5]}}, paths("a", "a.b")),
        ({"a": {"b": {"$gt": 1}}}, paths("a")),
        ({"a": {"$ref": "c", "$id": 1}}, paths("a")),
        ({"__proto__": 1, "constructor.prototype": 1, "": 1}, paths("__proto__", "constructor.prototype", "")),
        ({"$comment": {"$where": "x"}, "a": 1}, paths("a")),
    ],
)
def test_the_paths_of_a_filter(condition: Any, used: Any) -> None:
    assert field_paths.of_filter(condition).paths == used


REFUSED = ["$text", "$where", "$within", "$sampleRate", "$alwaysTrue", "$someday"]


@pytest.mark.parametrize("operator", REFUSED)
@pytest.mark.parametrize(
    "nested",
    [
        lambda operator: {operator: 1},
        lambda operator: {"a": {operator: 1}},
        lambda operator: {"a": {"$gt": 1, operator: 1}},
        lambda operator: {"$and": [{"$or": [{"$nor": [{"a": {operator: 1}}]}]}]},
        lambda operator: {"a": {"$not": {operator: 1}}},
        lambda operator: {"a": {"$elemMatch": {operator: 1}}},
        lambda operator: {"a": {"$elemMatch": {"b": {"$not": {operator: 1}}}}},
        lambda operator: {"a": {"$all": [{"$elemMatch": {"b": {operator: 1}}}]}},
        lambda operator: {"_id": {operator: 1}},
    ],
)
def test_an_operator_is_refused_by_name_wherever_it_is_nested(operator: str, nested: Any) -> None:
    with pytest.raises(InvalidParameterError, match=rf"'\{operator}'"):
        field_paths.of_filter(nested(operator))


@pytest.mark.parametrize(
    ("condition", "used", "gaps"),
    [
        ({"a": Regex("x")}, ["a"], []),
        ({"a": {"$in": [1, Regex("x")]}}, ["a"], []),
        ({"a": {"$not": Regex("x")}}, ["a"], ["a"]),
        ({"a": {"$elemMatch": {"b": Regex("x")}}}, ["a", "a.b"], []),
        ({"_id": Regex("x")}, ["_id"], []),
        ({"_id": {"$in": [Regex("x")]}}, ["_id"], []),
        ({"_id": {"$regex": "x", "$options": "i"}}, ["_id"], []),
        ({"_id": {"$in": [1]}}, [], []),
        ({"$or": [{"a": Regex("x")}]}, ["a"], []),
        ({"a": {"$bitsAllSet": 1}}, ["a"], []),
        ({"a": {"$nin": [1]}}, ["a"], ["a"]),
        ({"$nor": [{"a": {"$geoWithin": {}}}]}, ["a"], ["a"]),
        ({"a": {"$exists": 1}, "b": {"$exists": False}}, ["a", "b"], ["b"]),
        ({"a": {"$gte": MinKey()}}, ["a"], ["a"]),
        ({"a": {"$in": [1, None]}}, ["a"], ["a"]),
        ({"a.0.b": 1}, ["a.0.b"], ["a.0.b"]),
        ({"0.b": 1}, ["0.b"], []),
    ],
)
def test_what_a_condition_asks_about_and_whether_nothing_there_satisfies_it(
    condition: Any, used: list[str], gaps: list[str]
) -> None:
    found = field_paths.of_filter(condition)

    assert (found.paths, found.gaps, found.is_computed) == (paths(*used), paths(*gaps), False)
    assert found.compares_id is (not used)


@pytest.mark.parametrize("computed", [{"$expr": {"$eq": ["$a", 1]}}, {"$jsonSchema": {"required": ["a"]}}], ids=str)
def test_what_a_filter_computes_is_left_to_what_is_visible(computed: Any) -> None:
    def asked(condition: Any) -> Any:
        return field_paths.without(condition, lambda uses: uses.is_computed)

    assert field_paths.of_filter(computed) == field_paths.Uses(set(), set(), is_computed=True)
    assert asked({"b": 1, **computed}) == {"b": 1}
    assert asked({"$and": [{"b": 1}, {"$and": [computed, {"c": 1}]}]}) == {"$and": [{"b": 1}, {"$and": [{"c": 1}]}]}
    assert asked({"$or": [{"b": 1}, computed]}) == {}
    assert asked({"$and": [computed]}) == {}
    with pytest.raises(InvalidParameterError):
        field_paths.of_filter({"a": {"$elemMatch": computed}})
    with pytest.raises(InvalidParameterError):
        field_paths.of_update({"$set": {"a.$[e].b": 1}}, [{"$or": [{"e.c": 1}, computed]}])


@pytest.mark.parametrize(
    ("update", "filters", "used"),
    [
        ({"$set": {"a": 1, "b.c": 2}, "$inc": {"d": 1}}, [], paths("a", "b.c", "d")),
        ({"$set": {"a.$.b": 1, "a.$[].c": 1, "a.$[x].d": 1}}, [], paths("a.b", "a.c", "a.d")),
        ({"$set": {"a.$[x].b": 1}}, [{"x.c": 1}], paths("a.b", "a.c")),
        ({"$set": {"a.$[x].b.$[y]": 1}}, [{"x.c": 1}, {"y": {"$gt": 1}}], paths("a.b", "a.c")),
        ({"$set": {"a.$[x].b": 1}}, [{"$or": [{"x.c": 1}, {"x.d": 1}]}], paths("a.b", "a.c", "a.d")),
        ({"$rename": {"a": "b.c"}}, [], paths("a", "b.c")),
        ({"$pull": {"a": {"b": 1}}}, [], paths("a", "a.b")),
        ({"$pull": {"a": {"$gt": 1}}}, [], paths("a")),
        ({"$push": {"a": {"$each": [1], "$sort": {"b": 1}}}}, [], paths("a")),
        ({"$setOnInsert": {"a": 1}, "$unset": {"b": ""}}, [], paths("b")),
        ({"$set": 5, "$inc": {"$": 1}}, [], set()),
    ],
)
def test_the_paths_of_an_update(update: Any, filters: Any, used: Any) -> None:
    assert field_paths.of_update(update, filters).paths == used


@pytest.mark.parametrize(
    "update", [{"$pull": {"a": {"$text": "x"}}}, {"$pull": {"a": {"$expr": 1}}}, {"$pull": {"a": {"b": {"$expr": 1}}}}]
)
def test_a_pull_takes_no_more_than_a_filter(update: Any) -> None:
    with pytest.raises(InvalidParameterError):
        field_paths.of_update(update, [])


@pytest.mark.parametrize(
    "pipeline",
    [
        [{"$out": "x"}],
        [{"$match": {}}, {"$geoNear": {}}],
        [{"$search": {}}],
        [{"$documents": []}],
        [{"$match": {"$or": [{"$text": {}}]}}],
        [{"$facet": {"a": [{"$searchMeta": {}}]}}],
        [{"$group": {"_id": {"$cond": [{"$encStrContains": [[], []]}, 1, 2]}}}],
        [{"$set": {"a": [{"b": {"$function": {}}}]}}],
        [{"$project": {"a": {"$meta": "indexKey"}}}],
    ],
)
def test_stages_and_expressions_that_are_refused(pipeline: Any) -> None:
    with pytest.raises(InvalidParameterError):
        field_paths.refuse_stages(pipeline)


def test_stages_that_are_allowed() -> None:
    field_paths.refuse_stages([{"$match": {"a": 1}}, {"$group": {"_id": "$a", "n": {"$sum": 1}}}, {"$sort": {"n": -1}}])


def test_a_name_that_begins_with_a_dollar_is_no_position() -> None:
    update = {"$pop": {"b.$ref.in.$id": 1}, "$set": {"a.$[].x": 1, "a.$[e].y": 1, "a.$.z": 1}}

    assert field_paths.of_update(update, []).paths == paths("b.$ref.in.$id", "a.x", "a.y", "a.z")


@pytest.mark.parametrize(
    ("update", "filters", "written", "asked"),
    [
        ({"$pull": {"a.0.$.x": {"x": {}}}}, [], ["a.0.x", "a.0.x.x"], []),
        ({"$pull": {"a.0": {"x.1": 1}}}, [], ["a.0"], ["a.0.x.1"]),
        ({"$set": {"a.0.$[e].x": 1}}, [{"e.y": 1}], ["a.0.x", "a.0.y"], []),
        ({"$set": {"a.0.$[e].x": 1}}, [{"e.0": 1}], ["a.0.x"], ["a.0.0"]),
    ],
)
def test_a_number_is_a_name_only_where_a_condition_asks_by_it(
    update: Any, filters: Any, written: list[str], asked: list[str]
) -> None:
    assert field_paths.of_update(update, filters) == field_paths.Touched(paths(*written), frozenset(paths(*asked)))


@pytest.mark.parametrize("name", ["$[e]", "$.$[e]", "$[e].$[e]"])
def test_a_path_of_positions_alone_is_left_to_mongodb(name: str) -> None:
    assert field_paths.of_update({"$set": {name: 1}}, [{"e": {}}, {"e": 1}]).paths == set()


def test_a_sort_that_computes_is_refused() -> None:
    assert field_paths.of_sort({"a": 1, "b.c": -1}) == paths("a", "b.c")
    with pytest.raises(InvalidParameterError, match=r"'\$meta'"):
        field_paths.of_sort({"a": {"$meta": "textScore"}})


@pytest.mark.parametrize(
    "make",
    [
        lambda number: {"$or": [{f"a{each}": each} for each in range(number)]},
        lambda number: {"a": {"$in": list(range(number))}},
        lambda number: {"a": {"$all": [{"$elemMatch": {"b": each}} for each in range(number)]}},
    ],
)
def test_ten_thousand_conditions_take_ten_times_as_long_as_a_thousand(make: Any) -> None:
    thousand, ten_thousand = make(1_000), make(10_000)

    assert work(lambda: field_paths.of_filter(ten_thousand)) <= 11 * work(lambda: field_paths.of_filter(thousand))


def test_deep_conditions_are_looked_at() -> None:
    condition: Any = {"secret": 1}
    for _ in range(48):
        condition = {"$and": [condition]}
    assert field_paths.of_filter(condition).paths == paths("secret")


def test_array_filters_are_read_in_time_that_grows_with_the_request() -> None:
    def update(size: int) -> Callable[[], object]:
        names = {f"a{number}.$[e{number}].x": 1 for number in range(size)}
        filters = [{f"e{number}.y": 1} for number in range(size)]
        return lambda: field_paths.of_update({"$set": names}, filters)

    assert is_linear(update, 50)
