"""The id tokens of Google, Apple and Facebook: OpenID Connect, as each of them fills it in."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from shared import mail_server
from shared.app.model import APPLE, FACEBOOK, GOOGLE, OpenID
from shared.auth.issued_tokens import REFUSED, Subject, claims_of, header_of, refusing, subject_of
from shared.auth.key_sets import KeySets
from shared.errors import LoginRefusedError
from shared.settings import Settings

_ALGORITHM = "RS256"  # all three sign by it
_CLAIMS = ("exp", "iat", "iss", "aud", "sub")


class _Issuer(NamedTuple):
    names: frozenset[str]
    keys: str


_ISSUERS: Mapping[str, _Issuer] = {
    GOOGLE: _Issuer(
        frozenset({"https://accounts.google.com", "accounts.google.com"}),
        "https://www.googleapis.com/oauth2/v3/certs",
    ),
    APPLE: _Issuer(frozenset({"https://appleid.apple.com"}), "https://appleid.apple.com/auth/keys"),
    FACEBOOK: _Issuer(
        frozenset({"https://www.facebook.com", "https://limited.facebook.com", "https://facebook.com"}),
        "https://limited.facebook.com/.well-known/oauth/openid/jwks/",
    ),
}


class IdTokens:
    """Verifies the id tokens of the providers `oauth2-…`."""

    def __init__(self, settings: Settings, key_sets: KeySets) -> None:
        """Take how far the clocks of issuers may be off, and where their keys come from."""
        self._leeway = settings.jwt_leeway_seconds
        self._addresses = settings.jwks_urls
        self._key_sets = key_sets

    async def verified(self, token: str, provider_type: str, provider: OpenID, nonce: str = "") -> Subject:
        """Return whom a token speaks of; raise LoginRefusedError for one that is not this provider's and app's.

        An e-mail address counts only where the issuer says that it is verified.
        """
        issuer = _ISSUERS[provider_type]
        with refusing():
            header = header_of(token, _ALGORITHM)
            address = self._addresses.get(provider_type, issuer.keys)
            key = await self._key_sets.key(address, str(header.get("kid", "")), _ALGORITHM)
            claims = claims_of(token, [] if key is None else [key], _ALGORITHM, self._leeway, _CLAIMS)
            if (
                claims["iss"] not in issuer.names
                or not _is_meant(claims["aud"], provider)
                or (nonce and not _has_nonce(claims.get("nonce"), nonce))
            ):
                raise LoginRefusedError(REFUSED)
            if not _is_verified(claims):
                claims.pop("email", None)
            if provider.domains and provider.domains.isdisjoint(_domains(claims, provider_type)):
                raise LoginRefusedError(REFUSED)
            return subject_of(claims, provider.metadata_fields)


def _is_meant(audience: Any, provider: OpenID) -> bool:
    """Tell whether a token was issued for the app's clients alone."""
    listed = audience if isinstance(audience, list) else [audience]
    return bool(listed) and all(isinstance(each, str) and each in provider.client_ids for each in listed)


def _has_nonce(claimed: Any, nonce: str) -> bool:
    """Compare a nonce as it is, or hashed, as programs on Apple's devices put it into the token."""
    if not isinstance(claimed, str):
        return False
    given = claimed.encode(errors="surrogatepass")
    raw = nonce.encode(errors="surrogatepass")
    return hmac.compare_digest(given, raw) or hmac.compare_digest(given, sha256(raw).hexdigest().encode())


def _is_verified(claims: Mapping[str, Any]) -> bool:
    return claims.get("email_verified") in (True, "true") and isinstance(claims.get("email"), str)


def _domains(claims: Mapping[str, Any], provider_type: str) -> set[str]:
    """Return the domains that a user belongs to.

    Google vouches for an address of its own and for those of an organization that it hosts, which `hd` says; another
    one was verified once, and may be somebody else's by now.
    """
    hosted = claims.get("hd")
    domain = str(claims.get("email", "")).rpartition("@")[2].lower()
    found = {hosted.lower()} if isinstance(hosted, str) else set()
    if domain and (provider_type != GOOGLE or found or domain in mail_server.GOOGLE):
        found.add(domain)
    return found
