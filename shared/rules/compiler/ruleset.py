"""The rules of a namespace compiled."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.rules.compiler.filters import compile_filter
from shared.rules.compiler.operands import Constants
from shared.rules.compiler.roles import compile_role
from shared.rules.report import Report
from shared.rules.ruleset import Ruleset

_REQUEST = "%%request"  # no other text asks for what a request shows


def compile_ruleset(
    source: Mapping[str, Any], constants: Constants, report: Report, default: Ruleset | None = None
) -> Ruleset:
    """Compile a file of rules; one without roles has those of the default rules."""
    roles = [compile_role(each, constants, at) for each, at in _members(source, "roles", report)]
    filters = [compile_filter(each, constants, at) for each, at in _members(source, "filters", report)]
    for position, role in enumerate(roles[:-1]):
        if role.apply_when.constant is True:
            report.at("roles", position + 1).problem(
                f"the role can never apply, because '{role.name}' before it applies to everybody: remove one of both"
            )
            break
    asks_request = _REQUEST in json.dumps(source, default=str)
    if not roles and default is not None:
        return Ruleset(default.roles, filters, asks_request or default.asks_request)
    return Ruleset(roles, filters, asks_request)


def _members(source: Mapping[str, Any], name: str, report: Report) -> Iterable[tuple[Mapping[str, Any], Report]]:
    given = source.get(name)
    if given is None:
        return
    if not isinstance(given, list):
        report.at(name).problem(f"'{name}' is an array")
        return
    for position, each in enumerate(given):
        at = report.at(name, position)
        if isinstance(each, dict):
            yield each, at
        else:
            at.problem(f"each of the '{name}' is an object")
