"""Logging in with each provider, and adding an identity to a user."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func
import msgspec

from shared.auth.accounts import SERVER, LoginKey, User
from shared.auth.issued_tokens import Subject
from shared.auth.logins import API_KEY, CUSTOM_FUNCTION, CUSTOM_TOKEN, not_found, told_subject
from shared.auth.users import ANONYMOUS, EMAIL_PASSWORD
from shared.endpoint.client import ALL_METHODS, CLIENT_ROUTE, Answer, ClientCall, client_function
from shared.errors import BadRequestError, FunctionFailedError, FunctionNotFoundError, LoginRefusedError
from shared.settings import OAUTH2

bp = func.Blueprint()

_OTHERS = ("authCode", "accessToken", "redirectUrl")

_UNLINKABLE = {
    ANONYMOUS: "an anonymous identity cannot be linked: link another one to the anonymous user",
    API_KEY: "an API key cannot be linked: it acts as the user who made it",
}


def _not_by_get(parameters: Mapping[str, str]) -> str:
    """Say of a page that an SDK opens in a window what is served instead."""
    if parameters["provider"] not in OAUTH2:
        return "method not allowed"
    return "login by redirect is not served: get an id token from the provider, and POST it as 'id_token'"


@bp.route(CLIENT_ROUTE + "app/{app_id}/auth/providers/{provider}/login", methods=ALL_METHODS)
@client_function("login", "POST", other_method=_not_by_get)
async def login(call: ClientCall) -> Answer:
    """Answer an access and a refresh token; with ?link=true add the identity to the user who is logged in."""
    provider = call.parameters["provider"]
    if call.query.get("link") == "true":
        return await _link(call, provider)
    user, key = await _user(call, provider)
    tokens = await call.service.sessions.start(call.logged(user), provider, key, call.functions)
    return HTTPStatus.OK, msgspec.structs.asdict(tokens)


async def _user(call: ClientCall, provider: str) -> tuple[User, LoginKey | None]:
    """Return who logs in, and the API key if that is the credential."""
    logins, witness = call.service.logins, call.functions
    if provider == API_KEY:
        return await logins.with_api_key(call.text("key"), witness)
    if provider == ANONYMOUS:
        return await logins.anonymous(call.address, witness), None
    if provider == EMAIL_PASSWORD:
        email, password = call.text("username", "email"), call.text("password")
        return await logins.with_password(email, password, call.address, witness), None
    if provider == CUSTOM_TOKEN:
        return await logins.with_token(provider, call.text("token", "key"), create=True, witness=witness), None
    if provider in call.service.exported.providers.openid:
        return await logins.with_token(provider, *_id_token(call), create=True, witness=witness), None
    if provider == CUSTOM_FUNCTION:
        subject = await _subject_of_function(call)
        return await logins.with_subject(provider, subject, create=True, witness=witness), None
    raise not_found(provider)


async def _link(call: ClientCall, provider: str) -> Answer:
    user = await call.user_of_access()
    if user.type == SERVER:
        raise BadRequestError("an API key that is a user by itself cannot be linked with another identity")
    try:
        await _add_identity(call, user, provider)
    except LoginRefusedError as error:  # an SDK takes "unauthorized" alone for its token's end: it would ask for ever
        raise error.at("cannot link") from None
    tokens = await call.service.sessions.linked(call.token, provider)
    return HTTPStatus.OK, msgspec.structs.asdict(tokens)


async def _add_identity(call: ClientCall, user: User, provider: str) -> None:
    if provider == EMAIL_PASSWORD:
        await _link_address(call, user)
    elif provider == CUSTOM_TOKEN:
        subject = await call.service.logins.subject_of(provider, call.text("token", "key"))
        await _link_subject(call, user, provider, subject)
    elif provider in call.service.exported.providers.openid:
        await _link_subject(call, user, provider, await call.service.logins.subject_of(provider, *_id_token(call)))
    elif provider == CUSTOM_FUNCTION:
        await _link_subject(call, user, provider, await _subject_of_function(call))
    elif provider in _UNLINKABLE:
        raise BadRequestError(_UNLINKABLE[provider])
    else:
        raise not_found(provider)


async def _link_subject(call: ClientCall, user: User, provider: str, subject: Subject) -> None:
    await call.service.links.link(user, provider, subject.id, subject.data, call.functions)


async def _subject_of_function(call: ClientCall) -> Subject:
    """Return who the app's function says that this is; who fails too often has to wait, as with a password."""
    function, limits = call.service.exported.providers.custom_function, call.service.limits
    if function is None:
        raise not_found(CUSTOM_FUNCTION)
    counters = limits.unnamed_logins(call.address)
    await limits.attempt(counters)
    try:
        subject = told_subject(await call.function(function, _payload(call.members)))
    except FunctionFailedError as error:
        raise LoginRefusedError(error.message or str(error)) from error
    except FunctionNotFoundError as error:
        raise LoginRefusedError("the app has no function for this login") from error
    await limits.succeeded(counters)
    return subject


def _payload(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body without what SDKs add to it, in the form in which they do."""
    payload = dict(members)
    if payload.get("provider") == CUSTOM_FUNCTION:
        del payload["provider"]
    options = payload.get("options")
    if isinstance(options, dict) and options.keys() == {"device"}:
        del payload["options"]
    return payload


def _id_token(call: ClientCall) -> tuple[str, str]:
    """Return the id token and the nonce that has to be in it, "" for none.

    An SDK has no other place than `accessToken` for the id token of Facebook.
    """
    members, name = call.members, "id_token"
    if name not in members:
        if str(members.get("accessToken", "")).count(".") == 2:
            name = "accessToken"
        elif other := next((each for each in _OTHERS if each in members), ""):
            raise BadRequestError(f"login with '{other}' is not served: send an 'id_token'")
    return call.text(name), call.text("nonce") if "nonce" in members else ""


async def _link_address(call: ClientCall, user: User) -> None:
    registered = await call.service.logins.registered(
        call.text("username", "email"), call.text("password"), call.address
    )
    if registered.id != user.id:
        await call.service.links.link_registered(user, registered, call.functions)
