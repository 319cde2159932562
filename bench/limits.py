"""What Dozen is held to: how many times as many calls as another for the same time of the processor, at least."""

from collections.abc import Sequence
from typing import NamedTuple

from bench import throughput
from bench.rivals import DOZEN, FASTAPI, FLOOR, OWNER, PLAIN, RULES
from bench.throughput import Run
from bench.workloads import FIND_EJSON, FIND_JSON, FIND_ONE, INSERT_MANY, INSERT_MANY_EJSON, INSERT_ONE

IMPORT_MS = 300
IMPORT_RATIO = 1.3
NATIVE_IMPORT_MS = 3
RESIDENT_MB = 100


class Limit(NamedTuple):
    """One rival beside another in one workload."""

    workload: str
    rival: str
    other: str
    least: float

    @property
    def name(self) -> str:
        return f"{self.workload}: {self.rival} ÷ {self.other}"

    def measured(self, runs: Sequence[Run]) -> float | None:
        """Return the ratio by processor time; None if one of the two was not measured."""
        mine = throughput.of(runs, self.workload, self.rival)
        return throughput.cpu_ratio(mine, throughput.of(runs, self._of_other, self.other))

    def rate(self, runs: Sequence[Run]) -> float | None:
        """Return the ratio by calls per second."""
        mine = throughput.of(runs, self.workload, self.rival)
        return throughput.ratio(mine, throughput.of(runs, self._of_other, self.other))

    @property
    def _of_other(self) -> str:
        is_floor_of_types = (self.workload, self.other) == (FIND_EJSON, FLOOR)  # which the floor does not know
        return FIND_JSON if is_floor_of_types else self.workload


LIMITS = (
    Limit(FIND_ONE, DOZEN, FASTAPI, 1.7),
    Limit(FIND_ONE, DOZEN, FLOOR, 0.8),
    Limit(FIND_JSON, DOZEN, FASTAPI, 6.0),
    Limit(FIND_JSON, DOZEN, FLOOR, 1.5),
    Limit(FIND_JSON, PLAIN, FASTAPI, 3.0),
    Limit(FIND_EJSON, DOZEN, FASTAPI, 6.0),
    Limit(FIND_EJSON, DOZEN, FLOOR, 1.5),
    Limit(FIND_EJSON, PLAIN, FASTAPI, 3.0),
    Limit(INSERT_ONE, DOZEN, FASTAPI, 1.4),
    Limit(INSERT_MANY, DOZEN, FASTAPI, 2.5),
    Limit(INSERT_MANY_EJSON, DOZEN, FASTAPI, 6.0),
    *(Limit(each, RULES, DOZEN, 0.95) for each in (FIND_ONE, FIND_JSON)),
    *(Limit(each, OWNER, DOZEN, 0.75) for each in (FIND_ONE, FIND_JSON, FIND_EJSON)),
)
