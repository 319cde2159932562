"""What commands print on standard output: tables and sentences for people, one JSON document for scripts."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from admin.process import note
from shared.auth.printable import printable

AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON document instead, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where no terminal is.")]

_NARROWEST = 80  # columns: what does not fit into a terminal of fewer is wrapped by it
_UNCUT = 10_000  # columns: an id that was cut to the width of a terminal cannot be copied from it


class PlainTable(Table):
    """A table of which the same is true."""

    is_elastic = False
    """Whether it gets as narrow as the terminal."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; the end of a line is an escape, too."""
        super().add_row(*(printable(each) if isinstance(each, str) else each for each in cells), **options)


def start_table(*columns: str, elastic: Sequence[str] = (), numbers: Sequence[str] = ()) -> PlainTable:
    """Return a table without rows, in the style of every list; numbers stand below each other by their ends.

    The texts of elastic columns go on below each other where a terminal is too narrow for a row.
    """
    table = PlainTable(box=None, header_style="bold", pad_edge=False)
    table.is_elastic = bool(elastic)
    for name in columns:
        justify: Literal["left", "right"] = "right" if name in numbers else "left"
        table.add_column(name, no_wrap=name not in elastic, overflow="fold", justify=justify)
    return table


def show_table(table: PlainTable) -> None:
    """Print a table in full width; a terminal wraps lines that are too long for it, unless a column is elastic."""
    out = Console(emoji=False)
    out.width = max(out.width, _NARROWEST) if table.is_elastic and out.is_terminal else _UNCUT
    out.print(table)


def show_members(members: Mapping[str, Any]) -> None:
    """Print what is known of one thing, a line for each member that is not empty."""
    table = start_table("", "", elastic=("",))
    table.show_header = False
    for name, value in members.items():
        if value:
            table.add_row(name, escape(str(value)))
    show_table(table)


def tell(sentence: str, document: Any, *, as_json: bool) -> None:
    """Say what a command has changed: in a sentence on standard error, or as JSON on standard output."""
    if as_json:
        show_json(document)
    else:
        note(sentence)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as "1 document" or "2 documents"; `plural` is what no s makes."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def minute(moment: datetime | None) -> str:
    """Return a moment as people read it, "" for none."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def path_text(path: str) -> str:
    """Return a path as JSON can hold it: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def show_json(document: Any) -> None:
    """Print one JSON document; a datetime is in UTC and ends with Z, what JSON does not have is a text."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
    typer.echo(orjson.dumps(document, default=str, option=options).decode())
