"""`calls`: who calls, what is slow and what is denied, from lines of the log."""

import math
import re
from collections import Counter
from datetime import UTC, datetime
from heapq import nlargest
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.markup import escape

from admin import log_lines, text_lines
from admin.options import since as moment
from admin.output import AsJSON, counted, show_json, show_table, start_table
from admin.process import EXIT_CODES, StoppedError, fail, note

app = typer.Typer(add_completion=False)

Files = Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Logs, compressed or not; - is stdin.")]
Since = Annotated[str | None, typer.Option("--since", metavar="WHEN", help="From then on: a date, or a span like 1h.")]
By = Annotated[
    Literal["key", "namespace", "operation", "status"],
    typer.Option("--by", help="What calls are counted by; a key is an API key or a user."),
]
Slow = Annotated[bool, typer.Option("--slow", help="The slowest first, and below them the ten slowest calls.")]
Denied = Annotated[bool, typer.Option("--denied", help="Only calls that were refused with 401, 403 or 429, and why.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="So many rows.")]

_REQUEST = re.compile(rb'\\*"message\\*"\s*:\s*\\*"request\\*"')
_DENIED = frozenset({401, 403, 429})
_STEP = 1.05  # from one bucket of durations to the next: percentiles are as exact as that
_LEAST_MS = 0.01
_MOST_GROUPS = 10_000
_OTHERS = "(others)"
_NONE = "(none)"
_SLOWEST = 10
_LONGEST_LINE = 1 << 20


class Call(msgspec.Struct):
    """The members of a line that count."""

    message: str
    operation: str
    status: int
    duration_ms: float
    namespace: str | None = None
    caller: str | None = None
    error_code: str | None = None
    decision: str | None = None
    documents: int | None = None
    request_bytes: int = 0
    reply_bytes: int = 0
    trace_id: str | None = None
    time: datetime | None = None
    """When the call was, of the line or of what stands around it; None where neither says so."""

    @property
    def is_denied(self) -> bool:
        """Whether the caller was refused: who they are, what they may, or how often."""
        return self.status in _DENIED or self.decision is not None


class Group:
    """What calls have in common, in constant memory."""

    def __init__(self) -> None:
        self.calls = self.errors = self.denied = self.documents = self.bytes = 0
        self.most_ms = 0.0
        self.reasons: Counter[str] = Counter()
        self._durations: Counter[int] = Counter()

    def add(self, call: Call) -> None:
        """Count a call."""
        self.calls += 1
        self.errors += call.status >= 400
        self.denied += call.is_denied
        self.documents += call.documents or 0
        self.bytes += call.request_bytes + call.reply_bytes
        self.most_ms = max(self.most_ms, call.duration_ms)
        if call.is_denied:
            reason = call.decision or call.error_code or str(call.status)
            self.reasons[reason if len(self.reasons) < _MOST_GROUPS else _OTHERS] += 1
        self._durations[math.floor(math.log(max(call.duration_ms, _LEAST_MS), _STEP))] += 1

    def percentile(self, share: float) -> float:
        """Return the milliseconds within which so many of the calls were answered, to 5 percent."""
        left = math.ceil(self.calls * share)
        for bucket, count in sorted(self._durations.items()):
            left -= count
            if left <= 0:
                return min(_STEP ** (bucket + 1), self.most_ms)
        return 0.0

    def as_json(self) -> dict[str, Any]:
        """Return what was counted."""
        return {
            "calls": self.calls,
            "errors": self.errors,
            "denied": self.denied,
            "documents": self.documents,
            "bytes": self.bytes,
            "p50_ms": round(self.percentile(0.5), 2),
            "p95_ms": round(self.percentile(0.95), 2),
            "max_ms": self.most_ms,
            "reasons": dict(self.reasons.most_common()),
        }


class Calls:
    """The calls of some logs, in groups."""

    def __init__(self, by: str, since: datetime | None, *, only_denied: bool) -> None:
        self.groups: dict[str, Group] = {}
        self.slowest: list[tuple[float, int, Call]] = []
        self.others = self.unreadable = self.undated = self.lines = 0
        self._by = by
        self._since = since
        self._only_denied = only_denied
        self._decode = msgspec.json.Decoder(Call).decode

    def add(self, line: bytes) -> None:
        """Count the call that a line tells of; what stands before its JSON, such as a container's name, is left out."""
        self.lines += 1
        try:
            told = log_lines.unwrapped(line)
            if told is None:
                self.unreadable += bool(line.strip())
                return
            call = self._decode(told.text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            if _REQUEST.search(line):
                self.unreadable += 1
            else:
                self.others += 1
            return
        if call.time is None or call.time.tzinfo is None:
            call.time = told.time if call.time is None else call.time.replace(tzinfo=UTC)
        if call.message == "request" and self._is_wanted(call):
            self._count(call)

    def _is_wanted(self, call: Call) -> bool:
        if self._only_denied and not call.is_denied:
            return False
        if self._since is None:
            return True
        self.undated += call.time is None
        return call.time is not None and call.time >= self._since

    def _count(self, call: Call) -> None:
        name = str(getattr(call, "caller" if self._by == "key" else self._by) or _NONE)
        if name not in self.groups and len(self.groups) >= _MOST_GROUPS:
            name = _OTHERS
        self.groups.setdefault(name, Group()).add(call)
        self.slowest = nlargest(_SLOWEST, [*self.slowest, (call.duration_ms, -self.lines, call)])

    def sorted(self, *, by_time: bool) -> list[tuple[str, Group]]:
        """Return the groups, those with the most calls first, or the slowest."""
        return sorted(
            self.groups.items(), key=lambda each: (-each[1].percentile(0.95) if by_time else -each[1].calls, each[0])
        )


@app.command(epilog=EXIT_CODES)
def calls(  # noqa: PLR0913, PLR0917  each is an option of the command line
    files: Files = None,
    since: Since = None,
    by: By = "key",
    slow: Slow = False,
    denied: Denied = False,
    limit: Limit = 20,
    as_json: AsJSON = False,
) -> None:
    """Count the calls in a log: by whom or of what, how fast, how many failed. It asks no server.

    Example: docker logs dozen | dozen calls --since 1h --by namespace --slow
    """
    found = Calls(by, None if since is None else moment("--since", since), only_denied=denied)
    try:
        for name in files or [text_lines.STANDARD_INPUT]:
            _read(name, found)
    except StoppedError as error:
        raise fail(str(error)) from None
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from None
    groups = found.sorted(by_time=slow)
    if as_json:
        show_json(_as_json(found, groups, by))
    else:
        _show(groups[:limit], by, why=denied, how_fast=slow or not denied)
        if slow:
            _show_slowest([call for *_, call in found.slowest])
    if len(groups) > limit and not as_json:
        note(f"{counted(len(groups) - limit, 'more row')}: give --limit")
    _tell_left_out(found)


def _tell_left_out(found: Calls) -> None:
    if not found.groups:
        note("no call was found")
    if found.unreadable:
        note(f"left out, as no line of a log of the service: {counted(found.unreadable, 'line')}")
    if found.undated:
        note(f"left out by --since, as no line says when it was: {counted(found.undated, 'call')}")


def _read(name: str, found: Calls) -> None:
    with text_lines.opened(name) as source:
        for line in text_lines.lines(source, _LONGEST_LINE):
            if line is None:
                found.unreadable += 1  # the log of the service has no such lines
            else:
                found.add(line)


def _as_json(found: Calls, groups: list[tuple[str, Group]], by: str) -> dict[str, Any]:
    return {
        "by": by,
        "groups": [{by: name, **group.as_json()} for name, group in groups],
        "slowest": [msgspec.to_builtins(call) for *_, call in found.slowest],
        "unreadable": found.unreadable,
        "undated": found.undated,
    }


def _show(groups: list[tuple[str, Group]], by: str, *, why: bool, how_fast: bool) -> None:
    first = by.capitalize()
    counts = ("Calls", "Errors") if why else ("Calls", "Errors", "Denied")  # all are denied of which is told why
    times = ("p50 ms", "p95 ms") if how_fast else ()
    last = "Why" if why else "Documents"
    numbers = (*counts, *times, "Documents")
    table = start_table(first, *counts, *times, last, elastic=("Why",), numbers=numbers, whole=first)
    for name, group in groups:
        cells = {
            "Calls": f"{group.calls:,}",
            "Errors": f"{group.errors:,}",
            "Denied": f"{group.denied:,}",
            "p50 ms": f"{group.percentile(0.5):.1f}",
            "p95 ms": f"{group.percentile(0.95):.1f}",
            "Documents": f"{group.documents:,}",
            "Why": escape(", ".join(f"{reason} {count}" for reason, count in group.reasons.most_common(3))),
        }
        table.add_row(escape(name), *(cells[each] for each in (*counts, *times, last)))
    show_table(table, nothing="")


def _show_slowest(slowest: list[Call]) -> None:
    table = start_table("Time (UTC)", "ms", "Operation", "Namespace", "Caller", numbers=("ms",), whole="Namespace")
    for call in slowest:
        time = "" if call.time is None else f"{call.time.astimezone(UTC):%m-%d %H:%M:%S}"
        row = (call.operation, call.namespace or "", call.caller or "")
        table.add_row(time, f"{call.duration_ms:.0f}", *map(escape, row))
    typer.echo()
    show_table(table, nothing="")
