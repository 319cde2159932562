"""The figures of a run, what each is held against, and the table of them."""

from collections.abc import Iterable
from typing import NamedTuple

_COLUMNS = "{:<76}{:>24}{:>16}   {}"


class Row(NamedTuple):
    """A figure: what it is of, how it came out, what is wanted, and whether it is that."""

    what: str
    figure: str
    wanted: str
    ok: bool
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        line = _COLUMNS.format(self.what, self.figure, self.wanted, "ok" if self.ok else "FALLS SHORT")
        return "\n      ".join([line, *self.details])


def at_most(what: str, figure: float, limit: float, unit: str = "") -> Row:
    """Return the row of a figure that may not be larger."""
    return Row(what, f"{_number(figure)}{unit}", f"≤ {_number(limit)}{unit}", figure <= limit)


def at_least(what: str, figure: float, limit: float, unit: str = "") -> Row:
    """Return the row of a figure that may not be smaller."""
    return Row(what, f"{_number(figure)}{unit}", f"≥ {_number(limit)}{unit}", figure >= limit)


def none_of(what: str, found: Iterable[object], most_shown: int = 3) -> Row:
    """Return the row of what may not be; some of it is shown."""
    found = list(found)
    return Row(what, str(len(found)), "0", not found, tuple(f"{each!s:.300}" for each in found[:most_shown]))


def table(rows: Iterable[Row]) -> str:
    """Return the rows beneath each other."""
    rows = list(rows)
    short = sum(not row.ok for row in rows)
    total = f"{len(rows)} figures, {short} fall short"
    return "\n".join([_COLUMNS.format("what", "figure", "wanted", ""), *map(str, rows), "", total])


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that such a share of them does not exceed; infinite if there is none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("inf")


def _number(value: float) -> str:
    value = float(value)
    return f"{value:,.0f}" if abs(value) >= 100 or value.is_integer() else f"{value:.2f}"
