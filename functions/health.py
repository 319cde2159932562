"""Is the process up, and does MongoDB answer."""

from http import HTTPStatus

import azure.functions as func

from shared.endpoint.http import HEADERS, current_service, failed, json_response
from shared.service import process
from shared.settings import VERSION
from shared.telemetry.requests import RequestLine

bp = func.Blueprint()


@bp.route("health/live", methods=["GET", "HEAD"])
async def live(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the worker passes it
    """Answer as long as the process can."""
    process.reporting.quiet(RequestLine("live"), HTTPStatus.OK)
    return json_response({"status": "live", "version": VERSION}, HTTPStatus.OK, HEADERS)


@bp.route("health/ready", methods=["GET", "HEAD"])
async def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the worker passes it
    """Answer 200 if every data source does, else 503 with the reason."""
    line = RequestLine("ready")
    error = await process.readiness.error(_ping)
    if error is None:
        response = json_response({"status": "ready", "version": VERSION}, HTTPStatus.OK, HEADERS)
    else:
        response = failed(error, line, HEADERS)
    process.reporting.quiet(line, response.status_code)
    return response


async def _ping() -> None:
    await current_service().ping()
