"""The rules of a namespace, read as the contract writes them: one document at a time, without a query."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.twins.plain import NOTHING, REFERENCE, Document, equal_or_in, is_in, lookup, ordered

type Shown = bool | dict[str, "Shown"] | list["Shown"]
"""What is visible of a value: all, nothing, or what of each member or element."""


class View(NamedTuple):
    """What expansions mean where an expression is asked."""

    user: Document
    root: Any = NOTHING
    before: Any = NOTHING
    this: Any = NOTHING
    previous: Any = NOTHING

    def value(self, source: Any) -> Any:
        """Return an operand with its expansions filled in."""
        if isinstance(source, dict):
            members = {name: self.value(each) for name, each in source.items()}
            return NOTHING if any(each is NOTHING for each in members.values()) else members
        if isinstance(source, list):
            elements = [self.value(each) for each in source]
            return NOTHING if any(each is NOTHING for each in elements) else elements
        return self.expansion(source) if isinstance(source, str) and source.startswith("%%") else source

    def expansion(self, text: str) -> Any:
        """Return what an expansion means."""
        name, *rest = text[2:].split(".")
        if name in {"true", "false"}:
            return name == "true"
        roots = {"user": self.user, "root": self.root, "prevRoot": self.before}
        return lookup({**roots, "this": self.this, "prev": self.previous}[name], rest)


class NoAnswerError(Exception):
    """A function has failed; no expression of `tests.twins.rules` goes on from there."""


def holds(source: Any, view: View) -> bool:
    """Evaluate a permission; one that is not set does not hold, nor does one without an answer."""
    try:
        return _holds(source, view)
    except NoAnswerError:
        return False


def role_of(roles: list[Document], view: View) -> Document | None:
    """Return the first role that applies; none where a function fails."""
    try:
        return next((role for role in roles if _holds(role["apply_when"], view)), None)
    except NoAnswerError:
        return None


def _holds(source: Any, view: View) -> bool:
    if isinstance(source, str):
        return view.value(source) is True
    if source is None or isinstance(source, bool):
        return source is True
    return all(_member(key, value, view) for key, value in source.items())


def _operator(name: str) -> str:
    return name[1:] if name[:1] in {"%", "$"} and name[:2] != "%%" and name not in REFERENCE else ""


def _member(key: str, value: Any, view: View) -> bool:
    name = _operator(key)
    if name == "not":
        return not _holds(value, view)
    if name == "function":
        return _answer(value, view) is True
    if key in {"%%true", "%%false"}:
        return _holds(value, view) is (key == "%%true")
    if name:
        return _joined(name, [_holds(each, view) for each in value])
    return _applied(view.expansion(key) if key.startswith("%%") else lookup(view.root, key.split(".")), value, view)


def _joined(name: str, parts: list[bool]) -> bool:
    return {"and": all(parts), "or": any(parts), "nor": not any(parts)}[name]


def _applied(found: Any, value: Any, view: View) -> bool:
    if not isinstance(value, dict) or not any(map(_operator, value)):
        return equal_or_in(found, view.value(value))
    return all(_compared(_operator(name), found, operand, view) for name, operand in value.items())


def _compared(name: str, found: Any, operand: Any, view: View) -> bool:
    if name == "not":
        return not _applied(found, operand, view)
    if name in {"and", "or", "nor"}:
        return _joined(name, [_applied(found, each, view) for each in operand])
    if name == "exists":
        return (found is not NOTHING) is operand
    is_asked = isinstance(operand, dict) and "%function" in operand
    value = _answer(operand["%function"], view) if is_asked else view.value(operand)
    if name in {"eq", "ne"}:
        return equal_or_in(found, value) is (name == "eq")
    if name in {"in", "nin"}:
        return is_in(found, value) is (name == "in")
    return ordered(found, name, value)


def _answer(function: Document, view: View) -> Any:
    """Return what a function of `tests.twins.rules` returns."""
    given = next((view.value(each) for each in function.get("arguments", [])), NOTHING)
    match function["name"]:
        case "isRed":
            return given == "red"
        case "isThere":
            return given is not NOTHING
        case "teams":
            return ["red", "blue"] if given == view.user["id"] else []
        case "isBlue" if given == "red":
            raise NoAnswerError
        case "isBlue":
            return given == "blue"
    raise KeyError(function["name"])


class Oracle:
    """What the rules come to for one caller."""

    def __init__(self, rules: Document, user: Document) -> None:
        self.user = user
        self.roles: list[Document] = rules["roles"]
        self.filters = [each for each in rules.get("filters", []) if holds(each["apply_when"], View(user))]
        self.queries = [View(user).value(each["query"]) for each in self.filters if each.get("query")]
        self.projection: Document = {}
        for each in self.filters:
            self.projection |= each.get("projection") or {}

    def view(self, document: Document) -> View:
        return View(self.user, document, document)

    def role(self, document: Document) -> Document | None:
        """Return the first role that applies to a stored document."""
        return role_of(self.roles, self.view(document))

    def shown(self, document: Document) -> Shown:
        """Return what the rules show of a stored document."""
        role = self.role(document)
        by_role = role is not None and self._by_role(role, document)
        if not by_role or not self.projection:
            return by_role
        return both(by_role, projected(self.projection, document))

    def _by_role(self, role: Document, document: Document) -> Shown:
        view, filters = self.view(document), role.get("document_filters")
        if filters and not (holds(filters.get("read"), view) or holds(filters.get("write"), view)):
            return False
        if holds(role.get("write"), view):
            return True
        if role.get("read") is not None:
            return holds(role["read"], view)
        rules, others = role.get("fields", {}), role.get("additional_fields")
        return _some({name: self._by_field(rules.get(name, others), each, view) for name, each in document.items()})

    def _by_field(self, rule: Document | None, value: Any, view: View) -> Shown:
        if rule is None:
            return False
        if is_own(rule):
            at = view._replace(this=value, previous=value)
            return holds(rule.get("read"), at) or holds(rule.get("write"), at)
        inner = rule.get("fields", {})
        if isinstance(value, dict):
            return _some({name: self._by_field(inner.get(name), each, view) for name, each in value.items()})
        if isinstance(value, list):
            return _some([isinstance(each, dict) and self._by_field(rule, each, view) for each in value])
        return False

    def decisions(self, document: Document) -> list[Any]:
        """Return what each expression comes to for a stored document, but for those that ask about a field's value."""
        view = self.view(document)
        return [holds(source, view) for source in self.expressions() if "%%this" not in str(source)]

    def expressions(self, *, only_writing: bool = False) -> Iterator[Any]:
        """Give every expression, or those that are asked when something is written."""
        for role in self.roles:
            yield from permissions(role, only_writing=only_writing)

    def may_delete(self, document: Document) -> bool:
        """Tell whether a visible document may be removed: all that is in it must be writable."""
        role, view = self.role(document), self.view(document)
        if role is None or not holds(role.get("delete", True), view):
            return False
        if role.get("document_filters") and not holds(role["document_filters"].get("write"), view):
            return False
        if role.get("write") is not None:
            return holds(role["write"], view)
        rules, others = role.get("fields", {}), role.get("additional_fields")
        if not rules and others is None:
            return True
        return all(self._is_removable(rules.get(name, others), each, view) for name, each in document.items())

    def _is_removable(self, rule: Document | None, value: Any, view: View) -> bool:
        if rule is None:
            return False
        if is_own(rule):
            return holds(rule.get("write"), view._replace(this=value, previous=value))
        inner = rule.get("fields", {})
        if isinstance(value, dict) and value and inner:
            return all(self._is_removable(inner.get(name), each, view) for name, each in value.items())
        if isinstance(value, list) and value and inner:
            return all(isinstance(each, dict) and self._is_removable(rule, each, view) for each in value)
        return False


def permissions(rule: Document, *, only_writing: bool = False) -> Iterator[Any]:
    """Give the expressions of a role or a field."""
    names = ["write", "insert", "delete"] if only_writing else ["apply_when", "read", "write", "insert", "delete"]
    yield from (rule[name] for name in names if rule.get(name) is not None)
    inner = [rule.get("document_filters"), rule.get("additional_fields"), *rule.get("fields", {}).values()]
    for each in inner:
        if each:
            yield from permissions(each, only_writing=only_writing)


def is_own(rule: Document) -> bool:
    """Tell whether a field has a permission of its own, so that those of its members do not count."""
    return rule.get("read") is not None or rule.get("write") is not None


def _some(shown: Any) -> Shown:
    parts = shown.values() if isinstance(shown, dict) else shown
    found: Shown = shown if any(each is not False for each in parts) else False
    return found


def both(one: Shown, other: Shown) -> Shown:
    """Return what two ways to look at a value both show."""
    if one is True or other is False:
        return other
    if other is True or one is False:
        return one
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: both(each, other[name]) for name, each in one.items()}
    assert isinstance(one, list)
    assert isinstance(other, list)
    return list(map(both, one, other))


def projected(projection: Document, document: Document) -> Shown:
    """Return what MongoDB's projection of names leaves of a document."""
    tree: dict[str, Any] = {}
    for name in projection:
        *parts, last = name.split(".")
        place = tree
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = None
    switches = {bool(value) for name, value in projection.items() if name != "_id"}
    includes = switches.pop() if switches else bool(projection["_id"])
    if includes and "_id" not in tree:
        tree["_id"] = None
    if includes and not projection.get("_id", True):
        del tree["_id"]
    if not includes and projection.get("_id", False):
        del tree["_id"]
    return _members(document, tree, includes=includes)


def _members(document: Mapping[str, Any], tree: dict[str, Any], *, includes: bool) -> Shown:
    shown: dict[str, Shown] = {}
    for name, value in document.items():
        inner = tree.get(name, NOTHING)
        shown[name] = (
            not includes if inner is NOTHING else includes if inner is None else _part(value, inner, includes=includes)
        )
    return shown


def _part(value: Any, tree: dict[str, Any], *, includes: bool) -> Shown:
    if isinstance(value, dict):
        return _members(value, tree, includes=includes)
    if isinstance(value, list):
        return [_part(each, tree, includes=includes) for each in value]
    return not includes


def cut(value: Any, shown: Shown) -> Any:
    """Return what is visible of a value."""
    if isinstance(shown, dict):
        return {name: cut(value[name], part) for name, part in shown.items() if part is not False}
    if isinstance(shown, list):
        return [cut(each, part) for each, part in zip(value, shown, strict=True) if part is not False]
    return value
