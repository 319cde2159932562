"""Bodies -> typed requests, and the values they take."""

import sys
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from bson.int64 import Int64
from msgspec.inspect import AnyType, CustomType, DictType, ListType, StrType, StructType, UnionType, type_info

import function_app
from functions.administer import CreateIndexes
from shared.errors import DataAPIError, InvalidParameterError, MissingParameterError, WrongTypeError
from shared.operators import Place
from shared.options import whole
from shared.requests import GetMore, Request, StoredDocument, sort_keys
from shared.writes import Delete, InsertMany, UpdateOne

NAMESPACE = {"dataSource": "s", "database": "d", "collection": "c"}
REQUIRED = {"fieldName": "f", "action": "find"}  # what is neither a document nor a list
CURSOR: dict[type[Request], Any] = {GetMore: {"cursor": "c"}}
OPERATIONS = {"requests", "operations"}  # each of them is a request of its own
DATA = {"document", "documents", "replacement"} | OPERATIONS


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
    ("update", "place"),
    [
        pytest.param({"$set": {"a": 1}, "$push": {"b": 2}}, Place.UPDATE, id="operators"),
        pytest.param([{"$set": {"a": 1}}], Place.PIPELINE, id="a pipeline"),
    ],
)
def test_an_update_is_looked_at_as_what_it_is(update: Any, place: Place) -> None:
    request = UpdateOne.from_body(NAMESPACE | {"filter": {"f": 1}, "update": update, "arrayFilters": [{"x": 1}]})

    filters = (Place.QUERY, {"f": 1}), (Place.QUERY, [{"x": 1}])
    assert request.interpreted() == (*filters, (place, update), (Place.SORT, {}))


def sentinels(member: str, kind: Any) -> list[Any]:
    """Return a value of each form that a member may have, none if it is neither a document nor a list."""
    mark = member if member in DATA else f"${member}"  # `update` takes operators only, `replacement` none
    if isinstance(kind, UnionType):
        return [value for each in kind.types for value in sentinels(member, each)]
    assert not isinstance(kind, AnyType), f"{member} may be anything"
    if isinstance(kind, DictType) or (isinstance(kind, CustomType) and kind.cls is StoredDocument):
        return [{mark: {"sentinel": member}}]
    if isinstance(kind, ListType) and not isinstance(kind.item_type, StrType):
        is_of_documents = (
            isinstance(kind.item_type, DictType) or member in {"documents", "ids"} | OPERATIONS
        )  # looked at there
        assert is_of_documents, f"{member} is a list of something else than documents"
        return [[{mark: {"sentinel": f"each of {member}"}}]]
    return []


def kinds(parent: type[Request]) -> Iterator[type[Request]]:
    for kind in parent.__subclasses__():
        if kind.__module__.startswith("functions.") or not kind.__subclasses__():  # those of shared are bases, else
            yield kind
        yield from kinds(kind)


def forms(kind: type[Request]) -> Iterator[dict[str, Any]]:
    """Make a body of a request for every combination of the forms of its members."""
    info = type_info(kind)
    assert isinstance(info, StructType)
    found = {field.encode_name: sentinels(field.encode_name, field.type) for field in info.fields}
    members = {name: values for name, values in found.items() if values}
    for values in product(*members.values()):
        yield dict(zip(members, values, strict=True))


REQUESTS = sorted(set(kinds(Request)) - {CreateIndexes}, key=lambda kind: kind.__name__)


def test_every_kind_of_request_is_looked_at() -> None:
    assert function_app.app  # which imports all of functions/
    assert {kind.__name__ for kind in REQUESTS} >= {"Aggregate", "Delete", "Find", "FindOne", "InsertMany", "InsertOne"}
    for group in (*function_app.ACTIONS, *function_app.CATALOG):
        for made in group.by_name.values():
            assert set(REQUESTS) & {
                each for each in vars(sys.modules[made.handle.__module__]).values() if isinstance(each, type)
            }, made.name


def test_actions_name_what_they_store() -> None:
    named = {made.stores.member for group in function_app.ACTIONS for made in group.by_name.values() if made.stores}

    assert named == DATA - OPERATIONS


@pytest.mark.parametrize(
    ("kind", "members"), [pytest.param(kind, form, id=kind.__name__) for kind in REQUESTS for form in forms(kind)]
)
def test_all_that_is_not_data_is_interpreted(kind: type[Request], members: dict[str, Any]) -> None:
    required = {name: value for name, value in REQUIRED.items() if name in kind.__struct_encode_fields__}
    request = kind.from_body(NAMESPACE | required | CURSOR.get(kind, {}) | members)

    looked_at = [value for _, value in request.interpreted() if value]

    expected = [value for name, value in members.items() if name not in DATA]
    assert sorted(map(repr, looked_at)) == sorted(map(repr, expected))


def test_all_of_an_index_is_interpreted() -> None:
    partial, projection = {"n": {"$gt": 1}}, {"x": 1}
    index = {"key": {"a": 1}, "partialFilterExpression": partial, "wildcardProjection": projection, "weights": {"a": 1}}
    request = CreateIndexes.from_body(NAMESPACE | {"indexes": [index, {"key": {"b": 1}, "name": "x"}]})

    assert request.interpreted() == (
        (Place.DATA, {"a": 1}),
        (Place.QUERY, partial),
        (Place.PROJECTION, projection),
        (Place.DATA, {"a": 1}),
        (Place.DATA, {"b": 1}),
        (Place.DATA, "x"),
    )


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        pytest.param(5, "expected `object`, got `int`", id="int"),
        pytest.param(None, "expected `object`, got `null`", id="null"),
        pytest.param([{}], "expected `object`, got `array`", id="array"),
        pytest.param("a", "expected `object`, got `str`", id="str"),
    ],
)
def test_each_of_documents_is_a_document(wrong: Any, text: str) -> None:
    with pytest.raises(WrongTypeError) as refused:
        InsertMany.from_body(NAMESPACE | {"documents": [{"a": 1}, wrong]})

    assert str(refused.value) == f"'documents[1]': {text}"
