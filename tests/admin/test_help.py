"""The help of every command, and the page that lists them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from admin.__main__ import app
from tests.admin.conftest import Command
from tests.hosts import ROOT


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Give every command by its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join((*names, name)), command


EVERY = dict(commands(typer.main.get_command(app)))


def documented() -> set[str]:
    """Return the commands in the page's table; a row's first names the group of all in it."""
    table = (ROOT / "docs/admin.md").read_text().partition("| command | what it does |\n|---|---|\n")[2]
    rows = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in table.partition("\n\n")[0].splitlines()]
    return {f"{row[0].rpartition(' ')[0]} {name.rpartition(' ')[2]}".strip() for row in rows for name in row}


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


@pytest.mark.parametrize("words", [("doctor",), ("keys", "list"), ("keys", "list", "--json")], ids=" ".join)
def test_a_result_that_cannot_be_written_is_one_sentence(command: Command, words: tuple[str, ...]) -> None:
    command.env["DOZEN_DATABASE"] = "unwritten"
    with Path("/dev/full").open("w") as full:
        process = command.start(*words, stdout=full)
        _, said = process.communicate(timeout=120)

    assert (process.returncode, said.decode()) == (1, "error: standard output: No space left on device\n")
