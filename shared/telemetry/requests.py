"""What a request leaves behind: its log line, and its share of the telemetry if there is any."""

import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

from shared.telemetry.backend import Backend
from shared.telemetry.spans import Span, trace_of

_REFUSED = frozenset({401, 403, 429})
current: ContextVar["RequestLine | None"] = ContextVar("current", default=None)
"""The request that a command belongs to, while somebody wants to know.

A module's, because that is how they are made: each task has its own value, and one made anywhere else is never freed.
"""


class Scan(NamedTuple):
    """A query of a request that has no index."""

    namespace: str
    suggested: Mapping[str, Any] | None
    """The keys of the one that would help, None if none would."""


class RequestLine:
    """What is known about a request so far, for its log line."""

    __slots__ = (
        "caller", "cause", "decision", "documents", "error_code", "function", "is_system", "method", "namespace",
        "operation", "parent_id", "reason", "sampled", "scan", "span_id", "started", "thrown_at", "trace_id", "waits",
    )  # fmt: skip

    def __init__(self, operation: str, method: str = "POST", parent: str | None = None) -> None:
        """Start the clock; `parent` is a traceparent. The rest is filled in as the request goes on."""
        self.started = time.perf_counter()
        self.operation = operation
        self.method = method
        self.trace_id, self.parent_id, self.sampled = trace_of(parent)
        self.span_id: str | None = None
        self.namespace: str | None = None
        self.caller: str | None = None
        self.function: str | None = None
        self.thrown_at: str | None = None
        self.error_code: str | None = None
        self.documents: int | None = None
        self.is_system = False  # the caller whom the response is for
        self.scan: Scan | None = None
        self.waits = False  # for something beside its work, so that it is not slow
        self.decision: str | None = None
        self.reason: str | None = None
        self.cause: str | None = None

    def level(self, status: int, is_slow: bool) -> int:
        """Return the level of its line."""
        if status >= 500:
            return logging.ERROR
        if status in _REFUSED or self.decision is not None or self.scan is not None or is_slow:
            return logging.WARNING
        return logging.INFO

    def fields(self, status: int, seconds: float, request_bytes: int, reply_bytes: int) -> dict[str, Any]:
        """Return the fields of its line."""
        fields: dict[str, Any] = {
            "message": "request",
            "operation": self.operation,
            "namespace": self.namespace,
            "caller": self.caller,
            "status": status,
            "error_code": self.error_code,
            "duration_ms": round(seconds * 1000, 2),
            "documents": self.documents,
            "request_bytes": request_bytes,
            "reply_bytes": reply_bytes,
            "trace_id": self.trace_id,
        }
        if self.function:
            fields["function"] = self.function
        if self.thrown_at:
            fields["thrown_at"] = self.thrown_at
        if self.decision:
            fields["decision"] = self.decision
        if self.scan is not None:
            fields |= {"scan": self.scan.namespace, "suggested_index": self.scan.suggested}
        if self.reason:
            fields |= {"reason": self.reason, "cause": self.cause}
        return fields


def report(backend: Backend, line: RequestLine, status: int, seconds: float, *, with_span: bool) -> None:
    """Give a backend what it counts of a request, and its span if it is sampled."""
    labels = {"operation": line.operation, "status": f"{status // 100}xx"}
    backend.measure("dozen.request.duration_ms", seconds * 1000, labels)
    if line.documents:
        backend.measure("dozen.documents", line.documents, {"operation": line.operation})
    if status in _REFUSED or line.decision is not None:
        backend.count("dozen.refusals", {"operation": line.operation, "error.type": line.error_code or str(status)})
    if with_span and line.sampled and line.span_id is not None:
        backend.request(_span(line, status, seconds, line.span_id))


def _span(line: RequestLine, status: int, seconds: float, span_id: str) -> Span:
    found: dict[str, str | int | None] = {
        "http.request.method": line.method,
        "http.route": line.operation,
        "http.response.status_code": status,
        "enduser.id": line.caller,
        "dozen.namespace": line.namespace,
        "dozen.error_code": line.error_code,
        "dozen.decision": line.decision,
    }
    return Span(
        name=f"{line.method} {line.operation}",
        trace_id=line.trace_id,
        span_id=span_id,
        parent_id=line.parent_id,
        started=time.time() - seconds,
        seconds=seconds,
        succeeded=status < 400,
        attributes={name: value for name, value in found.items() if value is not None},
    )
