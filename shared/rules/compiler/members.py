"""The members of roles and filters: which there are, which must be there, and which are misspelled."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from shared.rules.report import Report

_LONGEST_NAME = 100


def like(name: str, known: Collection[str], prefix: str = "") -> str:
    """Return what to say after a name that is not known: which one is meant, or which there are."""
    found = get_close_matches(name, known, n=1)
    return f": is '{prefix}{found[0]}' meant?" if found else f": there are {', '.join(sorted(known))}"


def quoted(names: Iterable[str]) -> str:
    """Return names as a list in a sentence."""
    return ", ".join(f"'{name}'" for name in names)


def check_members(source: Mapping[str, Any], noun: str, known: frozenset[str], effect: str, report: Report) -> None:
    """Report what a role or a filter must have and has not, or else what means nothing in it."""
    others = [name for name in source if name not in known]
    missing = [name for name in ("name", "apply_when") if source.get(name) is None]
    if missing:
        needed = " and ".join(f"'{name}'" for name in missing)
        found = [(each, name) for name in missing for each in get_close_matches(name, others, n=1)]
        hint = "".join(f"; is '{written}' meant for '{name}'?" for written, name in found)
        hint = hint or ("; {} there applies it to everybody" if "apply_when" in missing else "")
        report.at(missing[0]).problem(f"a {noun} needs {needed}{hint}")
        return
    name = source["name"]
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME:
        report.at("name").problem(f"a {noun} needs a name of 1 to {_LONGEST_NAME} characters")
    for each in others:
        report.at(each).warning(f"'{each}' means nothing in a {noun}{like(each, known)}", effect)
