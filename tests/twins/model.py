"""What writes come to under rules: one document at a time, without a query, a transaction or an operator of MongoDB's.

Where the service is stricter than Atlas on purpose, a comment says so.
"""

import copy
from typing import Any, NamedTuple

import bson

from tests.twins.operators import Refused, apply
from tests.twins.oracle import Oracle, Shown, View, holds, is_own, projected, role_of
from tests.twins.plain import NEW, NOTHING, Document, equal
from tests.twins.schemas import follows

_NEEDED = {"document", "documents", "filter"}


class Outcome(NamedTuple):
    """What is stored afterwards; `counts` are the numbers in the reply, None if the call is refused."""

    documents: list[Document]
    counts: Document | None
    change: tuple[Document | None, Document | None] = (None, None)
    """The document of a write of one before and after it; of several, any."""


class Model:
    """The documents of a collection, as writes under rules leave them."""

    def __init__(self, oracle: Oracle, schema: Document, documents: list[Document], matched: list[bool]) -> None:
        """Take what is stored, and which of it the filters' queries find."""
        self._oracle = oracle
        self._schema = schema
        self._stored = documents
        self._shown = [oracle.shown(each) if found else False for each, found in zip(documents, matched, strict=True)]

    def outcome(self, call: Document) -> Outcome:
        """Return what becomes of a call."""
        action, body = call["action"], call["body"]
        if action == "transaction":
            outcome = self._of_each([{each["action"]: each} for each in body["operations"]])
            return outcome._replace(counts=None if outcome.counts is None else {})  # the replies have them
        return self._of_each(body["requests"]) if action == "bulkWrite" else self._of_one(action, body)

    def _of_one(self, action: str, body: Document) -> Outcome:
        if not body.get("update", True) or not body.get("documents", True) or body.keys().isdisjoint(_NEEDED):
            return Outcome(self._stored, None)
        try:
            if action in {"insertOne", "insertMany"}:
                return self._inserted([body["document"]] if action == "insertOne" else body["documents"])
            found = self._found(body["filter"])
            found = found[:1] if action not in {"updateMany", "deleteMany"} else found
            if action in {"deleteOne", "deleteMany", "findOneAndDelete"}:
                return self._deleted(found)
            if not found and body.get("upsert"):
                return self._upserted(body)
            return self._updated(found, body)
        except Refused:
            return Outcome(self._stored, None)

    def _of_each(self, requests: list[Document]) -> Outcome:
        """Return what becomes of several calls, of which all are done or none; each finds what those before it left."""
        documents = self._stored
        counts = dict.fromkeys(("insertedCount", "matchedCount", "modifiedCount", "deletedCount", "upsertedCount"), 0)
        for each in requests:
            ((action, body),) = each.items()
            model = Model(self._oracle, self._schema, documents, [True] * len(documents))
            outcome = model._of_one(action, body)
            if outcome.counts is None:
                return Outcome(self._stored, None)
            added = len(outcome.documents) - len(documents)
            counts["insertedCount" if action == "insertOne" else "upsertedCount"] += max(added, 0)
            for name, number in outcome.counts.items():
                counts[name] += number
            documents = outcome.documents
        return Outcome(documents, counts)

    def _found(self, condition: Document) -> list[int]:
        """Return the positions of visible documents that match, of those in which what is asked about is readable."""
        # stricter: what nobody could read in any document is not to be asked about
        if not all(name == "_id" or self._is_ever_open(name) for name in condition):
            raise Refused
        return [
            position
            for position, shown in enumerate(self._shown)
            if shown is not False and all(self._matches(position, name, value) for name, value in condition.items())
        ]

    def _matches(self, position: int, name: str, value: Any) -> bool:
        document = self._stored[position]
        if name == "_id":  # anybody's to ask
            return equal(document["_id"], value)
        if not self._is_open(document, [name]):
            return False
        found = document.get(name)
        candidates = [found, *found] if isinstance(found, list) else [found]
        return any(equal(each, value) or repr(each) == repr(value) == "nan" for each in candidates)

    def _is_ever_open(self, name: str) -> bool:
        return is_shown_by(self._oracle.projection, [name]) and any(
            _is_ever_open(role, name) for role in self._oracle.roles
        )

    def _is_open(self, document: Document, path: list[str], *, stored: bool = False) -> bool:
        """Tell whether what a path leads to may be read, were it there or not; `stored` asks about what is there."""
        if not is_shown_by(self._oracle.projection, path):
            return False
        role, view = self._oracle.role(document), self._oracle.view(document)
        assert role is not None
        if holds(role.get("write"), view) or role.get("read") is not None:
            return True
        rule = role.get("fields", {}).get(path[0], role.get("additional_fields"))
        return rule is not None and _opens(rule, path[1:], document.get(path[0], NOTHING), view, stored)

    def _inserted(self, documents: list[Document]) -> Outcome:
        documents = [each if "_id" in each else {"_id": NEW, **each} for each in documents]
        for position, each in enumerate(documents):
            self._refuse_insert(each, [*self._stored, *documents[:position]])
        return Outcome([*self._stored, *documents], {})

    def _refuse_insert(self, new: Document, stored: list[Document]) -> None:
        view = View(self._oracle.user, new)
        role = role_of(self._oracle.roles, view)
        if role is None or not _may_write(role, {}, new, view) or not holds(role.get("insert", True), view):
            raise Refused
        if not follows(self._schema, new) or any(equal(new["_id"], each["_id"]) for each in stored):
            raise Refused

    def _deleted(self, found: list[int]) -> Outcome:
        if not all(self._oracle.may_delete(self._stored[position]) for position in found):
            raise Refused
        left = [each for position, each in enumerate(self._stored) if position not in found]
        change = (self._stored[found[0]] if found else None, None)
        return Outcome(left, {"deletedCount": len(found)}, change)

    def _upserted(self, body: Document) -> Outcome:
        new = dict(body["filter"])
        if "replacement" in body:
            new = {name: value for name, value in new.items() if name == "_id"} | body["replacement"]
        else:
            for operator, changes in body["update"].items():
                for path, operand in changes.items():
                    apply(new, operator, path.split("."), operand)
        new = new if "_id" in new else {"_id": NEW, **new}
        self._refuse_insert(new, self._stored)
        return Outcome([*self._stored, new], {"matchedCount": 0, "modifiedCount": 0}, (None, new))

    def _updated(self, found: list[int], body: Document) -> Outcome:
        after = list(self._stored)
        for position in found:
            after[position] = self._changed(position, body)
        modified = sum(_encoded(after[position]) != _encoded(self._stored[position]) for position in found)
        change = (self._stored[found[0]], after[found[0]]) if found else (None, None)
        return Outcome(after, {"matchedCount": len(found), "modifiedCount": modified}, change)

    def _changed(self, position: int, body: Document) -> Document:
        old = self._stored[position]
        if "replacement" in body:
            # stricter: nothing of a document that is replaced may be hidden, but its _id, which stays
            if not all(self._is_open(old, [name], stored=True) for name in old if name != "_id"):
                raise Refused
            if not equal(body["replacement"].get("_id", old["_id"]), old["_id"]):
                raise Refused
            new = {"_id": old["_id"], **{name: each for name, each in body["replacement"].items() if name != "_id"}}
        else:
            new = copy.deepcopy(old)
            for operator, changes in body["update"].items():
                for path, operand in changes.items():
                    # stricter: what an update names must be readable, whatever becomes of it
                    if not self._is_open(old, path.split("."), stored=True):
                        raise Refused
                    apply(new, operator, path.split("."), operand)
        role, view = self._oracle.role(old), self._oracle.view(old)
        assert role is not None
        if role.get("document_filters") and not holds(role["document_filters"].get("write"), view):
            raise Refused
        if not _may_write(role, old, new, View(self._oracle.user, new, old)) or not follows(self._schema, new):
            raise Refused
        return new


def is_shown_by(projection: Document, path: list[str]) -> bool:
    """Tell whether a filter's projection leaves all of what a path leads to: for names, whatever is there."""
    if not projection:
        return True
    made: Any = "all"
    for part in reversed(path):
        made = {part: made}
    shown: Shown = projected(projection, made)
    for part in path:
        if isinstance(shown, dict):
            shown = shown[part]
    inner = any(name.startswith(".".join(path) + ".") for name in projection)
    return shown is True and not inner


def _is_ever_open(role: Document, name: str) -> bool:
    filters = role.get("document_filters")
    if filters and not _is_ever(filters, "read", "write"):
        return False
    if _is_ever(role, "write"):
        return True
    if role.get("read") is not None:
        return _is_ever(role, "read")
    rule = role.get("fields", {}).get(name, role.get("additional_fields"))
    return rule is not None and _opens_ever(rule)


def _opens_ever(rule: Document) -> bool:
    return _is_ever(rule, "read", "write") if is_own(rule) else any(map(_opens_ever, rule.get("fields", {}).values()))


def _is_ever(rule: Document, *names: str) -> bool:
    return any(rule.get(name) is not None and rule[name] is not False for name in names)


def _opens(rule: Document, path: list[str], value: Any, view: View, stored: bool) -> bool:
    if is_own(rule):
        at = view._replace(this=value, previous=value)
        return holds(rule.get("read"), at) or holds(rule.get("write"), at)
    if not path:
        # stricter: what has members with permissions of their own is only named while all of it is there to be read
        return stored and _is_whole(rule, value, view)
    if isinstance(value, list):
        # stricter: a write meets no element that is hidden as a whole, and counts none from it
        if stored and not all(isinstance(each, dict) and _shows_some(rule, each, view) for each in value):
            return False
        return all(_opens(rule, path, each, view, stored) for each in value or [NOTHING])
    if stored and not isinstance(value, dict) and value is not NOTHING:
        return False
    inner = rule.get("fields", {}).get(path[0])
    member = value.get(path[0], NOTHING) if isinstance(value, dict) else NOTHING
    return inner is not None and _opens(inner, path[1:], member, view, stored)


def _shows_some(rule: Document | None, value: Any, view: View) -> bool:
    if rule is None:
        return False
    if is_own(rule):
        at = view._replace(this=value, previous=value)
        return holds(rule.get("read"), at) or holds(rule.get("write"), at)
    if isinstance(value, dict):
        return any(_shows_some(rule.get("fields", {}).get(name), each, view) for name, each in value.items())
    return isinstance(value, list) and any(isinstance(each, dict) and _shows_some(rule, each, view) for each in value)


def _is_whole(rule: Document | None, value: Any, view: View) -> bool:
    if rule is None:
        return False
    if is_own(rule):
        return _opens(rule, [], value, view, stored=True)
    inner = rule.get("fields", {})
    if isinstance(value, dict):
        return bool(value) and all(_is_whole(inner.get(name), each, view) for name, each in value.items())
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, dict) and _is_whole(rule, each, view) for each in value)
    return False


def _may_write(role: Document, old: Document, new: Document, view: View) -> bool:
    """Decide on a change of a document that is not there before, or not there afterwards, or both times."""
    if role.get("document_filters") and not holds(role["document_filters"].get("write"), view):
        return False
    if role.get("write") is not None:
        return holds(role["write"], view)
    rules, others = role.get("fields", {}), role.get("additional_fields")
    return all(
        _is_writable(rules.get(name, others), old.get(name, NOTHING), new.get(name, NOTHING), view)
        for name in {**old, **new}
    )


def _is_writable(rule: Document | None, old: Any, new: Any, view: View) -> bool:
    if _encoded(old) == _encoded(new):
        return True
    if rule is None:
        return False
    if is_own(rule):
        return holds(rule.get("write"), view._replace(this=new, previous=old))
    sides = [each for each in (old, new) if each is not NOTHING]
    kinds = {dict if isinstance(each, dict) else list if isinstance(each, list) else None for each in sides}
    inner = rule.get("fields", {})
    if not inner or len(kinds) > 1 or None in kinds:
        return False
    first, second = (_members(each) for each in (old, new))
    names = {**first, **second}
    changed = [name for name in names if _encoded(first.get(name, NOTHING)) != _encoded(second.get(name, NOTHING))]
    if list in kinds:
        return bool(changed) and all(
            _is_element_writable(rule, first.get(name, NOTHING), second.get(name, NOTHING), view) for name in changed
        )
    return bool(changed) and all(
        _is_writable(inner.get(name), first.get(name, NOTHING), second.get(name, NOTHING), view) for name in changed
    )


def _is_element_writable(rule: Document, old: Any, new: Any, view: View) -> bool:
    are_documents = all(isinstance(each, dict) for each in (old, new) if each is not NOTHING)
    return are_documents and _is_writable(rule, old, new, view)


def _members(value: Any) -> dict[Any, Any]:
    return dict(enumerate(value)) if isinstance(value, list) else value if isinstance(value, dict) else {}


def _encoded(value: Any) -> bytes:
    return bson.encode({} if value is NOTHING else {"": value})
