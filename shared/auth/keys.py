"""API keys: made, stored and compared as SHA-256 hashes."""

import hmac
import time
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from bson.objectid import ObjectId

from shared import mongo, settings
from shared.auth.caller import Caller
from shared.errors import InvalidSessionError

API_KEYS = "api_keys"
"""The control database's collection of {_id, name, hash, created, disabled, system, user_id}; hash is unique.

A key with a `user_id` acts as that user; one with `system` is bound by no rules; any other is a user by itself.
"""

_KEY_BYTES = 48  # 384 random bits, 64 characters like Atlas's keys
_MOST_CACHED = 10_000
_cache: dict[str, tuple[float, Caller | str]] = {}


def new_key(name: str, *, system: bool = False, user_id: ObjectId | None = None) -> tuple[str, dict[str, object]]:
    """Return a key, to be shown once, and the document that is stored in its place."""
    key = token_urlsafe(_KEY_BYTES)
    stored: dict[str, object] = {
        "_id": ObjectId(), "name": name, "hash": _hash(key), "created": datetime.now(UTC), "disabled": False,
        "system": system, "user_id": user_id,
    }  # fmt: skip
    return key, stored


def forget_cached_keys() -> None:
    """Make the next call of every key look it up again."""
    _cache.clear()


async def owner_of(key: str) -> Caller | str:
    """Return the caller that a key is, or the id of the user that it acts as; raise InvalidSessionError for neither."""
    hashed = _hash(key)
    expires, owner = _cache.get(hashed, (0.0, None))
    if owner is None or expires < time.monotonic():
        owner = await _stored_owner(hashed)
        if len(_cache) >= _MOST_CACHED:
            _cache.clear()
        _cache[hashed] = time.monotonic() + settings.current().auth_cache_seconds, owner
    return owner


async def _stored_owner(hashed: str) -> Caller | str:
    with mongo.driver_call():
        stored = await mongo.control_database()[API_KEYS].find_one({"hash": hashed, "disabled": False})
    if stored is None or not hmac.compare_digest(stored["hash"], hashed):
        _cache.pop(hashed, None)
        raise InvalidSessionError("invalid session: error finding user for endpoint")
    return str(stored["user_id"]) if stored.get("user_id") else _caller(stored)


async def working(key_id: str) -> dict[str, Any] | None:
    """Return what is stored of a key that is there and not disabled; asked each time, so that it ends at once."""
    if not ObjectId.is_valid(key_id):
        return None
    return await mongo.control_database()[API_KEYS].find_one({"_id": ObjectId(key_id), "disabled": False})


async def stored_of(key: str) -> dict[str, Any] | None:
    """Return the same by the key itself."""
    return await mongo.control_database()[API_KEYS].find_one({"hash": _hash(key), "disabled": False})


def _caller(stored: dict[str, Any]) -> Caller:
    key_id = str(stored["_id"])
    if stored.get("system"):
        return Caller(key_id, "system")
    identity = {"id": key_id, "provider_type": "api-key", "providerType": "api-key"}
    user = {"id": key_id, "type": "server", "data": {"name": stored["name"]}, "identities": [identity]}
    return Caller(key_id, "server", user)


def _hash(key: str) -> str:
    return sha256(key.encode(errors="surrogateescape")).hexdigest()
