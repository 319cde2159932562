"""The credentials in the headers of a call -> its Caller."""

from collections.abc import Mapping
from copy import copy
from hashlib import sha256
from secrets import token_bytes
from typing import NamedTuple, Self

from msgspec import structs

from shared.app.exported import ExportedApp
from shared.app.model import DataAPI, Terms
from shared.auth.accounts import Caller, User
from shared.auth.custom_data import CustomData
from shared.auth.keys import Keys
from shared.auth.logins import CUSTOM_TOKEN, Logins, not_found
from shared.auth.sent_once import basic_credentials, bearer_token, halved, sent_once
from shared.auth.sessions import Sessions
from shared.auth.user_events import Witness
from shared.auth.user_view import caller
from shared.auth.users import EMAIL_PASSWORD, Users
from shared.cache.entries import Entries
from shared.errors import (
    InvalidParameterError,
    InvalidSessionError,
    LoginRefusedError,
    MissingParameterError,
    ProviderNotFoundError,
    WrongPasswordError,
)
from shared.settings import Settings
from shared.ttl_cache import Cache

_KEY_HEADERS = ("apikey", "api-key", "x-functions-key")
_OTHER_HEADERS = ("email", "password", "jwttokenstring")
_NAME_OF_KEYS = "apikey"  # the name that is sent by HTTP Basic with a key for a password
_NOBODY = "invalid session: error finding user for endpoint"
_SENT_TWICE = " (an email or password that was sent more than once counts as one value with commas)"
_MOST_CACHED = 10_000
_ENTRY = "password"  # the purpose of an entry in the store


def are_sent(headers: Mapping[str, str]) -> bool:
    """Tell whether headers hold credentials of any kind, whole or not."""
    authorization = headers.get("authorization", "")
    is_authorized = bearer_token(authorization) is not None or basic_credentials(authorization) is not None
    return is_authorized or any(headers.get(name) for name in (*_KEY_HEADERS, *_OTHER_HEADERS))


class Holders(NamedTuple):
    """Who can be a caller: keys, users, those who are logged in, those who log in by a header."""

    keys: Keys
    users: Users
    sessions: Sessions
    logins: Logins
    custom_data: CustomData


class Credentials:
    """Finds the callers of a deployment by their credentials, on the terms of its Data API."""

    _given: Terms | None = None

    def __init__(self, settings: Settings, exported: ExportedApp, holders: Holders, entries: Entries) -> None:
        """Take whose credentials count, and where verified passwords are cached."""
        self._settings = settings
        self._exported = exported
        self._keys, self._users, self._sessions, self._logins, self._custom_data = holders
        self._entries = entries
        self._salt = token_bytes(32)
        self._verified: Cache[bytes, tuple[str, str]] = Cache(_MOST_CACHED)  # hash: id and stamp of a user

    def on(self, terms: Terms) -> Self:
        """Return the same for calls on other terms."""
        other = copy(self)
        other._given = terms
        return other

    @property
    def _terms(self) -> Terms:
        app = self._exported.app
        return self._given or (DataAPI() if app is None else app.data_api)

    async def authenticate(self, headers: Mapping[str, str], address: str, witness: Witness) -> Caller:
        """Return the caller named by a request's credentials. A Bearer token decides alone and never falls through.

        After it come the key, e-mail address with password, another issuer's token, and HTTP Basic with either of the
        first two; who sends none may be who the terms say.
        """
        if "authorization" in headers:
            token = bearer_token(headers["authorization"])
            if token is not None:
                return await self._sessions.caller(token)
        for header in _KEY_HEADERS:
            if header in headers and (key := headers[header]):
                return await self._with_key(sent_once(header, key), witness)
        return await self._with_other(headers, address, witness)

    async def _with_key(self, key: str, witness: Witness) -> Caller:
        owner = await self._keys.owner_of(key)
        if isinstance(owner, Caller) and owner.is_system:
            return owner
        if not self._exported.providers.api_key:
            raise InvalidSessionError(_NOBODY)
        if not isinstance(owner, Caller):
            return structs.replace(await self.acting(owner.user_id, witness), quota=owner.quota)
        if not self._terms.fetch_custom_user_data:
            return owner
        data = await self._custom_data.of(owner.id)
        return owner if data is None else structs.replace(owner, user={**owner.user, "custom_data": data})

    async def _with_other(self, headers: Mapping[str, str], address: str, witness: Witness) -> Caller:
        email, password, token = headers.get("email"), headers.get("password"), headers.get("jwttokenstring")
        try:
            if email and password:
                return await self._with_password(email, password, address, witness)
            if token:
                return await self._with_custom_token(sent_once("jwtTokenString", token), witness)
        except (LoginRefusedError, ProviderNotFoundError):
            has_comma = "," in f"{email}{password}"
            raise InvalidSessionError(_NOBODY + _SENT_TWICE if has_comma else _NOBODY) from None
        if email or password:
            raise MissingParameterError(
                "must specify some form of authentication (either email+password, api-key, or jwt) "
                "in the request header or body"
            )
        pair = basic_credentials(headers.get("authorization", ""))
        return await (self.without() if pair is None else self._with_basic(*pair, address, witness))

    async def _with_basic(self, name: str, secret: str, address: str, witness: Witness) -> Caller:
        if name == _NAME_OF_KEYS:
            return await self._with_key(secret, witness)
        if not name or not secret:
            raise InvalidSessionError(_NOBODY)
        try:
            return await self._with_password(name, secret, address, witness)
        except (LoginRefusedError, ProviderNotFoundError):
            raise InvalidSessionError(_NOBODY) from None

    async def _with_custom_token(self, token: str, witness: Witness) -> Caller:
        create = self._terms.create_user_on_auth
        return await self._caller(await self._logins.with_token(CUSTOM_TOKEN, token, create=create, witness=witness))

    async def _with_password(self, email: str, password: str, address: str, witness: Witness) -> Caller:
        """Verify a password, which takes a while: the result is cached for AUTH_CACHE_SECONDS.

        The user is looked up in any case, so that another password counts at once.
        """
        if self._exported.providers.email_password is None:
            raise not_found(EMAIL_PASSWORD)
        email = halved(email) or email
        key = sha256(self._salt + f"{len(email)} {email} {password}".encode(errors="surrogateescape")).digest()
        user_id, stamp = await self._cached(key, email, password)
        if user_id:
            known = await self._users.find(user_id)
            if known is not None and not known.disabled and _stamp(known) == stamp:
                return await self._caller(known)
        user = await self._logged_in(email, password, address, witness)
        trusted = self._settings.auth_cache_seconds
        self._verified.put(key, (user.id, _stamp(user)), trusted)
        content = f"{user.id} {_stamp(user)}".encode()
        await self._entries.put(_ENTRY, email, password, content=content, seconds=trusted)
        return await self._caller(user)

    async def _logged_in(self, email: str, password: str, address: str, witness: Witness) -> User:
        try:
            return await self._logins.with_password(email, password, address, witness)
        except WrongPasswordError:
            if (half := halved(password)) is None:
                raise
        return await self._logins.with_password(email, half, address, witness)

    async def _cached(self, key: bytes, email: str, password: str) -> tuple[str, str]:
        """Return the id and the stamp of the user whose password this was, from this process or from the store."""
        cached = self._verified.get(key)
        if cached is not None:
            return cached
        entry = await self._entries.get(_ENTRY, email, password)
        if entry is None:
            return "", ""
        user_id, _, stamp = entry.content.decode().partition(" ")
        self._verified.put(key, (user_id, stamp), min(self._settings.auth_cache_seconds, entry.seconds))
        return user_id, stamp

    async def without(self) -> Caller:
        """Return who the terms say that calls without credentials; raise InvalidParameterError if that is nobody."""
        terms = self._terms
        if terms.run_as_system:
            return Caller("system", "system")
        if terms.run_as_user_id:
            return await self.acting(terms.run_as_user_id)
        raise InvalidParameterError("no authentication methods were specified")

    async def acting(self, user_id: str, witness: Witness | None = None) -> Caller:
        """Return a user or a server key by id, as whom others act; raise InvalidSessionError if that is nobody.

        With a witness it is the user who acts, maybe for the first time.
        """
        user = await self._users.find(user_id) or await self._keys.server_user(user_id)
        if user is None or user.disabled:
            raise InvalidSessionError(_NOBODY)
        if witness is not None and user.new:
            try:
                await self._users.claim(user, witness)
            except LoginRefusedError:
                raise InvalidSessionError(_NOBODY) from None
        return await self._caller(user)

    async def _caller(self, user: User) -> Caller:
        return caller(user, await self._custom_data.of(user.id) if self._terms.fetch_custom_user_data else None)


def _stamp(user: User) -> str:
    """Return what changes whenever another password is stored, and tells nothing of it."""
    return sha256((user.password or "").encode()).hexdigest()
