"""Which commands have one shape: those that the same index serves, whatever values they hold."""

from typing import Any

import pytest
from bson import Int64
from bson.regex import Regex
from hypothesis import given
from hypothesis import strategies as st

from shared.documents.shapes import could_serve, question, reduced, shape, wants_index

Command = dict[str, Any]


def of(command: Command, database: str = "shop") -> bytes:
    return shape(database, question(command))


def find(condition: Command, **members: Any) -> Command:
    return {"find": "orders", "filter": condition, **members}


@given(st.integers(), st.integers(), st.sampled_from(["a", "a.b", "$eq", "é\ud800"]))
def test_values_make_no_difference(one: int, other: int, name: str) -> None:
    assert of(find({name: one})) == of(find({name: other}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(find({"a": 1}), find({"b": 1}), id="fields"),
        pytest.param(find({"a": 1}), find({"a": 1, "b": 1}), id="how many fields"),
        pytest.param(find({"a": {"b": 1}}), find({"a": 1, "b": 1}), id="nesting"),
        pytest.param(find({"a": 1}), find({"a": "1"}), id="kinds of values"),
        pytest.param(find({"a": 1}), find({"a": Int64(1)}), id="kinds of numbers"),
        pytest.param(find({"a": {"$gt": 1}}), find({"a": {"$ne": 1}}), id="operators"),
        pytest.param(find({"a": {"$exists": True}}), find({"a": {"$exists": False}}), id="what is to exist"),
        pytest.param(find({"a": {"$in": [1]}}), find({"a": {"$in": [1, 2]}}), id="one value or several"),
        pytest.param(find({"a": {"$in": [1, 2]}}), find({"a": {"$in": [1, None]}}), id="kinds in a list"),
        pytest.param(find({"a": Regex("^a")}), find({"a": Regex("a")}), id="anchors"),
        pytest.param(find({"a": Regex("^a")}), find({"a": Regex("^a", "i")}), id="options of a pattern"),
        pytest.param(find({"a": {"$regex": "^a"}}), find({"a": {"$regex": "a"}}), id="anchors of $regex"),
        pytest.param(find({}, sort={"a": 1}), find({}, sort={"a": -1}), id="directions of a sort"),
        pytest.param(find({}, sort={"a": 1, "b": 1}), find({}, sort={"b": 1, "a": 1}), id="order of a sort"),
        pytest.param(find({}, hint="a_1"), find({}, hint="b_1"), id="hints"),
        pytest.param(find({}, collation={"locale": "de"}), find({}, collation={"locale": "en"}), id="collations"),
        pytest.param({"find": "a", "filter": {}}, {"find": "b", "filter": {}}, id="collections"),
    ],
)
def test_what_decides_which_index_serves_makes_a_difference(one: Command, other: Command) -> None:
    assert of(one) != of(other)


def test_databases_make_a_difference() -> None:
    assert of(find({}), "shop") != of(find({}), "shop2")


@pytest.mark.parametrize("length", [2, 3, 1000])
def test_lists_of_several_values_have_one_shape(length: int) -> None:
    assert of(find({"a": {"$in": [*range(length)]}})) == of(find({"a": {"$in": [7, 9]}}))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param({"count": "orders", "query": {"a": 2}}, id="count"),
        pytest.param({"distinct": "orders", "key": "b", "query": {"a": 2}, "comment": "why"}, id="distinct"),
    ],
)
def test_what_counts_asks_the_same_as_a_find(command: Command) -> None:
    assert of(command) == of(find({"a": 1}))


def test_a_pipeline_is_asked_as_it_is() -> None:
    command = {"aggregate": "orders", "pipeline": [{"$match": {"a": 1}}], "cursor": {"batchSize": 5}, "hint": "a_1"}
    assert question(command) == command | {"cursor": {}}


@pytest.mark.parametrize(
    ("command", "is_wanted"),
    [
        pytest.param(find({}), False, id="all"),
        pytest.param(find({"a": 1}), True, id="a condition"),
        pytest.param(find({}, sort={"a": 1}), True, id="an order"),
        pytest.param({"count": "orders", "query": {}}, False, id="a count of all"),
        pytest.param({"aggregate": "orders", "pipeline": []}, False, id="a pipeline of all"),
        pytest.param({"aggregate": "orders", "pipeline": [{"$match": {}}]}, False, id="an empty $match"),
        pytest.param({"aggregate": "orders", "pipeline": [{"$set": {"b": 1}}, {"$match": {"a": 1}}]}, True, id="later"),
        pytest.param({"aggregate": "orders", "pipeline": [{"$sort": {"a": 1}}]}, True, id="a sorted pipeline"),
        pytest.param(
            {"aggregate": "orders", "pipeline": [{"$limit": 9}, {"$match": {"a": 1}}]}, False, id="of the first nine"
        ),
        pytest.param(
            {"aggregate": "orders", "pipeline": [{"$group": {"_id": "$a"}}, {"$sort": {"_id": 1}}]}, False, id="groups"
        ),
    ],
)
def test_who_asks_for_all_wants_no_index(command: Command, is_wanted: bool) -> None:
    assert wants_index(question(command)) is is_wanted


@pytest.mark.parametrize("values", [[*range(2_000)], ["x" * 10_000] * 2_000])
def test_the_shape_of_a_long_list_is_that_of_its_first_values(values: list[Any]) -> None:
    assert of(find({"a": {"$in": [*values, None]}})) == of(find({"a": {"$in": values}}))


@pytest.mark.parametrize("values", [1, "text", {"sort": 1}, [{"$match": 1}]])
@pytest.mark.parametrize("name", ["sort", "hint", "min", "max", "find", "collation", "filter"])
def test_fields_that_are_named_as_members_of_commands_are_fields(name: str, values: Any) -> None:
    assert of(find({name: {"$eq": 1}})) == of(find({name: {"$eq": 2}}))
    assert of(find({name: values})) != of(find({"other": values}))


@pytest.mark.parametrize(
    ("index", "condition", "could"),
    [
        pytest.param({"a": 1}, {"b": 1}, False, id="another field"),
        pytest.param({"b": 1, "a": 1}, {"a": 1}, False, id="the second field"),
        pytest.param({"a": 1}, {"$or": [{"b": 1}, {"a": 1}]}, True, id="in a part"),
        pytest.param({"a.b": 1}, {"a": {"$elemMatch": {"b": 1}}}, True, id="in elements"),
        pytest.param({"a.b": 1}, {"a": 1}, False, id="less of a path"),
        pytest.param({"a": "hashed"}, {"$expr": {"$eq": ["$a", 1]}}, True, id="in an expression"),
        pytest.param({"$**": 1}, {"b": 1}, True, id="all fields"),
        pytest.param({"_fts": "text", "_ftsx": 1}, {"$text": {"$search": "b"}}, True, id="text"),
        pytest.param({"_id": 1}, {"a": 1}, False, id="_id"),
    ],
)
def test_an_index_can_serve_only_who_names_what_it_begins_with(index: Any, condition: Any, could: bool) -> None:
    assert could_serve(index, question(find(condition))) is could


def test_the_order_of_ids_is_left_out_beside_a_condition() -> None:
    assert question(find({"a": 1}, sort={"_id": -1})) == find({"a": 1})
    assert question(find({}, sort={"_id": -1})) == find({}, sort={"_id": -1})
    pipeline = [{"$match": {"a": 1}}, {"$sort": {"_id": 1}}]
    assert question({"aggregate": "orders", "pipeline": pipeline})["pipeline"] == pipeline[:1]


def test_what_is_explained_has_no_long_values_and_the_same_shape() -> None:
    asked = question(find({"a": {"$in": [*range(5_000)]}, "b": "x" * 9_000_000, "c": b"x" * 9_000}))

    cut = reduced(asked)

    assert cut == question(find({"a": {"$in": [*range(1_000)]}, "b": "x" * 1_000, "c": b"x" * 1_000}))
    assert shape("shop", cut) == shape("shop", asked)


@pytest.mark.parametrize("operator", ["$and", "$or", "$nor"])
def test_of_conditions_none_is_cut(operator: str) -> None:
    asked = question(find({operator: [*({"a": number} for number in range(2_000)), {"b": 1}]}))

    assert reduced(asked) == asked


def test_a_question_of_very_many_values_is_not_explained() -> None:
    assert reduced(question(find({"$or": [{"a": [*range(100)]}] * 900}))) is None
