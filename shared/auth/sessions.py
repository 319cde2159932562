"""Sessions: refresh tokens, stored as hashes, that access tokens are made of until they are revoked."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from bson import json_util
from bson.objectid import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from shared import settings
from shared.auth import accounts, custom_data, keys, tokens, users
from shared.auth.users import ANONYMOUS, User
from shared.errors import InvalidSessionError
from shared.mongo import clients as mongo

SESSIONS = "sessions"
"""The collection of {_id, user_id, hash, provider_type, key_id, created, expires}; `expires` has a TTL index.

A session that an API key began has its `key_id`, and is of no use when the key is not.
"""

_DEVICE = "000000000000000000000000"
_MOST_CACHED = 10_000
_LONGEST_USER_DATA = 4_000  # characters: a token travels in a header
_REFUSED = "invalid session"


class Tokens(msgspec.Struct, frozen=True):
    """What a login answers."""

    access_token: str
    refresh_token: str
    user_id: str
    device_id: str

    def __repr__(self) -> str:
        """Name the user, never the tokens."""
        return f"Tokens(user_id={self.user_id!r})"


class _Known(NamedTuple):
    expires: float
    user: User
    custom_data: Mapping[str, Any] | None


_cache: dict[bytes, _Known] = {}


async def make_indexes() -> None:
    """Let MongoDB drop what has expired, and find a token by its hash."""
    await _sessions().create_index("expires", expireAfterSeconds=0)
    await _sessions().create_index("hash", unique=True)
    await _sessions().create_index("user_id")
    await _sessions().create_index("key_id", sparse=True)


async def start(user: User, provider_type: str, key_id: str = "") -> Tokens:
    """Log a user in; with an API key, the session ends with the key."""
    await make_indexes()
    identity = next((each for each in user.identities if each["provider_type"] == provider_type), {})
    session_id = ObjectId()
    claims = {
        "baas_id": str(session_id), "baas_data": None, "stitch_data": None,
        "baas_identity": {"id": identity.get("id", ""), "provider_type": provider_type,
                          "provider_id": identity.get("provider_id", "")},
    }  # fmt: skip
    seconds = tokens.ANONYMOUS_SECONDS if provider_type == ANONYMOUS else tokens.REFRESH_SECONDS
    refresh_token = tokens.issue("refresh", user.id, claims, seconds)
    now = datetime.now(UTC)
    await _sessions().insert_one({
        "_id": session_id, "user_id": ObjectId(user.id), "hash": _hash(refresh_token), "provider_type": provider_type,
        "created": now, "expires": now + timedelta(seconds=seconds),
        **({"key_id": ObjectId(key_id)} if key_id else {}),
    })  # fmt: skip
    return Tokens(await _access_token(user, key_id), refresh_token, user.id, _DEVICE)


async def renewed(access_token: str) -> str:
    """Return a new access token of the user whose token this is, who has changed."""
    user, claims = await _of_access(access_token)
    return await _access_token(user, claims.get("key_id", ""))


async def refreshed(refresh_token: str) -> tuple[User, str]:
    """Return whose refresh token this is, with a new access token; raise InvalidSessionError if it is nobody's."""
    user, key_id = await _of_refresh(refresh_token)
    return user, await _access_token(user, key_id)


def domain() -> str:
    """Return the id that stands for the app in tokens and profiles."""
    return tokens.domain()


async def user_of_refresh(refresh_token: str) -> User:
    """Return whose refresh token this is; raise InvalidSessionError if it is nobody's any more."""
    return (await _of_refresh(refresh_token))[0]


async def _of_refresh(refresh_token: str) -> tuple[User, str]:
    claims = tokens.verified("refresh", refresh_token)
    stored = await _sessions().find_one({"hash": _hash(refresh_token)})
    if stored is None or str(stored["user_id"]) != claims["sub"]:
        raise InvalidSessionError(_REFUSED)
    key_id = str(stored.get("key_id", ""))
    user = await _holder(claims["sub"], key_id)
    _refuse_ended(user, stored["created"].replace(tzinfo=UTC).timestamp())  # its own removal may have failed
    return user, key_id


async def _holder(user_id: str, key_id: str) -> User:
    """Return who may use a token; raise InvalidSessionError if the user or the key that began the session is gone."""
    if key_id == user_id:
        user = await accounts.server(key_id)
    elif key_id and await keys.working(key_id) is None:
        user = None
    else:
        user = await users.find(user_id)
    if user is None or user.disabled:
        raise InvalidSessionError(_REFUSED)
    return user


async def user_of_access(access_token: str) -> tuple[User, Mapping[str, Any] | None]:
    """Return whose access token this is, and the custom data as they were when it was issued.

    What is found is kept for AUTH_CACHE_SECONDS, after which a user who was disabled or deleted is found to be.
    """
    key = sha256(access_token.encode(errors="surrogateescape")).digest()
    known = _cache.get(key)
    now = time.time()
    if known is not None and known.expires > now:
        return known.user, known.custom_data
    _cache.pop(key, None)
    user, claims = await _of_access(access_token)
    data = None if claims.get("user_data") is None else json_util.loads(claims["user_data"])
    if claims.get("user_data_omitted"):
        with mongo.driver_call():
            data = await custom_data.of(user.id)
    if len(_cache) >= _MOST_CACHED:
        _cache.clear()
    _cache[key] = _Known(min(now + settings.current().auth_cache_seconds, claims["exp"]), user, data)
    return user, data


async def holder(access_token: str) -> User:
    """Return the same user as MongoDB knows it now: what changes an account asks no cache."""
    return (await _of_access(access_token))[0]


async def _of_access(access_token: str) -> tuple[User, dict[str, Any]]:
    claims = tokens.verified("access", access_token)
    with mongo.driver_call():
        user = await _holder(claims["sub"], claims.get("key_id", ""))
    _refuse_ended(user, claims["iat"])
    return user, claims


def _refuse_ended(user: User, issued: float) -> None:
    """Raise InvalidSessionError for what a user was given before all of it was revoked; seconds are compared."""
    if user.revoked is not None and issued < int(user.revoked.replace(tzinfo=UTC).timestamp()):
        raise InvalidSessionError(_REFUSED)


async def end(refresh_token: str) -> None:
    """Log out: the refresh token is of no use any more; access tokens made of it run out by themselves."""
    tokens.verified("refresh", refresh_token)
    result = await _sessions().delete_one({"hash": _hash(refresh_token)})
    if not result.deleted_count:
        raise InvalidSessionError(_REFUSED)


async def revoke(user_id: str) -> int:
    """End all sessions of a user, with the access tokens that are out, and return how many there were."""
    await users.revoke_tokens(user_id)
    return (await _sessions().delete_many({"user_id": ObjectId(user_id)})).deleted_count


async def end_key(stored: Mapping[str, Any]) -> None:
    """Forget an API key that was disabled or deleted, and end all sessions that it began."""
    await _sessions().delete_many({"key_id": stored["_id"]})
    await keys.revoked(stored["hash"])


def forget_cached_sessions() -> None:
    """Make the next use of every access token look its user up again."""
    _cache.clear()


async def _access_token(user: User, key_id: str) -> str:
    claims: dict[str, Any] = {"key_id": key_id} if key_id else {}
    data = await custom_data.of(user.id)
    if data is not None:
        text = json_util.dumps(data)
        claims |= {"user_data": text} if len(text) <= _LONGEST_USER_DATA else {"user_data_omitted": True}
    return tokens.issue("access", user.id, claims, tokens.ACCESS_SECONDS)


def _sessions() -> AsyncCollection[dict[str, Any]]:
    return mongo.control_database()[SESSIONS]


def _hash(token: str) -> str:
    return sha256(token.encode(errors="surrogateescape")).hexdigest()
