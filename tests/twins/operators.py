"""A few of MongoDB's update operators, at a name or a dotted path through documents."""

from typing import Any

from bson.decimal128 import Decimal128

from tests.twins.plain import NOTHING, Document, number


class Refused(Exception):  # noqa: N818  no mistake: an outcome
    """The whole call is refused, and nothing is changed."""


def apply(document: Document, operator: str, path: list[str], operand: Any) -> None:
    """Change a document as MongoDB does; raise Refused where it would."""
    *parents, name = path
    for part in parents:
        if operator == "$unset" and not isinstance(document.get(part), dict):
            return
        document = document.setdefault(part, {})
        if not isinstance(document, dict):
            raise Refused
    if operator == "$unset":
        document.pop(name, None)
    elif operator == "$inc":
        document[name] = _sum(document.get(name, NOTHING), operand)
    elif operator == "$push":
        if not isinstance(document.setdefault(name, []), list):
            raise Refused
        document[name] = [*document[name], operand]
    else:
        document[name] = operand


def _sum(old: Any, operand: Any) -> Any:
    if old is NOTHING:
        return operand
    is_number = isinstance(old, int | float | Decimal128) and not isinstance(old, bool)
    if not is_number:
        raise Refused
    if number(old) is None:
        return old
    if isinstance(old, Decimal128):
        return Decimal128(old.to_decimal() + operand)
    return type(old)(old + operand)
