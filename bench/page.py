"""What docs/performance.md shows of a run: tables and a chart of the figures that are kept in the repository."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench import throughput
from bench.limits import LIMITS
from bench.report import Results
from bench.rivals import DOZEN, FASTAPI, FLOOR, OWNER, PLAIN, ROOT
from bench.workloads import (
    BULK_WRITE,
    COUNT,
    FIND_AND_UPDATE,
    FIND_EJSON,
    FIND_JSON,
    FIND_ONE,
    GET_MORE,
    INSERT_MANY,
    INSERT_MANY_EJSON,
    INSERT_ONE,
)

type Figures = Mapping[str, Any]

FIGURES = Path(__file__).parent / "figures.json"
PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"

GB = 2
"""Memory of an instance, as infra/modules/functions.bicep asks for."""

_CALLS = {
    FIND_ONE: "findOne",
    FIND_JSON: "find of 100, as JSON",
    FIND_EJSON: "find of 100, as canonical Extended JSON",
    INSERT_ONE: "insertOne",
    INSERT_MANY: "insertMany of 100",
    INSERT_MANY_EJSON: "insertMany of 100, in canonical Extended JSON",
    COUNT: "countDocuments of 100",
    FIND_AND_UPDATE: "findOneAndUpdate",
    BULK_WRITE: "bulkWrite of 100",
    GET_MORE: "getMore of 1,000 of 10,000",
}
_SHOWN = {
    DOZEN: "Dozen",
    PLAIN: "without native code",
    OWNER: "under rules",
    FASTAPI: "FastAPI",
    FLOOR: "floor",
}


def figures(results: Results) -> Figures:
    """Return what is kept of a run: medians, rounded."""
    calls: dict[str, dict[str, dict[str, int]]] = {}
    for workload in _CALLS:
        for rival in _SHOWN:
            if runs := throughput.of(results.runs, workload, rival):
                cpu, rate = median(run.cpu_us for run in runs), median(run.figures.per_second for run in runs)
                calls.setdefault(workload, {})[rival] = {"cpu_us": round(cpu), "per_second": round(rate)}
    ratios = {each.name: _rounded(each.measured(results.runs)) for each in LIMITS}
    return {"calls": calls, "ratios": ratios}


def publish(results: Results) -> None:
    """Keep the figures of a complete run, and write them into the page."""
    found = figures(results)
    FIGURES.write_text(json.dumps(found, indent=2) + "\n")
    CHART.write_text(chart(found))
    PAGE.write_text(with_tables(PAGE.read_text(), found))


def with_tables(page: str, found: Figures) -> str:
    """Return the page with the tables of these figures, each in the place of the one with its first heading."""
    for table in tables(found):
        first = re.escape(table[: table.index("|", 1)])
        page = re.sub(rf"^{first}.*\n(?:\|.*\n)*", table.replace("\\", r"\\"), page, flags=re.MULTILINE)
    return page


def tables(found: Figures) -> Iterator[str]:
    """Give the tables."""
    calls = found["calls"]
    yield _table(
        ["µs of processor for a call", *_SHOWN.values()],
        [[_CALLS[each], *(_cpu(calls[each].get(rival)) for rival in _SHOWN)] for each in calls],
    )
    yield _table(
        ["calls per second and core", *_SHOWN.values()],
        [[_CALLS[each], *(_rate(calls[each].get(rival)) for rival in _SHOWN)] for each in calls],
    )
    yield _table(
        ["by processor time", "at least", "measured", ""],
        [
            [each.name, f"{each.least} x", f"{measured} x", "" if measured >= each.least else "falls short"]
            for each in LIMITS
            if (measured := found["ratios"][each.name]) is not None
        ],
    )
    yield _table(
        ["a million calls", "vCPU-seconds", f"GB-seconds of instances with {GB} GB, all busy"],
        [[_CALLS[each], *_billed(calls[each][DOZEN])] for each in calls],
    )


def _billed(of_call: Mapping[str, int]) -> tuple[str, str]:
    return f"{of_call['cpu_us']:,}", f"{1_000_000 / of_call['per_second'] * GB:,.0f}"


def _table(heading: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (heading, ["---"] * len(heading), *rows))


def _cpu(of_call: Mapping[str, int] | None) -> str:
    return "" if of_call is None else f"{of_call['cpu_us']:,}"


def _rate(of_call: Mapping[str, int] | None) -> str:
    return "" if of_call is None else f"{of_call['per_second']:,}"


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 2)


_WIDTH, _LEFT, _BAR, _GAP, _LABEL = 760, 190, 14, 14, 40
_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.value { font-size: 11px; fill: #59636e }
.line { stroke: #59636e; stroke-dasharray: 3 3 }
.limit { stroke: #1f2328; stroke-width: 2 }
.Dozen { fill: #0969da } .plain { fill: #54aeff } .owner { fill: #1a7f37 } .floor { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .value { fill: #9198a1 } .line { stroke: #9198a1 } .limit { stroke: #f0f6fc }
.Dozen { fill: #4493f8 } .plain { fill: #1f6feb } .owner { fill: #3fb950 } .floor { fill: #656c76 }
}"""


def chart(found: Figures) -> str:
    """Return how many times as many calls as FastAPI each answers for the same processor time, as bars."""
    least = {(each.workload, each.rival): each.least for each in LIMITS if each.other == FASTAPI}
    ratios = list(_beside_fastapi(found["calls"]))
    scale = (_WIDTH - _LEFT - 60) / max(*least.values(), *(ratio for *_, ratio in ratios))
    parts, y, before = [_legend()], 34, ""
    for workload, rival, ratio in ratios:
        if workload != before:
            y += _GAP
            parts += _lines(_CALLS[workload].split(", "), y)
        end, label = _LEFT + ratio * scale, _LEFT + ratio * scale
        parts.append(f'<rect class="{rival}" x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="{_BAR}"/>')
        if (workload, rival) in least:
            x = _LEFT + least[workload, rival] * scale
            parts.append(f'<line class="limit" x1="{x:.1f}" y1="{y - 1}" x2="{x:.1f}" y2="{y + _BAR + 1}"/>')
            label = x if end < x < end + _LABEL else end
        parts.append(f'<text class="value" x="{label + 6:.1f}" y="{y + 11}">{ratio:.1f} x</text>')
        y, before = y + _BAR + 2, workload
    one = _LEFT + scale
    parts.append(f'<line class="line" x1="{one:.1f}" y1="30" x2="{one:.1f}" y2="{y}"/>')
    size = f'width="{_WIDTH}" height="{y + 10}" viewBox="0 0 {_WIDTH} {y + 10}"'
    title = "<title>Calls for the same processor time, as multiples of FastAPI's</title>"
    return (
        "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
                title,
                f"<style>\n{_STYLE}\n</style>",
                *parts,
            ]
        )
        + "\n</svg>\n"
    )


def _beside_fastapi(calls: Figures) -> Iterator[tuple[str, str, float]]:
    for workload, by_rival in calls.items():
        for rival in _SHOWN:
            if rival != FASTAPI and rival in by_rival:
                yield workload, rival, by_rival[FASTAPI]["cpu_us"] / by_rival[rival]["cpu_us"]


def _lines(words: list[str], y: int) -> list[str]:
    return [f'<text x="0" y="{y + 11 + 15 * place}">{each}</text>' for place, each in enumerate(words)]


def _legend() -> str:
    parts, x = [], 0
    for rival, name in _SHOWN.items():
        if rival != FASTAPI:
            parts.append(f'<rect class="{rival}" x="{x}" y="6" width="12" height="12"/>')
            parts.append(f'<text x="{x + 18}" y="16">{name}</text>')
            x += 40 + 7 * len(name)
    parts.append(
        f'<line class="line" x1="{x + 6}" y1="5" x2="{x + 6}" y2="19"/><text x="{x + 18}" y="16">FastAPI</text>'
    )
    parts.append(
        f'<line class="limit" x1="{x + 86}" y1="5" x2="{x + 86}" y2="19"/><text x="{x + 98}" y="16">at least</text>'
    )
    return "\n".join(parts)
