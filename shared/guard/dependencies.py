"""Which collections a read depends on, if it always gives the same on the same documents (pure).

Only stages that are known to do so count; of other operators, those that are known not to.
"""

from collections.abc import Iterable
from typing import Any

from shared.guard.joins import joined_by
from shared.guard.walk import nested, pipelines_in
from shared.operators import EXPRESSIONS, JOINS, QUERIES, STAGES, VARIABLES, Standing

_STEADY = frozenset(name for name, each in STAGES.items() if each.open_to < Standing.NAMED and not each.varies)
_VARYING = frozenset(name for table in (QUERIES, EXPRESSIONS) for name, each in table.items() if each.varies)
_VARYING_VARIABLES = tuple(name for name, each in VARIABLES.items() if each.varies)


def is_steady(values: Iterable[Any]) -> bool:
    """Tell whether no operator at any depth gives something else each time."""
    for value in nested(values, texts=True):
        if isinstance(value, str):
            if value.startswith(_VARYING_VARIABLES):
                return False
        elif not _VARYING.isdisjoint(value):
            return False
    return True


def joined(pipeline: Any, database: str) -> set[str] | None:
    """Return the namespaces that a pipeline reads beside its own; None if that is not known, or a stage may vary."""
    found: set[str] = set()
    pending = [pipeline]
    while pending:
        stages = pending.pop()
        if not isinstance(stages, list):
            return None
        for stage in stages:
            if not isinstance(stage, dict) or len(stage) != 1 or not _STEADY.issuperset(stage):
                return None
            ((name, operand),) = stage.items()
            if name in JOINS:
                other = joined_by(name, operand, database)
                if other is None:
                    return None
                found.add(".".join(other))
            pending += pipelines_in(name, operand)
    return found
