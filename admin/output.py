"""What commands print on standard output: tables and sentences for people, one JSON document for scripts."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from admin.folding import folded, widths
from admin.process import note
from shared.auth.printable import printable

AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON document instead, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where no terminal is.")]

_NARROWEST = 80  # columns: what does not fit into a terminal of fewer is wrapped by it
_UNCUT = 1_000_000  # columns: an id that was cut to the width of a terminal cannot be copied from it
_INDENT = "  "  # of a row below what stays whole of it
_BETWEEN = "  "  # what Rich puts between two columns


class PlainTable:
    """A table on which others' words do nothing to the terminal, either."""

    show_header = True

    def __init__(
        self, names: Sequence[str], elastic: Sequence[str], numbers: Sequence[str], whole: str | None = None
    ) -> None:
        self._names = names
        self._elastic = [name in elastic for name in names]
        self._numbers = numbers
        self._whole = whole
        self.rows: list[list[Text]] = []

    def add_row(self, *cells: str) -> None:
        """Add a row; the end of a line is an escape, too."""
        self.rows.append([Text.from_markup(printable(each), emoji=False) for each in cells])

    def in_full(self, wide: Sequence[int | None] = ()) -> Table:
        """Return the table as wide as its texts are, or its columns as wide as they are said to be."""
        table = Table(box=None, header_style="bold", pad_edge=False, show_header=self.show_header)
        for name, width in zip(self._names, wide or [None] * len(self._names), strict=True):
            justify: Literal["left", "right"] = "right" if name in self._numbers else "left"
            table.add_column(name, no_wrap=True, overflow="fold", justify=justify, width=width)
        for row in self.rows:
            table.add_row(*row)
        return table

    def fitted(self, room: int) -> RenderableType:
        """Return the table in so many columns of a terminal, if it can be: texts go on below each other."""
        columns = [[Text(name), *cells] for name, *cells in zip(self._names, *self.rows, strict=True)]
        wide = widths(columns, self._elastic, room - len(_BETWEEN) * (len(columns) - 1))
        if self._whole is not None and sum(wide) + len(_BETWEEN) * (len(columns) - 1) > room:
            return self._headed(self._names.index(self._whole), room)
        return self._folded(wide).in_full()

    def _folded(self, wide: Sequence[int]) -> "PlainTable":
        made = PlainTable(self._names, (), self._numbers)
        made.show_header = self.show_header
        made.rows = [[folded(cell, each) for cell, each in zip(row, wide, strict=True)] for row in self.rows]
        return made

    def _headed(self, place: int, room: int) -> Group:
        """Return the rows with what stays whole above them, each on a line of its own, which no column parts."""
        names = [name for name in self._names if name != self._whole]
        rows = [[Text(name) for name in self._names], *self.rows]
        others = [[*row[:place], *row[place + 1 :]] for row in rows]
        gives = [*self._elastic[:place], *self._elastic[place + 1 :]]
        within = room - len(_INDENT) - len(_BETWEEN) * (len(names) - 1)
        wide = widths(list(zip(*others, strict=True)), gives, within)
        shown: list[RenderableType] = []
        for number, (row, rest) in enumerate(zip(rows, others, strict=True)):
            part = PlainTable(names, (), self._numbers)
            part.show_header = number == 0
            part.rows = [rest] if number else []
            head = (row[place] if row[place].plain else Text("-")) if number else Text(row[place].plain, style="bold")
            shown += [head, Padding(part._folded(wide).in_full(wide), (0, 0, 0, len(_INDENT)), expand=False)]
        return Group(*shown)


def start_table(
    *columns: str, elastic: Sequence[str] = (), numbers: Sequence[str] = (), whole: str | None = None
) -> PlainTable:
    """Return a table without rows, in the style of every list; numbers stand below each other by their ends.

    The texts of elastic columns go on below each other where a terminal is too narrow for a row. The texts of one
    column may stay whole, to be copied: they stand above their rows then.
    """
    return PlainTable(columns, elastic, numbers, whole)


def show_table(table: PlainTable, nothing: str = "nothing to list") -> None:
    """Print a table in full; at a terminal, elastic columns are as narrow as it needs, and it wraps what is too long.

    One without rows is explained: else nobody knows whether the command has worked.
    """
    out = Console(emoji=False)
    shown = table.fitted(max(out.width, _NARROWEST)) if out.is_terminal else table.in_full()
    out.width = _UNCUT
    out.print(shown)
    if nothing and not table.rows:
        note(nothing)


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
