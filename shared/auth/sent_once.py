"""The value of a credential's header: hosts join the values of one that was sent more than once by commas (pure)."""

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
    scheme, *_ = authorization.split(None, 1) or [""]
    if scheme.lower() != "bearer":
        return None
    _, *token = sent_once("Authorization", authorization).split(None, 1)
    return token[0].strip() if token else ""
