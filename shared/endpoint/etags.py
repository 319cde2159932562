"""Entity tags: what a client holds already is not sent again (pure)."""

from hashlib import sha256

HEADERS = {
    "Cache-Control": "private, no-cache",
    "Vary": "Origin, Accept, Authorization, apiKey, api-key, email, password, jwtTokenString",
}
"""The headers of a reply that has a tag: whoever holds it asks again before it is used, as the same caller."""


def tag(media: str, body: bytes) -> str:
    """Return the strong tag of a reply: it changes with each byte of it, and with its type."""
    return f'"{sha256(media.encode() + b" " + body).hexdigest()[:40]}"'


def is_held(if_none_match: str, held: str) -> bool:
    """Tell whether a tag is among those that a client holds; a proxy may have made it weak."""
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return held in tags or "*" in tags
