"""The functions of an app: their files, who may call them, whose rights they have, what they need that is not there."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from shared.app.dependencies import packages_for, packages_of
from shared.app.files import Files, typed
from shared.app.model import Function, Functions
from shared.app.packages import Packages
from shared.app.webhooks import Webhook
from shared.documents.replies import reply
from shared.javascript.messages import Texts
from shared.rules.compiler.expressions import compile_expression
from shared.rules.compiler.operands import Constants, Scope
from shared.rules.report import Report

_NAME = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_REFUSED = "whoever calls it is refused with 400"
_SCRIPT = "run_as_user_id_script_source"
_HTTP = re.compile(r"\bcontext\.http\b")
_NAMES = re.compile(r"\.(getDBNames|getCollectionNames)\(\)")
_WAITS = re.compile(r"\s*\.(then|catch|finally)\b|[\s;})]*\Z")
_RETURNED = re.compile(r"\breturn\b|=>")
_SERVICE = re.compile(r"""\bservices\.get\(\s*["'`]([^"'`]+)""")

type Found = dict[str, tuple[Path, Mapping[str, Any], Report]]
"""The source of each function, what is said of it, and where to report mistakes of that."""


def find_functions(files: Files, webhooks: Iterable[Webhook]) -> Found:
    """Return where the functions of the app are, by their names, those of webhooks, too."""
    found = _legacy(files) or _listed(files)
    return found | {each.name: (each.source, each.function, each.report) for each in webhooks}


def read_functions(
    found: Found,
    files: Files,
    constants: Constants,
    app: Mapping[str, Any],
    services: frozenset[str],
    *,
    has_http: bool,
) -> Functions:
    """Return the functions, which see of the app what is given, and the services that are there; others by HTTP, too.

    `has_http` says that there are such others.
    """
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
    seen = {"values": constants.values, "environment": constants.environment, "app": app, "services": sorted(services)}
    with packages_for(files, [*sources.values(), *(each.script for each in by_name.values())]) as packages:

        def check(name: str, source: str, report: Report) -> None:
            if _can_be_loaded(source, name, report):
                needs = _needs(source, services, has_http=has_http)
                for need in dict.fromkeys((*needs, *packages.missing(source))):
                    report.unsupported(f"function '{name}': {need}", "a call that comes there fails")

        for name, source in sources.items():
            check(name, source, files.report(found[name][0]))
            check(name, by_name[name].script, found[name][2].at(_SCRIPT))
        functions = _functions(by_name, sources, seen, packages)
        scripts = {
            name: _of_script(each, by_name, sources, seen, packages) for name, each in by_name.items() if each.script
        }
        files.note(packages.read)
    return structs.replace(functions, scripts=scripts)


def _functions(
    by_name: Mapping[str, Function], sources: Mapping[str, str], seen: Mapping[str, Any], packages: Packages
) -> Functions:
    return Functions(
        by_name=by_name,
        sources=Texts.of(sources, {name: _is_system(each) for name, each in by_name.items()}),
        packages=packages_of(sources, packages),
        seen=reply(seen, "EJSON", None).decode() if by_name else "",
    )


def _of_script(
    function: Function,
    by_name: Mapping[str, Function],
    sources: Mapping[str, str],
    seen: Mapping[str, Any],
    packages: Packages,
) -> Functions:
    """Return the functions as the script of one sees them: itself in the place of that one, as the system."""
    name = function.name
    script = Function(name=name, private=True, run_as_system=True)
    return _functions({**by_name, name: script}, {**sources, name: function.script}, seen, packages)


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
    is_system = typed(entry, "run_as_system", bool, report, False)
    user_id = "" if is_system else typed(entry, "run_as_user_id", str, report, "")
    script = "" if is_system else typed(entry, _SCRIPT, str, report, "").strip()
    if user_id and script:
        report.at(_SCRIPT).problem("'run_as_user_id' chooses the user already")
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
        run_as_user_id=user_id,
        script=script,
    )


def _is_system(function: Function) -> bool | str | None:
    """Tell whether no rules apply to a function, "script" if its script does, None if that depends on who calls it."""
    if function.run_as_system:
        return True
    if function.script:
        return "script"
    return False if function.run_as_user_id else None


def _can_be_loaded(source: str, name: str, report: Report) -> bool:
    """Tell whether a source can be loaded, and add what keeps it from being."""
    from shared.javascript.script import mistake  # noqa: PLC0415  only an app with functions has an engine

    wrong = mistake(source) if source.strip() else None
    if wrong is not None:
        report.unsupported(f"function '{name}' cannot be loaded: {wrong.sentence}, in line {wrong.line}", _REFUSED)
    return wrong is None


def _needs(source: str, services: frozenset[str], *, has_http: bool) -> Iterator[str]:
    for number, line in enumerate(source.splitlines(), 1):
        if not has_http and _HTTP.search(line):
            yield f"context.http reaches nobody while FUNCTIONS_HTTP_HOSTS is empty, in line {number}"
        for name in _unawaited(line):
            yield f"{name}() has to be awaited, in line {number}"
        for service in _SERVICE.findall(line):
            if service not in services:
                yield f"service '{service}' is not served: ask by context.http, in line {number}"


def _unawaited(line: str) -> Iterator[str]:
    """Give the methods whose result a line uses at once."""
    for found in _NAMES.finditer(line):
        before, after = line[: found.start()], line[found.end() :]
        if "await" not in before and not (_RETURNED.search(before) and _WAITS.match(after)):
            yield found[1]
