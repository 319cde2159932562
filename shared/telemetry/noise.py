"""What goes wrong with telemetry, and what the exporters' libraries log about it: one sentence, once in a while."""

import logging
import time

from shared.telemetry import log as lines

_LOGGERS = ("azure", "opencensus", "opentelemetry", "urllib3")
_SECONDS = 300.0


class _Last:
    silent_until = 0.0


def undelivered(source: str) -> None:
    """Log that telemetry is lost, then nothing of the kind for five minutes."""
    if time.monotonic() >= _Last.silent_until:
        _Last.silent_until = time.monotonic() + _SECONDS
        lines.event(logging.WARNING, "telemetry is not delivered", source=source)


class Undelivered(logging.Handler):
    """Says no more than that something went wrong: the libraries' own texts repeat items, addresses and replies."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it in our words."""
        undelivered(record.name)


def silence() -> None:
    """Take over the loggers of the exporters' libraries."""
    handler = Undelivered(logging.WARNING)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
