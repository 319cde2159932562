"""Functions that rules ask, beside a naive reading of them, on random rules: what has no answer opens nothing."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import pytest
from bson.int64 import Int64
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from shared.errors import InvalidParameterError, NoRoleError
from shared.rules.answers import Answer, Answers, Question, UnansweredError, in_turns
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.masks import cut
from shared.rules.report import Report
from shared.rules.ruleset import Rights
from shared.rules.translations import NOTHING
from shared.rules.values import MISSING
from tests.depth import examples
from tests.shared.rules.test_property import FIELDS, NOWHERE, USER, Oracle, documents, expressions, same_or_contained

NAMES = ("flag", "fails", "level", "teams")


def answer(name: str, arguments: Sequence[Any]) -> Any:
    """Return what a function answers, NOWHERE if it fails or returns nothing."""
    (given,) = arguments
    if name == "flag":
        return NOWHERE if given == "u2" else len(repr(given)) % 2 == 0
    if name == "level":
        return 2 if given == "u1" else given
    return NOWHERE if name == "fails" else ["red", "u1", given]


class Running:
    """Runs the functions, and remembers what was asked."""

    def __init__(self, run: Callable[[str, Sequence[Any]], Any] = answer) -> None:
        self.asked: list[str] = []
        self.noted: list[tuple[str, str]] = []
        self._run = run

    async def answers(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked += map(repr, questions)
        found = [self._run(*each) for each in questions]
        return [None if each is NOWHERE else (each,) for each in found]

    def note(self, name: str, reason: str) -> None:
        self.noted.append((name, reason))


def decided[T](judge: Callable[[], T]) -> T:
    """Return what rules decide when all that they ask is answered."""
    work = in_turns(judge)
    while True:
        try:
            waited: Any = next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        with suppress(StopIteration):
            waited.send(None)


def asks(name: str, argument: Any) -> dict[str, Any]:
    return {"%function": {"name": name, "arguments": [argument]}}


def rights(given_roles: Sequence[dict[str, Any]], running: Running, most: int = 1_000) -> Rights:
    constants = Constants(functions=frozenset(NAMES))
    rules = compile_ruleset({"roles": [*given_roles]}, constants, Report())
    answers = Answers(running, most)
    return decided(lambda: rules.rights(Expansions(USER, MappingProxyType({"action": "find"}), answers)))


class Answering(Oracle):
    """The rules, read as they are written; what depends on a function without an answer is None."""

    def three(self, source: Any) -> bool | None:
        return source if isinstance(source, bool) else every([self.one(*each) for each in source.items()])

    def one(self, key: str, value: Any) -> bool | None:
        if key in {"%and", "%or"}:
            parts = [self.three(each) for each in value]
            return every(parts) if key == "%and" else opposite(every([opposite(each) for each in parts]))
        if key in {"%not", "%%false"}:
            return opposite(self.three(value))
        if key == "%%true":
            return self.three(value)
        if key == "%function":
            found = self.answered(value)
            return found if isinstance(found, bool) else None
        is_asked = isinstance(value, dict) and "%function" in str(value)
        return self.compared(key, value) if is_asked else self.member(key, value)

    def compared(self, key: str, value: dict[str, Any]) -> bool | None:
        ((name, operand),) = value.items()
        found = self.answered(operand if name == "%function" else operand["%function"])
        if found is NOWHERE or found is MISSING:
            return None
        own = self.expand(key if key.startswith("%%") else f"%%root.{key}")
        return self.is_in(own, found) if name == "%in" else same_or_contained(own, found) is (name != "%ne")

    def answered(self, function: dict[str, Any]) -> Any:
        given = self.expand(function["arguments"][0])
        return answer(function["name"], [MISSING if given is NOWHERE else given])

    def holds(self, source: Any) -> bool:
        return self.three(source) is True

    def role(self, given_roles: list[dict[str, Any]]) -> dict[str, Any] | None:
        for role in given_roles:
            applies = self.three(role["apply_when"])
            if applies is not False:
                return role if applies else None
        return None


def every(parts: list[bool | None]) -> bool | None:
    return False if False in parts else None if None in parts else True


def opposite(value: bool | None) -> bool | None:
    return None if value is None else not value


arguments = st.sampled_from(["%%root.a", "%%root.owner", "%%user.id", "u1", "red", 1, "%%user.custom_data.none"])
calls = st.builds(asks, st.sampled_from(["flag"] * 6 + [*NAMES]), arguments)
asking = st.recursive(
    st.just(True)
    | calls
    | calls
    | st.builds(lambda call: {"%%true": call}, calls)
    | st.builds(lambda key, call: {key: call}, st.sampled_from([*FIELDS, "%%user.custom_data.level"]), calls)
    | st.builds(
        lambda key, name, call: {key: {name: call}},
        st.sampled_from(FIELDS),
        st.sampled_from(["%in", "%ne"]),
        calls,
    )
    | expressions,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"%and": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"%or": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"%not": inner}),
        st.fixed_dictionaries({"%%false": inner.filter(lambda each: isinstance(each, dict))}),
    ),
    max_leaves=5,
)
field_rules = st.recursive(
    st.fixed_dictionaries({}, optional={"read": asking, "write": asking}),
    lambda inner: st.fixed_dictionaries({"fields": st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2)}),
    max_leaves=3,
)
present = st.fixed_dictionaries({name: st.sampled_from(["u1", "u2", "red", 1, 2, True, [1]]) for name in FIELDS})
roles = st.fixed_dictionaries(
    {"name": st.just("r"), "apply_when": asking},
    optional={
        "document_filters": st.fixed_dictionaries({"read": asking, "write": asking}),
        "read": st.none() | asking,
        "write": st.none() | asking,
        "fields": st.dictionaries(st.sampled_from(FIELDS), field_rules, max_size=2),
        "additional_fields": st.fixed_dictionaries({}, optional={"read": asking}),
    },
)
opening = st.fixed_dictionaries({"name": st.just("r"), "apply_when": calls | asking, "read": st.just(True) | asking})
whole = {"name": "whole", "apply_when": {}, "read": True}
rulesets = st.tuples(opening | roles, st.just(whole) | roles).map(list)
several = st.lists(documents | present, min_size=5, max_size=5)


def shown(bound: Rights, document: dict[str, Any]) -> Any:
    mask = decided(lambda: bound.mask(document))
    return NOWHERE if mask is None else cut(document, mask)


def expected(given_roles: list[dict[str, Any]], document: dict[str, Any]) -> Any:
    oracle = Answering(document, document)
    role = oracle.role(given_roles)
    return NOWHERE if role is None else oracle.shown(role)


@settings(max_examples=examples(500), deadline=None)
@given(rulesets, several)
def test_a_caller_sees_what_the_functions_say(
    given_roles: list[dict[str, Any]], given_documents: list[dict[str, Any]]
) -> None:
    running = Running()
    bound = rights(given_roles, running)

    assert [shown(bound, each) for each in given_documents] == [expected(given_roles, each) for each in given_documents]
    assert len(running.asked) == len(set(running.asked))


@settings(max_examples=examples(40), deadline=None)
@given(rulesets, st.lists(documents | present, min_size=20, max_size=20))
def test_mongodb_is_asked_for_no_less_than_is_visible(
    mongod: Any, given_roles: list[dict[str, Any]], given_documents: list[dict[str, Any]]
) -> None:
    bound = rights(given_roles, Running())
    stored = [{"_id": number, **document} for number, document in enumerate(given_documents)]
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        items = client["properties"]["asked"]
        items.delete_many({})
        items.insert_many(stored)
        found = {each["_id"] for each in items.find(bound.query.query)}

    visible = {each["_id"] for each in stored if expected(given_roles, each) is not NOWHERE}
    assert visible <= found
    if bound.query.exact:
        assert visible == found


def part_of(one: Any, other: Any) -> bool:
    """Tell whether nothing is in one that is not in the other."""
    if one is NOWHERE or one == other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() <= other.keys() and all(part_of(each, other[name]) for name, each in one.items())
    if isinstance(one, list) and isinstance(other, list):
        rest = iter(other)
        return all(any(part_of(each, another) for another in rest) for each in one)
    return False


@settings(max_examples=examples(400), deadline=None)
@given(rulesets, several, st.sampled_from([True, False, "red", 1, ["red"], None]))
def test_one_that_fails_opens_nothing_that_any_answer_does_not(
    given_roles: list[dict[str, Any]], given_documents: list[dict[str, Any]], given_answer: Any
) -> None:
    failing, odd, answering = (
        rights(given_roles, Running(lambda *_, found=each: found)) for each in (NOWHERE, MISSING, given_answer)
    )
    for document in given_documents:
        assert shown(failing, document) == shown(odd, document)
        assert part_of(shown(failing, document), shown(answering, document))


def test_what_is_not_answered_yet_is_refused() -> None:
    role = {"name": "r", "apply_when": asks("flag", "%%root.owner"), "read": True}
    bound = rights([role], Running())

    with pytest.raises(UnansweredError, match="the rules ask a function where none can answer") as raised:
        bound.mask({"owner": "u1"})
    assert isinstance(raised.value, NoRoleError)
    for _ in range(2):
        with pytest.raises(UnansweredError):
            bound.may_insert(b"", {"owner": "u2"})


@pytest.mark.parametrize("condition", [asks("fails", "u1"), {"%not": asks("fails", "u1")}, {"a": asks("fails", 1)}])
def test_one_that_fails_for_all_documents_costs_no_search(condition: Any) -> None:
    first = {"name": "first", "apply_when": condition, "read": True}
    bound = rights([first, {"name": "whole", "apply_when": {}, "read": True}], Running())

    assert bound.query == NOTHING
    partly = {"%and": [condition, {"b": 1}]}
    bound = rights([first | {"apply_when": partly}, {"name": "whole", "apply_when": {}, "read": True}], Running())
    assert not bound.query.exact
    assert [shown(bound, each) for each in ({"b": 1}, {"b": 2})] == [NOWHERE, {"b": 2}]


def test_where_nobody_answers_it_is_denied() -> None:
    role = {"name": "r", "apply_when": {"%not": asks("flag", "u1")}, "read": True}
    rules = compile_ruleset({"roles": [role]}, Constants(functions=frozenset(NAMES)), Report())

    assert rules.rights(Expansions(USER)).mask({}) is None


def test_documents_are_asked_about_together() -> None:
    role = {"name": "r", "apply_when": asks("flag", "%%root.owner"), "read": True}
    running = Running()
    bound = rights([role], running)

    with pytest.raises(UnansweredError):
        bound.masks([{"owner": "u1"}, {"owner": "red"}, {"owner": "u1"}])
    assert decided(lambda: bound.masks([{"owner": "u1"}, {"owner": "red"}])) == [True, None]
    assert len(running.asked) == 2


def test_arguments_are_told_apart_by_their_types() -> None:
    running = Running(lambda _, given: repr(type(given[0])))
    answers = Answers(running, 100)
    values = [1, Int64(1), 1.0, True, "1", None, MISSING, [], [1], {}, {"a": 1}, b"1"]
    found = [decided(lambda value=value: answers.of("f", [value])) for value in values]  # type: ignore[misc]

    assert found == [repr(type(each)) for each in values]
    assert [answers.of("f", [value]) for value in values] == found
    assert len(running.asked) == len(values)


@pytest.mark.parametrize("value", ["\ud800", 1 << 64, {"a\0": 1}, [{"b": ["\udfff"]}]], ids=repr)
def test_what_is_no_bson_has_no_answer(value: Any) -> None:
    running = Running()
    role = {"name": "r", "apply_when": {"%not": asks("flag", ["%%root.a", "%%root.b"])}, "read": True}
    bound = rights([role, whole], running)

    assert [shown(bound, {"a": each}) for each in (value, value, 1)] == [NOWHERE, NOWHERE, {"a": 1}]
    assert running.noted == [("flag", "it cannot be given what is no BSON")]


def test_beyond_the_bound_the_call_fails_and_nothing_is_run() -> None:
    running = Running()
    bound = rights([{"name": "r", "apply_when": asks("flag", "%%root.n"), "read": True}], running, most=2)

    with pytest.raises(InvalidParameterError, match="FUNCTION_RULE_CALLS allows, 2 times"):
        decided(lambda: bound.masks([{"n": n} for n in range(3)]))
    assert running.asked == []


def test_an_odd_answer_is_noted_once() -> None:
    running = Running(lambda *_: "true")
    bound = rights([{"name": "r", "apply_when": asks("flag", "%%root.n"), "read": True}], running)

    assert decided(lambda: bound.masks([{"n": n} for n in range(3)])) == [None] * 3
    assert running.noted == [("flag", "it returned neither true nor false")]


@pytest.mark.parametrize(
    ("argument", "document", "given_value"),
    [
        ("%%root.none", {}, MISSING),
        ({"a": "%%root.none", "b": ["%%root.none", "%%root.n"]}, {"n": 1}, {"b": [None, 1]}),
        ("%%root.list.n", {"list": [{"n": 1}, {"n": 2}]}, [1, 2]),
        ({"%oidToString": "%%root.n"}, {"n": 1}, MISSING),
        ("%%root", {"n": {"m": 1}}, {"n": {"m": 1}}),
        ({"$set": {"n": "%%user.id"}, "x": 1}, {}, {"$set": {"n": "u1"}, "x": 1}),
        (asks("teams", "%%root.n"), {"n": 1}, ["red", "u1", 1]),
        ({"$set": {"n": "%%root.none"}}, {}, {"$set": {}}),
        ("%%user", {}, USER),
        ("%%request", {}, {"action": "find"}),
    ],
)
def test_expansions_count_anywhere_in_arguments(argument: Any, document: Any, given_value: Any) -> None:
    given: list[Any] = []

    def run(name: str, arguments: Sequence[Any]) -> Any:
        if name == "teams":
            return answer(name, arguments)
        given.extend(arguments)
        return True

    bound = rights([{"name": "r", "apply_when": asks("flag", argument), "read": True}], Running(run))

    assert shown(bound, document) == document
    assert given == [given_value]


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"name": 1},
        {"arguments": []},
        {"name": "flag", "arguments": {}},
        [],
        "flag",
        {"name": "flag", "arguments": 1},
    ],
)
def test_what_is_no_call_is_a_problem(source: Any) -> None:
    report = Report()
    for condition in ({"%function": source}, {"a": {"%function": source}}, {"a": {"%in": {"%function": source}}}):
        compile_ruleset({"roles": [{"name": "r", "apply_when": condition}]}, Constants(), report)

    assert "problem" in {each.level for each in report.findings}
