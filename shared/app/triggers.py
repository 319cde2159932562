"""The triggers of an app: what each file says, whatever kind it is of, and those that follow what users do."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, get_args

from shared.app.files import Files, typed
from shared.app.model import AuthenticationOperation, AuthenticationTrigger
from shared.rules.report import Report

_NOT_DONE = {
    "DATABASE": "what it does when documents change is not done",
    "AUTHENTICATION": "what it does when users come, log in or go is not done",
    "SCHEDULED": "what it does at its times is not done",
}


class TriggerFile(NamedTuple):
    """A trigger that is not disabled, and has a function of the app."""

    name: str
    kind: str
    function: str
    config: Mapping[str, Any]
    report: Report
    """Where mistakes in `config` are reported."""
    not_done: str
    """What it means that the trigger does not run."""


def read_triggers(files: Files, functions: Collection[str]) -> list[TriggerFile]:
    """Return the triggers that are not disabled; those whose function is not there are findings."""
    found: dict[str, TriggerFile] = {}
    for path in files.json_files(files.root / "triggers"):
        source, report = files.object(path), files.report(path)
        if not source or typed(source, "disabled", bool, report, False):
            continue
        made = _trigger(source, path.stem, report, functions)
        if made is None or report.is_wrong:
            continue
        if made.name in found:
            report.at("name").problem(f"there are two triggers '{made.name}'")
        found[made.name] = made
    return list(found.values())


def authentication_triggers(found: Iterable[TriggerFile]) -> tuple[AuthenticationTrigger, ...]:
    """Return those that follow what users do."""
    return tuple(_authentication(each) for each in found if each.kind == "AUTHENTICATION")


def _trigger(source: Mapping[str, Any], stem: str, report: Report, functions: Collection[str]) -> TriggerFile | None:
    name, kind = typed(source, "name", str, report, stem), typed(source, "type", str, report, "")
    not_done = _NOT_DONE.get(kind, "what it does is not done")
    if kind not in _NOT_DONE:
        report.unsupported(f"trigger '{name}': a trigger of type '{kind}' does not run", not_done)
        return None
    function, at = _function(source, report)
    if not function:
        at.unsupported(
            f"trigger '{name}' names no function: EventBridge is not served, so let a function send", not_done
        )
        return None
    if function not in functions:
        at.warning(f"function '{function}' is not there: add it, or disable the trigger", not_done)
        return None
    config = typed(source, "config", dict, report, {})
    return TriggerFile(name, kind, function, config, report.at("config"), not_done)


def _function(source: Mapping[str, Any], report: Report) -> tuple[str, Report]:
    """Return the name of the function, and where it is: in `event_processors`, else where older exports have it."""
    config, at = source, report
    for step in ("event_processors", "FUNCTION", "config"):
        config, at = typed(config, step, dict, at, {}), at.at(step)
    name = typed(config, "function_name", str, at, "")
    if name:
        return name, at.at("function_name")
    return typed(source, "function_name", str, report, ""), report.at("function_name")


def _authentication(trigger: TriggerFile) -> AuthenticationTrigger:
    given, at = trigger.config.get("operation_type"), trigger.report.at("operation_type")
    operations: list[Any] = given if isinstance(given, list) else [given]
    known = get_args(AuthenticationOperation.__value__)
    if not operations or any(each not in known for each in operations):
        at.problem(f"'operation_type' is one of {', '.join(known)}, or an array of them")
        operations = []
    providers = typed(trigger.config, "providers", list, trigger.report, [])
    if not providers or any(type(each) is not str for each in providers):
        trigger.report.at("providers").problem("'providers' is an array with the names of providers")
        providers = []
    return AuthenticationTrigger(trigger.name, trigger.function, frozenset(operations), frozenset(providers))
