"""Users with e-mail address and password: registered, confirmed, given another password."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func
from bson.objectid import ObjectId

from shared.app.model import EmailPassword
from shared.auth.accounts import User
from shared.auth.confirmations import Purpose
from shared.auth.logins import not_found
from shared.auth.mail import Page
from shared.auth.users import EMAIL_PASSWORD
from shared.endpoint.client import ALL_METHODS, CLIENT_ROUTE, Answer, ClientCall, client_function
from shared.errors import (
    AlreadyConfirmedError,
    BadRequestError,
    FunctionFailedError,
    FunctionNotFoundError,
    InvalidParameterError,
    UserNotFoundError,
)

bp = func.Blueprint()

_LONGEST_SHOWN = 200  # characters of an address, in an error's text
_ROUTE = CLIENT_ROUTE + "app/{app_id}/auth/providers/local-userpass/"


@bp.route(_ROUTE + "register", methods=ALL_METHODS)
@client_function("register", "POST")
async def register(call: ClientCall) -> Answer:
    """Make a user; unless the app or its function confirms at once, the address has to be before the first login."""
    provider = _provider(call)
    limits = call.service.limits
    await limits.attempt(limits.accounts("registrations", call.address))
    email, password = call.text("email", "username"), call.text("password")
    if provider.confirmation_function is not None:
        await _register_by_function(call, provider.confirmation_function, email, password)
        return HTTPStatus.CREATED, {}
    mailed = not provider.auto_confirm
    if mailed:
        call.service.mail.refuse_unmailable(email)
        await limits.attempt(limits.mailbox(email))
    user = call.logged(
        await call.service.users.register(email, password, confirmed=not mailed, mailed=mailed, pending=True)
    )
    if mailed:
        await _send(call, user, "confirm", _confirmation(provider))
    return HTTPStatus.CREATED, {}


async def _register_by_function(call: ClientCall, function: str, email: str, password: str) -> None:
    """Make a user whom the function accepts; the address is taken while it decides, and free again if it does not."""
    users, is_kept = call.service.users, False
    user = call.logged(await users.register(email, password, confirmed=False, pending=True))
    try:
        is_kept = await _is_accepted(call, function, user, email)
    finally:
        if not is_kept:  # whatever came between, and at the deadline, too
            await users.withdraw(user.id)
            await call.service.confirmations.withdraw(user.id, "confirm")
    if not is_kept:
        raise _not_confirmed(email)


async def _is_accepted(call: ClientCall, function: str, user: User, email: str) -> bool:
    """Tell whether the app's function accepts who has registered: at once, or once the token comes back."""
    status = await _asked(call, function, user.id, "confirm", {"username": email})
    return await call.service.users.confirm(user.id) if status == "success" else status == "pending"


async def _asked(
    call: ClientCall, function: str, user_id: str, purpose: Purpose, asked: Mapping[str, Any], *arguments: Any
) -> str:
    """Return what a function says to a token, which is of use only if that is `pending`.

    Tokens that were issued before are of no use any more unless it refuses: anybody may ask it about an address.
    """
    confirmations, status = call.service.confirmations, "fail"
    token, token_id = await confirmations.add(user_id, purpose)
    try:
        status = await _status(call, function, {"token": token, "tokenId": token_id, **asked}, *arguments)
    finally:
        if status != "pending":
            await confirmations.remove(token_id)
    if status == "pending":
        await confirmations.withdraw(user_id, purpose, before=token_id)
    elif status == "success":
        await confirmations.withdraw(user_id, purpose)
    return status


async def _status(call: ClientCall, function: str, *arguments: Any) -> str:
    """Return the status that a function of the app returns; whatever else comes of it is `fail`."""
    try:
        told = await call.function(function, *arguments)
    except (FunctionFailedError, FunctionNotFoundError):
        return "fail"
    return str(told.get("status")) if isinstance(told, dict) else "fail"


def _not_confirmed(email: str) -> BadRequestError:
    return BadRequestError(f'failed to confirm user "{email[:_LONGEST_SHOWN]}"')


@bp.route(_ROUTE + "confirm", methods=ALL_METHODS)
@client_function("confirm", "POST")
async def confirm(call: ClientCall) -> Answer:
    """Take an e-mail address as confirmed by the token that was sent to it."""
    _provider(call)
    await call.service.users.confirm(
        await call.service.confirmations.take(call.text("token"), call.text("tokenId"), "confirm")
    )
    return HTTPStatus.OK, {}


@bp.route(_ROUTE + "confirm/send", methods=ALL_METHODS)
@client_function("confirmSend", "POST")
async def confirm_send(call: ClientCall) -> Answer:
    """Send the token again."""
    provider = _provider(call)
    if provider.confirmation_function is not None:
        raise BadRequestError("please use confirmation via function")
    user = await _user(call)
    if user.confirmed:
        raise AlreadyConfirmedError("already confirmed")
    await _send(call, user, "confirm", _confirmation(provider))
    return HTTPStatus.OK, {}


@bp.route(_ROUTE + "confirm/call", methods=ALL_METHODS)
@client_function("confirmCall", "POST")
async def confirm_call(call: ClientCall) -> Answer:
    """Ask the app's confirmation function again; who is refused then may ask once more, and nobody is removed."""
    provider, email = _provider(call), call.text("email")
    if provider.confirmation_function is None:
        how = "automatic confirmation is enabled" if provider.auto_confirm else "the app confirms by mail"
        raise BadRequestError(f"cannot run confirmation for {email[:_LONGEST_SHOWN]}: {how}")
    user = await _user(call)
    if user.confirmed:
        raise AlreadyConfirmedError("already confirmed")
    if not await _is_accepted(call, provider.confirmation_function, user, email):
        raise _not_confirmed(email)
    return HTTPStatus.OK, {}


@bp.route(_ROUTE + "reset/send", methods=ALL_METHODS)
@client_function("resetSend", "POST")
async def reset_send(call: ClientCall) -> Answer:
    """Send a token with which the user can choose another password."""
    provider = _provider(call)
    if provider.reset_function is not None:
        raise BadRequestError("please use reset password via function")
    user = await _user(call)
    await _send(call, user, "reset", Page(provider.reset_url, provider.reset_subject))
    return HTTPStatus.OK, {}


@bp.route(_ROUTE + "reset", methods=ALL_METHODS)
@client_function("reset", "POST")
async def reset(call: ClientCall) -> Answer:
    """Give the user whose token it is another password, and end all sessions.

    It proves the address as well as the letter would that confirms it, where both are letters of ours.
    """
    provider = _provider(call)
    token, token_id, password = call.text("token"), call.text("tokenId"), call.text("password")
    users, limits, confirmations = call.service.users, call.service.limits, call.service.confirmations
    counters = limits.resets(call.address)
    await limits.attempt(counters)
    await confirmations.find(token, token_id, "reset")  # before a hash is made, which keeps others waiting
    await limits.succeeded(counters)
    hashed = await users.password_hash(password)  # before the token is used up
    user_id = await confirmations.take(token, token_id, "reset")
    confirms = provider.confirmation_function is None and provider.reset_function is None
    await users.set_password_hash(user_id, hashed, confirms=confirms)
    await call.service.sessions.revoke(user_id)
    return HTTPStatus.OK, {}


@bp.route(_ROUTE + "reset/call", methods=ALL_METHODS)
@client_function("resetCall", "POST")
async def reset_call(call: ClientCall) -> Answer:
    """Have the app's function decide on another password: at once, or once its token comes back, or not.

    It is asked about an address that nobody has, too, with a token that is of no use: what is answered, and how long
    that takes, depends on what the function returns alone.
    """
    function, email, password = _provider(call).reset_function, call.text("email"), call.text("password")
    arguments = call.members.get("arguments") or []
    if type(arguments) is not list:
        raise InvalidParameterError("'arguments' must be an array")
    if function is None:
        raise _not_reset(email)
    limits, service = call.service.limits, call.service
    counters = limits.resets_of(email, call.address)
    await limits.attempt(counters)
    service.passwords.refuse_unusable(password)
    user, is_current = await service.logins.asked_for(email, password)
    user_id = str(ObjectId()) if user is None else call.logged(user).id
    asked = {"username": email, "password": password, "currentPasswordValid": is_current}
    status = await _asked(call, function, user_id, "reset", asked, *arguments)
    if status == "pending":
        return HTTPStatus.OK, {}
    if status != "success":
        raise _not_reset(email)
    await service.users.set_password_hash(user_id, await service.passwords.hashed(password), confirms=False)
    await service.sessions.revoke(user_id)
    await limits.succeeded(counters)
    return HTTPStatus.OK, {}


def _not_reset(email: str) -> BadRequestError:
    return BadRequestError(f'failed to reset password for user "{email[:_LONGEST_SHOWN]}"')


def _provider(call: ClientCall) -> EmailPassword:
    provider = call.service.exported.providers.email_password
    if provider is None:
        raise not_found(EMAIL_PASSWORD)
    return provider


async def _user(call: ClientCall) -> User:
    limits, email = call.service.limits, call.text("email")
    await limits.attempt(limits.mails(email, call.address))
    user = await call.service.users.by_email(email)
    if user is None:
        raise UserNotFoundError("user not found")
    return user


def _confirmation(provider: EmailPassword) -> Page:
    return Page(provider.confirmation_url, provider.confirmation_subject)


async def _send(call: ClientCall, user: User, purpose: Purpose, page: Page) -> None:
    """Send the user a token for the app's page."""
    email, mail = call.text("email", "username"), call.service.mail
    mail.refuse_unmailable(email)
    token = await call.service.confirmations.issue(user.id, purpose)
    await mail.send(purpose, email, token, page)
