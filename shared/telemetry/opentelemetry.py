"""Application Insights through OpenTelemetry and Azure Monitor's exporter for it."""

import time
from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import Any

from azure.monitor.opentelemetry.exporter import (
    AzureMonitorLogExporter,
    AzureMonitorMetricExporter,
    AzureMonitorTraceExporter,
)
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from shared.telemetry.backend import EXPORT_SECONDS, NETWORK_SECONDS, QUEUE_ITEMS, Labels, Options
from shared.telemetry.spans import Span

_EXPORT_MS = EXPORT_SECONDS * 1000
_SEVERITIES = {10: SeverityNumber.DEBUG, 20: SeverityNumber.INFO, 30: SeverityNumber.WARN, 40: SeverityNumber.ERROR}


class OpenTelemetry:
    """Providers of its own, not the global ones: with those, libraries would begin to report by themselves."""

    def __init__(self, options: Options) -> None:
        """Start the exporters' threads; raise ValueError if the connection string cannot be used."""
        common: dict[str, Any] = {
            "connection_string": options.connection_string,
            "credential": options.credential,
            "disable_offline_storage": True,  # a container's file system may be read-only
            "timeout": NETWORK_SECONDS,
            "read_timeout": NETWORK_SECONDS,
            "retry_total": 0,
        }
        resource = Resource({"service.name": options.role, "service.version": options.version})
        self._ids = _GivenIds()
        self._lock = Lock()
        self._spans = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids)
        exporter = AzureMonitorTraceExporter(tracer_provider=self._spans, **common)
        self._spans.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE_ITEMS, schedule_delay_millis=_EXPORT_MS)
        )
        self._logs = LoggerProvider(resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(
            BatchLogRecordProcessor(
                AzureMonitorLogExporter(**common), max_queue_size=QUEUE_ITEMS, schedule_delay_millis=_EXPORT_MS
            )
        )
        reader = PeriodicExportingMetricReader(AzureMonitorMetricExporter(**common), _EXPORT_MS)
        self._metrics = MeterProvider([reader], resource, shutdown_on_exit=False)
        self._tracer = self._spans.get_tracer("dozen")
        self._logger = self._logs.get_logger("dozen")
        self._instruments: dict[str, Histogram | Counter] = {}

    def request(self, span: Span) -> None:
        """Report a request that was answered."""
        self._report(span, SpanKind.SERVER)

    def dependency(self, span: Span) -> None:
        """Report a command that was sent to MongoDB."""
        self._report(span, SpanKind.CLIENT)

    def measure(self, name: str, value: float, labels: Labels) -> None:
        """Add a value to a metric of which count, sum, least and greatest are sent."""
        instrument = self._instruments.get(name)
        if instrument is None:
            instrument = self._instruments[name] = self._meter.create_histogram(name)
        instrument.record(value, labels)  # type: ignore[union-attr]  # a name is either measured or counted

    def count(self, name: str, labels: Labels) -> None:
        """Add one to a metric."""
        instrument = self._instruments.get(name)
        if instrument is None:
            instrument = self._instruments[name] = self._meter.create_counter(name)
        instrument.add(1, labels)  # type: ignore[union-attr]  # a name is either measured or counted

    def log(self, level: int, fields: Mapping[str, Any], trace_id: str | None) -> None:
        """Report a log line."""
        facts = {name: str(value) for name, value in fields.items() if name != "message" and value is not None}
        self._logger.emit(
            timestamp=time.time_ns(),
            context=None if trace_id is None else _context(trace_id, "0"),
            severity_number=_SEVERITIES.get(level, SeverityNumber.ERROR),
            body=fields["message"],
            attributes=facts,
        )

    def flush(self, seconds: float) -> None:
        """Send what waits, each kind for a third of the time."""
        milliseconds = int(seconds * 1000 / 3)
        self._spans.force_flush(milliseconds)
        self._logs.force_flush(milliseconds)
        self._metrics.shutdown(milliseconds)

    @cached_property
    def _meter(self) -> Any:
        return self._metrics.get_meter("dozen")

    def _report(self, span: Span, kind: SpanKind) -> None:
        with self._lock:
            self._ids.trace_id, self._ids.span_id = int(span.trace_id, 16), int(span.span_id, 16)
            made = self._tracer.start_span(
                span.name,
                context=Context() if span.parent_id is None else _context(span.trace_id, span.parent_id),
                kind=kind,
                attributes=span.attributes,
                start_time=int(span.started * 1e9),
            )
        if not span.succeeded and kind is SpanKind.CLIENT:
            made.set_status(Status(StatusCode.ERROR))
        made.end(int((span.started + span.seconds) * 1e9))


class _GivenIds(IdGenerator):
    """Gives the ids that a span has already: spans are made when they are over, one at a time."""

    trace_id = span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


def _context(trace_id: str, span_id: str) -> Context:
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(parent), Context())
