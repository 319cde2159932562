"""Entity tags: a reply that the client has already is not sent again."""

from hashlib import sha256

import azure.functions as func

HEADERS = {
    "Cache-Control": "private, no-cache",
    "Vary": "Origin, Accept, Authorization, apiKey, api-key, x-functions-key, email, password, jwtTokenString",
}
"""The headers of a reply that has a tag: a client that has it asks again before it uses it, as the same caller."""


def tagged(response: func.HttpResponse, if_none_match: str) -> func.HttpResponse:
    """Return a response with its tag, or 304 without a body for a client that has it."""
    body = response.get_body()
    own = tag(response.mimetype, body)
    headers = {**response.headers, **HEADERS, "ETag": own}
    if "Access-Control-Allow-Origin" in headers:
        headers["Access-Control-Expose-Headers"] = "ETag"
    is_current = matches(if_none_match, own)
    return func.HttpResponse(
        b"" if is_current else body,
        status_code=304 if is_current else response.status_code,
        headers=headers,
        mimetype=response.mimetype,
    )


def tag(media: str, body: bytes) -> str:
    """Return the strong tag of a reply: it changes with each byte of it, and with its type."""
    return f'"{sha256(media.encode() + b" " + body).hexdigest()[:40]}"'


def matches(if_none_match: str, own: str) -> bool:
    """Tell whether a tag is among those of If-None-Match; a proxy may have made it weak."""
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return own in tags or "*" in tags
