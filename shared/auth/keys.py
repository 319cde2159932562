"""API keys: made, stored and compared as SHA-256 hashes."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import msgspec
from bson.objectid import ObjectId
from pymongo.errors import DuplicateKeyError

from shared.auth.accounts import Caller, User, server_key
from shared.auth.printable import is_printable
from shared.auth.user_view import caller
from shared.auth.verified import Finding, Verified
from shared.cache.entries import Entries
from shared.errors import BadRequestError, InvalidSessionError
from shared.mongo.control import API_KEYS, Control
from shared.settings import Settings

MOST_OF_USER = 20
"""How many API keys a user may have."""

_KEY_BYTES = 48  # 384 random bits, 64 characters like Atlas's keys
_ENTRY = "key"  # the purpose of an entry in the store


class _Key(msgspec.Struct):
    """What is cached of a key that works."""

    id: str
    name: str
    system: bool
    user_id: str | None


class Keys:
    """The API keys of a deployment."""

    def __init__(self, control: Control, entries: Entries, settings: Settings) -> None:
        """Take where keys are stored, and where what is known of them is cached."""
        self._control = control
        self._entries = entries
        self._settings = settings
        self._owners: Verified[str, Caller | str] = Verified()

    async def create(
        self, name: str, *, system: bool = False, user_id: ObjectId | None = None, key_id: ObjectId | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Store a key; return it, as it is this once, and the document that is stored in its place.

        Raise BadRequestError for a name that does not show what it is, and for an id that another key has.
        """
        if not is_printable(name):
            raise BadRequestError("a key's name must not hold control characters")
        key, stored = new_key(name, system=system, user_id=user_id)
        stored |= {} if key_id is None else {"_id": key_id}
        await self._control.ensure_indexes(API_KEYS)
        try:
            await self._control.api_keys.insert_one(stored)
        except DuplicateKeyError:
            raise BadRequestError(f"there is a key {stored['_id']} already") from None
        return key, stored

    async def owner_of(self, key: str) -> Caller | str:
        """Return the caller that a key is by itself, or the id of the user that it acts as.

        Raise InvalidSessionError for neither. The same object is returned while it is cached.
        """
        hashed = _hash(key)
        owner = self._owners.get(hashed)
        return owner or await self._owners.find(hashed, partial(self._found, hashed))

    async def working(self, key_id: str) -> dict[str, Any] | None:
        """Return what is stored of a key that is not disabled; not cached, so that the key ends at once."""
        if not ObjectId.is_valid(key_id):
            return None
        return await self._control.api_keys.find_one({"_id": ObjectId(key_id), "disabled": False})

    async def stored_of(self, key: str) -> dict[str, Any] | None:
        """Return what is stored of a key that is not disabled, by the key itself."""
        return await self._control.api_keys.find_one({"hash": _hash(key), "disabled": False})

    async def server_user(self, key_id: str) -> User | None:
        """Return the user that a working key is by itself; None if there is none, or it is another kind of key."""
        stored = await self.working(key_id)
        return None if stored is None or stored.get("system") or stored.get("user_id") else as_user(stored)

    async def find(self, chosen: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is stored of a key, such as {_id, user_id}; disabled ones too."""
        return await self._control.api_keys.find_one(chosen)

    async def stored(self, chosen: Mapping[str, Any], *, by: Sequence[str] = ("_id",)) -> list[dict[str, Any]]:
        """Return what is stored of keys, without their hashes, in the order of these members."""
        return await self._control.api_keys.find(chosen, {"hash": 0}).sort([(name, 1) for name in by]).to_list()

    async def is_full(self, user_id: ObjectId) -> bool:
        """Tell whether a user has as many keys as a user may have."""
        return await self._control.api_keys.count_documents({"user_id": user_id}, limit=MOST_OF_USER) >= MOST_OF_USER

    async def set_disabled(self, chosen: Mapping[str, Any], disabled: bool) -> dict[str, Any] | None:
        """Disable or enable a key; return what was stored, None if there is no such key."""
        return await self._control.api_keys.find_one_and_update(chosen, {"$set": {"disabled": disabled}})

    async def delete(self, chosen: Mapping[str, Any]) -> dict[str, Any] | None:
        """Delete a key; return what was stored, None if there is no such key."""
        return await self._control.api_keys.find_one_and_delete(chosen)

    async def drop_cached(self, hashed: str) -> None:
        """Drop a key by its hash from the caches of this process and of the store; others do in AUTH_CACHE_SECONDS."""
        self._owners.drop(hashed)
        await self._entries.drop(_ENTRY, hashed)

    async def _found(self, hashed: str) -> Finding[Caller | str]:
        """Return whose a key is, from the store, else from MongoDB."""
        trusted = self._settings.auth_cache_seconds
        entry = await self._entries.get(_ENTRY, hashed)
        if entry is not None:
            return Finding(_owner(msgspec.msgpack.decode(entry.content, type=_Key)), min(trusted, entry.seconds))
        found = await self._stored(hashed)
        await self._entries.put(_ENTRY, hashed, content=msgspec.msgpack.encode(found), seconds=trusted)
        return Finding(_owner(found), trusted)

    async def _stored(self, hashed: str) -> _Key:
        stored = await self._control.api_keys.find_one({"hash": hashed, "disabled": False})
        if stored is None or not hmac.compare_digest(stored["hash"], hashed):
            raise InvalidSessionError("invalid session: error finding user for endpoint")
        user_id = str(stored["user_id"]) if stored.get("user_id") else None
        return _Key(str(stored["_id"]), stored["name"], bool(stored.get("system")), user_id)


def new_key(name: str, *, system: bool = False, user_id: ObjectId | None = None) -> tuple[str, dict[str, Any]]:
    """Return a key and the document that stands for it in the control database."""
    key = token_urlsafe(_KEY_BYTES)
    stored: dict[str, Any] = {
        "_id": ObjectId(), "name": name, "hash": _hash(key), "created": datetime.now(UTC), "disabled": False,
        "system": system, "user_id": user_id,
    }  # fmt: skip
    return key, stored


def as_user(stored: Mapping[str, Any]) -> User:
    """Return the user that a server key is, of what is stored of the key."""
    return server_key(str(stored["_id"]), stored["name"], stored.get("created"))


def _owner(key: _Key) -> Caller | str:
    """Return the id of the user that a key acts as, else the caller that it is by itself."""
    if key.user_id:
        return key.user_id
    return Caller(key.id, "system") if key.system else caller(server_key(key.id, key.name), None)


def _hash(key: str) -> str:
    return sha256(key.encode(errors="surrogateescape")).hexdigest()
