"""What the rules of a data source come to in calls that differ in their action alone."""

from typing import Any

import pytest

from shared.access.opening import Rules
from shared.app.model import DataSource
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.ruleset import compile_ruleset
from shared.rules.expressions import Expansions
from shared.rules.report import Report
from shared.rules.ruleset import Rights

NAME = ("shop", "orders")


def judged(condition: dict[str, Any]) -> list[Rights | None]:
    """Return what a role that applies on a condition comes to for two actions."""
    role = {"name": "r", "apply_when": condition, "read": True}
    rules = compile_ruleset({"roles": [role]}, Constants(), Report())
    source, known = DataSource(name="s", rules={NAME: rules}), dict[int, Rights | None]()
    views = ({"action": each, "remoteIPAddress": "::1"} for each in ("find", "insertOne"))
    return [Rules(source, Expansions({"id": "ann"}, view), known).usable(*NAME) for view in views]


@pytest.mark.parametrize("condition", [{"owner": "%%user.id"}, {"%%request.remoteIPAddress": "::1"}], ids=str)
def test_rules_that_do_not_look_at_the_action_are_judged_once_for_all(condition: dict[str, Any]) -> None:
    first, second = judged(condition)

    assert first is not None
    assert first is second


def test_rules_that_look_at_the_action_are_judged_for_each() -> None:
    first, second = judged({"%%request.action": "find"})

    assert first is not None
    assert second is not None
    assert (first.hides_nothing, len(second.roles)) == (True, 0)
