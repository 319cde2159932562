"""A role of a ruleset: to which documents it applies, and what it lets its callers read, insert, change and delete."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from shared.documents.elements import Element
from shared.rules.expressions import Constant, Expression, Predicate, compile_expression, names_of
from shared.rules.fields import FieldRule, differences, first_unwritable, holds, members_mask, possible
from shared.rules.masks import WHOLE, Mask
from shared.rules.operands import Constants, Context, Scope
from shared.rules.report import Report
from shared.rules.translations import EVERYTHING, NOTHING, UNKNOWN, Translation, all_of, any_of
from shared.rules.values import MISSING, Path, is_exact

_LONGEST_NAME = 100
_MEMBERS = frozenset({
    "name", "apply_when", "document_filters", "read", "write", "insert", "delete", "search", "fields",
    "additional_fields",
})  # fmt: skip
_FIELD_MEMBERS = frozenset({"read", "write", "fields"})
_DEEPEST = 100


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


class Role:
    """One role; which one counts for a document is chosen by the ruleset."""

    def __init__(self, source: Mapping[str, Any], constants: Constants, report: Report) -> None:
        """Compile it; what is wrong with it goes into the report."""
        compiler = _RoleCompiler(source, constants, report)
        self.name = compiler.name()
        self.apply_when = compiler.expression("apply_when") or Constant(False)
        if source.get("apply_when") is None:
            report.problem("a role needs 'apply_when': {} applies it to everybody")
        self.filter_read, self.filter_write = compiler.document_filters()
        self.is_filtered = self.filter_read is not None or self.filter_write is not None
        self.read = compiler.expression("read")
        self.write = compiler.expression("write")
        self.insert = compiler.expression("insert") or Constant(True)
        self.delete = compiler.expression("delete") or Constant(True)
        self.search = compiler.expression("search") or Constant(True)
        self.fields = compiler.fields()
        self.other = compiler.additional_fields()
        compiler.check(self)
        self.is_full_read = _is_true(self.filter_read, self.filter_write, unset=not self.is_filtered) and _is_true(
            self.read, self.write, unset=False
        )
        self.is_full = (
            self.is_full_read
            and _is_true(self.filter_write, unset=not self.is_filtered)
            and all(_is_true(each) for each in (self.write, self.insert, self.delete, self.search))
        )
        self._plain = self._plain_fields()
        self.names = self._names()

    def _plain_fields(self) -> tuple[frozenset[str], bool] | None:
        """Return the names whose permission is unlike that of all others, and what is that of all others.

        None if a permission depends on anything.
        """
        opened = {name: _constant_of(rule) for name, rule in self.fields.items()}
        other = False if self.other is None else _constant_of(self.other)
        if other is None or None in opened.values():
            return None
        return frozenset(name for name, is_open in opened.items() if is_open is not other), other

    def _names(self) -> frozenset[str] | None:
        """Return the top-level fields whose values decide on reading, None if more than names and these do."""
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
        shown = self._glimpse_of_fields() if self.read is None else _whole_if(self.read.bound(context))
        if self.write is not None and self.write.constant is not False:
            shown = _or_whole(self.write.bound(context), shown)
        if self.is_filtered:
            opened = [each.bound(context) for each in (self.filter_read, self.filter_write) if each is not None]
            shown = _if_any(opened, shown)
        return shown

    def _glimpse_of_fields(self) -> Glimpse:
        assert self._plain is not None  # noqa: S101  else there are no `names`
        names, other = self._plain
        is_whole = names.isdisjoint if other else names.issuperset

        def shown(_values: Mapping[str, Any], document: Mapping[str, Any]) -> Mask | None:
            if is_whole(document):
                return WHOLE if document else None  # WHOLE costs the least to apply
            return {name: WHOLE for name in document if (name in names) is not other} or None

        return shown

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


def _or_whole(holds: Predicate, shown: Glimpse) -> Glimpse:
    return lambda values, names: WHOLE if holds(values) else shown(values, names)


def _if_any(opened: list[Predicate], shown: Glimpse) -> Glimpse:
    return lambda values, names: shown(values, names) if any(holds(values) for holds in opened) else None


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


class _RoleCompiler:
    """Compiles the members of one role."""

    def __init__(self, source: Mapping[str, Any], constants: Constants, report: Report) -> None:
        self.source = source
        self.constants = constants
        self.report = report
        for name in source.keys() - _MEMBERS:
            report.at(name).warning("this member of a role means nothing")

    def name(self) -> str:
        name = self.source.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME:
            self.report.at("name").problem(f"a role needs a name of 1 to {_LONGEST_NAME} characters")
        return str(name)

    def expression(self, member: str) -> Expression | None:
        return self._permission(self.source, member, Scope.DOCUMENT, self.report)

    def document_filters(self) -> tuple[Expression | None, Expression | None]:
        source = self.source.get("document_filters")
        if source is None:
            return None, None
        report = self.report.at("document_filters")
        if not isinstance(source, dict):
            report.problem("document_filters is an object with 'read' and 'write'")
            return Constant(False), Constant(False)
        read = self._permission(source, "read", Scope.DOCUMENT, report)
        write = self._permission(source, "write", Scope.DOCUMENT, report)
        if read is None or write is None:
            report.warning("give both 'read' and 'write': the one that is missing counts as false")
        return read or Constant(False), write or Constant(False)

    def fields(self) -> dict[str, FieldRule]:
        return self._fields(self.source.get("fields"), self.report.at("fields"), 0)

    def additional_fields(self) -> FieldRule | None:
        source = self.source.get("additional_fields")
        report = self.report.at("additional_fields")
        if source is None or source == {}:
            return None
        if not isinstance(source, dict):
            report.problem("additional_fields is an object with 'read' and 'write'")
            return None
        rule = self._field({name: source[name] for name in source if name != "fields"}, report, 0)
        return rule if rule.is_own else None

    def _fields(self, source: Any, report: Report, depth: int) -> dict[str, FieldRule]:
        if source is None:
            return {}
        if not isinstance(source, dict) or depth > _DEEPEST:
            report.problem("fields is an object of permissions by the field's name")
            return {}
        for name in source:
            if "." in name or name.startswith("$"):
                report.at(name).problem("a field is named without dots: nest 'fields' for what is inside it")
        return {name: self._field(each, report.at(name), depth + 1) for name, each in source.items()}

    def _field(self, source: Any, report: Report, depth: int) -> FieldRule:
        if not isinstance(source, dict):
            report.problem("the permissions of a field are an object with 'read', 'write' or 'fields'")
            return FieldRule(None, None)
        for name in source.keys() - _FIELD_MEMBERS:
            report.at(name).problem("a field has 'read', 'write' and 'fields' only")
        read = self._permission(source, "read", Scope.FIELD, report)
        write = self._permission(source, "write", Scope.FIELD, report)
        inner = self._fields(source.get("fields"), report.at("fields"), depth)
        if inner and (read is not None or write is not None):
            report.at("fields").problem(
                "the field's own 'read' or 'write' decides, so these inner fields are never asked: remove one of both"
            )
        return FieldRule(read, write, inner)

    def _permission(self, source: Mapping[str, Any], name: str, scope: Scope, report: Report) -> Expression | None:
        if source.get(name) is None:
            return None
        return compile_expression(source[name], scope, self.constants, report.at(name))

    def check(self, role: Role) -> None:
        """Report what can never be asked and what can never apply."""
        rules = [*role.fields.values(), *([role.other] if role.other else [])]
        for member, is_set, shadowed in (
            ("read", role.read is not None, any(rule.read is not None for rule in rules)),
            ("write", role.write is not None, any(rule.write is not None for rule in rules)),
        ):
            if is_set and shadowed:
                self.report.at("fields").problem(
                    f"the role's own '{member}' decides, so that of a field is never asked: remove one of both"
                )
        if role.apply_when.constant is False and self.source.get("apply_when") is not None:
            self.report.at("apply_when").problem("the role can never apply: remove it, or correct its condition")
