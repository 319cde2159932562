"""A credential -> the user who has it, for the login API and for the headers of a call."""

from secrets import token_hex
from typing import Any, NamedTuple

from shared.app.exported import ExportedApp
from shared.auth.accounts import LoginKey, User
from shared.auth.custom_jwt import CustomJWT
from shared.auth.id_tokens import IdTokens
from shared.auth.issued_tokens import Subject
from shared.auth.keys import Keys, as_user, end_of, mark_of
from shared.auth.limits import LoginLimits
from shared.auth.passwords import Passwords
from shared.auth.printable import is_printable
from shared.auth.user_events import Witness
from shared.auth.users import ANONYMOUS, EMAIL_PASSWORD, Users, with_data
from shared.errors import LoginRefusedError, ProviderNotFoundError, WrongPasswordError

API_KEY, CUSTOM_TOKEN, CUSTOM_FUNCTION = "api-key", "custom-token", "custom-function"
_LONGEST_IDENTITY = 1_024


class Verifiers(NamedTuple):
    """What verifies passwords and other issuers' tokens, and counts who fails."""

    passwords: Passwords
    custom_jwt: CustomJWT
    id_tokens: IdTokens
    limits: LoginLimits


class Logins:
    """Logging in with each of the app's providers."""

    def __init__(self, exported: ExportedApp, users: Users, keys: Keys, verifiers: Verifiers) -> None:
        """Take the app's providers, and who can log in."""
        self._exported = exported
        self._users = users
        self._keys = keys
        self._passwords, self._custom_jwt, self._id_tokens, self._limits = verifiers

    async def anonymous(self, address: str, witness: Witness) -> User:
        """Make a user of whom nothing is known; raise TooManyLoginsError if there were too many from an address."""
        if not self._exported.providers.anonymous:
            raise not_found(ANONYMOUS)
        await self._limits.attempt(self._limits.accounts("anonymous logins", address))
        return await self._users.create(ANONYMOUS, token_hex(12), {}, witness)

    async def with_password(self, email: str, password: str, address: str, witness: Witness) -> User:
        """Return the user with an e-mail address and password; who fails too often has to wait."""
        user = await self.registered(email, password, address)
        if user.new:
            await self._users.claim(user, witness)
        return user

    async def registered(self, email: str, password: str, address: str) -> User:
        """Return the same without taking it for a login."""
        if self._exported.providers.email_password is None:
            raise not_found(EMAIL_PASSWORD)
        counters = self._limits.logins(email, address)
        await self._limits.attempt(counters)
        user, is_right = await self.asked_for(email, password)
        if user is None or not is_right:
            raise WrongPasswordError
        await self._limits.succeeded(counters)
        if not user.confirmed:
            raise LoginRefusedError("confirmation required")
        return _enabled(user)

    async def asked_for(self, email: str, password: str) -> tuple[User | None, bool]:
        """Return who has an address, and whether it is with this password; it takes as long where nobody has it."""
        user = await self._users.by_email(email) if len(email) <= _LONGEST_IDENTITY else None
        return user, await self._passwords.verified(password, None if user is None else user.password)

    async def with_api_key(self, key: str, witness: Witness) -> tuple[User, LoginKey]:
        """Return the user that a key acts as, or is by itself, and the key; a system key is no user."""
        if not self._exported.providers.api_key:
            raise not_found(API_KEY)
        stored = await self._keys.stored_of(key)
        if stored is None or stored.get("system"):
            raise LoginRefusedError("unauthorized")
        user = await self._users.find(str(stored["user_id"])) if stored.get("user_id") else as_user(stored)
        if user is None:
            raise LoginRefusedError("unauthorized")
        if _enabled(user).new:
            await self._users.claim(user, witness)
        return user, LoginKey(str(stored["_id"]), end_of(stored), mark_of(stored))

    async def subject_of(self, provider_type: str, token: str, nonce: str = "") -> Subject:
        """Return whom a token of another issuer speaks of: of `custom-token`, or an id token of `oauth2-…`."""
        providers = self._exported.providers
        if provider_type == CUSTOM_TOKEN and providers.custom_token is not None:
            return await self._custom_jwt.verified(token, providers.custom_token, self._exported.app_id)
        if (openid := providers.openid.get(provider_type)) is not None:
            return await self._id_tokens.verified(token, provider_type, openid, nonce)
        raise not_found(provider_type)

    async def with_token(
        self, provider_type: str, token: str, nonce: str = "", *, create: bool, witness: Witness
    ) -> User:
        """Return the user whom another issuer's token speaks of; an unseen one is made if `create` says so."""
        subject = await self.subject_of(provider_type, token, nonce)
        return await self.with_subject(provider_type, subject, create=create, witness=witness)

    async def with_subject(self, provider_type: str, subject: Subject, *, create: bool, witness: Witness) -> User:
        """Return the user whom a provider speaks of, with what it says of that user now."""
        user = await self._users.by_identity(provider_type, subject.id)
        if user is None:
            if not create:
                raise LoginRefusedError("unauthorized")
            return _enabled(await self._users.create(provider_type, subject.id, subject.data, witness))
        user = _enabled(user)
        merged = _without(user, subject.unsaid) | subject.data
        if merged == user.data:
            return user
        await self._users.set_data(user.id, merged)
        return with_data(user, merged)


def _without(user: User, names: frozenset[str]) -> dict[str, Any]:
    """Return what is said of a user without these names, which an issuer has withdrawn; the own address stays."""
    left = {name: value for name, value in user.data.items() if name not in names}
    own = next((each["id"] for each in user.identities if each["provider_type"] == EMAIL_PASSWORD), None)
    return left if own is None or "email" not in names else {"email": own, **left}


def told_subject(told: Any) -> Subject:
    """Return whom a function of the app speaks of, by an id, or an object with an id and a name.

    Raise LoginRefusedError for an id that is none.
    """
    members = told if isinstance(told, dict) else {"id": told}
    identity, name = members.get("id"), members.get("name")
    if type(identity) is not str or not is_identity(identity):
        raise LoginRefusedError("the app's function returned no id of a user")
    return Subject(identity, {"name": name[:_LONGEST_IDENTITY]} if type(name) is str else {})


def is_identity(text: str) -> bool:
    """Tell whether a text may be the id by which a provider knows a user."""
    return 0 < len(text) <= _LONGEST_IDENTITY and is_printable(text)


def not_found(provider: str) -> ProviderNotFoundError:
    """Return the error for a provider that is unknown or disabled."""
    return ProviderNotFoundError(f"authentication provider not found: '{provider[:100]}'")


def _enabled(user: User) -> User:
    if user.disabled:
        raise LoginRefusedError("unauthorized")
    return user
