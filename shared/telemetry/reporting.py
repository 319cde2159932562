"""What one process reports of its requests and commands: log lines, and telemetry if the settings ask for it."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from shared.environment import prepare_exporters, role
from shared.settings import VERSION, Settings
from shared.telemetry.backend import QUEUE_ITEMS, Backend, Labels, Options
from shared.telemetry.commands import Commands, Servers
from shared.telemetry.log import LOGGER, Sent, event, is_standalone, take_over, where, write
from shared.telemetry.requests import RequestLine, current, report
from shared.telemetry.spans import Span, new_span_id

if TYPE_CHECKING:
    from shared.telemetry.metrics import Metrics

_LAST_MOMENT = 0.05
_SILENT_SECONDS = 300.0
_EXPORTERS = ("azure", "opencensus", "opentelemetry", "urllib3")


class Reporting:
    """Made once per process and passed down; until it is started it writes the lines of requests, and no more."""

    def __init__(self) -> None:
        """Have no backend."""
        self.metrics: Metrics | None = None
        self._is_started = False
        self._slow_seconds = math.inf
        self._backend: Backend | None = None
        self._loading: Thread | None = None
        self._reports_requests = False  # Azure's host reports its own
        self._silent_until = 0.0

    def count(self, settings: Settings) -> None:
        """Count requests from now on if somebody may ask for the numbers."""
        self.metrics = None
        if settings.metrics_key:
            from shared.telemetry.metrics import Metrics  # noqa: PLC0415  only a deployment that is scraped pays for it

            self.metrics = Metrics(settings.data_sources)

    def start(self, settings: Settings) -> str:
        """Start the backend that the settings name, beside what this process does, and return its name."""
        self._is_started = True
        if settings.slow_ms:
            self._slow_seconds = settings.slow_ms / 1000
        name = settings.telemetry
        if name == "none" or self._backend is not None:
            return name
        self._reports_requests = is_standalone()
        waiting = self._backend = Starting()
        self._loading = Thread(target=self._load, args=(settings, waiting), name="telemetry", daemon=True)
        self._loading.start()
        choice = settings.telemetry_logs_to_appinsights
        if choice == "on" or (choice == "auto" and is_standalone()):
            logging.getLogger().addHandler(Sent(self._log))
        return name

    def begin(self, operation: str, method: str, headers: Mapping[str, str], context: Any) -> RequestLine:
        """Begin a request; `context` is what Azure's worker knows of it, None elsewhere.

        The worker's traceparent names the request as the host reports it, the header who called the host.
        """
        parent = headers.get("traceparent") if context is None else context.trace_context.trace_parent
        line = RequestLine(operation, method, parent)
        if self._watches_commands:
            # in Azure's host the request is the host's to report, so commands are its children
            is_ours = self._reports_requests or line.parent_id is None
            line.span_id = new_span_id() if is_ours else line.parent_id
            current.set(line)
        return line

    def request(self, line: RequestLine, status: int, request_bytes: int, reply_bytes: int) -> None:
        """Log the line of one request, whose level follows the outcome, and report its share of the telemetry."""
        seconds = time.perf_counter() - line.started
        if self.metrics is not None:
            self.metrics.request(line, status, seconds, request_bytes, reply_bytes)
        level = line.level(status, is_slow=seconds >= self._slow_seconds and not line.waits)
        if LOGGER.isEnabledFor(level):
            write(level, line.fields(status, seconds, request_bytes, reply_bytes))
        if line.span_id is None:
            return
        current.set(None)
        if self._backend is not None:
            try:
                report(self._backend, line, status, seconds, with_span=self._reports_requests)
            except Exception as error:  # noqa: BLE001  no call may fail because its telemetry does
                self.undelivered(type(error).__name__)

    def quiet(self, line: RequestLine, status: int) -> None:
        """Log the line of a probe, at a level that is seldom on: what a probe finds has lines of its own."""
        event(logging.DEBUG, "probe", operation=line.operation, status=status, error_code=line.error_code)

    def failure(self, correlation_id: str, error: Exception, trace_id: str | None = None) -> None:
        """Log an unexpected error under the id that the caller was given.

        Its type and where it was raised, not its text: a driver's error may repeat a document.
        """
        raised = where(error.__traceback__)
        fields = {"id": correlation_id, "type": type(error).__name__, "traceback": raised, "trace_id": trace_id}
        event(logging.ERROR, "unexpected error", **fields)

    def listeners(self) -> list[Any]:
        """Return the listeners of a new client of the driver: none in a process that answers no calls.

        Commands are only listened to when somebody wants to know of them.
        """
        if not self._is_started:
            return []
        if not self._watches_commands:
            return [Servers()]
        return [Servers(), Commands(self._slow_seconds, None if self._backend is None else self._dependency)]

    def undelivered(self, source: str) -> None:
        """Log that telemetry is lost, then nothing of the kind for five minutes."""
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _SILENT_SECONDS
            event(logging.WARNING, "telemetry is not delivered", source=source)

    def flush(self, seconds: float) -> None:
        """Send what waits, at the end of a server; whatever goes wrong, the process ends."""
        if self._loading is not None:
            self._loading.join(seconds)
        if self._backend is not None:
            with suppress(Exception):
                self._backend.flush(seconds)

    @property
    def _watches_commands(self) -> bool:
        return self._backend is not None or self._slow_seconds != math.inf

    def _dependency(self, span: Span) -> None:
        if self._backend is not None:
            try:
                self._backend.dependency(span)
            except Exception as error:  # noqa: BLE001  no call may fail because its telemetry does
                self.undelivered(type(error).__name__)

    def _log(self, level: int, fields: Mapping[str, Any], trace_id: str | None) -> None:
        if self._backend is not None:
            try:
                self._backend.log(level, fields, trace_id)
            except Exception as error:  # noqa: BLE001  no call may fail because its telemetry does
                self.undelivered(type(error).__name__)

    def _load(self, settings: Settings, waiting: "Starting") -> None:
        """Put the backend in its place; telemetry that cannot start is one warning."""
        try:
            backend = self._backend = _loaded(settings, self.undelivered)
            waiting.hand_over(backend)
            time.sleep(_LAST_MOMENT)  # somebody may have got the other one just before
            waiting.hand_over(backend)
        except Exception as error:  # noqa: BLE001  no call may fail because its telemetry does
            self._backend = None
            name, reason = settings.telemetry, _reason(error)
            event(logging.WARNING, "telemetry is off", backend=name, reason=reason, cause=type(error).__name__)


class Starting:
    """Holds what happens until the backend is there: its import takes longer than that of the whole service."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=QUEUE_ITEMS)

    def request(self, span: Span) -> None:
        """Hold a request."""
        self._waiting.append(("request", (span,)))

    def dependency(self, span: Span) -> None:
        """Hold a command."""
        self._waiting.append(("dependency", (span,)))

    def measure(self, name: str, value: float, labels: Labels) -> None:
        """Hold a value."""
        self._waiting.append(("measure", (name, value, labels)))

    def count(self, name: str, labels: Labels) -> None:
        """Hold a count."""
        self._waiting.append(("count", (name, labels)))

    def log(self, level: int, fields: Mapping[str, Any], trace_id: str | None) -> None:
        """Hold a line."""
        self._waiting.append(("log", (level, fields, trace_id)))

    def flush(self, seconds: float) -> None:
        """Nothing can be sent yet."""

    def hand_over(self, backend: Backend) -> None:
        """Give all that was held to the backend that is there now."""
        while self._waiting:
            name, values = self._waiting.popleft()
            getattr(backend, name)(*values)


def _loaded(settings: Settings, undelivered: Callable[[str], None]) -> Backend:
    """Import and start the backend; only who asks for one pays for it. Raise whatever it raises."""
    prepare_exporters()
    authentication = settings.applicationinsights_authentication_string
    credential = _credential(authentication) if authentication else None
    connection = settings.applicationinsights_connection_string.strip().rstrip(";")
    options = Options(connection, credential, role(), VERSION)
    take_over(_EXPORTERS, undelivered)
    if settings.telemetry == "opencensus":
        from shared.telemetry.opencensus import OpenCensus  # noqa: PLC0415

        return OpenCensus(options)
    from shared.telemetry.opentelemetry import OpenTelemetry  # noqa: PLC0415

    return OpenTelemetry(options)


def _credential(authentication: str) -> Any:
    """Return a managed identity for `Authorization=AAD` or `ClientId=…;Authorization=AAD`; raise ValueError.

    Application Insights needs one where it takes no keys: disableLocalAuth. It is Azure's own format, so that the
    host and the worker read the same setting.
    """
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415

    pairs = (member.partition("=")[::2] for member in authentication.strip().rstrip(";").split(";"))
    members = {name.strip().lower(): value.strip() for name, value in pairs}
    if members.get("authorization") != "AAD":
        raise ValueError("Authorization must be AAD")
    client_id = members.get("clientid")
    return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "a package is missing"
    if isinstance(error, ValueError):
        return "APPLICATIONINSIGHTS_CONNECTION_STRING or APPLICATIONINSIGHTS_AUTHENTICATION_STRING is not usable"
    return "unexpected"
