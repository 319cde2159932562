"""Roles, fields and filters: which part of which document a caller may read, and which change to it is allowed."""

from collections.abc import Callable
from typing import Any

import bson
import pytest

from shared.documents.elements import decoded
from shared.errors import InvalidParameterError
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.field_paths import Touched
from shared.rules.masks import cut
from shared.rules.report import Report
from shared.rules.ruleset import Rights
from shared.rules.values import path
from shared.rules.visibility import Asked
from tests.work import is_linear

OWNER: dict[str, Any] = {
    "name": "owner", "apply_when": {"owner": "%%user.id"}, "insert": True, "delete": True, "read": True, "write": True,
}  # fmt: skip
PUBLIC: dict[str, Any] = {
    "name": "public",
    "apply_when": {"visible": True},
    "insert": False,
    "delete": False,
    "fields": {"title": {"read": True}, "votes": {"read": True, "write": True}},
    "additional_fields": {},
}
USER = {
    "id": "u1",
    "type": "normal",
    "custom_data": {"rank": 3, "trap": {"$gt": ""}, "name": "$owner", "all": [{"a": "$$ROOT"}]},
}
FUNCTION = {"%function": {"name": "f", "arguments": []}}


def rights(*roles: dict[str, Any], filters: list[dict[str, Any]] | None = None) -> Rights:
    report = Report()
    rules = compile_ruleset({"roles": list(roles), "filters": filters or []}, Constants(), report)
    assert [finding for finding in report.findings if finding.level == "problem"] == []
    return rules.rights(Expansions(USER))


def read(bound: Rights, document: dict[str, Any], *used: str) -> Any:
    mask = bound.mask(document, [path(each) for each in used])
    return None if mask is None else cut(document, mask)


def role(**members: Any) -> dict[str, Any]:
    return {"name": "r", "apply_when": {}} | members


STORED: list[dict[str, Any]] = [
    {"_id": 1, "owner": "u1", "title": "a", "secret": 1},
    {"_id": 2, "owner": "u2", "visible": True, "title": "b", "votes": 3, "secret": 1},
    {"_id": 3, "owner": "u2", "visible": False},
    {"_id": 4, "owner": ["u0", "u1"]},
]


@pytest.mark.parametrize(
    ("document", "shown"),
    [(STORED[0], STORED[0]), (STORED[1], {"title": "b", "votes": 3}), (STORED[2], None), (STORED[3], STORED[3])],
)
def test_the_worked_cases_of_reading(document: dict[str, Any], shown: Any) -> None:
    assert read(rights(OWNER, PUBLIC), document) == shown


@pytest.mark.parametrize(
    ("before", "changes", "touched", "allowed"),
    [
        (STORED[1], {"votes": 4}, ["votes"], True),
        (STORED[1], {"title": "c"}, ["title"], False),
        (STORED[1], {"secret": 1}, ["secret"], False),  # a right guess is not told from a wrong one
        (STORED[1], {"secret": 2}, ["secret"], False),
        (STORED[0], {"owner": "u2"}, ["owner"], True),
        (STORED[2], {"title": "c"}, ["title"], False),
    ],
)
def test_the_worked_cases_of_updates(
    before: dict[str, Any], changes: dict[str, Any], touched: list[str], allowed: bool
) -> None:
    bound, stored = rights(OWNER, PUBLIC), bson.encode(before)
    touches = bound.may_touch(stored, Touched({path(each) for each in touched}))
    assert (touches.allowed and bound.may_update(stored, bson.encode(before | changes)).allowed) is allowed


@pytest.mark.parametrize(
    ("document", "role_name", "allowed"),
    [
        ({"owner": "u1"}, "owner", True),
        ({"owner": "u2", "visible": True}, "public", False),
        ({"owner": "u2"}, None, False),
    ],
)
def test_the_worked_cases_of_inserts(document: dict[str, Any], role_name: str | None, allowed: bool) -> None:
    assert rights(OWNER, PUBLIC).may_insert(bson.encode(document))[:2] == (allowed, role_name)


def test_the_worked_cases_of_deletes() -> None:
    bound = rights(OWNER, PUBLIC)
    assert [bound.may_delete(bson.encode(each)).allowed for each in STORED] == [True, False, False, True]


@pytest.mark.parametrize(
    ("members", "whole", "by_field"),
    [
        ({"read": True}, True, False),
        ({"read": False}, False, False),
        ({"read": False, "write": True}, True, False),
        ({"write": True}, True, False),
        ({"write": False}, False, False),
        ({}, False, False),
        ({"fields": {"a": {"read": True}}}, False, True),
        ({"fields": {"a": {"write": True}}}, False, True),
        ({"fields": {"a": {"read": False}}, "additional_fields": {"read": True}}, False, False),
        ({"read": True, "document_filters": {"read": True, "write": False}}, True, False),
        ({"read": True, "document_filters": {"read": False, "write": True}}, True, False),
        ({"read": True, "document_filters": {"read": False, "write": False}}, False, False),
        ({"read": True, "document_filters": {"write": False}}, False, False),
        ({"read": True, "document_filters": {"read": True}}, True, False),
        ({"read": FUNCTION}, False, False),
        ({"fields": {"a": {"read": {"%not": FUNCTION}}}}, False, False),
    ],
)
def test_what_is_readable_at_the_document_and_the_field(members: Any, whole: bool, by_field: bool) -> None:
    document = {"a": 1}
    expected = {"a": 1} if whole or by_field else None
    assert read(rights(role(**members)), document) == expected


NESTED = role(
    fields={
        "open": {"read": True},
        "profile": {"fields": {"name": {"read": True, "write": True}, "ssn": {}}},
        "lines": {"fields": {"sku": {"read": True}, "count": {"read": True, "write": True}}},
    }
)


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ({"profile": {"name": "n", "ssn": 1}}, {"profile": {"name": "n"}}),
        ({"profile": {"ssn": 1}}, None),
        ({"profile": {}}, None),
        ({"profile": "text"}, None),
        ({"lines": [{"sku": 1, "cost": 2}, {"cost": 3}, 4, [{"sku": 5}]]}, {"lines": [{"sku": 1}]}),
        ({"lines": []}, None),
        ({"open": {"any": [1]}, "other": 1}, {"open": {"any": [1]}}),
    ],
)
def test_permissions_inside_documents_and_arrays(document: dict[str, Any], shown: Any) -> None:
    assert read(rights(NESTED), document) == shown


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ({"profile": {"name": "a"}}, {"profile": {"name": "b"}}, True),
        ({"profile": {"name": "a", "ssn": 1}}, {"profile": {"name": "b", "ssn": 1}}, True),
        ({"profile": {"name": "a", "ssn": 1}}, {"profile": {"name": "a"}}, False),
        ({"profile": {"name": "a"}}, {"profile": "text"}, False),
        ({"profile": {"name": "a"}}, {}, True),
        ({}, {"profile": {"name": "a"}}, True),
        ({}, {"profile": {}}, False),
        ({"lines": [{"sku": 1, "count": 1}]}, {"lines": [{"sku": 1, "count": 2}]}, True),
        ({"lines": [{"sku": 1, "count": 1}]}, {"lines": [{"sku": 2, "count": 1}]}, False),
        ({"lines": [{"count": 1}]}, {"lines": [{"count": 1}, {"count": 2}]}, True),
        ({"lines": [{"count": 1}]}, {"lines": [{"count": 1}, {"sku": 2}]}, False),
        ({"lines": [{"count": 1}]}, {"lines": [{"count": 1}, 5]}, False),
        ({"lines": [{"count": 1}]}, {"lines": []}, True),
        ({"open": 1}, {"open": 2}, False),
    ],
)
def test_changes_inside_documents_and_arrays(before: Any, after: Any, allowed: bool) -> None:
    stored = {"_id": 1, "open": 0} | before
    result = stored | after if after else {"_id": 1, "open": 0}
    assert rights(NESTED).may_update(bson.encode(stored), bson.encode(result)).allowed is allowed


@pytest.mark.parametrize(
    ("used", "is_seen"),
    [
        ("open", True), ("open.any.thing", True), ("secret", False), ("profile.name", True), ("profile.ssn", False),
        ("profile", False), ("profile.other", False), ("lines.sku", True), ("lines.0.sku", True), ("lines.cost", False),
        ("lines", False), ("missing", False), ("_id", False), ("profile.name.0", True), ("lines.0", False),
    ],
)  # fmt: skip
def test_a_document_does_not_match_what_asks_for_its_hidden_fields(used: str, is_seen: bool) -> None:
    document = {"_id": 1, "open": 1, "profile": {"name": "n", "ssn": 1}, "lines": [{"sku": 1, "cost": 1}], "secret": 1}
    assert (read(rights(NESTED), document, used) is not None) is is_seen


def test_a_field_that_no_role_ever_shows_is_named() -> None:
    bound = rights(OWNER, PUBLIC)
    assert bound.hidden([path("secret")]) is None  # the owner of a document may read it
    bound = rights(PUBLIC)
    assert bound.hidden([path("title"), path("secret.deep")]) == ("secret", "deep")
    bound = rights(role(apply_when={"%%user.id": "somebody else"}, read=True), PUBLIC)
    assert bound.hidden([path("secret")]) == ("secret",)
    bound = rights(OWNER, filters=[{"name": "f", "apply_when": {}, "projection": {"cost": 0}}])
    assert bound.hidden([path("cost")]) == ("cost",)


def test_the_first_role_that_applies_decides_alone() -> None:
    denies = role(name="denies", apply_when={"banned": True}, read=False, write=False)
    bound = rights(denies, role(name="all", read=True, write=True))
    assert read(bound, {"banned": True}) is None
    assert read(bound, {"banned": False}) == {"banned": False}


def test_a_role_that_depends_on_a_function_denies_and_opens_no_later_one() -> None:
    bound = rights(role(name="first", apply_when=FUNCTION, read=False), role(name="all", read=True, write=True))
    assert read(bound, {"a": 1}) is None
    assert not bound.may_insert(bson.encode({"a": 1})).allowed


@pytest.mark.parametrize(
    ("members", "allowed"),
    [
        ({"write": True}, True),
        ({"write": True, "delete": False}, False),
        ({"write": False}, False),
        ({"delete": True}, True),
        ({"delete": False}, False),
        ({"fields": {"a": {"write": True}}}, False),  # _id is not writable
        ({"fields": {"a": {"write": True}}, "additional_fields": {"write": True}}, True),
        ({"additional_fields": {"write": True}}, True),
        ({"write": True, "document_filters": {"read": True, "write": False}}, False),
    ],
)
def test_what_may_be_deleted(members: Any, allowed: bool) -> None:
    assert (
        rights(role(read=members.get("write"), **members)).may_delete(bson.encode({"_id": 1, "a": 1})).allowed
        is allowed
    )


@pytest.mark.parametrize(
    ("members", "allowed"),
    [
        ({"write": True}, True),
        ({"write": True, "insert": False}, False),
        ({"write": False, "insert": True}, False),
        ({"fields": {"a": {"write": True}}}, False),  # _id is a field, too
        ({"fields": {"a": {"write": True}, "_id": {"write": True}}}, True),
        ({"additional_fields": {"write": True}}, True),
        ({"write": {"%%prevRoot": {"%exists": False}}}, True),
        ({"write": {"owner": "%%user.id"}}, False),
    ],
)
def test_what_may_be_inserted(members: Any, allowed: bool) -> None:
    assert rights(role(**members)).may_insert(bson.encode({"_id": 1, "a": 1})).allowed is allowed


def test_the_pattern_for_inserting_only() -> None:
    bound = rights(role(write={"%%prevRoot": {"%exists": False}}))
    stored = {"_id": 1}
    assert read(bound, stored) is None
    assert not bound.may_update(bson.encode(stored), bson.encode(stored | {"a": 1})).allowed
    assert not bound.may_delete(bson.encode(stored)).allowed


def test_document_filters_must_let_both_documents_be_written() -> None:
    filters = {"read": True, "write": {"owner": "%%user.id"}}
    bound = rights(role(read=True, write=True, document_filters=filters))
    mine, theirs = bson.encode({"_id": 1, "owner": "u1"}), bson.encode({"_id": 1, "owner": "u2"})
    assert bound.may_update(mine, mine).allowed
    assert not bound.may_update(theirs, mine).allowed
    assert not bound.may_update(mine, theirs).allowed


def test_a_replacement_must_not_meet_what_is_hidden() -> None:
    bound = rights(role(fields={"a": {"read": True, "write": True}, "b": {"read": True}}))
    assert bound.may_replace(bson.encode({"_id": 1, "a": 1})).allowed
    assert not bound.may_replace(bson.encode({"_id": 1, "a": 1, "secret": 5})).allowed


def test_a_pipeline_must_not_meet_what_could_be_hidden() -> None:
    stored = bson.encode({"_id": 1, "a": 1})
    open_ = role(fields={"a": {"read": True, "write": True}}, additional_fields={"read": True})

    assert rights(open_).may_touch(stored, None).allowed
    assert rights(role(read=True)).may_touch(stored, None).allowed
    assert not rights(open_ | {"fields": {"hidden": {}}}).may_touch(stored, None).allowed
    assert not rights(role(fields={"_id": {"read": True}, "a": {"read": True}})).may_touch(stored, None).allowed


# filters and queries


def query(*roles: dict[str, Any], filters: list[dict[str, Any]] | None = None) -> tuple[Any, bool]:
    return rights(*roles, filters=filters).query


ALL = role(read=True, write=True)


def test_what_is_known_before_a_document_is_asked_of_mongodb() -> None:
    assert query(ALL) == ({}, True)
    assert query(OWNER) == ({"owner": {"$eq": "u1"}}, True)
    assert query(role(read={"rank": {"%lt": "%%user.custom_data.rank"}})) == ({"rank": {"$lt": 3}}, True)
    assert query(role(apply_when={"%%user.type": "server"}, read=True)) == ({"$nor": [{}]}, True)
    owner_or_public = {"$or": [{"owner": {"$eq": "u1"}}, {"$and": [{"visible": {"$eq": True}},
                                                                   {"$nor": [{"owner": {"$eq": "u1"}}]}]}]}  # fmt: skip
    assert query(OWNER, PUBLIC) == (owner_or_public, False)


def test_a_filter_narrows_and_hides() -> None:
    given = {"name": "f", "apply_when": {"%%user.type": "normal"}, "query": {"team": {"$in": ["a"]}}}
    assert query(ALL, filters=[given]) == ({"team": {"$in": ["a"]}}, True)
    assert query(ALL, filters=[given | {"apply_when": {"%%user.type": "server"}}]) == ({}, True)
    bound = rights(ALL, filters=[given | {"project": {"secret": 0}}])
    assert bound.projection is not None
    assert bound.projection.part.always_covers_member(("title",))
    assert not bound.projection.part.always_covers_member(("secret", "deep"))
    assert not bound.is_full


@pytest.mark.parametrize("value", ["%%user.custom_data.missing", "%%user.custom_data.trap"])
def test_an_expansion_that_is_undefined_or_holds_an_operator_finds_nothing(value: str) -> None:
    given = {"name": "f", "apply_when": {}, "query": {"owner": value}}
    assert query(ALL, filters=[given])[0] == {"$nor": [{}]}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("%%user.custom_data.name", {"$literal": "$owner"}),
        ({"$literal": "%%user.custom_data.name"}, {"$literal": "$owner"}),
        (["%%user.custom_data.all", "$b"], [{"$literal": [{"a": "$$ROOT"}]}, "$b"]),
        ({"$concat": ["$b", {"x": "%%user.custom_data.name"}]}, {"$concat": ["$b", {"x": {"$literal": "$owner"}}]}),
    ],
)
def test_what_a_filter_computes_takes_no_value_for_a_field(given: Any, sent: Any) -> None:
    def computed(value: Any) -> dict[str, Any]:
        return {"$or": [{"$expr": {"$not": {"$eq": ["$owner", value]}}}, {"name": "$owner"}]}

    asked = computed(given) | {"name": "%%user.custom_data.name"}
    found = query(ALL, filters=[{"name": "f", "apply_when": {}, "query": asked}])[0]
    assert found == computed(sent) | {"name": "$owner"}


def test_a_filter_that_depends_on_a_function_finds_nothing() -> None:
    given = {"name": "f", "apply_when": FUNCTION, "query": {}}
    assert query(ALL, filters=[given])[0] == {"$nor": [{}]}


def test_filters_that_include_and_exclude_fail_the_call() -> None:
    filters = [
        {"name": "a", "apply_when": {}, "projection": {"a": 1}},
        {"name": "b", "apply_when": {}, "projection": {"b": 0}},
    ]
    with pytest.raises(InvalidParameterError, match="both include and exclude"):
        rights(ALL, filters=filters)


@pytest.mark.parametrize(
    ("source", "path_", "words"),
    [
        ({"roles": [{"name": "r", "read": True}]}, "roles[0].apply_when", "needs 'apply_when'"),
        ({"roles": [role(name="")]}, "roles[0].name", "needs a name"),
        ({"roles": [role(name="x" * 101)]}, "roles[0].name", "needs a name"),
        ({"roles": [role(apply_when=False)]}, "roles[0].apply_when", "can never apply"),
        ({"roles": [ALL, role(name="second", read=True)]}, "roles[1].apply_when", "can never apply"),
        ({"roles": [role(read=True, fields={"a": {"read": False}})]}, "roles[0].fields", "never asked"),
        ({"roles": [role(write=False, fields={"a": {"write": True}})]}, "roles[0].fields", "never asked"),
        ({"roles": [role(fields={"a": {"read": True, "fields": {"b": {}}}})]}, "roles[0].fields.a.fields",
         "never asked"),
        ({"roles": [role(fields={"a.b": {"read": True}})]}, "roles[0].fields.a.b", "without dots"),
        ({"roles": [role(fields={"a": {"raed": True}})]}, "roles[0].fields.a.raed", "only"),
        ({"roles": {}}, "roles", "an array"),
        ({"roles": [5]}, "roles[0]", "an object"),
        ({"filters": [{"name": "f", "apply_when": {}, "query": {"$where": "1"}}]}, "filters[0].query.$where",
         "JavaScript"),
        ({"filters": [{"name": "f", "apply_when": {}, "query": {"%%user.id": 1}}]}, "filters[0].query.%%user.id",
         "fields"),
        ({"filters": [{"name": "f", "apply_when": {"a": 1}}]}, "filters[0].apply_when.a", "no document"),
        ({"filters": [{"name": "f", "apply_when": {}, "projection": {"a": "$b"}}]}, "filters[0].projection", "compute"),
        ({"filters": [{"name": "f", "apply_when": {}, "projection": {"a.": 0}}]}, "filters[0].projection", "empty"),
        ({"filters": [{"name": "f"}]}, "filters[0].apply_when", "needs 'apply_when'"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_when_the_rules_are_compiled(source: Any, path_: str, words: str) -> None:
    report = Report()
    compile_ruleset(source, Constants(), report)
    problems = [finding for finding in report.findings if finding.level == "problem"]
    assert [finding.path for finding in problems] == [path_]
    assert words in problems[0].sentence


ANEW = {"$replaceWith": {"$mergeObjects": ["$$ROOT"]}}


@pytest.mark.parametrize(
    ("roles", "stages"),
    [
        ([ALL], []),
        ([OWNER], [{"$match": {"owner": {"$eq": "u1"}}}]),
        ([PUBLIC | {"apply_when": {}}],
         [{"$project": {"_id": 0, "title": 1, "votes": 1}}, {"$match": {"$expr": {"$ne": ["$$ROOT", {}]}}}, ANEW]),
        ([role(fields={"secret": {}}, additional_fields={"read": True})],
         [{"$project": {"secret": 0}}, {"$match": {"$expr": {"$ne": ["$$ROOT", {}]}}}, ANEW]),
        ([OWNER, PUBLIC], None),
        ([NESTED], None),
        ([role(read={"%%prevRoot.a": 1})], None),
        ([role(write={"a": 1}, fields={"b": {"read": True}})], None),
        ([role(apply_when={"a": None}, read=True)], None),
    ],
)  # fmt: skip
def test_the_stages_that_leave_what_may_be_read(roles: Any, stages: Any) -> None:
    found = rights(*roles).readable_stages()
    assert (None if found is None else [dict(each) for each in found]) == stages


SHOWN = role(fields={"_id": {"read": True}, "title": {"read": True}})


@pytest.mark.parametrize(
    ("roles", "shown"),
    [
        ([ALL], {}),
        ([OWNER], {}),
        ([OWNER, ALL], {}),
        ([SHOWN], {"_id": 1, "title": 1}),
        ([role(fields={"secret": {}}, additional_fields={"read": True})], {"secret": 0}),
        ([role(fields={"": {}}, additional_fields={"read": True})], None),
        ([role(fields={"\0": {}}, additional_fields={"read": True})], None),
        ([role(fields={"\ufffd": {}}, additional_fields={"read": True})], None),
        ([PUBLIC | {"apply_when": {}}], None),  # a document without its fields is not there
        ([OWNER, SHOWN], None),
        ([NESTED], None),
        ([role(read={"%%prevRoot.a": 1})], None),
        ([role(write={"a": 1}, fields={"_id": {"read": True}})], None),
        ([role(apply_when={"a": None}, read=True)], None),
    ],
)
def test_the_projection_to_what_may_be_read_of_each(roles: Any, shown: Any) -> None:
    assert rights(*roles).shown_of_each == shown


@pytest.mark.parametrize("used", ["secret", "secret.x", "inner", "inner.hidden"])
def test_that_a_document_has_no_hidden_field_cannot_be_found_out(used: str) -> None:
    shown = role(fields={"secret": {}, "inner": {"fields": {"x": {"read": True}}}}, additional_fields={"read": True})
    bound = rights(shown | {"apply_when": {"owner": "u2"}}, role(name="all", read=True))

    assert read(bound, {"_id": 1, "owner": "u2", "inner": {"x": 1}}, used) is None
    assert read(bound, {"_id": 1, "owner": "u2", "secret": 1, "inner": {"x": 1, "hidden": 2}}, used) is None
    assert bound.hidden([path(used)]) is None


BY_METHOD = role(apply_when={"%%request.httpMethod": "POST"}, read=True)
BY_HEADER = role(apply_when={"tag": {"%in": ["a", {"%stringToOid": "%%request.requestHeaders.tag"}]}}, read=True)


@pytest.mark.parametrize(
    ("own", "inherited"),
    [
        pytest.param({"roles": [BY_METHOD]}, {"roles": []}, id="a role"),
        pytest.param({"roles": []}, {"roles": [BY_METHOD]}, id="a role of the default rules"),
        pytest.param(
            {"roles": [role(read=True)], "filters": [{"name": "f", "apply_when": {"%%request.httpMethod": "GET"},
                                                      "query": {"never": 1}}]}, {"roles": []}, id="a filter",
        ),
    ],
)  # fmt: skip
def test_rules_that_look_at_the_request_are_asked_for_each(own: dict[str, Any], inherited: dict[str, Any]) -> None:
    default = compile_ruleset(inherited, Constants(), Report())
    rules = compile_ruleset(own, Constants(), Report(), default)
    assert rules.asks_request

    queries = [rules.rights(Expansions(USER, {"httpMethod": method})).query for method in ("POST", "GET", "POST")]

    assert queries[0] == queries[2]
    assert queries[0] != queries[1]


def test_an_operand_deep_inside_that_looks_at_the_request_is_found() -> None:
    assert compile_ruleset({"roles": [BY_HEADER]}, Constants(), Report()).asks_request


def test_rules_that_look_at_the_caller_alone_are_bound_once_for_each() -> None:
    rules = compile_ruleset({"roles": [OWNER, PUBLIC]}, Constants(), Report())
    callers: list[dict[str, Any]] = [{"id": f"u{number % 1_500}"} for number in range(3_000)]

    first, again, other = (rules.rights(Expansions(each)) for each in (USER, USER, dict(USER)))
    shown = [read(rules.rights(Expansions(each)), {"_id": 1, "owner": each["id"]}) for each in callers]

    assert first is again
    assert first is not other
    assert shown == [{"_id": 1, "owner": each["id"]} for each in callers]


DEEP: dict[str, Any] = {
    "_id": {"id": 1, "secret": 2},
    "a": [{"x": 1, "secret": 2}],
    "ref": {"$ref": "c", "$id": 1, "secret": 2},
}


@pytest.mark.parametrize(
    ("projection", "shown"),
    [
        ({"a.secret": 0}, DEEP | {"a": [{"x": 1}]}),
        ({"_id.secret": 0}, DEEP | {"_id": {"id": 1}}),
        ({"_id.id": 1}, {"_id": {"id": 1}}),
        ({"_id": 0, "a": 0}, {"ref": DEEP["ref"]}),
        ({"ref.secret": 0}, DEEP | {"ref": {"$ref": "c", "$id": 1}}),
        ({"ref.secret": 1}, {"_id": DEEP["_id"], "ref": {"secret": 2}}),
    ],
)
def test_a_projection_of_a_filter_hides_at_every_depth(projection: dict[str, Any], shown: dict[str, Any]) -> None:
    given = [{"name": "f", "apply_when": {}, "projection": projection}]
    bound, document = rights(role(read=True), filters=given), decoded(bson.encode(DEEP))
    mask = bound.mask(document)

    assert bound.projection is not None
    assert mask is not None
    assert cut(document, bound.projection.mask(cut(document, mask))) == shown


@pytest.mark.parametrize(
    ("used", "is_hidden"),
    [
        ("a.secret", True),
        ("a.0.secret", True),
        ("a.0.0.secret", True),
        ("a.x", False),
        ("a.0.x", False),
        ("a.0", True),
        ("a", True),
        ("0", False),
        ("_id.secret", True),
        ("_id.id", False),
        ("_id", True),
    ],
)
def test_a_number_in_a_path_is_a_name_and_an_index(used: str, is_hidden: bool) -> None:
    hiding = [{"name": "f", "apply_when": {}, "projection": {"a.secret": 0, "_id.secret": 0}}]
    bound, stored = rights(role(read=True, write=True), filters=hiding), bson.encode(DEEP)

    assert (bound.hidden([path(used)]) is not None) is is_hidden
    assert bound.may_touch(stored, Touched({path(used)})).allowed is not is_hidden


@pytest.mark.parametrize(
    "element", [{"sku": 1}, {"sku": 1, "0": 2}, {"sku": 1, "hidden": 2}, {"sku": 1, "0": {"x": 1}}]
)
def test_a_number_in_an_update_is_a_place_in_an_array(element: Any) -> None:
    bound = rights(role(fields={"lines": {"fields": {"sku": {"write": True}}}}))
    stored = bson.encode({"lines": [element]})

    assert bound.may_touch(stored, Touched({path("lines.0.sku")})).allowed
    assert not bound.may_touch(stored, Touched({path("lines.0.hidden")})).allowed
    assert not bound.may_touch(bson.encode({"lines": {"0": element}}), Touched({path("lines.0.sku")})).allowed


def test_a_permission_is_asked_once_for_all_paths_that_it_decides_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = rights(role(fields={"phone": {"read": {"share": True}}}, additional_fields={"read": True}))
    asked: list[Any] = []
    real = Asked.mask

    def counted(self: Asked, value: Any, context: Any) -> Any:
        asked.append(value)
        return real(self, value, context)

    monkeypatch.setattr(Asked, "mask", counted)
    documents = [{"_id": n, "share": True, "phone": n} for n in range(10)]

    masks = bound.masks(documents, [path(f"phone.a{n}") for n in range(500)])

    assert None not in masks
    assert len(asked) == 10 * 2  # once to show it, once for the paths


@pytest.mark.parametrize(
    "permission",
    [
        {"%%root.lines.sku": {"%gt": -1}},
        {"%%this": {"%in": "%%root.allowed"}},
        {"%%this": "%%root.allowed"},
        {"%%prevRoot.lines.sku": {"%exists": False}},
    ],
    ids=str,
)
def test_a_permission_of_many_elements_asks_the_document_once(permission: Any) -> None:
    bound = rights(
        role(fields={"lines": {"fields": {"sku": {"write": permission}}}}, additional_fields={"write": True})
    )

    def inserted(size: int) -> Callable[[], object]:
        document = {"lines": [{"sku": number} for number in range(size)], "allowed": list(range(size))}
        raw = bson.encode(document)
        return lambda: (bound.may_insert(raw).allowed, bound.masks([document, document]))

    assert is_linear(inserted, 50)
    assert bound.may_insert(bson.encode({"lines": [{"sku": 1}], "allowed": [1]})).allowed


def test_what_a_permission_found_in_one_document_is_not_taken_for_another() -> None:
    bound = rights(role(fields={"a": {"fields": {"x": {"read": {"%%this": "%%root.own.k"}}}}}))
    documents = [{"own": {"k": number}, "a": [{"x": 1}, {"x": 2}]} for number in (1, 2, 3, 1)]

    shown = [
        None if mask is None else cut(each, mask) for each, mask in zip(documents, bound.masks(documents), strict=True)
    ]

    assert shown == [{"a": [{"x": 1}]}, {"a": [{"x": 2}]}, None, {"a": [{"x": 1}]}]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param({"%%request.action": "find"}, True, id="equals"),
        pytest.param({"find": "%%request.action"}, True, id="on the right"),
        pytest.param({"%%request": {"%exists": True}}, True, id="whole"),
        pytest.param({"%%request.actions": 1}, True, id="no member"),
        pytest.param({"%function": {"name": "f", "arguments": ["%%request.action"]}}, True, id="of a function"),
        pytest.param({"%%request.remoteIPAddress": "::1", "%%user.id": "%%request.action"}, True, id="among others"),
        pytest.param({"%%request.remoteIPAddress": "::1"}, False, id="address"),
        pytest.param({"%%request.requestHeaders.action": ["find"]}, False, id="a header of its name"),
        pytest.param({"%%request.httpMethod": "%%request.rawQueryString"}, False, id="two"),
        pytest.param({"action": "%%user.id"}, False, id="a field of its name"),
    ],
)
def test_what_asks_for_the_action_is_known(asked: dict[str, Any], expected: bool) -> None:
    default = compile_ruleset({"roles": [role(apply_when=asked)]}, Constants(), Report())
    own = compile_ruleset({"roles": [role(read=asked)]}, Constants(), Report())
    of_default = compile_ruleset({"filters": []}, Constants(), Report(), default)

    assert (default.asks_action, own.asks_action, of_default.asks_action) == (expected, expected, expected)
