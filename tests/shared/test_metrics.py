"""The numbers that processes share: their sum is that of a naive count, whoever dies, and falls for nobody."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.endpoint.gauges import keep_sampling
from shared.service import Process
from shared.telemetry.metrics import OPERATIONS, STATUSES, Metrics
from shared.telemetry.requests import RequestLine
from tests.depth import examples

SOURCES = ["mongodb_atlas", "cluster_0"]
ROWS = 3
RUNS = "runs", ""
FIND = OPERATIONS.index("find")

STEPS = st.lists(
    st.tuples(st.sampled_from(["call", "sample", "die"]), st.integers(0, ROWS - 1), st.sampled_from([200, 404, 777])),
    max_size=40,
)


def joined(file: int, slot: int) -> Metrics:
    metrics = Metrics(SOURCES)
    assert metrics.join(os.dup(file), slot)
    return metrics


class Port:
    """Processes that share a file, and what a naive count has of them."""

    def __init__(self) -> None:
        self.file = Metrics(SOURCES).shared(ROWS)
        self.processes = [joined(self.file, slot) for slot in range(ROWS)]
        self.runs = [0] * ROWS  # of each since it began
        self.told: Counter[int] = Counter()
        self.calls: Counter[str] = Counter()
        self.dead = 0

    def call(self, slot: int, status: int) -> None:
        self.processes[slot].request(RequestLine("find"), status, 0.01, 1, 2)
        self.calls[str(status) if str(status) in STATUSES else "other"] += 1
        self.runs[slot] += 1

    def sample(self, slot: int, _status: int) -> None:
        self.processes[slot].sample({RUNS: self.runs[slot]})
        self.told[slot] = self.runs[slot]

    def die(self, slot: int, _status: int) -> None:
        self.told[-1] += self.told.pop(slot, 0)  # what had been looked up before
        self.runs[slot] = 0
        self.dead += 1
        self.processes[slot] = joined(self.file, slot)


@settings(max_examples=examples(400), deadline=None)
@given(steps=STEPS)
def test_each_process_knows_the_sum_which_never_falls(steps: list[tuple[str, int, int]]) -> None:
    port = Port()
    runs: list[float] = []
    for name, slot, status in steps:
        getattr(port, name)(slot, status)
        reader = port.processes[slot]
        runs.append(reader.value(reader.sampled[RUNS]))

        assert {status: count for status, count in reader.calls(FIND) if count} == port.calls
        assert runs[-1] == port.told.total()
        assert sum(reader.durations(FIND)[1]) == port.calls.total()
        assert reader.replaced == port.dead
    os.close(port.file)

    assert runs == sorted(runs)


class Failing:
    """A process at which nothing can be looked up at first."""

    def __init__(self) -> None:
        self.looks = 0
        self.is_looked_at_again = threading.Event()

    @property
    def held(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise RuntimeError("dictionary changed size during iteration")
        self.is_looked_at_again.set()


def test_a_look_that_fails_is_not_the_last() -> None:
    failing = Failing()
    keep_sampling(cast(Process, failing), Metrics(SOURCES))

    assert failing.is_looked_at_again.wait(30)


def test_numbers_that_were_looked_up_before_others_are_stored_before_them() -> None:
    metrics = Metrics(SOURCES)
    is_looking, goes_on = threading.Event(), threading.Event()

    def slowly() -> dict[tuple[str, str], float]:
        is_looking.set()
        goes_on.wait(30)
        return {RUNS: 1.0}

    def look(values: Callable[[], dict[tuple[str, str], float]]) -> threading.Thread:
        thread = threading.Thread(target=metrics.look, args=(values,))
        thread.start()
        return thread

    first = look(slowly)
    is_looking.wait(30)
    second = look(lambda: {RUNS: 2.0})
    second.join(0.05)
    goes_on.set()
    first.join(30)
    second.join(30)

    assert metrics.value(metrics.sampled[RUNS]) == 2


@pytest.mark.parametrize("sources", [["mongodb_atlas"], ["mongodb_atlas", "other"], ["a", "b", "c"]])
def test_rows_of_another_version_are_not_counted_in(sources: list[str]) -> None:
    file = Metrics(sources).shared(ROWS)
    before = os.pread(file, 1_000_000, 0)
    metrics = Metrics(SOURCES)

    assert not metrics.join(os.dup(file), 1)
    metrics.request(RequestLine("find"), 200, 0.01, 1, 2)
    assert os.pread(file, 1_000_000, 0) == before
    assert dict(metrics.calls(FIND))["200"] == 1
    os.close(file)


def test_a_file_of_numbers_cannot_be_cut_off_under_those_who_count_in_it() -> None:
    file = Metrics(SOURCES).shared(ROWS)
    metrics = joined(file, 2)

    with pytest.raises(PermissionError):
        os.truncate(file, 0)
    metrics.request(RequestLine("find"), 200, 0.01, 1, 2)
    assert dict(metrics.calls(FIND))["200"] == 1
    os.close(file)


def test_rows_full_of_junk_end_no_call() -> None:
    file = Metrics(SOURCES).shared(ROWS)
    metrics = joined(file, 0)
    os.pwrite(file, b"\xff" * os.fstat(file).st_size, 0)

    metrics.request(RequestLine("find"), 200, 0.01, 1, 2)
    metrics.sample({RUNS: 1.0})
    assert metrics.started != []
    os.close(file)


def test_a_counter_goes_on_where_numbers_have_no_places_left() -> None:
    metrics = Metrics(SOURCES)
    metrics.request(RequestLine("find"), 200, 0.01, 2**53, 2**62)
    metrics.request(RequestLine("find"), 200, 0.01, 2**53, 2**62)

    assert sum(metrics.durations(FIND)[1]) == 2
    assert repr(metrics.value(metrics.sampled[RUNS])) == "0.0"
