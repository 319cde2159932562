"""Roles of a ruleset compiled."""

from collections.abc import Mapping
from typing import Any

from shared.rules.compiler.expressions import compile_expression
from shared.rules.compiler.members import check_members, quoted
from shared.rules.compiler.operands import Constants, Scope
from shared.rules.expressions import Constant, Expression
from shared.rules.fields import FieldRule
from shared.rules.report import Report
from shared.rules.roles import Role

_MEMBERS = frozenset({
    "name", "apply_when", "document_filters", "read", "write", "insert", "delete", "search", "fields",
    "additional_fields",
})  # fmt: skip
_FIELD_MEMBERS = frozenset({"read", "write", "fields"})
_DEEPEST = 100


def compile_role(source: Mapping[str, Any], constants: Constants, report: Report) -> Role:
    """Compile a role; what is wrong with it goes into the report, but for functions that its `apply_when` asks."""
    compiler = _Compiler(source, constants, report)
    apply_when = compiler.apply_when()
    filter_read, filter_write = compiler.document_filters()
    role = Role(
        name=compiler.name,
        apply_when=apply_when,
        filter_read=filter_read,
        filter_write=filter_write,
        read=compiler.expression("read", "may not read by it: documents are invisible, unless 'write' is true"),
        write=compiler.expression("write", "may not write"),
        insert=compiler.expression("insert", "may not insert") or Constant(True),
        delete=compiler.expression("delete", "may not delete") or Constant(True),
        search=compiler.expression("search", "may not search") or Constant(True),
        fields=compiler.fields(),
        other=compiler.additional_fields(),
    )
    compiler.check(role)
    return role


class _Compiler:
    """Compiles the members of one role."""

    def __init__(self, source: Mapping[str, Any], constants: Constants, report: Report) -> None:
        self.source = source
        self.constants = constants
        self.report = report
        self.name = str(source.get("name"))
        effect = f"callers with the role '{self.name}' may do no more and no less for it"
        check_members(source, "role", _MEMBERS, effect, report)

    def apply_when(self) -> Expression:
        """Compile the condition; whoever knows the other roles says what it means that a function is asked."""
        report = self.report.at("apply_when")
        if self.source.get("apply_when") is None:
            return Constant(False)
        expression = compile_expression(self.source["apply_when"], Scope.DOCUMENT, self.constants, report, None)
        if expression.constant is False:
            report.problem("the role can never apply: remove it, or correct its condition")
        return expression

    def expression(self, member: str, denied: str) -> Expression | None:
        return self._permission(self.source, member, Scope.DOCUMENT, self.report, denied)

    def document_filters(self) -> tuple[Expression | None, Expression | None]:
        source = self.source.get("document_filters")
        if source is None:
            return None, None
        report = self.report.at("document_filters")
        if not isinstance(source, dict):
            report.problem("document_filters is an object with 'read' and 'write'")
            return Constant(False), Constant(False)
        read = self._permission(source, "read", Scope.DOCUMENT, report, "see only what document_filters.write opens")
        write = self._permission(source, "write", Scope.DOCUMENT, report, "may not write")
        if read is None or write is None:
            report.warning(
                "give both 'read' and 'write': the one that is missing counts as false",
                f"callers with the role '{self.name}' {_without(read, write)}",
            )
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
        others = [name for name in source if name not in _FIELD_MEMBERS]
        if others:
            report.at(others[0]).problem(f"a field has 'read', 'write' and 'fields' only, not {quoted(others)}")
        read = self._permission(
            source, "read", Scope.FIELD, report, "do not see this field, unless its 'write' is true"
        )
        write = self._permission(source, "write", Scope.FIELD, report, "may not write this field")
        inner = self._fields(source.get("fields"), report.at("fields"), depth)
        if inner and (read is not None or write is not None):
            report.at("fields").problem(
                "the field's own 'read' or 'write' decides, so these inner fields are never asked: remove one of both"
            )
        return FieldRule(read, write, inner)

    def _permission(
        self, source: Mapping[str, Any], name: str, scope: Scope, report: Report, denied: str
    ) -> Expression | None:
        if source.get(name) is None:
            return None
        effect = f"callers with the role '{self.name}' {denied}"
        return compile_expression(source[name], scope, self.constants, report.at(name), effect)

    def check(self, role: Role) -> None:
        """Report what can never be asked."""
        rules = [*role.fields.values(), *([role.other] if role.other else [])]
        shadows = {
            "read": role.read is not None and any(rule.read is not None for rule in rules),
            "write": role.write is not None and any(rule.write is not None for rule in rules),
        }
        shadowing = [member for member, is_shadow in shadows.items() if is_shadow]
        if shadowing:
            decides = f"'{shadowing[0]}' decides" if len(shadowing) == 1 else "'read' and 'write' decide"
            place = "fields" if role.fields else "additional_fields"
            self.report.at(place).problem(
                f"the role's own {decides}, so that of a field is never asked: remove one of both"
            )


def _without(read: Expression | None, write: Expression | None) -> str:
    if write is not None:
        return "see only what document_filters.write opens"
    return "may not write" if read is not None else "neither see nor write any document"
