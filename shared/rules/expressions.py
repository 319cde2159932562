"""Rule expressions, compiled to objects that are true or false for a Context, and to queries that MongoDB can run.

A query may find more than the expression holds for, never less: `exact` says whether it finds just that. Whoever asks
MongoDB with it checks every document again, or insists on an exact one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from bson.code import Code

from shared.rules.operands import CONVERTERS, Constants, Context, Operand, Scope, compile_key, compile_value, literal
from shared.rules.report import Report
from shared.rules.translations import (
    EVERYTHING,
    NOTHING,
    UNKNOWN,
    Translate,
    Translation,
    all_of,
    any_of,
    element_query,
    equals_query,
    in_query,
    negation,
    order_query,
)
from shared.rules.values import (
    MISSING,
    REFERENCE,
    Many,
    Order,
    contains,
    is_exact,
    matches,
    matching,
    ordered,
    ordering,
)

_DEEPEST = 100


class UnsupportedFunctionError(Exception):
    """An expression asks a function of the app, which Dozen cannot run: what depends on it is denied."""


type Test = Callable[[Any, Any], bool]
type Predicate = Callable[[Mapping[str, Any]], bool]
"""An expression bound to one call: whether it holds for a document, of which only some fields have to be there."""


class Expression(Protocol):
    """A compiled expression."""

    constant: bool | None
    """Its value if that is the same for every caller and document."""

    names: frozenset[str] | None
    """The top-level fields that the answer depends on; None if on more of the document, or on a function."""

    def holds(self, context: Context) -> bool:
        """Raise UnsupportedFunctionError if the answer depends on a function."""

    def bound(self, context: Context) -> Predicate:
        """Return it as it counts for one call, to be asked about documents; only if `names` are known."""

    def query(self, context: Context) -> Translation:
        """Translate it for documents that are read: `%%root` is the stored one, and `%%prevRoot` the same."""


class Constant:
    """true, false, and `{}`, which is true."""

    names: frozenset[str] | None = frozenset()

    def __init__(self, value: bool) -> None:
        self.constant: bool | None = value
        self._translation = EVERYTHING if value else NOTHING

    def holds(self, context: Context) -> bool:  # noqa: ARG002
        return bool(self.constant)

    def bound(self, context: Context) -> Predicate:  # noqa: ARG002
        return _always(bool(self.constant))

    def query(self, context: Context) -> Translation:  # noqa: ARG002
        return self._translation


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

    def __init__(self, key: Operand, value: Operand, operator: "_Operator") -> None:
        self.key = key
        self.value = value
        self.test, self.translate, self._bound_to = operator
        self.names = _names_of_operands(key, value)

    def holds(self, context: Context) -> bool:
        return self.test(self.key.get(context), self.value.get(context))

    def bound(self, context: Context) -> Predicate:
        if self.key.is_known and self.value.is_known:
            return _always(self.holds(context))
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
        if self.key.is_known and self.value.field is not None and self.test in _SWAPPED:
            return self._translated(self.value.field, self.key.get(context), _SWAPPED[self.test])
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
        return _always(self.holds(context)) if self.key.is_known else lambda document: name in document

    def query(self, context: Context) -> Translation:
        if self.key.is_known:
            return EVERYTHING if self.holds(context) else NOTHING
        if self.key.field is None or not all(part and part[0] != "$" for part in self.key.field.split(".")):
            return UNKNOWN
        return Translation({self.key.field: {"$exists": True}}, exact=True)


class Named(Protocol):
    """What depends on top-level fields alone, or not."""

    @property
    def names(self) -> frozenset[str] | None:
        """The fields, None if it depends on more."""


def names_of(parts: Iterable[Named | None]) -> frozenset[str] | None:
    """Return the top-level fields that these depend on together, None if on more; None among them is none."""
    names: frozenset[str] = frozenset()
    for each in parts:
        if each is not None:
            if each.names is None:
                return None
            names |= each.names
    return names


def compile_expression(source: Any, scope: Scope, constants: Constants, report: Report) -> Expression:
    """Compile an expression: true, false, an expansion, or an object; what it cannot be is a problem in the report."""
    return _Compiler(scope, constants).expression(source, report, 0)


def _names_of_operands(*operands: Operand) -> frozenset[str] | None:
    fields = [each.field for each in operands if not each.is_known]
    names = {field for field in fields if field is not None and "." not in field and is_exact(field)}
    return frozenset(names) if names.issuperset(fields) else None


def _reader(operand: Operand, context: Context) -> Callable[[Mapping[str, Any]], Any]:
    known, name = operand.get(context) if operand.is_known else MISSING, operand.field
    return (lambda _document: known) if name is None else lambda document: document.get(name, MISSING)


def _always(value: bool) -> Predicate:
    return lambda _document: value


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


def _is_in(key: Any, operand: Any) -> bool:
    if type(operand) is Many:
        return any(contains(each, key) for each in operand) or contains(list(operand), key)
    return contains(operand, key)


def _among(name: str, operand: Any) -> Predicate:
    return lambda document: _is_in(document.get(name, MISSING), operand)


class _Operator(NamedTuple):
    """How a key is compared with a value, in one document, in a query, and as a field of many documents."""

    test: Test
    translate: Translate
    bound_to: Callable[[str, Any], Predicate]


def _order(order: Order) -> _Operator:
    return _Operator(
        lambda key, value: ordered(key, order, value),
        order_query(order),
        lambda name, value: ordering(name, order, value),
    )


_SWAPPED: dict[Test, Translate] = {
    matches: equals_query,
    _is_in: element_query,
}
_ORDERS: tuple[Order, ...] = ("gt", "gte", "lt", "lte")
_TESTS: dict[str, _Operator] = {
    "eq": _Operator(matches, equals_query, matching),
    "in": _Operator(_is_in, in_query, _among),
    **{order: _order(order) for order in _ORDERS},
}
_NEGATED = {"ne": "eq", "neq": "eq", "nin": "in"}
_LISTS = frozenset({"and", "or", "nor"})
_FIELD_OPERATORS = frozenset(_TESTS) | frozenset(_NEGATED) | {"exists"}
_OPERATORS = _FIELD_OPERATORS | _LISTS | {"not", "function"}


def _operator(key: str) -> str | None:
    """Return an operator's name without its prefix; expansions start with %% and are none."""
    return key[1:] if key[:1] in {"%", "$"} and key[:2] != "%%" else None


class _Compiler:
    """Compiles the expressions of one place."""

    def __init__(self, scope: Scope, constants: Constants) -> None:
        self.scope = scope
        self.constants = constants

    def expression(self, source: Any, report: Report, depth: int) -> Expression:
        if type(source) is bool:
            return Constant(source)
        if isinstance(source, str) and not isinstance(source, Code) and source.startswith("%%"):
            return self._compared("eq", self._key(source, report), True, report)
        if not isinstance(source, dict):
            report.problem("an expression must be true, false or an object")
            return Constant(False)
        if depth > _DEEPEST:
            report.problem(f"the expression is nested more than {_DEEPEST} levels deep")
            return Constant(False)
        parts = [self._member(key, value, report.at(key), depth + 1) for key, value in source.items()]
        return _joined(All, parts)

    def _member(self, key: str, value: Any, report: Report, depth: int) -> Expression:
        name = _operator(key)
        if name is None:
            return self._under_key(key, value, report, depth)
        if name in _LISTS:
            return self._list(name, value, report, lambda each, at: self.expression(each, at, depth))
        if name == "not":
            return _negated(self.expression(value, report, depth))
        if name == "function":
            return self._function(value, report)
        report.problem(f"'{key}' is not an operator that can stand here")
        return Constant(False)

    def _under_key(self, key: str, value: Any, report: Report, depth: int) -> Expression:
        is_assertion = key in {"%%true", "%%false"}
        if is_assertion and isinstance(value, dict) and not _is_field_form(value):
            inner = self.expression(value, report, depth)
            return inner if key == "%%true" else _negated(inner)
        return self._field(self._key(key, report), value, report, depth)

    def _key(self, key: str, report: Report) -> Operand:
        return compile_key(key, self.scope, self.constants, report)

    def _field(self, key: Operand, value: Any, report: Report, depth: int) -> Expression:
        """Compile what a key is compared with: a value, or an object of operators that all apply to it."""
        if depth > _DEEPEST:
            report.problem(f"the expression is nested more than {_DEEPEST} levels deep")
            return Constant(False)
        if not isinstance(value, dict) or not value or not any(_is_operator_of_field(name) for name in value):
            return self._compared("eq", key, value, report)
        parts = [self._applied(key, name, operand, report.at(name), depth + 1) for name, operand in value.items()]
        return _joined(All, parts)

    def _applied(self, key: Operand, written: str, operand: Any, report: Report, depth: int) -> Expression:
        name = _operator(written)
        if name in _LISTS:
            return self._list(name, operand, report, lambda each, at: self._field(key, each, at, depth))
        if name == "not":
            return _negated(self._field(key, operand, report, depth))
        if name == "exists":
            if operand not in (True, False, "%%true", "%%false"):
                report.problem("'exists' takes true or false")
            found: Expression = Exists(key)
            return found if operand in (True, "%%true") else _negated(found)
        if name in _TESTS:
            return self._compared(name, key, operand, report)
        if name in _NEGATED:
            return _negated(self._compared(_NEGATED[name], key, operand, report))
        report.problem(f"'{written}' is not an operator that can stand here")
        return Constant(False)

    def _compared(self, name: str, key: Operand, operand: Any, report: Report) -> Expression:
        value = literal(operand) if type(operand) is bool else self._value(operand, report)
        if name == "in" and not isinstance(operand, list | str):
            report.problem("'in' takes an array, or an expansion to one")
        return Comparison(key, value, _TESTS[name])

    def _value(self, source: Any, report: Report) -> Operand:
        if isinstance(source, dict):
            for name in source:
                if (found := _operator(name)) is not None and found not in CONVERTERS and name[0] == "%":
                    report.problem(f"'{name}' is not an operator that can stand here")
                if found == "function":
                    return literal(MISSING)
        return compile_value(source, self.scope, self.constants, report)

    def _list(
        self, name: str, operand: Any, report: Report, compile_one: Callable[[Any, Report], Expression]
    ) -> Expression:
        if not isinstance(operand, list):
            report.problem(f"'{name}' takes an array of expressions")
            return Constant(False)
        parts = [compile_one(each, report.at(position)) for position, each in enumerate(operand)]
        if name == "and":
            return _joined(All, parts)
        found = _joined(AnyOf, parts)
        return found if name == "or" else _negated(found)

    def _function(self, operand: Any, report: Report) -> Expression:
        name = operand.get("name") if isinstance(operand, dict) else None
        if not isinstance(name, str):
            report.problem("'function' takes an object with the function's name and its arguments")
        report.unsupported(f"function '{name}': JavaScript cannot run, so what depends on its answer is denied")
        return Function(str(name))


def _is_operator_of_field(name: str) -> bool:
    found = _operator(name)
    return found is not None and found not in CONVERTERS and name not in REFERENCE


def _is_field_form(value: dict[str, Any]) -> bool:
    return any(_operator(name) in _FIELD_OPERATORS for name in value)


def _joined(kind: type[All | AnyOf], parts: Sequence[Expression]) -> Expression:
    """Join expressions; constants among them decide, or fall away."""
    deciding = kind is AnyOf
    if any(part.constant is deciding for part in parts):
        return Constant(deciding)
    rest = [part for part in parts if part.constant is None]
    if not rest:
        return Constant(not deciding)
    return rest[0] if len(rest) == 1 else kind(rest)


def _negated(part: Expression) -> Expression:
    return Not(part) if part.constant is None else Constant(not part.constant)
