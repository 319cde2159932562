"""Log lines: one JSON object each. No document, filter, key, token or password, and no text of a caught exception.

Where lines go is a matter of the logging tree, which every process has one of: its handlers are all the state there is.
"""

import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

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
        write(level, {"message": message, **fields})


def write(level: int, fields: dict[str, Any]) -> None:
    """Log what `event` would, from fields that begin with the message, at a level that is enabled."""
    line = Line(fields)
    if not is_standalone():
        LOGGER.log(level, line)
        return
    for handler in logging.root.handlers:
        if isinstance(handler, LineHandler):
            handler.line(level, line)


def is_standalone() -> bool:
    """Whether this process is a server of ours: nobody else reports its requests or collects its log."""
    handlers = logging.root.handlers
    return bool(handlers) and isinstance(handlers[0], StandardOutput)


def log_to_stdout() -> None:
    """Send all logging to standard output as JSON lines: in a server only, as Azure's worker has its own handlers."""
    logging.captureWarnings(True)
    logging.root.handlers[:] = [StandardOutput()]
    logging.root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)


class JSONLines(logging.Formatter):
    """Every record as one line of JSON: ours with their fields, a library's with its text."""

    def format(self, record: logging.LogRecord) -> str:
        """Put time, level and logger before the fields."""
        return _line(record.created, record.levelname, record.name, fields_of(record)).decode().rstrip("\n")


class LineHandler(logging.Handler):
    """A handler that takes our lines as they are, too: a record costs more than all else about a line."""

    def line(self, level: int, line: Line) -> None:
        """Take one of our lines."""
        raise NotImplementedError


class StandardOutput(logging.StreamHandler[TextIO], LineHandler):
    """Writes everything to standard output as JSON lines."""

    def __init__(self) -> None:
        """Write records as JSON lines."""
        super().__init__(sys.stdout)
        self.setFormatter(JSONLines())

    def line(self, level: int, line: Line) -> None:
        """Write one of our lines."""
        with suppress(OSError):  # nobody reads the log any more: no reason to fail a call that was answered
            self.stream.buffer.write(_line(time.time(), _LEVELS[level], LOGGER.name, line.fields))
            self.stream.buffer.flush()


class Sent(LineHandler):
    """Sends our lines but those of requests, which are items of their own, and what libraries warn of."""

    def __init__(self, send: Callable[[int, Mapping[str, Any], str | None], None]) -> None:
        """Send by a function that takes the level, the fields and the id of the trace."""
        super().__init__()
        self._send = send

    def line(self, level: int, line: Line) -> None:
        """Send one of our lines."""
        if line.fields["message"] != "request":
            self._send(level, line.fields, line.fields.get("trace_id"))

    def emit(self, record: logging.LogRecord) -> None:
        """Send what came through the logging module: in Azure our lines do, too."""
        if isinstance(record.msg, Line):
            self.line(record.levelno, record.msg)
        elif record.levelno >= logging.WARNING:
            self._send(record.levelno, fields_of(record), None)


class Undelivered(logging.Handler):
    """Says no more than that something went wrong: the exporters' own texts repeat items, addresses and replies."""

    def __init__(self, undelivered: Callable[[str], None]) -> None:
        """Say it by a function that takes the name of the logger."""
        super().__init__(logging.WARNING)
        self._undelivered = undelivered

    def emit(self, record: logging.LogRecord) -> None:
        """Say it in our words."""
        self._undelivered(record.name)


def take_over(loggers: Iterable[str], undelivered: Callable[[str], None]) -> None:
    """Let nothing out of the loggers of the exporters' libraries but that something went wrong."""
    handler = Undelivered(undelivered)
    for name in loggers:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record says; of an exception its type and where it was raised, as its text may repeat a document.

    asyncio tells of lost tasks and their exceptions from the second line on.
    """
    if isinstance(record.msg, Line):
        return record.msg.fields
    text = record.getMessage()
    fields: dict[str, Any] = {"message": text.partition("\n")[0] if record.name == "asyncio" else text}
    if record.exc_info and record.exc_info[0] is not None:
        fields |= {"type": record.exc_info[0].__name__, "traceback": where(record.exc_info[2])}
    return fields


def where(trace: TracebackType | None) -> str:
    """Return the lines of code that a traceback goes through, without the error's text."""
    return "".join(traceback.format_tb(trace))


def _line(at: float, level: str, logger: str, fields: dict[str, Any]) -> bytes:
    line = {"time": datetime.fromtimestamp(at, UTC), "level": level, "logger": logger, **fields}
    return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)
