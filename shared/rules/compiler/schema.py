"""Schemas compiled: the keywords that hold other schemas."""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.rules.compiler.asked import asked_paths
from shared.rules.compiler.expressions import compile_expression
from shared.rules.compiler.keywords import KEYWORDS, compile_pattern, is_names, mapping, nothing, required
from shared.rules.compiler.members import like, quoted
from shared.rules.compiler.operands import Constants, Scope
from shared.rules.compiler.types import BSON_TYPES, JSON_TYPES, Types
from shared.rules.expressions import Constant, holds
from shared.rules.report import Report
from shared.rules.schema import Check, Failure, Place, Run, Schema

_DEEPEST = 100
_PROPERTIES = ("properties", "patternProperties", "additionalProperties")
_IGNORED = frozenset({"bsonType", "type", "title", "description", "$schema", "id"})
_SHAPES: Mapping[str, tuple[Any, str]] = {
    **dict.fromkeys(("properties", "patternProperties"), (Mapping, "an object")),
    **dict.fromkeys(("additionalProperties", "additionalItems"), (bool | Mapping, "true, false or a schema")),
}
_SCHEMAS = frozenset({
    "properties", "patternProperties", "additionalProperties", "dependencies", "items", "additionalItems",
})  # fmt: skip
_KNOWN = _IGNORED | _SCHEMAS | KEYWORDS.keys() | {"validate"}


def compile_schema(source: Mapping[str, Any], constants: Constants, report: Report) -> Schema | None:
    """Compile a schema; an empty one is none. What is wrong with it goes into the report."""
    if not source:
        return None
    check = _Compiler(constants).check(source, report, 0, is_root=True)
    member = "bsonType" if "bsonType" in source else "type"
    if source.get(member, "object") not in ("object", ["object"]):
        report.at(member).problem("the root of a schema must be of type object")
    return Schema(check)


class _Compiler:
    """Compiles the members of schemas to checks."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants

    def check(self, source: Any, report: Report, depth: int, *, is_root: bool = False) -> Check:
        """Return the check of a value against a schema."""
        if not isinstance(source, Mapping):
            report.problem("a schema is an object")
            return nothing
        if depth > _DEEPEST:
            report.problem(f"the schema is nested more than {_DEEPEST} levels deep")
            return nothing
        others = [name for name in source if name not in _KNOWN]
        if others:
            sentence = f"a schema has no {quoted(others)}{like(others[0], _KNOWN)}"
            report.at(others[0]).warning(sentence, "documents are written whatever it says")
        kinds = self._types(source, report)
        checks = [
            made
            for name, value in source.items()
            if (made := self._member(name, value, source, report.at(name), depth)) is not None
        ]

        def run(place: Place, validation: Run) -> Iterator[Failure]:
            if kinds is not None and not kinds.accepts(place.value):
                if not (place.value is None and validation.null_allowed and not is_root):
                    yield Failure(place.path, kinds.sentence)
                return
            for each in checks:
                yield from each(place, validation)

        return run

    def _types(self, source: Mapping[str, Any], report: Report) -> "Types | None":
        for member, known in (("bsonType", BSON_TYPES), ("type", JSON_TYPES)):
            given = source.get(member)
            if given is None:
                continue
            names = given if isinstance(given, list) else [given]
            for name in names:
                if not isinstance(name, str) or name not in known:
                    report.at(member).problem(f"a {member} is one of {', '.join(known)}")
                    return None
            return Types([known[name] for name in names], f"expected {member} {' or '.join(names)}")
        return None

    def _member(self, name: str, value: Any, source: Mapping[str, Any], report: Report, depth: int) -> Check | None:
        if name in _SCHEMAS:
            return self._nested(name, value, source, report, depth)
        if name == "validate":
            return self._validate(value, report, depth)
        if name in KEYWORDS:
            make, is_right, kind = KEYWORDS[name]
            if not is_right(value):
                report.problem(f"'{name}' must be {kind}")
                return None
            return make(value, source, report)
        return None

    def _validate(self, value: Any, report: Report, depth: int) -> Check | None:
        where = "that has this field " if depth else ""
        denied = f"every write of a document {where}is refused"
        expression = compile_expression(value, Scope.FIELD, self.constants, report, denied)
        if isinstance(expression, Constant) and expression.constant:
            return None
        asked = tuple(asked_paths(value))

        def run(place: Place, validation: Run) -> Iterator[Failure]:
            validation.context.this, validation.context.prev = place.value, place.previous
            if not holds(expression, validation.context):
                yield Failure(place.path, "'validate' is not true", asked)

        return run

    def _nested(self, name: str, value: Any, source: Mapping[str, Any], report: Report, depth: int) -> Check | None:
        kinds, shape = _SHAPES.get(name, (object, ""))
        if not isinstance(value, kinds):
            report.problem(f"'{name}' must be {shape}")
        if name == "items":
            return self._items(value, source, report, depth)
        if name == "dependencies":
            return self._dependencies(value, report, depth)
        if name == "additionalItems" or name != next((each for each in _PROPERTIES if each in source), name):
            return None  # goes with items, or with the first of its kind
        return self._properties(source, report, depth)

    def _properties(self, source: Mapping[str, Any], report: Report, depth: int) -> Check:
        at = report.parent
        named = {
            name: self.check(each, at.at("properties", name), depth + 1)
            for name, each in mapping(source.get("properties")).items()
        }
        patterns = [
            (pattern, self.check(each, at.at("patternProperties", name), depth + 1))
            for name, each in mapping(source.get("patternProperties")).items()
            if (pattern := compile_pattern(name, at.at("patternProperties", name))) is not None
        ]
        other = source.get("additionalProperties", True)
        is_open = other is not False
        rest = self.check(other, at.at("additionalProperties"), depth + 1) if isinstance(other, Mapping) else None

        def run(place: Place, validation: Run) -> Iterator[Failure]:
            for name in place.value if isinstance(place.value, Mapping) else ():
                checks = [named[name]] if name in named else []
                checks += [check for pattern, check in patterns if validation.patterns.finds(pattern, name)]
                if not checks and not is_open:
                    yield Failure(place.member(name).path, "is not a property that the schema allows")
                for check in checks or ([rest] if rest is not None else []):
                    yield from check(place.member(name), validation)

        return run

    def _dependencies(self, value: Any, report: Report, depth: int) -> Check:
        needed: dict[str, Check] = {}
        if not isinstance(value, Mapping):
            report.problem("'dependencies' must be an object")
            return nothing
        for name, each in value.items():
            if is_names(each):
                needed[name] = required(each, {}, report)
            elif isinstance(each, list):
                report.at(name).problem("what is needed is an array of names, or a schema")
            else:
                needed[name] = self.check(each, report.at(name), depth + 1)

        def run(place: Place, validation: Run) -> Iterator[Failure]:
            for name, check in needed.items():
                if isinstance(place.value, Mapping) and name in place.value:
                    for failure in check(place, validation):
                        yield failure._replace(asked=(*failure.asked, (*place.path, name)))

        return run

    def _items(self, value: Any, source: Mapping[str, Any], report: Report, depth: int) -> Check:
        if not isinstance(value, list):
            every = self.check(value, report, depth + 1)
            return _each_element([], every)
        first = [self.check(each, report.at(position), depth + 1) for position, each in enumerate(value)]
        other = source.get("additionalItems", True)
        if isinstance(other, Mapping):
            at = report.parent.at("additionalItems")
            return _each_element(first, self.check(other, at, depth + 1))
        return _each_element(first, None if other is not False else _no_more)


def _no_more(place: Place, _validation: Run) -> Iterator[Failure]:
    yield Failure(place.path, "is not an element that the schema allows")


def _each_element(first: list[Check], rest: Check | None) -> Check:
    def run(place: Place, validation: Run) -> Iterator[Failure]:
        for position in range(len(place.value) if isinstance(place.value, list) else 0):
            check = first[position] if position < len(first) else rest
            if check is not None:
                yield from check(place.element(position), validation)

    return run
