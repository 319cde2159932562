"""Logging in with each provider, and adding an identity to a user."""

from http import HTTPStatus

import azure.functions as func

from shared import app
from shared.auth import logins, sessions, users
from shared.auth.caller import Caller
from shared.auth.users import EMAIL_PASSWORD, User
from shared.client import CLIENT_ROUTE, Answer, ClientCall, client_function
from shared.endpoint import ALL_METHODS
from shared.errors import LoginRefusedError

bp = func.Blueprint()


@bp.route(CLIENT_ROUTE + "app/{app_id}/auth/providers/{provider}/login", methods=ALL_METHODS)
@client_function("login", "POST")
async def login(call: ClientCall) -> Answer:
    """Answer an access and a refresh token; with ?link=true add the identity to the user who is logged in."""
    provider = call.parameters["provider"]
    if call.query.get("link") == "true":
        return await _link(call, provider)
    user = call.seen(await _user(call, provider))
    tokens = await sessions.start(user, provider)
    return HTTPStatus.OK, {name: getattr(tokens, name) for name in tokens.__struct_fields__}


async def _user(call: ClientCall, provider: str) -> User:
    if provider == logins.ANONYMOUS:
        await call.count_attempt("anonymous login")
        return await logins.anonymous()
    if provider == EMAIL_PASSWORD:
        return await logins.with_password(call.text("username", "email"), call.text("password"), call.address)
    if provider == logins.API_KEY:
        owner = await logins.with_api_key(call.text("key"))
        if isinstance(owner, Caller):
            raise LoginRefusedError("unauthorized")  # a key that is no user's has no sessions: it is sent itself
        return owner
    if provider == logins.CUSTOM_TOKEN:
        return await logins.with_custom_token(call.text("token", "key"), create=True)
    raise logins.not_found(provider)


async def _link(call: ClientCall, provider: str) -> Answer:
    user = await call.user_of_access()
    if provider == EMAIL_PASSWORD:
        other = await logins.with_password(call.text("username", "email"), call.text("password"), call.address)
    elif provider == logins.CUSTOM_TOKEN:
        known = app.current()
        subject = await logins.subject_of(call.text("token", "key"), known)
        await users.link(user.id, provider, subject.id, subject.data)
        return HTTPStatus.OK, {"access_token": await sessions.renewed(user.id)}
    else:
        raise logins.not_found(provider)
    if other.id != user.id:
        raise LoginRefusedError("unauthorized")
    return HTTPStatus.OK, {"access_token": await sessions.renewed(user.id)}
