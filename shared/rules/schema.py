"""Schemas of an exported app, a dialect of JSON Schema draft 4 with BSON types, compiled once for many documents."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from shared.rules.expressions import Constant, compile_expression
from shared.rules.fields import holds
from shared.rules.operands import Constants, Context, Expansions, Scope
from shared.rules.report import Report
from shared.rules.values import MISSING, comparable, equal

if TYPE_CHECKING:
    from regex import Pattern

_DEEPEST = 100
_MOST_FAILURES = 20
_PATTERN_SECONDS = 0.1  # a pattern may take time that grows fast with the text it is asked about; a caller chooses that
_UUID_SUBTYPE = 4


class Failure(NamedTuple):
    """Where a document fails, and what was expected there; never what stands there."""

    path: str
    sentence: str


class Place(NamedTuple):
    """A value of a document, where it is, and the value at the same place before."""

    path: str
    value: Any
    previous: Any

    def member(self, name: str) -> "Place":
        """Return the place of a member of a document."""
        path = f"{self.path}.{name}" if self.path else name
        return Place(path, _plain(self.value[name]), _get(self.previous, name))

    def element(self, position: int) -> "Place":
        """Return the place of an element of an array."""
        is_there = isinstance(self.previous, list) and position < len(self.previous)
        previous = self.previous[position] if is_there else MISSING
        return Place(f"{self.path}[{position}]", _plain(self.value[position]), previous)


class Run(NamedTuple):
    """What one validation needs beside the document."""

    context: Context
    null_allowed: bool


type Check = Callable[[Place, Run], Iterator[Failure]]


class Schema:
    """A compiled schema."""

    def __init__(self, check: Check) -> None:
        """Keep the check of the whole document."""
        self._check = check

    def failures(
        self,
        document: Mapping[str, Any],
        previous: Mapping[str, Any] | None,
        expansions: Expansions,
        *,
        null_allowed: bool = False,
    ) -> list[str]:
        """Return what keeps a document from following the schema, none if it does; `previous` is the stored one."""
        place = Place("", document, MISSING if previous is None else previous)
        run = Run(expansions.context(place.value, place.previous), null_allowed)
        found: list[str] = []
        for failure in self._check(place, run):
            found.append(f"{failure.path or '(root)'}: {failure.sentence}")
            if len(found) == _MOST_FAILURES:
                break
        return found


def compile_schema(source: Mapping[str, Any], constants: Constants, report: Report) -> Schema | None:
    """Compile a schema; an empty one is none. What is wrong with it goes into the report."""
    if not source:
        return None
    compiler = _Compiler(constants)
    types = source.get("bsonType", source.get("type", "object"))
    if types not in ("object", ["object"]):
        report.problem("the root of a schema must be of type object")
    return Schema(compiler.check(source, report, 0, is_root=True))


_INTEGERS = (int, Int64)
_NUMBERS = (int, Int64, float, Decimal128)


def _is_number(value: Any) -> bool:
    return type(value) in _NUMBERS


def _is_uuid(value: Any) -> bool:
    return type(value) is Binary and value.subtype == _UUID_SUBTYPE


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping | DBRef)


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


_BSON_TYPES: dict[str, Callable[[Any], bool]] = {
    "double": _of(float),
    "string": _of(str),
    "object": _is_object,
    "array": lambda value: isinstance(value, list),
    "binData": lambda value: type(value) in (bytes, Binary) and not _is_uuid(value),
    "uuid": _is_uuid,
    "undefined": _of(type(None)),
    "objectId": _of(ObjectId),
    "bool": _of(bool),
    "date": lambda value: type(value) is DatetimeMS or hasattr(value, "isoformat"),
    "null": _of(type(None)),
    "regex": _of(Regex),
    "javascript": _of(Code),
    "javascriptWithScope": _of(Code),
    "symbol": _of(str),
    "int": _of(int),
    "timestamp": _of(Timestamp),
    "long": _of(Int64),
    "decimal": _of(Decimal128),
    "minKey": _of(MinKey),
    "maxKey": _of(MaxKey),
    "number": _is_number,
    "mixed": lambda _value: True,
}
_JSON_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": _is_object,
    "array": _BSON_TYPES["array"],
    "number": _is_number,
    "boolean": _of(bool),
    "string": _of(str),
    "null": _of(type(None)),
    "integer": lambda value: type(value) in _INTEGERS or (type(value) is float and value.is_integer()),
}


class _Compiler:
    """Compiles the members of schemas to checks."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants

    def check(self, source: Any, report: Report, depth: int, *, is_root: bool = False) -> Check:
        """Return the check of a value against a schema."""
        if not isinstance(source, Mapping):
            report.problem("a schema is an object")
            return _nothing
        if depth > _DEEPEST:
            report.problem(f"the schema is nested more than {_DEEPEST} levels deep")
            return _nothing
        kinds = self._types(source, report)
        checks = [
            made
            for name, value in source.items()
            if (made := self._member(name, value, source, report.at(name), depth)) is not None
        ]

        def run(place: Place, given: Run) -> Iterator[Failure]:
            if kinds is not None and not kinds.accepts(place.value):
                if not (place.value is None and given.null_allowed and not is_root):
                    yield Failure(place.path, kinds.sentence)
                return
            for each in checks:
                yield from each(place, given)

        return run

    def _types(self, source: Mapping[str, Any], report: Report) -> "_Types | None":
        for member, known in (("bsonType", _BSON_TYPES), ("type", _JSON_TYPES)):
            given = source.get(member)
            if given is None:
                continue
            names = given if isinstance(given, list) else [given]
            for name in names:
                if not isinstance(name, str) or name not in known:
                    report.at(member).problem(f"a {member} is one of {', '.join(known)}")
                    return None
            return _Types([known[name] for name in names], f"expected {member} {' or '.join(names)}")
        return None

    def _member(self, name: str, value: Any, source: Mapping[str, Any], report: Report, depth: int) -> Check | None:
        if name in _IGNORED:
            return None
        if name in _SCHEMAS:
            return self._nested(name, value, source, report, depth)
        if name == "validate":
            return self._validate(value, report)
        if name in _PLAIN:
            make, is_right, kind = _PLAIN[name]
            if not is_right(value):
                report.problem(f"'{name}' must be {kind}")
                return None
            return make(value, source, report)
        report.warning(f"'{name}' means nothing in a schema")
        return None

    def _validate(self, value: Any, report: Report) -> Check | None:
        expression = compile_expression(value, Scope.FIELD, self.constants, report)
        if isinstance(expression, Constant) and expression.constant:
            return None

        def run(place: Place, given: Run) -> Iterator[Failure]:
            given.context.this, given.context.prev = place.value, place.previous
            if not holds(expression, given.context):
                yield Failure(place.path, "'validate' is not true")

        return run

    def _nested(self, name: str, value: Any, source: Mapping[str, Any], report: Report, depth: int) -> Check | None:
        if name == "items":
            return self._items(value, source, report, depth)
        if name == "dependencies":
            return self._dependencies(value, report, depth)
        if name == "additionalItems" or name != next((each for each in _PROPERTIES if each in source), name):
            return None  # goes with items, or with the first of its kind
        if name == "additionalProperties":
            return self._properties(source, report, depth)
        if not isinstance(value, Mapping):
            report.problem(f"'{name}' must be an object")
            return None
        return self._properties(source, report, depth)

    def _properties(self, source: Mapping[str, Any], report: Report, depth: int) -> Check:
        at = Report(report.findings, report.path.rpartition(".")[0])
        named = {
            name: self.check(each, at.at("properties", name), depth + 1)
            for name, each in _mapping(source.get("properties")).items()
        }
        patterns = [
            (pattern, self.check(each, at.at("patternProperties", name), depth + 1))
            for name, each in _mapping(source.get("patternProperties")).items()
            if (pattern := _pattern(name, at.at("patternProperties", name))) is not None
        ]
        other = source.get("additionalProperties", True)
        is_open = other is not False
        rest = self.check(other, at.at("additionalProperties"), depth + 1) if isinstance(other, Mapping) else None

        def run(place: Place, given: Run) -> Iterator[Failure]:
            for name in place.value if isinstance(place.value, Mapping) else ():
                checks = [named[name]] if name in named else []
                checks += [check for pattern, check in patterns if _found(pattern, name)]
                if not checks and not is_open:
                    yield Failure(place.member(name).path, "is not a property that the schema allows")
                for check in checks or ([rest] if rest is not None else []):
                    yield from check(place.member(name), given)

        return run

    def _dependencies(self, value: Any, report: Report, depth: int) -> Check:
        needed: dict[str, Check] = {}
        if not isinstance(value, Mapping):
            report.problem("'dependencies' must be an object")
            return _nothing
        for name, each in value.items():
            if isinstance(each, list):
                needed[name] = _required(each, {}, report)
            else:
                needed[name] = self.check(each, report.at(name), depth + 1)

        def run(place: Place, given: Run) -> Iterator[Failure]:
            for name, check in needed.items():
                if isinstance(place.value, Mapping) and name in place.value:
                    yield from check(place, given)

        return run

    def _items(self, value: Any, source: Mapping[str, Any], report: Report, depth: int) -> Check:
        if not isinstance(value, list):
            every = self.check(value, report, depth + 1)
            return _each_element([], every)
        first = [self.check(each, report.at(position), depth + 1) for position, each in enumerate(value)]
        other = source.get("additionalItems", True)
        if isinstance(other, Mapping):
            at = Report(report.findings, report.path.rpartition(".")[0]).at("additionalItems")
            return _each_element(first, self.check(other, at, depth + 1))
        return _each_element(first, None if other is not False else _no_more)


class _Types(NamedTuple):
    tests: list[Callable[[Any], bool]]
    sentence: str

    def accepts(self, value: Any) -> bool:
        return any(test(value) for test in self.tests)


def _nothing(_place: Place, _given: Run) -> Iterator[Failure]:
    return iter(())


def _no_more(place: Place, _given: Run) -> Iterator[Failure]:
    yield Failure(place.path, "is not an element that the schema allows")


def _each_element(first: list[Check], rest: Check | None) -> Check:
    def run(place: Place, given: Run) -> Iterator[Failure]:
        for position in range(len(place.value) if isinstance(place.value, list) else 0):
            check = first[position] if position < len(first) else rest
            if check is not None:
                yield from check(place.element(position), given)

    return run


def _test(sentence: str, is_right: Callable[[Any], bool]) -> Check:
    def run(place: Place, _given: Run) -> Iterator[Failure]:
        if not is_right(place.value):
            yield Failure(place.path, sentence)

    return run


def _required(names: list[str], source: Mapping[str, Any], _report: Report) -> Check:
    properties = _mapping(source.get("properties"))
    may_be_null = {name for name in names if _allows_null(properties.get(name))}

    def run(place: Place, _given: Run) -> Iterator[Failure]:
        if not isinstance(place.value, Mapping):
            return
        for name in names:
            path = f"{place.path}.{name}" if place.path else name
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


def _length(kind: Any, order: str, noun: str) -> "Maker":
    def make(limit: Any, _source: Mapping[str, Any], _report: Report) -> Check:
        number = int(limit)

        def is_right(value: Any) -> bool:
            if not isinstance(value, kind) or type(value) is Code:
                return True
            size = len(value)
            return size >= number if order == "least" else size <= number

        return _test(f"must have at {order} {number} {noun}", is_right)

    return make


def _bound(is_lower: bool) -> "Maker":
    exclusive_name = "exclusiveMinimum" if is_lower else "exclusiveMaximum"

    def make(limit: Any, source: Mapping[str, Any], _report: Report) -> Check:
        bound = comparable(limit)
        is_exclusive = source.get(exclusive_name) is True

        def is_right(value: Any) -> bool:
            if not _is_number(value) or (number := comparable(value)) is None:
                return not _is_number(value)
            if number == bound:
                return not is_exclusive
            return bool(number > bound) is is_lower

        sentence = f"must be {'more' if is_lower else 'less'} than {limit}"
        return _test(sentence if is_exclusive else f"{sentence}, or equal", is_right)

    return make


def _exclusive(limit_name: str) -> "Maker":
    def make(_value: Any, source: Mapping[str, Any], report: Report) -> Check:
        if limit_name not in source:
            report.problem(f"this needs '{limit_name}' beside it")
        return _nothing

    return make


def _multiple_of(divisor: Any, _source: Mapping[str, Any], _report: Report) -> Check:
    unit = _exact(divisor)

    def is_right(value: Any) -> bool:
        if not _is_number(value):
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
    seen: set[Any] = set()
    others: list[Any] = []
    for element in elements:
        key = comparable(element)
        if key is not None:
            if (type(element) is bool, key) in seen:
                return False
            seen.add((type(element) is bool, key))
        elif any(equal(element, other) for other in others):
            return False
        else:
            others.append(element)
    return True


def _matches(pattern: str, _source: Mapping[str, Any], report: Report) -> Check:
    compiled = _pattern(pattern, report)
    if compiled is None:
        return _nothing
    return _test("does not match the schema's pattern", lambda value: type(value) is not str or _found(compiled, value))


def _pattern(source: str, report: Report) -> "Pattern[str] | None":
    import regex  # noqa: PLC0415  only an app whose schemas have patterns pays for it

    try:
        return regex.compile(source)
    except (regex.error, RecursionError, OverflowError) as error:
        report.problem(f"the pattern is not a regular expression: {error}")
        return None


def _found(pattern: "Pattern[str]", text: str) -> bool:
    """Search, for a limited time: what takes longer is not found."""
    try:
        return pattern.search(text, timeout=_PATTERN_SECONDS) is not None
    except TimeoutError:
        return False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_count(value: Any) -> bool:
    return _is_number(value) and (number := comparable(value)) is not None and number >= 0 and number == int(number)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is str for each in value)


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_finite(value: Any) -> bool:
    return _is_number(value) and comparable(value) is not None


def _is_divisor(value: Any) -> bool:
    return _is_finite(value) and comparable(value) > 0 and _exact(value).is_finite()


type Maker = Callable[[Any, Mapping[str, Any], Report], Check]

_PROPERTIES = ("properties", "patternProperties", "additionalProperties")
_IGNORED = frozenset({"bsonType", "type", "title", "description", "$schema", "id"})
_SCHEMAS = frozenset({
    "properties", "patternProperties", "additionalProperties", "dependencies", "items", "additionalItems",
})  # fmt: skip
_COUNT = "a whole number of at least 0"
_PLAIN: dict[str, tuple[Maker, Callable[[Any], bool], str]] = {
    "enum": (_enum, lambda value: isinstance(value, list) and bool(value), "an array of values"),
    "required": (_required, _is_names, "an array of names"),
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


def _plain(value: Any) -> Any:
    return value.as_doc() if type(value) is DBRef else value


def _get(value: Any, name: str) -> Any:
    return value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
