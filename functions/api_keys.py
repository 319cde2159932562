"""The API keys of the user who is logged in."""

import re
from http import HTTPStatus
from typing import Any

import azure.functions as func
from bson.errors import InvalidId
from bson.objectid import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from shared.auth import API_KEYS, accounts, new_key, sessions
from shared.auth.users import ANONYMOUS, User
from shared.endpoint.actions import ALL_METHODS
from shared.endpoint.client import CLIENT_ROUTE, Answer, ClientCall, client_function
from shared.errors import APIKeyNotFoundError, InvalidParameterError, InvalidSessionError
from shared.mongo import clients as mongo

bp = func.Blueprint()

MOST_KEYS = 20
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ROUTE = CLIENT_ROUTE + "auth/api_keys"


@bp.route(_ROUTE, methods=ALL_METHODS)
@client_function("apiKeys", "GET", "POST")
async def api_keys(call: ClientCall) -> Answer:
    """GET lists the keys, POST makes one and shows it this once."""
    user = await _owner(call)
    if call.method == "GET":
        found = await _keys().find({"user_id": ObjectId(user.id)}).sort("_id").to_list()
        return HTTPStatus.OK, [_shown(each) for each in found]
    name = call.text("name")
    if not _NAME.fullmatch(name):
        raise InvalidParameterError("name may only contain ASCII letters, numbers, underscores and hyphens")
    if await _keys().count_documents({"user_id": ObjectId(user.id)}, limit=MOST_KEYS) >= MOST_KEYS:
        raise InvalidParameterError(f"a user can have {MOST_KEYS} API keys at most")
    key, stored = new_key(name, user_id=ObjectId(user.id))
    await _keys().create_index("hash", unique=True)
    await _keys().insert_one(stored)
    return HTTPStatus.CREATED, {**_shown(stored), "key": key}


@bp.route(_ROUTE + "/{key_id}", methods=ALL_METHODS)
@client_function("apiKey", "GET", "DELETE")
async def api_key(call: ClientCall) -> Answer:
    """GET shows a key's name and state, DELETE removes it."""
    chosen = await _chosen(call)
    if call.method == "DELETE":
        deleted = await _keys().find_one_and_delete(chosen)
        if deleted is None:
            raise APIKeyNotFoundError("API key not found")
        await sessions.end_key(deleted)
        return HTTPStatus.NO_CONTENT, None
    found = await _keys().find_one(chosen)
    if found is None:
        raise APIKeyNotFoundError("API key not found")
    return HTTPStatus.OK, _shown(found)


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
    changed = await _keys().find_one_and_update(await _chosen(call), {"$set": {"disabled": disabled}})
    if changed is None:
        raise APIKeyNotFoundError(f"API key with id '{call.parameters['key_id'][:100]}' doesn't exist")
    if disabled:
        await sessions.end_key(changed)
    return HTTPStatus.NO_CONTENT, None


async def _owner(call: ClientCall) -> User:
    user = await call.user_of_refresh()
    if user.type == accounts.SERVER or all(each["provider_type"] == ANONYMOUS for each in user.identities):
        raise InvalidSessionError("must authenticate first")
    return user


async def _chosen(call: ClientCall) -> dict[str, Any]:
    user = await _owner(call)
    try:
        return {"_id": ObjectId(call.parameters["key_id"]), "user_id": ObjectId(user.id)}
    except InvalidId:
        raise APIKeyNotFoundError("API key not found") from None


def _keys() -> AsyncCollection[dict[str, Any]]:
    return mongo.control_database()[API_KEYS]


def _shown(stored: dict[str, Any]) -> dict[str, Any]:
    return {"_id": str(stored["_id"]), "name": stored["name"], "disabled": stored["disabled"]}
