"""Log lines: one JSON object each, with fields whose names live here."""

import logging
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson

LOGGER = logging.getLogger("dozen")


class Line:
    """A log message made of fields; handlers that know nothing of it print its JSON."""

    __slots__ = ("fields",)

    def __init__(self, message: str, fields: dict[str, Any]) -> None:
        """Put a fixed sentence before its facts."""
        self.fields = {"message": message, **fields}

    def __str__(self) -> str:
        """Return the line as JSON."""
        return orjson.dumps(self.fields, default=str).decode()


def event(level: int, message: str, **fields: Any) -> None:
    """Log a fixed sentence with its facts as fields. Never a document, filter, key, token or password."""
    if LOGGER.isEnabledFor(level):
        _sink(level, Line(message, fields))


class RequestLine:
    """What is known about a request so far, for its log line."""

    __slots__ = ("caller", "cause", "decision", "error_code", "namespace", "operation", "reason")

    def __init__(self, operation: str) -> None:
        """Start with the operation's name; the rest is filled in as the request goes on."""
        self.operation = operation
        self.namespace: str | None = None
        self.caller: str | None = None
        self.error_code: str | None = None
        self.decision: str | None = None
        self.reason: str | None = None
        self.cause: str | None = None


def request(line: RequestLine, status: int, started: float) -> None:
    """Log the line of one request; its level follows the outcome."""
    event(
        logging.ERROR if status >= 500 else logging.INFO,
        "request",
        operation=line.operation,
        namespace=line.namespace,
        caller=line.caller,
        status=status,
        error_code=line.error_code,
        duration_ms=round((time.perf_counter() - started) * 1000, 2),
        **({"decision": line.decision} if line.decision else {}),
        **({"reason": line.reason, "cause": line.cause} if line.reason else {}),
    )


def failure(correlation_id: str, error: Exception) -> None:
    """Log an unexpected error under the id that the caller was given.

    Its type and where it was raised, not its text: a driver's error may repeat a document.
    """
    where = "".join(traceback.format_tb(error.__traceback__))
    event(logging.ERROR, "unexpected error", id=correlation_id, type=type(error).__name__, traceback=where)


class JSONLines(logging.Formatter):
    """Every record as one line of JSON: ours with their fields, a library's with its text."""

    def format(self, record: logging.LogRecord) -> str:
        """Put time, level and logger before the fields; a traceback becomes a field of its own."""
        fields = record.msg.fields if isinstance(record.msg, Line) else {"message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return _line(record.created, record.levelname, record.name, fields).decode().rstrip("\n")


def _print(level: int, line: Line) -> None:
    """Write our own line past the logging module, whose record and handlers cost more than all else about it."""
    with suppress(OSError):  # nobody reads the log any more: no reason to fail a call that was answered
        sys.stdout.buffer.write(_line(time.time(), logging.getLevelName(level), LOGGER.name, line.fields))
        sys.stdout.buffer.flush()


def _line(at: float, level: str, logger: str, fields: dict[str, Any]) -> bytes:
    line = {"time": datetime.fromtimestamp(at, UTC), "level": level, "logger": logger, **fields}
    return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)


_sink: Callable[[int, Line], None] = LOGGER.log


def log_to_stdout() -> None:
    """Send all logging to standard output as JSON lines: in server.py only, as Azure's worker has its own handlers."""
    global _sink  # noqa: PLW0603  logging is set up once per process
    _sink = _print
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JSONLines())
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
