"""Requests per second of the rivals, in turns: A B C D, A B C D, so that a noisy minute hits them all."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench import films
from bench.errors import BenchError
from bench.rivals import Server
from bench.workloads import CHANGED, INSERTED
from bench.wrk import CONNECTIONS, Figures, Load

_WARM_S = 1
_LOOK_S = 0.2


@dataclass(frozen=True)
class Run:
    """One rival's figures in one round."""

    workload: str
    rival: str
    figures: Figures
    busy: float  # share of one core that the server used

    @property
    def cpu_us(self) -> float:
        """Processor time of the server for one request; other programs on the machine hardly change it."""
        return self.busy * 1e6 / self.figures.per_second


@dataclass(frozen=True)
class Measurement:
    """How long, how often, and against which database."""

    load: Load
    uri: str
    seconds: int
    rounds: int

    def compare(self, workload: str, servers: Sequence[Server]) -> list[Run]:
        """Measure the servers that know this workload, round by round."""
        able = [server for server in servers if server.call(workload)]
        for server in able:
            self._run(workload, server, seconds=_WARM_S, seed=0)
        return [
            self._run(workload, server, seconds=self.seconds, seed=turn)
            for turn in range(1, self.rounds + 1)
            for server in able
        ]

    def _run(self, workload: str, server: Server, *, seconds: int, seed: int) -> Run:
        call = server.call(workload)
        if call is None:
            raise BenchError(f"{server.rival.name} does not know {workload}")
        written = self._settled(workload)
        if INSERTED[workload]:
            films.empty_written(self.uri)
            written = 0
        before = server.cpu_seconds()
        try:
            figures = self.load.run(call, server.port, seconds=seconds, seed=seed)
        except BenchError as error:
            raise BenchError(f"{workload}, {server.rival.name}: {error}; {server.last_words()}") from error
        busy = (server.cpu_seconds() - before) / figures.seconds
        server.settle()
        self._check_written(workload, server, figures, self._settled(workload) - written)
        return Run(workload, server.rival.name, figures, busy)

    def _written(self, workload: str) -> int:
        """Return how many documents were inserted, or how many changes were made."""
        if INSERTED[workload]:
            return films.count_written(self.uri)
        return films.count_changes(self.uri) if CHANGED[workload] else 0

    def _settled(self, workload: str) -> int:
        """Return the same once nothing more comes: MongoDB may still be busy with what wrk gave up."""
        before = -1 if INSERTED[workload] or CHANGED[workload] else 0
        while (now := self._written(workload)) != before:
            before = now
            time.sleep(_LOOK_S)
        return now

    def _check_written(self, workload: str, server: Server, figures: Figures, stored: int) -> None:
        """See that what was acknowledged is stored; a request that wrk cut off at the end may be stored too."""
        of_one = INSERTED[workload] + CHANGED[workload]
        acknowledged = figures.requests * of_one
        if not acknowledged <= stored <= acknowledged + CONNECTIONS * of_one:
            raise BenchError(f"{server.rival.name} acknowledged {acknowledged} documents and stored {stored}")


def of(runs: Sequence[Run], workload: str, rival: str) -> list[Run]:
    """Return a rival's runs, in the order of the rounds."""
    return [run for run in runs if (run.workload, run.rival) == (workload, rival)]


def ratio(mine: Sequence[Run], theirs: Sequence[Run]) -> float | None:
    """Return the median over the rounds of how many times as many requests the first rival answers."""
    pairs = zip(mine, theirs, strict=False)
    ratios = [one.figures.per_second / other.figures.per_second for one, other in pairs]
    return median(ratios) if ratios else None


def cpu_ratio(mine: Sequence[Run], theirs: Sequence[Run]) -> float | None:
    """Return the same by processor time, which holds also when other programs take their share of the cores."""
    pairs = zip(mine, theirs, strict=False)
    ratios = [other.cpu_us / one.cpu_us for one, other in pairs if one.cpu_us]
    return median(ratios) if ratios else None
