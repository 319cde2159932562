"""Which inserts, changes and deletions a role allows one caller."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shared.documents.elements import ARRAY, DOCUMENT, Element, elements
from shared.rules.expressions import Context, Predicate, permission, possible
from shared.rules.fields import FieldRule
from shared.rules.roles import Role
from shared.rules.values import MISSING

NO_ROLE = "no matching role for document"


class Decision(NamedTuple):
    """Whether something is allowed; the role that decided, if any applied, and which of its members said so."""

    allowed: bool
    role: str | None
    reason: str

    def __str__(self) -> str:
        """Return one sentence for the log."""
        outcome = "allowed" if self.allowed else "denied"
        return f"{outcome} by role '{self.role}': {self.reason}" if self.role else f"{outcome}: {self.reason}"


class Change:
    """A value before and after, as stored and as rules see it; None and MISSING where there is none."""

    __slots__ = ("after", "before", "new", "old")

    def __init__(self, old: Element | None, new: Element | None, before: Any, after: Any) -> None:
        """Take both sides of a difference."""
        self.old = old
        self.new = new
        self.before = before
        self.after = after

    @property
    def kinds(self) -> set[int]:
        """The BSON types of the sides that are there."""
        return {element.kind for element in (self.old, self.new) if element is not None}

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


class Field:
    """A field of one caller's role: its own permission covers all that is inside, else its inner fields count."""

    __slots__ = ("_context", "_fields", "_may_write", "_rule", "always")

    def __init__(self, rule: FieldRule, context: Context) -> None:
        """Bind its permissions to the call of the context."""
        self._may_write: Predicate | None = permission(rule.write, context) if rule.is_own else None
        self._fields = Fields(rule.fields, None, context) if rule.fields and not rule.is_own else None
        self.always: bool | None = None
        """Whether all of it may always be written, or never; None if that depends."""
        if rule.is_own:
            self.always = rule.write is not None and rule.write.constant
        elif self._fields is None:
            self.always = False
        self._rule = rule
        self._context = context

    @property
    def could(self) -> bool:
        """Whether some value could be written."""
        if self._rule.is_own:
            return possible(self._rule.write, self._context)
        return self._fields is not None and self._fields.could_any

    def refused(self, path: str, change: Change, context: Context) -> str | None:
        """Return the path of the first difference that may not be written, None if all may be."""
        if self._may_write is not None:
            context.this, context.prev = change.after, change.before
            return None if self._may_write(context) else path
        kinds = change.kinds
        if kinds not in ({DOCUMENT}, {ARRAY}) or self._fields is None:
            return path
        inner = list(change.inner())
        if not inner:  # an empty document or array comes or goes
            return path
        if kinds == {DOCUMENT}:
            return self._fields.first_refused(path, inner, context)
        return next((found for each, step in inner if (found := self._element(f"{path}.{each}", step, context))), None)

    def _element(self, path: str, change: Change, context: Context) -> str | None:
        return self.refused(path, change, context) if change.kinds == {DOCUMENT} else path


class Fields:
    """The fields of a document, or of another field."""

    __slots__ = ("_fields", "_other", "_plain")

    def __init__(self, rules: Mapping[str, FieldRule], other: FieldRule | None, context: Context) -> None:
        """Take the permissions by name, and those of all other fields, None to refuse them."""
        self._fields = {name: Field(rule, context) for name, rule in rules.items()}
        self._other = None if other is None else Field(other, context)
        others = False if self._other is None else self._other.always
        # the names that are unlike all others, where no permission depends on anything
        self._plain: tuple[frozenset[str], bool] | None = None
        if others is not None and all(each.always is not None for each in self._fields.values()):
            self._plain = frozenset(name for name, each in self._fields.items() if each.always is not others), others

    def could(self, name: str) -> bool:
        """Tell whether some value of this name could be written."""
        field = self._fields.get(name, self._other)
        return field is not None and field.could

    @property
    def could_any(self) -> bool:
        """Whether some value of some name could be written."""
        return (self._other is not None and self._other.could) or any(each.could for each in self._fields.values())

    def could_change(self, is_hidden: Callable[[str], bool]) -> bool:
        """Tell whether a value could change that is not hidden; an `_id` never does."""
        named = any(each.could for name, each in self._fields.items() if name != "_id" and not is_hidden(name))
        return named or (self._other is not None and self._other.could)

    def first_refused(self, prefix: str, changes: Iterable[tuple[str, Change]], context: Context) -> str | None:
        """Return the path of the first change that may not be written, None if all may be."""
        for name, change in changes:
            path = f"{prefix}.{name}" if prefix else name
            field = self._fields.get(name, self._other)
            refused = path if field is None else field.refused(path, change, context)
            if refused is not None:
                return refused
        return None

    def first_refused_of_new(self, new: bytes, document: Mapping[str, Any], context: Context) -> str | None:
        """Return the same for a document of which every field is new."""
        if self._plain is None:
            return self.first_refused("", differences({}, elements(new), MISSING, document), context)
        names, others = self._plain
        if names.isdisjoint(document) if others else names.issuperset(document):
            return None
        return next(name for name in document if (name in names) is others)


class Writing:
    """What a role allows one caller to write."""

    def __init__(self, role: Role, context: Context) -> None:
        """Bind its permissions to the call of the context."""
        self._role = role
        self._passes_filter = permission(role.filter_write, context)
        self._may_write = permission(role.write, context)
        self._may_insert = permission(role.insert, context)
        self._may_delete = permission(role.delete, context)
        self.fields = Fields(role.fields, role.other, context)
        self._context = context

    def could_insert(self) -> bool:
        """Tell whether `may_insert` could allow some document: all have an `_id`."""
        by_fields = self._role.write is not None or self.fields.could("_id")
        return self._could_write and by_fields and possible(self._role.insert, self._context)

    def could_update(self, is_hidden: Callable[[str], bool]) -> bool:
        """Tell whether `may_update` could allow a change of some document, in a field that is not hidden."""
        return self._could_write and (self._role.write is not None or self.fields.could_change(is_hidden))

    def could_delete(self) -> bool:
        """Tell whether `may_delete` could allow the removal of some document."""
        by_fields = self._is_by_delete_alone or self._role.write is not None or self.fields.could("_id")
        return self._could_write and by_fields and possible(self._role.delete, self._context)

    def may_insert(self, new: bytes, context: Context) -> Decision:
        """Decide on a new document, whose values are the context's root."""
        refused = self._refused_by_role(context)
        if refused is None and self._role.write is None:
            refused = self._refused_field(self.fields.first_refused_of_new(new, context.root, context))
        return refused or self._decision("insert", self._may_insert(context))

    def may_update(self, old: bytes, new: bytes, stored: Context, context: Context) -> Decision:
        """Decide on a change; document filters must let both documents be written, `stored` and the result."""
        if self._role.is_filtered and not self._passes_filter(stored):
            return self._decision("document_filters.write", False)
        return self._refused_change(elements(old), elements(new), context) or self._written()

    def may_delete(self, old: bytes, context: Context) -> Decision:
        """Decide on the removal of a document: all its fields must be writable, unless the role names no fields."""
        if self._is_by_delete_alone:
            refused = self._refused_by_role(context)
        else:
            refused = self._refused_change(elements(old), {}, context)
        return refused or self._decision("delete", self._may_delete(context))

    @property
    def _could_write(self) -> bool:
        """Whether what the role says of whole documents could let one be written."""
        role, context = self._role, self._context
        is_kept = role.is_filtered and not possible(role.filter_write, context)
        return not is_kept and (role.write is None or possible(role.write, context))

    @property
    def _is_by_delete_alone(self) -> bool:
        return self._role.write is None and not self._role.fields and self._role.other is None

    def _refused_change(
        self, old: Mapping[str, Element], new: Mapping[str, Element], context: Context
    ) -> Decision | None:
        refused = self._refused_by_role(context)
        if refused is not None or self._role.write is not None:
            return refused
        changes = differences(old, new, context.prev_root, context.root)
        return self._refused_field(self.fields.first_refused("", changes, context))

    def _refused_by_role(self, context: Context) -> Decision | None:
        """Return the refusal by what the role says of whole documents, None if it says nothing against it."""
        if self._role.is_filtered and not self._passes_filter(context):
            return self._decision("document_filters.write", False)
        if self._role.write is not None and not self._may_write(context):
            return self._decision("write", False)
        return None

    def _refused_field(self, path: str | None) -> Decision | None:
        return None if path is None else Decision(False, self._role.name, f"field '{path}' is not writable")

    def _written(self) -> Decision:
        return Decision(True, self._role.name, "what changes is writable")

    def _decision(self, member: str, allowed: bool) -> Decision:
        return Decision(allowed, self._role.name, f"'{member}' is {'true' if allowed else 'not true'}")
