"""Schemas that compare what a role hides with what it lets be written: each such check is a warning."""

from typing import Any

import pytest

from shared.rules.compiler.operands import Constants
from shared.rules.compiler.oracles import report_oracles
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.report import Finding, Report

SHOWN = {"read": True, "write": True}
BIDDER = {"name": "bidder", "apply_when": {}, "fields": {"limit": {}, "bid": SHOWN, "at": {"read": True}}}
NESTED = {"name": "n", "apply_when": {}, "fields": {"a": {"fields": {"shown": SHOWN, "code": {}}}}}
BELOW = {"%%this": {"%lt": "%%root.limit"}}


def found(schema: Any, *roles: Any, filters: Any = ()) -> list[Finding]:
    report = Report()
    rules = compile_ruleset({"roles": [*roles], "filters": [*filters]}, Constants(), report)
    report_oracles(schema, rules, report)
    return report.findings


@pytest.mark.parametrize(
    ("schema", "path", "hidden", "written"),
    [
        ({"properties": {"bid": {"validate": BELOW}}}, "properties.bid.validate", "'limit'", "'bid'"),
        ({"validate": {"bid": {"%lt": "%%root.limit"}}}, "validate", "'limit'", "'bid'"),
        ({"validate": {"%and": [{"%or": [{"%%prevRoot.limit": "%%root.bid"}]}]}}, "validate", "'limit'", "'bid'"),
        ({"properties": {"limit": {"validate": {"%%root.bid": {"%exists": True}}}}}, "properties.limit.validate",
         "'limit'", "'bid'"),
        ({"dependencies": {"bid": ["limit"]}}, "dependencies.bid", "'limit'", "'bid'"),
        ({"patternProperties": {"^x": {"validate": {"%%this": "%%root.bid"}}}}, "patternProperties.^x.validate",
         "'*'", "'bid'"),
    ],
)  # fmt: skip
def test_a_comparison_of_hidden_and_writable_fields(schema: Any, path: str, hidden: str, written: str) -> None:
    (finding,) = found(schema, BIDDER)

    assert (finding.level, finding.path) == ("warning", path)
    assert finding.sentence == (
        f"this compares {hidden}, hidden from callers with the role 'bidder', with {written}, which they may write"
    )
    assert finding.effect.startswith("callers with the role 'bidder' find out what is hidden by trying values")


def test_the_number_of_fields_depends_on_all_of_them() -> None:
    (finding,) = found({"maxProperties": 9}, BIDDER)

    assert finding.sentence.startswith("this depends on the document as a whole, of which callers with the role 'bidd")


@pytest.mark.parametrize(
    ("schema", "role"),
    [
        ({"properties": {"bid": {"validate": {"%%this": {"%lt": 5}}}}}, BIDDER),
        ({"properties": {"bid": {"validate": {"%%this": {"%gt": "%%root.at"}}}}}, BIDDER),
        ({"properties": {"at": {"validate": BELOW}}}, BIDDER),
        ({"properties": {"limit": {"maximum": 5}, "bid": {"maximum": 5}}, "required": ["limit"]}, BIDDER),
        ({"properties": {"bid": {"validate": BELOW, "enum": [1]}}}, BIDDER | {"fields": {}, **SHOWN}),
        ({"properties": {"bid": {"validate": BELOW}}}, BIDDER | {"document_filters": {"read": True, "write": False}}),
        ({"properties": {"bid": {"validate": BELOW}}}, BIDDER | {"fields": {}, "read": True, "write": {"open": True}}),
        ({"properties": {"a": {"properties": {"shown": {"enum": [1]}}}}}, NESTED),
    ],
)
def test_what_compares_nothing_hidden_is_no_finding(schema: Any, role: Any) -> None:
    assert found(schema, role) == []


@pytest.mark.parametrize(
    "keyword", [{"enum": [{}]}, {"maxProperties": 2}, {"validate": {"%%this": {"%ne": {}}}}], ids=str
)
def test_an_object_of_which_a_part_is_hidden(keyword: Any) -> None:
    assert len(found({"properties": {"a": keyword}}, NESTED)) == 1
    assert len(found({"properties": {"a": {"items": keyword}}}, NESTED)) == 1


def test_what_a_filter_hides_counts_for_every_role() -> None:
    whole = {"name": "w", "apply_when": {}, **SHOWN}
    filters = [{"name": "f", "apply_when": {}, "projection": {"limit": 0}}]

    assert len(found({"properties": {"bid": {"validate": BELOW}}}, whole, filters=filters)) == 1
    assert found({"properties": {"bid": {"validate": {"%%this": "%%root.at"}}}}, whole, filters=filters) == []
