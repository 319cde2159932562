"""An action is declared once, and whoever adds one and forgets a part is told which."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import function_app
from admin.access import OPERATIONS
from shared.endpoint.actions import Action
from shared.requests import Request
from tests.hosts import ROOT


def kinds_of(action: Action) -> list[type[Request]]:
    """Return the types of requests that a handler names."""
    handler: Any = action.handle
    named = [handler.__globals__.get(name) for name in handler.__code__.co_names]
    return [each for each in named if isinstance(each, type) and issubclass(each, Request)]


ACTIONS = {name: action for group in function_app.ACTIONS for name, action in group.by_name.items()}
CATALOG = {name: action for group in function_app.CATALOG for name, action in group.by_name.items()}
ALL = ACTIONS | CATALOG
KINDS: dict[str, type[Request]] = {name: action.request for name, action in ALL.items()}
"""The type of each action's request."""

MODULES = sorted(path.stem for path in (ROOT / "functions").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("module", MODULES)
def test_every_file_of_functions_is_registered(module: str) -> None:
    text = (ROOT / "function_app.py").read_text()

    assert re.search(rf"register_functions\({module}\.|^    {module}\.bp,", text, re.MULTILINE), f"register {module}"


@pytest.mark.parametrize("action", ALL.values(), ids=ALL)
def test_every_action_has_the_name_of_its_route(action: Action) -> None:
    module = importlib.import_module(action.handle.__module__)
    text = Path(str(module.__file__)).read_text()

    route = re.escape(f'@bp.route(ACTION_ROUTE + "{action.name}", methods=ALL_METHODS)\n')
    assert re.search(rf'{route}@bp\.action\(\s*"{action.name}", {action.request.__name__},', text)


@pytest.mark.parametrize("name", ALL)
def test_every_action_is_called_by_a_test_of_its_own(name: str) -> None:
    tests = (path for path in (ROOT / "tests" / "functions").rglob("test_*.py"))

    assert any(f'("{name}"' in path.read_text() for path in tests), f"call {name} in tests/functions/"


@pytest.mark.parametrize("name", ALL)
def test_every_action_is_called_under_rules(name: str) -> None:
    tests = (path for path in (ROOT / "tests" / "functions" / "rules").rglob("test_*.py"))

    assert any(f'("{name}"' in path.read_text() for path in tests), f"call {name} in tests/functions/rules/"


def test_every_action_has_one_type_of_request() -> None:
    assert {name: kinds_of(action) for name, action in ALL.items()} == {
        name: [action.request] for name, action in ALL.items()
    }


def test_every_action_can_be_explained() -> None:
    assert OPERATIONS.keys() == ALL.keys()


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_that_reads_is_explained_as_a_read(name: str) -> None:
    assert ACTIONS[name].reads is (OPERATIONS.get(name) == "read")


@pytest.mark.parametrize("name", [name for name, action in ACTIONS.items() if action.reads])
def test_every_action_that_reads_is_named_where_cached_replies_are_explained(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "caching.md").read_text(), f"name {name} in docs/caching.md"
