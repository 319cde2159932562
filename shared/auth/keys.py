"""API keys: made, stored and compared as SHA-256 hashes."""

import hmac
import time
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import msgspec
from bson.objectid import ObjectId

from shared import settings
from shared.auth.caller import Caller
from shared.cache import entries
from shared.errors import InvalidSessionError
from shared.mongo import clients as mongo

API_KEYS = "api_keys"
"""The control database's collection of {_id, name, hash, created, disabled, system, user_id}; hash is unique.

A key with a `user_id` acts as that user; one with `system` is bound by no rules; any other is a user by itself.
"""

_KEY_BYTES = 48  # 384 random bits, 64 characters like Atlas's keys
_MOST_CACHED = 10_000
_cache: dict[str, tuple[float, Caller | str]] = {}
_ENTRY = "key"  # the purpose of an entry in the store


class _Key(msgspec.Struct):
    """What is known of a key that works."""

    id: str
    name: str
    system: bool
    user_id: str | None


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
        found, seconds = await _found(hashed)
        owner = found.user_id or _caller(found)
        if len(_cache) >= _MOST_CACHED:
            _cache.clear()
        _cache[hashed] = time.monotonic() + seconds, owner
    return owner


async def revoked(hashed: str) -> None:
    """Forget a key by its hash, in this process and in the store; other processes do within AUTH_CACHE_SECONDS."""
    _cache.pop(hashed, None)
    await entries.drop(_ENTRY, hashed)


async def _found(hashed: str) -> tuple[_Key, float]:
    """Return a key from the store, else from MongoDB, and for how many seconds it is trusted."""
    trusted = settings.current().auth_cache_seconds
    entry = await entries.load(_ENTRY, hashed)
    if entry is not None:
        return msgspec.msgpack.decode(entry.content, type=_Key), min(trusted, entry.seconds)
    found = await _stored(hashed)
    await entries.keep(_ENTRY, hashed, content=msgspec.msgpack.encode(found), seconds=trusted)
    return found, trusted


async def _stored(hashed: str) -> _Key:
    with mongo.driver_call():
        stored = await mongo.control_database()[API_KEYS].find_one({"hash": hashed, "disabled": False})
    if stored is None or not hmac.compare_digest(stored["hash"], hashed):
        _cache.pop(hashed, None)
        raise InvalidSessionError("invalid session: error finding user for endpoint")
    user_id = str(stored["user_id"]) if stored.get("user_id") else None
    return _Key(str(stored["_id"]), stored["name"], bool(stored.get("system")), user_id)


async def working(key_id: str) -> dict[str, Any] | None:
    """Return what is stored of a key that is there and not disabled; asked each time, so that it ends at once."""
    if not ObjectId.is_valid(key_id):
        return None
    return await mongo.control_database()[API_KEYS].find_one({"_id": ObjectId(key_id), "disabled": False})


async def stored_of(key: str) -> dict[str, Any] | None:
    """Return the same by the key itself."""
    return await mongo.control_database()[API_KEYS].find_one({"hash": _hash(key), "disabled": False})


def _caller(found: _Key) -> Caller:
    if found.system:
        return Caller(found.id, "system")
    identity = {"id": found.id, "provider_type": "api-key", "providerType": "api-key"}
    user = {"id": found.id, "type": "server", "data": {"name": found.name}, "identities": [identity]}
    return Caller(found.id, "server", user)


def _hash(key: str) -> str:
    return sha256(key.encode(errors="surrogateescape")).hexdigest()
