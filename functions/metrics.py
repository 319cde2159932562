"""What Prometheus asks for."""

import hmac
from http import HTTPStatus

import azure.functions as func

from shared.endpoint.accept import quality
from shared.endpoint.actions import answer
from shared.endpoint.http import HEADERS, NO_CONTEXT, failed
from shared.errors import InvalidSessionError
from shared.service import Service, process
from shared.settings import VERSION, SettingsError
from shared.telemetry.log import is_standalone
from shared.telemetry.requests import RequestLine

bp = func.Blueprint()

_LEAST_QUALITY = 0.001  # of what is wanted at all: RFC 9110, section 12.4.2


@bp.route("metrics", methods=["GET", "HEAD"])
async def metrics(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
    """Answer who has METRICS_KEY; without that setting there is nothing here, as at every other path."""
    try:
        service = process.service()
    except SettingsError:
        return await answer(req, None, context=context)
    if not service.settings.metrics_key:
        return await answer(req, None, context=context)
    line = RequestLine("metrics", req.method)
    try:
        _refuse_others(req, service.settings.metrics_key)
    except InvalidSessionError as error:
        response = failed(error, line, {**HEADERS, "WWW-Authenticate": "Bearer"})
        process.reporting.request(line, response.status_code, len(req.get_body()), len(response.get_body()))
        return response
    process.reporting.quiet(line, HTTPStatus.OK)
    return _scraped(req, service)


def _refuse_others(req: func.HttpRequest, key: str) -> None:
    scheme, _, given = req.headers.get("authorization", "").partition(" ")
    is_right = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), key.encode())
    if not is_right or scheme.lower() != "bearer":
        raise InvalidSessionError("metrics need METRICS_KEY, as Authorization: Bearer")


def _scraped(req: func.HttpRequest, service: Service) -> func.HttpResponse:
    from shared.endpoint.gauges import sample  # noqa: PLC0415  only a deployment that is scraped pays for it
    from shared.telemetry.exposition import OPENMETRICS, TEXT, rendered  # noqa: PLC0415

    counted = process.reporting.metrics
    assert counted is not None  # noqa: S101  there is METRICS_KEY
    sample(service, counted)
    accept = req.headers.get("accept", "")
    is_open = quality(accept, "application/openmetrics-text") >= max(quality(accept, "text/plain"), _LEAST_QUALITY)
    build = {
        "version": VERSION,
        "host": "server" if is_standalone() else "functions",
        "native": "on" if service.transcoder.writer is not None else "off",
    }
    text = rendered(counted, build, is_open=is_open)
    return func.HttpResponse(text, headers=HEADERS, mimetype=OPENMETRICS if is_open else TEXT)
