"""Logging in with each provider, and adding an identity to a user."""

from collections.abc import Mapping
from http import HTTPStatus

import azure.functions as func
import msgspec

from shared.auth.accounts import SERVER, User
from shared.auth.logins import API_KEY, CUSTOM_TOKEN, not_found
from shared.auth.users import ANONYMOUS, EMAIL_PASSWORD
from shared.endpoint.client import ALL_METHODS, CLIENT_ROUTE, Answer, ClientCall, client_function
from shared.errors import BadRequestError, LoginRefusedError
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
    user, key_id = await _user(call, provider)
    tokens = await call.service.sessions.start(call.logged(user), provider, key_id)
    return HTTPStatus.OK, msgspec.structs.asdict(tokens)


async def _user(call: ClientCall, provider: str) -> tuple[User, str]:
    """Return who logs in, and the id of the API key if that is the credential."""
    logins = call.service.logins
    if provider == API_KEY:
        return await logins.with_api_key(call.text("key"))
    if provider == ANONYMOUS:
        return await logins.anonymous(call.address), ""
    if provider == EMAIL_PASSWORD:
        return await logins.with_password(call.text("username", "email"), call.text("password"), call.address), ""
    if provider == CUSTOM_TOKEN:
        return await logins.with_token(provider, call.text("token", "key"), create=True), ""
    if provider in call.service.exported.providers.openid:
        return await logins.with_token(provider, *_id_token(call), create=True), ""
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
        await _link_subject(call, user, provider, call.text("token", "key"))
    elif provider in call.service.exported.providers.openid:
        await _link_subject(call, user, provider, *_id_token(call))
    elif provider in _UNLINKABLE:
        raise BadRequestError(_UNLINKABLE[provider])
    else:
        raise not_found(provider)


async def _link_subject(call: ClientCall, user: User, provider: str, token: str, nonce: str = "") -> None:
    subject = await call.service.logins.subject_of(provider, token, nonce)
    await call.service.links.link(user.id, provider, subject.id, subject.data)


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
        await call.service.links.link_registered(user.id, registered)
