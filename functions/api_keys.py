"""The API keys of the user who is logged in."""

import re
from http import HTTPStatus
from typing import Any

import azure.functions as func
from bson.errors import InvalidId
from bson.objectid import ObjectId

from shared.auth.accounts import SERVER, User
from shared.auth.keys import MOST_OF_USER
from shared.auth.users import ANONYMOUS
from shared.endpoint.client import ALL_METHODS, CLIENT_ROUTE, Answer, ClientCall, client_function
from shared.errors import APIKeyNotFoundError, InvalidParameterError, InvalidSessionError

bp = func.Blueprint()

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ROUTE = CLIENT_ROUTE + "auth/api_keys"


@bp.route(_ROUTE, methods=ALL_METHODS)
@client_function("apiKeys", "GET", "POST")
async def api_keys(call: ClientCall) -> Answer:
    """GET lists the keys, POST makes one and returns it this once."""
    user, keys = await _owner(call), call.service.keys
    owner = ObjectId(user.id)
    if call.method == "GET":
        return HTTPStatus.OK, [_described(each) for each in await keys.stored({"user_id": owner})]
    name = call.text("name")
    if not _NAME.fullmatch(name):
        raise InvalidParameterError("name may only contain ASCII letters, numbers, underscores and hyphens")
    if await keys.is_full(owner):
        raise InvalidParameterError(f"a user can have {MOST_OF_USER} API keys at most")
    key, stored = await keys.create(name, user_id=owner, made_by=f"user {user.id}")
    return HTTPStatus.CREATED, {**_described(stored), "key": key}


@bp.route(_ROUTE + "/{key_id}", methods=ALL_METHODS)
@client_function("apiKey", "GET", "DELETE")
async def api_key(call: ClientCall) -> Answer:
    """GET returns a key's name and state, DELETE removes it."""
    chosen, keys = await _chosen(call), call.service.keys
    if call.method == "DELETE":
        deleted = await keys.delete(chosen)
        if deleted is None:
            raise APIKeyNotFoundError("API key not found")
        await call.service.sessions.end_key(deleted)
        return HTTPStatus.OK, {}
    found = await keys.find(chosen)
    if found is None:
        raise APIKeyNotFoundError("API key not found")
    return HTTPStatus.OK, _described(found)


@bp.route(_ROUTE + "/{key_id}/enable", methods=ALL_METHODS)
@client_function("enableApiKey", "PUT")
async def enable(call: ClientCall) -> Answer:
    """Let a key work again."""
    return await _set_disabled(call, disabled=False)


@bp.route(_ROUTE + "/{key_id}/disable", methods=ALL_METHODS)
@client_function("disableApiKey", "PUT")
async def disable(call: ClientCall) -> Answer:
    """Keep a key from working, within AUTH_CACHE_SECONDS, and end its sessions."""
    return await _set_disabled(call, disabled=True)


async def _set_disabled(call: ClientCall, *, disabled: bool) -> Answer:
    changed = await call.service.keys.set_disabled(await _chosen(call), disabled)
    if changed is None:
        raise APIKeyNotFoundError(f"API key with id '{call.parameters['key_id'][:100]}' doesn't exist")
    if disabled:
        await call.service.sessions.end_key(changed)
    return HTTPStatus.OK, {}


async def _owner(call: ClientCall) -> User:
    user = await call.user_of_refresh()
    if user.type == SERVER or all(each["provider_type"] == ANONYMOUS for each in user.identities):
        raise InvalidSessionError("must authenticate first")
    return user


async def _chosen(call: ClientCall) -> dict[str, Any]:
    user = await _owner(call)
    try:
        return {"_id": ObjectId(call.parameters["key_id"]), "user_id": ObjectId(user.id)}
    except InvalidId:
        raise APIKeyNotFoundError("API key not found") from None


def _described(stored: dict[str, Any]) -> dict[str, Any]:
    return {"_id": str(stored["_id"]), "name": stored["name"], "disabled": stored["disabled"]}
