"""Why a call is allowed or denied, step by step, in the words of the rules' file."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import bson

from shared.rules.expressions import EVERYTHING, NOTHING
from shared.rules.fields import holds
from shared.rules.masks import Mask, cut
from shared.rules.ruleset import NO_ROLE, Access, Ruleset

type Operation = Literal["read", "insert", "update", "delete"]


def explain(rules: Ruleset, access: Access, operation: Operation, document: Mapping[str, Any] | None) -> Iterator[str]:
    """Give one sentence a step; without a document, what can be said before one is read."""
    context = access.context()
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
    if access.is_full:
        yield "the caller's one role allows everything: no document is checked"
    else:
        exact = "just" if access.query.exact else "at least"
        yield f"MongoDB is asked for {exact} the visible documents with {access.query.query}"
    if document is not None:
        yield from _on_document(access, operation, document)


def _on_document(access: Access, operation: Operation, document: Mapping[str, Any]) -> Iterator[str]:
    is_insert = operation == "insert"
    context = access.context(document) if is_insert else access.context(document, document)
    role = access.role(context)
    if role is None:
        yield f"{NO_ROLE}: the document is {'refused' if is_insert else 'invisible'}"
        return
    yield f"for this document, role '{role.name}' is the first that applies"
    for member in ("read", "write", "insert", "delete"):
        expression = getattr(role, member)
        value = "not set" if expression is None else str(holds(expression, context)).lower()
        yield f"  its '{member}' is {value}"
    if not is_insert:
        yield _shown(access.mask(document), document)
    raw = bson.encode(document)
    if operation == "insert":
        yield str(access.insert(raw))
    elif operation == "delete":
        yield str(access.delete(raw))


def _shown(mask: Mask | None, document: Mapping[str, Any]) -> str:
    if mask is None:
        return "  nothing of the document may be read: it is invisible"
    return f"  readable: {', '.join(cut(document, mask))}"
