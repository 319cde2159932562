"""JWTs of another issuer, such as Microsoft Entra ID: the provider `custom-token`."""

from typing import Any

from shared.app.model import CustomToken
from shared.auth.issued_tokens import REFUSED, Subject, claims_of, header_of, refusing, subject_of
from shared.auth.key_sets import KeySets
from shared.errors import LoginRefusedError
from shared.settings import Settings


class CustomJWT:
    """Verifies the tokens of the issuer that the app names."""

    def __init__(self, settings: Settings, key_sets: KeySets) -> None:
        """Take how far the clocks of issuers may be off, and where published keys come from."""
        self._leeway = settings.jwt_leeway_seconds
        self._key_sets = key_sets

    async def verified(self, token: str, provider: CustomToken, app_id: str) -> Subject:
        """Return whom a token speaks of; raise LoginRefusedError for one that the provider's settings do not let in."""
        with refusing():
            header = header_of(token, provider.algorithm)
            keys: list[Any] = list(provider.signing_keys)
            if provider.jwk_uri:
                kid = str(header.get("kid", ""))
                key = await self._key_sets.key(provider.jwk_uri, kid, provider.algorithm)
                keys = [] if key is None else [key]
            claims = claims_of(token, keys, provider.algorithm, self._leeway)
            if not (_is_meant(claims.get("aud"), provider, app_id) and _is_issued(claims.get("iss"), provider)):
                raise LoginRefusedError(REFUSED)
            subject = subject_of(claims, provider.metadata_fields)
            kept = {each.target for each in provider.metadata_fields}
            return subject._replace(unsaid=frozenset(kept - subject.data.keys()))


def _is_meant(audience: Any, provider: CustomToken, app_id: str) -> bool:
    listed = audience if isinstance(audience, list) else [audience]
    given = {each for each in listed if isinstance(each, str)}
    wanted = set(provider.audience) or {app_id}
    return bool(wanted & given) if provider.require_any_audience else wanted <= given


def _is_issued(issuer: Any, provider: CustomToken) -> bool:
    """Tell whether a token names an issuer of the app's: one set of keys may be that of several."""
    return not provider.issuers or issuer in provider.issuers
