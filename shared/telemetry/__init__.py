"""Log lines and telemetry: what the other modules use of this package."""

from shared.telemetry.log import LOGGER, JSONLines, Line, event, is_standalone, log_to_stdout
from shared.telemetry.reporting import Reporting
from shared.telemetry.requests import RequestLine

__all__ = ["LOGGER", "JSONLines", "Line", "Reporting", "RequestLine", "event", "is_standalone", "log_to_stdout"]
