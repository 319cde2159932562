"""Credentials of a request -> its Caller; API keys are stored and compared as SHA-256 hashes."""

import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_urlsafe

import msgspec
from bson.objectid import ObjectId

from shared import mongo, settings
from shared.errors import InvalidParameterError, InvalidSessionError, MissingParameterError

API_KEYS = "api_keys"
"""The control database's collection of {_id, name, hash, created, disabled}; hash is unique."""

_KEY_BYTES = 48  # 384 random bits, 64 characters like Atlas's keys
_MOST_CACHED = 10_000
_KEY_HEADERS = ("apikey", "api-key")


class Caller(msgspec.Struct, frozen=True):
    """Who is calling: the id of the API key, as the log shows it."""

    id: str


_cache: dict[str, tuple[float, Caller]] = {}


def new_key(name: str) -> tuple[str, dict[str, object]]:
    """Return a key, to be shown once, and the document that is stored in its place."""
    key = token_urlsafe(_KEY_BYTES)
    stored = {
        "_id": ObjectId(), "name": name, "hash": _hash(key), "created": datetime.now(UTC), "disabled": False,
    }  # fmt: skip
    return key, stored


async def authenticate(headers: Mapping[str, str]) -> Caller:
    """Return the caller named by a request's credentials. A Bearer token decides alone and never falls through."""
    if "authorization" in headers and headers["authorization"].lower().split(None, 1)[:1] == ["bearer"]:
        raise InvalidSessionError("invalid session")
    for header in _KEY_HEADERS:
        if header in headers and (key := headers[header]):
            return await _key_owner(key)
    if (headers.get("email") and headers.get("password")) or headers.get("jwttokenstring"):
        raise InvalidSessionError("invalid session: error finding user for endpoint")
    if headers.get("email") or headers.get("password"):
        raise MissingParameterError(
            "must specify some form of authentication (either email+password, api-key, or jwt) "
            "in the request header or body"
        )
    raise InvalidParameterError("no authentication methods were specified")


def forget_cached_keys() -> None:
    """Make the next call of every key look it up again."""
    _cache.clear()


async def _key_owner(key: str) -> Caller:
    hashed = _hash(key)
    expires, caller = _cache.get(hashed, (0.0, None))
    if caller is None or expires < time.monotonic():
        caller = await _stored_owner(hashed)
        if len(_cache) >= _MOST_CACHED:
            _cache.clear()
        _cache[hashed] = time.monotonic() + settings.current().auth_cache_seconds, caller
    return caller


async def _stored_owner(hashed: str) -> Caller:
    async with mongo.driver_call():
        stored = await mongo.control_database()[API_KEYS].find_one({"hash": hashed, "disabled": False})
    if stored is None or not hmac.compare_digest(stored["hash"], hashed):
        _cache.pop(hashed, None)
        raise InvalidSessionError("invalid session: error finding user for endpoint")
    return Caller(str(stored["_id"]))


def _hash(key: str) -> str:
    return sha256(key.encode(errors="surrogateescape")).hexdigest()
