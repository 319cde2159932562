"""The explorer: a page on which people see the databases as their programs do, and the files that it is made of."""

from functools import partial
from http import HTTPStatus

import azure.functions as func

from shared.endpoint import etags
from shared.endpoint.actions import not_found
from shared.endpoint.http import ALL_METHODS, NO_CONTEXT, Exchange, path_of, respond
from shared.errors import MethodNotAllowedError
from shared.explorer import PAGE

bp = func.Blueprint()

_METHODS = ("GET", "HEAD")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
}


@bp.route("explorer", methods=ALL_METHODS)
async def explorer(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
    """Return the page."""
    return await respond(req, context, "explorer", partial(_file, PAGE))


@bp.route("explorer/{file}", methods=ALL_METHODS)
async def explorer_file(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
    """Return a file that the page names."""
    return await respond(req, context, "explorer", partial(_file, req.route_params["file"]))


async def _file(name: str, exchange: Exchange) -> func.HttpResponse:
    """Raise EndpointNotFoundError where EXPLORER is off, as if nothing were there."""
    req = exchange.request
    service = exchange.service
    found = service.explorer.get(name) if service.settings.explorer == "on" else None
    if found is None:
        raise not_found(req)
    if req.method == "OPTIONS":
        return exchange.preflight(", ".join((*_METHODS, "OPTIONS")), "If-None-Match")
    if req.method not in _METHODS:
        raise MethodNotAllowedError("method not allowed", _METHODS)
    if name == PAGE and path_of(req).endswith(("/", f"/{PAGE}")):  # what it names is beside it
        return func.HttpResponse(status_code=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": "../explorer"})
    headers = {**exchange.headers, **_HEADERS, "ETag": found.tag}
    if etags.matches(req.headers.get("if-none-match", ""), found.tag):
        return func.HttpResponse(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return func.HttpResponse(found.content, status_code=HTTPStatus.OK, headers=headers, mimetype=found.media_type)
