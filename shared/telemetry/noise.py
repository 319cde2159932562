"""What the exporters' libraries log: that telemetry is not delivered, once in a while and in our own words."""

import logging
import time

from shared.telemetry.lines import event

_LOGGERS = ("azure", "opencensus", "opentelemetry", "urllib3")
_SECONDS = 300.0


class Undelivered(logging.Handler):
    """Says no more than that something went wrong: the libraries' own texts repeat items, addresses and replies."""

    def __init__(self) -> None:
        """Be silent below warnings."""
        super().__init__(logging.WARNING)
        self._silent_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Log one line, then none for five minutes."""
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _SECONDS
            event(logging.WARNING, "telemetry is not delivered", source=record.name)


def silence() -> None:
    """Take over the loggers of the exporters' libraries."""
    handler = Undelivered()
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
