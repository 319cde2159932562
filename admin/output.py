"""What commands print on standard output: tables and sentences for people, one JSON document for scripts."""

import os
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from shared.auth.printable import printable

AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON document instead, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where no terminal is.")]

_UNCUT = 10_000  # columns: an id that was cut to the width of a terminal cannot be copied from it


class PlainConsole(Console):
    """A console on which no text does anything to the terminal: names and messages are others' words."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts with their control characters as escapes, but for the ends of lines."""
        super().print(*(_plain(each) if isinstance(each, str) else each for each in objects), **options)


class PlainTable(Table):
    """A table of which the same is true."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; the end of a line is an escape, too."""
        super().add_row(*(printable(each) if isinstance(each, str) else each for each in cells), **options)


def _plain(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def console() -> Console:
    """Return a console on standard output, which writes colours to a terminal only."""
    return PlainConsole(highlight=False, soft_wrap=True, emoji=False)


def start_table(*columns: str) -> Table:
    """Return a table without rows, in the style of every list."""
    return PlainTable(*columns, box=None, header_style="bold", pad_edge=False)


def show_table(table: Table) -> None:
    """Print a table in full width; a terminal wraps lines that are too long for it."""
    Console(emoji=False, width=_UNCUT).print(table)


def path_text(path: str) -> str:
    """Return a path as JSON can hold it: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def show_json(document: Any) -> None:
    """Print one JSON document; a datetime is in UTC and ends with Z."""
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC).decode())
