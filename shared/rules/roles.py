"""A role of a ruleset as it is written."""

from collections.abc import Mapping
from functools import cached_property

import msgspec

from shared.rules.expressions import Constant, Expression, names_of
from shared.rules.fields import FieldRule
from shared.rules.values import is_exact


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


def _is_true(*expressions: Expression | None, unset: bool = True) -> bool:
    """Tell whether one of these is always true; without any, what it means that none is set."""
    given = [each for each in expressions if each is not None]
    return any(each.constant is True for each in given) if given else unset
