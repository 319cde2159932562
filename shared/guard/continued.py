"""Which pipelines a cursor can continue: those whose documents have an `_id` of their own at the end (pure).

Whether no two documents have the same one is seen where they are read.
"""

from typing import Any, NamedTuple

from shared.documents.ejson import Document
from shared.errors import InvalidParameterError
from shared.guard.walk import pipelines_in
from shared.operators import STAGES, Identity
from shared.options import whole

_PROJECT = "$project"  # where a number says that a member stays
_SORTING = frozenset({"$geoNear", "$sort"})
_EXAMPLE = '{"$set": {"_id": …}} of what only one of them has'
_SHOWN = 100


class Ordered(NamedTuple):
    """A pipeline, and what was at its end: the order of the documents, and which of them are wanted."""

    stages: list[Document]
    sort: Document
    skip: int
    limit: int


def continued(pipeline: list[Document]) -> Ordered:
    """Return a pipeline with its end apart; raise InvalidParameterError, and say what to add, if it has no such end."""
    if any(len(stage) != 1 for stage in pipeline):
        raise InvalidParameterError("a stage must have one name")
    pipeline, limit = _without_last(pipeline, "$limit")
    pipeline, skip = _without_last(pipeline, "$skip")
    loser, is_sorted = "", False
    for stage in pipeline:
        ((name, operand),) = stage.items()
        identity = STAGES[name].identity if name in STAGES else Identity.UNKNOWN
        if identity is Identity.CHOSEN:
            raise InvalidParameterError(
                f"'cursor': {name} would choose other documents for each batch: it can only stand at the end"
            )
        if identity is Identity.UNKNOWN:
            raise InvalidParameterError(f"'cursor': a pipeline with {name[:_SHOWN]} cannot be continued")
        if any(map(_varies, pipelines_in(name, operand))):
            raise InvalidParameterError(f"'cursor': what {name} joins is something else each time")
        is_sorted = name in _SORTING or (is_sorted and identity is not Identity.NEW)
        loser = _loser(name, operand, loser, identity)
    last = pipeline[-1] if pipeline else {}
    if loser:
        raise InvalidParameterError(
            f"'cursor': behind {loser} documents have no '_id' of their own to go on from: add {_EXAMPLE} at the end"
        )
    if is_sorted and "$sort" not in last:
        raise InvalidParameterError(
            '\'cursor\': the order ends with the pipeline: put the $sort at its end, such as {"$sort": {"_id": 1}}'
        )
    stages, sort = (pipeline[:-1], last["$sort"]) if is_sorted else (pipeline, {})
    if not isinstance(sort, dict):
        raise InvalidParameterError("$sort takes an object")
    return Ordered(stages, sort, skip, limit)


def _varies(pipeline: Any) -> bool:
    """Tell whether a stage at any depth gives something else each time."""
    stages = [stage for stage in pipeline if isinstance(stage, dict)] if isinstance(pipeline, list) else []
    named = [each for stage in stages for each in stage.items() if each[0] in STAGES]
    return any(STAGES[name].varies or any(map(_varies, pipelines_in(name, operand))) for name, operand in named)


def _without_last(pipeline: list[Document], name: str) -> tuple[list[Document], int]:
    """Return the stages before a last one of this name, and its number, 0 without one."""
    if not pipeline or name not in pipeline[-1]:
        return pipeline, 0
    number = pipeline[-1][name]
    if not isinstance(number, int | float) or isinstance(number, bool) or (name == "$limit" and not number):
        raise InvalidParameterError(f"'{name}' must be a number of documents")
    return pipeline[:-1], whole(name, number)


def _loser(name: str, operand: Any, before: str, identity: Identity) -> str:
    """Return the stage that took the `_id` of documents away, "" if they have one."""
    if identity is Identity.NEW:
        return ""
    if identity is Identity.SHARED:
        return name
    if identity is not Identity.NAMED:
        return before
    if not isinstance(operand, dict):  # $unset names what goes
        return name if any(map(_is_id, operand if isinstance(operand, list) else [operand])) else before
    given = [value for each, value in operand.items() if _is_id(each)]
    if any(isinstance(value, bool | int | float) and not value for value in given):
        return name
    is_kept = name == _PROJECT and all(isinstance(value, bool | int | float) for value in given)
    return before if not given or is_kept else ""


def _is_id(name: Any) -> bool:
    return isinstance(name, str) and name.partition(".")[0] == "_id"
