"""Log lines: one JSON object each, with fields whose names live here."""

import logging
import sys
import time
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
        LOGGER.log(level, Line(message, fields))


class RequestLine:
    """What is known about a request so far, for its log line."""

    __slots__ = ("caller", "error_code", "namespace", "operation")

    def __init__(self, operation: str) -> None:
        """Start with the operation's name; the rest is filled in as the request goes on."""
        self.operation = operation
        self.namespace: str | None = None
        self.caller: str | None = None
        self.error_code: str | None = None


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
    )


def failure(correlation_id: str, error: Exception) -> None:
    """Log an unexpected error with its traceback, under the id that the caller was given."""
    LOGGER.error(Line("unexpected error", {"id": correlation_id, "type": type(error).__name__}), exc_info=error)


class JSONLines(logging.Formatter):
    """Every record as one line of JSON: ours with their fields, a library's with its text."""

    def format(self, record: logging.LogRecord) -> str:
        """Put time, level and logger before the fields; a traceback becomes a field of its own."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        line |= record.msg.fields if isinstance(record.msg, Line) else {"message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def log_to_stdout(level: str) -> None:
    """Send all logging to standard output as JSON lines: in server.py only, as Azure's worker has its own handlers."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JSONLines())
    # what no line shows is not looked up for every line: the caller's frame, the thread, the process, the task
    logging._srcfile = None  # the logging HOWTO's own advice
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # since Python 3.12
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level)
