"""API keys: made, stored and compared as SHA-256 hashes."""

import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from math import inf
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

import msgspec
from bson.objectid import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.auth import quota as quotas
from shared.auth.accounts import Caller, User, server_key
from shared.auth.printable import is_printable
from shared.auth.quota import Limit, Quota
from shared.auth.user_view import caller
from shared.auth.verified import Finding, Verified
from shared.cache.entries import Entries
from shared.errors import BadRequestError, InvalidSessionError
from shared.mongo.control import API_KEYS, Control
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.auth.key_uses import KeyUses

MOST_OF_USER = 20
"""How many API keys a user may have."""

_KEY_BYTES = 48  # 384 random bits, 64 characters like Atlas's keys
_LONGEST_NAME = 100  # characters
_ENTRY = "key"  # the purpose of an entry in the store
_NOBODY = "invalid session: error finding user for endpoint"


class _Key(msgspec.Struct):
    """What is cached of a key that works."""

    id: str
    name: str
    system: bool
    user_id: str | None
    ends: float = inf  # by time.time
    limits: tuple[Limit, ...] = ()


class Acting(msgspec.Struct, frozen=True):
    """The user that a key acts as, and how much the key may do."""

    user_id: str
    quota: Quota | None = None


class More(TypedDict, total=False):
    """What is said of some keys only: an id of old, when the key ends, who made it, how much it may do."""

    key_id: ObjectId | None
    expires: datetime | None
    made_by: str
    limits: Sequence[Limit]


class Rotated(NamedTuple):
    """A key with its new secret, as it is this once; what was stored and is now, and when the old secret ends."""

    key: str
    before: dict[str, Any]
    after: dict[str, Any]
    ends: datetime


class Keys:
    """The API keys of a deployment."""

    def __init__(self, control: Control, entries: Entries, uses: "KeyUses", settings: Settings) -> None:
        """Take where keys are stored, where what is known of them is cached, and where their use is noted."""
        self._control = control
        self._entries = entries
        self._uses = uses
        self._settings = settings
        self._owners: Verified[str, Caller | Acting] = Verified(time.time)

    async def create(
        self,
        name: str,
        *,
        system: bool = False,
        user_id: ObjectId | None = None,
        **more: Unpack[More],
    ) -> tuple[str, dict[str, Any]]:
        """Store a key; return it, as it is this once, and the document that is stored in its place.

        Raise BadRequestError for a name that does not show what it is, and for an id that another key has.
        """
        made_by, key_id, expires = more.get("made_by", ""), more.get("key_id"), more.get("expires")
        limits = more.get("limits", ())
        if not is_printable(name) or not is_printable(made_by):
            raise BadRequestError("a key's name must not hold control characters")
        if not name.strip() or len(name) > _LONGEST_NAME:
            raise BadRequestError(f"a key's name has 1 to {_LONGEST_NAME} characters that can be seen")
        key, stored = new_key(name, system=system, user_id=user_id)
        stored |= {} if key_id is None else {"_id": key_id}
        stored |= ({} if expires is None else {"expires": expires}) | ({"made_by": made_by} if made_by else {})
        stored |= {"quota": quotas.stored(limits)} if limits else {}
        await self._control.ensure_indexes(API_KEYS)
        try:
            await self._control.api_keys.insert_one(stored)
        except DuplicateKeyError:
            raise BadRequestError(f"there is a key {stored['_id']} already") from None
        return key, stored

    async def owner_of(self, key: str) -> Caller | Acting:
        """Return the caller that a key is by itself, or the user that it acts as.

        Raise InvalidSessionError for neither. The same object is returned while it is cached.
        """
        hashed = _hash(key)
        owner = self._owners.get(hashed)
        return owner or await self._owners.find(hashed, partial(self._found, hashed))

    async def working(self, key_id: str, secret: str = "") -> dict[str, Any] | None:
        """Return what is stored of a key that works; not cached, so that the key ends at once.

        With the mark of a secret it must be one that the key has, or had and still counts.
        """
        if not ObjectId.is_valid(key_id):
            return None
        stored = await self._control.api_keys.find_one({"_id": ObjectId(key_id), **_works()})
        if stored is None or not secret:
            return stored
        return stored if secret in map(mark_of, (stored, *_going_on(stored, datetime.now(UTC)))) else None

    async def stored_of(self, key: str) -> dict[str, Any] | None:
        """Return what is stored of a key that works, by the key itself; it is a use of it."""
        stored = await self._by_hash(_hash(key))
        if stored is not None:
            self._uses.note(str(stored["_id"]))
        return stored

    async def server_user(self, key_id: str, secret: str = "") -> User | None:
        """Return the user that a working key is by itself; None if there is none, or it is another kind of key."""
        stored = await self.working(key_id, secret)
        return None if stored is None or stored.get("system") or stored.get("user_id") else as_user(stored)

    async def find(self, chosen: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is stored of a key, such as {_id, user_id}; disabled ones too."""
        return await self._control.api_keys.find_one(chosen)

    async def stored(self, chosen: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what is stored of keys, without their hashes, the oldest first."""
        return await self._control.api_keys.find(chosen, {"hash": 0, "former.hash": 0}).sort("_id").to_list()

    async def is_full(self, user_id: ObjectId) -> bool:
        """Tell whether a user has as many keys as a user may have."""
        return await self._control.api_keys.count_documents({"user_id": user_id}, limit=MOST_OF_USER) >= MOST_OF_USER

    async def set_disabled(self, chosen: Mapping[str, Any], disabled: bool) -> dict[str, Any] | None:
        """Disable or enable a key; return what was stored, None if there is no such key."""
        return await self._control.api_keys.find_one_and_update(chosen, {"$set": {"disabled": disabled}})

    async def set_limits(self, key_id: ObjectId, limits: Sequence[Limit]) -> dict[str, Any] | None:
        """Give a key these limits instead of those that it had; return what is stored, None if there is no such key."""
        change = {"$set": {"quota": quotas.stored(limits)}} if limits else {"$unset": {"quota": ""}}
        return await self._control.api_keys.find_one_and_update(
            {"_id": key_id}, change, return_document=ReturnDocument.AFTER
        )

    async def quota_of(self, key_id: ObjectId | str | None) -> Quota | None:
        """Return how much a key may do that works; None for no key, and for any without a limit."""
        stored = None if key_id is None else await self.working(str(key_id))
        return None if stored is None else quotas.of_key(stored)

    async def rotate(self, key_id: ObjectId, keep: timedelta) -> Rotated | None:
        """Give a key another secret, while the one that it has goes on for so long; None if there is no such key.

        Without a time all that it had end at once.
        """
        await self._control.ensure_indexes(API_KEYS)
        keys = self._control.api_keys
        while (before := await keys.find_one({"_id": key_id})) is not None:
            key, now = token_urlsafe(_KEY_BYTES), datetime.now(UTC)
            former = [*_going_on(before, now), {"hash": before["hash"], "expires": now + keep}] if keep else []
            changed = {"hash": _hash(key), "former": former}
            if (await keys.update_one({"_id": key_id, "hash": before["hash"]}, {"$set": changed})).matched_count:
                return Rotated(key, before, before | changed, now + keep)
        return None

    async def delete(self, chosen: Mapping[str, Any]) -> dict[str, Any] | None:
        """Delete a key; return what was stored, None if there is no such key."""
        return await self._control.api_keys.find_one_and_delete(chosen)

    async def drop_cached(self, stored: Mapping[str, Any]) -> None:
        """Drop a key from the caches of this process and of the store; others do in AUTH_CACHE_SECONDS."""
        for each in (stored, *stored.get("former", ())):
            self._owners.drop(each["hash"])
            await self._entries.drop(_ENTRY, each["hash"])

    async def _found(self, hashed: str) -> Finding[Caller | Acting]:
        """Return whose a key is, from the store, else from MongoDB."""
        trusted = self._settings.auth_cache_seconds
        entry = await self._entries.get(_ENTRY, hashed)
        if entry is not None:
            found, trusted = msgspec.msgpack.decode(entry.content, type=_Key), min(trusted, entry.seconds)
        else:
            found = await self._stored(hashed)
            seconds = min(trusted, found.ends - time.time())
            await self._entries.put(_ENTRY, hashed, content=msgspec.msgpack.encode(found), seconds=seconds)
        left = found.ends - time.time()
        if left <= 0:
            raise InvalidSessionError(_NOBODY)
        self._uses.note(found.id)
        return Finding(_owner(found), min(trusted, left), left)

    async def _stored(self, hashed: str) -> _Key:
        stored = await self._by_hash(hashed)
        if stored is None or not hmac.compare_digest(stored["hash"], hashed):
            raise InvalidSessionError(_NOBODY)
        user_id = str(stored["user_id"]) if stored.get("user_id") else None
        end = end_of(stored)
        ends = inf if end is None else end.timestamp()
        quota = quotas.of_key(stored)
        limits = () if quota is None else quota.limits
        return _Key(str(stored["_id"]), stored["name"], bool(stored.get("system")), user_id, ends, limits)

    async def _by_hash(self, hashed: str) -> dict[str, Any] | None:
        """Return what is stored of a key that works by this secret, whose hash and end it has then."""
        stored = await self._control.api_keys.find_one({"hash": hashed, **_works()})
        if stored is not None:
            return stored
        now = datetime.now(UTC)
        chosen = {"former": {"$elemMatch": {"hash": hashed, "expires": {"$gt": now}}}, **_works()}
        stored = await self._control.api_keys.find_one(chosen)
        if stored is None:
            return None
        [former] = [each for each in stored["former"] if each["hash"] == hashed]
        ends = min(former["expires"], stored.get("expires") or former["expires"])
        return {**stored, **former, "expires": ends}


def new_key(name: str, *, system: bool = False, user_id: ObjectId | None = None) -> tuple[str, dict[str, Any]]:
    """Return a key and the document that stands for it in the control database."""
    key = token_urlsafe(_KEY_BYTES)
    stored: dict[str, Any] = {
        "_id": ObjectId(), "name": name, "hash": _hash(key), "created": datetime.now(UTC), "disabled": False,
        "system": system, "user_id": user_id,
    }  # fmt: skip
    return key, stored


def mark_of(stored: Mapping[str, Any]) -> str:
    """Return what tells the secret of a key from others that it has or had, and tells nothing of it."""
    return _hash(stored["hash"])[:16]


def end_of(stored: Mapping[str, Any]) -> datetime | None:
    """Return when a key ends, of what is stored of it; None if it does not end by itself."""
    expires: datetime | None = stored.get("expires")
    return None if expires is None else expires.replace(tzinfo=UTC)


def has_ended(stored: Mapping[str, Any]) -> bool:
    """Tell whether a key is over, of what is stored of it."""
    end = end_of(stored)
    return end is not None and end <= datetime.now(UTC)


def former_ends(stored: Mapping[str, Any]) -> list[datetime]:
    """Return when the secrets end which a key had before and which still count."""
    return sorted(end for each in _going_on(stored, datetime.now(UTC)) if (end := end_of(each)))


def as_user(stored: Mapping[str, Any]) -> User:
    """Return the user that a server key is, of what is stored of the key."""
    return server_key(str(stored["_id"]), stored["name"], stored.get("created"))


def _going_on(stored: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    return [each for each in stored.get("former", ()) if each["expires"].replace(tzinfo=UTC) > now]


def _works() -> dict[str, Any]:
    """Return what is true of what is stored of a key that works now."""
    return {"disabled": False, "expires": {"$not": {"$lte": datetime.now(UTC)}}}


def _owner(key: _Key) -> Caller | Acting:
    """Return the user that a key acts as, else the caller that it is by itself."""
    quota = Quota(key.id, key.limits) if key.limits else None
    if key.user_id:
        return Acting(key.user_id, quota)
    owner = Caller(key.id, "system") if key.system else caller(server_key(key.id, key.name), None)
    return msgspec.structs.replace(owner, quota=quota)


def _hash(key: str) -> str:
    return sha256(key.encode(errors="surrogateescape")).hexdigest()
