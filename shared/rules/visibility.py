"""What is visible of a document: the one place that decides it, for the fields of a role and for every projection.

Both are compiled to a tree of parts. Each part is asked what it shows of the value at its place, by `mask`, and what
a path may lead to inside that value, by the others. As in MongoDB, a path leads into every element of an array, and a
number in it is a name and an index: a path is visible only if all that it may lead to is. `bound_roles` makes the tree
of a role for one caller.
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.rules.expressions import Context, Predicate
from shared.rules.masks import WHOLE, Mask, is_complete
from shared.rules.values import MISSING, Path, Use, array_index, is_exact


class Always:
    """A part that is visible with all that is inside, or that never is."""

    __slots__ = ("_mask", "is_open")

    def __init__(self, is_open: bool) -> None:
        """Tell which."""
        self.is_open = is_open
        self._mask: Mask | None = WHOLE if is_open else None

    def mask(self, _value: Any, _context: Context) -> Mask | None:
        return self._mask

    def covers(self, _parts: Path, _value: Any, _context: Context, _use: Use = Use.READ) -> bool:
        return self.is_open

    def always_covers(self, _parts: Path) -> bool:
        return self.is_open

    def could_show(self, _parts: Path) -> bool:
        return self.is_open


OPEN: Final = Always(True)
CLOSED: Final = Always(False)


class Asked:
    """A part that is visible with all that is inside where a permission holds."""

    __slots__ = ("_holds", "_is_possible")

    def __init__(self, holds: Predicate, *, is_possible: bool) -> None:
        """Take the permission, and whether it could hold for any document."""
        self._holds = holds
        self._is_possible = is_possible

    def mask(self, value: Any, context: Context) -> Mask | None:
        context.this = context.prev = value
        return WHOLE if self._holds(context) else None

    def covers(self, _parts: Path, value: Any, context: Context, _use: Use = Use.READ) -> bool:
        return self.mask(value, context) is WHOLE

    def always_covers(self, _parts: Path) -> bool:
        return False

    def could_show(self, _parts: Path) -> bool:
        return self._is_possible


class Members:
    """A part whose members are parts of their own, in a document and in each document of an array."""

    __slots__ = ("_members", "_others", "_plain", "keeps_empty", "keeps_values")

    def __init__(
        self,
        members: "Mapping[str, Part]",
        others: "Part | None" = None,
        *,
        keeps_empty: bool = False,
        keeps_values: bool = False,
    ) -> None:
        """Take the parts of members by name, and that of all others, None to hide them.

        `keeps_empty` shows what has no visible members as empty, and counts for arrays in arrays; `keeps_values` shows
        what is no document.
        """
        self._members = members
        self._others = others
        self.keeps_empty = keeps_empty
        self.keeps_values = keeps_values
        self._plain = _plain(members, CLOSED if others is None else others)

    @property
    def is_by_name(self) -> bool:
        """Whether the names of members alone decide, also those that are rendered."""
        return self._plain is not None and all(map(is_exact, self._members))

    @property
    def shown(self) -> tuple[frozenset[str], bool] | None:
        """The names that are unlike all others, and whether these others are visible; None if that depends."""
        return self._plain

    def mask(self, value: Any, context: Context) -> Mask | None:
        """Return what is visible of the value at this place, None if nothing."""
        if type(value) is dict:
            return self.members_mask(value, context)
        if type(value) is list:
            masks = [self._element_mask(each, context) for each in value]
            return masks if self.keeps_empty or any(each is not None for each in masks) else None
        return WHOLE if self.keeps_values else None

    def members_mask(self, document: Mapping[str, Any], context: Context) -> Mask | None:
        """Return what is visible of a document at this place."""
        if self._plain is not None:
            names, other = self._plain
            if names.isdisjoint(document) if other else names.issuperset(document):
                return WHOLE if document or self.keeps_empty else None  # WHOLE costs the least to apply
            shown: dict[str, Mask] = {name: WHOLE for name in document if (name in names) is not other}
        else:
            shown = {}
            for name, value in document.items():
                part = self._members.get(name, self._others)
                if part is not None and (mask := part.mask(value, context)) is not None:
                    shown[name] = mask
        return shown if shown or self.keeps_empty else None

    def _element_mask(self, element: Any, context: Context) -> Mask | None:
        if type(element) is dict or (type(element) is list and self.keeps_empty):
            return self.mask(element, context)
        return WHOLE if self.keeps_values else None

    def covers(self, parts: Path, value: Any, context: Context, use: Use = Use.READ) -> bool:
        """Tell whether all that a path leads to inside the value at this place is visible, were it there or not.

        That nothing there is hidden is no answer: it would tell that what is hidden elsewhere is not there.
        A write asks about what is there: of a document whose members have permissions of their own, others may be
        hidden, so that its outcome tells whether there are any.
        """
        if not parts:
            return use is not Use.READ and is_complete(self.mask(value, context), value)
        if type(value) is list:
            if use is not Use.READ or self.mask(value, context) is not None:
                return self._covers_elements(parts, value, context, use)
            value = MISSING  # where nothing of an array is visible, a number is no place in it
        if use is not Use.READ and type(value) is not dict and value is not MISSING:
            return self.keeps_values  # else in its place stands what is hidden
        part = self._members.get(parts[0], self._others)
        member = value.get(parts[0], MISSING) if type(value) is dict else MISSING
        return part is not None and part.covers(parts[1:], member, context, use)

    def _covers_elements(self, parts: Path, elements: list[Any], context: Context, use: Use) -> bool:
        if use is not Use.READ and any(self._element_mask(each, context) is None for each in elements):
            return False  # a write would meet it, and count others from it
        index = array_index(parts[0])
        if index is not None:
            chosen = elements[index] if index < len(elements) else MISSING
            if use is Use.WRITTEN:
                return self.covers(parts[1:], chosen, context, use)
            others = [each for each in elements if type(each) is dict and parts[0] in each]
            return self.covers(parts[1:], chosen, context, use) and all(
                self.covers(parts, each, context, use) for each in others
            )
        return all(self.covers(parts, each, context, use) for each in elements or [MISSING])

    def always_covers(self, parts: Path) -> bool:
        """Tell whether all that a path leads to is visible, whatever is at this place."""
        if not parts or not self.always_covers_member(parts):
            return False
        return array_index(parts[0]) is None or self.always_covers(parts[1:])

    def always_covers_member(self, parts: Path) -> bool:
        """Tell the same for a place where a document is, never an array."""
        part = self._members.get(parts[0], self._others)
        return part is not None and part.always_covers(parts[1:])

    def is_decided(self, parts: Path) -> bool:
        """Tell whether what a path leads to is visible unchanged or not at all, never in part."""
        part = self._members.get(parts[0], self._others)
        return type(part) is not Members or (len(parts) > 1 and part.is_decided(parts[1:]))

    def decided_by(self, parts: Path) -> Path:
        """Return the beginning of a path into a document on which a permission decides, and so on all of it."""
        part = self._members.get(parts[0], self._others)
        if len(parts) == 1 or type(part) is Always or type(part) is Asked:
            return parts[:1]
        if type(part) is Members:
            return parts[:1] + part.decided_by(parts[1:])
        return parts[:1] + self.decided_by(parts[1:]) if array_index(parts[0]) is not None else parts[:1]

    def could_show(self, parts: Path) -> bool:
        """Tell whether there could be a document in which something that a path leads to is visible."""
        if not parts:
            members = [*self._members.values(), *([] if self._others is None else [self._others])]
            return any(each.could_show(()) for each in members)
        if array_index(parts[0]) is not None and self.could_show(parts[1:]):
            return True
        part = self._members.get(parts[0], self._others)
        return part is not None and part.could_show(parts[1:])

    def drops_elements(self, name: str) -> bool:
        """Tell whether elements of an array may be hidden where a member has it, so that those after it move up."""
        part = self._members.get(name, self._others)
        return type(part) is Members and not part.keeps_values


type Part = Always | Asked | Members
"""What is visible of the value at one place of a document."""


def _plain(members: Mapping[str, Part], others: Part) -> tuple[frozenset[str], bool] | None:
    if type(others) is not Always or not all(type(each) is Always for each in members.values()):
        return None
    return frozenset(name for name, each in members.items() if each is not others), others.is_open
