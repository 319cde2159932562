"""A role as it counts for one caller: to which documents it applies, and what it shows of them."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from shared.rules.expressions import Context, Expression, Predicate, any_permission, permission, possible
from shared.rules.fields import FieldRule
from shared.rules.masks import WHOLE, Mask
from shared.rules.roles import Role
from shared.rules.translations import EVERYTHING, NOTHING, UNKNOWN, Translation, all_of, any_of
from shared.rules.values import Path, Use, is_exact
from shared.rules.visibility import CLOSED, OPEN, Asked, Members, Part
from shared.rules.writing import Writing

type Shown = Callable[[Context, Mapping[str, Any]], Mask | None]
"""What may be read of a document whose values the context has; where names alone decide, it may be a rendered one."""


class BoundRole:
    """One role, bound to what `%%user` and `%%request` are in a call."""

    def __init__(self, role: Role, applied: Translation, context: Context) -> None:
        """Take the query for the documents that it applies to."""
        self.role = role
        self.name = role.name
        self._context = context
        self.applied = applied
        self.applies: Predicate | None = None if applied is EVERYTHING else role.apply_when.bound(context)
        """None if it applies to every document."""
        other = CLOSED if role.other is None else _part(role.other, context)
        self._fields = Members({name: _part(rule, context) for name, rule in role.fields.items()}, other)
        self._writes = permission(role.write, context)
        self._could_show = not role.is_filtered or _are_possible(role.filter_read, role.filter_write, context)
        self._could_show_all = _are_possible(role.read, role.write, context)
        self.shown: Shown = self._bound_shown(context)
        self.filtered = _either(role.filter_read, role.filter_write, context) if role.is_filtered else EVERYTHING
        """The query for documents, among those that it applies to, that its filters let be read."""
        self.visible = all_of([self.filtered, self._visible(context)])
        """The query for documents, among those that it applies to, of which something may be read."""

    def _bound_shown(self, context: Context) -> Shown:
        role = self.role
        if role.is_full_read:
            return lambda _context, _document: WHOLE
        shown = _members_of(self._fields) if role.read is None else _whole_if(permission(role.read, context))
        if role.write is not None and role.write.constant is not False:
            shown = _or_whole(self._writes, shown)
        return _if(any_permission([role.filter_read, role.filter_write], context), shown) if role.is_filtered else shown

    def _visible(self, context: Context) -> Translation:
        by_field = NOTHING
        if self.role.read is None and (self.role.fields or self.role.other):
            # every stored document has an _id
            by_field = EVERYTHING if self._fields.always_covers_member(("_id",)) else UNKNOWN
        return any_of([_either(self.role.read, self.role.write, context), by_field])

    @cached_property
    def writing(self) -> Writing:
        """What it allows to write."""
        return Writing(self.role, self._context)

    @property
    def _is_whole(self) -> bool:
        """Whether of every document that it shows it shows all."""
        return self.role.read is not None or self.role.is_full_read

    def covers(self, parts: Path, document: Mapping[str, Any], context: Context, use: Use = Use.READ) -> bool:
        """Tell whether everything at a path may be read of a visible document: see Members.covers."""
        if self._is_whole or self._writes(context):
            return True
        return self._fields.covers(parts, document, context, use)

    def is_decided(self, parts: Path) -> bool:
        """Tell whether of every document what a path leads to may be read unchanged or not at all."""
        return self._is_whole or self._fields.is_decided(parts)

    def deciding(self, used: Iterable[Path]) -> frozenset[Path]:
        """Return the paths that decide on these, of which many may have one permission."""
        return frozenset(map(self._fields.decided_by, used))

    def always_covers(self, parts: Path) -> bool:
        """Tell whether, of every document of which something may be read, everything at a path may be."""
        return self._is_whole or self._fields.always_covers_member(parts)

    def could_read(self, parts: Path) -> bool:
        """Tell whether there could be a document for which this role lets the caller read what a path leads to."""
        if not self._could_show:
            return False
        return self._could_show_all or (self.role.read is None and self._fields.could_show(parts))

    def drops_elements(self, name: str) -> bool:
        """Tell whether elements of an array at this name may be hidden, so that those after it move up."""
        return not self._is_whole and self._fields.drops_elements(name)

    def plain_projection(self) -> dict[str, int] | None:
        """Return the projection to what may be read of every document, None if that depends on anything."""
        is_open = self.role.read is not None or (self.role.write is not None and self.role.write.constant is not False)
        if is_open or self._fields.shown is None:
            return None
        names, other = self._fields.shown
        if not all(each and each[0] != "$" and not {".", "\0"} & {*each} and is_exact(each) for each in names):
            return None  # it would be a path, or nothing that MongoDB takes
        if other:
            return dict.fromkeys(names, 0)
        return {"_id": int("_id" in names), **dict.fromkeys(names, 1)} if names else None


def _part(rule: FieldRule, context: Context) -> Part:
    """Return what is visible of a field: its own permission decides on all that is inside, else its inner fields."""
    if not rule.is_own:
        return Members({name: _part(inner, context) for name, inner in rule.fields.items()}) if rule.fields else CLOSED
    given = [each for each in (rule.read, rule.write) if each is not None and each.constant is not False]
    if not given or any(each.constant for each in given):
        return OPEN if given else CLOSED
    return Asked(any_permission(given, context), is_possible=any(possible(each, context) for each in given))


def _members_of(part: Members) -> Shown:
    return lambda context, document: part.members_mask(document, context)


def _whole_if(holds: Predicate) -> Shown:
    return lambda context, _document: WHOLE if holds(context) else None


def _or_whole(holds: Predicate, shown: Shown) -> Shown:
    return lambda context, document: WHOLE if holds(context) else shown(context, document)


def _if(holds: Predicate, shown: Shown) -> Shown:
    return lambda context, document: shown(context, document) if holds(context) else None


def _either(read: Expression | None, write: Expression | None, context: Context) -> Translation:
    return any_of([each.query(context) for each in (read, write) if each is not None])


def _are_possible(read: Expression | None, write: Expression | None, context: Context) -> bool:
    return possible(read, context) or possible(write, context)
