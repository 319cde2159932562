"""Log lines and telemetry: what the other modules use of this package."""

from shared.telemetry.backends import flush, setup
from shared.telemetry.commands import listeners
from shared.telemetry.log import LOGGER, JSONLines, Line, event, failure, is_standalone, log_to_stdout
from shared.telemetry.requests import RequestLine, begin, quiet, request

__all__ = [
    "LOGGER",
    "JSONLines",
    "Line",
    "RequestLine",
    "begin",
    "event",
    "failure",
    "flush",
    "is_standalone",
    "listeners",
    "log_to_stdout",
    "quiet",
    "request",
    "setup",
]
