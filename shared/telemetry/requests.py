"""What a request leaves behind: its log line, and its share of the telemetry if there is any."""

import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from shared.telemetry import backends
from shared.telemetry.log import LOGGER, event, write
from shared.telemetry.noise import undelivered
from shared.telemetry.spans import Span, new_span_id, trace_of

_REFUSED = frozenset({401, 403, 429})
current: ContextVar["RequestLine | None"] = ContextVar("current", default=None)
"""The request that a command belongs to, while somebody wants to know."""


class RequestLine:
    """What is known about a request so far, for its log line."""

    __slots__ = (
        "caller", "cause", "decision", "documents", "error_code", "method", "namespace", "operation", "parent_id",
        "reason", "sampled", "span_id", "started", "trace_id",
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
        self.error_code: str | None = None
        self.documents: int | None = None
        self.decision: str | None = None
        self.reason: str | None = None
        self.cause: str | None = None


def begin(operation: str, method: str, headers: Mapping[str, str], context: Any) -> RequestLine:
    """Begin a request; `context` is what Azure's worker knows of it, None elsewhere.

    The worker's traceparent names the request as the host reports it, the header who called the host.
    """
    parent = headers.get("traceparent") if context is None else context.trace_context.trace_parent
    line = RequestLine(operation, method, parent)
    if backends.watches_commands():
        _attach(line)
    return line


def _attach(line: RequestLine) -> None:
    """Have commands find the request. In Azure's host the request is the host's to report, so they are its children."""
    line.span_id = new_span_id() if backends.reports_requests() or line.parent_id is None else line.parent_id
    current.set(line)


def request(line: RequestLine, status: int, request_bytes: int, reply_bytes: int) -> None:
    """Log the line of one request; its level follows the outcome."""
    seconds = time.perf_counter() - line.started
    level = _level(line, status, seconds)
    if LOGGER.isEnabledFor(level):
        fields: dict[str, Any] = {
            "message": "request",
            "operation": line.operation,
            "namespace": line.namespace,
            "caller": line.caller,
            "status": status,
            "error_code": line.error_code,
            "duration_ms": round(seconds * 1000, 2),
            "documents": line.documents,
            "request_bytes": request_bytes,
            "reply_bytes": reply_bytes,
            "trace_id": line.trace_id,
        }
        if line.decision:
            fields["decision"] = line.decision
        if line.reason:
            fields |= {"reason": line.reason, "cause": line.cause}
        write(level, fields)
    if line.span_id is not None:
        try:
            _report(line, status, seconds)
        except Exception as error:  # noqa: BLE001  no call may fail because its telemetry does
            undelivered(type(error).__name__)


def quiet(line: RequestLine, status: int) -> None:
    """Log the line of a probe, at a level that is seldom on: what a probe finds has lines of its own."""
    event(logging.DEBUG, "probe", operation=line.operation, status=status, error_code=line.error_code)


def _level(line: RequestLine, status: int, seconds: float) -> int:
    if status >= 500:
        return logging.ERROR
    if status in _REFUSED or line.decision is not None or seconds >= backends.slow_seconds():
        return logging.WARNING
    return logging.INFO


def _report(line: RequestLine, status: int, seconds: float) -> None:
    current.set(None)
    backend = backends.backend()
    if backend is None:
        return
    labels = {"operation": line.operation, "status": f"{status // 100}xx"}
    backend.measure("dozen.request.duration_ms", seconds * 1000, labels)
    if line.documents:
        backend.measure("dozen.documents", line.documents, {"operation": line.operation})
    if status in _REFUSED or line.decision is not None:
        backend.count("dozen.refusals", {"operation": line.operation, "error.type": line.error_code or str(status)})
    if backends.reports_requests() and line.sampled and line.span_id is not None:
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
