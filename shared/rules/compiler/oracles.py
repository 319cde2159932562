"""Checks of a schema that could tell what is hidden: whoever may write one side of a comparison tries values of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shared.errors import InvalidParameterError
from shared.rules.bound_roles import BoundRole
from shared.rules.compiler.asked import asked_paths
from shared.rules.expressions import Expansions, Expression
from shared.rules.fields import FieldRule
from shared.rules.projections import Projection
from shared.rules.report import Report
from shared.rules.roles import Role
from shared.rules.ruleset import Ruleset
from shared.rules.translations import EVERYTHING
from shared.rules.values import Path

_OF_THE_WHOLE = ("minProperties", "maxProperties", "enum", "uniqueItems")
_UNNAMED = ""  # a field that no rule names


class _Check(NamedTuple):
    """Where a check stands in a schema, and what of a document it compares."""

    steps: tuple[str | int, ...]
    paths: tuple[Path, ...]


def report_oracles(schema: Mapping[str, Any], rules: Ruleset, report: Report) -> None:
    """Warn of each check that compares what a role hides with what it lets be written."""
    views = [_View.of(role, rules) for role in rules.roles]
    for check in _checks(schema, (), ()):
        found = next((pair for view in views if (pair := view.oracle(check.paths)) is not None), None)
        if found is not None:
            role, written, hidden = found
            callers, other = f"callers with the role '{role}'", _named(written)
            report.at(*check.steps).warning(
                f"this depends on {_named(hidden)} as a whole, of which {callers} may write a part and not see another"
                if written == hidden
                else f"this compares {_named(hidden)}, hidden from {callers}, with {other}, which they may write",
                f"{callers} find out what is hidden by trying values and seeing which are refused",
            )


def _named(parts: Path) -> str:
    return f"'{'.'.join(each or '*' for each in parts)}'" if parts else "the document"


def _checks(schema: Any, place: Path, steps: tuple[str | int, ...]) -> Iterator[_Check]:
    if not isinstance(schema, Mapping):
        return
    for name, value in schema.items():
        here = (*steps, name)
        if name == "validate":
            applies = {place} if place else set()  # it is not asked where there is nothing
            yield _Check(here, tuple(sorted(applies | asked_paths(value, place))))
        elif name in _OF_THE_WHOLE and value is not False:
            yield _Check(here, (place,))
        elif name == "dependencies" and isinstance(value, Mapping):
            for field, needed in value.items():
                names = needed if isinstance(needed, list) else []
                yield _Check((*here, field), ((*place, field), *((*place, str(each)) for each in names)))
                yield from _checks(needed, place, (*here, field))
        else:
            for step, inner, member in _nested(name, value):
                yield from _checks(inner, (*place, *member), (*here, *step))


def _nested(name: str, value: Any) -> Iterator[tuple[tuple[str | int, ...], Any, Path]]:
    """Give the schemas in a member of a schema, each with its place in it and its path in the document."""
    if name == "properties" and isinstance(value, Mapping):
        yield from (((field,), inner, (field,)) for field, inner in value.items())
    elif name == "patternProperties" and isinstance(value, Mapping):
        yield from (((pattern,), inner, (_UNNAMED,)) for pattern, inner in value.items())
    elif name == "items" and isinstance(value, list):
        yield from (((position,), inner, ()) for position, inner in enumerate(value))
    elif name in {"items", "additionalItems"}:
        yield (), value, ()
    elif name == "additionalProperties":
        yield (), value, (_UNNAMED,)


class _View:
    """What one role, with the filters beside it, hides of documents that it lets be written."""

    def __init__(self, role: Role, projections: Sequence[Projection]) -> None:
        self.role = role
        self.projections = projections
        self.bound = BoundRole(role, EVERYTHING, Expansions({}).context())

    @classmethod
    def of(cls, role: Role, rules: Ruleset) -> "_View":
        try:
            return cls(role, [Projection(each.projection) for each in rules.filters if each.projection])
        except InvalidParameterError:  # it includes and excludes: every call that it applies to is refused
            return cls(role, [])

    def oracle(self, paths: Sequence[Path]) -> tuple[str, Path, Path] | None:
        """Return the role's name, what it lets be written and what it hides, if these paths are both."""
        hidden = next((parts for parts in paths if self._hides(parts)), None)
        written = [parts for parts in paths if self._writes(parts)]
        if hidden is None or not written:
            return None
        return self.role.name, next((parts for parts in written if parts != hidden), hidden), hidden

    def _hides(self, parts: Path) -> bool:
        if any(not each.part.always_covers_member(parts or (_UNNAMED,)) or not parts for each in self.projections):
            return True
        if self.role.read is not None or self.role.write is not None:
            return False  # a document that may be written is shown as a whole
        return not all(map(self.bound.always_covers, [parts] if parts else self._fields()))

    def _fields(self) -> list[Path]:
        return [(name,) for name in (*self.role.fields, _UNNAMED)]

    def _writes(self, parts: Path) -> bool:
        if self.role.is_filtered and not _is_possible(self.role.filter_write):
            return False
        if self.role.write is not None:
            return _is_possible(self.role.write)
        if not parts:
            return any(self._writes(field) for field in self._fields())
        return _may_write(self.role.fields.get(parts[0], self.role.other), parts[1:])


def _may_write(rule: FieldRule | None, parts: Path) -> bool:
    if rule is None or rule.is_own:
        return rule is not None and _is_possible(rule.write)
    if not parts:
        return any(_may_write(inner, ()) for inner in rule.fields.values())
    return _may_write(rule.fields.get(parts[0]), parts[1:])


def _is_possible(expression: Expression | None) -> bool:
    return expression is not None and expression.constant is not False
