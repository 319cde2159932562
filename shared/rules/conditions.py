"""Expressions as they are compiled: comparisons, and what joins them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.rules.comparisons import SWAPPED, Operator, Translate
from shared.rules.expressions import Context, Expression, Operand, UnsupportedFunctionError, always, names_of
from shared.rules.translations import EVERYTHING, NOTHING, UNKNOWN, Translation, all_of, any_of, negation
from shared.rules.values import MISSING, Predicate, is_exact


class All:
    """Every one of several holds."""

    constant: bool | None = None

    def __init__(self, parts: Sequence[Expression]) -> None:
        self.parts = parts
        self.names = names_of(parts)

    def holds(self, context: Context) -> bool:
        return _every(self.parts, context)

    def bound(self, context: Context) -> Predicate:
        predicates = [part.bound(context) for part in self.parts]
        return lambda document: all(holds(document) for holds in predicates)

    def query(self, context: Context) -> Translation:
        return all_of([part.query(context) for part in self.parts])


class AnyOf:
    """At least one of several holds."""

    constant: bool | None = None

    def __init__(self, parts: Sequence[Expression]) -> None:
        self.parts = parts
        self.names = names_of(parts)

    def holds(self, context: Context) -> bool:
        unsupported: UnsupportedFunctionError | None = None
        for part in self.parts:
            try:
                if part.holds(context):
                    return True
            except UnsupportedFunctionError as error:
                unsupported = error
        if unsupported:
            raise unsupported
        return False

    def bound(self, context: Context) -> Predicate:
        predicates = [part.bound(context) for part in self.parts]
        return lambda document: any(holds(document) for holds in predicates)

    def query(self, context: Context) -> Translation:
        return any_of([part.query(context) for part in self.parts])


class Not:
    """One does not hold."""

    constant: bool | None = None

    def __init__(self, part: Expression) -> None:
        self.part = part
        self.names = part.names

    def holds(self, context: Context) -> bool:
        return not self.part.holds(context)

    def bound(self, context: Context) -> Predicate:
        holds = self.part.bound(context)
        return lambda document: not holds(document)

    def query(self, context: Context) -> Translation:
        return negation(self.part.query(context))


class Function:
    """A call of a function of the app."""

    constant: bool | None = None
    names: frozenset[str] | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def holds(self, context: Context) -> bool:  # noqa: ARG002
        raise UnsupportedFunctionError(self.name)

    def bound(self, context: Context) -> Predicate:  # noqa: ARG002
        raise UnsupportedFunctionError(self.name)

    def query(self, context: Context) -> Translation:  # noqa: ARG002
        return UNKNOWN


class Comparison:
    """An operand and a value of any kind, compared: equal, in, before, after."""

    constant: bool | None = None

    def __init__(self, key: Operand, value: Operand, operator: Operator) -> None:
        self.key = key
        self.value = value
        self.test, self.translate, self._bound_to = operator
        self.names = _names_of_operands(key, value)

    def holds(self, context: Context) -> bool:
        return self.test(self.key.get(context), self.value.get(context))

    def bound(self, context: Context) -> Predicate:
        if self.key.is_known and self.value.is_known:
            return always(self.holds(context))
        name, test = self.key.field, self.test
        if name is not None and self.value.is_known:
            return self._bound_to(name, self.value.get(context))
        key, value = _reader(self.key, context), _reader(self.value, context)
        return lambda document: test(key(document), value(document))

    def query(self, context: Context) -> Translation:
        if self.key.is_known and self.value.is_known:
            return EVERYTHING if self.holds(context) else NOTHING
        if self.key.field is not None and self.value.is_known:
            return self._translated(self.key.field, self.value.get(context), self.translate)
        if self.key.is_known and self.value.field is not None and self.test in SWAPPED:
            return self._translated(self.value.field, self.key.get(context), SWAPPED[self.test])
        return UNKNOWN

    @staticmethod
    def _translated(field: str, value: Any, translate: Translate) -> Translation:
        if value is MISSING:
            return NOTHING
        is_plain = all(part and not part.startswith("$") for part in field.split("."))
        return translate(field, value) if is_plain else UNKNOWN


class Exists:
    """Whether an operand leads to a value."""

    constant: bool | None = None

    def __init__(self, key: Operand) -> None:
        self.key = key
        self.names = _names_of_operands(key)

    def holds(self, context: Context) -> bool:
        return self.key.get(context) is not MISSING

    def bound(self, context: Context) -> Predicate:
        name = self.key.field
        return always(self.holds(context)) if self.key.is_known else lambda document: name in document

    def query(self, context: Context) -> Translation:
        if self.key.is_known:
            return EVERYTHING if self.holds(context) else NOTHING
        if self.key.field is None or not all(part and part[0] != "$" for part in self.key.field.split(".")):
            return UNKNOWN
        return Translation({self.key.field: {"$exists": True}}, exact=True)


def _names_of_operands(*operands: Operand) -> frozenset[str] | None:
    fields = [each.field for each in operands if not each.is_known]
    names = {field for field in fields if field is not None and "." not in field and is_exact(field)}
    return frozenset(names) if names.issuperset(fields) else None


def _reader(operand: Operand, context: Context) -> Callable[[Mapping[str, Any]], Any]:
    known, name = operand.get(context) if operand.is_known else MISSING, operand.field
    return (lambda _document: known) if name is None else lambda document: document.get(name, MISSING)


def _every(parts: Sequence[Expression], context: Context) -> bool:
    unsupported: UnsupportedFunctionError | None = None
    for part in parts:
        try:
            if not part.holds(context):
                return False
        except UnsupportedFunctionError as error:
            unsupported = error
    if unsupported:
        raise unsupported
    return True
