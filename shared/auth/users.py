"""The users of the app, in the control database."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from bson.errors import InvalidId
from bson.objectid import ObjectId
from pymongo.errors import DuplicateKeyError

from shared.auth.accounts import User
from shared.auth.passwords import Passwords
from shared.auth.printable import is_printable
from shared.errors import BadRequestError, LoginRefusedError, NameInUseError
from shared.mongo.control import USERS, Control
from shared.mongo.deadlines import Session

if TYPE_CHECKING:
    from shared.auth.user_events import UserEvents, Witness

ANONYMOUS, EMAIL_PASSWORD = "anon-user", "local-userpass"
ANONYMOUS_LIFE = timedelta(days=90)
_ADDRESS = re.compile(r"[^\s@\x00]+@[^\s@\x00]+")
_LONGEST_ADDRESS, _LONGEST_NAME = 254, 128


class Users:
    """The users of a deployment."""

    def __init__(self, control: Control, passwords: Passwords, events: "UserEvents") -> None:
        """Take where they are stored, who hashes their passwords, and what triggers are told of them by."""
        self._control = control
        self._passwords = passwords
        self._events = events

    async def find(self, user_id: str) -> User | None:
        """Return a user by id."""
        try:
            return stored_user(await self._control.users.find_one({"_id": ObjectId(user_id)}))
        except InvalidId:
            return None

    async def by_identity(self, provider_type: str, identity: str) -> User | None:
        """Return the user whom a provider knows by this id."""
        match = of_identity(provider_type, identity)
        return stored_user(await self._control.users.find_one({"identities": match}))

    async def by_email(self, email: str) -> User | None:
        """Return the user with an e-mail address; its letters' case counts."""
        return await self.by_identity(EMAIL_PASSWORD, email)

    async def register(
        self,
        email: str,
        password: str,
        *,
        confirmed: bool,
        mailed: bool = False,
        pending: bool = False,
        user_id: ObjectId | None = None,
    ) -> User:
        """Make a user with a name and a password; raise BadRequestError for unusable ones, NameInUseError.

        The name is an e-mail address where mail is sent to it, else any text. One who is `pending` may be linked to
        another user until the first login.
        """
        if not is_name(email) or (mailed and not _is_address(email)):
            raise BadRequestError("email invalid")
        stored = _new(EMAIL_PASSWORD, email, {"email": email}) | ({} if user_id is None else {"_id": user_id})
        stored |= {"password": await self._passwords.hashed(password), "confirmed": confirmed}
        stored |= {"new": True, "pending": pending}
        await self._control.ensure_indexes(USERS)
        try:
            await self._control.users.insert_one(stored)
        except DuplicateKeyError:
            raise NameInUseError("name already in use") from None
        return read_user(stored)

    async def create(
        self, provider_type: str, identity: str, data: Mapping[str, Any], witness: "Witness | None" = None
    ) -> User:
        """Make the user whom a provider knows by this id; if another call was first, return that one."""
        stored = _new(provider_type, identity, data)
        if provider_type == ANONYMOUS:
            stored["expires"] = stored["created"] + ANONYMOUS_LIFE
        await self._control.ensure_indexes(USERS)
        made = read_user(stored)
        if witness is not None:
            await witness.creating(made)

        async def insert(session: Session | None) -> User:
            await self._control.users.insert_one(stored, session=session)
            return made

        try:
            await self._events.follow("CREATE", provider_type, insert, witness)
        except DuplicateKeyError:
            found = await self.by_identity(provider_type, identity)
            if found is None:
                raise
            return found
        return made

    async def adopt(self, stored: Mapping[str, Any]) -> bool:
        """Store a user of another deployment as it is; return False if the id or an identity is taken.

        The user is not new to the app, so no trigger is told.
        """
        await self._control.ensure_indexes(USERS)
        try:
            await self._control.users.insert_one(dict(stored))
        except DuplicateKeyError:
            return False
        return True

    async def sharing(self, stored: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what is stored of the users who have this one's id, or an identity of it."""
        named = [{"provider_type": each["provider_type"], "id": each["id"]} for each in stored["identities"]]
        same = [{"identities": {"$elemMatch": each}} for each in named]
        return await self._control.users.find({"$or": [{"_id": stored["_id"]}, *same]}).to_list()

    async def claim(self, user: User, witness: "Witness | None" = None) -> None:
        """Take a registration as the user's own at the first login.

        Raise LoginRefusedError if it was linked, disabled or given another password meanwhile: the app's function may
        have taken long.
        """
        if witness is not None:
            await witness.creating(user)

        async def claim(session: Session | None) -> User | None:
            same = {"_id": ObjectId(user.id), "disabled": False, "password": user.password}
            before = await self._control.users.find_one_and_update(
                same, {"$unset": {"new": "", "pending": ""}}, session=session
            )
            if before is None:
                raise LoginRefusedError("unauthorized")
            return user if _is_new(before) else None  # two logins at once: one was first

        await self._events.follow("CREATE", EMAIL_PASSWORD, claim, witness)

    async def set_data(self, user_id: str, data: Mapping[str, Any]) -> None:
        """Replace what a provider says of a user."""
        await self._control.users.update_one({"_id": ObjectId(user_id)}, {"$set": {"data": dict(data)}})

    async def set_password(self, user_id: str, password: str) -> None:
        """Give a user another password; raise BadRequestError for one that is too short or too long."""
        await self.set_password_hash(user_id, await self.password_hash(password))

    async def password_hash(self, password: str) -> str:
        """Return what is stored of a password; raise BadRequestError for one that is too short or too long."""
        return await self._passwords.hashed(password)

    async def set_password_hash(self, user_id: str, hashed: str, *, confirms: bool = True) -> None:
        """Store a password's hash, which ends all tokens; who was sent a token for it has confirmed the address."""
        await self._change(user_id, {"password": hashed} | ({"confirmed": True} if confirms else {}), ends_tokens=True)

    async def confirm(self, user_id: str) -> bool:
        """Take a user's e-mail address as confirmed; return whether there is one."""
        return await self._change(user_id, {"confirmed": True})

    async def withdraw(self, user_id: str) -> None:
        """Remove a registration that was not confirmed."""
        await self._control.users.delete_one({"_id": ObjectId(user_id), "confirmed": False})

    async def disable(self, user_id: str) -> bool:
        """Keep a user out; return whether there is one."""
        return await self._change(user_id, {"disabled": True})

    async def enable(self, user_id: str) -> bool:
        """Let a user in again; return whether there is one."""
        return await self._change(user_id, {"disabled": False})

    async def revoke_tokens(self, user_id: str) -> None:
        """Make the access tokens useless that a user has now."""
        await self._change(user_id, {}, ends_tokens=True)

    async def delete(self, user_id: str, witness: "Witness | None" = None) -> bool:
        """Remove a user for good; return whether there was one."""
        deleted = None

        async def delete(session: Session | None) -> User | None:
            nonlocal deleted
            deleted = await self._control.users.find_one_and_delete({"_id": ObjectId(user_id)}, session=session)
            return None if deleted is None or _is_new(deleted) else read_user(deleted)

        try:
            await self._events.follow("DELETE", None, delete, witness)
        except InvalidId:
            return False
        return deleted is not None

    async def _change(self, user_id: str, members: Mapping[str, Any], *, ends_tokens: bool = False) -> bool:
        changes: dict[str, Any] = {"$set": dict(members)}
        if ends_tokens:
            changes = {"$set": {**members, "revoked": datetime.now(UTC)}, "$inc": {"revocations": 1}}
        try:
            result = await self._control.users.update_one({"_id": ObjectId(user_id)}, changes)
        except InvalidId:
            return False
        return result.matched_count == 1


def is_name(name: str) -> bool:
    """Tell whether a text may be the name that goes with a password: an e-mail address, or any that is short."""
    return is_printable(name) and (_is_address(name) or 0 < len(name) <= _LONGEST_NAME)


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


def of_identity(provider_type: str, identity: str) -> dict[str, Any]:
    """Return what is true of the identities of the user whom a provider knows by this id."""
    return {"$elemMatch": {"provider_type": provider_type, "id": identity}}


def stored_user(stored: dict[str, Any] | None) -> User | None:
    """Return the user who is stored so, None for who is over."""
    return None if stored is None or _is_over(stored) else read_user(stored)


def read_user(stored: Mapping[str, Any]) -> User:
    """Return the user who is stored so."""
    return User(
        id=str(stored["_id"]),
        identities=stored["identities"],
        data=stored["data"],
        disabled=stored["disabled"],
        confirmed=stored["confirmed"],
        new=_is_new(stored),
        pending=stored.get("pending", False),
        password=stored.get("password"),
        created=stored["created"],
        revoked=stored.get("revoked"),
        revocations=stored.get("revocations", 0),
    )


def _is_new(stored: Mapping[str, Any]) -> bool:
    """Tell whether a user never logged in; who registered with an earlier release is only pending."""
    return bool(stored.get("new", stored.get("pending", False)))


def _is_over(stored: Mapping[str, Any]) -> bool:
    """Tell whether an anonymous user's days are over: TTL indexes work once a minute."""
    return "expires" in stored and stored["expires"].replace(tzinfo=UTC) <= datetime.now(UTC)


def with_data(user: User, data: dict[str, Any]) -> User:
    """Return a user with other data."""
    return msgspec.structs.replace(user, data=data)
