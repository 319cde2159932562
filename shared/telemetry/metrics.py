"""What Prometheus asks for: numbers in memory that the processes of a port share, imported where METRICS_KEY is set.

Each process has a row, and is the only one to write there. Whichever is asked reads all rows. The process that takes
the place of a dead one goes on with its row, so that no counter falls.
"""

import mmap
import os
import tempfile
import threading
import time
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from shared.settings import shown
from shared.telemetry.requests import RequestLine

OPERATIONS = (
    "aggregate", "apiKey", "apiKeys", "appSession", "bulkWrite", "changes", "confirm", "confirmCall", "confirmSend",
    "countDocuments", "createCollection", "createIndexes", "deleteMany", "deleteOne", "deleteUser", "disableApiKey",
    "distinct", "dropCollection", "dropIndexes", "enableApiKey", "endpoint", "estimatedDocumentCount", "explain",
    "explorer", "find", "findOne", "findOneAndDelete", "findOneAndReplace", "findOneAndUpdate", "functionsCall",
    "getMore", "getSchema", "insertMany", "insertOne", "listCollections", "listDatabases", "listIndexes", "location",
    "login", "mcp", "metrics", "openapi", "profile", "register", "replaceOne", "reset", "resetCall", "resetSend",
    "root", "session", "transaction", "unknown", "updateMany", "updateOne",
    "other",
)  # fmt: skip
"""The operations that have series of their own; every other name is counted as the last."""

STATUSES = (*(str(int(status)) for status in HTTPStatus), "499", "other")
"""The statuses likewise: functions of an app may answer any number."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper bounds of durations, in seconds; what takes longer is in one more."""

ALWAYS = frozenset({"200", "500", "503", "504"})
"""The statuses whose series begin at zero: the first failure of an operation is an increase, which alerts look for."""

FRESH_SECONDS = 5.0
"""For how long the gauges of a process count that does not renew them: then it is dead or stands still."""

_OPERATION = {name: at for at, name in enumerate(OPERATIONS)}
_STATUS = {int(name): at for at, name in enumerate(STATUSES[:-1])}
_TIMES = len(OPERATIONS) * len(STATUSES)
_WIDTH = len(BUCKETS) + 2  # the sum, and the last bucket
_DOCUMENTS = _TIMES + len(OPERATIONS) * _WIDTH
_RECEIVED = _DOCUMENTS + len(OPERATIONS)
_SENT = _RECEIVED + len(OPERATIONS)
_SAMPLED_AT = _SENT + len(OPERATIONS)
_STARTED_AT = _SAMPLED_AT + 1
_STARTS = _STARTED_AT + 1
_LAYOUT = _STARTS + 1
_FIRST_SAMPLED = _LAYOUT + 1


class Family(NamedTuple):
    """A metric: without `_total`, which the series of a counter have."""

    name: str
    kind: str
    text: str


CALLS = Family("dozen_calls", "counter", "Calls that were answered, by operation and status.")
DURATIONS = Family("dozen_call_duration_seconds", "histogram", "How long calls took.")
DOCUMENTS = Family("dozen_documents", "counter", "Documents that calls read or wrote.")
RECEIVED = Family("dozen_request_bytes", "counter", "Bytes of the bodies of requests.")
SENT = Family("dozen_reply_bytes", "counter", "Bytes of the bodies of replies; streams are left out.")
REPLACED = Family("dozen_processes_replaced", "counter", "Processes that took the place of a dead one.")
PROCESSES = Family("dozen_processes", "gauge", "Processes of the port that are at work.")
STARTED = Family("dozen_start_time_seconds", "gauge", "When the oldest of these processes started, in Unix time.")
BUILD = Family("dozen_build_info", "gauge", "The version that serves, in which host, with native code or without.")

OF_PROCESS: Mapping[tuple[str, str], Family] = {
    ("in_progress", ""): Family("dozen_calls_in_progress", "gauge", "Calls that have a place."),
    ("places", ""): Family("dozen_calls_limit", "gauge", "Calls that may have a place: MAX_CALLS."),
    ("waiting", ""): Family("dozen_calls_waiting", "gauge", "Calls that wait for a place."),
    ("shed", 'kind="calls"'): (
        shed := Family("dozen_calls_shed", "counter", "Calls that got no place, no memory or no stream of changes.")
    ),
    ("shed", 'kind="memory"'): shed,
    ("shed", 'kind="passwords"'): shed,
    ("shed", 'kind="streams"'): shed,
    ("streams", ""): Family("dozen_change_streams", "gauge", "Callers who wait for changes."),
    ("streams_limit", ""): Family("dozen_change_streams_limit", "gauge", "How many may: MAX_CHANGE_STREAMS."),
    ("held", ""): Family("dozen_memory_held_bytes", "gauge", "Memory that large calls hold."),
    ("budget", ""): Family("dozen_memory_budget_bytes", "gauge", "How much they may hold: MEMORY_BUDGET_BYTES."),
    ("hits", ""): Family("dozen_cache_hits", "counter", "Cached replies and callers that were found."),
    ("misses", ""): Family("dozen_cache_misses", "counter", "Those that were not, where the cache answered."),
    ("errors", ""): Family("dozen_cache_errors", "counter", "Commands that the cache did not run."),
    ("runs", ""): Family("dozen_function_runs", "counter", "Runs of functions of the app."),
}
"""What is looked up in a process, by its key and its labels."""

OF_SOURCE: Mapping[str, Family] = {
    "in_use": Family("dozen_connections_in_use", "gauge", "Connections to MongoDB that are used by a command."),
    "idle": Family("dozen_connections_idle", "gauge", "Connections to MongoDB that wait for one."),
    "limit": Family("dozen_connections_limit", "gauge", "Connections that there may be to each server."),
    "waiting": Family("dozen_connections_waiting", "gauge", "Calls that wait for a connection."),
    "shed": Family("dozen_connections_shed", "counter", "Calls that got no connection."),
}
"""The same for each data source."""


class Series(NamedTuple):
    """A number that is looked up: its metric, its labels, and its cell in a row."""

    family: Family
    labels: str
    cell: int


class Metrics:
    """The numbers of this process, and those of the others of its port."""

    def __init__(self, data_sources: Iterable[str]) -> None:
        """Begin at zero, alone."""
        keys = [((key, labels), family, labels) for (key, labels), family in OF_PROCESS.items()]
        for source in data_sources:
            labels = f'data_source="{shown(source)}"'
            keys += [((key, source), family, labels) for key, family in OF_SOURCE.items()]
        self.sampled = {
            key: Series(family, labels, _FIRST_SAMPLED + at) for at, (key, family, labels) in enumerate(keys)
        }
        self._looking = threading.Lock()
        self._width = _FIRST_SAMPLED + len(keys)
        self._layout = float(zlib.crc32(repr((OPERATIONS, STATUSES, BUCKETS, list(self.sampled))).encode()))
        self._take([memoryview(self._row())], 0)

    def shared(self, count: int) -> int:
        """Return a file of memory with the rows of so many processes; raise OSError if there is no room.

        It has no name by which others could find it, needs no place in a file system, and keeps its size.
        """
        if not hasattr(os, "memfd_create"):
            with tempfile.TemporaryFile() as nameless:
                return self._written(os.dup(nameless.fileno()), count)
        import fcntl  # noqa: PLC0415  not everywhere

        file = self._written(os.memfd_create("dozen-metrics", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), count)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return file

    def join(self, file: int, slot: int) -> bool:
        """Count in the row of such a file from now on, and close it; tell whether its rows are like ours."""
        rows = memoryview(mmap.mmap(file, 0)).cast("d")
        os.close(file)
        each = [rows[at : at + self._width] for at in range(0, len(rows), self._width)]
        is_alike = len(rows) % self._width == 0 and all(row[_LAYOUT] == self._layout for row in each)
        if is_alike:
            self._take(each, slot)
        return is_alike

    def request(self, line: RequestLine, status: int, seconds: float, received: int, sent: int) -> None:
        """Count a call that was answered."""
        cells = self._cells
        operation = _OPERATION.get(line.operation, len(OPERATIONS) - 1)
        cells[operation * len(STATUSES) + _STATUS.get(status, len(STATUSES) - 1)] += 1
        times = _TIMES + operation * _WIDTH
        cells[times] += seconds
        cells[times + 1 + bisect_left(BUCKETS, seconds)] += 1
        cells[_RECEIVED + operation] += received
        cells[_SENT + operation] += sent
        if line.documents:
            cells[_DOCUMENTS + operation] += line.documents

    def look(self, values: Callable[[], Mapping[tuple[str, str], float]]) -> None:
        """Look numbers up and store them, one caller after the other: else a counter could fall to an older number."""
        with self._looking:
            self.sample(values())

    def sample(self, values: Mapping[tuple[str, str], float]) -> None:
        """Store what was looked up in this process; its counters go on from where a dead one left them."""
        for key, value in values.items():
            cell = self.sampled[key].cell
            self._cells[cell] = value + self._before.get(cell, 0.0)
        self._cells[_SAMPLED_AT] = time.monotonic()

    def total(self, cell: int) -> float:
        """Return a counter of all processes there were."""
        found: float = sum(row[cell] for row in self._rows)
        return found

    def value(self, series: Series) -> float:
        """Return a number of all processes; a gauge is one of those at work."""
        return self.total(series.cell) if series.family.kind == "counter" else sum(self._fresh(series.cell))

    @property
    def replaced(self) -> float:
        """How many processes took the row of a dead one."""
        found: float = sum(max(row[_STARTS] - 1.0, 0.0) for row in self._rows)
        return found

    @property
    def started(self) -> list[float]:
        """When the processes that are at work started."""
        return self._fresh(_STARTED_AT)

    def calls(self, operation: int) -> Iterable[tuple[str, float]]:
        """Give how many calls of an operation had which status, as far as there were some."""
        for at, status in enumerate(STATUSES):
            count = self.total(operation * len(STATUSES) + at)
            if count or status in ALWAYS:
                yield status, count

    def durations(self, operation: int) -> tuple[float, list[float]]:
        """Return how long the calls of an operation took, and how many are in each bucket alone."""
        at = _TIMES + operation * _WIDTH
        return self.total(at), [self.total(at + 1 + bucket) for bucket in range(_WIDTH - 1)]

    def amount(self, family: Family, operation: int) -> float:
        """Return the documents or bytes of an operation."""
        return self.total({DOCUMENTS: _DOCUMENTS, RECEIVED: _RECEIVED, SENT: _SENT}[family] + operation)

    def _row(self) -> "array[float]":
        row = array("d", bytes(8 * self._width))
        row[_LAYOUT] = self._layout
        return row

    def _written(self, file: int, count: int) -> int:
        """Fill a file with rows, so that none of its memory is still to be found once calls are counted."""
        with open(file, "wb", closefd=False) as opened:
            opened.write(self._row().tobytes() * count)
        return file

    def _fresh(self, cell: int) -> list[float]:
        since = time.monotonic() - FRESH_SECONDS
        return [row[cell] for row in self._rows if row[_SAMPLED_AT] and row[_SAMPLED_AT] >= since]

    def _take(self, rows: list[Any], slot: int) -> None:
        self._rows = rows
        self._cells = rows[slot]
        self._cells[_STARTS] += 1
        self._cells[_STARTED_AT] = time.time()
        self._cells[_SAMPLED_AT] = 0.0
        counters = (series.cell for series in self.sampled.values() if series.family.kind == "counter")
        self._before = {cell: self._cells[cell] for cell in counters}
