"""The engine beside a naive reading of the rules' flowcharts, and beside MongoDB itself, on random rules."""

from typing import Any

import bson
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.masks import cut
from shared.rules.projections import Projection, Slices, chosen_part, slice_of
from shared.rules.report import Report
from shared.rules.ruleset import Rights
from shared.rules.values import path
from tests.depth import examples

USER = {"id": "u1", "type": "normal", "custom_data": {"level": 2, "teams": ["red", "blue"]}}
FIELDS = ["a", "b", "owner", "inner"]
NOWHERE = object()

# values, conditions and rules from small sets, so that they meet often

scalars = st.sampled_from([0, 1, 2, 1.0, "u1", "u2", "red", None, True, False])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
    max_leaves=5,
)
documents = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, values))
operands = scalars | st.sampled_from(["%%user.id", "%%user.custom_data.level", "%%user.custom_data.none"])
operators = st.one_of(
    st.fixed_dictionaries({"%exists": st.booleans()}),
    st.fixed_dictionaries({"%ne": operands}),
    st.fixed_dictionaries({"%gt": st.sampled_from([0, 1, "a"])}),
    st.fixed_dictionaries({"%lte": st.sampled_from([1, 2, "u1"])}),
    st.fixed_dictionaries({"%in": st.lists(scalars, max_size=3) | st.just("%%user.custom_data.teams")}),
    st.fixed_dictionaries({"%nin": st.lists(scalars, max_size=3)}),
)
keys = st.sampled_from([*FIELDS, "inner.x", "a.x.y"])
expressions = st.recursive(
    st.booleans()
    | st.dictionaries(keys, operands | operators, max_size=2)
    | st.sampled_from([{"%%user.type": "normal"}, {"%%user.id": "%%root.owner"}, {"%%user.id": {"%in": "%%root.b"}}]),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"%and": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"%or": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"%not": inner}),
    ),
    max_leaves=4,
)
optional = st.none() | expressions
field_rules = st.recursive(
    st.fixed_dictionaries({}, optional={"read": expressions, "write": expressions}),
    lambda inner: st.fixed_dictionaries({"fields": st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2)}),
    max_leaves=3,
)
roles = st.fixed_dictionaries(
    {"name": st.just("r"), "apply_when": expressions},
    optional={
        "document_filters": st.fixed_dictionaries({"read": expressions, "write": expressions}),
        "read": optional,
        "write": optional,
        "insert": expressions,
        "delete": expressions,
        "fields": st.dictionaries(st.sampled_from(FIELDS), field_rules, max_size=2),
        "additional_fields": st.fixed_dictionaries({}, optional={"read": expressions, "write": expressions}),
    },
)
rulesets = st.lists(roles, min_size=1, max_size=3)


def rights(given_roles: list[dict[str, Any]]) -> Rights:
    return compile_ruleset({"roles": given_roles}, Constants(), Report()).rights(Expansions(USER))


class Oracle:
    """The rules, read as they are written; `root` is the document after, `before` the one before."""

    def __init__(self, root: Any, before: Any) -> None:
        self.root = root
        self.before = before

    def holds(self, source: Any) -> bool:
        if isinstance(source, bool):
            return source
        return all(self.member(key, value) for key, value in source.items())

    def member(self, key: str, value: Any) -> bool:
        if key == "%and":
            return all(self.holds(each) for each in value)
        if key == "%or":
            return any(self.holds(each) for each in value)
        if key == "%not":
            return not self.holds(value)
        found = self.expand(key) if key.startswith("%%") else lookup(self.root, key.split("."))
        if isinstance(value, dict) and value and all(name.startswith("%") for name in value):
            return all(self.operator(name, found, self.expand(operand)) for name, operand in value.items())
        return same_or_contained(found, self.expand(value))

    def expand(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith("%%"):
            return value
        name, *rest = value[2:].split(".")
        return lookup({"user": USER, "root": self.root}[name], rest)

    def operator(self, name: str, found: Any, operand: Any) -> bool:
        if name == "%exists":
            return (found is not NOWHERE) is operand
        if name == "%ne":
            return not same_or_contained(found, operand)
        if name in {"%in", "%nin"}:
            return self.is_in(found, operand) is (name == "%in")
        each = found if isinstance(found, list) else [found]
        return any(compare(one, name, operand) for one in flat(each, found))

    def is_in(self, found: Any, operand: Any) -> bool:
        if found is NOWHERE or not isinstance(operand, list):
            return False
        candidates = found if isinstance(found, Leaves) else [found]
        return any(
            any(same(one, each) for each in operand)
            or (isinstance(one, list) and any(same(part, each) for part in one for each in operand))
            for one in candidates
        )

    def shown(self, role: dict[str, Any]) -> Any:
        filters = role.get("document_filters")
        if filters and not (self.holds(filters["read"]) or self.holds(filters["write"])):
            return NOWHERE
        read, write = role.get("read"), role.get("write")
        if write is not None and self.holds(write):
            return self.root
        if read is not None:
            return self.root if self.holds(read) else NOWHERE
        left = {}
        for name, value in self.root.items():
            rule = role.get("fields", {}).get(name, role.get("additional_fields"))
            part = self.field(rule, value)
            if part is not NOWHERE:
                left[name] = part
        return left or NOWHERE

    def field(self, rule: Any, value: Any) -> Any:
        if rule is None:
            return NOWHERE
        if "read" in rule or "write" in rule:
            is_open = self.holds(rule.get("read", False)) or self.holds(rule.get("write", False))
            return value if is_open else NOWHERE
        inner = rule.get("fields", {})
        if isinstance(value, dict):
            left = {name: self.field(inner.get(name), each) for name, each in value.items()}
            return {name: each for name, each in left.items() if each is not NOWHERE} or NOWHERE
        if isinstance(value, list):
            parts = [self.field(rule, each) if isinstance(each, dict) else NOWHERE for each in value]
            return [each for each in parts if each is not NOWHERE] or NOWHERE
        return NOWHERE

    def role(self, given_roles: list[dict[str, Any]]) -> dict[str, Any] | None:
        return next((role for role in given_roles if self.holds(role["apply_when"])), None)


class Leaves(list[Any]):
    """What a path finds in the elements of an array."""


def lookup(value: Any, parts: list[str]) -> Any:
    if not parts:
        return value
    if isinstance(value, dict):
        return lookup(value[parts[0]], parts[1:]) if parts[0] in value else NOWHERE
    if isinstance(value, list):
        found = [lookup(each, parts) for each in value if isinstance(each, dict)]
        leaves = Leaves()
        for each in found:
            leaves += each if isinstance(each, Leaves) else [] if each is NOWHERE else [each]
        return leaves or NOWHERE
    return NOWHERE


def flat(each: list[Any], found: Any) -> list[Any]:
    if not isinstance(found, Leaves):
        return each
    return [part for one in each for part in (one if isinstance(one, list) else [one])]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    if is_number(one) and is_number(other):
        return bool(one == other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return type(one) is type(other) and bool(one == other)


def same_or_contained(found: Any, value: Any) -> bool:
    if found is NOWHERE or value is NOWHERE:
        return False
    if isinstance(found, Leaves):
        return any(same_or_contained(each, value) for each in found)
    if isinstance(value, Leaves):
        return any(same_or_contained(found, each) for each in value)
    if isinstance(found, list):
        return same(found, value) or any(same(each, value) for each in found)
    return any(same(found, each) for each in value) if isinstance(value, list) else same(found, value)


def compare(one: Any, name: str, other: Any) -> bool:
    if not (is_number(one) and is_number(other)) and not (isinstance(one, str) and isinstance(other, str)):
        return False
    return bool(one > other) if name == "%gt" else bool(one <= other)


def expected(given_roles: list[dict[str, Any]], document: dict[str, Any]) -> Any:
    oracle = Oracle(document, document)
    role = oracle.role(given_roles)
    shown = NOWHERE if role is None else oracle.shown(role)
    return None if shown is NOWHERE else shown


@settings(max_examples=examples(1_500), deadline=None)
@given(rulesets, documents)
def test_a_caller_sees_what_the_flowchart_says(given_roles: list[dict[str, Any]], document: dict[str, Any]) -> None:
    mask = rights(given_roles).mask(document)

    assert (None if mask is None else cut(document, mask)) == expected(given_roles, document)


@settings(max_examples=examples(60), deadline=None)
@given(rulesets, st.lists(documents, min_size=20, max_size=20))
def test_mongodb_is_asked_for_no_less_than_is_visible(
    mongod: Any, given_roles: list[dict[str, Any]], given_documents: list[dict[str, Any]]
) -> None:
    bound = rights(given_roles)
    stored = [{"_id": number, **document} for number, document in enumerate(given_documents)]
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        items = client["properties"]["items"]
        items.delete_many({})
        items.insert_many(stored)
        found = {each["_id"] for each in items.find(bound.query.query)}
        stages = bound.readable_stages()
        piped = None if stages is None else list(items.aggregate([{"$sort": {"_id": 1}}, *stages]))

    shown = [expected(given_roles, document) for document in stored]
    visible = {number for number, each in enumerate(shown) if each is not None}
    assert visible <= found
    if bound.query.exact:
        assert visible == found
    if piped is not None:
        assert piped == [each for each in shown if each is not None]


@settings(max_examples=examples(400), deadline=None)
@given(rulesets, documents, st.sampled_from([*FIELDS, "inner.x", "a.x", "none", "none.x"]))
def test_a_document_never_matches_by_what_it_hides(
    given_roles: list[dict[str, Any]], document: dict[str, Any], used: str
) -> None:
    bound, parts = rights(given_roles), path(used)
    if bound.mask(document, [parts]) is None:
        return
    shown = expected(given_roles, document)

    assert lookup(shown, list(parts)) == lookup(document, list(parts))
    assert bound.hidden([parts]) is None


PATHS = [
    "a",
    "inner.x",
    "a.x",
    "a.x.y",
    "a.x.y.z",
    "a.0",
    "a.0.x",
    "a.0.x.y",
    "b.none.x",
    "none",
    "none.x",
    "inner.0.1.y",
]


@settings(max_examples=examples(1_000), deadline=None)
@given(rulesets, documents, st.lists(st.sampled_from(PATHS), min_size=1, max_size=4))
def test_what_decides_on_paths_decides_as_they_do(
    given_roles: list[dict[str, Any]], document: dict[str, Any], used: list[str]
) -> None:
    bound = rights(given_roles)
    context = Expansions(USER).context(document, document)
    role = bound.role(context)
    if role is None or bound.mask(document) is None:
        return
    paths = [path(each) for each in used]
    decided = role.deciding(paths)

    assert all(role.covers(each, document, context) for each in decided) is all(
        role.covers(each, document, context) for each in paths
    )


static_rules = st.recursive(
    st.fixed_dictionaries({}, optional={"read": st.booleans(), "write": st.booleans()}),
    lambda inner: st.fixed_dictionaries({"fields": st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2)}),
    max_leaves=3,
)
static_roles = st.fixed_dictionaries(
    {"name": st.just("r"), "apply_when": st.just({}), "fields": st.dictionaries(st.sampled_from(FIELDS), static_rules)},
    optional={"additional_fields": st.fixed_dictionaries({"read": st.booleans()})},
)


@settings(max_examples=examples(1_000), deadline=None)
@given(
    static_roles, documents, st.sampled_from([*FIELDS, "inner.x", "a.x.y", "b.0", "b.0.x", "a.x.0", "none", "none.x"])
)
@example(
    {"name": "r", "apply_when": {}, "fields": {"b": {"fields": {"x": {"read": True}}}, "owner": {"read": True}}},
    {"b": [], "owner": 0},
    "b.0.x",
)
@example(
    {"name": "r", "apply_when": {}, "fields": {"b": {"fields": {"x": {"read": True}}}, "owner": {"read": True}}},
    {"b": [5], "owner": 0},
    "b.0.x",
)
def test_whether_a_document_matches_does_not_depend_on_what_it_hides(
    given_role: dict[str, Any], document: dict[str, Any], used: str
) -> None:
    bound = rights([given_role])
    mask = bound.mask(document)
    if mask is None:
        return
    visible = cut(document, mask)

    matches = bound.mask(document, [path(used)]) is not None
    assert matches is (bound.mask(visible, [path(used)]) is not None)


@settings(max_examples=examples(800), deadline=None)
@given(rulesets, documents, documents)
def test_writes_are_decided_as_the_flowchart_says(
    given_roles: list[dict[str, Any]], before: dict[str, Any], after: dict[str, Any]
) -> None:
    bound = rights(given_roles)

    assert bound.may_insert(bson.encode(after)).allowed is insertable(given_roles, after)
    assert bound.may_update(bson.encode(before), bson.encode(after)).allowed is updatable(given_roles, before, after)


def insertable(given_roles: list[dict[str, Any]], new: dict[str, Any]) -> bool:
    oracle = Oracle(new, NOWHERE)
    role = oracle.role(given_roles)
    return role is not None and writable(oracle, role, {}, new) and oracle.holds(role.get("insert", True))


def updatable(given_roles: list[dict[str, Any]], before: dict[str, Any], after: dict[str, Any]) -> bool:
    stored = Oracle(before, before)
    role = stored.role(given_roles)
    if role is None:
        return False
    filters = role.get("document_filters")
    if filters and not stored.holds(filters["write"]):
        return False
    return writable(Oracle(after, before), role, before, after)


def writable(oracle: Oracle, role: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> bool:
    filters = role.get("document_filters")
    if filters and not oracle.holds(filters["write"]):
        return False
    if role.get("write") is not None:
        return oracle.holds(role["write"])
    names = [name for name in {**before, **after} if repr(before.get(name, NOWHERE)) != repr(after.get(name, NOWHERE))]
    rules = [(role.get("fields", {}).get(name, role.get("additional_fields")), name) for name in names]
    return all(
        field_writable(oracle, rule, before.get(name, NOWHERE), after.get(name, NOWHERE)) for rule, name in rules
    )


def field_writable(oracle: Oracle, rule: Any, before: Any, after: Any) -> bool:
    if rule is None:
        return False
    if "read" in rule or "write" in rule:
        return oracle.holds(rule.get("write", False))
    sides = [side for side in (before, after) if side is not NOWHERE]
    inner = rule.get("fields", {})
    if inner and all(isinstance(side, dict) for side in sides):
        old, new = ({} if side is NOWHERE else side for side in (before, after))
        names = [name for name in {**old, **new} if repr(old.get(name, NOWHERE)) != repr(new.get(name, NOWHERE))]
        parts = [(inner.get(name), old.get(name, NOWHERE), new.get(name, NOWHERE)) for name in names]
        return bool(names) and all(field_writable(oracle, *part) for part in parts)
    if inner and all(isinstance(side, list) for side in sides):
        old_list, new_list = ([] if side is NOWHERE else side for side in (before, after))
        pairs = [
            (old_list[i] if i < len(old_list) else NOWHERE, new_list[i] if i < len(new_list) else NOWHERE)
            for i in range(max(len(old_list), len(new_list)))
        ]
        changed = [pair for pair in pairs if repr(pair[0]) != repr(pair[1])]
        return bool(changed) and all(
            all(side is NOWHERE or isinstance(side, dict) for side in pair) and field_writable(oracle, rule, *pair)
            for pair in changed
        )
    return False


projections = st.dictionaries(
    st.sampled_from(["_id", "a", "b", "inner.x", "a.x", "inner.y", "none"]), st.booleans(), min_size=1, max_size=3
).filter(
    lambda given: (
        len({shown for name, shown in given.items() if name != "_id"}) < 2 and not {"a", "a.x"} <= given.keys()
    )
)


@settings(max_examples=examples(60), deadline=None)
@given(projections, st.lists(documents, min_size=20, max_size=20))
def test_a_projection_leaves_what_mongodb_leaves(
    mongod: Any, given_projection: dict[str, bool], given_documents: list[dict[str, Any]]
) -> None:
    stored = [{"_id": number, **document} for number, document in enumerate(given_documents)]
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        items = client["properties"]["projected"]
        items.delete_many({})
        items.insert_many(stored)
        theirs = list(items.find({}, given_projection).sort("_id"))

    projection = Projection(given_projection)
    assert [cut(document, projection.mask(document)) for document in stored] == theirs


counts = st.integers(-3, 3)
slices = st.fixed_dictionaries({"$slice": counts | st.tuples(counts, st.integers(1, 3)).map(list)})
switches = st.dictionaries(st.sampled_from(["_id", "inner.y", "owner"]), st.booleans(), max_size=2).filter(
    lambda given: len({shown for name, shown in given.items() if name != "_id"}) < 2
)
sliced = st.tuples(switches, st.dictionaries(st.sampled_from(["a", "b.x", "inner.x"]), slices, min_size=1, max_size=2))


@settings(max_examples=examples(80), deadline=None)
@given(rulesets, sliced, st.lists(documents, min_size=20, max_size=20))
def test_slices_are_those_that_mongodb_makes_of_what_is_visible(
    mongod: Any,
    given_roles: list[dict[str, Any]],
    given_projection: tuple[dict[str, bool], dict[str, Any]],
    given_documents: list[dict[str, Any]],
) -> None:
    shown_of_all = [expected(given_roles, document) for document in given_documents]
    visible = [{"_id": number, **shown} for number, shown in enumerate(shown_of_all) if shown is not None]
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        items = client["properties"]["sliced"]
        items.delete_many({})
        items.insert_many([*visible, {"_id": "one"}])
        theirs = list(items.find({"_id": {"$ne": "one"}}, given_projection[0] | given_projection[1]).sort("_id"))

    plain, parts = given_projection
    found = {name: slice_of(value) for name, value in parts.items()}
    steps = [chosen_part(plain, parts, []), Slices({name: each for name, each in found.items() if each is not None})]
    assert [reduced(document, steps) for document in visible] == theirs


def reduced(document: dict[str, Any], steps: list[Any]) -> dict[str, Any]:
    for step in steps:
        document = document if step is None else cut(document, step.mask(document))
    return document
