"""Roles of a ruleset compiled."""

from collections.abc import Mapping
from typing import Any

from shared.rules.compiler.expressions import compile_expression
from shared.rules.compiler.operands import Constants, Scope
from shared.rules.expressions import Constant, Expression
from shared.rules.fields import FieldRule
from shared.rules.report import Report
from shared.rules.roles import Role

_LONGEST_NAME = 100
_MEMBERS = frozenset({
    "name", "apply_when", "document_filters", "read", "write", "insert", "delete", "search", "fields",
    "additional_fields",
})  # fmt: skip
_FIELD_MEMBERS = frozenset({"read", "write", "fields"})
_DEEPEST = 100


def compile_role(source: Mapping[str, Any], constants: Constants, report: Report) -> Role:
    """Compile a role; what is wrong with it goes into the report."""
    compiler = _Compiler(source, constants, report)
    name = compiler.name()
    apply_when = compiler.expression("apply_when") or Constant(False)
    if source.get("apply_when") is None:
        report.problem("a role needs 'apply_when': {} applies it to everybody")
    filter_read, filter_write = compiler.document_filters()
    role = Role(
        name=name,
        apply_when=apply_when,
        filter_read=filter_read,
        filter_write=filter_write,
        read=compiler.expression("read"),
        write=compiler.expression("write"),
        insert=compiler.expression("insert") or Constant(True),
        delete=compiler.expression("delete") or Constant(True),
        search=compiler.expression("search") or Constant(True),
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
