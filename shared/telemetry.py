"""Log lines: one JSON object each, with fields whose names live here."""

import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

import orjson

LOGGER = logging.getLogger("dozen")


def event(level: int, message: str, **fields: Any) -> None:
    """Log a fixed sentence with its facts as fields. Never a document, filter, key, token or password."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, "%s", orjson.dumps({"message": message, **fields}, default=str).decode())


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
    LOGGER.error(
        "%s",
        orjson.dumps({"message": "unexpected error", "id": correlation_id, "type": type(error).__name__}).decode(),
        exc_info=error,
    )


class JSONLines(logging.Formatter):
    """Every record as one line of JSON: ours with their fields, a library's with its text."""

    def format(self, record: logging.LogRecord) -> str:
        """Put time, level and logger before the fields; a traceback becomes a field of its own."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        line |= orjson.loads(record.getMessage()) if record.name == LOGGER.name else {"message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def log_to_stdout(level: str) -> None:
    """Send all logging to standard output as JSON lines: in server.py only, as Azure's worker has its own handlers."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JSONLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level)
