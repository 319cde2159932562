"""The value of a credential's header: hosts join the values of one that was sent more than once by commas (pure)."""

import binascii
from base64 import b64decode

from shared.errors import InvalidParameterError


def sent_once(name: str, value: str) -> str:
    """Return the one value of a header whose values hold no commas; raise InvalidParameterError if there are more."""
    if "," not in value:
        return value
    values = {part.strip() for part in value.split(",")}
    if len(values) > 1:
        raise InvalidParameterError(f"the header '{name}' was sent more than once, with different values")
    return values.pop()


def halved(value: str) -> str | None:
    """Return the half of a value that is twice the same; it may be meant as it is where values may hold commas."""
    length = (len(value) - 1) // 2
    half = value[:length]
    return half if half and value[length:] in {f",{half}", f", {half}"} else None


def bearer_token(authorization: str) -> str | None:
    """Return the token of a header Authorization, "" if it has none, None if its scheme is another."""
    return _of_scheme("bearer", authorization)


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Return name and password of a header Authorization, empty if it has none, None if its scheme is another."""
    encoded = _of_scheme("basic", authorization)
    if encoded is None:
        return None
    try:
        raw = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return "", ""
    try:
        text = raw.decode()
    except UnicodeDecodeError:  # as older clients write it
        text = raw.decode("latin-1")
    name, _, password = text.partition(":")
    return name, password


def _of_scheme(wanted: str, authorization: str) -> str | None:
    scheme, *_ = authorization.split(None, 1) or [""]
    if scheme.lower() != wanted:
        return None
    _, *value = sent_once("Authorization", authorization).split(None, 1)
    return value[0].strip() if value else ""
