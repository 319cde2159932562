"""Plans of MongoDB's, which may be large."""

from typing import Any

import pytest

from shared.documents.plans import Plan
from shared.turns import at_once
from tests.steps import share_of_longest


@pytest.fixture
def explained() -> dict[str, Any]:
    """The plan of a condition with very many alternatives."""
    scan = {"stage": "FETCH", "inputStage": {"stage": "IXSCAN", "indexName": "a_1", "keyPattern": {"a": 1}}}
    winning = {"stage": "OR", "inputStages": [scan] * 20_000}
    return {"queryPlanner": {"winningPlan": winning}, "executionStats": {"nReturned": 3}}


def test_a_large_plan_is_read_in_turns(explained: dict[str, Any]) -> None:
    assert share_of_longest(Plan.read(explained)) < 0.3


def test_a_large_plan_is_read_whole(explained: dict[str, Any]) -> None:
    plan = at_once(Plan.read(explained))

    assert (len(plan.stages), plan.indexes, plan.returned) == (40_001, ["a_1"], 3)
