"""Metrics as text: Prometheus's format 0.0.4, and OpenMetrics 1.0."""

from collections.abc import Iterator, Mapping

from shared.telemetry import metrics as families
from shared.telemetry.metrics import BUCKETS, OPERATIONS, Family, Metrics

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def rendered(metrics: Metrics, build: Mapping[str, str], *, is_open: bool) -> bytes:
    """Return the numbers of all processes in one of the formats, with the labels of what serves."""
    lines: list[str] = []
    for family, series in _families(metrics, build):
        of_kind = "_total" if family.kind == "counter" else ""
        name = family.name + ("" if is_open else of_kind)
        lines += (f"# HELP {name} {family.text}", f"# TYPE {name} {family.kind}")
        lines += (f"{family.name}{suffix or of_kind}{labels} {value!r}" for suffix, labels, value in series)
    if is_open:
        lines.append("# EOF")
    return "\n".join([*lines, ""]).encode()


type _Lines = Iterator[tuple[str, str, float]]  # what follows the name, labels in braces, the value


def _families(metrics: Metrics, build: Mapping[str, str]) -> Iterator[tuple[Family, _Lines]]:
    yield families.CALLS, _calls(metrics)
    yield families.DURATIONS, _durations(metrics)
    for family in (families.DOCUMENTS, families.RECEIVED, families.SENT):
        yield family, _amounts(metrics, family)
    for family in dict.fromkeys(series.family for series in metrics.sampled.values()):
        yield family, _sampled(metrics, family)
    labels = "{" + ",".join(f'{name}="{value}"' for name, value in build.items()) + "}"
    started = metrics.started
    yield families.REPLACED, iter([("", "", metrics.replaced)])
    yield families.PROCESSES, iter([("", "", float(len(started)))])
    yield families.STARTED, iter([("", "", min(started))] if started else [])
    yield families.BUILD, iter([("", labels, 1.0)])


def _calls(metrics: Metrics) -> _Lines:
    for at, operation in enumerate(OPERATIONS):
        for status, count in metrics.calls(at):
            yield "", f'{{operation="{operation}",status="{status}"}}', count


def _durations(metrics: Metrics) -> _Lines:
    for at, operation in enumerate(OPERATIONS):
        seconds, counts = metrics.durations(at)
        count = 0.0
        for bound, more in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
            count += more
            if any(counts):
                yield "_bucket", f'{{operation="{operation}",le="{bound}"}}', count
        if count:
            yield "_sum", f'{{operation="{operation}"}}', seconds
            yield "_count", f'{{operation="{operation}"}}', count


def _amounts(metrics: Metrics, family: Family) -> _Lines:
    for at, operation in enumerate(OPERATIONS):
        if amount := metrics.amount(family, at):
            yield "", f'{{operation="{operation}"}}', amount


def _sampled(metrics: Metrics, family: Family) -> _Lines:
    for series in metrics.sampled.values():
        if series.family == family:
            yield "", f"{{{series.labels}}}" if series.labels else "", metrics.value(series)
