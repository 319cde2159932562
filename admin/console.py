"""Consoles on which others' words do nothing to the terminal."""

from typing import Any

from rich.console import Console
from rich.text import Text

from admin.folding import folded
from shared.auth.printable import printable

_LEAST = 20  # columns, with fewer of which a terminal wraps by itself


class PlainConsole(Console):
    """A console on which no text does anything to the terminal: names and messages are others' words."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts with their control characters as escapes, but for the ends of lines."""
        super().print(*(_plain(each) if isinstance(each, str) else each for each in objects), **options)

    def print_hanging(self, text: str, indent: int) -> None:
        """Print a text that goes on below its own beginning, so many columns to the right, where a terminal ends."""
        shown = Text.from_markup(_plain(text), emoji=False)
        if self.is_terminal and self.width - indent >= _LEAST:
            lines = folded(shown[indent:], self.width - indent).split("\n", allow_blank=True)
            shown = Text.assemble(shown[:indent], Text(f"\n{' ' * indent}").join(lines))
        self.print(shown)


def _plain(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def console() -> PlainConsole:
    """Return a console on standard output, which writes colours to a terminal only."""
    return PlainConsole(highlight=False, soft_wrap=True, emoji=False)
