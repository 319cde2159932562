"""The credentials in the headers of a call -> its Caller."""

import time
from collections.abc import Mapping
from hashlib import sha256
from secrets import token_bytes
from typing import Literal

from shared import app, settings
from shared.auth import accounts, custom_data, keys, logins, sessions, users
from shared.auth.caller import Caller
from shared.auth.users import EMAIL_PASSWORD, User
from shared.cache import entries
from shared.errors import (
    InvalidParameterError,
    InvalidPasswordError,
    InvalidSessionError,
    LoginRefusedError,
    MissingParameterError,
    ProviderNotFoundError,
)
from shared.mongo import clients as mongo

_KEY_HEADERS = ("apikey", "api-key")
_NOBODY = "invalid session: error finding user for endpoint"
_MOST_CACHED = 10_000
_SALT = token_bytes(32)
_passwords: dict[bytes, tuple[float, str, str]] = {}
_ENTRY = "password"  # the purpose of an entry in the store


async def authenticate(headers: Mapping[str, str], address: str = "") -> Caller:
    """Return the caller named by a request's credentials. A Bearer token decides alone and never falls through.

    After it come the key, e-mail address with password, and another issuer's token; who sends none may be who the app
    says that runs its Data API.
    """
    if "authorization" in headers:
        scheme, *token = headers["authorization"].split(None, 1) or [""]
        if scheme.lower() == "bearer":
            user, data = await sessions.user_of_access(token[0].strip() if token else "")
            return Caller(user.id, _kind(user), user.shown(data))
    for header in _KEY_HEADERS:
        if header in headers and (key := headers[header]):
            return await _with_key(key)
    return await _with_other(headers, address)


async def _with_key(key: str) -> Caller:
    owner = await keys.owner_of(key)
    if isinstance(owner, Caller) and owner.is_system:
        return owner
    if not logins.providers().api_key:
        raise InvalidSessionError(_NOBODY)
    if isinstance(owner, Caller):
        return Caller(owner.id, owner.kind, await _with_custom_data(owner.user))
    return await _acting(owner)


async def _with_other(headers: Mapping[str, str], address: str) -> Caller:
    email, password, token = headers.get("email"), headers.get("password"), headers.get("jwttokenstring")
    try:
        if email and password:
            return await _with_password(email, password, address)
        if token:
            known = app.current()
            with mongo.driver_call():
                create = known is not None and known.data_api.create_user_on_auth
                return await _caller(await logins.with_custom_token(token, create=create))
    except (InvalidPasswordError, LoginRefusedError, ProviderNotFoundError):
        raise InvalidSessionError(_NOBODY) from None
    if email or password:
        raise MissingParameterError(
            "must specify some form of authentication (either email+password, api-key, or jwt) "
            "in the request header or body"
        )
    return await _without()


async def _with_password(email: str, password: str, address: str) -> Caller:
    """Verify a password, which takes a while: one that was right is known again for AUTH_CACHE_SECONDS.

    The user is looked up in any case, so that another password counts at once.
    """
    if logins.providers().email_password is None:
        raise logins.not_found(EMAIL_PASSWORD)
    key = sha256(_SALT + f"{len(email)} {email} {password}".encode(errors="surrogateescape")).digest()
    user_id, stamp = await _known(key, email, password)
    with mongo.driver_call():
        if user_id:
            known = await users.find(user_id)
            if known is not None and not known.disabled and _stamp(known) == stamp:
                return await _caller(known)
        user = await logins.with_password(email, password, address)
        trusted = settings.current().auth_cache_seconds
        _remember(key, user.id, _stamp(user), trusted)
        content = f"{user.id} {_stamp(user)}".encode()
        await entries.keep(_ENTRY, email, password, content=content, seconds=trusted)
        return await _caller(user)


async def _known(key: bytes, email: str, password: str) -> tuple[str, str]:
    """Return whose password this was a moment ago and what was stored then, from this process or from the store."""
    expires, user_id, stamp = _passwords.get(key, (0.0, "", ""))
    if expires > time.monotonic():
        return user_id, stamp
    entry = await entries.load(_ENTRY, email, password)
    if entry is None:
        return "", ""
    user_id, _, stamp = entry.content.decode().partition(" ")
    _remember(key, user_id, stamp, min(settings.current().auth_cache_seconds, entry.seconds))
    return user_id, stamp


def _stamp(user: User) -> str:
    """Return what changes whenever another password is stored, and tells nothing of it."""
    return sha256((user.password or "").encode()).hexdigest()


def _remember(key: bytes, user_id: str, stamp: str, seconds: float) -> None:
    if len(_passwords) >= _MOST_CACHED:
        _passwords.clear()
    _passwords[key] = time.monotonic() + seconds, user_id, stamp


async def _without() -> Caller:
    known = app.current()
    if known is not None and known.data_api.run_as_system:
        return Caller("system", "system")
    if known is not None and known.data_api.run_as_user_id:
        return await _acting(known.data_api.run_as_user_id)
    raise InvalidParameterError("no authentication methods were specified")


async def _acting(user_id: str) -> Caller:
    with mongo.driver_call():
        user = await accounts.find(user_id)
        if user is None or user.disabled:
            raise InvalidSessionError(_NOBODY)
        return await _caller(user)


async def _caller(user: User) -> Caller:
    return Caller(user.id, _kind(user), await _with_custom_data(user.shown(None)))


def _kind(user: User) -> Literal["server", "normal"]:
    return "server" if user.type == accounts.SERVER else "normal"


async def _with_custom_data(shown: Mapping[str, object]) -> Mapping[str, object]:
    """Load what the app keeps of a user, if its Data API is to."""
    known = app.current()
    if known is None or not known.data_api.fetch_custom_user_data:
        return shown
    with mongo.driver_call():
        data = await custom_data.of(str(shown["id"]))
    return shown if data is None else {**shown, "custom_data": data}
