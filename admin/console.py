"""Consoles on which others' words do nothing to the terminal."""

from typing import Any

from rich.console import Console

from shared.auth.printable import printable


class PlainConsole(Console):
    """A console on which no text does anything to the terminal: names and messages are others' words."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts with their control characters as escapes, but for the ends of lines."""
        super().print(*(_plain(each) if isinstance(each, str) else each for each in objects), **options)


def _plain(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def console() -> Console:
    """Return a console on standard output, which writes colours to a terminal only."""
    return PlainConsole(highlight=False, soft_wrap=True, emoji=False)
