"""The expression language: every row of its rules, operators, expansions and converters."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from bson import Binary, Code, Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from bson.timestamp import Timestamp

from shared.rules.compiler.expressions import compile_expression
from shared.rules.compiler.operands import Constants, Scope
from shared.rules.expressions import Expansions, Expression, NoAnswerError
from shared.rules.report import Report
from shared.rules.values import MISSING

OID = ObjectId("65e0f1a2b3c4d5e6f7081920")
UUID = Binary(bytes(range(16)), 4)
CONSTANTS = Constants(
    {"team": ["u1", "u2"], "open": True, "deep": {"limit": 5}}, {"tag": "testing", "values": {"region": "north"}}
)
USER: dict[str, Any] = {
    "id": "u1",
    "type": "normal",
    "data": {"email": "a@b"},
    "custom_data": {"manages": ["x@y", "z@y"], "level": 3, "admin": True, "nothing": None, "one": 1},
    "identities": [{"id": "i1", "provider_type": "local-userpass"}],
}
REQUEST: dict[str, Any] = {"httpMethod": "POST", "requestHeaders": {"x-key": ["s"]}, "remoteIPAddress": "10.0.0.1"}


def compiled(source: Any, scope: Scope = Scope.FIELD) -> Any:
    report = Report()
    expression = compile_expression(source, scope, CONSTANTS, report)
    assert [finding for finding in report.findings if finding.level == "problem"] == []
    return expression


def ask(expression: Expression, document: Any) -> bool:
    context = Expansions(USER, REQUEST).context(document, document)
    return bool(expression.bound(context)(context))


def holds(source: Any, root: Any = MISSING, prev_root: Any = MISSING, this: Any = MISSING, prev: Any = MISSING) -> bool:
    context = Expansions(USER, REQUEST).context(root, prev_root)
    context.this, context.prev = this, prev
    return bool(compiled(source).bound(context)(context))


DOCUMENT: dict[str, Any] = {
    "s": "text", "n": 5, "long": Int64(5), "f": 5.0, "dec": Decimal128("5.0"), "nan": float("nan"), "null": None,
    "true": True, "oid": OID, "oid_text": str(OID), "uuid": UUID, "date": datetime(2024, 1, 1), "owner": "u1",
    "owners": ["u0", "u1"], "others": ["u8"], "empty": [], "doc": {"a": 1, "b": {"c": "x"}}, "email": "x@y",
    "items": [{"sku": "A", "tags": ["p", "q"]}, {"sku": "B"}, 7], "nested": [[{"a": 1}]], "code": Code("text"),
    "ref": {"$ref": "c", "$id": OID}, "binary": b"x", "ts": Timestamp(1, 1), "pairs": [["u1"], ["u2"]],
}  # fmt: skip

MATCHES: list[tuple[Any, bool]] = [
    (True, True),
    (False, False),
    ({}, True),
    ({"s": "text"}, True),
    ({"s": "text", "n": 5}, True),
    ({"s": "text", "n": 6}, False),
    ({"%%root.s": "text"}, True),
    ({"doc.b.c": "x"}, True),
    ({"doc.b.d": "x"}, False),
    ({"n": 5.0}, True),
    ({"long": 5}, True),
    ({"f": 5}, True),
    ({"dec": 5}, True),
    ({"true": 1}, False),
    ({"n": True}, False),
    ({"nan": float("nan")}, False),
    ({"null": None}, True),
    ({"missing": None}, False),
    ({"missing": "%%user.custom_data.missing"}, False),
    ({"s": "%%user.custom_data.missing"}, False),
    ({"null": "%%user.custom_data.nothing"}, True),
    ({"owners": "%%user.id"}, True),
    ({"others": "%%user.id"}, False),
    ({"empty": "%%user.id"}, False),
    ({"pairs": "%%user.id"}, False),
    ({"email": "%%user.custom_data.manages"}, True),
    ({"s": "%%user.custom_data.manages"}, False),
    ({"owners": ["u0", "u1"]}, True),
    ({"owners": ["u1", "u0"]}, False),
    ({"pairs": ["u1"]}, True),
    ({"doc": {"b": {"c": "x"}, "a": 1}}, True),
    ({"doc": {"a": 1}}, False),
    ({"oid": str(OID)}, False),
    ({"oid": OID}, True),
    ({"oid": {"%stringToOid": str(OID)}}, True),
    ({"oid_text": {"%oidToString": "%%root.oid"}}, True),
    ({"oid_text": {"%oidToString": OID}}, True),
    ({"uuid": {"%stringToUuid": "00010203-0405-0607-0809-0a0b0c0d0e0f"}}, True),
    ({"%%true": {"%%root.s": "text"}}, True),
    ({"%%false": {"%%root.s": "text"}}, False),
    ({"%%true": "%%user.custom_data.admin"}, True),
    ({"%%true": "%%user.custom_data.one"}, False),
    ("%%user.custom_data.admin", True),
    ("%%user.custom_data.level", False),
    ({"%%user.custom_data.admin": True}, True),
    ({"%%user.id": "u1"}, True),
    ({"%%user.id": "%%root.owner"}, True),
    ({"%%user.id": "%%root.owners"}, True),
    ({"%%user.id": {"%in": "%%root.owners"}}, True),
    ({"%%user.id": {"%in": "%%root.others"}}, False),
    ({"%%user.type": "normal"}, True),
    ({"%%user.identities.provider_type": "local-userpass"}, True),
    ({"%%values.open": True}, True),
    ({"%%values.deep.limit": 5}, True),
    ({"%%user.id": "%%values.team"}, True),
    ({"%%environment.tag": "testing"}, True),
    ({"%%environment.values.region": "north"}, True),
    ({"%%request.httpMethod": "POST"}, True),
    ({"%%request.requestHeaders.X-Key": "s"}, True),
    ({"%%request.requestHeaders.x-other": "s"}, False),
    ({"s": "before %%user.id after"}, False),
    ({"code": "text"}, False),
    ({"s": Code("text")}, False),
    ({"code": Code("text")}, True),
    ({"ref": {"$ref": "c", "$id": OID}}, True),
    ({"binary": b"x"}, True),
    ({"binary": Binary(b"x", 5)}, False),
    ({"items.sku": "B"}, True),
    ({"items.sku": "C"}, False),
    ({"items.tags": "q"}, True),
    ({"items.0.sku": "A"}, True),
    ({"items.1.sku": "A"}, False),
    ({"nested.a": 1}, False),
    ({"nested.0.a": 1}, True),
    ({"date": DatetimeMS(1704067200000)}, True),
    # operators
    ({"n": {"%eq": 5}}, True),
    ({"n": {"$eq": 5}}, True),
    ({"n": {"%ne": 5}}, False),
    ({"n": {"%neq": 6}}, True),
    ({"missing": {"%ne": 5}}, True),
    ({"owners": {"%ne": "u1"}}, False),
    ({"n": {"%gt": 4, "%lt": 6}}, True),
    ({"n": {"%gt": 4, "%lt": 5}}, False),
    ({"n": {"%gte": 5}}, True),
    ({"n": {"%lte": 5.0}}, True),
    ({"n": {"%gt": "4"}}, False),
    ({"s": {"%gt": "a"}}, True),
    ({"date": {"%gt": datetime(2023, 1, 1)}}, True),
    ({"ts": {"%gte": Timestamp(1, 1)}}, True),
    ({"ts": {"%gt": datetime(1960, 1, 1)}}, False),
    ({"missing": {"%lt": 5}}, False),
    ({"nan": {"%lte": 5}}, False),
    ({"null": {"%lte": None}}, False),
    ({"items.sku": {"%gt": "A"}}, True),
    ({"n": {"%in": [4, 5]}}, True),
    ({"owners": {"%in": ["u1"]}}, True),
    ({"n": {"%in": []}}, False),
    ({"missing": {"%in": [None]}}, False),
    ({"owner": {"%in": "%%values.team"}}, True),
    ({"owner": {"%in": "%%user.id"}}, False),
    ({"owner": {"%in": "%%user.custom_data.missing"}}, False),
    ({"owner": {"%nin": "%%user.custom_data.missing"}}, True),
    ({"n": {"%nin": [4]}}, True),
    ({"missing": {"%nin": [4]}}, True),
    ({"n": {"%exists": True}}, True),
    ({"null": {"%exists": True}}, True),
    ({"missing": {"%exists": True}}, False),
    ({"missing": {"%exists": False}}, True),
    ({"missing": {"%exists": 0}}, True),
    ({"items.tags": {"%exists": True}}, True),
    ({"n": {"%not": {"%gt": 5}}}, True),
    ({"n": {"%and": [{"%gt": 0}, {"%lt": 9}]}}, True),
    ({"n": {"%or": [{"%gt": 9}, {"%lt": 1}]}}, False),
    ({"n": {"%or": [4, 5]}}, True),
    ({"n": {"%nor": [{"%gt": 9}, {"%lt": 1}]}}, True),
    ({"%and": [{"n": 5}, {"s": "text"}]}, True),
    ({"%and": []}, True),
    ({"%or": []}, False),
    ({"%nor": []}, True),
    ({"%or": [{"n": 6}, {"s": "text"}]}, True),
    ({"$or": [{"n": 6}, {"s": "other"}]}, False),
    ({"%nor": [{"n": 6}, {"s": "other"}]}, True),
    ({"%not": {"n": 6}}, True),
    ({"oid": {"%eq": {"%stringToOid": str(OID)}}}, True),
    ({"oid": {"%in": [{"%stringToOid": str(OID)}]}}, True),
    ({"%%true": {"%eq": True}}, True),
]


@pytest.mark.parametrize(("source", "expected"), MATCHES, ids=lambda each: str(each)[:60])
def test_an_expression_on_a_document(source: Any, expected: bool) -> None:
    assert holds(source, DOCUMENT, DOCUMENT) is expected


@pytest.mark.parametrize(("source", "expected"), MATCHES, ids=lambda each: str(each)[:60])
async def test_its_query_finds_what_it_holds_for(source: Any, expected: bool, database: Any) -> None:
    """MongoDB itself is asked: never less than the expression, and just that if the query says that it is exact."""
    await database.items.insert_one(dict(DOCUMENT))
    query, exact = compiled(source).query(Expansions(USER, REQUEST).context())
    found = await database.items.count_documents(query) == 1
    assert found or not expected
    if exact:
        assert found is expected


@pytest.mark.parametrize(
    ("source", "before", "after", "expected"),
    [
        ({"%%prevRoot": {"%exists": False}}, MISSING, {"a": 1}, True),
        ({"%%prevRoot": {"%exists": False}}, {"a": 1}, {"a": 1}, False),
        ({"%%prevRoot.a": 1, "a": 2}, {"a": 1}, {"a": 2}, True),
        ({"%%prevRoot.a": "%%root.a"}, {"a": 1}, {"a": 2}, False),
        ({"a": "%%prevRoot.a"}, {"a": 2}, {"a": 2}, True),
    ],
)
def test_an_expression_on_a_change(source: Any, before: Any, after: Any, expected: bool) -> None:
    assert holds(source, after, before) is expected


@pytest.mark.parametrize(
    ("source", "this", "prev", "expected"),
    [
        ({"%%this": 5}, 5, MISSING, True),
        ({"%%this.a": 5}, {"a": 5}, MISSING, True),
        ({"%or": [{"%%prev": {"%exists": False}}, {"%%prev": "%%this"}]}, "x", MISSING, True),
        ({"%or": [{"%%prev": {"%exists": False}}, {"%%prev": "%%this"}]}, "x", "x", True),
        ({"%or": [{"%%prev": {"%exists": False}}, {"%%prev": "%%this"}]}, "y", "x", False),
    ],
)
def test_an_expression_on_a_field(source: Any, this: Any, prev: Any, expected: bool) -> None:
    assert holds(source, {}, {}, this, prev) is expected


@pytest.mark.parametrize(
    ("source", "scope", "path", "words"),
    [
        (5, Scope.DOCUMENT, "", "must be true, false or an object"),
        ("text", Scope.DOCUMENT, "", "must be true, false or an object"),
        ({"a": {"%like": "x"}}, Scope.DOCUMENT, "a.%like", "not an operator"),
        ({"a": {"%gt": 1, "b": 2}}, Scope.DOCUMENT, "a.b", "not an operator"),
        ({"%xor": []}, Scope.DOCUMENT, "%xor", "not an operator"),
        ({"%gt": 5}, Scope.DOCUMENT, "%gt", "not an operator"),
        ({"%and": {}}, Scope.DOCUMENT, "%and", "takes an array"),
        ({"a": {"%in": 5}}, Scope.DOCUMENT, "a.%in", "takes an array"),
        ({"a": {"%exists": "yes"}}, Scope.DOCUMENT, "a.%exists", "true or false"),
        ({"a": "%%usr.id"}, Scope.DOCUMENT, "a", "not an expansion"),
        ({"a": "%%values.missing"}, Scope.DOCUMENT, "a", "no value"),
        ({"%%request.colour": "x"}, Scope.DOCUMENT, "%%request.colour", "not a member"),
        ({"a": {"%stringToOid": "zzz"}}, Scope.DOCUMENT, "a", "cannot convert"),
        ({"a": {"%stringToOid": {"%oidToString": "x"}}}, Scope.DOCUMENT, "a", "nothing nested"),
        ({"a": 1}, Scope.CALL, "a", "no document here"),
        ({"%%user.id": "%%root.a"}, Scope.CALL, "%%user.id", "no document here"),
        ({"%%this": 1}, Scope.DOCUMENT, "%%this", "only the rules of a field"),
        ({"%function": "f"}, Scope.DOCUMENT, "%function", "takes an object"),
    ],
)
def test_a_mistake_is_found_when_it_is_compiled(source: Any, scope: Scope, path: str, words: str) -> None:
    report = Report()
    compile_expression(source, scope, CONSTANTS, report)
    problems = [finding for finding in report.findings if finding.level == "problem"]
    assert [finding.path for finding in problems] == [path]
    assert words in problems[0].sentence


def test_deep_nesting_is_a_mistake_not_a_crash() -> None:
    source: Mapping[str, Any] = {"a": 1}
    for _ in range(5_000):
        source = {"%not": source}
    report = Report()
    compile_expression(source, Scope.DOCUMENT, CONSTANTS, report)
    assert [finding.level for finding in report.findings] == ["problem"]


def test_a_slip_at_the_end_of_an_expansion_makes_it_undefined() -> None:
    report = Report()
    expression = compile_expression({"owner": "%%user.id%%"}, Scope.DOCUMENT, CONSTANTS, report)
    assert [finding.level for finding in report.findings] == ["warning"]
    assert not ask(expression, {"owner": "u1"})


FUNCTION = {"%function": {"name": "isAllowed", "arguments": ["%%user.id"]}}


@pytest.mark.parametrize(
    "source",
    [
        FUNCTION,
        {"%%true": FUNCTION},
        {"%not": FUNCTION},
        {"%or": [FUNCTION, {"n": 6}]},
        {"%and": [{"n": 5}, FUNCTION]},
        {"%%false": FUNCTION},
    ],
)
def test_what_depends_on_a_function_has_no_answer(source: Any) -> None:
    report = Report()
    expression = compile_expression(source, Scope.DOCUMENT, CONSTANTS, report)
    assert [(finding.level, "isAllowed" in finding.sentence) for finding in report.findings] == [("unsupported", True)]
    with pytest.raises(NoAnswerError):
        ask(expression, DOCUMENT)


def test_a_function_that_cannot_change_the_answer_is_not_asked() -> None:
    for source, expected in (({"%or": [FUNCTION, {"n": 5}]}, True), ({"%and": [FUNCTION, {"n": 6}]}, False)):
        expression = compile_expression(source, Scope.DOCUMENT, CONSTANTS, Report())
        assert ask(expression, DOCUMENT) is expected
