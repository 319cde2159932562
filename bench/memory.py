"""Resident memory of a server while it answers findOne, to see that it does not grow."""

from bench import machine
from bench.rivals import Rival, Stable
from bench.workloads import FIND_ONE
from bench.wrk import Load

STEPS = (10_000, 20_000, 40_000)
LEVEL_MB = 1.0  # a leak of 40 bytes a request shows


def measure(stable: Stable, rival: Rival, load: Load) -> dict[int, float]:
    """Return megabytes after each number of requests, in a process that has answered no others."""
    server = stable.start(rival)
    resident: dict[int, float] = {}
    answered = 0
    try:
        for step in STEPS:
            while answered < step:
                call = server.call(FIND_ONE)
                assert call is not None  # noqa: S101 (every rival knows findOne)
                answered += load.run(call, server.port, seconds=1, seed=answered).requests
            resident[step] = machine.resident_mb(machine.family(server.process.pid)[-1])
    finally:
        server.stop()
    return resident
