"""Which collections a read depends on, if it always gives the same on the same documents (pure).

Stages are named that are known to do so, because MongoDB gains stages; operators are named that do not.
"""

from collections.abc import Iterable
from typing import Any

from shared.documents.ejson import Document

_STAGES = frozenset({
    "$addFields", "$bucket", "$bucketAuto", "$count", "$densify", "$facet", "$fill", "$geoNear", "$graphLookup",
    "$group", "$limit", "$lookup", "$match", "$project", "$redact", "$replaceRoot", "$replaceWith", "$set",
    "$setWindowFields", "$skip", "$sort", "$sortByCount", "$unionWith", "$unset", "$unwind",
})  # fmt: skip
_VARYING = frozenset({"$createObjectId", "$currentDate", "$rand", "$sample", "$sampleRate"})
_VARYING_VARIABLES = ("$$NOW", "$$CLUSTER_TIME", "$$USER_ROLES")
_JOINS = {"$graphLookup": "from", "$lookup": "from", "$unionWith": "coll"}


def is_steady(values: Iterable[Any]) -> bool:
    """Tell whether no operator at any depth gives something else each time."""
    pending = list(values)
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if value.startswith(_VARYING_VARIABLES):
                return False
        elif isinstance(value, list | tuple):
            pending += value
        elif isinstance(value, dict):
            if not _VARYING.isdisjoint(value):
                return False
            pending += value.values()
    return True


def joined(pipeline: Any, database: str) -> set[str] | None:
    """Return the namespaces that a pipeline reads beside its own; None if that cannot be told, or a stage may vary."""
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
            if name in _JOINS:
                other = _other(operand, _JOINS[name], database)
                if other is None:
                    return None
                found.add(other)
            pending += _pipelines(name, operand)
    return found


def _other(operand: Any, member: str, database: str) -> str | None:
    """Return the namespace of a join's other collection, which may be named alone or with its database."""
    source = operand.get(member) if isinstance(operand, dict) else operand
    if isinstance(source, dict):
        database, source = source.get("db", database), source.get("coll")
    elif isinstance(operand, dict):
        database = operand.get("db", database)
    return f"{database}.{source}" if isinstance(database, str) and isinstance(source, str) else None


def _pipelines(name: str, operand: Document) -> list[Any]:
    """Return the pipelines in a stage."""
    if not isinstance(operand, dict):
        return []
    if name == "$facet":
        return list(operand.values())
    return [operand["pipeline"]] if "pipeline" in operand else []
