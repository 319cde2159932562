"""Log lines and telemetry: what the other modules use of this package."""

from shared.telemetry.log import LOGGER, JSONLines, Line, event, is_standalone, log_to_stdout
from shared.telemetry.reporting import Reporting
from shared.telemetry.requests import RequestLine

__all__ = [
    "LOGGER",
    "REPORTING",
    "JSONLines",
    "Line",
    "Reporting",
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

# Only until one record of all that a process holds is passed down from the edge: then it holds the Reporting, and all
# below goes.
REPORTING = Reporting()
begin = REPORTING.begin
failure = REPORTING.failure
flush = REPORTING.flush
listeners = REPORTING.listeners
quiet = REPORTING.quiet
request = REPORTING.request
setup = REPORTING.start
