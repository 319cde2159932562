"""What sends telemetry: the interface of OpenCensus and OpenTelemetry, and what both are made with."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from shared.telemetry.spans import Span

EXPORT_SECONDS = 5.0  # Azure kills its worker without a word: what is not sent by then is lost
QUEUE_ITEMS = 8_192  # more than these are dropped, and nobody waits
NETWORK_SECONDS = 5.0

type Labels = Mapping[str, str]


class Options(NamedTuple):
    """What every backend needs."""

    connection_string: str
    credential: Any
    role: str
    version: str


class Backend(Protocol):
    """Takes what happened and sends it later, from a thread of its own; nothing here waits or raises."""

    def request(self, span: Span) -> None:
        """Report a request that was answered."""

    def dependency(self, span: Span) -> None:
        """Report a command that was sent to MongoDB."""

    def measure(self, name: str, value: float, labels: Labels) -> None:
        """Add a value to a metric of which count, sum, least and greatest are sent."""

    def count(self, name: str, labels: Labels) -> None:
        """Add one to a metric."""

    def log(self, level: int, fields: Mapping[str, Any], trace_id: str | None) -> None:
        """Report a log line."""

    def flush(self, seconds: float) -> None:
        """Send what waits, for at most about so long; afterwards nothing is taken."""
