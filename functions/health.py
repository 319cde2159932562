"""Is the process up, and does MongoDB answer."""

import logging
import time

import azure.functions as func

from shared import mongo, telemetry
from shared.endpoint import configured, failed, json_response
from shared.errors import DataAPIError
from shared.settings import VERSION

bp = func.Blueprint()

READY_CACHE_SECONDS = 5.0
_READY = {"status": "ready", "version": VERSION}


class _LastCheck:
    """The outcome of the last ping, kept so that probes do not load the database."""

    expires = 0.0
    error: Exception | None = None


@bp.route("health/live", methods=["GET", "HEAD"])
async def live(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the worker passes it
    """Answer as long as the process can."""
    return json_response({"status": "live", "version": VERSION})


@bp.route("health/ready", methods=["GET", "HEAD"])
async def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the worker passes it
    """Answer 200 if every data source does, else 503 with the reason."""
    if _LastCheck.expires < time.monotonic():
        try:
            configured()
            await mongo.ping()
            _LastCheck.error = None
        except Exception as error:  # noqa: BLE001  any failure means not ready, and failed() words it
            reason = str(error) if isinstance(error, DataAPIError) else type(error).__name__
            telemetry.event(logging.WARNING, "not ready", reason=reason)
            _LastCheck.error = error
        _LastCheck.expires = time.monotonic() + READY_CACHE_SECONDS
    if _LastCheck.error:
        return failed(_LastCheck.error, telemetry.RequestLine("ready"))
    return json_response(_READY)
