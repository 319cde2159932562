"""Access and refresh tokens: JWTs that this deployment signs."""

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from bson.objectid import ObjectId

from shared.errors import InvalidSessionError, Unavailable, UnavailableError
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.app.exported import ExportedApp

type Kind = Literal["access", "refresh"]

ACCESS_SECONDS = 30 * 60
REFRESH_SECONDS = 60 * 24 * 60 * 60
ANONYMOUS_SECONDS = 90 * 24 * 60 * 60  # as long as the account lives
_ALGORITHM = "HS256"
_LONGEST = 100_000
DEVICE = "000000000000000000000000"
"""The id of the device that every session has: clients expect one."""


class Tokens:
    """Signs and verifies the tokens of a deployment."""

    def __init__(self, settings: Settings, exported: "ExportedApp") -> None:
        """Take the secret, and the app that names the issuer."""
        self._settings = settings
        self._exported = exported

    @property
    def domain(self) -> str:
        """An id that stands for the app in tokens and profiles, in the shape that clients know."""
        return str(ObjectId(sha256(f"app {self._exported.app_id}".encode()).digest()[:12]))

    def issue(self, kind: Kind, user_id: str, claims: Mapping[str, Any], seconds: int) -> str:
        """Return a signed token of a user for so many seconds; raise UnavailableError without SESSION_SECRET."""
        import jwt  # noqa: PLC0415  only the process that logs somebody in pays for it

        now = int(time.time())
        issuer = self.domain
        common = {
            "sub": user_id, "typ": kind, "iat": now, "exp": now + seconds, "iss": issuer, "baas_device_id": DEVICE,
            "baas_domain_id": issuer, "stitch_devId": DEVICE, "stitch_domainId": issuer,
        }  # fmt: skip
        return jwt.encode({**common, **claims}, self._key(), algorithm=_ALGORITHM)

    def verified(self, kind: Kind, token: str) -> dict[str, Any]:
        """Return the claims of a token of this deployment that has not expired; else raise InvalidSessionError."""
        import jwt  # noqa: PLC0415

        if len(token) > _LONGEST or not self._settings.session_secret:
            raise InvalidSessionError("invalid session")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(),
                algorithms=[_ALGORITHM],
                issuer=self.domain,
                options={"require": ["exp", "iat", "sub", "typ"]},
            )
        except (jwt.PyJWTError, ValueError, ArithmeticError, RecursionError):  # not even text, or JSON of any depth
            raise InvalidSessionError("invalid session") from None
        if claims["typ"] != kind:
            raise InvalidSessionError("invalid session")
        return claims

    def _key(self) -> bytes:
        """Return the key of this deployment's tokens, apart from anything else that the secret may be used for."""
        secret = self._settings.session_secret
        if not secret:
            advice = "set SESSION_SECRET to 32 random characters or more"
            raise UnavailableError(Unavailable.LOGINS_NOT_CONFIGURED, advice)
        return hmac.new(secret.encode(), b"dozen session tokens", sha256).digest()
