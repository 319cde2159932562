"""The users of the app, in the control database."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson.errors import InvalidId
from bson.objectid import ObjectId
from pymongo.errors import DuplicateKeyError

from shared.auth.accounts import User
from shared.auth.passwords import Passwords
from shared.auth.printable import is_printable
from shared.errors import BadRequestError, LoginRefusedError, NameInUseError
from shared.mongo.control import USERS, Control

ANONYMOUS, EMAIL_PASSWORD = "anon-user", "local-userpass"
ANONYMOUS_LIFE = timedelta(days=90)
_ADDRESS = re.compile(r"[^\s@\x00]+@[^\s@\x00]+")
_LONGEST_ADDRESS, _LONGEST_NAME = 254, 128


class Users:
    """The users of a deployment."""

    def __init__(self, control: Control, passwords: Passwords) -> None:
        """Take where they are stored, and who hashes their passwords."""
        self._control = control
        self._passwords = passwords

    async def find(self, user_id: str) -> User | None:
        """Return a user by id."""
        try:
            return stored_user(await self._control.users.find_one({"_id": ObjectId(user_id)}))
        except InvalidId:
            return None

    async def by_identity(self, provider_type: str, identity: str) -> User | None:
        """Return the user whom a provider knows by this id."""
        match = {"$elemMatch": {"provider_type": provider_type, "id": identity}}
        return stored_user(await self._control.users.find_one({"identities": match}))

    async def by_email(self, email: str) -> User | None:
        """Return the user with an e-mail address; its letters' case counts."""
        return await self.by_identity(EMAIL_PASSWORD, email)

    async def register(self, email: str, password: str, *, confirmed: bool, pending: bool = False) -> User:
        """Make a user with a name and a password; raise BadRequestError for unusable ones, NameInUseError.

        The name is an e-mail address where one has to be confirmed, else any text. One who is `pending` may be linked
        to another user until the first login.
        """
        if not is_printable(email) or not (_is_address(email) or (confirmed and 0 < len(email) <= _LONGEST_NAME)):
            raise BadRequestError("email invalid")
        stored = _new(EMAIL_PASSWORD, email, {"email": email})
        stored |= {"password": await self._passwords.hashed(password), "confirmed": confirmed, "pending": pending}
        await self._control.ensure_indexes(USERS)
        try:
            return await self._insert(stored)
        except DuplicateKeyError:
            raise NameInUseError("name already in use") from None

    async def create(self, provider_type: str, identity: str, data: Mapping[str, Any]) -> User:
        """Make the user whom a provider knows by this id; if another call was first, return that one."""
        stored = _new(provider_type, identity, data)
        if provider_type == ANONYMOUS:
            stored["expires"] = stored["created"] + ANONYMOUS_LIFE
        await self._control.ensure_indexes(USERS)
        try:
            return await self._insert(stored)
        except DuplicateKeyError:
            found = await self.by_identity(provider_type, identity)
            if found is None:
                raise
            return found

    async def claim(self, user: User) -> None:
        """Take a registration as the user's own at the first login; raise LoginRefusedError if it was linked."""
        result = await self._control.users.update_one({"_id": ObjectId(user.id)}, {"$unset": {"pending": ""}})
        if not result.matched_count:
            raise LoginRefusedError("unauthorized")

    async def set_data(self, user_id: str, data: Mapping[str, Any]) -> None:
        """Replace what a provider says of a user."""
        await self._control.users.update_one({"_id": ObjectId(user_id)}, {"$set": {"data": dict(data)}})

    async def set_password(self, user_id: str, password: str) -> None:
        """Give a user another password; raise BadRequestError for one that is too short or too long."""
        await self.set_password_hash(user_id, await self.password_hash(password))

    async def password_hash(self, password: str) -> str:
        """Return what is stored of a password; raise BadRequestError for one that is too short or too long."""
        return await self._passwords.hashed(password)

    async def set_password_hash(self, user_id: str, hashed: str) -> None:
        """Store a password's hash, which ends all tokens; who can choose a password has confirmed the address."""
        await self._change(user_id, {"password": hashed, "confirmed": True, "revoked": datetime.now(UTC)})

    async def confirm(self, user_id: str) -> None:
        """Take a user's e-mail address as confirmed."""
        await self._change(user_id, {"confirmed": True})

    async def disable(self, user_id: str) -> bool:
        """Keep a user out; return whether there is one."""
        return await self._change(user_id, {"disabled": True})

    async def enable(self, user_id: str) -> bool:
        """Let a user in again; return whether there is one."""
        return await self._change(user_id, {"disabled": False})

    async def revoke_tokens(self, user_id: str) -> None:
        """Make the access tokens useless that a user has now."""
        await self._change(user_id, {"revoked": datetime.now(UTC)})

    async def delete(self, user_id: str) -> bool:
        """Remove a user for good; return whether there was one."""
        try:
            return (await self._control.users.delete_one({"_id": ObjectId(user_id)})).deleted_count == 1
        except InvalidId:
            return False

    async def every(self) -> list[User]:
        """Return all users, the oldest first."""
        return [user async for each in self._control.users.find().sort("_id") if (user := stored_user(each))]

    async def _change(self, user_id: str, members: Mapping[str, Any]) -> bool:
        try:
            result = await self._control.users.update_one({"_id": ObjectId(user_id)}, {"$set": dict(members)})
        except InvalidId:
            return False
        return result.matched_count == 1

    async def _insert(self, stored: dict[str, Any]) -> User:
        await self._control.users.insert_one(stored)
        made = stored_user(stored)
        assert made is not None  # noqa: S101  for the type checker
        return made


def _is_address(email: str) -> bool:
    return len(email) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(email) is not None


def _new(provider_type: str, identity: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_id": ObjectId(), "type": "normal", "identities": [identity_of(provider_type, identity)], "data": dict(data),
        "disabled": False, "confirmed": True, "created": datetime.now(UTC),
    }  # fmt: skip


def identity_of(provider_type: str, identity: str) -> dict[str, Any]:
    """Return what is stored of an identity."""
    return {"id": identity, "provider_type": provider_type, "provider_id": str(ObjectId())}


def stored_user(stored: dict[str, Any] | None) -> User | None:
    """Return the user who is stored so, None for who is over."""
    if stored is None or _is_over(stored):
        return None
    return User(
        id=str(stored["_id"]),
        identities=stored["identities"],
        data=stored["data"],
        disabled=stored["disabled"],
        confirmed=stored["confirmed"],
        pending=stored.get("pending", False),
        password=stored.get("password"),
        created=stored["created"],
        revoked=stored.get("revoked"),
    )


def _is_over(stored: Mapping[str, Any]) -> bool:
    """Tell whether an anonymous user's days are over: TTL indexes work once a minute."""
    return "expires" in stored and stored["expires"].replace(tzinfo=UTC) <= datetime.now(UTC)


def with_data(user: User, data: dict[str, Any]) -> User:
    """Return a user with other data."""
    return msgspec.structs.replace(user, data=data)
