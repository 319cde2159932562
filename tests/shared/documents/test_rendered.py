"""What rules see of rendered documents: as much as of the stored ones, or nothing that they are asked about."""

import json
import math
from pathlib import Path
from struct import pack
from typing import Any

import bson
import pytest
from bson.decimal128 import Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import films
from shared.documents import ejson, replies
from shared.documents import rendered as kept
from shared.documents.elements import decoded, decoded_all, kinds_of
from shared.documents.replies import Format
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.masks import WHOLE, Mask
from shared.rules.projections import Projection
from shared.rules.report import Report
from shared.rules.ruleset import Rights
from shared.rules.values import MISSING, contains, equal, matches, ordered
from tests.bson_types import OID, ROWS, Row, document, element, text
from tests.depth import examples

FORMS: list[Format] = ["JSON", "EJSON"]
KEPT = {0x01, 0x02, 0x08, 0x0A, 0x10, 0x12}
DEPRECATED = {0x06, 0x0C, 0x0E}  # they cannot be sent
WRITTEN = {  # numbers that JSON has as texts of our own
    "double -0", "double 2**53 + 2", "double -2**53 - 2", "double 1e20", "double 1e21",
    "double 123456789012345680000", "double that is the largest", "double beyond int64", "double beyond uint64",
    "double below int64",
}  # fmt: skip
RULES = Path(__file__).parents[3] / "bench/apps/owner/data_sources/mongodb-atlas/default_rule.json"
USER = {"id": OID, "custom_data": {"level": 1, "teams": ["a", OID]}}


def rights(*roles: dict[str, Any], filters: list[Any] | None = None) -> Rights:
    constants = Constants(values={"least": 0})
    return compile_ruleset({"roles": list(roles), "filters": filters or []}, constants, Report()).rights(
        Expansions(USER)
    )


def seen(batch: bytes, name: str, form: Format) -> list[Any] | None:
    """Return the values of a field that are kept, or None."""
    found = kept.values(batch, replies.rendered(batch, form), [name], form)
    return None if found is None else [each.get(name, MISSING) for each in found]


def glimpsed(bound: Rights, batch: bytes, form: Format) -> list[Mask | None] | None:
    """Return the masks of documents by what is rendered of them, None if that does not tell."""
    names, rendered = bound.names(), replies.rendered(batch, form)
    values = None if names is None else kept.values(batch, rendered, names, form)
    return None if values is None else bound.masks(rendered, values=values)


def masks(bound: Rights, batch: bytes) -> list[Mask | None]:
    return bound.masks(decoded_all(batch))


@pytest.mark.parametrize("form", FORMS)
def test_the_documents_of_the_benchmark_need_no_second_decoding(form: Format) -> None:
    bound = rights(*json.loads(RULES.read_text())["roles"])
    batch = b"".join(bson.encode(films.film(number)) for number in range(100))

    assert glimpsed(bound, batch, form) == masks(bound, batch) == [WHOLE] * 100


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_value_is_kept_if_its_type_and_its_text_keep_it(row: Row, form: Format) -> None:
    is_kept = row.kind in KEPT and (form == "EJSON" or row.name not in WRITTEN)

    assert (seen(row.bson, "v", form) is not None) is is_kept


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("row", [row for row in ROWS if row.kind in KEPT and row.name not in WRITTEN], ids=str)
def test_what_is_kept_compares_as_the_stored_value_does(row: Row, form: Format) -> None:
    stored = decoded(row.bson)["v"]
    value = (seen(row.bson, "v", form) or [MISSING])[0]
    others = [decoded(other.bson)["v"] for other in ROWS]

    def compared(one: Any) -> list[Any]:
        return [
            (equal(one, other), matches(one, other), contains([other], one), ordered(one, "gt", other),
             ordered(one, "lte", other)) for other in [*others, 9, 10, 11.5, Decimal128("10.5"), math.inf]
        ]  # fmt: skip

    assert compared(value) == compared(stored)


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind not in DEPRECATED], ids=str)
def test_a_value_compares_as_it_will_when_it_is_stored(row: Row) -> None:
    given = ejson.loads(f'{{"v": {row.as_ejson}}}'.encode())["v"]
    stored = decoded(bson.encode({"v": given}))["v"]
    others = [decoded(other.bson)["v"] for other in ROWS]

    def compared(one: Any) -> list[Any]:
        return [(matches(one, each), matches(each, one), contains([each], one), contains([one], each),
                 ordered(one, "gt", each), ordered(each, "lte", one)) for each in others]  # fmt: skip

    assert compared(given) == compared(stored)


def test_an_id_is_not_the_text_that_shows_it() -> None:
    bound = rights({"name": "r", "apply_when": {"owner": "%%user.id"}, "fields": {"owner": {"read": True}}})
    batch = bson.encode({"owner": OID}) + document(element(0x07, bytes.fromhex(OID), "owner"))

    assert glimpsed(bound, bson.encode({"owner": OID}), "JSON") == [WHOLE]
    assert glimpsed(bound, batch, "JSON") is None
    assert masks(bound, batch) == [WHOLE, None]


NAME = "owner"

# documents of every type, in which names stand in names, in texts and in documents

NAMES = ["a", "aa", "b", "owner", "", "é", "\x02a", "aé"]
LIKELY = [
    *((0x02, text(value)) for value in ("", "a", "owner", OID, "\x02owner", "\x02a\0\x10b\0", "é")),
    *((0x10, pack("<i", number)) for number in (0, 1, 2)),
    *((0x12, pack("<q", number)) for number in (1, 2**53 + 1)),
    *((0x01, pack("<d", number)) for number in (0.5, 1.0, -0.0, 2.0**53, 2.0**60, math.nan, math.inf)),
    (0x08, b"\0"), (0x08, b"\1"), (0x0A, b""),
]  # fmt: skip
ANY = [
    *((row.kind, row.payload) for row in ROWS),
    (0x04, document(element(0x02, text(OID), "0"))), (0x05, pack("<iB", 7, 0) + b"\x02owner\0"), (0x06, b""),
    (0x0D, text(OID)), (0x0E, text("a")), (0x0E, text(OID)),
]  # fmt: skip

type Members = list[tuple[int, str, bytes]]


def members(payloads: st.SearchStrategy[tuple[int, bytes]]) -> st.SearchStrategy[Members]:
    return st.lists(
        st.builds(lambda name, value: (value[0], name, value[1]), st.sampled_from(NAMES), payloads), max_size=4
    )


def stored(given_members: Members) -> bytes:
    return document(*(element(kind, payload, name) for kind, name, payload in given_members))


likely = st.sampled_from(LIKELY)
nested = members(st.sampled_from(LIKELY + ANY)).map(lambda inner: (0x03, stored(inner)))
batches = st.lists(members(likely) | members(likely | st.sampled_from(ANY) | nested), min_size=1, max_size=5)

operands = st.sampled_from(
    [0, 1, 1.0, "a", OID, None, True, "%%user.id", "%%user.custom_data.level"]
) | st.sampled_from(["%%user.custom_data.none", [1, "a"], "%%root.a", "%%root.b"])
operators = st.one_of(
    st.fixed_dictionaries({"%exists": st.booleans()}),
    st.dictionaries(st.sampled_from(["%gt", "%gte", "%lt", "%lte", "%ne"]), operands, min_size=1, max_size=2),
    st.fixed_dictionaries({"%in": st.lists(operands, max_size=3) | st.just("%%user.custom_data.teams")}),
    st.fixed_dictionaries({"%nin": st.lists(operands, max_size=3)}),
)
keys = st.sampled_from([*(name for name in NAMES if name), "%%root.owner", "%%user.id", "%%user.custom_data.level"])
conditions = st.recursive(
    st.booleans() | st.dictionaries(keys, operands | operators, min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"%and": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"%or": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"%not": inner}),
    ),
    max_leaves=3,
)
permissions = st.fixed_dictionaries({}, optional={"read": st.booleans(), "write": st.booleans()})
roles = st.fixed_dictionaries(
    {"name": st.just("r"), "apply_when": conditions},
    optional={
        "document_filters": st.fixed_dictionaries({"read": conditions, "write": conditions}),
        "read": conditions,
        "write": conditions,
        "fields": st.dictionaries(st.sampled_from(NAMES), permissions, max_size=3),
        "additional_fields": permissions,
    },
)


@settings(max_examples=examples(1_500), deadline=None)
@given(st.lists(roles, min_size=1, max_size=2), batches, st.sampled_from(FORMS))
def test_a_glimpse_shows_what_the_stored_documents_show(
    given_roles: list[dict[str, Any]], given_batch: list[Members], form: Format
) -> None:
    bound, batch = rights(*given_roles), b"".join(map(stored, given_batch))

    assert glimpsed(bound, batch, form) in (None, masks(bound, batch))


@settings(max_examples=examples(1_000), deadline=None)
@given(batches, st.sampled_from(NAMES), st.sampled_from(FORMS))
def test_kept_values_are_of_the_stored_kind(given_batch: list[Members], name: str, form: Format) -> None:
    batch = b"".join(map(stored, given_batch))
    kinds = {bytes([kind]) for each in given_batch for kind, own, _ in each if own == name}
    theirs = [each.get(name, MISSING) for each in decoded_all(batch)]

    assert kinds <= kinds_of(name, batch)
    assert same(seen(batch, name, form) or theirs, theirs)


def same(ours: list[Any], theirs: list[Any]) -> bool:
    return all(
        one is other or equal(one, other) or (one != one and other != other)  # noqa: PLR0124  NaN
        for one, other in zip(ours, theirs, strict=True)
    )


FIELDS_NAMED = [name for name in [*NAMES, "_id"] if name]
projections = st.dictionaries(st.sampled_from(FIELDS_NAMED), st.just(True), min_size=1, max_size=3) | (
    st.dictionaries(st.sampled_from(FIELDS_NAMED), st.just(False), min_size=1, max_size=3)
)


@settings(max_examples=examples(300), deadline=None)
@given(projections, batches, st.sampled_from(FORMS))
def test_a_projection_by_names_leaves_the_same_of_what_is_rendered(
    given_projection: dict[str, bool], given_batch: list[Members], form: Format
) -> None:
    projection, batch = Projection(given_projection), b"".join(map(stored, given_batch))

    assert projection.part.is_by_name
    assert list(map(projection.mask, replies.rendered(batch, form))) == list(map(projection.mask, decoded_all(batch)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "broken", [element(0x02, text(b"\xff"), NAME), element(0x02, text("\ufffd"), NAME)], ids=["broken", "like it"]
)
def test_a_text_that_is_no_text_is_not_what_is_shown_for_it(broken: bytes, form: Format) -> None:
    assert seen(document(broken), NAME, form) is None


@pytest.mark.parametrize("form", FORMS)
def test_where_a_reference_may_be_nothing_is_kept(form: Format) -> None:
    assert seen(bson.encode({NAME: "a", "x": {"$ref": "c", "$id": 1}}), NAME, form) is None


FIELDS = {"a": {"read": True}}


@pytest.mark.parametrize(
    "role",
    [
        {"apply_when": {"a.b": 1}, "fields": FIELDS},
        {"apply_when": {"%%root": 1}, "fields": FIELDS},
        {"apply_when": {"%%prevRoot.a": 1}, "fields": FIELDS},
        {"apply_when": {"a": {"%in": ["%%root.b"]}}, "fields": FIELDS},
        {"apply_when": {"a": {"%stringToOid": "%%root.b"}}, "fields": FIELDS},
        {"apply_when": {"%or": [{"a": 1}, {"%function": {"name": "f", "arguments": []}}]}, "fields": FIELDS},
        {"apply_when": {"a\ufffd": 1}, "fields": FIELDS},
        {"apply_when": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, "fields": FIELDS},
        {"apply_when": {"a": 1}, "fields": {"a": {"read": {"%%this": 1}}}},
        {"apply_when": {"a": 1}, "fields": {"a": {"read": {"b": 1}}}},
        {"apply_when": {"a": 1}, "fields": {"a": {"fields": {"b": {"read": True}}}}},
        {"apply_when": {"a": 1}, "fields": {"a\ufffd": {"read": True}}},
        {"apply_when": {"a": 1}, "fields": FIELDS, "write": {"b.c": 1}},
        {"apply_when": {"a": 1}, "fields": FIELDS, "document_filters": {"read": {"b.c": 1}, "write": False}},
        {"apply_when": {"a": 1}, "read": {"b.c": 1}},
    ],
    ids=str,
)
def test_there_is_no_glimpse_where_rules_look_at_more_than_a_few_fields(role: dict[str, Any]) -> None:
    plain = {"name": "plain", "apply_when": {"b": 1}, "fields": FIELDS}

    assert rights(plain).names() is not None
    assert rights(plain, {"name": "r", **role}).names() is None


def test_there_is_no_glimpse_by_a_name_that_cannot_be_stored() -> None:
    assert rights({"name": "r", "apply_when": {"a\ud800": 1}, "fields": FIELDS}).names() is None


def test_there_is_no_glimpse_for_a_call_that_uses_what_a_role_hides() -> None:
    bound = rights({"name": "r", "apply_when": {"b": 1}, "fields": FIELDS})

    assert bound.names([("a",)]) is not None
    assert bound.names([("a",), ("secret",)]) is None


def test_a_projection_of_inner_fields_or_of_names_that_are_no_text_is_not_by_names() -> None:
    assert not Projection({"a.b": 1}).part.is_by_name
    assert not Projection({"a\ufffd": 1}).part.is_by_name
