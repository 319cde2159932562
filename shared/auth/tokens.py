"""Access and refresh tokens: JWTs that this deployment signs."""

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

from bson.objectid import ObjectId

from shared import app, settings
from shared.errors import InvalidSessionError, UnavailableError

type Kind = Literal["access", "refresh"]

ACCESS_SECONDS = 30 * 60
REFRESH_SECONDS = 60 * 24 * 60 * 60
ANONYMOUS_SECONDS = 90 * 24 * 60 * 60  # as long as the account lives
_ALGORITHM = "HS256"
_LONGEST = 100_000
_DEVICE = "000000000000000000000000"


def issue(kind: Kind, user_id: str, claims: Mapping[str, Any], seconds: int) -> str:
    """Return a signed token of a user for so many seconds; raise UnavailableError without SESSION_SECRET."""
    import jwt  # noqa: PLC0415  only the process that logs somebody in pays for it

    now = int(time.time())
    issuer = domain()
    common = {
        "sub": user_id, "typ": kind, "iat": now, "exp": now + seconds, "iss": issuer, "baas_device_id": _DEVICE,
        "baas_domain_id": issuer, "stitch_devId": _DEVICE, "stitch_domainId": issuer,
    }  # fmt: skip
    return jwt.encode({**common, **claims}, _key(), algorithm=_ALGORITHM)


def verified(kind: Kind, token: str) -> dict[str, Any]:
    """Return the claims of a token of this deployment's; raise InvalidSessionError for any other, or an expired one."""
    import jwt  # noqa: PLC0415

    if len(token) > _LONGEST or not settings.current().session_secret:
        raise InvalidSessionError("invalid session")
    try:
        claims: dict[str, Any] = jwt.decode(
            token, _key(), algorithms=[_ALGORITHM], issuer=domain(), options={"require": ["exp", "iat", "sub", "typ"]}
        )
    except (jwt.PyJWTError, ValueError, ArithmeticError, RecursionError):  # not even text, or JSON of any depth
        raise InvalidSessionError("invalid session") from None
    if claims["typ"] != kind:
        raise InvalidSessionError("invalid session")
    return claims


def _key() -> bytes:
    """Return the key of this deployment's tokens, apart from anything else that the secret may be used for."""
    secret = settings.current().session_secret
    if not secret:
        raise UnavailableError("logins are not configured: set SESSION_SECRET to 32 random characters or more")
    return hmac.new(secret.encode(), b"dozen session tokens", sha256).digest()


def domain() -> str:
    """Return an id that stands for the app, in the shape that clients know."""
    known = app.current()
    name = settings.current().app_id or (known.app_id if known else "")
    return str(ObjectId(sha256(f"app {name}".encode()).digest()[:12]))
