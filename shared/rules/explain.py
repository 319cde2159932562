"""Why a call is allowed or denied, step by step, in the words of the rules' file.

Each part gives its steps, one sentence each, and returns what is decided.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import bson

from shared.documents.elements import decoded, elements
from shared.rules.bound_roles import BoundRole
from shared.rules.expressions import Context, Expansions, Expression, NoAnswerError, holds, possible
from shared.rules.field_paths import Touched
from shared.rules.filters import Filter
from shared.rules.functions import functions_of, missing_of, outcomes
from shared.rules.masks import Mask, cut
from shared.rules.roles import Role
from shared.rules.ruleset import Ruleset
from shared.rules.schema import MOST_FAILURES, Schema, SlowPatternError
from shared.rules.translations import NOTHING
from shared.rules.values import MISSING
from shared.rules.writing import NO_ROLE, Change, Decision, differences

type Operation = Literal["read", "insert", "update", "delete"]
type Steps = Generator[str, None, Decision]

_MEMBERS = ("read", "write", "insert", "delete")


class Explanation:
    """Explains what the rules and the schema of a collection come to for one call."""

    def __init__(self, rules: Ruleset, schema: Schema | None, expansions: Expansions, *, null_allowed: bool) -> None:
        """Raise InvalidParameterError if filters that apply both include and exclude fields."""
        self.rights = rules.rights(expansions)
        self._rules = rules
        self._schema = schema
        self._expansions = expansions
        self._null_allowed = null_allowed

    @property
    def added(self) -> list[dict[str, Any]]:
        """The queries that filters add to a call."""
        context = self._expansions.context()
        applied = [each for each in self._rules.filters if each.applies(context)]
        return [query for each in applied if (query := each.query(context))]

    def of_call(self, operation: Operation, document: Mapping[str, Any] | None) -> Steps:
        """Explain a call on a document; without one, what can be said before one is read.

        What a change comes to is explained apart, by `of_change`, when MongoDB has made it.
        """
        context = self._expansions.context()
        for each in self._rules.filters:
            yield from _of_filter(each, context)
        yield from _of_search(self._rules.roles, context)
        if self.rights.is_full:
            yield "the caller's one role allows everything: no document is checked"
        else:
            exact = "just" if self.rights.query.exact else "at least"
            yield f"MongoDB is asked for {exact} the visible documents with {self.rights.query.query}"
        if document is None:
            return self._in_general(operation, context)
        decision = yield from self._of_document(operation, document)
        if operation == "insert" and decision.allowed:
            decision = yield from self._of_schema(decision, None, document)
        return decision

    def _in_general(self, operation: Operation, context: Context) -> Decision:
        """Decide whether there could be a document for which the call is allowed."""
        roles = [each for each in _reached(self._rules.roles, context) if _could(each, operation, context)]
        if not roles or (operation != "insert" and self.rights.query == NOTHING):
            reason = _end_of_search(self._rules.roles, context)
            return Decision(False, None, "no role allows it on any document" if reason == NO_ROLE else reason)
        names = " or ".join(f"'{each.name}'" for each in roles)
        return Decision(True, roles[0].name if len(roles) == 1 else None, f"for documents to which {names} applies")

    def _of_document(self, operation: Operation, document: Mapping[str, Any]) -> Steps:
        is_insert = operation == "insert"
        context = self._expansions.context(document, MISSING if is_insert else document)
        bound = self.rights.role(context)
        if bound is None:
            reason = _end_of_search(self._rules.roles, context)
            if reason != NO_ROLE and not _are_there(self._rules.roles, context):
                yield f"for this document, {reason}: the search for a role ends here, no later role is tried"
            elif reason != NO_ROLE:
                yield f"for this document, {reason}: its role is not known here"
                return Decision(False, None, reason)
            yield f"{NO_ROLE}: the document is {'refused' if is_insert else 'invisible'}"
            return Decision(False, None, reason)
        yield f"for this document, role '{bound.name}' is the first that applies"
        for member in _MEMBERS:
            yield f"  its '{member}' is {_answer(getattr(bound.role, member), context)}"
        raw = bson.encode(document)
        if is_insert:
            return self.rights.may_insert(raw)
        mask = self.rights.mask(document)
        if mask is None:
            yield "  nothing of the document may be read: it is invisible"
            return Decision(False, bound.name, "nothing of the document may be read")
        yield f"  readable: {', '.join(self._shown(document, mask))}"
        return self.rights.may_delete(raw) if operation == "delete" else Decision(True, bound.name, "it is visible")

    def _shown(self, document: Mapping[str, Any], mask: Mask) -> Mapping[str, Any]:
        shown: Mapping[str, Any] = cut(document, mask)
        return shown if self.rights.projection is None else cut(shown, self.rights.projection.mask(shown))

    def of_touch(self, document: bytes, touched: Touched | None) -> Steps:
        """Explain what is asked before MongoDB makes a change: whether all that the call names may be read."""
        decision = self.rights.may_touch(document, touched)
        if touched is None:
            yield "the update is a pipeline: it could read every field"
        else:
            yield f"the update names {', '.join(sorted('.'.join(parts) for parts in touched.paths)) or 'no field'}"
        yield f"  {decision}"
        return decision

    def of_change(self, old: bytes, new: bytes) -> Steps:
        """Explain what is asked of the document that a change makes."""
        before, after = decoded(old), decoded(new)
        changes = list(differences(elements(old), elements(new), before, after))
        yield "MongoDB makes this change of it" if changes else "MongoDB changes nothing in it"
        for name, change in changes:
            yield f"  {name}: {_value(change.before)} -> {_value(change.after)}"
        bound = self.rights.role(self._expansions.context(before, before))
        context = self._expansions.context(after, before)
        if bound is not None and bound.role.write is not None:
            yield f"  the role's 'write' is {str(holds(bound.role.write, context)).lower()} after the change"
        elif bound is not None:
            yield from _of_fields(bound, changes, context)
        return (yield from self._of_schema(self.rights.may_update(old, new), before, after))

    def _of_schema(self, decision: Decision, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Steps:
        if self._schema is None:
            return decision
        failures = self._schema.failures(after, before, self._expansions, null_allowed=self._null_allowed)
        try:
            found = "; ".join(map(str, islice(failures, MOST_FAILURES)))
        except SlowPatternError:
            found = "its patterns take too long"
        yield f"the schema refuses it: {found}" if found else "the schema holds"
        return Decision(False, decision.role, "the schema refuses it") if found and decision.allowed else decision


def _of_filter(filter_: Filter, context: Context) -> Iterator[str]:
    try:
        applies = filter_.apply_when.bound(context)(context)
    except NoAnswerError:
        yield f"filter '{filter_.name}' {asks(filter_.apply_when)}: without it nothing is found"
        return
    yield f"filter '{filter_.name}' {'applies' if applies else 'does not apply'}"
    if applies:
        yield f"  it adds the query {filter_.query(context)}"
        yield f"  it adds the projection {filter_.projection}" if filter_.projection else "  it adds no projection"


def _of_search(roles: Sequence[Role], context: Context) -> Iterator[str]:
    """Give to which documents each role applies, up to the one at which the search for a role ends."""
    for position, role in enumerate(roles):
        found = outcomes(role.apply_when, context)
        if found.is_open:
            where = "where its condition depends on it, " if found.holds or found.fails else ""
            yield f"role '{role.name}' {asks(role.apply_when)}: {where}the search for a role ends here"
        elif found.holds and found.fails and functions_of(role.apply_when):
            yield f"role '{role.name}' {asks(role.apply_when)}: where it applies is decided there"
        elif not found.fails:
            yield f"role '{role.name}' applies to every document"
        elif not found.holds:
            yield f"role '{role.name}' applies to no document for this caller"
        else:
            yield f"role '{role.name}' applies to some documents"
        if not found.fails:
            behind = ", ".join(f"'{each.name}'" for each in roles[position + 1 :])
            if behind:
                yield f"  no later role is tried: {behind}"
            return


def _reached(roles: Sequence[Role], context: Context) -> Iterator[Role]:
    for role in roles:
        found = outcomes(role.apply_when, context)
        if found.holds:
            yield role
        if not found.fails:
            return


def _could(role: Role, operation: Operation, context: Context) -> bool:
    if operation == "read":
        return True  # else the query for what is visible finds nothing
    could_write = role.write is None or possible(role.write, context)
    return could_write and (operation == "update" or possible(getattr(role, operation), context))


def asks(expression: Expression) -> str:
    """Return what follows the name of something that asks functions."""
    missing = missing_of(expression)
    names = [f"'{name}'" for name in missing or functions_of(expression)]
    how = f"which {'are' if len(names) > 1 else 'is'} not there" if missing else "whose answer only a call has"
    return f"asks the function{'s' if len(names) > 1 else ''} {', '.join(names)}, {how}"


def _end_of_search(roles: Sequence[Role], context: Context) -> str:
    """Return why no role counts for the context's document."""
    role = _unanswered(roles, context)
    return NO_ROLE if role is None else f"role '{role.name}' {asks(role.apply_when)}"


def _unanswered(roles: Sequence[Role], context: Context) -> Role | None:
    """Return the role at which the search ends because a function has no answer."""
    for role in roles:
        try:
            role.apply_when.bound(context)(context)
        except NoAnswerError:
            return role
    return None


def _are_there(roles: Sequence[Role], context: Context) -> bool:
    """Tell whether a call could answer what is not answered here."""
    role = _unanswered(roles, context)
    return role is not None and not missing_of(role.apply_when)


def _answer(expression: Expression | None, context: Context) -> str:
    if expression is None:
        return "not set"
    try:
        return str(expression.bound(context)(context)).lower()
    except NoAnswerError:
        return f"taken for false: it {asks(expression)}"


def _of_fields(bound: BoundRole, changes: Sequence[tuple[str, Change]], context: Context) -> Iterator[str]:
    for name, change in changes:
        refused = bound.writing.fields.first_refused("", [(name, change)], context)
        yield f"  {name} may be written" if refused is None else f"  {refused} may not be written"


def _value(value: Any) -> str:
    return "nothing" if value is MISSING else repr(value)
