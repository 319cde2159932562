"""The keywords of schemas that hold no schemas themselves, compiled to checks."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bson.code import Code
from bson.decimal128 import Decimal128

from shared.rules.compiler.types import is_number
from shared.rules.report import Report
from shared.rules.schema import Check, Failure, Place, Run
from shared.rules.values import comparable, equal, identity

if TYPE_CHECKING:
    from regex import Pattern

type Maker = Callable[[Any, Mapping[str, Any], Report], Check]
"""Makes the check of a keyword from its value and the schema around it."""


def nothing(_place: Place, _given: Run) -> Iterator[Failure]:
    """Find no failure: the check of what a mistake in the schema leaves."""
    return iter(())


def _test(sentence: str, is_right: Callable[[Any], bool]) -> Check:
    def run(place: Place, _given: Run) -> Iterator[Failure]:
        if not is_right(place.value):
            yield Failure(place.path, sentence)

    return run


def required(names: list[str], source: Mapping[str, Any], _report: Report) -> Check:
    """Return the check that members are there, and not null unless their own schemas allow it."""
    properties = mapping(source.get("properties"))
    may_be_null = {name for name in names if _allows_null(properties.get(name))}

    def run(place: Place, _given: Run) -> Iterator[Failure]:
        if not isinstance(place.value, Mapping):
            return
        for name in names:
            path = (*place.path, name)
            if name not in place.value:
                yield Failure(path, "is required")
            elif place.value[name] is None and name not in may_be_null:
                yield Failure(path, "is required and must not be null")

    return run


def _allows_null(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return True
    kinds = schema.get("bsonType", schema.get("type"))
    return kinds is None or bool({"null", "mixed"} & set(kinds if isinstance(kinds, list) else [kinds]))


def _enum(values: list[Any], _source: Mapping[str, Any], _report: Report) -> Check:
    return _test(
        "is not one of the values that the schema lists", lambda value: any(equal(value, each) for each in values)
    )


def _length(kind: Any, order: str, noun: str) -> Maker:
    def make(limit: Any, _source: Mapping[str, Any], _report: Report) -> Check:
        number = int(limit)

        def is_right(value: Any) -> bool:
            if not isinstance(value, kind) or type(value) is Code:
                return True
            size = len(value)
            return size >= number if order == "least" else size <= number

        return _test(f"must have at {order} {number} {noun}", is_right)

    return make


def _bound(is_lower: bool) -> Maker:
    exclusive_name = "exclusiveMinimum" if is_lower else "exclusiveMaximum"

    def make(limit: Any, source: Mapping[str, Any], _report: Report) -> Check:
        bound = comparable(limit)
        is_exclusive = source.get(exclusive_name) is True

        def is_right(value: Any) -> bool:
            if not is_number(value) or (number := comparable(value)) is None:
                return not is_number(value)
            if number == bound:
                return not is_exclusive
            return bool(number > bound) is is_lower

        order = "at least" if is_lower else "at most"
        if is_exclusive:
            order = "more than" if is_lower else "less than"
        return _test(f"must be {order} {limit}", is_right)

    return make


def _exclusive(limit_name: str) -> Maker:
    def make(_value: Any, source: Mapping[str, Any], report: Report) -> Check:
        if limit_name not in source:
            report.problem(f"this needs '{limit_name}' beside it")
        return nothing

    return make


def _multiple_of(divisor: Any, _source: Mapping[str, Any], _report: Report) -> Check:
    unit = _exact(divisor)

    def is_right(value: Any) -> bool:
        if not is_number(value):
            return True
        number = _exact(value)
        try:
            return number.is_finite() and number % unit == 0
        except InvalidOperation:  # the quotient has more digits than a decimal may have
            return False

    return _test(f"must be a multiple of {divisor}", is_right)


def _exact(number: Any) -> Decimal:
    return (
        number.to_decimal()
        if type(number) is Decimal128
        else Decimal(repr(number) if type(number) is float else int(number))
    )


def _unique(value: bool, _source: Mapping[str, Any], _report: Report) -> Check:
    return _test(
        "must not hold an element twice", lambda given: not value or not isinstance(given, list) or _is_unique(given)
    )


def _is_unique(elements: list[Any]) -> bool:
    identities = [found for element in elements if (found := identity(element)) is not None]
    return len(set(identities)) == len(identities)


def _matches(pattern: str, _source: Mapping[str, Any], report: Report) -> Check:
    compiled = compile_pattern(pattern, report)
    if compiled is None:
        return nothing

    def run(place: Place, validation: Run) -> Iterator[Failure]:
        if type(place.value) is str and not validation.patterns.finds(compiled, place.value):
            yield Failure(place.path, "does not match the schema's pattern")

    return run


def compile_pattern(source: str, report: Report) -> "Pattern[str] | None":
    import regex  # noqa: PLC0415  only an app whose schemas have patterns pays for it

    try:
        return regex.compile(source)
    except (regex.error, RecursionError, OverflowError) as error:
        report.problem(f"the pattern is not a regular expression: {error}")
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_count(value: Any) -> bool:
    return is_number(value) and (number := comparable(value)) is not None and number >= 0 and number == int(number)


def is_names(value: Any) -> bool:
    """Tell whether a value is an array of names."""
    return isinstance(value, list) and all(type(each) is str for each in value)


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_finite(value: Any) -> bool:
    return is_number(value) and comparable(value) is not None


def _is_divisor(value: Any) -> bool:
    return _is_finite(value) and comparable(value) > 0 and _exact(value).is_finite()


_COUNT = "a whole number of at least 0"
KEYWORDS: dict[str, tuple[Maker, Callable[[Any], bool], str]] = {
    "enum": (_enum, lambda value: isinstance(value, list) and bool(value), "an array of values"),
    "required": (required, is_names, "an array of names"),
    "minProperties": (_length(Mapping, "least", "properties"), _is_count, _COUNT),
    "maxProperties": (_length(Mapping, "most", "properties"), _is_count, _COUNT),
    "minItems": (_length(list, "least", "elements"), _is_count, _COUNT),
    "maxItems": (_length(list, "most", "elements"), _is_count, _COUNT),
    "minLength": (_length(str, "least", "characters"), _is_count, _COUNT),
    "maxLength": (_length(str, "most", "characters"), _is_count, _COUNT),
    "uniqueItems": (_unique, _is_flag, "true or false"),
    "multipleOf": (_multiple_of, _is_divisor, "a number above 0"),
    "minimum": (_bound(is_lower=True), _is_finite, "a number"),
    "maximum": (_bound(is_lower=False), _is_finite, "a number"),
    "exclusiveMinimum": (_exclusive("minimum"), _is_flag, "true or false"),
    "exclusiveMaximum": (_exclusive("maximum"), _is_flag, "true or false"),
    "pattern": (_matches, lambda value: type(value) is str, "a text"),
}
