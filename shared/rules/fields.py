"""The permissions of single fields: `fields` and `additional_fields` of a role."""

from collections.abc import Iterator, Mapping
from typing import Any

from bson.dbref import DBRef

from shared.documents.elements import ARRAY, DOCUMENT, Element
from shared.rules.expressions import Context, Expression, holds, possible
from shared.rules.masks import WHOLE, Mask, is_complete
from shared.rules.values import MISSING, Path, array_index


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

    def mask(self, value: Any, context: Context) -> Mask | None:
        """Return what may be read of the field's value, None if nothing."""
        if self.is_own:
            return WHOLE if self._opens(value, context) else None
        if type(value) is dict:
            return members_mask(value, self.fields, None, context)
        if type(value) is list and self.fields:
            masks = [self.mask(each, context) if type(each) is dict else None for each in value]
            return masks if any(each is not None for each in masks) else None
        return None

    def _opens(self, value: Any, context: Context) -> bool:
        context.this = context.prev = value
        return holds(self.read, context) or holds(self.write, context)

    def covers(self, parts: Path, value: Any, context: Context, *, as_stored: bool = False) -> bool:
        """Tell whether everything that a path leads to inside the field's value may be read, were it there or not.

        `as_stored` asks about what is there: of a document whose members have permissions of their own, others may be
        hidden, so that its outcome tells whether there are any.
        """
        if self.is_own:
            return self._opens(value, context)
        if not parts:
            return as_stored and is_complete(self.mask(value, context), value)
        if type(value) is list:
            return self._covers_elements(parts, value, context, as_stored=as_stored)
        if as_stored and type(value) is not dict and value is not MISSING:
            return False  # in its place stands what is hidden
        inner = self.fields.get(parts[0])
        member = value.get(parts[0], MISSING) if type(value) is dict else MISSING
        return inner is not None and inner.covers(parts[1:], member, context, as_stored=as_stored)

    def _covers_elements(self, parts: Path, elements: list[Any], context: Context, *, as_stored: bool) -> bool:
        index = array_index(parts[0])
        if index is not None:
            chosen = elements[index] if index < len(elements) else MISSING
            others = [each for each in elements if type(each) is dict and parts[0] in each]
            return self.covers(parts[1:], chosen, context, as_stored=as_stored) and all(
                self.covers(parts, each, context, as_stored=as_stored) for each in others
            )
        return all(self.covers(parts, each, context, as_stored=as_stored) for each in elements or [MISSING])

    def could_open(self, parts: Path, context: Context) -> bool:
        """Tell whether there could be a document in which the caller may read what a path leads to."""
        if self.is_own:
            return possible(self.read, context) or possible(self.write, context)
        if not parts:
            return any(inner.could_open((), context) for inner in self.fields.values())
        if array_index(parts[0]) is not None and self.could_open(parts[1:], context):
            return True
        inner = self.fields.get(parts[0])
        return inner is not None and inner.could_open(parts[1:], context)

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
    if type(value) is DBRef:
        value = value.as_doc()
    return value.get(name, MISSING) if isinstance(value, Mapping) else MISSING


def members_mask(
    document: Mapping[str, Any], rules: Mapping[str, FieldRule], other: FieldRule | None, context: Context
) -> Mask | None:
    """Return the readable members of a document, None if there are none."""
    masks: dict[str, Mask] = {}
    for name, value in document.items():
        rule = rules.get(name, other)
        mask = None if rule is None else rule.mask(value, context)
        if mask is not None:
            masks[name] = mask
    return masks or None


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
