"""JWTs of another issuer, such as Microsoft Entra ID: the provider `custom-token`."""

import asyncio
import time
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

import bson
import orjson
from bson.errors import BSONError

from shared.app.model import CustomToken
from shared.auth.printable import is_printable
from shared.errors import LoginRefusedError, Unavailable, UnavailableError
from shared.rules.values import MISSING, walk
from shared.settings import Settings

LONGEST = 1_000_000
_LARGEST_METADATA = 4_096  # bytes of BSON
_LARGEST_KEY_SET = 1024 * 1024
_FETCH_SECONDS = 5.0
_BETWEEN_FETCHES = 60.0  # however many tokens name a key that is not there
_AFTER_FAILURE = 5.0  # an issuer that is away is not asked by every token that comes
_REFUSED = "unauthorized"


class Subject(NamedTuple):
    """Whom a token speaks of: the id that its issuer knows, and what the app keeps of it."""

    id: str
    data: dict[str, Any]


class _KeySet(NamedTuple):
    fetched: float
    keys: Mapping[str, Any]


class CustomJWT:
    """Verifies the tokens of other issuers; the sets of keys that they publish are cached."""

    def __init__(self, settings: Settings) -> None:
        """Take how far the clocks of issuers may be off, and know no keys yet."""
        self._leeway = settings.jwt_leeway_seconds
        self._key_sets: dict[str, _KeySet] = {}  # by the address that the app names
        self._failed: dict[str, float] = {}
        self._fetching: dict[str, asyncio.Lock] = {}

    async def verified(self, token: str, provider: CustomToken, app_id: str) -> Subject:
        """Return whom a token speaks of; raise LoginRefusedError for one that the provider's settings do not let in."""
        import jwt  # noqa: PLC0415  only the process that logs somebody in pays for it

        if len(token) > LONGEST:
            raise LoginRefusedError(_REFUSED)
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != provider.algorithm:  # the token does not choose how it is verified
                raise LoginRefusedError(_REFUSED)
            claims = await self._claims(token, header, provider)
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):  # claims may be any JSON
            raise LoginRefusedError(_REFUSED) from None
        if (
            not _is_meant(claims.get("aud"), provider, app_id)
            or not isinstance(claims["sub"], str)
            or not claims["sub"]
            or not is_printable(claims["sub"])
        ):
            raise LoginRefusedError(_REFUSED)
        return Subject(claims["sub"], _metadata(claims, provider))

    async def _claims(self, token: str, header: Mapping[str, Any], provider: CustomToken) -> dict[str, Any]:
        import jwt  # noqa: PLC0415

        keys: list[Any] = list(provider.signing_keys)
        if provider.jwk_uri:
            key = await self._published_key(provider.jwk_uri, str(header.get("kid", "")), provider.algorithm)
            keys = [] if key is None else [key]
        for key in keys:
            try:
                return dict(jwt.decode(
                    token, key, algorithms=[provider.algorithm], leeway=self._leeway,
                    options={"require": ["exp", "sub"], "verify_aud": False},
                ))  # fmt: skip
            except jwt.InvalidSignatureError:
                continue
        raise LoginRefusedError(_REFUSED)

    async def _published_key(self, uri: str, kid: str, algorithm: str) -> Any:
        """Return the key of an id; a set without it is fetched again, but seldom, and once for all who wait."""
        found = self._key_sets.get(uri)
        if found is None or (kid not in found.keys and found.fetched + _BETWEEN_FETCHES < time.monotonic()):
            async with self._fetching.setdefault(uri, asyncio.Lock()):
                found = self._key_sets.get(uri)
                if found is None or (kid not in found.keys and found.fetched + _BETWEEN_FETCHES < time.monotonic()):
                    if self._failed.get(uri, -_AFTER_FAILURE) + _AFTER_FAILURE > time.monotonic():
                        raise UnavailableError(Unavailable.NO_SIGNING_KEYS)
                    found = self._key_sets[uri] = await self._fetched(uri, algorithm)
        return found.keys.get(kid)

    async def _fetched(self, uri: str, algorithm: str) -> _KeySet:
        import jwt  # noqa: PLC0415

        try:
            text = await asyncio.to_thread(_get, uri)
            listed = list(orjson.loads(text)["keys"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._failed[uri] = time.monotonic()
            raise UnavailableError(Unavailable.NO_SIGNING_KEYS) from error
        keys: dict[str, Any] = {}
        for each in listed:
            try:
                keys[str(each.get("kid", ""))] = jwt.PyJWK(each, algorithm=algorithm).key
            except (jwt.PyJWTError, AttributeError, ValueError, TypeError):  # a key of a kind that is not used here
                continue
        return _KeySet(time.monotonic(), keys)


def _is_meant(audience: Any, provider: CustomToken, app_id: str) -> bool:
    listed = audience if isinstance(audience, list) else [audience]
    given = {each for each in listed if isinstance(each, str)}
    wanted = set(provider.audience) or {app_id}
    return bool(wanted & given) if provider.require_any_audience else wanted <= given


def _metadata(claims: Mapping[str, Any], provider: CustomToken) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for field in provider.metadata_fields:
        value = walk(dict(claims), field.path)
        if value is not MISSING:
            data[field.target] = value
        elif field.required:
            raise LoginRefusedError(_REFUSED)
    try:
        size = len(bson.encode(data))
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError):  # MongoDB cannot hold every JSON
        raise LoginRefusedError(_REFUSED) from None
    if size > _LARGEST_METADATA:
        raise LoginRefusedError(_REFUSED)
    return data


def _get(uri: str) -> bytes:
    with urllib.request.urlopen(uri, timeout=_FETCH_SECONDS) as response:  # noqa: S310  checked when the app is loaded
        text: bytes = response.read(_LARGEST_KEY_SET + 1)
    if len(text) > _LARGEST_KEY_SET:
        raise ValueError("the key set is too large")
    return text
