"""Application Insights through opencensus-ext-azure, which is retired: see docs/telemetry.md for the way out."""

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from opencensus.common.utils import to_iso_str
from opencensus.ext.azure.common import Options as ExporterOptions
from opencensus.ext.azure.common import utils
from opencensus.ext.azure.common.protocol import DataPoint
from opencensus.ext.azure.log_exporter import AzureLogHandler
from opencensus.ext.azure.metrics_exporter import MetricsExporter
from opencensus.ext.azure.trace_exporter import AzureExporter
from opencensus.metrics import transport
from opencensus.trace.span import SpanKind
from opencensus.trace.span_context import SpanContext
from opencensus.trace.span_data import SpanData
from opencensus.trace.status import Status

from shared.telemetry.backend import EXPORT_SECONDS, NETWORK_SECONDS, QUEUE_ITEMS, Labels, Options
from shared.telemetry.spans import Span

_OK, _UNKNOWN = 0, 2  # the canonical codes of a span's status
_NAMES = {  # OpenTelemetry's name: OpenCensus's
    "http.request.method": "http.method",
    "http.response.status_code": "http.status_code",
    "db.system.name": "component",
}


class OpenCensus:
    """Hands spans to the exporter as they are: OpenCensus's tracer would keep a second account of what is current."""

    def __init__(self, options: Options) -> None:
        """Start the exporters' threads; raise ValueError if the connection string cannot be used."""
        common = {
            "connection_string": options.connection_string,
            "credential": options.credential,
            "enable_local_storage": False,  # a container's file system may be read-only
            "export_interval": EXPORT_SECONDS,
            "grace_period": 1.0,
            "queue_capacity": QUEUE_ITEMS,
            "timeout": NETWORK_SECONDS,
        }
        utils.validate_instrumentation_key(ExporterOptions(**common).instrumentation_key)  # before a thread is started
        self._role, self._version = options.role, options.version
        self._spans = AzureExporter(**common)
        self._logs = _LogHandler(**common)
        self._metrics = _Metrics(**common)
        for exporter in (self._spans, self._logs, self._metrics):
            exporter.add_telemetry_processor(self._named)

    def _named(self, envelope: Any) -> bool:
        envelope.tags["ai.cloud.role"] = self._role
        envelope.tags["ai.application.ver"] = self._version
        return True

    def request(self, span: Span) -> None:
        """Report a request that was answered."""
        self._spans.export([_span_data(span, SpanKind.SERVER, _translated(span.attributes))])

    def dependency(self, span: Span) -> None:
        """Report a command that was sent to MongoDB."""
        attributes = _translated(span.attributes)
        server = f"{attributes.pop('server.address')}:{attributes.pop('server.port')}"
        attributes["http.url"] = f"mongodb://{server}/{span.attributes['db.namespace']}"  # becomes the target
        self._spans.export([_span_data(span, SpanKind.CLIENT, attributes)])

    def measure(self, name: str, value: float, labels: Labels) -> None:
        """Add a value to a metric of which count, sum, least and greatest are sent."""
        self._metrics.add(name, value, labels)

    def count(self, name: str, labels: Labels) -> None:
        """Add one to a metric."""
        self._metrics.add(name, 1, labels)

    def log(self, level: int, fields: Mapping[str, Any], trace_id: str | None) -> None:
        """Report a log line."""
        facts = {name: str(value) for name, value in fields.items() if name != "message" and value is not None}
        members = {"msg": fields["message"], "levelno": level, "levelname": logging.getLevelName(level)}
        record = logging.makeLogRecord({"name": "dozen", "custom_dimensions": facts, **members})
        if trace_id is not None:
            record.traceId = trace_id
        self._logs.handle(record)

    def flush(self, seconds: float) -> None:
        """Send what waits, each kind for a third of the time."""
        self._spans._queue.flush(timeout=seconds / 3)
        self._logs.flush(timeout=seconds / 3)
        self._metrics.options.timeout = seconds / 3
        self._metrics.shutdown()


class _LogHandler(AzureLogHandler):  # type: ignore[misc]
    def createLock(self) -> None:  # noqa: N802  logging's name
        """Have a lock: upstream sets None, and Python 3.13 enters it at every record."""
        logging.Handler.createLock(self)


class _Metrics(MetricsExporter):  # type: ignore[misc]
    """Sends what was added since the last time: upstream's counters grow, and are added up."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lock = Lock()
        self._points: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
        self.exporter_thread = transport.get_exporter_thread([self], self, interval=self.options.export_interval)

    def add(self, name: str, value: float, labels: Labels) -> None:
        with self._lock:
            point = self._points.setdefault((name, tuple(labels.items())), [0, 0.0, value, value])
            point[0] += 1
            point[1] += value
            point[2] = min(point[2], value)
            point[3] = max(point[3], value)

    def get_metrics(self) -> list[Any]:
        """Return what was added, as upstream's thread asks for it."""
        with self._lock:
            points, self._points = self._points, {}
        return list(points.items())

    def metric_to_envelopes(self, metric: Any) -> Iterator[Any]:
        """Return one metric as upstream's exporter wants it."""
        (name, labels), (count, total, least, most) = metric
        point = DataPoint(ns="dozen", name=name, value=total, count=count, min=least, max=most)
        yield self._create_envelope(point, datetime.now(UTC), dict(labels))


def _translated(attributes: Mapping[str, str | int]) -> dict[str, Any]:
    return {_NAMES.get(name, name): value for name, value in attributes.items()}


def _span_data(span: Span, kind: int, attributes: dict[str, Any]) -> SpanData:
    return SpanData(
        name=span.name,
        context=SpanContext(trace_id=span.trace_id, span_id=span.span_id),
        span_id=span.span_id,
        parent_span_id=span.parent_id,
        attributes=attributes,
        start_time=_iso(span.started),
        end_time=_iso(span.started + span.seconds),
        child_span_count=0,
        stack_trace=None,
        annotations=[],
        message_events=[],
        links=[],
        status=Status(_OK if span.succeeded else _UNKNOWN),
        same_process_as_parent_span=None,
        span_kind=kind,
    )


def _iso(at: float) -> str:
    return str(to_iso_str(datetime.fromtimestamp(at, UTC)))
