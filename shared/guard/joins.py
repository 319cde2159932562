"""The stages that read another collection, and which one (pure)."""

from collections.abc import Iterable, Iterator
from typing import Any

from shared.guard.walk import nested
from shared.operators import JOINS


def joined(values: Iterable[Any], database: str) -> Iterator[tuple[str, str]]:
    """Give the other collections that stages at any depth read, as database and name."""
    for document in nested(values):
        for name in document.keys() & JOINS.keys():
            if (other := joined_by(name, document[name], database)) is not None:
                yield other


def joined_by(stage: str, operand: Any, database: str) -> tuple[str, str] | None:
    """Return the other collection of one of the JOINS, named alone or with its database; None if it names none."""
    source = operand.get(JOINS[stage]) if type(operand) is dict else operand
    if type(source) is dict:
        database, source = source.get("db", database), source.get("coll")
    elif type(operand) is dict:
        database = operand.get("db", database)
    return (database, source) if type(database) is str and type(source) is str else None
