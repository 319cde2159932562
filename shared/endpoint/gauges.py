"""What is looked up in a process when its metrics are asked for, and each second where others may be asked."""

import logging
import threading
import time

from shared.mongo.clients import Clients
from shared.service import Process, Service
from shared.telemetry.log import event
from shared.telemetry.metrics import OF_SOURCE, Metrics

SECONDS = 1.0
"""How old what another process of the port says of this one may be."""


def sample(service: Service, metrics: Metrics) -> None:
    """Look everything up."""
    metrics.look(lambda: _values(service))


def _values(service: Service) -> dict[tuple[str, str], float]:
    calls, streams, budget, cache = service.admission, service.change_streams, service.budget, service.lazy_store.counts
    values: dict[tuple[str, str], float] = {
        ("in_progress", ""): calls.taken,
        ("places", ""): calls.places,
        ("waiting", ""): calls.waiting,
        ("shed", 'kind="calls"'): calls.shed,
        ("shed", 'kind="memory"'): budget.large.shed,
        ("shed", 'kind="passwords"'): service.passwords.shed,
        ("shed", 'kind="streams"'): streams.shed,
        ("streams", ""): streams.taken,
        ("streams_limit", ""): streams.places,
        ("held", ""): budget.held,
        ("budget", ""): budget.most,
        ("hits", ""): cache.hits,
        ("misses", ""): cache.misses,
        ("errors", ""): cache.errors,
        ("runs", ""): service.engine.runs,
    }
    for source, uri in service.settings.data_sources.items():
        numbers = _connections(service.clients, uri)
        values |= {(key, source): value for key, value in zip(OF_SOURCE, numbers, strict=True)}
    return values


def _connections(clients: Clients, uri: str) -> tuple[int, int, int, int, int]:
    """Return the connections in use, idle and at most, and the calls that wait for one or got none."""
    places = clients.places_of(uri)
    if places is None:  # nobody has asked for it yet
        return 0, 0, 0, 0, 0
    return *clients.connections(uri), places.waiting, places.shed


def keep_sampling(process: Process, metrics: Metrics) -> None:
    """Look everything up each second, in a thread: also while the loop of the process has no time."""

    def run() -> None:
        while True:
            try:
                if process.held is not None:
                    sample(process.held, metrics)
            except Exception as error:  # noqa: BLE001  the next look is another one
                event(logging.DEBUG, "metrics were not looked up", cause=type(error).__name__)
            time.sleep(SECONDS)

    threading.Thread(target=run, name="metrics", daemon=True).start()
