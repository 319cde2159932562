"""The rules of a namespace compiled."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from operator import or_
from typing import Any

from shared.rules.compiler.expressions import not_there
from shared.rules.compiler.filters import compile_filter
from shared.rules.compiler.members import quoted
from shared.rules.compiler.operands import REQUEST_MEMBERS, Constants
from shared.rules.compiler.roles import compile_role
from shared.rules.functions import missing_of, outcomes
from shared.rules.report import Report
from shared.rules.roles import Role
from shared.rules.ruleset import Ruleset

_REQUEST = "%%request"  # no other text asks for what a request shows
_OTHERS = "|".join(sorted(REQUEST_MEMBERS - {"action"}))
_ACTION = re.compile(rf"{_REQUEST}(?!\.(?:{_OTHERS})\b)")  # or all members at once, or what is none
_FUNCTIONS = ('"%function"', '"$function"')


def compile_ruleset(
    source: Mapping[str, Any],
    constants: Constants,
    report: Report,
    default: Ruleset | None = None,
    whose: str = "the collection",
) -> Ruleset:
    """Compile a file of rules; one without roles has those of the default rules. `whose` names what they open."""
    roles = [(compile_role(each, constants, at), at) for each, at in _members(source, "roles", report)]
    filters = [compile_filter(each, constants, at, whose) for each, at in _members(source, "filters", report)]
    _check_order(roles, whose)
    text = json.dumps(source, default=str)
    asks = (_REQUEST in text, any(each in text for each in _FUNCTIONS), _ACTION.search(text) is not None)
    if not roles and default is not None:
        of_default = (default.asks_request, default.asks_functions, default.asks_action)
        return Ruleset(default.roles, filters, *map(or_, asks, of_default))
    return Ruleset([role for role, _ in roles], filters, *asks)


def _check_order(roles: Sequence[tuple[Role, Report]], whose: str) -> None:
    """Report where the search for a role ends for everybody, or for some: no role behind is tried.

    It ends at a role that applies, and at one that asks a function which is not there, and has no answer.
    """
    before: list[str] = []
    for position, (role, at) in enumerate(roles):
        report, behind = at.at("apply_when"), [each.name for each, _ in roles[position + 1 :]]
        if report.is_wrong:
            before.append(role.name)
            continue
        found = outcomes(role.apply_when)
        before += [role.name] if found.holds else []
        if found.is_open:
            are = "are not tried where it asks" if found.fails else "are never reached"
            names = not_there(missing_of(role.apply_when))
            sentence = f"{names}; the roles behind '{role.name}' {are}: {quoted(behind)}" if behind else names
            where = "where it asks, " if found.fails else ""
            others = f" but {quoted(before)}" if before else ""
            report.unsupported(sentence, f"{where}nobody{others} sees or changes anything in {whose}")
        elif behind and not found.fails:
            roles[position + 1][1].at("apply_when").problem(
                f"the role can never apply, because '{role.name}' before it applies to everybody: remove one of both"
            )
        if not found.fails:
            return


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
