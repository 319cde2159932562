"""Schemas: every member and every type, and MongoDB's own opinion of those that both know."""

from datetime import datetime
from typing import Any

import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.rules.compiler.operands import Constants
from shared.rules.compiler.schema import compile_schema
from shared.rules.expressions import Expansions
from shared.rules.report import Report
from shared.rules.schema import PatternTime, Schema, SlowPatternError
from tests.depth import examples

USER = {"id": "u1"}
EXAMPLE: dict[str, Any] = {
    "bsonType": "object",
    "required": ["sku"],
    "properties": {
        "_id": {"bsonType": "objectId"},
        "sku": {"bsonType": "string", "minLength": 2},
        "stock": {"bsonType": "int", "minimum": 0, "exclusiveMinimum": False},
        "owner": {"bsonType": "string", "validate": {"%or": [{"%%prev": {"%exists": False}}, {"%%prev": "%%this"}]}},
    },
}


def compiled(source: Any) -> Schema:
    report = Report()
    schema = compile_schema(source, Constants(), report)
    assert [finding for finding in report.findings if finding.level == "problem"] == []
    assert schema is not None
    return schema


def failures(source: Any, document: Any, previous: Any = None, *, null_allowed: bool = False) -> list[str]:
    return list(map(str, compiled(source).failures(document, previous, Expansions(USER), null_allowed=null_allowed)))


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"sku": "A1", "stock": 0}, []),
        ({"stock": 1}, ["sku: is required"]),
        ({"sku": "A"}, ["sku: must have at least 2 characters"]),
        ({"sku": "A1", "stock": 1.5}, ["stock: expected bsonType int"]),
        ({"sku": "A1", "stock": None}, ["stock: expected bsonType int"]),
        ({"sku": "A1", "stock": -1}, ["stock: must be at least 0"]),
        ({"sku": None}, ["sku: is required and must not be null", "sku: expected bsonType string"]),
        ({}, ["sku: is required"]),
    ],
)
def test_the_worked_example(document: Any, found: list[str]) -> None:
    assert failures(EXAMPLE, document) == found


def test_the_worked_example_never_lets_the_owner_change() -> None:
    before = {"sku": "A1", "owner": "u1"}

    assert failures(EXAMPLE, before) == []
    assert failures(EXAMPLE, before | {"stock": 1}, before) == []
    assert failures(EXAMPLE, before | {"owner": "u2"}, before) == ["owner: 'validate' is not true"]


def test_null_is_let_pass_by_the_apps_setting_but_not_where_it_is_required() -> None:
    assert failures(EXAMPLE, {"sku": "A1", "stock": None}, null_allowed=True) == []
    assert failures(EXAMPLE, {"sku": None}, null_allowed=True) == ["sku: is required and must not be null"]


VALUES: dict[str, Any] = {
    "double": 1.5, "string": "s", "object": {"a": 1}, "array": [1], "binData": b"x", "uuid": Binary(bytes(16), 4),
    "objectId": ObjectId(), "bool": True, "date": datetime(2024, 1, 1), "null": None, "regex": Regex("a"),
    "javascript": Code("x"), "int": 1, "timestamp": Timestamp(1, 1), "long": Int64(1), "decimal": Decimal128("1"),
    "minKey": MinKey(), "maxKey": MaxKey(),
}  # fmt: skip


@pytest.mark.parametrize("kind", VALUES)
def test_a_bson_type_is_that_type_and_no_other(kind: str) -> None:
    schema = {"properties": {"a": {"bsonType": kind}}}

    assert [name for name, value in VALUES.items() if not failures(schema, {"a": value})] == [kind]


@pytest.mark.parametrize(
    ("types", "accepted"),
    [
        ({"bsonType": "number"}, {"double", "int", "long", "decimal"}),
        ({"bsonType": "mixed"}, set(VALUES)),
        ({"bsonType": ["int", "null"]}, {"int", "null"}),
        ({"type": "number"}, {"double", "int", "long", "decimal"}),
        ({"type": "integer"}, {"int", "long"}),
        ({"type": "boolean"}, {"bool"}),
        ({"type": ["string", "array"]}, {"string", "array"}),
        ({"type": "object"}, {"object"}),
    ],
)
def test_types_of_several_kinds(types: Any, accepted: set[str]) -> None:
    assert {
        name for name, value in VALUES.items() if not failures({"properties": {"a": types}}, {"a": value})
    } == accepted


CASES: list[tuple[Any, Any, bool]] = [
    ({"enum": [1, "a", None]}, 1.0, True),
    ({"enum": [1, "a", None]}, None, True),
    ({"enum": [1, "a"]}, "b", False),
    ({"minLength": 2}, "é", False),
    ({"minLength": 1}, "\N{GRINNING FACE}", True),
    ({"maxLength": 1}, "\N{GRINNING FACE}", True),
    ({"maxLength": 1}, "ab", False),
    ({"maxLength": 1}, 12345, True),
    ({"pattern": "b"}, "abc", True),
    ({"pattern": "^b"}, "abc", False),
    ({"pattern": "^b"}, 5, True),
    ({"minimum": 5}, 5, True),
    ({"minimum": 5, "exclusiveMinimum": True}, 5, False),
    ({"minimum": 5}, Decimal128("4.9"), False),
    ({"maximum": 5}, 5.0, True),
    ({"maximum": 5, "exclusiveMaximum": True}, 5.0, False),
    ({"maximum": 5}, Int64(6), False),
    ({"maximum": 5}, float("nan"), False),
    ({"maximum": 5}, "text", True),
    ({"multipleOf": 0.1}, 0.3, True),
    ({"multipleOf": 3}, 10, False),
    ({"multipleOf": 3}, Decimal128("9"), True),
    ({"multipleOf": 3}, float("inf"), False),
    ({"multipleOf": 3}, Decimal128("1E+6000"), False),
    ({"minItems": 1}, [], False),
    ({"maxItems": 1}, [1, 2], False),
    ({"maxItems": 1}, {"a": 1, "b": 2}, True),
    ({"uniqueItems": True}, [1, 1.0], False),
    ({"uniqueItems": True}, [1, True, "1", datetime(1970, 1, 1, 0, 0, 0, 1_000)], True),
    ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
    ({"uniqueItems": False}, [1, 1], True),
    ({"items": {"bsonType": "int"}}, [1, 2], True),
    ({"items": {"bsonType": "int"}}, [1, "2"], False),
    ({"items": [{"bsonType": "int"}, {"bsonType": "string"}]}, [1, "a", None], True),
    ({"items": [{"bsonType": "int"}], "additionalItems": False}, [1, 2], False),
    ({"items": [{"bsonType": "int"}], "additionalItems": {"bsonType": "string"}}, [1, "a"], True),
    ({"items": [{"bsonType": "int"}], "additionalItems": {"bsonType": "string"}}, [1, 2], False),
    ({"required": ["b"]}, {"b": None}, True),
    ({"required": ["b"]}, {}, False),
    ({"required": ["b"]}, "text", True),
    ({"minProperties": 1}, {}, False),
    ({"maxProperties": 1}, {"b": 1, "c": 2}, False),
    ({"properties": {"b": {"bsonType": "int"}}, "additionalProperties": False}, {"b": 1}, True),
    ({"properties": {"b": {"bsonType": "int"}}, "additionalProperties": False}, {"c": 1}, False),
    ({"additionalProperties": {"bsonType": "int"}}, {"c": "x"}, False),
    ({"additionalProperties": False}, {"c": 1}, False),
    ({"patternProperties": {"^n_": {"bsonType": "int"}}}, {"n_a": "x"}, False),
    ({"patternProperties": {"^n_": {"bsonType": "int"}}}, {"other": "x"}, True),
    ({"patternProperties": {"^n_": {}}, "additionalProperties": False}, {"n_a": 1, "other": 1}, False),
    ({"properties": {"n_a": {"minimum": 2}}, "patternProperties": {"^n_": {"bsonType": "int"}}}, {"n_a": 1}, False),
    ({"dependencies": {"b": ["c"]}}, {"b": 1}, False),
    ({"dependencies": {"b": ["c"]}}, {"b": 1, "c": 1}, True),
    ({"dependencies": {"b": {"properties": {"c": {"bsonType": "int"}}}}}, {"b": 1, "c": "x"}, False),
    ({"dependencies": {"b": ["c"]}}, {"d": 1}, True),
    ({"validate": {"%%this": {"%gt": 5}}}, 6, True),
    ({"validate": {"%%this": {"%gt": 5}}}, 4, False),
    ({"validate": {"%%user.id": "u1"}}, 4, True),
    ({"validate": {"%function": {"name": "f", "arguments": []}}}, 4, False),
    ({"bsonType": "object", "required": ["$id"]}, {"$ref": "c", "$id": 1}, True),
    ({"title": "x", "description": "y"}, 1, True),
]


@pytest.mark.parametrize(("schema", "value", "is_valid"), CASES, ids=str)
def test_a_member_of_a_schema(schema: Any, value: Any, is_valid: bool) -> None:
    assert (failures({"properties": {"a": schema}}, {"a": value}) == []) is is_valid


KNOWN_TO_BOTH = [
    case for case in CASES
    if not {"validate"} & case[0].keys() and "integer" not in str(case[0])
    # an int that is no multiple of a fraction in binary; a required member that is null; NaN and what is larger than it
    and case[0] not in ({"multipleOf": 0.1}, {"multipleOf": 3}) and str(case[1]) != "nan"
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "is_valid"), KNOWN_TO_BOTH, ids=str)
async def test_mongodb_agrees(database: Any, schema: Any, value: Any, is_valid: bool) -> None:
    await database.items.insert_one({"a": value})

    assert await database.items.count_documents({"$jsonSchema": {"properties": {"a": schema}}}) == int(is_valid)


PARTS = st.fixed_dictionaries(
    {},
    optional={
        "bsonType": st.sampled_from(["int", "string", "object", "array", ["int", "null"], "number"]),
        "minimum": st.integers(-2, 2),
        "maxLength": st.integers(0, 3),
        "pattern": st.sampled_from(["a", "^b"]),
        "enum": st.lists(st.sampled_from([1, "a", None, True]), min_size=1, max_size=3, unique_by=repr),
        "minItems": st.integers(0, 2),
        "maxProperties": st.integers(0, 2),
        "required": st.just(["x"]),
    },
)
SCHEMAS = st.recursive(
    PARTS,
    lambda inner: st.tuples(
        PARTS,
        st.fixed_dictionaries(
            {},
            optional={
                "items": inner,
                "properties": st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
                "additionalProperties": st.booleans(),
            },
        ),
    ).map(lambda parts: parts[0] | parts[1]),
    max_leaves=4,
)
DOCUMENT_VALUES = st.recursive(
    st.sampled_from([1, -3, "a", "baab", None, True, 1.5, Int64(1)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "z"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCHEMAS, st.lists(DOCUMENT_VALUES, min_size=8, max_size=8))
def test_mongodb_agrees_on_random_schemas(mongod: Any, schema: Any, values: list[Any]) -> None:
    from pymongo import MongoClient  # noqa: PLC0415

    whole = {"properties": {"a": schema}}
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        items = client["schemas"]["items"]
        items.delete_many({})
        items.insert_many([{"_id": number, "a": value} for number, value in enumerate(values)])
        found = {each["_id"] for each in items.find({"$jsonSchema": whole})}
    # a required member that is null: the dialect refuses it where it has a type
    expected = {number for number, value in enumerate(values) if not _known(failures(whole, {"a": value}))}
    assert found == expected


def _known(found: list[str]) -> list[str]:
    return [each for each in found if not each.endswith("is required and must not be null")]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ({"bsonType": "strin"}, "bsonType"),
        ({"properties": {"a": {"type": "int"}}}, "properties.a.type"),
        ({"properties": {"a": 5}}, "properties.a"),
        ({"properties": []}, "properties"),
        ({"properties": {"a": {"items": 5}}}, "properties.a.items"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern"),
        ({"patternProperties": {"(": {}}}, "patternProperties.("),
        ({"properties": {"a": {"multipleOf": 0}}}, "properties.a.multipleOf"),
        ({"properties": {"a": {"minLength": -1}}}, "properties.a.minLength"),
        ({"properties": {"a": {"minimum": "x"}}}, "properties.a.minimum"),
        ({"properties": {"a": {"exclusiveMinimum": True}}}, "properties.a.exclusiveMinimum"),
        ({"properties": {"a": {"exclusiveMinimum": 5, "minimum": 1}}}, "properties.a.exclusiveMinimum"),
        ({"required": "a"}, "required"),
        ({"enum": []}, "enum"),
        ({"dependencies": []}, "dependencies"),
        ({"dependencies": {"a": [[]]}}, "dependencies.a"),
        ({"properties": {"a": {"validate": {"%like": 1}}}}, "properties.a.validate.%like"),
    ],
)
def test_a_mistake_is_found_when_it_is_compiled(source: Any, path: str) -> None:
    report = Report()
    compile_schema({"bsonType": "object"} | source, Constants(), report)
    assert path in [finding.path for finding in report.findings if finding.level == "problem"]


def test_an_empty_schema_is_none_and_an_unknown_member_is_a_warning() -> None:
    report = Report()
    assert compile_schema({}, Constants(), report) is None
    compile_schema({"colour": 1}, Constants(), report)
    assert [(finding.level, finding.path) for finding in report.findings] == [("warning", "colour")]


def test_hostile_documents_and_schemas() -> None:
    deep: dict[str, Any] = {"bsonType": "int"}
    for _ in range(200):
        deep = {"properties": {"a": deep}}
    report = Report()
    compile_schema(deep, Constants(), report)
    assert [finding.level for finding in report.findings] == ["problem"]

    slow = {"properties": {"a": {"pattern": "^(a|b|ab)*c$"}}}
    assert failures(slow, {"a": "ab" * 40}) == ["a: does not match the schema's pattern"]


@pytest.mark.parametrize(
    "source",
    [
        {"patternProperties": {"^(z|z)*$": {}}},
        {"properties": {name: {"pattern": "^(z|z)*$"} for name in map(str, range(50))}},
    ],
    ids=["names", "texts"],
)
def test_patterns_that_take_too_long_together_refuse_the_document(source: Any) -> None:
    slow = "z" * 40 + "!"
    document = {f"{slow}{number}": 1 for number in range(50)} | {str(number): slow for number in range(50)}

    with pytest.raises(SlowPatternError):
        list(compiled(source).failures(document, None, Expansions(USER), patterns=PatternTime(0.05)))


def test_patterns_share_the_time_of_a_call() -> None:
    schema, patterns = compiled({"patternProperties": {"^(z|zz)*$": {}}}), PatternTime(0.2)
    quick = {"z" * 22 + "!": 1}  # some milliseconds
    assert list(schema.failures(quick, None, Expansions(USER), patterns=patterns)) == []
    with pytest.raises(SlowPatternError):
        list(schema.failures({"z" * 60 + "!": 1}, None, Expansions(USER), patterns=patterns))

    with pytest.raises(SlowPatternError):
        list(schema.failures(quick, None, Expansions(USER), patterns=patterns))
