"""A bar with rate and remaining time, on standard error, if that is a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Advance(Protocol):
    """Moves the bar to so many units of the total, with a text beside it."""

    def __call__(self, completed: int, text: str) -> None: ...


class _Rate(ProgressColumn):
    """Units a second: bytes in megabytes, documents as they are."""

    def __init__(self, scale: float, unit: str) -> None:
        super().__init__()
        self._scale = scale
        self._unit = unit

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("-" if rate is None else f"{rate / self._scale:,.1f} {self._unit}/s", style="cyan")


@contextmanager
def bar(title: str, total: int | None, completed: int = 0, *, in_bytes: bool = False) -> Iterator[Advance]:
    """Draw a bar while the block runs; without a total it only moves, and where no terminal is there is none."""
    rate = _Rate(1e6, "MB") if in_bytes else _Rate(1, "documents")
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), rate, TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(title, total=total, completed=completed, text="")
        yield lambda completed, text: progress.update(task, completed=completed, text=text)
