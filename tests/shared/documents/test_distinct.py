"""The values of paths, as MongoDB's own command finds them."""

from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.documents.distinct import DistinctValues
from shared.documents.elements import document_of
from shared.turns import at_once
from tests.work import is_linear

NAMES = st.sampled_from(["a", "b", "0", "1", "a.b", "é", ""])
SCALARS = st.sampled_from([1, 2, 1.0, "x", "é", None, True])
VALUES: Any = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "é", "-1", "00"]), min_size=1, max_size=4).map(".".join)


def found(path: str, *documents: dict[str, Any]) -> list[Any]:
    values = DistinctValues(path)
    for each in documents:
        at_once(values.add(bson.encode(each)))
    array: dict[str, Any] = bson.decode(values.array())
    assert [bson.encode({"": each}) for each in array.values()] == [
        document_of(bytes([kind]) + b"\0" + value) for kind, value in values.all
    ]
    return list(array.values())


@given(documents=st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=3), path=PATHS)
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_mongodb_finds_the_same(database: Any, documents: list[dict[str, Any]], path: str) -> None:
    await database.items.delete_many({})
    await database.items.insert_many([{"_id": number, **each} for number, each in enumerate(documents)])

    theirs = await database.items.distinct(path)

    ours = found(path, *documents)
    assert {key(each) for each in ours} == {key(each) for each in theirs}


def key(value: Any) -> str:
    """Return the same for numbers that are equal."""
    if isinstance(value, dict):
        return repr({name: key(each) for name, each in value.items()})
    if isinstance(value, list):
        return repr([key(each) for each in value])
    return repr(float(value) if type(value) in {int, float} else value)


def test_values_stored_alike_are_found_once() -> None:
    assert found("a", {"a": "x"}, {"a": ["x", "y"]}, {"a": "x"}) == ["x", "y"]


@pytest.mark.parametrize(("value", "may_be"), [("x", False), (None, False), (1, True), ({}, True)])
def test_which_values_may_be_equal_to_others(value: Any, may_be: bool) -> None:
    values = DistinctValues("a")
    at_once(values.add(bson.encode({"a": value})))

    assert values.may_be_equal is may_be


def test_the_work_grows_with_the_values_alone() -> None:
    def adding(size: int) -> Any:
        document = bson.encode({"a": [{"b": number} for number in range(size)]})
        return lambda: at_once(DistinctValues("a.b").add(document))

    assert is_linear(adding, 500)
