"""A role of a ruleset: to which documents it applies, and what it lets its callers read, insert, change and delete."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from shared.documents.elements import Element
from shared.rules.expressions import Constant, Context, Expression, holds, names_of, possible
from shared.rules.fields import FieldRule, differences, first_unwritable, members_mask
from shared.rules.masks import WHOLE, Mask
from shared.rules.translations import EVERYTHING, NOTHING, UNKNOWN, Translation, all_of, any_of
from shared.rules.values import MISSING, Path, Predicate, is_exact


class Decision(NamedTuple):
    """Whether something is allowed; the role that decided, if any applied, and which of its members said so."""

    allowed: bool
    role: str | None
    reason: str

    def __str__(self) -> str:
        """Return one sentence for the log."""
        outcome = "allowed" if self.allowed else "denied"
        return f"{outcome} by role '{self.role}': {self.reason}" if self.role else f"{outcome}: {self.reason}"


type Glimpse = Callable[[Mapping[str, Any], Mapping[str, Any]], Mask | None]
"""What may be read of a document, by the values of some of its fields and by the names of all."""


class Role(msgspec.Struct, kw_only=True, eq=False, dict=True):
    """One role; which one counts for a document is chosen by the ruleset.

    What it shows is said by `mask`. Others say the same of some cases, and sooner: `glimpse` of rendered documents,
    `covers` and `could_read` of one path, `visible` as a query and `plain_projection` as a stage.
    They change together.
    """

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
    def _plain(self) -> tuple[frozenset[str], bool] | None:
        """The names whose permission is unlike that of all others, and what is that of all others.

        None if a permission depends on anything.
        """
        opened = {name: _constant_of(rule) for name, rule in self.fields.items()}
        other = False if self.other is None else _constant_of(self.other)
        if other is None or None in opened.values():
            return None
        return frozenset(name for name, is_open in opened.items() if is_open is not other), other

    @cached_property
    def names(self) -> frozenset[str] | None:
        """The top-level fields whose values decide on reading, None if more than names and these do."""
        if self.is_full_read:
            return self.apply_when.names
        if self.read is None and (self._plain is None or not all(map(is_exact, self.fields))):
            return None
        return names_of([self.apply_when, self.filter_read, self.filter_write, self.read, self.write])

    def glimpse(self, context: Context) -> Glimpse:
        """Return `mask` for one call; only if `names` are known.

        It takes the values of these names, and anything that has the names of all the document's fields.
        """
        if self.is_full_read:
            return lambda _values, _names: WHOLE
        visible = self._glimpse_of_fields() if self.read is None else _whole_if(self.read.bound(context))
        if self.write is not None and self.write.constant is not False:
            visible = _or_whole(self.write.bound(context), visible)
        if self.is_filtered:
            opened = [each.bound(context) for each in (self.filter_read, self.filter_write) if each is not None]
            visible = _if_any(opened, visible)
        return visible

    def _glimpse_of_fields(self) -> Glimpse:
        assert self._plain is not None  # noqa: S101  else there are no `names`
        names, other = self._plain
        is_whole = names.isdisjoint if other else names.issuperset

        def visible(_values: Mapping[str, Any], document: Mapping[str, Any]) -> Mask | None:
            if is_whole(document):
                return WHOLE if document else None  # WHOLE costs the least to apply
            return {name: WHOLE for name in document if (name in names) is not other} or None

        return visible

    def mask(self, document: Mapping[str, Any], context: Context) -> Mask | None:
        """Return what may be read of a document that this role counts for, None if nothing."""
        if self.is_full_read:
            return WHOLE
        if self.is_filtered and not (holds(self.filter_read, context) or holds(self.filter_write, context)):
            return None
        if holds(self.write, context):
            return WHOLE
        if self.read is not None:
            return WHOLE if holds(self.read, context) else None
        return self._fields_mask(document, context)

    def _fields_mask(self, document: Mapping[str, Any], context: Context) -> Mask | None:
        if self._plain is None:
            return members_mask(document, self.fields, self.other, context)
        names, other = self._plain
        if document.keys().isdisjoint(names) if other else document.keys() <= names:
            return WHOLE if document else None  # WHOLE costs the least to apply
        return {name: WHOLE for name in document if (name in names) is not other} or None

    def covers(self, parts: Path, document: Mapping[str, Any], context: Context, *, as_stored: bool = False) -> bool:
        """Tell whether everything at a path may be read of a visible document, were it there or not.

        That nothing of the document is hidden is no answer: it would tell that what is hidden elsewhere is not there.
        """
        if self.read is not None or self.is_full_read or holds(self.write, context):
            return True
        rule = self.fields.get(parts[0], self.other)
        value = document.get(parts[0], MISSING)
        return rule is not None and rule.covers(parts[1:], value, context, as_stored=as_stored)

    def could_read(self, parts: Path, context: Context) -> bool:
        """Tell whether there could be a document for which this role lets the caller read what a path leads to."""
        if self.is_filtered and not (possible(self.filter_read, context) or possible(self.filter_write, context)):
            return False
        if possible(self.write, context):
            return True
        if self.read is not None:
            return possible(self.read, context)
        rule = self.fields.get(parts[0], self.other)
        return rule is not None and rule.could_open(parts[1:], context)

    def visible(self, context: Context) -> Translation:
        """Return the query for documents, among those that this role counts for, of which something may be read."""
        by_field = NOTHING
        if self.read is None and (self.fields or self.other):
            by_field = EVERYTHING if self._shows_always("_id") else UNKNOWN  # every stored document has an _id
        return all_of([self.filtered(context), any_of([_either(self.read, self.write, context), by_field])])

    def always_covers(self, parts: Path) -> bool:
        """Tell whether, of every document of which something may be read, everything at a path may be."""
        return self.read is not None or self._shows_always(parts[0])

    def _shows_always(self, name: str) -> bool:
        return self._plain is not None and (name in self._plain[0]) is not self._plain[1]

    def filtered(self, context: Context) -> Translation:
        """Return the query for documents, among those that this role counts for, that its filters let be read."""
        return _either(self.filter_read, self.filter_write, context) if self.is_filtered else EVERYTHING

    def plain_projection(self) -> dict[str, int] | None:
        """Return the projection to what may be read of every document, None if that depends on anything."""
        is_open = self.read is not None or (self.write is not None and self.write.constant is not False)
        if is_open or self._plain is None:
            return None
        names, other = self._plain
        if other:
            return dict.fromkeys(names, 0)
        return {"_id": int("_id" in names), **dict.fromkeys(names, 1)} if names else None

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


def _whole_if(holds: Predicate) -> Glimpse:
    return lambda values, _names: WHOLE if holds(values) else None


def _or_whole(holds: Predicate, visible: Glimpse) -> Glimpse:
    return lambda values, names: WHOLE if holds(values) else visible(values, names)


def _if_any(opened: list[Predicate], visible: Glimpse) -> Glimpse:
    return lambda values, names: visible(values, names) if any(holds(values) for holds in opened) else None


def _either(read: Expression | None, write: Expression | None, context: Context) -> Translation:
    return any_of([each.query(context) for each in (read, write) if each is not None])


def _is_true(*expressions: Expression | None, unset: bool = True) -> bool:
    """Tell whether one of these is always true; without any, what it means that none is set."""
    given = [each for each in expressions if each is not None]
    return any(each.constant is True for each in given) if given else unset


def _constant_of(rule: FieldRule) -> bool | None:
    """Return whether a field is always or never readable; None if that depends on anything."""
    if not rule.is_own:
        return None if rule.fields else False
    given = [each.constant for each in (rule.read, rule.write) if each is not None]
    return True if True in given else None if None in given else False
