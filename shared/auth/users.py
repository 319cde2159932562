"""The users of the app, in the control database."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson.errors import InvalidId
from bson.objectid import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from shared.auth import passwords
from shared.errors import BadRequestError, LoginRefusedError, NameInUseError
from shared.mongo import clients as mongo

USERS = "users"
"""The collection of {_id, type, identities: [{id, provider_type, provider_id}], data, disabled, confirmed, password,
pending, expires, revoked}.

An identity is unique: `id` is the e-mail address, the subject of a token, or a random one of its own.
`pending` is true of who registered and never logged in: such an identity is nobody's yet.
`expires` has a TTL index, and only who is anonymous and nothing else has it.
Sessions and access tokens from before `revoked` are of no use.
"""

ANONYMOUS, EMAIL_PASSWORD = "anon-user", "local-userpass"
ANONYMOUS_LIFE = timedelta(days=90)
_ADDRESS = re.compile(r"[^\s@\x00]+@[^\s@\x00]+")
_LONGEST_ADDRESS = 254


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user; the password's hash is left out of what is printed."""

    id: str
    identities: list[dict[str, Any]]
    data: dict[str, Any]
    disabled: bool = False
    confirmed: bool = True
    pending: bool = False
    password: str | None = None
    created: datetime | None = None
    revoked: datetime | None = None
    type: str = "normal"

    def __repr__(self) -> str:
        """Name the user by id only."""
        return f"User(id={self.id!r})"

    def shown(self, custom_data: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what `%%user` shows; both spellings of an identity's provider are documented."""
        identities = [{**each, "providerType": each["provider_type"]} for each in self.identities]
        shown = {"id": self.id, "type": self.type, "data": self.data, "identities": identities}
        return shown if custom_data is None else shown | {"custom_data": dict(custom_data)}


def collection() -> AsyncCollection[dict[str, Any]]:
    """Return the collection of users."""
    return mongo.control_database()[USERS]


async def make_indexes() -> None:
    """Make identities unique; it costs little when they are."""
    await collection().create_index([("identities.provider_type", 1), ("identities.id", 1)], unique=True)
    await collection().create_index("expires", expireAfterSeconds=0)  # who has no such field stays


async def find(user_id: str) -> User | None:
    """Return a user by id."""
    try:
        return _user(await collection().find_one({"_id": ObjectId(user_id)}))
    except InvalidId:
        return None


async def by_identity(provider_type: str, identity: str) -> User | None:
    """Return the user whom a provider knows by this id."""
    match = {"$elemMatch": {"provider_type": provider_type, "id": identity}}
    return _user(await collection().find_one({"identities": match}))


async def by_email(email: str) -> User | None:
    """Return the user with an e-mail address; its letters' case counts."""
    return await by_identity(EMAIL_PASSWORD, email)


async def register(email: str, password: str, *, confirmed: bool, pending: bool = False) -> User:
    """Make a user with e-mail address and password; raise BadRequestError for unusable ones, NameInUseError.

    One who is `pending` may be linked to another user until the first login.
    """
    if len(email) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(email):
        raise BadRequestError("email invalid")
    stored = _new(EMAIL_PASSWORD, email, {"email": email})
    stored |= {"password": await passwords.hashed(password), "confirmed": confirmed, "pending": pending}
    try:
        return await _insert(stored)
    except DuplicateKeyError:
        raise NameInUseError("name already in use") from None


async def create(provider_type: str, identity: str, data: Mapping[str, Any]) -> User:
    """Make the user whom a provider knows by this id; if another call was first, return that one."""
    stored = _new(provider_type, identity, data)
    if provider_type == ANONYMOUS:
        stored["expires"] = stored["created"] + ANONYMOUS_LIFE
    try:
        return await _insert(stored)
    except DuplicateKeyError:
        found = await by_identity(provider_type, identity)
        if found is None:
            raise
        return found


async def link(user_id: str, provider_type: str, identity: str, data: Mapping[str, Any]) -> None:
    """Add an identity to a user; raise LoginRefusedError if it is somebody else's."""
    try:
        await _link(user_id, _identity(provider_type, identity), data, {}, None)
    except DuplicateKeyError:
        raise LoginRefusedError("unauthorized") from None


async def link_registered(user_id: str, registered: User) -> None:
    """Make a registration that nobody has logged in with another identity of a user, with its password.

    Raise LoginRefusedError if somebody was first, BadRequestError if the user has an address already.
    """

    async def move(session: AsyncClientSession) -> None:
        # gone before it comes: identities are unique
        stored = await collection().find_one_and_delete(
            {"_id": ObjectId(registered.id), "pending": True, "disabled": False, "confirmed": True}, session=session
        )
        if stored is None:
            raise LoginRefusedError("unauthorized")
        [identity] = stored["identities"]
        others = {"password": stored["password"], "confirmed": True}
        if not await _link(user_id, identity, stored["data"], others, session):
            raise BadRequestError("the user has an e-mail address already: only one can be linked")

    await mongo.transaction(collection(), move)


async def _link(
    user_id: str,
    identity: Mapping[str, Any],
    data: Mapping[str, Any],
    members: Mapping[str, Any],
    session: AsyncClientSession | None,
) -> bool:
    """Add an identity, and what comes with it, unless the user has it, or one with an address like it."""
    named = {"provider_type": identity["provider_type"], "id": identity["id"]}
    if identity["provider_type"] == EMAIL_PASSWORD:
        del named["id"]  # there is one password
    changed = {f"data.{name}": value for name, value in data.items() if "." not in name and not name.startswith("$")}
    changed |= members
    result = await collection().update_one(
        {"_id": ObjectId(user_id), "identities": {"$not": {"$elemMatch": named}}},
        {
            "$push": {"identities": dict(identity)},
            "$unset": {"expires": ""},  # not anonymous any more
            **({"$set": changed} if changed else {}),
        },
        session=session,
    )
    return result.matched_count == 1


async def claim(user: User) -> None:
    """Take a registration as a user's own at the first login; raise LoginRefusedError if it was linked meanwhile."""
    result = await collection().update_one({"_id": ObjectId(user.id)}, {"$unset": {"pending": ""}})
    if not result.matched_count:
        raise LoginRefusedError("unauthorized")


async def set_data(user_id: str, data: Mapping[str, Any]) -> None:
    """Replace what a provider says of a user."""
    await collection().update_one({"_id": ObjectId(user_id)}, {"$set": {"data": dict(data)}})


async def set_password(user_id: str, password: str) -> None:
    """Give a user another password; raise BadRequestError for one that is too short or too long."""
    await set_password_hash(user_id, await password_hash(password))


async def password_hash(password: str) -> str:
    """Return what is stored of a password; raise BadRequestError for one that is too short or too long."""
    return await passwords.hashed(password)


async def set_password_hash(user_id: str, hashed: str) -> None:
    """Give a user the password of this hash, which ends all tokens; who can choose one has confirmed the address."""
    await _change(user_id, {"password": hashed, "confirmed": True, "revoked": datetime.now(UTC)})


async def confirm(user_id: str) -> None:
    """Take a user's e-mail address as confirmed."""
    await _change(user_id, {"confirmed": True})


async def disable(user_id: str) -> bool:
    """Keep a user out; return whether there is one."""
    return await _change(user_id, {"disabled": True})


async def enable(user_id: str) -> bool:
    """Let a user in again; return whether there is one."""
    return await _change(user_id, {"disabled": False})


async def revoke_tokens(user_id: str) -> None:
    """Make the access tokens useless that a user has now."""
    await _change(user_id, {"revoked": datetime.now(UTC)})


async def delete(user_id: str) -> bool:
    """Remove a user for good; return whether there was one."""
    try:
        return (await collection().delete_one({"_id": ObjectId(user_id)})).deleted_count == 1
    except InvalidId:
        return False


async def every() -> list[User]:
    """Return all users, the oldest first."""
    return [user async for each in collection().find().sort("_id") if (user := _user(each))]


async def _change(user_id: str, members: Mapping[str, Any]) -> bool:
    try:
        result = await collection().update_one({"_id": ObjectId(user_id)}, {"$set": dict(members)})
    except InvalidId:
        return False
    return result.matched_count == 1


async def _insert(stored: dict[str, Any]) -> User:
    await make_indexes()
    await collection().insert_one(stored)
    made = _user(stored)
    assert made is not None  # noqa: S101  for the type checker
    return made


def _new(provider_type: str, identity: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_id": ObjectId(), "type": "normal", "identities": [_identity(provider_type, identity)], "data": dict(data),
        "disabled": False, "confirmed": True, "created": datetime.now(UTC),
    }  # fmt: skip


def _identity(provider_type: str, identity: str) -> dict[str, Any]:
    return {"id": identity, "provider_type": provider_type, "provider_id": str(ObjectId())}


def _user(stored: dict[str, Any] | None) -> User | None:
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
