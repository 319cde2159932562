"""The rules of a namespace, and what they come to for one call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from shared.documents.elements import decoded
from shared.rules.answers import UnansweredError
from shared.rules.bound_roles import BoundRole
from shared.rules.expressions import Context, Expansions, NoAnswerError, names_of
from shared.rules.field_paths import Touched
from shared.rules.filters import Filter
from shared.rules.masks import Mask
from shared.rules.projections import Projection
from shared.rules.roles import Role
from shared.rules.translations import (
    EVERYTHING,
    NOTHING,
    UNANSWERED,
    Translation,
    all_of,
    any_of,
    negation,
    under_any_collation,
)
from shared.rules.values import Path, Use, path
from shared.rules.writing import NO_ROLE, Decision
from shared.ttl_cache import Cache

_MOST_BOUND = 1_000  # callers, for each collection
_MOST_NAMES = 4  # looking for each in the bytes of a document costs a fifth of decoding it again
_UNNAMED = ""  # the name of no field that rules speak of


type Could = Callable[[Rights], bool]
"""Tells whether the rules of a collection could let a caller do something to some document, whichever there are."""


class Ruleset:
    """The roles and filters of a collection, or a data source's default ones."""

    def __init__(
        self,
        roles: Sequence[Role],
        filters: Sequence[Filter],
        asks_request: bool,
        asks_functions: bool = False,
        asks_action: bool = True,
    ) -> None:
        """Keep them in the order in which they are asked; tell whether one looks at `%%request`, or asks a function.

        `asks_action` tells whether one may look at the action in `%%request`: else they come to the same for each.
        """
        self.roles = roles
        self.filters = filters
        self.asks_request = asks_request
        self.asks_functions = asks_functions
        self.asks_action = asks_request and asks_action
        self._bound: Cache[int, Rights] = Cache(_MOST_BOUND)

    def rights(self, expansions: Expansions) -> "Rights":
        """Return what the rules come to for one call; the same for every call of a user if none asks for more.

        Raise InvalidParameterError if filters that apply both include and exclude fields, UnansweredError if a function
        has to answer first.
        """
        if self.asks_request or self.asks_functions:
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
        self.roles = [BoundRole(role, applied, context) for role, applied in _candidates(rules.roles, context)]
        filters = [each for each in rules.filters if each.applies(context)]
        self.projection = _merged(filters)
        self.reads_whole = all(each.role.is_full_read for each in self.roles)
        is_one = len(self.roles) == 1 and self.roles[0].applies is None
        self.is_full = is_one and not filters and self.roles[0].role.is_full
        # a filter's query is MongoDB's own, so nothing is lost by asking it
        self.filtered = all_of([Translation(query, exact=True) for each in filters if (query := each.query(context))])
        """What filters ask of every document, beside what roles do."""
        visible = any_of(self._visible())
        # no less than what the caller sees, and if it is exact no more, where texts are compared as rules do
        self.query = all_of([self.filtered, visible])
        self.query_under_collation = all_of([self.filtered, under_any_collation(visible)])

    @property
    def shows_everything(self) -> bool:
        """Whether nothing is hidden in a document that the caller sees."""
        return self.reads_whole and self.projection is None

    @property
    def hides_nothing(self) -> bool:
        """Whether the caller sees all of every document."""
        return self.shows_everything and self.query == EVERYTHING

    def is_of(self, user: Mapping[str, Any]) -> bool:
        """Tell whether this is the very object that `%%user` shows."""
        return self._expansions.user is user

    def _visible(self) -> list[Translation]:
        before: list[Translation] = []
        found = []
        for each in self.roles:
            found.append(all_of([each.applied, *before, each.visible]))
            before.append(negation(each.applied))
        return found

    def role(self, context: Context) -> BoundRole | None:
        """Return the first role that applies to the context's document; where a function has no answer, none."""
        for each in self.roles:
            try:
                if each.applies is None or each.applies(context):
                    return each
            except NoAnswerError:
                return None
        return None

    def mask(self, document: Mapping[str, Any], used: Iterable[Path] = ()) -> Mask | None:
        """Return what may be read of a document; None if nothing, or if the call uses a path in it that is hidden."""
        return self.masks([document], used)[0]

    def masks(
        self,
        documents: Sequence[Mapping[str, Any]],
        used: Iterable[Path] = (),
        values: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[Mask | None]:
        """Return the same for each of many documents; where `names` decide, `values` may hold these and no others."""
        # for what every role shows, no document has to be asked
        paths = [parts for parts in used if not self._always_covers(parts)]
        asked = {each: each.deciding(paths) for each in self.roles} if paths else {}
        context = self._expansions.context()
        found: list[Mask | None] = []
        unanswered: UnansweredError | None = None
        for document, own in zip(documents, documents if values is None else values, strict=True):
            context.see(own)
            try:
                role = self.role(context)
                mask = None if role is None else role.shown(context, document)
                if paths and role is not None and mask is not None:
                    mask = mask if all(role.covers(parts, document, context) for parts in asked[role]) else None
                found.append(mask)
            except UnansweredError as error:  # the others may ask, too, and are answered together
                unanswered = error
        if unanswered is not None:
            raise unanswered
        return found

    def reader(self, document: Mapping[str, Any]) -> Callable[[Path], bool]:
        """Return what tells whether everything at a path may be read of a document, were it there or not."""
        context = self._expansions.context(document, document)
        role = self.role(context)
        if role is None or role.shown(context, document) is None:
            return lambda _parts: False
        return lambda parts: role.covers(parts, document, context)

    def names(self, used: Iterable[Path] = ()) -> frozenset[str] | None:
        """Return the top-level fields whose values decide what is visible; None if they are many, or more decides."""
        return self._names if all(map(self._always_covers, used)) else None

    @cached_property
    def _names(self) -> frozenset[str] | None:
        names = names_of(each.role for each in self.roles)
        return None if names is None or len(names) > _MOST_NAMES else names

    def finds_just_visible(self, used: Iterable[Path]) -> bool:
        """Tell whether every document that the query finds is visible, also to a call that uses these paths."""
        return self.query.exact and all(map(self._always_covers, used))

    def _always_covers(self, parts: Path) -> bool:
        return all(each.always_covers(parts) for each in self.roles)

    def always_shows(self, parts: Path) -> bool:
        """Tell whether, of every document of which something is visible, everything at a path is."""
        is_left = self.projection is None or self.projection.part.always_covers_member(parts)
        return is_left and self._always_covers(parts)

    def is_decided(self, parts: Path) -> bool:
        """Tell whether of every document what a path leads to is visible unchanged or not at all."""
        is_left = self.projection is None or self.projection.part.is_decided(parts)
        return is_left and all(each.is_decided(parts) for each in self.roles)

    def drops_elements(self, parts: Path) -> bool:
        """Tell whether a path leads through an array of which elements may be hidden, so that those after move up."""
        if len(parts) < 2:
            return False
        projected = self.projection is not None and self.projection.part.drops_elements(parts[0])
        return projected or any(each.drops_elements(parts[0]) for each in self.roles)

    def hidden(self, used: Iterable[Path]) -> Path | None:
        """Return the first of these paths that the caller could not read in any document."""
        for parts in used:
            if self.projection is not None and not self.projection.part.always_covers_member(parts):
                return parts
            if not any(each.could_read(parts) for each in self.roles):
                return parts
        return None

    def may_insert(self, new: bytes, values: Mapping[str, Any] | None = None) -> Decision:
        """Decide on a new document, given as BSON; `values` are those that it was encoded from, if they are at hand."""
        context = self._expansions.context(decoded(new) if values is None else values)
        role = self.role(context)
        return Decision(False, None, NO_ROLE) if role is None else role.writing.may_insert(new, context)

    def may_touch(self, old: bytes, touched: Touched | None) -> Decision:
        """Decide whether a call may name these paths in a visible document to change them; None stands for any.

        What they lead to must be readable even if it does not change, else a caller could guess it and see from the
        outcome that it was right.
        """
        before = decoded(old)
        context = self._expansions.context(before, before)
        role = self.role(context)
        mask = None if role is None else role.shown(context, before)
        if role is None or mask is None:
            return Decision(False, None, NO_ROLE)
        for parts, use in _any_field(self.projection, role, before) if touched is None else touched.uses():
            if not _leaves(self.projection, parts, before, context, use) or not role.covers(
                parts, before, context, use
            ):
                return Decision(False, role.name, f"field '{'.'.join(parts)}' is not readable")
        return Decision(True, role.name, "what the call names is readable")

    def may_replace(self, old: bytes) -> Decision:
        """Decide whether a call may put another document in the place of a visible one, of which nothing is hidden."""
        return self.may_touch(old, Touched({(name,) for name in decoded(old) if name != "_id"}))

    def may_update(self, old: bytes, new: bytes) -> Decision:
        """Decide on the change of a visible document, which the call was allowed to touch."""
        before = decoded(old)
        stored = self._expansions.context(before, before)
        role = self.role(stored)
        if role is None:
            return Decision(False, None, NO_ROLE)
        changed = self._expansions.context(decoded(new), before)
        return role.writing.may_update(old, new, stored, changed)

    def may_delete(self, old: bytes) -> Decision:
        """Decide on the removal of a document that is visible."""
        before = decoded(old)
        context = self._expansions.context(before, before)
        role = self.role(context)
        return Decision(False, None, NO_ROLE) if role is None else role.writing.may_delete(old, context)

    @cached_property
    def shown_of_each(self) -> dict[str, Any] | None:
        """The projection to what may be read of every document that the query finds, {} for all; None if it varies."""
        visible = _plain_projections(self)
        if visible is None or not self.query.exact:
            return None
        by_role, by_filters = visible
        return None if by_role and by_filters else by_role or by_filters

    def readable_stages(self) -> list[dict[str, Any]] | None:
        """Return the stages that leave of a collection just what the caller may read, None if stages cannot say it."""
        projections = _plain_projections(self)
        if projections is None:
            return None
        visible, left = projections
        found = self.query if self.reads_whole else _found_by(self, self.roles[0])
        if not found.exact:
            return None
        return _stages(self.query.query, visible, left)


def could_see(rights: Rights) -> bool:
    """Tell whether the caller could see something of some document."""
    return rights.query.query != NOTHING.query and any(each.could_read(()) for each in rights.roles)


def could_see_all(rights: Rights) -> bool:
    """Tell whether nothing of any document is hidden from the caller."""
    return rights.hides_nothing


def could_insert(rights: Rights) -> bool:
    """Tell whether the caller could insert some document."""
    return any(each.writing.could_insert() for each in rights.roles)


def could_delete(rights: Rights) -> bool:
    """Tell whether the caller could delete some document."""
    return could_see(rights) and any(each.writing.could_delete() for each in rights.roles)


def could_update(rights: Rights) -> bool:
    """Tell whether the caller could change some document, or insert one where there is none."""
    changes = any(each.writing.could_update(lambda name: rights.hidden([(name,)]) is not None) for each in rights.roles)
    return (could_see(rights) and changes) or could_insert(rights)


def does_all(rights: Rights) -> bool:
    """Tell whether one role lets the caller do everything."""
    return rights.is_full


def _found_by(rights: Rights, role: BoundRole) -> Translation:
    return all_of([rights.filtered, role.applied, role.filtered])


def _any_field(
    projection: Projection | None, role: BoundRole, document: Mapping[str, Any]
) -> Iterable[tuple[Path, Use]]:
    """Give what a pipeline may read: whatever is there, and what is not but has a say of its own in the rules."""
    hidden = () if projection is None else (path(name)[0] for name in projection.source)
    return (((name,), Use.READ) for name in (*document, *role.role.fields, *hidden, _UNNAMED))


def _plain_projections(rights: Rights) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return what roles and then filters leave of every document, {} for all; None if projections cannot say it."""
    if rights.reads_whole:
        visible: dict[str, Any] | None = {}
    else:
        visible = rights.roles[0].plain_projection() if len(rights.roles) == 1 else None
    left = {} if rights.projection is None else dict(rights.projection.source)
    return None if visible is None or any("." in name for name in left) else (visible, left)


def _candidates(roles: Sequence[Role], context: Context) -> list[tuple[Role, Translation]]:
    """Return the roles that could apply to a document for this caller, with the query for where each does."""
    found: list[tuple[Role, Translation]] = []
    for role in roles:
        applies = role.apply_when.query(context)
        if applies == EVERYTHING:
            return [*found, (role, EVERYTHING)]
        if applies is UNANSWERED:  # whatever the document, the search for a role ends here
            return found
        if applies != NOTHING:
            found.append((role, applies))
    return found


def _stages(query: dict[str, Any], visible: dict[str, Any], left: dict[str, Any]) -> list[dict[str, Any]]:
    stages: list[dict[str, Any]] = [{"$match": query}] if query else []
    if visible:
        stages += [{"$project": visible}, {"$match": {"$expr": {"$ne": ["$$ROOT", {}]}}}]
    if left:
        stages.append({"$project": left})
    # made anew, else a field that is set later comes to the place of a hidden one of its name
    return [*stages, {"$replaceWith": {"$mergeObjects": ["$$ROOT"]}}] if visible or left else stages


def _merged(filters: Sequence[Filter]) -> Projection | None:
    merged: dict[str, bool] = {}
    for each in filters:
        merged |= each.projection
    return Projection(merged) if merged else None


def _leaves(
    projection: Projection | None, parts: Path, document: Mapping[str, Any], context: Context, use: Use
) -> bool:
    """Tell whether filters leave all that a path leads to, and hide nothing that stands in the way of a write."""
    if projection is None:
        return True
    part = projection.part
    return part.always_covers_member(parts) and (use is Use.READ or part.covers(parts, document, context, use))
