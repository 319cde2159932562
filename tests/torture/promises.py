"""What docs/reliability.md promises: every figure of it, and what each run is held against."""

from collections.abc import Iterable
from typing import NamedTuple

from tests.torture.report import Row, written

_FAILURES = "failover restarts soak"
_CALLS = "failover restarts neighbours soak"
_EVERYTHING = ""


class Promise(NamedTuple):
    """A figure that is held: the parts of `make torture` that measure it, what it is of, and its limit."""

    parts: str
    text: str
    limit: float
    unit: str = ""
    is_least: bool = False

    @property
    def figure(self) -> str:
        """The limit as it is written."""
        limit = f"{written(self.limit)}{self.unit and ' '}{self.unit}"
        return limit if not self.limit else f"at {'least' if self.is_least else 'most'} {limit}"

    @property
    def command(self) -> str:
        """What measures it."""
        return (
            f'make torture T="{self.parts}"' if " " in self.parts else f"make torture{self.parts and ' T='}{self.parts}"
        )

    def row(self, where: str, seen: float, note: str = "", details: tuple[str, ...] = ()) -> Row:
        """Return how it came out in one place."""
        ok = seen >= self.limit if self.is_least else seen <= self.limit
        shown = f"{written(seen)}{self.unit and ' '}{self.unit}{note and f' ({note})'}"
        return Row(f"{where}: {self.text}", self.figure, shown, ok, details)

    def none_of(self, where: str, found: Iterable[object], note: str = "", most_shown: int = 3) -> Row:
        """Return how many of what may not be there are; some of them are shown."""
        found = list(found)
        return self.row(where, len(found), note, tuple(f"{each!s:.300}" for each in found[:most_shown]))


LOST = Promise(_FAILURES, "acknowledged writes that are lost", 0)
TWICE = Promise(_FAILURES, "writes that are done twice", 0)
STALE = Promise(_FAILURES, "reads that show less than what was acknowledged before", 0)
INVITED = Promise(_FAILURES, "writes that are done although the answer has Retry-After", 0)
WRONG = Promise(_CALLS, "answers other than success, 503 and 504", 0)
SILENCE_IN_ORDER = Promise(
    "failover", "longest time without a write while members step down or restart in order", 5, "s"
)
SILENCE_OF_ELECTION = Promise("failover", "longest time without a write after a primary died or hung", 20, "s")
UNANSWERED = Promise("restarts", "requests that were sent before SIGTERM and get no answer", 0)

PAST_DEADLINE = Promise("neighbours", "slowest answer after the deadline MONGO_DB_TIMEOUT_MS", 1, "s")
NOT_LIVE = Promise("neighbours overload heavy slow soak", "answers of /health/live other than 200", 0)
LIVE = Promise("neighbours slow soak", "99 of 100 answers of /health/live come within", 100, "ms")
LIVE_UNDER_LOAD = Promise("overload heavy", "99 of 100 answers of /health/live come within", 250, "ms")
WELL = Promise("neighbours", "time until calls succeed and /health/ready is 200 again", 10, "s")
NOT_READY = Promise("neighbours", "answers of /health/ready other than 200 while calls fill their pool", 0)
NEW_KEYS = Promise("neighbours", "keys that are not looked up while calls fill their pool", 0)
KNOWN_KEYS = Promise("neighbours", "verified keys that are refused while keys cannot be looked up", 0)


def _useful(call: str, rate: str, limit: float) -> Promise:
    return Promise(
        "overload",
        f"useful answers per processor second at the rate of {rate}, of those at the peak: {call}",
        limit,
        "%",
        True,
    )


USEFUL = {
    "findOne": {1: _useful("findOne", "the peak", 65), 2: _useful("findOne", "twice the peak", 50)},
    "find": {
        1: _useful("find of 200 documents", "the peak", 80),
        2: _useful("find of 200 documents", "twice the peak", 80),
        5: _useful("find of 200 documents", "five times the peak", 80),
    },
}
ADMITTED = Promise("overload", "99 of 100 answers to calls that are served come within", 1_000, "ms")
OTHER_STATUSES = Promise("overload", "statuses other than 200 and 503", 0)
NO_RETRY_AFTER = Promise("overload", "refusals without Retry-After: 1", 0)
NEW_CALLER = Promise("overload", "a new caller right after it is served within", 200, "ms")
MEMORY_AFTER = Promise("overload", "memory ten seconds after it, above what it was", 40, "%")

SMALL_CALL = Promise("heavy", "99 of 100 answers to a small findOne come within", 250, "ms")
SMALL_CALLS_FAILED = Promise("heavy", "small calls that fail", 0)
HEAVY_STATUSES = Promise("heavy", "answers other than success, 503 and 504 to the big calls", 0)
BLOCK = Promise("heavy", "processor time for which others have no turn", 150, "ms")
HEAVY_MEMORY = Promise("heavy", "most memory of the process", 512, "MB")
ANONYMOUS_MEMORY = Promise("heavy", "most memory under forty bodies of 32 MB without credentials", 150, "MB")

BESIDE_SLOW = Promise("slow", "99 of 100 calls beside them are answered within", 250, "ms")
BESIDE_SLOW_FAILED = Promise("slow", "calls beside them that fail", 0)
HEADS_KEPT = Promise("slow", "half a head is waited for after REQUEST_HEAD_SECONDS", 2, "s")
SILENT_KEPT = Promise("slow", "a silent connection is kept after KEEP_ALIVE_SECONDS", 2, "s")
BODIES_KEPT = Promise("slow", "half a body is waited for after MONGO_DB_TIMEOUT_MS", 2, "s")
UNREAD_KEPT = Promise("slow", "a caller who takes nothing of a reply is kept after KEEP_ALIVE_SECONDS", 2, "s")
SLOW_MEMORY = Promise("slow", "memory that the slow leave behind, of what is left when they came before", 20, "%")
SLOW_CONNECTIONS = Promise("slow", "connections that they leave behind", 0)

OTHERS_ANSWER = Promise("hostile", "answers that a caller gets to another one's request", 0)
SMUGGLED = Promise("hostile", "requests in the body of another that are run", 0)
FAULTS = Promise("hostile", "answers of 500 and above other than 501 and 505", 0)
BESIDE_HOSTILE = Promise("hostile", "calls beside them that fail", 0)
HOSTILE_CONNECTIONS = Promise("hostile", "connections that they leave behind", 0)

CACHED_STALE = Promise("valkey", "reads that show less than what was acknowledged before, through any process", 0)
CACHED_FAILED = Promise("valkey", "calls that fail while Valkey is away, hangs or comes back", 0)
CACHED_SLOWEST = Promise("valkey", "slowest call meanwhile", 1_000, "ms")
CACHED_AGAIN = Promise("valkey", "time until replies are cached again", 60, "s")

SOAK_MEMORY = Promise("soak", "memory at the end, above that after the first quarter", 10, "%")
SOAK_DESCRIPTORS = Promise("soak", "file descriptors at the end, more than after the first quarter", 5)
SOAK_THREADS = Promise("soak", "threads at the end, more than after the first quarter", 2)
SOAK_TASKS = Promise("soak", "tasks at the end, more than after the first quarter", 5)
SOAK_FAILED = Promise("soak", "calls that fail", 0)

FUNCTIONS_MEMORY = Promise("functions", "memory in the last quarter of the calls, above that in the second", 10, "%")
FUNCTIONS_DESCRIPTORS = Promise(
    "functions", "file descriptors in the last quarter of the calls, more than in the second", 5
)
FUNCTIONS_THREADS = Promise("functions", "threads in the last quarter of the calls, more than in the second", 2)
FUNCTIONS_TASKS = Promise("functions", "tasks in the last quarter of the calls, more than in the second", 5)
FUNCTIONS_FAILED = Promise("functions", "answers other than the function's own", 0)

FUZZ_FAULTS = Promise("fuzz", "answers of 500 and above, and errors that nobody expects", 0)
FUZZ_SLOWEST = Promise("fuzz", "slowest answer to a random request", 1_000, "ms")
FUZZ_MEMORY = Promise("fuzz", "memory that is gained from the first fifth of them to the end", 50, "MB")

WHOLE_RUN = Promise(_EVERYTHING, "the whole run on two cores takes", 20, "min")
