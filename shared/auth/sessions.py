"""Sessions: refresh tokens, stored as hashes, that access tokens are made of until they are revoked."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import bson
import msgspec
from bson import json_util
from bson.objectid import ObjectId
from msgspec import structs

from shared.auth.accounts import Caller, LoginKey, User
from shared.auth.custom_data import CustomData
from shared.auth.keys import Keys, Rotated
from shared.auth.tokens import ACCESS_SECONDS, ANONYMOUS_SECONDS, DEVICE, REFRESH_SECONDS, Tokens
from shared.auth.user_events import Effect, UserEvents, Witness
from shared.auth.user_view import caller
from shared.auth.users import ANONYMOUS, Users
from shared.auth.verified import Finding, Verified
from shared.documents import ejson
from shared.documents.elements import decoded
from shared.errors import InvalidJSONError, InvalidSessionError
from shared.mongo.control import SESSIONS, Control
from shared.mongo.deadlines import Session
from shared.settings import Settings

_LONGEST_USER_DATA = 4_000  # characters: a token travels in a header
_OF_USER_DATA = frozenset({"user_data", "user_data_omitted"})
_REFUSED = "invalid session"
_LIVING_SECONDS = 1.0  # for which one answer does for all who ask whether a session goes on


class Login(msgspec.Struct, frozen=True):
    """The reply to a login."""

    access_token: str
    refresh_token: str
    user_id: str
    device_id: str

    def __repr__(self) -> str:
        """Name the user, never the tokens."""
        return f"Login(user_id={self.user_id!r})"


class Accounts(NamedTuple):
    """Who may have a session: users and keys, and what the app's own database has of them."""

    users: Users
    keys: Keys
    custom_data: CustomData


class Sessions:
    """The sessions of a deployment."""

    def __init__(
        self, control: Control, settings: Settings, tokens: Tokens, events: UserEvents, holders: Accounts
    ) -> None:
        """Take where sessions are stored, who may have one, and what triggers are told of logins by."""
        self._control = control
        self._settings = settings
        self._tokens = tokens
        self._events = events
        self._users, self._keys, self._custom_data = holders
        self._callers: Verified[bytes, Caller] = Verified(time.time)  # by the hash of their access token
        self._living: Verified[ObjectId, Caller] = Verified()  # by the id of their session

    async def start(
        self, user: User, provider_type: str, key: LoginKey | None = None, witness: Witness | None = None
    ) -> Login:
        """Log a user in; with an API key, the session ends with the key."""
        follow = partial(self._events.follow, "LOGIN", provider_type, witness=witness)
        return await self._started(user, provider_type, key, follow)

    async def _started(
        self, user: User, provider_type: str, key: LoginKey | None, begin: Callable[[Effect], Awaitable[object]]
    ) -> Login:
        await self._control.ensure_indexes(SESSIONS)
        identity = next((each for each in user.identities if each["provider_type"] == provider_type), {})
        session_id = ObjectId()
        claims = {
            "baas_id": str(session_id), "baas_data": None, "stitch_data": None,
            "baas_identity": {"id": identity.get("id", ""), "provider_type": provider_type,
                              "provider_id": identity.get("provider_id", "")},
        }  # fmt: skip
        seconds = ANONYMOUS_SECONDS if provider_type == ANONYMOUS else REFRESH_SECONDS
        refresh_token = self._tokens.issue("refresh", user.id, claims, seconds)
        now = datetime.now(UTC)
        expires = now + timedelta(seconds=seconds)
        if key is not None and key.ends is not None:
            expires = min(expires, key.ends)
        stored = {
            "_id": session_id, "user_id": ObjectId(user.id), "hash": _hash(refresh_token),
            "provider_type": provider_type, "created": now, "expires": expires, "revocations": user.revocations,
            **({} if key is None else {"key_id": ObjectId(key.id), "secret": key.secret}),
        }  # fmt: skip

        async def insert(session: Session | None) -> User:
            await self._control.sessions.insert_one(stored, session=session)
            return user

        await begin(insert)
        return Login(await self._access_token(user, stored), refresh_token, user.id, DEVICE)

    async def caller(self, access_token: str) -> Caller:
        """Return whose access token this is, with the custom data as they were when it was issued.

        The same object is returned for AUTH_CACHE_SECONDS, after which a user who was disabled or deleted is refused.
        """
        key = sha256(access_token.encode(errors="surrogateescape")).digest()
        return self._callers.get(key) or await self._callers.find(key, partial(self._found, access_token))

    async def _found(self, access_token: str) -> Finding[Caller]:
        now = time.time()  # what is found may be as old as this
        user, claims = await self._of_access(access_token)
        data: Mapping[str, Any] | None = _told(claims)
        if data is None and not claims.keys().isdisjoint(_OF_USER_DATA):
            data = await self._custom_data.of(user.id)
        found = structs.replace(caller(user, data), quota=await self._keys.quota_of(claims.get("key_id")))
        left = claims["exp"] - time.time()
        trusted = min(now + self._settings.auth_cache_seconds - time.time(), left)
        return Finding(found, trusted, left)

    def session_of(self, access_token: str) -> ObjectId:
        """Return the session that an access token belongs to; raise InvalidSessionError for a token of none."""
        session_id = self._tokens.verified("access", access_token).get("baas_id")
        if session_id is None:  # of an earlier release: clients fetch another by themselves
            raise InvalidSessionError(_REFUSED)
        return ObjectId(session_id)

    async def living(self, session_id: ObjectId) -> Caller:
        """Return whose session this is, with the custom data of now; raise InvalidSessionError when it has ended.

        It goes on when the access token expires by which it was known.
        """
        return self._living.get(session_id) or await self._living.find(
            session_id, partial(self._found_living, session_id)
        )

    async def _found_living(self, session_id: ObjectId) -> Finding[Caller]:
        stored = await self._control.sessions.find_one({"_id": session_id, "expires": {"$gt": datetime.now(UTC)}})
        if stored is None:
            raise InvalidSessionError(_REFUSED)
        user = await self._of_stored(stored)
        owner = caller(user, await self._custom_data.of(user.id))
        owner = structs.replace(owner, quota=await self._keys.quota_of(stored.get("key_id")))
        left = _seconds_until(stored["expires"])
        return Finding(owner, min(_LIVING_SECONDS, left), left)

    async def user_of_access(self, access_token: str) -> User:
        """Return the user of an access token as MongoDB has it now: what changes an account asks no cache."""
        return (await self._of_access(access_token))[0]

    async def user_of_refresh(self, refresh_token: str) -> User:
        """Return whose refresh token this is; raise InvalidSessionError if it is nobody's any more."""
        return await self._of_stored(await self._stored(refresh_token))

    async def refreshed(self, refresh_token: str) -> tuple[User, str]:
        """Return whose refresh token this is, with a new access token; raise InvalidSessionError if it is nobody's."""
        stored = await self._stored(refresh_token)
        user = await self._of_stored(stored)
        return user, await self._access_token(user, stored)

    async def linked(self, access_token: str, provider_type: str) -> Login:
        """Begin another session of the user whose token this is, who has got an identity of this provider.

        Where an API key began the first one, the other one ends no later.
        """
        user, claims = await self._of_access(access_token)
        key = None
        if "key_id" in claims:
            first = await self._control.sessions.find_one({"_id": ObjectId(claims["baas_id"])})
            if first is None:
                raise InvalidSessionError(_REFUSED)
            key = LoginKey(claims["key_id"], first["expires"].replace(tzinfo=UTC), claims.get("secret", ""))
        return await self._started(user, provider_type, key, lambda effect: effect(None))

    async def end(self, refresh_token: str) -> None:
        """Log out: the refresh token is of no use any more; access tokens made of it run out by themselves."""
        self._tokens.verified("refresh", refresh_token)
        result = await self._control.sessions.delete_one({"hash": _hash(refresh_token)})
        if not result.deleted_count:
            raise InvalidSessionError("failed to find refresh token")  # an SDK takes this very text for logged out

    async def revoke(self, user_id: str) -> int:
        """End all sessions of a user, with the access tokens that are out, and return how many there were."""
        await self._users.revoke_tokens(user_id)
        return (await self._control.sessions.delete_many({"user_id": ObjectId(user_id)})).deleted_count

    async def count(self, user_id: ObjectId) -> int:
        """Return how many sessions a user has that go on."""
        return await self._control.sessions.count_documents(going_on(user_id))

    async def end_key(self, stored: Mapping[str, Any]) -> None:
        """End all sessions that an API key began which was disabled or deleted, and drop the key from the caches."""
        await self._control.sessions.delete_many({"key_id": stored["_id"]})
        await self._keys.drop_cached(stored)

    async def end_secret(self, rotated: Rotated) -> None:
        """End all sessions that an API key began when the secret ends that it had; drop the key from the caches."""
        chosen = {"key_id": rotated.before["_id"]}
        await self._control.sessions.update_many(chosen, {"$min": {"expires": rotated.ends}})
        await self._keys.drop_cached(rotated.before)

    async def _stored(self, refresh_token: str) -> dict[str, Any]:
        """Return the session of a refresh token, which may end before the token does."""
        claims = self._tokens.verified("refresh", refresh_token)
        chosen = {"hash": _hash(refresh_token), "expires": {"$gt": datetime.now(UTC)}}
        stored = await self._control.sessions.find_one(chosen)
        if stored is None or str(stored["user_id"]) != claims["sub"]:
            raise InvalidSessionError(_REFUSED)
        return stored

    async def _of_stored(self, stored: Mapping[str, Any]) -> User:
        """Return the user of a session."""
        user = await self._account(str(stored["user_id"]), stored)
        _refuse_ended(user, stored, stored["created"].replace(tzinfo=UTC).timestamp())  # its removal may have failed
        return user

    async def _of_access(self, access_token: str) -> tuple[User, dict[str, Any]]:
        """Return the user of an access token, and its claims."""
        claims = self._tokens.verified("access", access_token)
        user = await self._account(claims["sub"], claims)
        _refuse_ended(user, claims, claims["iat"])
        return user, claims

    async def _account(self, user_id: str, begun: Mapping[str, Any]) -> User:
        """Return who may use a token; raise InvalidSessionError if the user or the key that began it is gone."""
        key_id, secret = str(begun.get("key_id", "")), begun.get("secret", "")
        if key_id == user_id:
            user = await self._keys.server_user(key_id, secret)
        elif key_id and await self._keys.working(key_id, secret) is None:
            user = None
        else:
            user = await self._users.find(user_id)
        if user is None or user.disabled:
            raise InvalidSessionError(_REFUSED)
        return user

    async def _access_token(self, user: User, session: Mapping[str, Any]) -> str:
        claims: dict[str, Any] = {"baas_id": str(session["_id"]), "revocations": user.revocations}
        if "key_id" in session:
            claims |= {"key_id": str(session["key_id"]), "secret": session.get("secret", "")}
        data = await self._custom_data.of(user.id)
        if data is not None:
            text = json_util.dumps(data)
            is_short = len(text) <= _LONGEST_USER_DATA
            claims |= {"user_data": json.loads(text)} if is_short else {"user_data_omitted": True}
            if is_short and _told(claims) != data:
                claims["user_data_inexact"] = True
        seconds = min(ACCESS_SECONDS, int(_seconds_until(session["expires"])))
        return self._tokens.issue("access", user.id, claims, seconds)


def going_on(user_id: ObjectId) -> dict[str, Any]:
    """Return what is true of the sessions of a user that have not ended."""
    return {"user_id": user_id, "expires": {"$gt": datetime.now(UTC)}}


def _told(claims: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the custom data that a token has, None where they may be others than MongoDB has.

    Names of their own that begin with $ are read as wrappers of Extended JSON, by SDKs as here.
    """
    given = claims.get("user_data")
    if type(given) is not dict or "user_data_inexact" in claims:  # a token of 0.1.0 has a text, for half an hour
        return None
    try:
        return decoded(bson.encode(ejson.loads(json.dumps(given).encode())))
    except InvalidJSONError:
        return None


def _seconds_until(moment: datetime) -> float:
    return (moment.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()


def _refuse_ended(user: User, begun: Mapping[str, Any], issued: float) -> None:
    """Raise InvalidSessionError for what began before all of the user's tokens were revoked.

    The number of times decides, which a login under way has from before. What an earlier release has written has
    none: there seconds are compared.
    """
    is_before = user.revoked is not None and issued < int(user.revoked.replace(tzinfo=UTC).timestamp())
    if is_before or begun.get("revocations", 0) != user.revocations:
        raise InvalidSessionError(_REFUSED)


def _hash(token: str) -> str:
    return sha256(token.encode(errors="surrogateescape")).hexdigest()
