"""How a run came out, as a table."""

from collections.abc import Iterable
from typing import NamedTuple

_NEVER = float("1e9")


class Row(NamedTuple):
    """A figure: what it is of, its limit, how it came out, and whether that is as promised."""

    what: str
    limit: str
    seen: str
    ok: bool
    details: tuple[str, ...] = ()


def table(rows: Iterable[Row]) -> str:
    """Return the rows beneath each other."""
    rows = list(rows)
    cells = [("figure", "limit", "seen"), *((row.what, row.limit, row.seen) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    heading, *lines = ["  ".join(map(str.ljust, each, widths)) for each in cells]
    found = [f"{heading}  ok"]
    for row, line in zip(rows, lines, strict=True):
        found += [f"{line}  {'yes' if row.ok else 'NO'}", *(f"      {each}" for each in row.details)]
    short = sum(not row.ok for row in rows)
    return "\n".join([*found, "", f"{len(rows)} figures, {short} fall short"])


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that such a share of them does not exceed; infinite if there is none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("inf")


def written(value: float) -> str:
    """Return a figure with as many digits as matter."""
    if value >= _NEVER:
        return "∞"
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.2f}"
