"""Which collections a read depends on, where it can be told."""

from typing import Any

import pytest

from shared.guard.dependencies import is_steady, joined


@pytest.mark.parametrize(
    ("pipeline", "namespaces"),
    [
        ([], set()),
        ([{"$match": {"$expr": {"$eq": ["$a", 1]}}}, {"$sort": {"a": 1}}], set()),
        ([{"$lookup": {"from": "b", "as": "x", "pipeline": [{"$unionWith": "c"}]}}], {"a.b", "a.c"}),
        ([{"$lookup": {"from": {"db": "d", "coll": "b"}, "as": "x", "pipeline": []}}], {"d.b"}),
        ([{"$graphLookup": {"from": "b", "as": "x"}}], {"a.b"}),
        ([{"$unionWith": {"coll": "b", "db": "d"}}], {"d.b"}),
        ([{"$documents": [{"a": 1}]}], set()),
        ([{"$facet": {"x": [{"$unionWith": "b"}], "y": [{"$unionWith": "c"}]}}], {"a.b", "a.c"}),
    ],
)
def test_joins_are_found_at_any_depth(pipeline: Any, namespaces: set[str]) -> None:
    assert joined(pipeline, "a") == namespaces


@pytest.mark.parametrize(
    "pipeline",
    [
        None,
        {"$match": {}},
        ["$match"],
        [{}],
        [{"$match": {}, "$sort": {"a": 1}}],
        [{"$search": {"text": {}}}],
        [{"$collStats": {"count": {}}}],
        [{"$rankFusion": {"input": {"pipelines": {"x": []}}}}],
        [{"$newInMongoDB9": {}}],
        [{"$facet": {"x": [{"$sample": {"size": 1}}]}}],
        [{"$facet": {"x": "no pipeline"}}],
        [{"$lookup": {"as": "x", "pipeline": [{"$documents": []}]}}],
        [{"$lookup": {"from": 1}}],
        [{"$unionWith": 1}],
        [{"$unionWith": {"pipeline": []}}],
    ],
)
def test_what_cannot_be_told_is_none(pipeline: Any) -> None:
    assert joined(pipeline, "a") is None


@pytest.mark.parametrize(
    "value",
    [
        {"$rand": {}},
        {"a": [{"b": {"$sampleRate": 0.5}}]},
        "$$NOW",
        {"a": ("$$NOW.b",)},
        {"a": {"$cond": [True, "$$CLUSTER_TIME", 1]}},
        [["$$USER_ROLES"]],
    ],
)
def test_what_varies_is_found_at_any_depth(value: Any) -> None:
    assert not is_steady([{"steady": 1}, value])


@pytest.mark.parametrize(
    "value",
    [None, {}, {"a": "$$ROOT"}, {"$expr": {"$eq": ["$$this", "NOW"]}}, "$now", 1.5, {"$text": {"$search": "a"}}],
)
def test_what_is_always_the_same_is_steady(value: Any) -> None:
    assert is_steady([value])
