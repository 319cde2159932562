"""Expressions as they are compiled: comparisons, and what joins them."""

from collections.abc import Callable, Sequence
from typing import Any

from shared.rules.comparisons import SWAPPED, Operator, Translate
from shared.rules.expressions import Context, Expression, NoAnswerError, Operand, Predicate, always, names_of
from shared.rules.translations import EVERYTHING, NOTHING, UNANSWERED, UNKNOWN, Translation, all_of, any_of, negation
from shared.rules.values import MISSING, is_exact


class _Joined:
    """Several expressions; no function decides what another part decides, and none is asked that is not needed."""

    constant: bool | None = None
    deciding: bool
    """The answer of one part that is that of the whole."""

    def __init__(self, parts: Sequence[Expression]) -> None:
        self.parts = parts
        self.names = names_of(parts)
        self.asks_function = any(part.asks_function for part in parts)
        self._in_order = sorted(parts, key=lambda part: part.asks_function)
        """Those that ask no function first."""

    def bound(self, context: Context) -> Predicate:
        predicates, deciding = [part.bound(context) for part in self._in_order], self.deciding
        if self.asks_function:
            return lambda context: _decided(predicates, context, deciding=deciding)
        if deciding:
            return lambda context: any(holds(context) for holds in predicates)
        return lambda context: all(holds(context) for holds in predicates)

    def _queries(self, context: Context, deciding: Translation) -> list[Translation]:
        """Return the queries of the parts, up to one that decides."""
        found: list[Translation] = []
        for part in self._in_order:
            found.append(part.query(context))
            if found[-1] == deciding:
                break
        return found


class All(_Joined):
    """Every one of several holds."""

    deciding = False

    def query(self, context: Context) -> Translation:
        return all_of(self._queries(context, NOTHING))


class AnyOf(_Joined):
    """At least one of several holds."""

    deciding = True

    def query(self, context: Context) -> Translation:
        return any_of(self._queries(context, EVERYTHING))


class Not:
    """One does not hold."""

    constant: bool | None = None

    def __init__(self, part: Expression) -> None:
        self.part = part
        self.names = part.names
        self.asks_function = part.asks_function

    def bound(self, context: Context) -> Predicate:
        holds = self.part.bound(context)
        return lambda context: not holds(context)

    def query(self, context: Context) -> Translation:
        return negation(self.part.query(context))


class Function:
    """What a function of the app answers, which is true or false, and anything else is no answer."""

    constant: bool | None = None
    names: frozenset[str] | None = None
    asks_function = True

    def __init__(self, answer: Operand) -> None:
        self._answer = answer
        self.called = answer.called

    def bound(self, context: Context) -> Predicate:  # noqa: ARG002
        return self._holds

    def _holds(self, context: Context) -> bool:
        answer = self._answer.get(context)
        if type(answer) is bool:
            return answer
        raise no_answer(context, self.called[-1].name, "it returned neither true nor false")

    def query(self, context: Context) -> Translation:
        if not self._answer.is_known:
            return UNKNOWN
        try:
            return EVERYTHING if self._holds(context) else NOTHING
        except NoAnswerError:
            return UNANSWERED


def no_answer(context: Context, name: str, reason: str) -> NoAnswerError:
    """Return the error for a function that has no answer."""
    return NoAnswerError(name) if context.answers is None else context.answers.odd(name, reason)


class Comparison:
    """An operand and a value of any kind, compared: equal, in, before, after."""

    constant: bool | None = None

    def __init__(self, key: Operand, value: Operand, operator: Operator) -> None:
        self.key = key
        self.value = value
        self.test, self.translate, self._against = operator
        self.called = value.called
        self.asks_function = bool(value.called)
        self.names = None if value.called else _names_of_operands(key, value)

    def bound(self, context: Context) -> Predicate:
        test, key, value = self.test, self.key.get, self.value.get
        if self.asks_function:
            return lambda context: test(key(context), value(context))
        if not self.value.is_known:
            if self._against is not None and self.key.is_of_field and not self.value.is_of_field:
                return self._asked_by_fields(self._against)
            return lambda context: test(key(context), value(context))
        known = value(context)
        if self.key.is_known:
            return always(test(key(context), known))
        if self._against is None:
            return lambda context: test(key(context), known)
        holds = self._against(known)
        return lambda context: holds(key(context))

    def _asked_by_fields(self, against: Callable[[Any], Callable[[Any], bool]]) -> Predicate:
        """Return the test of fields against what is in the document, which is prepared once for each document."""
        key, value = self.key.get, self.value.get

        def holds(context: Context) -> bool:
            prepared = context.memo.get(self)
            if prepared is None:
                prepared = context.memo[self] = against(value(context))
            return bool(prepared(key(context)))

        return holds

    def query(self, context: Context) -> Translation:
        try:
            return self._query(context)
        except NoAnswerError:
            return UNANSWERED

    def _query(self, context: Context) -> Translation:
        if self.key.is_known and self.value.is_known:
            return EVERYTHING if self.test(self.key.get(context), self.value.get(context)) else NOTHING
        if self.key.field is not None and self.value.is_known:
            return self._translated(self.key.field, self.value.get(context), self.translate)
        if self.key.is_known and self.value.field is not None and self.test in SWAPPED:
            return self._translated(self.value.field, self.key.get(context), SWAPPED[self.test])
        return UNKNOWN

    @staticmethod
    def _translated(field: str, value: Any, translate: Translate) -> Translation:
        if value is MISSING:
            return NOTHING
        return translate(field, value) if _is_path(field) else UNKNOWN


class Exists:
    """Whether an operand leads to a value."""

    constant: bool | None = None
    asks_function = False

    def __init__(self, key: Operand) -> None:
        self.key = key
        self.names = _names_of_operands(key)

    def bound(self, context: Context) -> Predicate:
        key = self.key.get
        return always(key(context) is not MISSING) if self.key.is_known else lambda context: key(context) is not MISSING

    def query(self, context: Context) -> Translation:
        if self.key.is_known:
            return EVERYTHING if self.key.get(context) is not MISSING else NOTHING
        if self.key.field is None or not _is_path(self.key.field):
            return UNKNOWN
        return Translation({self.key.field: {"$exists": True}}, exact=True)


def _is_path(field: str) -> bool:
    """Tell whether a query can name a field, and leads to what a rule does."""
    return all(part and not part.startswith("$") for part in field.split("."))


def _names_of_operands(*operands: Operand) -> frozenset[str] | None:
    fields = [each.field for each in operands if not each.is_known]
    names = {field for field in fields if field is not None and "." not in field and is_exact(field)}
    return frozenset(names) if names.issuperset(fields) else None


def _decided(parts: Sequence[Predicate], context: Context, *, deciding: bool) -> bool:
    unanswered: NoAnswerError | None = None
    for holds in parts:
        try:
            if holds(context) is deciding:
                return deciding
        except NoAnswerError as error:
            unanswered = error
    if unanswered:
        raise unanswered
    return not deciding
