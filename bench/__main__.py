"""`python -m bench`: starts everything, checks that the rivals answer alike, measures, and prints the ratios."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import equivalence, films, machine, memory, page, report, start
from bench.report import Results
from bench.rivals import DOZEN, FASTAPI, RIVALS, Rival, Server, Stable, make_key
from bench.throughput import Measurement
from bench.workloads import MANY, WORKLOADS
from bench.wrk import Load
from local.errors import LocalError
from local.mongod import Mongod

IMPORT, FIRST_ANSWER, MEMORY = "import", "first-answer", "memory"
PARTS = (*WORKLOADS, IMPORT, FIRST_ANSWER, MEMORY)

_SHM = Path("/dev/shm")  # noqa: S108 (a directory of our own is made in it)


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    seconds: int
    rounds: int
    documents: int
    parts: list[str]
    rivals: list[Rival]
    publish: bool


def main() -> int:
    """Measure; a target that is missed is a finding, not a failure of the measurement."""
    options = _options()
    try:
        results = _measure(options)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    report.show(results)
    print(f"\n{report.save(results)}")
    if options.publish:
        page.publish(results)
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="per measurement (5)")
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement (3)")
    parser.add_argument("--only", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--rivals", default=",".join(rival.name for rival in RIVALS), help="some of them")
    parser.add_argument("--publish", action="store_true", help="write the figures into docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="check that it works: few documents, 1 s, one round")
    parsed = parser.parse_args()
    parts, names = parsed.only.split(","), parsed.rivals.split(",")
    if unknown := {*parts} - {*PARTS} | {*names} - {rival.name for rival in RIVALS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    rivals = [rival for rival in RIVALS if rival.name in names]
    if parsed.publish and not (start.has_native() and {*WORKLOADS} <= {*parts} and rivals == [*RIVALS]):
        parser.error("--publish needs all workloads, all rivals and the native modules")
    if parsed.quick:
        return Options(1, 1, 2_000, parts, rivals, parsed.publish)
    return Options(parsed.seconds, parsed.rounds, 100_000, parts, rivals, parsed.publish)


def _measure(options: Options) -> Results:
    results = Results(machine.describe(), machine.leave_server_core(), options.documents, start.has_native())
    with tempfile.TemporaryDirectory(prefix="dozen-bench-") as scratch, _database() as uri:
        films.seed(uri, options.documents)
        stable = Stable(uri, make_key(uri, "--system"), Path(scratch), make_key(uri))
        load = Load(Path(scratch), options.documents - MANY)
        _measure_throughput(options, stable, load, results)
        _measure_start(options, stable, results)
        _measure_memory(options, stable, load, results)
    return results


@contextlib.contextmanager
def _database() -> Iterator[str]:
    """Run a mongod whose files are in memory where possible: a disk's fsync would level all inserts."""
    place = _SHM if _SHM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="dozen-bench-", dir=place) as data, Mongod(Path(data)) as mongod:
        yield mongod.uri


def _measure_throughput(options: Options, stable: Stable, load: Load, results: Results) -> None:
    workloads = [workload for workload in WORKLOADS if workload in options.parts]
    if not workloads:
        return
    measurement = Measurement(load, stable.uri, options.seconds, options.rounds)
    with _running(stable, options.rivals) as servers:
        for server in servers:
            equivalence.check(server, stable.uri, [0, options.documents // 2, options.documents - MANY])
        for workload in workloads:
            _say(f"{workload}: {options.rounds} x {options.seconds} s for each of {len(servers)}")
            results.runs += measurement.compare(workload, servers)


@contextlib.contextmanager
def _running(stable: Stable, rivals: list[Rival]) -> Iterator[list[Server]]:
    with contextlib.ExitStack() as stack:
        servers = []
        for rival in rivals:
            server = stable.start(rival)
            stack.callback(server.stop)
            servers.append(server)
        yield servers


def _measure_start(options: Options, stable: Stable, results: Results) -> None:
    rounds = options.rounds * 3
    if IMPORT in options.parts and any(rival.name == DOZEN for rival in options.rivals):
        _say(f"imports: {rounds} x")
        results.imports = start.measure_imports(rounds)
    if FIRST_ANSWER in options.parts:
        _say(f"first answers: {rounds} x")
        rivals = [rival for rival in options.rivals if rival.name in {DOZEN, FASTAPI}]
        results.first_answers = start.measure_first_answers(stable, rivals, rounds)


def _measure_memory(options: Options, stable: Stable, load: Load, results: Results) -> None:
    if MEMORY not in options.parts:
        return
    for rival in options.rivals:
        if rival.name in {DOZEN, FASTAPI}:
            _say(f"memory of {rival.name}: {memory.STEPS[-1]:,} requests")
            results.resident[rival.name] = memory.measure(stable, rival, load)


def _say(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
