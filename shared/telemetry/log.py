"""Log lines: one JSON object each. No document, filter, key, token or password, and no text of a caught exception."""

import logging
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson

LOGGER = logging.getLogger("dozen")
_LEVELS = {level: name for name, level in logging.getLevelNamesMapping().items()}


class Line:
    """A log message made of fields; handlers that know nothing of it print its JSON."""

    __slots__ = ("fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        """Take a fixed sentence, `message`, and its facts."""
        self.fields = fields

    def __str__(self) -> str:
        """Return the line as JSON."""
        return orjson.dumps(self.fields, default=str).decode()


def event(level: int, message: str, **fields: Any) -> None:
    """Log a fixed sentence with its facts as fields. Never a document, filter, key, token or password."""
    if LOGGER.isEnabledFor(level):
        _sink(level, Line({"message": message, **fields}))


def write(level: int, fields: dict[str, Any]) -> None:
    """Log what `event` would, from fields that begin with the message, at a level that is enabled."""
    _sink(level, Line(fields))


def failure(correlation_id: str, error: Exception, trace_id: str | None = None) -> None:
    """Log an unexpected error under the id that the caller was given.

    Its type and where it was raised, not its text: a driver's error may repeat a document.
    """
    where = _where(error.__traceback__)
    fields = {"id": correlation_id, "type": type(error).__name__, "traceback": where, "trace_id": trace_id}
    event(logging.ERROR, "unexpected error", **fields)


class JSONLines(logging.Formatter):
    """Every record as one line of JSON: ours with their fields, a library's with its text."""

    def format(self, record: logging.LogRecord) -> str:
        """Put time, level and logger before the fields."""
        return _line(record.created, record.levelname, record.name, fields_of(record)).decode().rstrip("\n")


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record says; of an exception its type and where it was raised, as its text may repeat a document.

    asyncio tells of lost tasks and their exceptions from the second line on.
    """
    if isinstance(record.msg, Line):
        return record.msg.fields
    text = record.getMessage()
    fields: dict[str, Any] = {"message": text.partition("\n")[0] if record.name == "asyncio" else text}
    if record.exc_info and record.exc_info[0] is not None:
        fields |= {"type": record.exc_info[0].__name__, "traceback": _where(record.exc_info[2])}
    return fields


def _where(trace: TracebackType | None) -> str:
    return "".join(traceback.format_tb(trace))


def _print(level: int, line: Line) -> None:
    """Write our own line past the logging module, whose record and handlers cost more than all else about it."""
    with suppress(OSError):  # nobody reads the log any more: no reason to fail a call that was answered
        sys.stdout.buffer.write(_line(time.time(), _LEVELS[level], LOGGER.name, line.fields))
        sys.stdout.buffer.flush()


def _line(at: float, level: str, logger: str, fields: dict[str, Any]) -> bytes:
    line = {"time": datetime.fromtimestamp(at, UTC), "level": level, "logger": logger, **fields}
    return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)


_sink: Callable[[int, Line], None] = LOGGER.log
_standalone = False


def is_standalone() -> bool:
    """Whether this process is server.py: nobody else reports its requests or collects its log."""
    return _standalone


def also_send(send: Callable[[int, Line], None]) -> None:
    """Give every line of ours to a second reader, too."""
    global _sink  # noqa: PLW0603  logging is set up once per process
    first = _sink

    def both(level: int, line: Line) -> None:
        first(level, line)
        send(level, line)

    _sink = both


def log_to_stdout() -> None:
    """Send all logging to standard output as JSON lines: in server.py only, as Azure's worker has its own handlers."""
    global _sink, _standalone
    _sink, _standalone = _print, True
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JSONLines())
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
