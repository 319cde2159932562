"""A role of a ruleset as it is written, and what it lets its callers insert, change and delete."""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import msgspec

from shared.documents.elements import Element
from shared.rules.expressions import Constant, Context, Expression, holds, names_of
from shared.rules.fields import FieldRule, differences, first_unwritable
from shared.rules.values import is_exact


class Decision(NamedTuple):
    """Whether something is allowed; the role that decided, if any applied, and which of its members said so."""

    allowed: bool
    role: str | None
    reason: str

    def __str__(self) -> str:
        """Return one sentence for the log."""
        outcome = "allowed" if self.allowed else "denied"
        return f"{outcome} by role '{self.role}': {self.reason}" if self.role else f"{outcome}: {self.reason}"


class Role(msgspec.Struct, kw_only=True, eq=False, dict=True):
    """One role as it is written; which one counts for a document is chosen by the ruleset."""

    name: str
    apply_when: Expression
    filter_read: Expression | None = None
    filter_write: Expression | None = None
    read: Expression | None = None
    write: Expression | None = None
    insert: Expression = Constant(True)
    delete: Expression = Constant(True)
    search: Expression = Constant(True)
    fields: Mapping[str, FieldRule] = {}
    other: FieldRule | None = None
    """The permissions of all fields that are not among `fields`."""

    @cached_property
    def is_filtered(self) -> bool:
        """Whether it has document filters."""
        return self.filter_read is not None or self.filter_write is not None

    @cached_property
    def is_full_read(self) -> bool:
        """Whether it shows every document as a whole."""
        return _is_true(self.filter_read, self.filter_write, unset=not self.is_filtered) and _is_true(
            self.read, self.write, unset=False
        )

    @cached_property
    def is_full(self) -> bool:
        """Whether it allows everything."""
        return (
            self.is_full_read
            and _is_true(self.filter_write, unset=not self.is_filtered)
            and all(_is_true(each) for each in (self.write, self.insert, self.delete, self.search))
        )

    @cached_property
    def names(self) -> frozenset[str] | None:
        """The top-level fields whose values decide on reading, None if more does than these and the names of others."""
        if self.is_full_read:
            return self.apply_when.names
        if self.read is None and not self._fields_are_by_name:
            return None
        return names_of([self.apply_when, self.filter_read, self.filter_write, self.read, self.write])

    @property
    def _fields_are_by_name(self) -> bool:
        rules = [*self.fields.values(), *([] if self.other is None else [self.other])]
        return all(each.is_constant for each in rules) and all(map(is_exact, self.fields))

    def may_insert(self, new: Mapping[str, Element], context: Context) -> Decision:
        """Decide on a new document, which is the context's root."""
        decision = self._may_write({}, new, context)
        if not decision.allowed:
            return decision
        return self._decision("insert", holds(self.insert, context))

    def may_update(
        self, old: Mapping[str, Element], new: Mapping[str, Element], stored: Context, context: Context
    ) -> Decision:
        """Decide on a change; document filters must let both documents be written, `stored` and the result."""
        if self.is_filtered and not holds(self.filter_write, stored):
            return self._decision("document_filters.write", False)
        return self._may_write(old, new, context)

    def may_delete(self, old: Mapping[str, Element], context: Context) -> Decision:
        """Decide on the removal of a document: all its fields must be writable, unless the role names no fields."""
        is_by_delete_alone = self.write is None and not self.fields and self.other is None
        decision = self._may_be_filtered(context) if is_by_delete_alone else self._may_write(old, {}, context)
        return self._decision("delete", holds(self.delete, context)) if decision.allowed else decision

    def _may_write(self, old: Mapping[str, Element], new: Mapping[str, Element], context: Context) -> Decision:
        decision = self._may_be_filtered(context)
        if not decision.allowed:
            return decision
        if self.write is not None:
            return self._decision("write", holds(self.write, context))
        changes = differences(old, new, context.prev_root, context.root)
        refused = first_unwritable("", changes, self.fields, self.other, context)
        if refused is None:
            return Decision(True, self.name, "the fields are writable")
        return Decision(False, self.name, f"field '{refused}' is not writable")

    def _may_be_filtered(self, context: Context) -> Decision:
        if not self.is_filtered:
            return Decision(True, self.name, "no document_filters")
        return self._decision("document_filters.write", holds(self.filter_write, context))

    def _decision(self, member: str, allowed: bool) -> Decision:
        return Decision(allowed, self.name, f"'{member}' is {'true' if allowed else 'not true'}")


def _is_true(*expressions: Expression | None, unset: bool = True) -> bool:
    """Tell whether one of these is always true; without any, what it means that none is set."""
    given = [each for each in expressions if each is not None]
    return any(each.constant is True for each in given) if given else unset
