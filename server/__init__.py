"""The functions of function_app served by Uvicorn on LISTEN_PORT: the container and the local run."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn

from server.adapter import Functions
from server.limits import Limits
from server.listening import ACCEPTED_AT_ONCE, Application, ListeningServer, only_probes
from server.protocol import Protocol
from server.refusals import rendered
from server.routes import Route, Routes
from shared import environment
from shared.admission import Places
from shared.endpoint.http import overloaded
from shared.service import process
from shared.settings import Settings, SettingsError
from shared.telemetry.log import event, log_to_stdout

log_to_stdout()
import function_app  # noqa: E402  it says at its import whether the settings are right


def _routes() -> Iterator[Route]:
    for function in function_app.app.get_functions():
        trigger: Any = function.get_trigger()
        if trigger.get_binding_name() != "httpTrigger":  # a timer, which is the host's
            continue
        methods = frozenset(method.value for method in trigger.methods)
        yield Route(trigger.route, methods, function.get_user_function())


async def _close() -> None:
    await process.close()
    event(logging.INFO, "stopped")
    await asyncio.to_thread(process.reporting.flush, 5.0)


def _limits() -> Limits:
    """Return what is limited; if a setting is wrong, every call gets the sentence, whatever its body, at once."""
    no_place = rendered(overloaded())
    try:
        service = process.service()
    except SettingsError:
        settings = Settings()
        limits = Limits.of(settings, Places.for_calls(settings.calls_at_once), no_place)
        return limits._replace(max_body_bytes=0, grace_seconds=1)
    return Limits.of(service.settings, service.admission, no_place)


LIMITS = _limits()
app = Functions(Routes(_routes()), LIMITS.max_body_bytes, _close)


def _config(served: Application, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        served,
        host=environment.listen_address(os.environ)[0],
        port=port,
        backlog=ACCEPTED_AT_ONCE,
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        workers=1,  # else Uvicorn reads WEB_CONCURRENCY by itself
        timeout_graceful_shutdown=LIMITS.grace_seconds,
        timeout_keep_alive=LIMITS.keep_alive_seconds,
    )


def _configs() -> tuple[uvicorn.Config, uvicorn.Config | None]:
    """Return how calls are served, and how probes are that have a port of their own."""
    _, port = environment.listen_address(os.environ)
    health_port = environment.health_port(os.environ)
    return _config(app, port), None if health_port is None else _config(only_probes(app), health_port)


def serve(sockets: list[socket.socket] | None = None) -> None:
    """Serve in this process until SIGTERM or SIGINT; requests in flight are answered first."""
    # once all is answered, Uvicorn raises the signal again for whoever waits for it: an orderly end, so exit code 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    config, probes = _configs()
    ListeningServer(config, LIMITS, process.end, probes).run(sockets)


def join(file: int, slot: int) -> None:
    """Count what this process does where the others of the port do."""
    from shared.endpoint.gauges import keep_sampling  # noqa: PLC0415  only where METRICS_KEY is set

    if (metrics := process.reporting.metrics) is None:
        return
    if metrics.join(file, slot):
        keep_sampling(process, metrics)
    else:
        event(logging.WARNING, "metrics are not shared", reason="other processes of the port count otherwise")


def main() -> None:
    """Serve in WEB_CONCURRENCY processes."""
    try:
        configs, count = _configs(), environment.process_count(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    if count == 1:
        serve()
    else:
        from server.processes import Supervisor  # noqa: PLC0415  most containers have one process

        listeners = [config.bind_socket() for config in configs if config is not None]
        supervisor = Supervisor(serve, listeners, count, LIMITS.grace_seconds)
        if (metrics := process.reporting.metrics) is not None:
            try:
                supervisor.share(join, metrics.shared(count))
            except OSError as error:
                event(logging.WARNING, "metrics are not shared", reason=error.strerror)
        sys.exit(supervisor.run())
