"""The triggers of an app: what is read of each layout of their files, and what is wrong with one."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.app.files import Files
from shared.app.model import AuthenticationTrigger
from shared.app.triggers import TriggerFile, authentication_triggers, read_triggers

NEW = {"event_processors": {"FUNCTION": {"config": {"function_name": "f"}}}}
CONFIG = {"operation_type": "CREATE", "providers": ["local-userpass"]}
ON_CREATE = {"name": "t", "type": "AUTHENTICATION", "config": CONFIG}


def read(folder: Path, *sources: Any) -> tuple[list[TriggerFile], Files]:
    (folder / "triggers").mkdir()
    for number, source in enumerate(sources):
        (folder / "triggers" / f"{number}.json").write_text(json.dumps(source))
    files = Files(folder)
    return read_triggers(files, {"f", "old"}), files


@pytest.mark.parametrize(
    ("source", "function"),
    [
        pytest.param(NEW, "f", id="new"),
        pytest.param({"function_name": "old"}, "old", id="old"),
        pytest.param({"function_name": "old", "event_processors": {}}, "old", id="old, with an empty member"),
        pytest.param(NEW | {"function_name": "old"}, "f", id="both"),
    ],
)
@pytest.mark.parametrize("kind", ["DATABASE", "AUTHENTICATION", "SCHEDULED"])
def test_a_trigger_names_its_function_in_either_layout(
    tmp_path: Path, kind: str, source: dict[str, Any], function: str
) -> None:
    [found], files = read(tmp_path, {"id": "5f", "name": "t", "type": kind, "config": {"a": 1}} | source)

    assert (found.name, found.kind, found.function, found.config) == ("t", kind, function, {"a": 1})
    assert not files.findings


@pytest.mark.parametrize(
    ("source", "level", "path"),
    [
        pytest.param({"type": "SCHEDULED"}, "unsupported", "function_name", id="no function"),
        pytest.param({"type": "SCHEDULED", "function_name": "g"}, "warning", "function_name", id="unknown"),
        pytest.param({"type": "SCHEDULED", "event_processors": {"AWS_EVENTBRIDGE": {"config": {}}}}, "unsupported",
                     "function_name", id="no target of ours"),
        pytest.param({"type": "OTHER", "function_name": "f"}, "unsupported", "", id="unknown type"),
        pytest.param({"type": "SCHEDULED", "function_name": 1}, "problem", "function_name", id="a number for a name"),
        pytest.param({"type": "SCHEDULED", "config": []}, "problem", "config", id="config that is no object"),
        pytest.param({"type": "SCHEDULED", "event_processors": []}, "problem", "event_processors", id="processors"),
    ],
)  # fmt: skip
def test_a_trigger_that_cannot_run_is_a_finding(tmp_path: Path, source: dict[str, Any], level: str, path: str) -> None:
    given = {"name": "t", "function_name": "f"} | source if level == "problem" else {"name": "t"} | source

    found, files = read(tmp_path, given)

    assert not found
    [finding] = files.findings
    assert (finding.level, finding.path) == (level, path)


def test_a_disabled_trigger_is_none_and_needs_no_function(tmp_path: Path) -> None:
    found, files = read(tmp_path, {"name": "t", "type": "SCHEDULED", "disabled": True})

    assert not found
    assert not files.findings


def test_two_triggers_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    _, files = read(tmp_path, *[{"name": "t", "type": "SCHEDULED", "function_name": "f"}] * 2)

    [finding] = files.findings
    assert (finding.file, finding.level, finding.path) == ("triggers/1.json", "problem", "name")


@pytest.mark.parametrize("operation", ["LOGIN", ["LOGIN"]], ids=["text", "array"])
def test_an_authentication_trigger_says_when_and_of_whom(tmp_path: Path, operation: Any) -> None:
    found, files = read(tmp_path, ON_CREATE | NEW | {"config": CONFIG | {"operation_type": operation}})

    assert authentication_triggers(found) == (
        AuthenticationTrigger("t", "f", frozenset({"LOGIN"}), frozenset({"local-userpass"})),
    )
    assert not files.findings


@pytest.mark.parametrize(
    ("config", "path"),
    [
        pytest.param({"operation_type": "LOGOUT"}, "config.operation_type", id="unknown operation"),
        pytest.param({"operation_type": ["LOGIN", 1]}, "config.operation_type", id="a number among them"),
        pytest.param({"operation_type": []}, "config.operation_type", id="no operation"),
        pytest.param({"operation_type": None}, "config.operation_type", id="operation missing"),
        pytest.param({"providers": "local-userpass"}, "config.providers", id="a text of providers"),
        pytest.param({"providers": [1]}, "config.providers", id="a number among providers"),
        pytest.param({"providers": []}, "config.providers", id="no provider"),
    ],
)
def test_an_authentication_trigger_that_would_never_run_is_a_mistake(
    tmp_path: Path, config: dict[str, Any], path: str
) -> None:
    found, files = read(tmp_path, ON_CREATE | NEW | {"config": CONFIG | config})

    authentication_triggers(found)

    assert [(each.level, each.path) for each in files.findings] == [("problem", path)]
