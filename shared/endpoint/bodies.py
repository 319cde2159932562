"""The body of a request: refused by what is known of it, read to a document."""

import re
from typing import TYPE_CHECKING

import azure.functions as func

from shared import turns
from shared.documents import ejson, large_bodies, stored_bodies
from shared.documents.ejson import Document
from shared.documents.stored import Stored
from shared.endpoint.content_encoding import decoded
from shared.errors import BodyTooLargeError, InvalidJSONError, LengthRequiredError
from shared.guard.complexity import memory_of

if TYPE_CHECKING:
    from shared.endpoint.http import Exchange
    from shared.service import Service

_ENCODINGS = frozenset({"content-encoding", "transfer-encoding"})
_MISTAKES = (
    (rb"[\w.%+*-]{1,200}(\[[\w%]{0,200}\])*=|--[^\r\n]{1,200}\r?\n", "it is a form: send the object as JSON text"),
    (rb"\[object Object\]", "it is what JavaScript makes of an object: send JSON.stringify(object)"),
    (rb"\{\s*'", "names and texts stand in double quotes: in Python, send json.dumps(object)"),
    (rb'"\s*\{', "it is a text that holds an object: encode the object once"),
)
"""What programs send that mean an object, by how it begins."""


def may_be_large(req: func.HttpRequest) -> bool:
    """Tell whether a body may be large once it is read and decoded."""
    if not req.headers.keys().isdisjoint(_ENCODINGS) or len(req.get_body()) >= large_bodies.LARGE:
        return True
    declared = req.headers.get("content-length", "")
    return declared.isdecimal() and int(declared) >= large_bodies.LARGE


def refuse_body(exchange: "Exchange") -> None:
    """Refuse a body by what is known of it before all of it is read."""
    req, limit = exchange.request, exchange.service.settings.max_body_bytes
    size = len(req.get_body())
    declared = req.headers.get("content-length", "")
    if size > limit or (declared.isdecimal() and int(declared) > limit):
        raise BodyTooLargeError(f"request body too large: the limit is {limit} bytes")
    if not size and exchange.is_whole and "chunked" in req.headers.get("transfer-encoding", "").lower():
        raise LengthRequiredError("request body must be sent with a Content-Length")


async def decoded_body(exchange: "Exchange", body: bytes, limit: int | None = None) -> bytes:
    """Return a body without its Content-Encoding, as soon as there is memory for what it holds."""
    headers, limit = exchange.request.headers, limit or exchange.service.settings.max_body_bytes
    if "content-encoding" in headers:
        body = await decoded(body, headers["content-encoding"], limit, exchange.share)
    if len(body) >= large_bodies.LARGE:
        await exchange.share.work_on(await turns.taken(memory_of(body)))
    return body


async def document_in(body: bytes, service: "Service", stores: Stored | None = None) -> Document:
    """Return the object in a body; raise if it holds too much or is none."""
    settings = service.settings
    if not service.complexity.is_few(body):
        await turns.taken(service.complexity.body(body))
    reader = service.transcoder.reader
    if stores is not None and reader is not None:
        steps = stored_bodies.loads(reader, body, stores, settings.max_nesting, settings.max_members)
        if (document := await turns.taken(steps)) is not None:
            return document
    try:
        if len(body) < large_bodies.LARGE:
            return ejson.loads(body, settings.max_nesting, settings.max_members)
        return await turns.taken(large_bodies.loads(body, settings.max_nesting, settings.max_members))
    except InvalidJSONError as error:
        raise refused_body(error, body) from error


def refused_body(error: InvalidJSONError, body: bytes) -> InvalidJSONError:
    """Return the error of a body that was meant as an object; it says what to send instead, where that is known."""
    mended = next((text for begins, text in _MISTAKES if re.match(begins, body)), None)
    return (error if mended is None else InvalidJSONError(mended)).in_body()
