"""Which collections a read depends on, if it always gives the same on the same documents (pure).

Stages are named that are known to do so, because MongoDB gains stages; operators are named that do not.
"""

from collections.abc import Iterable
from typing import Any

from shared.guard.joins import JOINS, joined_by
from shared.guard.walk import nested, pipelines_in

_STAGES = frozenset({
    "$addFields", "$bucket", "$bucketAuto", "$count", "$densify", "$facet", "$fill", "$geoNear", "$graphLookup",
    "$group", "$limit", "$lookup", "$match", "$project", "$redact", "$replaceRoot", "$replaceWith", "$set",
    "$setWindowFields", "$skip", "$sort", "$sortByCount", "$unionWith", "$unset", "$unwind",
})  # fmt: skip
_VARYING = frozenset({"$createObjectId", "$currentDate", "$rand", "$sample", "$sampleRate"})
_VARYING_VARIABLES = ("$$NOW", "$$CLUSTER_TIME", "$$USER_ROLES")


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
            if not isinstance(stage, dict) or len(stage) != 1 or not _STAGES.issuperset(stage):
                return None
            ((name, operand),) = stage.items()
            if name in JOINS:
                other = joined_by(name, operand, database)
                if other is None:
                    return None
                found.add(".".join(other))
            pending += pipelines_in(name, operand)
    return found
