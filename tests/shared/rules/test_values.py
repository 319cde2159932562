"""The equality of values, and the identities that stand for it where many are compared."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import bson
import pytest
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.documents.elements import decoded
from shared.rules.comparisons import OPERATORS
from shared.rules.compiler.keywords import _is_unique
from shared.rules.values import MISSING, Many, contains, equal, identity, matches, matching, ordered
from tests.depth import examples
from tests.shared.generated import documents
from tests.work import is_linear

within = OPERATORS["in"].against or pytest.fail("there is no test of many keys")

NUMBERS = [
    0, 1, -1, 255, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), Int64(0), Int64(255), Int64(2**53), 0.0, -0.0,
    0.1, 0.5,    255.0, 2.0**53, 2.0**63, -(2.0**63), 1e22, 1e300, 5e-324, float("inf"), float("-inf"), float("nan"),
    *map(Decimal128, ["0", "-0", "0.0", "0E+6000", "0.1", "0.5", "0.50", "255", "2.55E2", "1E+22", "9007199254740993",
                      "9223372036854775808", "-9223372036854775808", "1E+300", "1E+6144", "1E-6176", "10E-6176", "NaN",
                      "sNaN", "Infinity", "-Infinity", "9999999999999999999999999999999999"]),
    Decimal128("0.1000000000000000055511151231257827"), True, False, None, "1", "",
]  # fmt: skip
OTHERS = [
    datetime(1970, 1, 1), DatetimeMS(0), DatetimeMS(1), DatetimeMS(2**62), b"", b"a", Binary(b"a", 0), Binary(b"a", 5),
    "a", Code("a"), Code("a", {}), Code("a", {"x": 1}), Code("a", {"x": 1.0}), Code("a", {"x": True}),
    Code("a", {"x": [1], "y": 2}), Code("a", {"y": 2, "x": [1]}), DBRef("c", 1), DBRef("d", 1),
    {"$ref": "c", "$id": 1}, {}, [], [[]], [{}], {"a": 1, "b": [1]}, {"b": [1.0], "a": Int64(1)}, {"a": float("nan")},
    ["a", "b"], ["a,b"], [["a"], "b"], [["a", "b"]], {"a": "b"}, ["a", 1], ["1:a"], {"a": {"b": 1}}, MISSING,
]  # fmt: skip
SAME: dict[type, Callable[[Any], list[Any]]] = {
    int: lambda value: [float(value), Int64(value)],
    float: lambda value: [Decimal128(str(value))] + ([int(value)] if value.is_integer() and abs(value) < 2**63 else []),
    dict: lambda value: [dict(reversed(value.items()))],
    bytes: lambda value: [Binary(value, 0)],
}


def agrees(one: Any, other: Any) -> bool:
    """Return whether identities say of two values what equality says."""
    of_one, of_other = identity(one), identity(other)
    return equal(one, other) is (of_one is not None and of_one == of_other)


@pytest.mark.parametrize("one", [*NUMBERS, *OTHERS], ids=repr)
def test_an_identity_is_shared_by_equal_values_alone(one: Any) -> None:
    if one is not MISSING:  # which no document holds
        assert [other for other in [*NUMBERS, *OTHERS] if not agrees(one, other)] == []


@pytest.mark.long
@settings(max_examples=examples(500), deadline=None)
@given(documents, documents, st.data())
def test_an_identity_agrees_with_equality_for_values_of_all_types(
    one: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    values = [*one.values(), *other.values(), one, other]
    values = [read_back(each) for value in values for each in (value, changed(data, value))]

    assert [(a, b) for a in values for b in values if a is not b and not agrees(a, b)] == []


def read_back(value: Any) -> Any:
    """Return a value as it is read, with a NaN of its own."""
    return decoded(bson.encode({"v": value}))["v"]


def changed(data: st.DataObject, value: Any) -> Any:
    """Return a value that may be equal: another type of the same, or the same with another order of members."""
    if type(value) is list:
        return [changed(data, each) for each in value]
    if type(value) is dict:
        value = {name: changed(data, each) for name, each in value.items()}
    made = SAME.get(type(value), lambda _value: [])(value)
    return data.draw(st.sampled_from([value, *made]))


def test_an_identity_is_made_of_what_is_nested_as_deep_as_mongodb_stores() -> None:
    arrays: Any = 1
    objects: Any = 1
    for _ in range(200):
        arrays, objects = [arrays], {"a": objects}

    assert identity(arrays) != identity(objects)


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(documents, max_size=4), documents, st.booleans())
def test_an_array_contains_a_key_just_if_a_value_of_it_is_equal(
    held: list[dict[str, Any]], key: dict[str, Any], many: bool
) -> None:
    operand = [each for document in held for each in document.values()]
    values = list(key.values())
    found: Any = Many(values) if many else values
    flat = (
        [*values, *(each for value in values if type(value) is list for each in value)] if many else [values, *values]
    )
    expected = any(equal(one, other) for one in flat for other in operand)

    assert contains(operand, found) is expected
    assert OPERATORS["in"].test(found, operand) is expected
    assert within(operand)(found) is expected


@pytest.mark.parametrize(
    ("key", "operand", "is_in"),
    [
        (1, Many([[2], [1]]), True),
        ([1], Many([[2], [1]]), True),
        (1, Many([2, 1]), True),
        ([1], Many([[[1]]]), True),
        (1, Many([[[1]]]), False),
        (float("nan"), [float("nan")], False),
        (MISSING, [None], False),
        (1, 1, False),
        (1, MISSING, False),
    ],
)
def test_every_array_that_a_path_leads_to_counts(key: Any, operand: Any, is_in: bool) -> None:
    assert OPERATORS["in"].test(key, operand) is is_in
    assert within(operand)(key) is is_in


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(documents, max_size=3), st.lists(documents, max_size=3))
def test_many_match_many_just_if_one_matches_one(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    keys = Many([each for document in one for each in document.values()])
    values = Many([each for document in other for each in document.values()])

    assert matches(keys, values) is any(matches(key, value) for key in keys for value in values)


@settings(max_examples=examples(500), deadline=None)
@given(documents, documents, st.booleans(), st.booleans())
def test_a_value_that_is_prepared_matches_as_it_does_itself(
    one: dict[str, Any], other: dict[str, Any], many_keys: bool, many: bool
) -> None:
    keys, values = [*one.values(), *other.values(), one, other], [*other.values(), *one.values(), other]
    value: Any = Many(values) if many else values

    for key in [Many(keys)] if many_keys else [*keys, MISSING, Many()]:
        each_key = key if type(key) is Many else [key]
        expected = any(matches(one, each) for one in each_key for each in (value if many else [value]))
        assert matching(value)(key) is expected
    assert all(matching(each)(key) is matches(key, each) for each in values for key in keys)


def test_an_array_is_not_matched_by_the_members_of_another() -> None:
    assert not matches(Many([[1]]), Many([[[1]]]))
    assert matches(Many([1]), Many([[1]]))
    assert matches(Many([[1]]), Many([1]))


OBJECTS: Callable[[int], list[Any]] = lambda size: [{"a": number, "b": [number]} for number in range(size)]  # noqa: E731


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda size: lambda: _is_unique(OBJECTS(size)), id="unique objects"),
        pytest.param(lambda size: lambda: _is_unique([Code("f", each) for each in OBJECTS(size)]), id="unique codes"),
        pytest.param(lambda size: lambda: contains(OBJECTS(size), ["x"] * size), id="an array in an array"),
        pytest.param(lambda size: lambda: matches(Many(OBJECTS(size)), Many(["x"] * size)), id="many and many"),
        pytest.param(lambda size: lambda: matches(Many(["x"] * size), Many([["y"]] * size)), id="many and many arrays"),
        pytest.param(lambda size: lambda: contains(OBJECTS(size), Many(["x"] * size)), id="many in an array"),
        pytest.param(lambda size: lambda: contains(OBJECTS(size), Many([["x"]] * size)), id="many arrays in an array"),
        pytest.param(
            lambda size: lambda: OPERATORS["in"].test(["x"] * size, Many([["y"]] * size)), id="an array in many arrays"
        ),
        pytest.param(
            lambda size: lambda: within(OBJECTS(size))(["x"] * size),
            id="a field in an array",
        ),
    ],
)
def test_comparing_many_values_takes_time_in_proportion(act: Callable[[int], Callable[[], object]]) -> None:
    assert is_linear(act, 100)


def test_a_field_of_many_documents_is_not_compared_with_every_value() -> None:
    def asked(size: int) -> Callable[[], object]:
        is_within = within(list(range(size)))
        return lambda: [is_within(-1) for _ in range(size)]

    assert is_linear(asked, 100)


@pytest.mark.parametrize("kind", ["decimals", "arrays"])
def test_values_whose_hashes_collide_are_told_apart_by_bytes(kind: str) -> None:
    modulus = 2**61 - 1  # of Python's hashes of numbers
    decimals = [Decimal128(str(number * modulus)) for number in range(10, 100)]
    values = decimals if kind == "decimals" else [[each] for each in decimals]

    assert len({hash(identity(each)) for each in values}) == len(values)


@pytest.mark.parametrize(
    ("one", "other"), [(b"\x02", b"\x01\x01"), (Binary(b"\x01", 5), b"\x01\x01"), (Binary(b"\x01", 128), b"\x01\x01")]
)
def test_binaries_are_ordered_by_length_first_as_mongodb_orders_them(one: Any, other: Any) -> None:
    assert (ordered(one, "lt", other), ordered(one, "gt", other)) == (True, False)
