"""The rules of a namespace, and what they come to for one call."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import bson

from shared.documents.elements import OPTIONS, elements
from shared.memory import Cache
from shared.rules.expressions import Context, Expansions, UnsupportedFunctionError, names_of
from shared.rules.filters import Filter
from shared.rules.masks import Mask
from shared.rules.projections import Projection
from shared.rules.roles import Decision, Glimpse, Role
from shared.rules.translations import EVERYTHING, NOTHING, Translation, all_of, any_of, negation
from shared.rules.values import Path, Predicate, path

NO_ROLE = "no matching role for document"

_MOST_BOUND = 1_000  # callers, for each collection
_MOST_NAMES = 4  # looking for each in the bytes of a document costs a fifth of decoding it again
_UNNAMED = ""  # the name of no field that rules speak of


class Ruleset:
    """The roles and filters of a collection, or a data source's default ones."""

    def __init__(self, roles: Sequence[Role], filters: Sequence[Filter], asks_request: bool) -> None:
        """Keep them in the order in which they are asked; tell whether one of them looks at `%%request`."""
        self.roles = roles
        self.filters = filters
        self.asks_request = asks_request
        self._bound: Cache[int, Rights] = Cache(_MOST_BOUND)

    def rights(self, expansions: Expansions) -> "Rights":
        """Return what the rules come to for one call; the same for every call of a user if none looks at its request.

        Raise InvalidParameterError if filters that apply both include and exclude fields.
        """
        if self.asks_request:
            return Rights(self, expansions)
        # the same object stands for the same user: callers whose credentials are cached keep theirs
        user = expansions.user
        bound = self._bound.get(id(user))
        if bound is None or not bound.is_of(user):
            bound = Rights(self, Expansions(user))
            self._bound.put(id(user), bound)
        return bound


class Rights:
    """The rules as they count for one call."""

    def __init__(self, rules: Ruleset, expansions: Expansions) -> None:
        """Leave out what cannot apply to this caller."""
        self._expansions = expansions
        context = expansions.context()
        self.roles = _candidates(rules.roles, context)
        applied = [each for each in rules.filters if each.applies(context)]
        self.is_full = not applied and len(self.roles) == 1 and self.roles[0][0].is_full and _is_for_all(self.roles)
        self.reads_whole = all(role.is_full_read for role, _ in self.roles)
        self.projection = _merged(applied)
        # a filter's query is MongoDB's own, so nothing is lost by asking it
        self._filtered = all_of([Translation(query, exact=True) for each in applied if (query := each.query(context))])
        # no less than what the caller sees, and if it is exact no more
        self.query = EVERYTHING if self.is_full else all_of([self._filtered, any_of(self._visible(context))])

    @property
    def shows_everything(self) -> bool:
        """Whether nothing is hidden in a document that the caller sees."""
        return self.reads_whole and self.projection is None

    def is_of(self, user: Mapping[str, Any]) -> bool:
        """Tell whether this is the very object that `%%user` shows."""
        return self._expansions.user is user

    def _visible(self, context: Context) -> list[Translation]:
        before: list[Translation] = []
        found = []
        for role, applies in self.roles:
            found.append(all_of([applies, *before, role.visible(context)]))
            before.append(negation(applies))
        return found

    def role(self, context: Context) -> Role | None:
        """Return the first role that applies to the context's document; of one that depends on a function, none."""
        for role, applies in self.roles:
            try:
                if applies is EVERYTHING or role.apply_when.holds(context):
                    return role
            except UnsupportedFunctionError:
                return None
        return None

    def mask(self, document: Mapping[str, Any], used: Iterable[Path] = ()) -> Mask | None:
        """Return what may be read of a document; None if nothing, or if the call uses a path in it that is hidden."""
        return self.masks([document], used)[0]

    def masks(self, documents: Iterable[Mapping[str, Any]], used: Iterable[Path] = ()) -> list[Mask | None]:
        """Return the same for each of many documents."""
        # for what every role shows, no document has to be asked
        paths = tuple(parts for parts in used if not self._always_covers(parts))
        context = self._expansions.context()
        return [self._mask(document, paths, context) for document in documents]

    def _mask(self, document: Mapping[str, Any], used: tuple[Path, ...], context: Context) -> Mask | None:
        context.root = context.prev_root = document
        role = self.role(context)
        mask = None if role is None else role.mask(document, context)
        if role is None or mask is None or not used:
            return mask
        return mask if all(role.covers(parts, document, context) for parts in used) else None

    def glimpse(self, used: Iterable[Path] = ()) -> tuple[frozenset[str], Glimpse] | None:
        """Return `mask` by the values of a few top-level fields, and which these are; None if there is more to see."""
        return self._glimpsed if all(map(self._always_covers, used)) else None

    @cached_property
    def _glimpsed(self) -> tuple[frozenset[str], Glimpse] | None:
        names = names_of(role for role, _ in self.roles)
        if names is None or len(names) > _MOST_NAMES:
            return None
        context = self._expansions.context()
        steps = [
            (None if applies is EVERYTHING else role.apply_when.bound(context), role.glimpse(context))
            for role, applies in self.roles
        ]
        return names, _first(steps)

    def finds_just_visible(self, used: Iterable[Path]) -> bool:
        """Tell whether every document that the query finds is visible, also to a call that uses these paths."""
        return self.query.exact and all(map(self._always_covers, used))

    def _always_covers(self, parts: Path) -> bool:
        return all(role.always_covers(parts) for role, _ in self.roles)

    def hidden(self, used: Iterable[Path]) -> Path | None:
        """Return the first of these paths that the caller could not read in any document."""
        context = self._expansions.context()
        for parts in used:
            if self.projection is not None and not self.projection.shows(parts):
                return parts
            if not any(role.could_read(parts, context) for role, _ in self.roles):
                return parts
        return None

    def may_insert(self, new: bytes) -> Decision:
        """Decide on a new document, given as BSON."""
        context = self._expansions.context(bson.decode(new, OPTIONS))
        role = self.role(context)
        return Decision(False, None, NO_ROLE) if role is None else role.may_insert(elements(new), context)

    def may_touch(self, old: bytes, touched: Iterable[Path] | None) -> Decision:
        """Decide whether a call may name these paths in a visible document to change them; None stands for any.

        What they lead to must be readable even if it does not change, else a caller could guess it and see from the
        outcome that it was right.
        """
        before = bson.decode(old, OPTIONS)
        context = self._expansions.context(before, before)
        role = self.role(context)
        mask = None if role is None else role.mask(before, context)
        if role is None or mask is None:
            return Decision(False, None, NO_ROLE)
        for parts in self._any_field(role, before) if touched is None else touched:
            is_shown = self.projection is None or self.projection.shows(parts)
            if not is_shown or not role.covers(parts, before, context, as_stored=touched is not None):
                return Decision(False, role.name, f"field '{'.'.join(parts)}' is not readable")
        return Decision(True, role.name, "what the call names is readable")

    def _any_field(self, role: Role, document: Mapping[str, Any]) -> Iterable[Path]:
        """Give what a pipeline may read: whatever is there, and what is not but has a say of its own in the rules."""
        hidden = () if self.projection is None else (path(name)[0] for name in self.projection.source)
        return ((name,) for name in (*document, *role.fields, *hidden, _UNNAMED))

    def may_replace(self, old: bytes) -> Decision:
        """Decide whether a call may put another document in the place of a visible one, of which nothing is hidden."""
        return self.may_touch(old, [(name,) for name in bson.decode(old, OPTIONS) if name != "_id"])

    def may_update(self, old: bytes, new: bytes) -> Decision:
        """Decide on the change of a visible document, which the call was allowed to touch."""
        before = bson.decode(old, OPTIONS)
        stored = self._expansions.context(before, before)
        role = self.role(stored)
        if role is None:
            return Decision(False, None, NO_ROLE)
        changed = self._expansions.context(bson.decode(new, OPTIONS), before)
        return role.may_update(elements(old), elements(new), stored, changed)

    def may_delete(self, old: bytes) -> Decision:
        """Decide on the removal of a document that is visible."""
        before = bson.decode(old, OPTIONS)
        context = self._expansions.context(before, before)
        role = self.role(context)
        return Decision(False, None, NO_ROLE) if role is None else role.may_delete(elements(old), context)

    def readable_stages(self) -> list[dict[str, Any]] | None:
        """Return the stages that leave of a collection just what the caller may read, None if stages cannot say it."""
        if self.reads_whole:
            visible: dict[str, Any] | None = {}
            exact = self.query.exact
        elif len(self.roles) == 1:
            role, applies = self.roles[0]
            context = self._expansions.context()
            visible = role.plain_projection()
            exact = all_of([self._filtered, applies, role.filtered(context)]).exact
        else:
            return None
        if visible is None or not exact:
            return None
        match = [{"$match": self.query.query}] if self.query.query else []
        cuts = [{"$project": each} for each in (visible, self.projection and self.projection.source) if each]
        return [*match, *cuts, *([{"$match": {"$expr": {"$ne": ["$$ROOT", {}]}}}] if cuts else [])]


def _candidates(roles: Sequence[Role], context: Context) -> list[tuple[Role, Translation]]:
    """Return the roles that could apply to a document for this caller, with the query for where each does."""
    found: list[tuple[Role, Translation]] = []
    for role in roles:
        applies = role.apply_when.query(context)
        if applies == EVERYTHING:
            return [*found, (role, EVERYTHING)]
        if applies != NOTHING:
            found.append((role, applies))
    return found


def _first(steps: Sequence[tuple[Predicate | None, Glimpse]]) -> Glimpse:
    """Return what the first role shows that applies; None stands for one that applies to every document."""

    if len(steps) == 1:
        only, only_shown = steps[0]
        return only_shown if only is None else _if(only, only_shown)

    def mask(values: Mapping[str, Any], document: Mapping[str, Any]) -> Mask | None:
        for applies, visible in steps:
            if applies is None or applies(values):
                return visible(values, document)
        return None

    return mask


def _if(applies: Predicate, visible: Glimpse) -> Glimpse:
    return lambda values, document: visible(values, document) if applies(values) else None


def _is_for_all(roles: Sequence[tuple[Role, Translation]]) -> bool:
    return roles[0][1] is EVERYTHING


def _merged(filters: Sequence[Filter]) -> Projection | None:
    merged: dict[str, bool] = {}
    for each in filters:
        merged |= each.projection
    return Projection(merged) if merged else None
