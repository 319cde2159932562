"""What commands print on standard output: tables and sentences for people, one JSON document for scripts."""

import os
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON document instead, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Needed where no terminal is.")]

_UNCUT = 10_000  # columns: an id that was cut to the width of a terminal cannot be copied from it


def console() -> Console:
    """Return a console on standard output, which writes colours to a terminal only."""
    return Console(highlight=False, soft_wrap=True, emoji=False)


def start_table(*columns: str) -> Table:
    """Return a table without rows, in the style of every list."""
    return Table(*columns, box=None, header_style="bold", pad_edge=False)


def show_table(table: Table) -> None:
    """Print a table in full width; a terminal wraps lines that are too long for it."""
    Console(emoji=False, width=_UNCUT).print(table)


def path_text(path: str) -> str:
    """Return a path as JSON can hold it: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def show_json(document: Any) -> None:
    """Print one JSON document; a datetime is in UTC and ends with Z."""
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC).decode())
