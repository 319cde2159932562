"""Which failures of a schema are told to a caller: those at paths that may be read, whatever the others are."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.compiler.schema import compile_schema
from shared.rules.disclosure import disclosed
from shared.rules.expressions import Expansions
from shared.rules.report import Report
from tests.depth import examples
from tests.work import is_linear

CALLER = Expansions({"id": "u1"})
SHOWN = {"read": True, "write": True}
SHALLOW = {"name": "r", "apply_when": {}, "fields": {"salary": {}}, "additional_fields": SHOWN}
DEEP = {
    "name": "r",
    "apply_when": {},
    "fields": {
        "address": {"fields": {"city": SHOWN, "code": {}}},
        "lines": {"fields": {"sku": SHOWN, "cost": {}}},
        "own": SHOWN,
    },
}
WHOLE = {"name": "r", "apply_when": {}, "read": True, "write": True}


def told(role: Any, schema: Any, *documents: Any, filters: Any = ()) -> list[str]:
    rights = compile_ruleset({"roles": [role], "filters": [*filters]}, Constants(), Report()).rights(CALLER)
    compiled = compile_schema({"bsonType": "object"} | schema, Constants(), Report())
    assert compiled is not None
    before, after = documents if len(documents) > 1 else (None, documents[0])
    return list(map(str, disclosed(compiled.failures(after, before, CALLER), rights, documents)))


INT = {"bsonType": "int"}


@pytest.mark.parametrize(
    ("role", "schema", "document", "found"),
    [
        pytest.param(SHALLOW, {"properties": {"salary": INT}}, {"salary": "x"}, [], id="a hidden type"),
        pytest.param(SHALLOW, {"properties": {"age": INT}}, {"age": "x"}, ["age: expected bsonType int"], id="a type"),
        pytest.param(SHALLOW, {"required": ["salary"]}, {"age": 1}, [], id="a hidden field that is not there"),
        pytest.param(SHALLOW, {"required": ["age"]}, {"_id": 1}, ["age: is required"], id="a field that is not there"),
        pytest.param(SHALLOW, {"properties": {}, "additionalProperties": False}, {"salary": 1}, [],
                     id="a hidden field that must not be there"),
        pytest.param(SHALLOW, {"dependencies": {"salary": ["age"]}}, {"salary": 1, "b": 1}, [],
                     id="beside what is hidden"),
        pytest.param(SHALLOW, {"properties": {"age": {"validate": {"%%this": "%%root.salary"}}}}, {"age": 1}, [],
                     id="compared with what is hidden"),
        pytest.param(SHALLOW, {"properties": {"age": {"validate": {"%%this": "%%root.size"}}}}, {"age": 1},
                     ["age: 'validate' is not true"], id="compared with what is shown"),
        pytest.param(SHALLOW, {"maxProperties": 1}, {"a": 1, "b": 1}, [], id="the number of fields, some hidden"),
        pytest.param(SHALLOW, {"minProperties": 1}, {}, [], id="the number of fields, none hidden now"),
        pytest.param(WHOLE, {"minProperties": 1}, {}, ["(root): must have at least 1 properties"], id="nothing hidden"),
        pytest.param(DEEP, {"properties": {"address": {"maxProperties": 0}}}, {"address": {"city": "B"}}, [],
                     id="an object with hidden members"),
        pytest.param(DEEP, {"properties": {"own": {"maxProperties": 0}}}, {"own": {"a": 1}},
                     ["own: must have at most 0 properties"], id="an object that is shown as a whole"),
        pytest.param(DEEP, {"properties": {"lines": {"items": {"properties": {"sku": INT, "cost": INT}}}}},
                     {"lines": [{"sku": 1, "cost": "x"}, {"sku": "x", "cost": "x"}]},
                     ["lines[1].sku: expected bsonType int"], id="elements with hidden members"),
        pytest.param(DEEP, {"properties": {"lines": {"items": INT}}}, {"lines": ["x"]}, [], id="hidden elements"),
    ],
)  # fmt: skip
def test_only_what_may_be_read_is_told(role: Any, schema: Any, document: Any, found: list[str]) -> None:
    assert told(role, schema, document) == found
    assert told(role, schema, document, document) == found


def test_what_a_filter_hides_is_not_told() -> None:
    filters = [{"name": "f", "apply_when": {}, "projection": {"internal": 0}}]
    schema = {"properties": {"internal": INT, "text": INT}}

    assert told(WHOLE, schema, {"internal": "x", "text": "x"}, filters=filters) == ["text: expected bsonType int"]


@pytest.mark.parametrize("hidden_first", [True, False])
def test_a_field_must_be_readable_before_and_after(hidden_first: bool) -> None:
    role = {"name": "r", "apply_when": {}, "fields": {"a": {"read": {"%%root.open": True}}, "open": {"read": True}}}
    documents = [{"a": "x", "open": not hidden_first}, {"a": "x", "open": hidden_first}]

    assert told(role, {"properties": {"a": INT}}, *documents) == []


VALUES = st.sampled_from([1, -1, "x", None, [1], {"a": 1}])
HIDDEN = st.dictionaries(st.sampled_from(["salary", "code", "h1", "h2"]), VALUES)
SHAPE = {
    "required": ["salary", "age", "code"],
    "maxProperties": 3,
    "properties": {
        "salary": {"bsonType": "int", "maximum": 0},
        "age": INT,
        "code": {"enum": [1]},
        "name": INT,
        "_id": {},
    },
    "additionalProperties": False,
    "dependencies": {"age": ["h1"], "code": ["name"]},
}


@settings(max_examples=examples(300), deadline=None)
@given(st.dictionaries(st.sampled_from(["age", "name", "other"]), VALUES), HIDDEN, HIDDEN)
def test_what_is_told_is_the_same_whatever_is_hidden(shown: Any, hidden: Any, other: Any) -> None:
    role = SHALLOW | {"fields": {name: {} for name in ("salary", "code", "h1", "h2")}}

    once, again = (told(role, SHAPE, {"_id": 1} | shown | part) for part in (hidden, other))

    assert once == again


def test_failures_that_may_not_be_told_take_time_in_proportion() -> None:
    once = {"write": {"%%prev": {"%exists": False}}}
    role = {"name": "r", "apply_when": {}, "fields": {"_id": SHOWN}, "additional_fields": once}
    rights = compile_ruleset({"roles": [role]}, Constants(), Report()).rights(CALLER)
    schema = compile_schema({"additionalProperties": INT}, Constants(), Report())
    assert schema is not None

    def refused(size: int) -> Callable[[], object]:
        document = {f"a{number}": "text" for number in range(size)}
        return lambda: list(disclosed(schema.failures(document, None, CALLER), rights, [document]))

    assert is_linear(refused, 50)
