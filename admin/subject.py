"""Whom `access explain` speaks of: `%%user` for each kind of credential, and what refuses every call."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bson.objectid import ObjectId

from admin.process import NoSuchError
from shared.auth.accounts import User
from shared.auth.keys import as_user, has_ended
from shared.auth.user_view import user_view
from shared.service import Service


class Subject(NamedTuple):
    """`views` has `%%user` by credential, one without a name where that makes no difference; none of a system key."""

    views: Mapping[str, Mapping[str, Any]]
    refusals: tuple[str, ...]
    is_system: bool = False


async def subject(service: Service, account_id: str) -> Subject:
    """Return the subject of this id, that of a user or of a key; raise NoSuchError if there is neither."""
    refusals: list[str] = []
    user = await service.users.find(account_id)
    if user is None:
        key = await service.keys.find({"_id": ObjectId(account_id) if ObjectId.is_valid(account_id) else account_id})
        if key is None:
            raise NoSuchError(f"there is no user and no key {account_id}")
        refusals = ["the key is disabled: every call is refused with 401"] if key["disabled"] else []
        if has_ended(key):
            refusals.append("the key has ended: every call is refused with 401")
        if key.get("system"):
            return Subject({}, tuple(refusals), is_system=True)
        user = await _of_key(service, key)
        if not service.exported.providers.api_key:
            refusals.append("the app's provider 'api-key' is disabled: every call with the key is refused with 401")
    if user.disabled:
        refusals.append("the user is disabled: every call is refused with 401")
    return Subject(await _views(service, user), tuple(refusals))


async def _views(service: Service, user: User) -> dict[str, Mapping[str, Any]]:
    data = await service.custom_data.of(user.id)
    if data is None or service.custom_data.is_fetched:
        return {"": user_view(user, data)}
    return {
        "with an access token, which brings %%user.custom_data": user_view(user, data),
        "with credentials in headers, for which fetch_custom_user_data is off": user_view(user, None),
    }


async def _of_key(service: Service, key: Mapping[str, Any]) -> User:
    """Return the user that a key is by itself, or acts as."""
    user = await service.users.find(str(key["user_id"])) if key.get("user_id") else as_user(key)
    if user is None:
        raise NoSuchError(f"the key {key['_id']} acts as a user who is not there")
    return user
