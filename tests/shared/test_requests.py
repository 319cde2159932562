"""Bodies -> typed requests, and the values they take."""

from typing import Any

import pytest
from bson.int64 import Int64

from functions.delete import Delete
from functions.update import Update
from shared.errors import DataAPIError, InvalidParameterError, MissingParameterError, WrongTypeError
from shared.requests import sort_keys, whole

NAMESPACE = {"dataSource": "s", "database": "d", "collection": "c"}


def test_null_is_absent_and_other_members_are_ignored() -> None:
    request = Delete.from_body(NAMESPACE | {"filter": {"a": None}, "x": 1, "y": None})

    assert request == Delete(data_source="s", database="d", collection="c", filter={"a": None})


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        pytest.param({}, MissingParameterError, "must provide a 'dataSource' field", id="nothing"),
        pytest.param(
            NAMESPACE | {"filter": None}, MissingParameterError, "must provide a 'filter' field", id="a member is null"
        ),
        pytest.param(
            NAMESPACE | {"database": 1, "filter": {}},
            WrongTypeError, "'database': expected `str`, got `int`", id="a member of the wrong type",
        ),
    ],
)  # fmt: skip
def test_a_wrong_body_is_refused(body: dict[str, Any], error: type[DataAPIError], text: str) -> None:
    with pytest.raises(error) as caught:
        Delete.from_body(body)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("number", "count"),
    [(0, 0), (5, 5), (5.0, 5), (-0.0, 0), (Int64(7), 7), (2**63, 2**63 - 1), (1e300, 2**63 - 1)],
)
def test_a_whole_number_is_a_count(number: float, count: int) -> None:
    assert whole("limit", number) == count


@pytest.mark.parametrize("number", [-1, -0.5, 1.5, float("nan"), float("inf"), float("-inf")])
def test_what_is_not_whole_is_refused(number: float) -> None:
    with pytest.raises(InvalidParameterError, match=r"^'limit' must be a whole number of at least 0$"):
        whole("limit", number)


def test_sort_keys_keep_their_order() -> None:
    keys = sort_keys({"b": 1, "a": -1.0, "c": Int64(1), "d": {"$meta": "textScore"}})

    assert keys == [("b", 1), ("a", -1), ("c", 1), ("d", {"$meta": "textScore"})]
    assert [type(direction) for _, direction in keys or []] == [int, int, int, dict]


def test_an_empty_sort_is_none() -> None:
    assert sort_keys({}) is None


@pytest.mark.parametrize(
    ("update", "interpreted"),
    [
        pytest.param({"$set": {"a": 1}, "$push": {"b": 2}}, None, id="data"),
        pytest.param({"$pull": {"a": {"$gt": 1}}}, {"a": {"$gt": 1}}, id="the condition of $pull"),
        pytest.param([{"$set": {"a": 1}}], [{"$set": {"a": 1}}], id="a pipeline"),
    ],
)
def test_only_what_mongodb_interprets_is_looked_at(update: Any, interpreted: Any) -> None:
    request = Update.from_body(NAMESPACE | {"filter": {"f": 1}, "update": update, "arrayFilters": [{"x": 1}]})

    assert request.interpreted() == ({"f": 1}, [{"x": 1}], interpreted)
