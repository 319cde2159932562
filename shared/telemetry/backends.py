"""Who is told what requests and commands do beside the log: one backend per process, chosen by the settings."""

import logging
import math
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from threading import Thread
from typing import Any, NamedTuple, Protocol

from shared import settings
from shared.settings import Settings
from shared.telemetry import log as lines
from shared.telemetry.log import Line, event
from shared.telemetry.noise import silence, undelivered
from shared.telemetry.spans import Span

EXPORT_SECONDS = 5.0  # Azure kills its worker without a word: what is not sent by then is lost
QUEUE_ITEMS = 8_192  # more than these are dropped, and nobody waits
NETWORK_SECONDS = 5.0
_LAST_MOMENT = 0.05

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
        """Report a command that MongoDB was asked."""

    def measure(self, name: str, value: float, labels: Labels) -> None:
        """Add a value to a metric of which count, sum, least and greatest are sent."""

    def count(self, name: str, labels: Labels) -> None:
        """Add one to a metric."""

    def log(self, level: int, fields: Mapping[str, Any], trace_id: str | None) -> None:
        """Report a log line."""

    def flush(self, seconds: float) -> None:
        """Send what waits, for at most about so long; afterwards nothing is taken."""


class _State:
    backend: Backend | None = None
    thread: Thread | None = None
    slow_seconds: float = math.inf
    reports_requests = False
    is_service = False


class Starting:
    """Keeps what happens until the backend is there: its import takes longer than that of the whole service."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=QUEUE_ITEMS)

    def request(self, span: Span) -> None:
        """Keep a request."""
        self._waiting.append(("request", (span,)))

    def dependency(self, span: Span) -> None:
        """Keep a command."""
        self._waiting.append(("dependency", (span,)))

    def measure(self, name: str, value: float, labels: Labels) -> None:
        """Keep a value."""
        self._waiting.append(("measure", (name, value, labels)))

    def count(self, name: str, labels: Labels) -> None:
        """Keep a count."""
        self._waiting.append(("count", (name, labels)))

    def log(self, level: int, fields: Mapping[str, Any], trace_id: str | None) -> None:
        """Keep a line."""
        self._waiting.append(("log", (level, fields, trace_id)))

    def flush(self, seconds: float) -> None:
        """Nothing can be sent yet."""

    def hand_over(self, backend: Backend) -> None:
        """Give all that was kept to the backend that is there now."""
        while self._waiting:
            name, values = self._waiting.popleft()
            getattr(backend, name)(*values)


def setup(given: Settings) -> str:
    """Start what the settings ask for, beside what this process does, and return its name."""
    _State.is_service = True
    if given.slow_ms:
        _State.slow_seconds = given.slow_ms / 1000
    name = given.telemetry
    if name == "none" or _State.backend is not None:
        return name
    _State.reports_requests = lines.is_standalone()
    waiting = _State.backend = Starting()
    _State.thread = Thread(target=_start, args=(name, given, waiting), name="telemetry", daemon=True)
    _State.thread.start()
    wanted = given.telemetry_logs_to_appinsights
    if wanted == "on" or (wanted == "auto" and lines.is_standalone()):
        _send_logs()
    return name


def _start(name: str, given: Settings, waiting: Starting) -> None:
    """Put the backend in its place; telemetry that cannot start is one warning."""
    try:
        backend = _State.backend = _started(name, given)
        waiting.hand_over(backend)
        time.sleep(_LAST_MOMENT)  # somebody may have asked for the backend just before it came
        waiting.hand_over(backend)
    except Exception as error:  # noqa: BLE001  no call may fail because its telemetry does
        _State.backend = None
        event(logging.WARNING, "telemetry is off", backend=name, reason=_reason(error), cause=type(error).__name__)


def _started(name: str, given: Settings) -> Backend:
    settings.prepare_exporters()
    credential = None
    if given.applicationinsights_authentication_string:
        from shared.telemetry import identity  # noqa: PLC0415  only who asks for it pays for it

        credential = identity.credential(given.applicationinsights_authentication_string)
    connection = given.applicationinsights_connection_string.strip().rstrip(";")
    options = Options(connection, credential, settings.role(), settings.VERSION)
    silence()
    if name == "opencensus":
        from shared.telemetry.opencensus import OpenCensus  # noqa: PLC0415  only who asks for it pays for it

        return OpenCensus(options)
    from shared.telemetry.opentelemetry import OpenTelemetry  # noqa: PLC0415  only who asks for it pays for it

    return OpenTelemetry(options)


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "a package is missing"
    if isinstance(error, ValueError):
        return "APPLICATIONINSIGHTS_CONNECTION_STRING or APPLICATIONINSIGHTS_AUTHENTICATION_STRING is not usable"
    return "unexpected"


def _send_logs() -> None:
    """Send our lines but those of requests, which are items of their own, and what libraries warn of."""

    def send(level: int, line: Line) -> None:
        if _State.backend is not None and line.fields["message"] != "request":
            try:
                _State.backend.log(level, line.fields, line.fields.get("trace_id"))
            except Exception as error:  # noqa: BLE001  no call may fail because its telemetry does
                undelivered(type(error).__name__)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if _State.backend is not None and not isinstance(record.msg, Line):
                _State.backend.log(record.levelno, lines.fields_of(record), None)

    lines.also_send(send)
    logging.getLogger().addHandler(Handler(logging.WARNING))


def flush(seconds: float) -> None:
    """Send what waits, at the end of server.py; whatever goes wrong, the process ends."""
    if _State.thread is not None:
        _State.thread.join(seconds)
    if _State.backend is not None:
        with suppress(Exception):
            _State.backend.flush(seconds)


def backend() -> Backend | None:
    """Return the backend of this process, if it has one."""
    return _State.backend


def reports_requests() -> bool:
    """Whether requests are ours to report: Azure's host reports its own."""
    return _State.reports_requests


def slow_seconds() -> float:
    """Return how long something takes to be called slow."""
    return _State.slow_seconds


def is_service() -> bool:
    """Whether this process answers calls; a one-off process says what it has to say itself."""
    return _State.is_service


def watches_commands() -> bool:
    """Whether anybody wants to know of commands."""
    return _State.backend is not None or _State.slow_seconds != math.inf
