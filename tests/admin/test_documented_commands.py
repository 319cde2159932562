"""Each command line that the docs show is one that the program takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from admin.__main__ import app
from tests.hosts import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^ *```(?:sh|yaml)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SHOWN = re.compile(
    r"(?:python -m admin|dozen admin|\brun --rm admin|(?<![\w./-])\./dozen|^dozen) +([^\n|]+)", re.MULTILINE
)
NO_COMMAND = re.compile(r"(…|--help|--version|--show-completion.*|--install-completion.*)?")


def shown(page: Path) -> Iterator[str]:
    """Give the command lines in a page's blocks, each from the command's name on, without comments and files."""
    for block in BLOCK.findall(page.read_text()):
        for line in SHOWN.findall(block.replace("\\\n", " ")):
            text = re.sub(r"<[\w ]+>", "X", line.partition(" #")[0])
            text = re.sub(r" [<>] ?\S+", "", text).strip()
            if not NO_COMMAND.fullmatch(text):
                yield text


LINES = [(page.name, line) for page in PAGES for line in shown(page)]


def parsed(arguments: list[str]) -> Any:
    """Parse a command line as the program does, and run nothing; raise what refuses it."""
    context = typer.main.get_command(app).make_context("dozen", arguments)
    while hasattr(context.command, "commands"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context


@pytest.mark.parametrize(("page", "line"), LINES, ids=lambda text: text[:60])
def test_a_command_line_of_the_docs_is_taken(page: str, line: str) -> None:
    context = parsed(shlex.split(line))

    assert not hasattr(context.command, "commands")


def test_there_are_such_lines() -> None:
    assert len(LINES) > 40
