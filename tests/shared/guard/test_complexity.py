"""How much a body may hold and a call may ask for: what is counted, and that counting is cheap."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from bson.regex import Regex
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.aggregate import Aggregate
from functions.find import Find
from shared.errors import BodyTooLargeError, InvalidParameterError
from shared.guard.complexity import Complexity
from shared.guard.walk import walked
from shared.requests import Request
from shared.settings import Settings
from shared.turns import at_once
from shared.writes import UpdateOne
from tests.depth import examples
from tests.work import is_linear

NAMESPACE: dict[str, Any] = {"dataSource": "mongodb-atlas", "database": "shop", "collection": "items"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.text(st.sampled_from('[]{},:"\\/ab\n é')),
    lambda values: st.lists(values) | st.dictionaries(st.text(st.sampled_from('[{,:"\\a')), values),
)


def complexity(**limits: int) -> Complexity:
    return Complexity(msgspec.structs.replace(Settings(), **limits))


def check(request: Request, **limits: int) -> None:
    interpreted = request.interpreted()
    complexity(**limits).call(interpreted, walked(interpreted).documents, *request.targets())


def find(**members: Any) -> Request:
    return Find.from_body(NAMESPACE | members)


def update(**members: Any) -> Request:
    return UpdateOne.from_body(NAMESPACE | {"filter": {}} | members)


def aggregate(*pipeline: Any) -> Request:
    return Aggregate.from_body(NAMESPACE | {"pipeline": list(pipeline)})


def names_and_values(value: Any) -> int:
    """Return how many names and values there are in one; an empty object or array counts twice."""
    if isinstance(value, dict):
        return 1 + (sum(1 + names_and_values(each) for each in value.values()) or 1)
    if isinstance(value, list):
        return 1 + (sum(map(names_and_values, value)) or 1)
    return 1


@settings(max_examples=examples(1_000), deadline=None)
@given(JSON, st.booleans())
def test_names_and_values_are_counted_as_a_parser_finds_them(value: Any, escaped: bool) -> None:
    body = json.dumps(value).encode() if escaped else orjson.dumps(value, option=orjson.OPT_INDENT_2)
    number = names_and_values(value)

    at_once(complexity(max_body_values=number).body(body))
    if 1 < number - 1 < len(body):
        with pytest.raises(BodyTooLargeError, match=f"MAX_BODY_VALUES allows {number - 1} names and values"):
            at_once(complexity(max_body_values=number - 1).body(body))


@pytest.mark.parametrize("place", [1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_texts_are_told_from_values_wherever_they_begin(place: int) -> None:
    body = b'["' + b"x" * place + b'",' + b'"' + b"," * 100 + b'",1]'

    at_once(complexity(max_body_values=4).body(body))
    with pytest.raises(BodyTooLargeError):
        at_once(complexity(max_body_values=3).body(body))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" + b"[]," * 5_000_000 + b"1]", id="empty arrays"),
        pytest.param(b"[" + b"{}," * 5_000_000 + b"1]", id="empty objects"),
        pytest.param(b"[" + b'{"a":1},' * 1_875_000 + b"1]", id="small objects"),
        pytest.param((b"[" * 90 + b"]" * 90 + b",") * 83_000, id="nested arrays"),
        pytest.param(b"[" + b'"",' * 5_000_000 + b"1]", id="empty texts"),
    ],
)
def test_fifteen_megabytes_of_hardly_anything_are_refused(body: bytes) -> None:
    with pytest.raises(BodyTooLargeError, match="MAX_BODY_VALUES"):
        at_once(complexity().body(body))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(orjson.dumps({"documents": [{f"f{n}": n for n in range(18)}] * 100_000}), id="100,000 documents"),
        pytest.param(orjson.dumps({"document": {"points": [{"t": n, "v": n} for n in range(750_000)]}}), id="points"),
        pytest.param(orjson.dumps({"document": {"pixels": [n % 256 for n in range(3_900_000)]}}), id="numbers"),
        pytest.param(b'{"document":"' + b"," * 30_000_000 + b'"}', id="a text of commas"),
    ],
)
def test_what_honest_callers_send_is_taken(body: bytes) -> None:
    at_once(complexity().body(body))


CALLS = [
    pytest.param("max_conditions", lambda n: find(filter={f"a{i}": 1 for i in range(n)}), id="fields of a filter"),
    pytest.param("max_conditions", lambda n: find(filter={"$or": [{"a": i} for i in range(n - 1)]}), id="$or"),
    pytest.param("max_conditions", lambda n: find(projection={f"a{i}": 1 for i in range(n)}), id="projection"),
    pytest.param("max_conditions", lambda n: find(sort={f"a{i}": 1 for i in range(n)}), id="sort"),
    pytest.param(
        "max_conditions",
        lambda n: find(filter={"a": 1}, projection={"b": 1}, sort={f"a{i}": 1 for i in range(n - 2)}),
        id="all together",
    ),
    pytest.param("max_conditions", lambda n: update(update={"$set": {f"a{i}": 1 for i in range(n)}}), id="update"),
    pytest.param(
        "max_conditions",
        lambda n: update(update={"$set": {"a": 1}, "$inc": {f"a{i}": 1 for i in range(n - 1)}}),
        id="operators of an update",
    ),
    pytest.param(
        "max_conditions",
        lambda n: update(update={"$set": {"a.$[e].x": 1}}, arrayFilters=[{f"e.f{i}": 1 for i in range((n - 1) // 2)}]),
        id="conditions of an array filter",
    ),
    pytest.param(
        "max_conditions",
        lambda n: update(update={"$set": {f"a{i}.$[e].x": 1 for i in range((n - 1) // 2)}}, arrayFilters=[{"e.y": 1}]),
        id="places of an array filter",
    ),
    pytest.param("max_conditions", lambda n: aggregate({"$match": {f"a{i}": 1 for i in range(n - 1)}}), id="$match"),
    pytest.param(
        "max_conditions",
        lambda n: find(filter={"a": {"$all": [{"$elemMatch": {"b": 1}}] * ((n - 2) // 2)}}),
        id="conditions of $all",
    ),
    pytest.param("max_stages", lambda n: aggregate(*[{"$skip": 1}] * n), id="stages"),
    pytest.param("max_stages", lambda n: update(update=[{"$set": {"a": 1}}] * n), id="stages of an update"),
    pytest.param("max_stages", lambda n: aggregate({"$facet": {"a": [{"$skip": 1}] * (n - 1)}}), id="$facet"),
    pytest.param(
        "max_stages",
        lambda n: aggregate({"$facet": {"a": [{"$skip": 1}], "b": [{"$skip": 1}] * (n - 2)}}),
        id="several facets",
    ),
    pytest.param(
        "max_stages",
        lambda n: aggregate({"$lookup": {"from": "x", "as": "y", "pipeline": [{"$skip": 1}] * (n - 1)}}),
        id="$lookup",
    ),
    pytest.param(
        "max_stages", lambda n: aggregate({"$unionWith": {"coll": "x", "pipeline": [{"$skip": 1}] * (n - 1)}}),
        id="$unionWith",
    ),
    pytest.param("max_operands", lambda n: find(filter={"a": {"$in": [1] * n}}), id="$in"),
    pytest.param("max_operands", lambda n: find(filter={"a": {"$not": {"$nin": [1] * n}}}), id="$nin"),
    pytest.param("max_operands", lambda n: find(filter={"$or": [{"a": {"$all": [1] * n}}]}), id="$all"),
    pytest.param("max_operands", lambda n: update(update={"$pull": {"a": {"$in": [1] * n}}}), id="$in of $pull"),
    pytest.param("max_path_parts", lambda n: find(filter={".".join("a" * n): 1}), id="a path of a filter"),
    pytest.param("max_path_parts", lambda n: find(projection={"." * (n - 1): 1}), id="a path of empty parts"),
    pytest.param("max_path_parts", lambda n: find(sort={".".join("0" * n): 1}), id="a path of a sort"),
    pytest.param("max_path_parts", lambda n: update(update={"$set": {".".join("a" * n): 1}}), id="a path of an update"),
    pytest.param(
        "max_path_parts",
        lambda n: update(update={"$set": {"a.$[e]": 1}}, arrayFilters=[{".".join("e" * (n - 2)): 1}]),
        id="a path of an array filter",
    ),
    pytest.param(
        "max_path_parts",
        lambda n: find(filter={".".join("a" * 50): {"$elemMatch": {"$or": [{".".join("b" * (n - 50)): 1}]}}}),
        id="a path of $elemMatch",
    ),
    pytest.param("max_path_parts", lambda n: update(update={"$rename": {"a": ".".join("b" * n)}}), id="$rename"),
    pytest.param("max_path_parts", lambda n: update(update={"$pull": {"a": {".".join("b" * (n - 1)): 1}}}), id="$pull"),
    pytest.param(
        "max_path_parts",
        lambda n: update(
            update={"$set": {f"{'a.' * 49}$[e]": 1}}, arrayFilters=[{".".join("e" * (n - 50)): 1}]
        ),
        id="a path through an array filter",
    ),
    pytest.param(
        "max_path_parts", lambda n: aggregate({"$project": {"a": {".".join("a" * (n - 1)): 1}}}), id="$project"
    ),
    pytest.param("max_pattern_length", lambda n: find(filter={"a": {"$regex": "x" * n}}), id="$regex"),
    pytest.param("max_pattern_length", lambda n: find(filter={"a": Regex("x" * n)}), id="a regular expression"),
    pytest.param("max_pattern_length", lambda n: find(filter={"a": {"$in": [1, Regex("x" * n)]}}), id="one in $in"),
    pytest.param(
        "max_pattern_length",
        lambda n: aggregate({"$match": {"$expr": {"$regexMatch": {"input": "$a", "regex": "x" * n}}}}),
        id="$regexMatch",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "request_of"), CALLS)
def test_a_call_may_ask_for_as_much_as_the_setting_says(setting: str, request_of: Callable[[int], Request]) -> None:
    check(request_of(99), **{setting: 99})


@pytest.mark.parametrize(("setting", "request_of"), CALLS)
def test_more_is_refused_by_the_name_of_the_setting(setting: str, request_of: Callable[[int], Request]) -> None:
    with pytest.raises(InvalidParameterError, match=f"{setting.upper()} allows 99"):
        check(request_of(101), **{setting: 99})


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param(lambda: find(filter={"a": {"$in": list(range(50_000))}}), id="$in"),
        pytest.param(
            lambda: find(filter={"_id": {"$in": [{"a": n, "b": n} for n in range(50_000)]}}), id="$in of documents"
        ),
        pytest.param(lambda: find(filter={"$or": [{"a": n, "b": n, "c": n} for n in range(3_000)]}), id="$or"),
        pytest.param(lambda: update(update={"$set": {f"a{n}": {"b": n} for n in range(5_000)}}), id="a wide $set"),
        pytest.param(
            lambda: update(
                update={"$set": {f"lines.$[e{n}].count": n for n in range(1_000)}},
                arrayFilters=[{f"e{n}.sku": n, f"e{n}.open": True} for n in range(1_000)],
            ),
            id="a thousand elements by their own filters",
        ),
        pytest.param(lambda: find(filter={f"a.b.c{n}": {"$elemMatch": {"d.e": 1}} for n in range(300)}), id="paths"),
        pytest.param(lambda: update(update={"$set": {"a": [{"b": n} for n in range(50_000)]}}), id="stored data"),
        pytest.param(lambda: update(update={"$set": {"a": Regex("x" * 40_000)}}), id="a stored pattern"),
        pytest.param(lambda: aggregate(*[{"$set": {"a": {"$add": ["$a", 1]}}}] * 500), id="a long pipeline"),
    ],
)
def test_what_honest_callers_ask_for_is_allowed(request_of: Callable[[], Request]) -> None:
    check(request_of())


@pytest.mark.parametrize(
    "members",
    [
        lambda size: {"filter": {"$or": [{f"a{n}": {"$in": [n] * 20}} for n in range(size)]}},
        lambda size: {"filter": {"a": {"$in": [{"b": n} for n in range(size)]}}},
        lambda size: {"projection": {f"a{n}": {"$slice": 1} for n in range(size)}},
    ],
)
def test_counting_takes_time_in_proportion(members: Callable[[int], dict[str, Any]]) -> None:
    def act(size: int) -> Callable[[], object]:
        request = find(**members(size))
        return lambda: check(request)

    assert is_linear(act, 200)
