"""What commands print on standard output: tables and sentences for people, one JSON document for scripts."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.auth.printable import printable

AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON document instead, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where no terminal is.")]

_NARROWEST = 80  # columns: what does not fit into a terminal of fewer is wrapped by it
_UNCUT = 10_000  # columns: an id that was cut to the width of a terminal cannot be copied from it


class PlainConsole(Console):
    """A console on which no text does anything to the terminal: names and messages are others' words."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts with their control characters as escapes, but for the ends of lines."""
        super().print(*(_plain(each) if isinstance(each, str) else each for each in objects), **options)


class PlainTable(Table):
    """A table of which the same is true."""

    is_elastic = False
    """Whether it gets as narrow as the terminal."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; the end of a line is an escape, too."""
        super().add_row(*(printable(each) if isinstance(each, str) else each for each in cells), **options)


def _plain(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def console() -> Console:
    """Return a console on standard output, which writes colours to a terminal only."""
    return PlainConsole(highlight=False, soft_wrap=True, emoji=False)


def start_table(*columns: str, elastic: str | None = None) -> PlainTable:
    """Return a table without rows, in the style of every list.

    The texts of the elastic column go on below each other where a terminal is too narrow for a row.
    """
    table = PlainTable(box=None, header_style="bold", pad_edge=False)
    table.is_elastic = elastic is not None
    for name in columns:
        table.add_column(name, no_wrap=name != elastic, overflow="fold")
    return table


def show_table(table: PlainTable) -> None:
    """Print a table in full width; a terminal wraps lines that are too long for it, unless a column is elastic."""
    out = Console(emoji=False)
    out.width = max(out.width, _NARROWEST) if table.is_elastic and out.is_terminal else _UNCUT
    out.print(table)


def show_members(members: Mapping[str, Any]) -> None:
    """Print what is known of one thing, a line for each member that is not empty."""
    table = start_table("", "", elastic="")
    table.show_header = False
    for name, value in members.items():
        if value:
            table.add_row(name, escape(str(value)))
    show_table(table)


def minute(moment: datetime | None) -> str:
    """Return a moment as people read it, "" for none."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def path_text(path: str) -> str:
    """Return a path as JSON can hold it: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def show_json(document: Any) -> None:
    """Print one JSON document; a datetime is in UTC and ends with Z."""
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC).decode())
