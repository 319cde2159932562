"""The stages that read or write another collection, and which one (pure)."""

from collections.abc import Iterable, Iterator
from typing import Any

from shared.guard.walk import nested
from shared.operators import JOINS, OTHERS, STAGES


def joined(values: Iterable[Any], database: str) -> Iterator[tuple[str, str]]:
    """Give the other collections that stages at any depth read, as database and name."""
    for document in nested(values):
        for name in document.keys() & JOINS:
            if (other := joined_by(name, document[name], database)) is not None:
                yield other


def joined_by(stage: str, operand: Any, database: str) -> tuple[str, str] | None:
    """Return the other collection of one of the OTHERS, named alone or with its database; None if it names none."""
    source = operand.get(OTHERS[stage]) if type(operand) is dict else operand
    if type(source) is dict:
        database, source = source.get("db", database), source.get("coll")
    elif type(operand) is dict:
        database = operand.get("db", database)
    return (database, source) if type(database) is str and type(source) is str else None


def written_by(pipeline: list[Any], database: str) -> tuple[str, str] | None:
    """Return the collection that a pipeline writes to, as database and name; only the last stage may."""
    last: Any = pipeline[-1] if pipeline else {}
    for name in last.keys() & OTHERS.keys():
        if STAGES[name].writes:
            return joined_by(name, last[name], database) or (database, "")
    return None
