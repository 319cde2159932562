"""Reply -> response: in the media that the caller prefers, or 304 for a caller who has it."""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

import azure.functions as func

from shared.access.protocol import Reply
from shared.documents import large_bodies
from shared.endpoint import etags
from shared.endpoint.parts import PartedResponse

if TYPE_CHECKING:
    from shared.endpoint.http import Exchange


async def response(
    exchange: "Exchange", reply: Reply, kind: str, success: HTTPStatus, *, reads: bool
) -> func.HttpResponse:
    """Return the response of this media type; `reads` tells whether another call would have the same reply."""
    headers = exchange.headers
    headers |= reply.headers
    parts = reply.parts
    is_large = sum(map(len, parts)) >= large_bodies.LARGE
    if reads and exchange.line.namespace in exchange.service.settings.cached:
        headers |= etags.CACHED
        if "ETag" not in headers:
            headers["ETag"] = await asyncio.to_thread(etags.tag, kind, parts) if is_large else etags.tag(kind, parts)
    asked = exchange.request.headers
    if "ETag" in headers and "if-none-match" in asked and etags.matches(asked["if-none-match"], headers["ETag"]):
        return func.HttpResponse(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers, mimetype=kind)
    if is_large:
        return PartedResponse(parts, status_code=success, headers=headers, mimetype=kind)
    return func.HttpResponse(b"".join(parts), status_code=success, headers=headers, mimetype=kind)
