"""The driver's events: which servers there are, and what commands take. Never what is in a command."""

import logging
import time
from collections.abc import Callable

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
    ServerHeartbeatFailedEvent,
    ServerHeartbeatListener,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
)
from pymongo.server_type import SERVER_TYPE

from shared.telemetry.log import event
from shared.telemetry.requests import current
from shared.telemetry.spans import Span, new_span_id

_LOST = "lost"
_MORE, _WAITS = "getMore", "maxTimeMS"
_MOST_STARTED = 10_000


class Servers(ServerHeartbeatListener):
    """Logs when a server comes, changes its kind or goes; it runs beside the calls, at heartbeats."""

    def __init__(self) -> None:
        """Know no server yet."""
        self._kinds: dict[tuple[str, int | None], str] = {}

    def started(self, _event: ServerHeartbeatStartedEvent) -> None:
        """Nothing is known yet."""

    def succeeded(self, happened: ServerHeartbeatSucceededEvent) -> None:
        """Log a server that is new, is back or has become something else."""
        kind = SERVER_TYPE._fields[happened.reply.server_type]
        before = self._kinds.get(happened.connection_id)
        if kind != before:
            self._kinds[happened.connection_id] = kind
            level = logging.INFO if before is None else logging.WARNING
            event(level, "MongoDB server", server=_address(happened.connection_id), kind=kind, before=before)

    def failed(self, happened: ServerHeartbeatFailedEvent) -> None:
        """Log a server that cannot be reached any more, once."""
        before = self._kinds.get(happened.connection_id)
        if before != _LOST:
            self._kinds[happened.connection_id] = _LOST
            cause = type(happened.reply).__name__
            address = _address(happened.connection_id)
            event(logging.WARNING, "MongoDB server", server=address, kind=_LOST, before=before, cause=cause)


class Commands(CommandListener):
    """Reports every command of a sampled request, and logs the slow ones."""

    def __init__(self, slow_seconds: float, report: Callable[[Span], None] | None) -> None:
        """Take how long a slow command takes, and who wants the spans of all, if anybody does."""
        self._slow_seconds = slow_seconds
        self._report = report
        self._namespaces: dict[int, str | None] = {}  # None of what waits for something to happen, and so is not slow

    def started(self, happened: CommandStartedEvent) -> None:
        """Keep the namespace: the events of the end do not have it."""
        target = happened.command.get("collection") if happened.command_name == _MORE else None
        target = target or happened.command.get(happened.command_name)
        named = f"{happened.database_name}.{target}" if isinstance(target, str) else happened.database_name
        if len(self._namespaces) >= _MOST_STARTED:  # ends that never came
            self._namespaces.clear()
        waits = happened.command_name == _MORE and _WAITS in happened.command
        self._namespaces[happened.request_id] = None if waits else named

    def succeeded(self, happened: CommandSucceededEvent) -> None:
        """Report it."""
        self._ended(happened, None)

    def failed(self, happened: CommandFailedEvent) -> None:
        """Report it, with the server's code or the kind of error, not its text."""
        code = happened.failure.get("codeName") or happened.failure.get("code")
        self._ended(happened, str(code or happened.failure.get("errtype") or "Error"))

    def _ended(self, happened: CommandSucceededEvent | CommandFailedEvent, error: str | None) -> None:
        namespace = self._namespaces.pop(happened.request_id, happened.database_name)
        seconds = happened.duration_micros / 1_000_000
        line = current.get()
        if seconds >= self._slow_seconds and namespace is not None:
            event(
                logging.WARNING,
                "slow command",
                command=happened.command_name,
                namespace=namespace,
                duration_ms=round(seconds * 1000, 2),
                error=error,
                operation=line.operation if line else None,
                trace_id=line.trace_id if line else None,
            )
        if self._report is not None and line is not None and line.sampled:
            self._report(
                _span(happened, namespace or happened.database_name, seconds, error, line.trace_id, line.span_id)
            )


def _span(
    happened: CommandSucceededEvent | CommandFailedEvent,
    namespace: str,
    seconds: float,
    error: str | None,
    trace_id: str,
    parent_id: str | None,
) -> Span:
    address, port = happened.connection_id
    attributes: dict[str, str | int] = {
        "db.system.name": "mongodb",
        "db.operation.name": happened.command_name,
        "db.namespace": happened.database_name,
        "server.address": address,
        "server.port": port or 0,
    }
    database, _, collection = namespace.partition(".")
    if collection:
        attributes |= {"db.namespace": database, "db.collection.name": collection}
    if error:
        attributes["error.type"] = error
    started = time.time() - seconds
    name = f"{happened.command_name} {namespace}"
    return Span(name, trace_id, new_span_id(), parent_id, started, seconds, error is None, attributes)


def _address(connection_id: tuple[str, int | None]) -> str:
    host, port = connection_id
    return f"{host}:{port}" if port else host
