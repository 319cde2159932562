"""A credential -> the user who has it, for the login API and for the headers of a call."""

from secrets import token_hex

from shared import app, settings
from shared.app import App, Providers
from shared.auth import accounts, custom_jwt, keys, limits, passwords, users
from shared.auth.custom_jwt import Subject
from shared.auth.users import ANONYMOUS, EMAIL_PASSWORD, User
from shared.errors import InvalidPasswordError, LoginRefusedError, ProviderNotFoundError

API_KEY, CUSTOM_TOKEN = "api-key", "custom-token"
_LONGEST_IDENTITY = 1_024


def providers() -> Providers:
    """Return the app's providers; without an app there are none but API keys."""
    known = app.current()
    return Providers(api_key=True) if known is None else known.providers


async def anonymous() -> User:
    """Make a user of whom nothing is known."""
    if not providers().anonymous:
        raise not_found(ANONYMOUS)
    return await users.create(ANONYMOUS, token_hex(12), {})


async def with_password(email: str, password: str, address: str) -> User:
    """Return the user with an e-mail address and password; who fails too often has to wait."""
    user = await registered(email, password, address)
    if user.pending:
        await users.claim(user)
    return user


async def registered(email: str, password: str, address: str) -> User:
    """Return the same without taking it for a login."""
    provider = providers().email_password
    if provider is None:
        raise not_found(EMAIL_PASSWORD)
    counters = limits.keys(email, address)
    await limits.attempt(counters)
    user = await users.by_email(email) if len(email) <= _LONGEST_IDENTITY else None
    if not await passwords.verified(password, None if user is None else user.password) or user is None:
        raise InvalidPasswordError("invalid username/password")
    await limits.succeeded(counters)
    if not user.confirmed:
        raise LoginRefusedError("confirmation required")
    return _enabled(user)


async def with_api_key(key: str) -> tuple[User, str]:
    """Return the user that a key acts as, or is by itself, and the key's id; a system key is no user."""
    if not providers().api_key:
        raise not_found(API_KEY)
    stored = await keys.stored_of(key)
    if stored is None or stored.get("system"):
        raise LoginRefusedError("unauthorized")
    user = await users.find(str(stored["user_id"])) if stored.get("user_id") else accounts.of_key(stored)
    if user is None:
        raise LoginRefusedError("unauthorized")
    return _enabled(user), str(stored["_id"])


async def subject_of(token: str, known: App | None) -> Subject:
    """Return whom another issuer's token speaks of."""
    if known is None or known.providers.custom_token is None:
        raise not_found(CUSTOM_TOKEN)
    app_id = settings.current().app_id or known.app_id
    subject = await custom_jwt.verified(token, known.providers.custom_token, app_id)
    if len(subject.id) > _LONGEST_IDENTITY:
        raise LoginRefusedError("unauthorized")
    return subject


async def with_custom_token(token: str, *, create: bool) -> User:
    """Return the user whom another issuer's token speaks of; an unseen one is made if `create` says so."""
    subject = await subject_of(token, app.current())
    user = await users.by_identity(CUSTOM_TOKEN, subject.id)
    if user is None:
        if not create:
            raise LoginRefusedError("unauthorized")
        return _enabled(await users.create(CUSTOM_TOKEN, subject.id, subject.data))
    user = _enabled(user)
    merged = user.data | subject.data
    if merged == user.data:
        return user
    await users.set_data(user.id, merged)
    return users.with_data(user, merged)


def not_found(provider: str) -> ProviderNotFoundError:
    """Return the error for a provider that is unknown or disabled."""
    return ProviderNotFoundError(f"authentication provider not found: '{provider[:100]}'")


def _enabled(user: User) -> User:
    if user.disabled:
        raise LoginRefusedError("unauthorized")
    return user
