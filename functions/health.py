"""Is the process up, and does MongoDB answer."""

import asyncio
import logging
import time
from http import HTTPStatus

import azure.functions as func

from shared import telemetry
from shared.endpoint.actions import failed, json_response
from shared.endpoint.actions import ready as check_ready
from shared.errors import DataAPIError, DeadlinePassedError, UnavailableError
from shared.mongo import clients as mongo
from shared.settings import VERSION

bp = func.Blueprint()

READY_CACHE_SECONDS = 5.0
PING_SECONDS = 3.0
_READY = {"status": "ready", "version": VERSION}


class _Check:
    """The last ping, and its outcome, kept so that probes neither load the database nor wait for it in line."""

    expires = 0.0
    error: Exception | None = None
    running: asyncio.Task[None] | None = None


@bp.route("health/live", methods=["GET", "HEAD"])
async def live(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the worker passes it
    """Answer as long as the process can."""
    telemetry.quiet(telemetry.RequestLine("live"), HTTPStatus.OK)
    return json_response({"status": "live", "version": VERSION})


@bp.route("health/ready", methods=["GET", "HEAD"])
async def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the worker passes it
    """Answer 200 if every data source does, else 503 with the reason."""
    if _Check.expires < time.monotonic():
        if _Check.running is None or _Check.running.done():
            _Check.running = asyncio.create_task(_check())
        await asyncio.shield(_Check.running)
    line = telemetry.RequestLine("ready")
    response = failed(_Check.error, line) if _Check.error else json_response(_READY)
    telemetry.quiet(line, response.status_code)
    return response


async def _check() -> None:
    try:
        check_ready()
        async with asyncio.timeout(PING_SECONDS):
            await mongo.ping()
        _Check.error = None
    except (TimeoutError, DeadlinePassedError):
        _Check.error = UnavailableError("MongoDB does not answer")
    except Exception as error:  # noqa: BLE001  any failure means not ready, and failed() words it
        _Check.error = error
    if _Check.error:
        reason = str(_Check.error) if isinstance(_Check.error, DataAPIError) else type(_Check.error).__name__
        telemetry.event(logging.WARNING, "not ready", reason=reason)
    _Check.expires = time.monotonic() + READY_CACHE_SECONDS
