"""Why a call is allowed or denied, step by step, in the words of the rules' file."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import bson

from shared.documents.elements import decoded, elements
from shared.rules.expressions import Expansions, holds
from shared.rules.masks import Mask, cut
from shared.rules.ruleset import NO_ROLE, Rights, Ruleset
from shared.rules.schema import Schema
from shared.rules.translations import EVERYTHING, NOTHING
from shared.rules.values import MISSING, Path
from shared.rules.writing import differences

type Operation = Literal["read", "insert", "update", "delete"]


def explain(
    rules: Ruleset, expansions: Expansions, operation: Operation, document: Mapping[str, Any] | None
) -> Iterator[str]:
    """Give one sentence a step; without a document, what can be said before one is read.

    What a change comes to is explained apart, by `explain_change`, when MongoDB has made it.
    """
    rights, context = rules.rights(expansions), expansions.context()
    for each in rules.filters:
        applies = each.applies(context)
        yield f"filter '{each.name}' {'applies' if applies else 'does not apply'}"
        if applies:
            yield f"  it adds the query {each.query(context)}"
            yield f"  it adds the projection {each.projection}" if each.projection else "  it adds no projection"
    for role in rules.roles:
        applied = role.apply_when.query(context)
        if applied == EVERYTHING:
            yield f"role '{role.name}' applies to every document"
        elif applied == NOTHING:
            yield f"role '{role.name}' applies to no document for this caller"
        else:
            yield f"role '{role.name}' applies to some documents"
    if rights.is_full:
        yield "the caller's one role allows everything: no document is checked"
    else:
        exact = "just" if rights.query.exact else "at least"
        yield f"MongoDB is asked for {exact} the visible documents with {rights.query.query}"
    if document is not None:
        yield from _on_document(rights, expansions, operation, document)


def _on_document(
    rights: Rights, expansions: Expansions, operation: Operation, document: Mapping[str, Any]
) -> Iterator[str]:
    is_insert = operation == "insert"
    context = expansions.context(document, MISSING if is_insert else document)
    role = rights.role(context)
    if role is None:
        yield f"{NO_ROLE}: the document is {'refused' if is_insert else 'invisible'}"
        return
    yield f"for this document, role '{role.name}' is the first that applies"
    for member in ("read", "write", "insert", "delete"):
        expression = getattr(role.role, member)
        value = "not set" if expression is None else str(holds(expression, context)).lower()
        yield f"  its '{member}' is {value}"
    if not is_insert:
        yield _shown(rights.mask(document), document)
    raw = bson.encode(document)
    if operation == "insert":
        yield str(rights.may_insert(raw))
    elif operation == "delete":
        yield str(rights.may_delete(raw))


def _shown(mask: Mask | None, document: Mapping[str, Any]) -> str:
    if mask is None:
        return "  nothing of the document may be read: it is invisible"
    return f"  readable: {', '.join(cut(document, mask))}"


def explain_touch(rights: Rights, document: bytes, touched: Iterable[Path] | None) -> Iterator[str]:
    """Give what is asked before MongoDB makes a change: whether all that the call names may be read."""
    yield (
        "the update is a pipeline: it could read every field"
        if touched is None
        else (f"the update names {', '.join(sorted('.'.join(parts) for parts in touched)) or 'no field'}")
    )
    yield f"  {rights.may_touch(document, touched)}"


def explain_change(
    rights: Rights, expansions: Expansions, schema: Schema | None, old: bytes, new: bytes, *, null_allowed: bool
) -> Iterator[str]:
    """Give what is asked of the document that a change makes."""
    before, after = decoded(old), decoded(new)
    changes = list(differences(elements(old), elements(new), before, after))
    yield "MongoDB makes this change of it" if changes else "MongoDB changes nothing in it"
    for name, change in changes:
        yield f"  {name}: {_value(change.before)} -> {_value(change.after)}"
    bound, context = rights.role(expansions.context(before, before)), expansions.context(after, before)
    role = None if bound is None else bound.role
    if role is not None and role.write is not None:
        yield f"  the role's 'write' is {str(holds(role.write, context)).lower()} after the change"
    elif bound is not None:
        for name, change in changes:
            refused = bound.writing.fields.first_refused("", [(name, change)], context)
            yield f"  {name} may be written" if refused is None else f"  {refused} may not be written"
    yield str(rights.may_update(old, new))
    if schema is not None:
        failures = list(map(str, schema.failures(after, before, expansions, null_allowed=null_allowed)))
        yield f"the schema refuses it: {'; '.join(failures)}" if failures else "the schema holds"


def _value(value: Any) -> str:
    return "nothing" if value is MISSING else repr(value)
