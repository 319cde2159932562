"""Users with e-mail address and password: registered, confirmed, given another password."""

from http import HTTPStatus

import azure.functions as func

from shared.app.model import EmailPassword
from shared.auth.accounts import User
from shared.auth.confirmations import Purpose
from shared.auth.logins import not_found
from shared.auth.mail import Page
from shared.auth.users import EMAIL_PASSWORD
from shared.endpoint.client import ALL_METHODS, CLIENT_ROUTE, Answer, ClientCall, client_function
from shared.errors import AlreadyConfirmedError, BadRequestError, UserNotFoundError

bp = func.Blueprint()

_ROUTE = CLIENT_ROUTE + "app/{app_id}/auth/providers/local-userpass/"


@bp.route(_ROUTE + "register", methods=ALL_METHODS)
@client_function("register", "POST")
async def register(call: ClientCall) -> Answer:
    """Make a user; unless the app confirms by itself, the address has to be confirmed before the first login."""
    provider = _provider(call)
    limits = call.service.limits
    await limits.attempt(limits.accounts("registrations", call.address))
    email, password = call.text("email", "username"), call.text("password")
    if provider.run_confirmation_function:
        raise BadRequestError(f'failed to confirm user "{email[:200]}": functions cannot run')
    if not provider.auto_confirm:
        call.service.mail.refuse_unmailable(email)
        await limits.attempt(limits.mailbox(email))
    user = call.logged(
        await call.service.users.register(email, password, confirmed=provider.auto_confirm, pending=True)
    )
    if not provider.auto_confirm:
        await _send(call, user, "confirm", _confirmation(provider))
    return HTTPStatus.CREATED, {}


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
    user = await _user(call)
    if user.confirmed:
        raise AlreadyConfirmedError("already confirmed")
    await _send(call, user, "confirm", _confirmation(provider))
    return HTTPStatus.OK, {}


@bp.route(_ROUTE + "confirm/call", methods=ALL_METHODS)
@client_function("confirmCall", "POST")
async def confirm_call(call: ClientCall) -> Answer:
    """Refuse: the app confirms by itself, or its confirmation function cannot run."""
    provider, email = _provider(call), call.text("email")
    if provider.auto_confirm:
        raise BadRequestError(f"cannot run confirmation for {email[:200]}: automatic confirmation is enabled")
    raise BadRequestError(f'failed to confirm user "{email[:200]}": functions cannot run')


@bp.route(_ROUTE + "reset/send", methods=ALL_METHODS)
@client_function("resetSend", "POST")
async def reset_send(call: ClientCall) -> Answer:
    """Send a token with which the user can choose another password."""
    provider = _provider(call)
    if provider.run_reset_function:
        raise BadRequestError("please use reset password via function")
    user = await _user(call)
    await _send(call, user, "reset", Page(provider.reset_url, provider.reset_subject))
    return HTTPStatus.OK, {}


@bp.route(_ROUTE + "reset", methods=ALL_METHODS)
@client_function("reset", "POST")
async def reset(call: ClientCall) -> Answer:
    """Give the user whose token it is another password, and end all sessions."""
    _provider(call)
    token, token_id, password = call.text("token"), call.text("tokenId"), call.text("password")
    users, limits, confirmations = call.service.users, call.service.limits, call.service.confirmations
    counters = limits.resets(call.address)
    await limits.attempt(counters)
    await confirmations.find(token, token_id, "reset")  # before a hash is made, which keeps others waiting
    await limits.succeeded(counters)
    hashed = await users.password_hash(password)  # before the token is used up
    user_id = await confirmations.take(token, token_id, "reset")
    await users.set_password_hash(user_id, hashed)
    await call.service.sessions.revoke(user_id)
    return HTTPStatus.OK, {}


@bp.route(_ROUTE + "reset/call", methods=ALL_METHODS)
@client_function("resetCall", "POST")
async def reset_call(call: ClientCall) -> Answer:
    """Refuse: the app's reset function cannot run."""
    _provider(call)
    email = call.text("email")
    raise BadRequestError(f'failed to reset password for user "{email[:200]}"')


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
