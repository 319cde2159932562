"""Texts that go on below each other where a terminal has no room: between words, else behind a sign (pure)."""

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

_JOINT = re.compile(r"(?<=[.,:;/_=-])|(?<=[a-z0-9])(?=[A-Z])")
_LEAST = 8  # columns: in fewer, nobody reads a text


def folded(text: Text, width: int) -> Text:
    """Return a text in lines of at most so many columns; a word is parted only if it is longer than a line."""
    lines = []
    for line in text.split("\n", allow_blank=True):
        rest = line
        while (end := _end(rest.plain, width)) < len(rest.plain):
            lines.append(rest[:end])
            rest = rest[end:]
            rest = rest[len(rest.plain) - len(rest.plain.lstrip(" ")) :]
        lines.append(rest)
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _end(text: str, width: int) -> int:
    """Return where the first line ends: behind its last word, else where the word has a joint."""
    fitting = len(text)
    while cell_len(text[:fitting]) > width:
        fitting = min(fitting - 1, max(width, 1)) if fitting > width else fitting - 1
    if fitting == len(text) or not text[fitting:].strip(" "):
        return len(text)
    if (space := text.rfind(" ", 1, fitting + 1)) > 0 and text[:space].strip(" "):
        return space
    joints = [found.start() for found in _JOINT.finditer(text, 1, fitting + 1) if found.start() <= fitting]
    return max(joints, default=max(fitting, 1))


def widths(columns: Sequence[Sequence[Text]], elastic: Sequence[bool], room: int) -> list[int]:
    """Return how wide each column is, so that all have room: none is cut, and elastic ones become narrower.

    The widest give way first. Words are parted only where there is no room for each column's longest.
    """
    whole = [max(map(_width, cells)) for cells in columns]
    words = [max(map(_longest_word, cells)) for cells in columns]
    heads = [max(_width(cells[0]), min(_LEAST, most)) for cells, most in zip(columns, whole, strict=True)]
    for least in (words, heads):
        lowest = [low if gives else most for low, most, gives in zip(least, whole, elastic, strict=True)]
        if sum(lowest) <= room or least is heads:
            break
    found = lowest
    for most in range(1, max(whole) + 1):
        wider = [max(low, min(most, each)) for low, each in zip(lowest, whole, strict=True)]
        if sum(wider) > room:
            break
        found = wider
    return found


def _width(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")))


def _longest_word(text: Text) -> int:
    return max(map(cell_len, text.plain.split()), default=0)
