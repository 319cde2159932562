"""The figures as tables, the limits they are held against, and all of it as JSON."""

import dataclasses
import datetime
import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import limits, memory, throughput
from bench.rivals import DOZEN, RIVALS
from bench.start import Imports
from bench.throughput import Run
from bench.workloads import WORKLOADS

_RESULTS = Path(__file__).parent / "results"
_LEGEND = """\
Dozen    python -m server: authentication by API key and its log line on; a system key, so no rules
plain    the same with NATIVE=off
rules    Dozen with an exported app whose one role allows everything
owner    Dozen with a role by a condition on the document, and permissions for each of the 12 fields
         (no bulkWrite: there it is one transaction of 100 checked writes, 32 of which outlast a short run)
FastAPI  bench/fastapi_endpoint.py by hand: PyMongo's async client, bson.json_util, an API key, Uvicorn's access log
Eve      its own REST routes and answers (dates to the second; no Extended JSON), its defaults:
         bench/eve_service.py under Gunicorn, gthread with 4 threads
Eve-lean the same without links, ETags and counts
floor    bench/floor.py: orjson and the driver under Uvicorn, no authentication, no log, no types in what it stores
         (no Extended JSON: find-ejson is held against its JSON)
getMore  the second of ten batches of a cursor; FastAPI and the floor, without cursors, find the same by number
-ejson   documents of the reply, or of the request, as canonical Extended JSON
ratio    how many times as many requests per second Dozen answers as this one, median of the rounds; then the same
         by processor time, which holds also when other programs disturb the measurement
cpu µs   processor time of the server for one request
busy     the share of its core that the server used; far below 100 % it was not the server that was measured"""


@dataclass
class Results:
    """Everything that one run of the benchmark found out."""

    machine: str
    pinning: str
    documents: int
    has_native: bool
    runs: list[Run] = field(default_factory=list)
    imports: Imports | None = None
    first_answers: dict[str, list[float]] = field(default_factory=dict)
    resident: dict[str, dict[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """A number that Dozen is held to."""

    name: str
    wanted: str
    measured: str
    holds: bool


def targets(results: Results) -> list[Target]:
    """Return those targets for which there are figures."""
    return [
        *_ratio_targets(results.runs),
        *_import_targets(results.imports),
        *_memory_targets(results.resident),
    ]


def show(results: Results) -> None:
    """Print the tables."""
    print(f"\n{results.machine}\n{results.pinning}; {results.documents:,} documents")
    print("with the native modules\n" if results.has_native else "without the native modules: Dozen is plain\n")
    if results.runs:
        print(f"{'':<17}{'':<9}{'req/s':>9}{'ratio':>9}{'p50 ms':>9}{'p99 ms':>9}{'cpu µs':>9}{'ratio':>9}{'busy':>7}")
    for workload in WORKLOADS:
        _show_workload(results.runs, workload)
    _show_start(results)
    for rival, resident in results.resident.items():
        steps = ", ".join(f"{mb:.1f} after {step:,}" for step, mb in resident.items())
        print(f"resident MB of {rival}: {steps} requests")
    print(f"\n{_LEGEND}\n")
    for target in targets(results):
        verdict = "holds" if target.holds else "falls short"
        print(f"{target.name:<46}{target.wanted:>12}{target.measured:>30}   {verdict}")


def save(results: Results) -> Path:
    """Write everything as JSON into bench/results."""
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}.json"
    content: dict[str, Any] = dataclasses.asdict(results)
    content["targets"] = [dataclasses.asdict(target) for target in targets(results)]
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def _show_workload(runs: list[Run], workload: str) -> None:
    dozen = throughput.of(runs, workload, DOZEN)
    for rival in RIVALS:
        mine = throughput.of(runs, workload, rival.name)
        if not mine:
            continue
        figures = [run.figures for run in mine]
        print(
            f"{workload:<17}{rival.name:<9}{median(run.per_second for run in figures):>9,.0f}"
            f"{_times(throughput.ratio(dozen, mine)):>9}"
            f"{median(run.p50_ms for run in figures):>9.1f}{median(run.p99_ms for run in figures):>9.1f}"
            f"{median(run.cpu_us for run in mine):>9,.0f}{_times(throughput.cpu_ratio(dozen, mine)):>9}"
            f"{median(run.busy for run in mine):>7.0%}"
        )


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} x"


def _show_start(results: Results) -> None:
    if results.imports:
        base_ms = median(results.imports.base) * 1e3
        print(f"\nimport of function_app: {results.imports.app_ms:.0f} ms; azure.functions, pymongo: {base_ms:.0f} ms")
    for rival, seconds in results.first_answers.items():
        print(f"from the start of {rival} to its first answered findOne: {median(seconds) * 1e3:.0f} ms")


def _ratio_targets(runs: list[Run]) -> list[Target]:
    return [
        Target(
            each.name,
            f"≥ {each.least} x",
            f"{_times(measured)} ({_times(each.rate(runs))} by rate)",
            measured >= each.least,
        )
        for each in limits.LIMITS
        if (measured := each.measured(runs)) is not None
    ]


def _import_targets(imports: Imports | None) -> list[Target]:
    if imports is None:
        return []
    app_ms, native_ms, most = imports.app_ms, imports.native_ms, limits.NATIVE_IMPORT_MS
    found = [
        Target("import of function_app", f"< {limits.IMPORT_MS} ms", f"{app_ms:.0f} ms", app_ms < limits.IMPORT_MS),
        Target(
            "import of function_app ÷ its base",
            f"≤ {limits.IMPORT_RATIO} x",
            _times(imports.ratio),
            imports.ratio <= limits.IMPORT_RATIO,
        ),
    ]
    if native_ms is not None:
        found.append(
            Target("import of the native modules", f"≤ {most} ms", f"{native_ms:.1f} ms", native_ms <= most),
        )
    return found


def _memory_targets(resident: dict[str, dict[int, float]]) -> list[Target]:
    if DOZEN not in resident:
        return []
    first, *_, last = resident[DOZEN].values()
    grown, most = last - first, limits.RESIDENT_MB
    return [
        Target("resident memory after 10,000 requests", f"< {most} MB", f"{first:.1f} MB", first < most),
        Target(
            "its growth by the last request", f"< {memory.LEVEL_MB:.0f} MB", f"{grown:.1f} MB", grown < memory.LEVEL_MB
        ),
    ]
