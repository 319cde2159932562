"""The table of operators, and the walk by places: what is an operator, what is data, and who may use which."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.mongod import find_mongod
from shared.guard.walk import pipelines_in, refused
from shared.operators import (
    EXPRESSIONS,
    GRAMMAR,
    JAVASCRIPT,
    METADATA,
    NAMED_STAGES,
    QUERIES,
    STAGES,
    TABLES,
    UPDATES,
    VARIABLES,
    Place,
    Standing,
)
from tests.depth import examples
from tests.hosts import ROOT

NEW = "$someday"
"""An operator of a MongoDB to come."""

OPERATOR = st.sampled_from([NEW, *sorted(JAVASCRIPT), "$_internalJsEmit", "$const"])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b.c", NEW]), inner, max_size=2),
    max_leaves=5,
)


def query(inner: Any) -> Any:
    """Return the queries that hold one of these in an operator's place."""
    return st.one_of(
        st.sampled_from(["$and", "$or", "$nor"]).flatmap(lambda name: inner.map(lambda each: {name: [{"a": 1}, each]})),
        inner.map(lambda each: {"a": {"$elemMatch": each}}),
        inner.map(lambda each: {"a": {"$gt": 1, "$not": {"$elemMatch": each}}}),
        inner.map(lambda each: {"a": {"$all": [1, {"$elemMatch": each}]}}),
        inner.map(lambda each: {"b": 1, **each}),
    )


def expression(inner: Any) -> Any:
    """Return the expressions that hold one of these."""
    plain = sorted(name for name, each in EXPRESSIONS.items() if each.operand == Place.EXPRESSION and each.open_to == 0)
    return st.one_of(
        st.sampled_from(plain).flatmap(lambda name: inner.map(lambda each: {name: each})),
        st.sampled_from(plain).flatmap(lambda name: inner.map(lambda each: {name: ["$a", each]})),
        inner.map(lambda each: {"$switch": {"branches": [{"case": each, "then": 1}], "default": 0}}),
        inner.map(lambda each: {"$map": {"input": "$a", "in": each}}),
        inner.map(lambda each: {"$let": {"vars": {"x": each}, "in": "$$x"}}),
        inner.map(lambda each: {"x": {"y": [each]}}),
    )


def pipeline(inner: Any) -> Any:
    """Return the pipelines that hold one of these stages."""
    return st.one_of(
        inner.map(lambda each: [{"$match": {}}, each]),
        inner.map(lambda each: [{"$facet": {"a": [{"$limit": 1}], "b": [each]}}]),
        inner.map(lambda each: [{"$lookup": {"from": "b", "let": {"x": "$y"}, "pipeline": [each], "as": "z"}}]),
        inner.map(lambda each: [{"$unionWith": {"coll": "b", "pipeline": [each]}}]),
        inner.map(lambda each: [{"$rankFusion": {"input": {"pipelines": {"a": [each]}}}}]),
        inner.map(lambda each: [{"$scoreFusion": {"input": {"pipelines": {"a": [{"$limit": 1}, each]}}}}]),
    )


def stage_of_queries(inner: Any) -> Any:
    return st.one_of(
        inner.map(lambda each: {"$match": each}),
        inner.map(lambda each: {"$geoNear": {"near": [0, 0], "distanceField": "d", "query": each}}),
        inner.map(lambda each: {"$graphLookup": {"from": "b", "as": "z", "restrictSearchWithMatch": each}}),
        inner.map(lambda each: {"$vectorSearch": {"index": "v", "path": "p", "filter": each}}),
    )


def stage_of_expressions(inner: Any) -> Any:
    names = ["$addFields", "$set", "$project", "$group", "$replaceWith", "$redact", "$sortByCount", "$documents"]
    return st.one_of(
        st.sampled_from(names).flatmap(lambda name: inner.map(lambda each: {name: {"_id": 1, "x": each}})),
        inner.map(lambda each: {"$setWindowFields": {"sortBy": {"a": 1}, "output": {"x": each}}}),
        inner.map(lambda each: {"$bucket": {"groupBy": "$a", "boundaries": [0, 1], "output": {"x": each}}}),
        inner.map(lambda each: {"$lookup": {"from": "b", "let": {"x": each}, "pipeline": [], "as": "z"}}),
        inner.map(lambda each: {"$fill": {"output": {"x": {"value": each}}}}),
        inner.map(lambda each: {"$match": {"$or": [{"$expr": each}]}}),
        inner.map(lambda each: {"$scoreFusion": {"input": {"pipelines": {}}, "combination": {"expression": each}}}),
        inner.map(lambda each: {"$sort": {"a": each}}),
    )


WITH = OPERATOR.map(lambda name: {name: 1})
QUERY = st.recursive(st.one_of(WITH, WITH.map(lambda each: {"a": each})), query, max_leaves=4)
EXPRESSION = st.recursive(WITH, expression, max_leaves=4)
STAGE = st.one_of(WITH, stage_of_queries(QUERY), stage_of_expressions(EXPRESSION))
PIPELINE = st.recursive(pipeline(STAGE), lambda inner: pipeline(inner.map(lambda each: each[-1])), max_leaves=3)
PLACED = st.one_of(
    st.tuples(st.just(Place.QUERY), QUERY | QUERY.map(lambda each: [{}, each])),
    st.tuples(st.just(Place.QUERY), EXPRESSION.map(lambda each: {"$nor": [{"$expr": each}]})),
    st.tuples(st.just(Place.PROJECTION), EXPRESSION.map(lambda each: {"x": each})),
    st.tuples(st.just(Place.PROJECTION), QUERY.map(lambda each: {"x": {"$elemMatch": each}})),
    st.tuples(st.just(Place.SORT), EXPRESSION.map(lambda each: {"x": each})),
    st.tuples(st.just(Place.PIPELINE), PIPELINE),
    st.tuples(st.just(Place.UPDATE), QUERY.map(lambda each: {"$set": {"a": 1}, "$pull": {"b": each}})),
    st.tuples(st.just(Place.UPDATE), WITH.map(lambda each: {"$set": {"a": 1}, **each})),
    st.tuples(st.just(Place.UPDATE), WITH.map(lambda each: {"$push": {"a": {"$each": [1], **each}}})),
)


@given(PLACED)
@settings(max_examples=examples(2_000))
def test_an_unknown_or_closed_operator_is_refused_however_it_is_nested(placed: Any) -> None:
    assert refused([placed], Standing.NAMED) is not None


OPEN_QUERIES = [{"a": {"$exists": True, "$all": [{"$elemMatch": {"b": 1}}]}}, {"a": {"$regex": "x", "$options": "i"}}]


@given(st.one_of(stage_of_queries(st.sampled_from(OPEN_QUERIES)), query(st.sampled_from(OPEN_QUERIES))), st.data())
@settings(max_examples=examples(500))
def test_an_open_operator_is_open_wherever_it_may_stand(found: Any, data: Any) -> None:
    is_stage = next(iter(found)) in STAGES
    stage = found if is_stage else {"$match": found}

    assert refused([(Place.PIPELINE, data.draw(pipeline(st.just(stage))))], Standing.WHOLE) is None
    assert is_stage or refused([(Place.UPDATE, {"$pull": {"x": found}})], Standing.WHOLE) is None
    assert is_stage or refused([(Place.PROJECTION, {"x": {"$elemMatch": found}})], Standing.WHOLE) is None


DATA = st.one_of(
    st.tuples(st.just(Place.QUERY), PLAIN.map(lambda each: {"a": {"$eq": each}, "b": {"$in": [each], "$ne": each}})),
    st.tuples(st.just(Place.QUERY), PLAIN.map(lambda each: {"a": {"b": each}, "c": [each], "$comment": each})),
    st.tuples(st.just(Place.QUERY), PLAIN.map(lambda each: {"$expr": {"$eq": ["$a", {"$literal": each}]}})),
    st.tuples(st.just(Place.PIPELINE), PLAIN.map(lambda each: [{"$set": {"a": {"$literal": each}}}])),
    st.tuples(st.just(Place.PIPELINE), PLAIN.map(lambda each: [{"$match": {"a": {"$nin": [each]}}}])),
    st.tuples(st.just(Place.UPDATE), PLAIN.map(lambda each: {"$set": {"a": each}, "$addToSet": {"b": {"c": each}}})),
    st.tuples(st.just(Place.UPDATE), PLAIN.map(lambda each: {"$push": {"b": {"$each": [each]}}, "$max": {"c": each}})),
    st.tuples(st.just(Place.UPDATE), PLAIN.map(lambda each: {"$pull": {"a": [each]}, "$pullAll": {"b": [each]}})),
)


@given(DATA)
@settings(max_examples=examples(2_000))
def test_names_in_data_are_only_names(placed: Any) -> None:
    assert refused([placed], Standing.RULED) in {None, "$expr"}
    assert refused([placed], Standing.WHOLE) is None


# `?` stands for {"$someday": 1}
PLACES: list[tuple[str, dict[str, Any]]] = [
    ("find", {"filter": "?"}),
    ("find", {"filter": {"a": "?"}}),
    ("find", {"filter": {"a": {"b": "?"}}}),
    ("find", {"filter": {"a": ["?"]}}),
    ("find", {"filter": {"a": {"$eq": "?"}}}),
    ("find", {"filter": {"a": {"$in": [{"b": "?"}]}}}),
    ("find", {"filter": {"a": {"$gt": {"b": "?"}}}}),
    ("find", {"filter": {"a": {"$not": "?"}}}),
    ("find", {"filter": {"a": {"$all": [{"b": "?"}]}}}),
    ("find", {"filter": {"a": {"$all": [{"$elemMatch": {"b": "?"}}]}}}),
    ("find", {"filter": {"a": {"$elemMatch": "?"}}}),
    ("find", {"filter": {"a": {"$elemMatch": {"b": {"c": "?"}}}}}),
    ("find", {"filter": {"$or": ["?"]}}),
    ("find", {"filter": {"$comment": "?"}}),
    ("find", {"filter": {"$expr": "?"}}),
    ("find", {"filter": {"$expr": {"$eq": [1, "?"]}}}),
    ("find", {"filter": {"$expr": {"$eq": [1, {"$literal": "?"}]}}}),
    ("find", {"filter": {"$expr": {"a": "?"}}}),
    ("find", {"filter": {"a": {"$geoWithin": "?"}}}),
    ("find", {"filter": {"a": {"b": 1, "$someday": 1}}}),
    ("find", {"filter": {"a": {"$ref": "c", "$id": {"b": "?"}}}}),
    ("find", {"projection": {"a": "?"}}),
    ("find", {"projection": {"a": {"b": "?"}}}),
    ("find", {"projection": {"a": {"$elemMatch": "?"}}}),
    ("find", {"projection": {"a": {"$elemMatch": {"b": {"c": "?"}}}}}),
    ("find", {"projection": {"a": {"$literal": "?"}}}),
    ("find", {"projection": {"a": {"$id": 1}}}),
    ("find", {"projection": {"a": {"$id": "?"}}}),
    ("aggregate", {"pipeline": [{"$project": {"a": {"$ref": "c", "$id": "?"}}}]}),
    ("find", {"sort": {"a": "?"}}),
    ("find", {"sort": {"$natural": -1}}),
    ("find", {"filter": {"a": {"$geoWithin": {"$centerSphere": [[0, 0], 1]}}}}),
    ("find", {"filter": {"a": {"$geoIntersects": {"$geometry": {"type": "Point", "coordinates": [0, 0]}}}}}),
    ("find", {"filter": {"a": {"$regex": "x", "$options": "i", "$bitsAllSet": 1}, "$jsonSchema": {"maxItems": 1}}}),
    ("find", {"filter": {"a": {"$ref": "c", "$id": 1, "$db": "d"}}}),
    ("aggregate", {"pipeline": ["?"]}),
    ("aggregate", {"pipeline": [{"$match": "?"}]}),
    ("aggregate", {"pipeline": [{"$match": {"a": {"b": "?"}}}]}),
    ("aggregate", {"pipeline": [{"$set": {"a": "?"}}]}),
    ("aggregate", {"pipeline": [{"$set": {"a": {"$literal": "?"}}}]}),
    ("aggregate", {"pipeline": [{"$project": {"a": {"b": "?"}}}]}),
    ("aggregate", {"pipeline": [{"$group": {"_id": "?"}}]}),
    ("aggregate", {"pipeline": [{"$group": {"_id": 1, "a": "?"}}]}),
    ("aggregate", {"pipeline": [{"$group": {"_id": 1, "a": {"$sum": "?"}}}]}),
    ("aggregate", {"pipeline": [{"$setWindowFields": {"output": {"a": "?"}}}]}),
    ("aggregate", {"pipeline": [{"$facet": {"a": ["?"]}}]}),
    ("aggregate", {"pipeline": [{"$lookup": {"from": "b", "as": "x", "pipeline": ["?"]}}]}),
    ("aggregate", {"pipeline": [{"$lookup": {"from": "b", "as": "x", "let": {"y": "?"}, "pipeline": []}}]}),
    ("aggregate", {"pipeline": [{"$unionWith": {"coll": "b", "pipeline": ["?"]}}]}),
    ("aggregate", {"pipeline": [{"$graphLookup": {
        "from": "b", "startWith": "?", "connectFromField": "a", "connectToField": "b", "as": "x"}}]}),
    ("aggregate", {"pipeline": [{"$graphLookup": {
        "from": "b", "startWith": 1, "connectFromField": "a", "connectToField": "b", "as": "x",
        "restrictSearchWithMatch": "?"}}]}),
    ("aggregate", {"pipeline": [{"$replaceWith": "?"}]}),
    ("aggregate", {"pipeline": [{"$redact": "?"}]}),
    ("aggregate", {"pipeline": [{"$sortByCount": "?"}]}),
    ("aggregate", {"pipeline": [{"$bucket": {"groupBy": "?", "boundaries": [0, 1]}}]}),
    ("aggregate", {"pipeline": [{"$bucketAuto": {"groupBy": "$a", "buckets": 1, "output": {"a": "?"}}}]}),
    ("aggregate", {"pipeline": [{"$fill": {"output": {"a": {"value": "?"}}}}]}),
    ("aggregate", {"pipeline": [{"$sort": {"a": "?"}}]}),
    ("updateOne", {"filter": {}, "update": "?"}),
    ("updateOne", {"filter": {}, "update": {"$set": {"a": "?"}}}),
    ("updateOne", {"filter": {}, "update": {"$max": {"b": "?"}}}),
    ("updateOne", {"filter": {}, "update": {"$push": {"list": "?"}}}),
    ("updateOne", {"filter": {}, "update": {"$push": {"list": {"$each": ["?"]}}}}),
    ("updateOne", {"filter": {}, "update": {"$push": {"list": {"$each": [], "$someday": 1}}}}),
    ("updateOne", {"filter": {}, "update": {"$addToSet": {"list": "?"}}}),
    ("updateOne", {"filter": {}, "update": {"$pull": {"list": "?"}}}),
    ("updateOne", {"filter": {}, "update": {"$pull": {"list": {"a": "?"}}}}),
    ("updateOne", {"filter": {}, "update": {"$pull": {"list": {"a": {"b": "?"}}}}}),
    ("updateOne", {"filter": {}, "update": {"$pull": {"list": ["?"]}}}),
    ("updateOne", {"filter": {}, "update": {"$pullAll": {"list": ["?"]}}}),
    ("updateOne", {"filter": {}, "update": ["?"]}),
    ("updateOne", {"filter": {}, "update": [{"$set": {"a": "?"}}]}),
    ("updateOne", {"filter": {}, "update": [{"$set": {"a": {"$literal": "?"}}}]}),
    ("updateOne", {"filter": {}, "update": {"$set": {"list.$[x]": 1}}, "arrayFilters": [{"x": "?"}]}),
    ("updateOne", {"filter": {}, "update": {"$set": {"list.$[x]": 1}}, "arrayFilters": [{"x": {"b": "?"}}]}),
]  # fmt: skip


def filled(value: Any, hole: Any) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, hole) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, hole) for each in value]
    return hole if value == "?" else value


async def is_taken(database: Any, action: str, members: Any) -> bool:
    """Tell whether MongoDB itself takes a call, or does not know an operator in it."""
    commands = {
        "find": {"find": "items"} | members,
        "aggregate": {"aggregate": "items", "cursor": {}} | members,
        "updateOne": {"update": "items", "updates": [
            {"q": members.get("filter"), "u": members.get("update"), "arrayFilters": members.get("arrayFilters", [])}
        ]},
    }  # fmt: skip
    reply = await database.command(commands[action], check=False)
    return reply["ok"] == 1 and "writeErrors" not in reply


@pytest.mark.parametrize(("action", "members"), PLACES, ids=str)
async def test_what_is_an_operator_to_mongodb_is_one_to_the_guard(
    post: Any, database: Any, action: str, members: dict[str, Any]
) -> None:
    await database.items.insert_one({"_id": 1, "list": [{"a": 1}]})
    call = filled(members, {NEW: 1})

    taken = await is_taken(database, action, call)
    answer = await post(action, **call)

    assert (answer.status == 200) == taken, answer.body
    assert taken or answer.json["error"] == f"operator '{NEW}' is not allowed"


def test_what_reveals_writes_or_runs_code_is_open_to_nobody_unless_it_is_named() -> None:
    revealing = {name for table in TABLES for name, each in table.items() if each.reveals}

    writing = {name for table in TABLES for name, each in table.items() if each.writes}
    assert writing == {"$out", "$merge"}
    assert {STAGES[name].open_to for name in writing} == {Standing.NAMED}
    assert {STAGES[name].open_to for name in ("$https", "$externalFunction")} == {Standing.NOBODY}
    assert {table[name].open_to for table in TABLES for name in JAVASCRIPT & table.keys()} == {Standing.NOBODY}
    assert {STAGES[name].open_to for name in revealing & STAGES.keys()} == {Standing.NAMED, Standing.NOBODY}
    assert VARIABLES["$$USER_ROLES"].open_to == METADATA["recordId"].open_to == Standing.SYSTEM
    assert {"$collStats", "$indexStats"} < NAMED_STAGES


def test_no_name_is_written_in_two_places() -> None:
    """A second list of operators, of five or more, would be one that somebody forgets."""
    names = {name for table in TABLES for name in table} | METADATA.keys()
    lists = re.compile(r"[(\[{]((?:\s*\"\$?\$?\w+\"\s*,){4,}\s*(?:\"\$?\$?\w+\")?)\s*[)\]}]")

    found = [
        (str(file), match[1])
        for folder in ("shared", "functions", "server", "admin")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for match in lists.finditer(file.read_text())
        if len(names & set(re.findall(r'"(\$\$?\w+)"', match[1]))) > 2
    ]

    assert found == []


def test_every_place_is_described() -> None:
    by_names = {Place.FIELD, Place.EACH_FIELD, Place.PULLED, Place.PUSHED}

    assert set(Place) - GRAMMAR.keys() == by_names | {Place.STORED}


@pytest.mark.parametrize("name", ["$where", "$function", "$out", "$_internalJsEmit"])
def test_a_closed_name_in_data_is_refused_all_the_same(name: str) -> None:
    for_a_stage = {"$lookup": {"pipeline": [{"$set": {"x": {name: 1}}}]}}

    assert refused([(Place.QUERY, {"a": {"$in": [{"b": {name: 1}}]}})], Standing.SYSTEM) == name
    assert refused([(Place.PIPELINE, [{"$set": {"a": {"$literal": for_a_stage}}}])], Standing.SYSTEM) == name


def test_the_page_names_what_is_closed() -> None:
    page = (ROOT / "docs" / "rules.md").read_text()
    section = page.partition("## What is closed to everybody?")[2].partition("Where MongoDB reads data")[0]
    named = set(re.findall(r"`(\$\w+)`", section)) - {"$_"}
    tables = [STAGES, EXPRESSIONS, QUERIES]

    closed = {name for name in named if min(t[name].open_to for t in tables if name in t) >= Standing.NAMED}

    assert named >= NAMED_STAGES | JAVASCRIPT | {"$out", "$merge"}
    assert closed == named


def in_mongod() -> list[str]:
    """Return every name that the mongod of these tests may know as an operator: the texts in it that look like one."""
    return sorted({each.decode() for each in re.findall(rb"\$[a-zA-Z_]{2,40}(?=\0)", find_mongod().read_bytes())})


@pytest.mark.parametrize(
    ("place", "table", "wrap"),
    [
        (Place.PIPELINE, STAGES, lambda name: [{name: {}}]),
        (Place.PIPELINE, EXPRESSIONS, lambda name: [{"$set": {"x": {name: 1}}}]),
        (Place.PIPELINE, EXPRESSIONS, lambda name: [{"$group": {"_id": 1, "x": {name: 1}}}]),
        (Place.PROJECTION, EXPRESSIONS | {"$elemMatch": None}, lambda name: {"x": {name: {}}}),
        (Place.QUERY, QUERIES, lambda name: {name: 1}),
        (Place.QUERY, QUERIES, lambda name: {"x": {name: 1}}),
        (Place.UPDATE, UPDATES, lambda name: {name: {"x": 1}}),
    ],
)
def test_what_mongod_knows_and_the_table_does_not_is_refused(place: Place, table: Any, wrap: Any) -> None:
    unknown = [name for name in in_mongod() if name not in table and not name.startswith("$$")]

    assert len(unknown) > 100
    assert [name for name in unknown if refused([(place, wrap(name))], Standing.NAMED) != name] == []


@pytest.mark.parametrize(
    ("stage", "operand", "pipelines"),
    [
        ("$match", {"pipeline": [1]}, []),
        ("$facet", {"a": [1], "b": "x"}, [[1], "x"]),
        ("$facet", 1, []),
        ("$lookup", {"from": "b", "pipeline": [1], "let": {"pipeline": [2]}}, [[1]]),
        ("$unionWith", "b", []),
        ("$unionWith", {"coll": "b", "pipeline": [1]}, [[1]]),
        ("$graphLookup", {"pipeline": [1]}, []),
        ("$rankFusion", {"input": {"pipelines": {"a": [1], "b": [2]}}}, [[2], [1]]),
    ],
)
def test_the_pipelines_in_a_stage(stage: str, operand: Any, pipelines: Any) -> None:
    assert sorted(pipelines_in(stage, operand), key=str) == sorted(pipelines, key=str)


@pytest.mark.parametrize("text", ["$$USER_ROLES", "$$USER_ROLES.role", "$$SOMEDAY", "$$JS_SCOPE.x"])
@pytest.mark.parametrize(
    ("place", "wrap"),
    [
        (Place.PROJECTION, lambda text: {"x": text}),
        (Place.PROJECTION, lambda text: {"x": {"y": [text]}}),
        (Place.QUERY, lambda text: {"$expr": {"$in": ["a", text]}}),
        (Place.QUERY, lambda text: {"$and": [{"$expr": text}]}),
        (Place.PIPELINE, lambda text: [{"$replaceWith": text}]),
        (Place.PIPELINE, lambda text: [{"$set": {"x": {"$map": {"input": text, "in": "$$this"}}}}]),
        (Place.PIPELINE, lambda text: [{"$group": {"_id": text}}]),
        (Place.PIPELINE, lambda text: [{"$lookup": {"from": "b", "let": {"x": text}, "pipeline": [], "as": "y"}}]),
        (Place.PIPELINE, lambda text: [{"$facet": {"x": [{"$sortByCount": text}]}}]),
    ],
)
def test_a_system_variable_that_is_not_open_is_refused(text: str, place: Place, wrap: Any) -> None:
    assert refused([(place, wrap(text))], Standing.WHOLE) is not None


@pytest.mark.parametrize("text", ["$$ROOT", "$$CURRENT.a", "$$this", "$$éa", "$$NOW", "$a", "USER_ROLES", "$$REMOVE"])
def test_other_variables_are_open(text: str) -> None:
    assert (
        refused([(Place.PIPELINE, [{"$set": {"x": {"$let": {"vars": {"y": text}, "in": text}}}}])], Standing.RULED)
        is None
    )


def test_a_text_that_is_compared_with_is_no_variable() -> None:
    assert refused([(Place.QUERY, {"a": "$$USER_ROLES", "b": {"$in": ["$$USER_ROLES"]}})], Standing.RULED) is None


@pytest.mark.parametrize("keyword", ["recordId", "randVal", "someday", 1, ["recordId"], None])
def test_metadata_that_is_not_open_is_refused(keyword: Any) -> None:
    placed = (Place.PIPELINE, [{"$set": {"x": {"$meta": keyword}}}])

    assert refused([placed], Standing.RULED) == "$meta"
    assert (refused([placed], Standing.WHOLE) == "$meta") == isinstance(keyword, str | list)
