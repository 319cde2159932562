"""The functions of an app: their files, who may call them, whose rights they have, what they need that is not there."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.app.files import Files, typed
from shared.app.model import Function, Functions
from shared.documents.replies import reply
from shared.rules.compiler.expressions import compile_expression
from shared.rules.compiler.operands import Constants, Scope
from shared.rules.report import Report

_NAME = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_REFUSED = "whoever calls it is refused with 400"
_NEEDS = (
    (re.compile(r"""\brequire\(\s*["'`]([^"'`]+)"""), "package '%s' is not there"),
    (re.compile(r"\bcontext\.(http)\b"), "context.%s is not there"),
    (re.compile(r"\butils\.(crypto|jwt)\b"), "utils.%s is not there"),
)
_SERVICE = re.compile(r"""\bservices\.get\(\s*["'`]([^"'`]+)""")

type Found = dict[str, tuple[Path, Mapping[str, Any], Report]]
"""The source of each function, what is said of it, and where to report mistakes of that."""


def find_functions(files: Files) -> Found:
    """Return where the functions of the app are, by their names."""
    return _legacy(files) or _listed(files)


def read_functions(
    found: Found, files: Files, constants: Constants, app: Mapping[str, Any], services: frozenset[str]
) -> Functions:
    """Return the functions, which see of the app what is given, and the services that are there."""
    by_name: dict[str, Function] = {}
    sources: dict[str, str] = {}
    for name, (path, entry, report) in found.items():
        source = files.text(path)
        if source is None:
            if not files.report(path).is_wrong:
                report.problem(f"function '{name}' has no file {path.relative_to(files.root).as_posix()}")
            continue
        by_name[name] = _function(name, entry, constants, report)
        sources[name] = source
        _check(source, name, services, files.report(path))
    seen = {
        "functions": {name: {"isSystem": _is_system(each)} for name, each in by_name.items()},
        "values": constants.values,
        "environment": constants.environment,
        "app": app,
        "services": sorted(services),
    }
    return Functions(
        by_name=by_name,
        sources=json.dumps(sources, ensure_ascii=False),
        constants=reply(seen, "EJSON", None).decode() if by_name else "",
    )


def _legacy(files: Files) -> Found:
    """Return the functions of the layout in which each has a folder with a configuration of its own."""
    found: Found = {}
    for folder in files.folders(files.root / "functions"):
        config = folder / "config.json"
        if config.is_file():
            entry, report = files.object(config), files.report(config)
            found[typed(entry, "name", str, report, folder.name)] = (folder / "source.js", entry, report)
    return found


def _listed(files: Files) -> Found:
    """Return the functions that are listed in one file, and those that only have a source."""
    folder = files.root / "functions"
    config = folder / "config.json"
    found: Found = {}
    for position, entry in enumerate(files.array(config)):
        report = files.report(config).at(position)
        if not isinstance(entry, dict):
            report.problem("a function is an object with its name")
            continue
        name = typed(entry, "name", str, report, "")
        if not _NAME.fullmatch(name):
            report.at("name").problem("the name of a function is letters, digits, '_' and '-', with '/' for folders")
        elif name in found:
            report.at("name").problem(f"there are two functions '{name}'")
        else:
            found[name] = (folder / f"{name}.js", entry, report)
    for path in _sources(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if _NAME.fullmatch(name):
            found.setdefault(name, (path, {}, files.report(path)))
    return found


def _sources(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, names in folder.walk():
        folders[:] = [each for each in folders if each != "node_modules"]  # which may be very many
        found += [parent / each for each in names if each.endswith(".js")]
    return sorted(each for each in found if not each.is_symlink())


def _function(name: str, entry: Mapping[str, Any], constants: Constants, report: Report) -> Function:
    has_script = bool(typed(entry, "run_as_user_id_script_source", str, report, ""))
    if has_script:
        report.at("run_as_user_id_script_source").unsupported(
            f"function '{name}': a script cannot choose the user that it runs as", _REFUSED
        )
    is_system = typed(entry, "run_as_system", bool, report, False)
    given = entry.get("can_evaluate")
    return Function(
        name=name,
        private=typed(entry, "private", bool, report, False),
        can_evaluate=compile_expression(
            {} if given is None else given,
            Scope.CALL,
            constants,
            report.at("can_evaluate"),
            "every call of it from outside is refused with 403",
        ),
        run_as_system=is_system,
        run_as_user_id="" if is_system else typed(entry, "run_as_user_id", str, report, ""),
        has_script=has_script and not is_system,
    )


def _is_system(function: Function) -> bool | None:
    """Tell whether no rules apply to a function, None if that depends on who calls it."""
    if function.run_as_system:
        return True
    return False if function.run_as_user_id else None


def _check(source: str, name: str, services: frozenset[str], report: Report) -> None:
    """Add what keeps a source from being loaded, and what it needs that is not there."""
    from shared.javascript.script import mistake  # noqa: PLC0415  only an app with functions has an engine

    if not source.strip():
        return
    wrong = mistake(source)
    if wrong is not None:
        report.unsupported(f"function '{name}' cannot be loaded: {wrong.sentence}, in line {wrong.line}", _REFUSED)
        return
    for need in dict.fromkeys(_needs(source, services)):
        report.unsupported(f"function '{name}': {need}", "a call that comes there fails")


def _needs(source: str, services: frozenset[str]) -> Iterator[str]:
    for number, line in enumerate(source.splitlines(), 1):
        for pattern, sentence in _NEEDS:
            for needed in pattern.findall(line):
                yield f"{sentence % needed}, in line {number}"
        for service in _SERVICE.findall(line):
            if service not in services:
                yield f"service '{service}' is not there, in line {number}"
