"""The permissions of single fields: `fields` and `additional_fields` of a role."""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.documents.elements import ARRAY, DOCUMENT, Element
from shared.rules.expressions import Context, Expression, holds
from shared.rules.values import MISSING


class FieldRule:
    """Who may read and write a field; its own permission covers all that is inside, else its inner fields count."""

    __slots__ = ("fields", "read", "write")

    def __init__(
        self, read: Expression | None, write: Expression | None, fields: "Mapping[str, FieldRule] | None" = None
    ) -> None:
        """Keep what is compiled; None stands for a permission that is not set."""
        self.read = read
        self.write = write
        self.fields = fields or {}

    @property
    def is_own(self) -> bool:
        """Whether the field has a permission of its own."""
        return self.read is not None or self.write is not None

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for every caller and document who may read the field."""
        if not self.is_own:
            return not self.fields
        given = [each.constant for each in (self.read, self.write) if each is not None]
        return True in given or None not in given

    def unwritable(self, name: str, change: "Change", context: Context) -> str | None:
        """Return the path of the first difference that may not be written, None if all may be."""
        if self.is_own:
            context.this, context.prev = change.after, change.before
            return None if holds(self.write, context) else name
        kinds = {element.kind for element in (change.old, change.new) if element is not None}
        if kinds not in ({DOCUMENT}, {ARRAY}) or not self.fields:
            return name
        inner = list(change.inner())
        if not inner:  # an empty document or array comes or goes
            return name
        if kinds == {DOCUMENT}:
            return first_unwritable(name, inner, self.fields, None, context)
        return next((path for each, step in inner if (path := self._element(f"{name}.{each}", step, context))), None)

    def _element(self, name: str, change: "Change", context: Context) -> str | None:
        kinds = {element.kind for element in (change.old, change.new) if element is not None}
        return self.unwritable(name, change, context) if kinds == {DOCUMENT} else name


class Change:
    """A value before and after, as stored and as rules see it; None and MISSING where there is none."""

    __slots__ = ("after", "before", "new", "old")

    def __init__(self, old: Element | None, new: Element | None, before: Any, after: Any) -> None:
        """Take both sides of a difference."""
        self.old = old
        self.new = new
        self.before = before
        self.after = after

    def inner(self) -> "Iterator[tuple[str, Change]]":
        """Give the differences inside a document or an array, by name or position."""
        old = self.old.members if self.old else {}
        new = self.new.members if self.new else {}
        return differences(old, new, self.before, self.after)


def differences(
    old: Mapping[str, Element], new: Mapping[str, Element], before: Any, after: Any
) -> Iterator[tuple[str, Change]]:
    """Give what differs between two documents, name by name."""
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            yield name, Change(old.get(name), new.get(name), _member(before, name), _member(after, name))


def _member(value: Any, name: str) -> Any:
    if type(value) is list:
        index = int(name)
        return value[index] if index < len(value) else MISSING
    return value.get(name, MISSING) if isinstance(value, Mapping) else MISSING


def first_unwritable(
    prefix: str,
    changes: "Iterator[tuple[str, Change]] | list[tuple[str, Change]]",
    rules: Mapping[str, FieldRule],
    other: FieldRule | None,
    context: Context,
) -> str | None:
    """Return the path of the first change that may not be written, None if all may be."""
    for name, change in changes:
        path = f"{prefix}.{name}" if prefix else name
        rule = rules.get(name, other)
        refused = path if rule is None else rule.unwritable(path, change, context)
        if refused is not None:
            return refused
    return None
