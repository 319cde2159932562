"""The help of every command, and the page that lists them."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from admin.__main__ import LazyCommand, app
from tests.hosts import ROOT

SERVICE = {"bson", "pymongo", "asyncio", "shared", "admin"}


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Give every command by its words."""
    for name, lazy in group.commands.items():
        command = lazy.load() if isinstance(lazy, LazyCommand) else lazy
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join((*names, name)), command


def written() -> Iterator[Any]:
    """Give every command of a block of shell in the pages, with its words."""
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            for line in re.findall(r"\./dozen .*", block.replace("\\\n", " ")):
                yield pytest.param(words(line), id=f"{page.name}: {line}")


def words(line: str) -> list[str]:
    """Return the words behind `./dozen`, up to what the shell reads on its own; a `<place>` is one word."""
    line = re.sub(r"<[a-z ]+>", "PLACE", line)
    read = shlex.shlex(line, posix=True, punctuation_chars=True)
    read.whitespace_split = True
    found = list(read)[1:]
    end = next((n for n, word in enumerate(found) if re.fullmatch(r"[|<>;&]+", word)), len(found))
    return found[:end]


LISTED: dict[str, LazyCommand] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
EVERY = dict(commands(typer.main.get_command(app)))


def documented() -> set[str]:
    """Return the commands in the page's table; a row's first names the group of all in it."""
    table = (ROOT / "docs/admin.md").read_text().partition("| command | what it does |\n|---|---|\n")[2]
    rows = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in table.partition("\n\n")[0].splitlines()]
    return {f"{row[0].rpartition(' ')[0]} {name.rpartition(' ')[2]}".strip() for row in rows for name in row}


@pytest.mark.parametrize(
    ("option", "forbidden", "allowed"),
    [
        (
            "--version",
            SERVICE | {"rich"},
            {
                "shared",
                "shared.settings",
                "shared.bounds",
                "shared.connection_strings",
                "shared.http_hosts",
                "shared.mail_server",
                "shared.operators",
            },
        ),
        ("--help", SERVICE, set()),
    ],
)
def test_no_command_is_imported_to_be_listed(option: str, forbidden: set[str], allowed: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "admin", option],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(re.findall(r"^import time:.*\|\s+(\S+)$", done.stderr, re.MULTILINE))

    assert "typer" in imported
    assert {name for name in imported - {"admin"} if name.partition(".")[0] in forbidden} <= allowed


@pytest.mark.parametrize("name", LISTED)
def test_a_line_of_the_list_is_the_first_of_the_commands_own_help(name: str) -> None:
    lazy = LISTED[name]

    assert lazy.load().help.splitlines()[0] == lazy.help


def test_the_page_lists_every_command() -> None:
    assert documented() == EVERY.keys()


@pytest.mark.parametrize("name", EVERY)
def test_a_command_explains_itself_and_each_option(name: str) -> None:
    command = EVERY[name]

    assert command.help
    assert command.help.splitlines()[0].endswith((".", ":"))
    assert [each.name for each in command.params if not getattr(each, "help", "") and each.name != "help"] == []


@pytest.mark.parametrize("name", EVERY)
def test_exit_codes_stand_in_the_help(name: str) -> None:
    assert "Exit codes: 0 done, 1 failed or problems found, 2 wrong usage" in EVERY[name].epilog


@pytest.mark.parametrize("folder", ["README.md", "docs", "admin", "local", "shared", "server"])
def test_pages_and_messages_call_the_program_by_its_name(folder: str) -> None:
    files = (
        [ROOT / folder] if folder.endswith(".md") else [*(ROOT / folder).glob("*.md"), *(ROOT / folder).rglob("*.py")]
    )

    assert [path.name for path in files if re.search(r"python -m admin [a-z]", path.read_text())] in (
        [],
        ["__main__.py"],
    )


@pytest.mark.parametrize("line", [*written()])
def test_a_command_of_the_pages_is_understood(line: list[str]) -> None:
    name = max((name for name in EVERY if line[: name.count(" ") + 1] == name.split()), key=len)

    context = EVERY[name].make_context(name, line[name.count(" ") + 1 :])

    assert context.command is EVERY[name]
