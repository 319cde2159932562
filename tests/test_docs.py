"""Pages that list what the code holds: settings, errors, routes, modules; their links; the README's example."""

import ast
import inspect
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from dotenv import dotenv_values
from pymongo import MongoClient

from admin import sample
from admin.sample import films
from local.mongod import Mongod
from shared import errors
from shared.endpoint.actions import ALL_METHODS
from shared.errors import DataAPIError
from shared.settings import NAMES, Settings
from tests.conftest import Post
from tests.hosts import ROOT, Worker

SOURCE = "MONGO_DB_URI__<NAME>"
URI = {"MONGO_DB_URI": "mongodb://h/"}
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))
DECISION = r"""# (\d{4})\. .+

## Status

.+

## Date

\d{4}-\d{2}-\d{2}

## Context

.+

## Options

.+

## Decision

.+

## Consequences

.+
"""


def read(path: str) -> str:
    return (ROOT / path).read_text()


def rows(path: str, header: str) -> list[list[str]]:
    """Return the cells of the table under a header, without the marks of code."""
    table = read(path).partition(f"\n{header}\n")[2].partition("\n\n")[0]
    _, *lines = table.splitlines()
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def documented_settings() -> dict[str, str]:
    return {name: default for name, default, *_ in rows("docs/settings.md", "| name | default | unit | what it does |")}


def documented_errors() -> list[tuple[str, int, str]]:
    table = rows("docs/errors.md", "| class | status | error_code | when | what the caller can do |")
    return [(name, int(status), code) for name, status, code, *_ in table]


def raised_errors() -> list[tuple[str, int, str]]:
    """Return every class of shared/errors.py with its status and code, in the order of the file."""
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, DataAPIError)]
    classes.sort(key=lambda each: inspect.getsourcelines(each)[1])
    return [(each.__name__, int(each.status), each.code or "(none)") for each in classes]


def registered(worker: Worker) -> list[tuple[str, str, str]]:
    return [
        (function.name, "/" + function.trigger["route"], named(set(function.trigger["methods"])))
        for function in worker.functions
    ]


def named(methods: set[str]) -> str:
    return "all" if methods == set(ALL_METHODS) else ", ".join(sorted(methods))


def relative_links(page: Path) -> list[str]:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    headings: list[str] = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = unquote(link).partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def test_every_setting_is_documented() -> None:
    assert documented_settings().keys() == NAMES | {SOURCE}


def test_the_documented_defaults_are_the_defaults() -> None:
    given = {name: default for name, default in documented_settings().items() if default}

    assert Settings.from_environ(URI | given) == Settings.from_environ(URI)
    assert given.keys() == {
        field.encode_name
        for field in msgspec.structs.fields(Settings)
        if field.default not in {"", None, msgspec.NODEFAULT}
    }


def test_the_example_environment_names_every_setting_with_its_default(tmp_path: Path) -> None:
    uncommented = tmp_path / "env"
    uncommented.write_text(re.sub(r"^#(?=[A-Z])", "", read(".env.example"), flags=re.MULTILINE))

    values = {name: value or "" for name, value in dotenv_values(uncommented).items()}

    assert {name.replace("REPORTING", "<NAME>"): value for name, value in values.items()} == documented_settings()


def test_the_example_environment_sets_nothing_until_it_is_changed() -> None:
    assert [line for line in read(".env.example").splitlines() if line and not line.startswith("#")] == []


def test_the_example_for_func_start_names_every_setting_with_its_default() -> None:
    values = json.loads(read("local.settings.json.example"))["Values"]
    platform = {"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "AzureWebJobsStorage"}

    assert values.keys() == NAMES | platform
    assert {name: default for name, default in documented_settings().items() if name != SOURCE} == {
        name: value for name, value in values.items() if name not in platform
    } | {"MONGO_DB_HOST": ""}


def test_every_error_is_documented() -> None:
    assert documented_errors() == raised_errors()


def test_the_tree_of_errors_names_every_error() -> None:
    tree = re.findall(r"^(?:(?:│   )?[├└]── )?(\w+Error) +(\d{3})  (\S+)", inspect.getdoc(errors) or "", re.MULTILINE)

    assert [(name, int(status), code) for name, status, code in tree] == raised_errors()


def test_every_refusal_is_an_error_and_has_its_place() -> None:
    table = rows("docs/architecture.md", "| status | error_code | module | what is checked |")

    refusals = {(int(status), code) for status, codes, *_ in table for code in codes.split(", ")}

    assert refusals == {(status, code) for _, status, code in raised_errors()}
    assert [module for _, _, module, _ in table if not (ROOT / module).is_file()] == []


@pytest.mark.parametrize(
    ("status", "codes", "module"),
    [row[:3] for row in rows("docs/architecture.md", "| status | error_code | module | what is checked |")],
)
def test_every_refusal_is_raised_where_the_page_says(status: str, codes: str, module: str) -> None:
    names = {
        code: {name for name, *error in raised_errors() if error == [int(status), code]} for code in codes.split(", ")
    }
    source = (ROOT / module).read_text()

    assert [code for code, found in names.items() if not any(f"{name}" in source for name in found)] == []


def test_every_route_is_documented(worker: Worker) -> None:
    table = rows("docs/architecture.md", "| function | route | methods |")

    assert sorted((name, route, methods) for name, route, methods in table) == sorted(registered(worker))


def test_every_module_is_documented() -> None:
    found = {"function_app.py"} | {
        path.relative_to(ROOT).as_posix()
        for folder in ("functions", "server", "shared", "admin")
        for path in (ROOT / folder).rglob("*.py")
        if len(ast.parse(path.read_text()).body) > 1  # a package whose docstring is all there is
    }

    documented = {name for name, _ in rows("docs/architecture.md", "| module | what it owns |")}

    assert documented == found


def test_every_line_of_the_log_is_documented() -> None:
    documented = {message for message, *_ in rows("docs/telemetry.md", "| message | level | when | fields |")}

    assert documented == logged() | {"request"}  # which shared/telemetry/requests.py writes by itself


def logged() -> set[str]:
    """Return the messages of all that calls `event`."""
    sources = [path for folder in ("functions", "server", "shared") for path in (ROOT / folder).rglob("*.py")]
    calls = [node for source in sources for node in ast.walk(ast.parse(source.read_text())) if is_event(node)]
    return {call.args[1].value for call in calls}  # type: ignore[attr-defined]


def is_event(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and re.fullmatch(r"(\w+\.)?event", ast.unparse(node.func)) is not None


def test_the_layout_names_what_exists() -> None:
    named = [name for name, _ in rows("README.md", "| path | what is there |")]

    assert [name for name in named if not (ROOT / name).exists()] == []
    assert {name for name in named if name.endswith("/")} == {
        f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._" and path.name != "dist"
    }


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert [link for link in relative_links(page) if not leads_somewhere(page, link)] == []


@pytest.mark.parametrize("decision", [pytest.param(path, id=path.stem) for path in DECISIONS])
def test_a_decision_has_its_headings(decision: Path) -> None:
    match = re.fullmatch(DECISION, decision.read_text(), re.DOTALL)

    assert match is not None
    assert match[1] == decision.name[:4]


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_every_decision_is_linked_from_the_architecture() -> None:
    links = set(relative_links(ROOT / "docs/architecture.md"))

    assert {f"decisions/{path.name}" for path in DECISIONS} <= links


def test_every_path_of_attack_has_its_tests() -> None:
    _, *tables = read("docs/security.md").split("\n| path | what stops it | shown by |\n|---|---|---|\n")
    paths = [line for table in tables for line in table.partition("\n\n")[0].splitlines()]

    assert [
        path for path in paths if not re.search(r"\| `tests/\S+::test_\w+`(, `tests/\S+::test_\w+`)* \|$", path)
    ] == []


def test_every_test_that_the_page_on_security_names_exists() -> None:
    named = re.findall(r"`(tests/\S+)::(\w+)`", read("docs/security.md"))

    assert [each for each in named if each[1] not in defined_in(each[0])] == []


def defined_in(path: str) -> set[str]:
    nodes = ast.walk(ast.parse(read(path))) if (ROOT / path).is_file() else []
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_newest_changes_stand_on_top() -> None:
    first, *_ = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)

    assert first == "Unreleased"


async def test_the_readmes_request_gets_the_readmes_answer(worker: Worker, key: str, mongod: Mongod) -> None:
    question = re.search(r"-d '([^']+)'\n```\n\n```json\n(.+)\n```", read("README.md"))
    assert question is not None
    with MongoClient[dict[str, Any]](mongod.uri, uuidRepresentation="standard") as client:
        client[sample.FILMS]["films"].insert_many(films.documents()["films"])

        answer = await Post(worker, key)("findOne", question[1])
        client.drop_database(sample.FILMS)

    assert answer.body.decode() == question[2]


def test_pages_mention_only_settings_that_exist() -> None:
    name = re.compile(
        r"\b(?:MONGO_DB|LISTEN|DOZEN|AUTH|CORS|SESSION|REDIS|LOGIN|RULES|SCHEMA|MAIL|TRUSTED|EXPECTED|WEB)_[A-Z_]*[A-Z]\b"
    )

    mentioned = {found for page in PAGES for found in name.findall(page.read_text())}

    assert mentioned - {"MONGO_DB_URI__CLUSTER"} <= NAMES
