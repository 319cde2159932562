"""Users as lines of a file and back: as the Admin API of App Services lists them, and as `users export` does (pure)."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import bson
import msgspec
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.objectid import ObjectId

from admin.transfer import formats, lines
from admin.transfer.lines import LineError
from admin.transfer.source import Source
from shared.auth.accounts import SERVER, User
from shared.auth.logins import API_KEY, CUSTOM_FUNCTION, CUSTOM_TOKEN, is_identity
from shared.auth.users import ANONYMOUS, ANONYMOUS_LIFE, EMAIL_PASSWORD, identity_of, is_name
from shared.settings import OAUTH2

_PROVIDERS = frozenset({ANONYMOUS, EMAIL_PASSWORD, CUSTOM_TOKEN, CUSTOM_FUNCTION, API_KEY, *OAUTH2})
_ID_OF_ATLAS = re.compile(r"[0-9a-f]{24}(-[a-z]+)?")
_HASH = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[\w+/]+\$[\w+/]+")
_READ: CodecOptions[Any] = CodecOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)


class Moved(NamedTuple):
    """A user as the control database stores it, the custom data, and how many API keys act as the user.

    `unknown` are the members that become nothing.
    """

    stored: dict[str, Any]
    custom_data: dict[str, Any]
    keys: int
    unknown: frozenset[str]

    @property
    def names(self) -> set[tuple[str, str]]:
        """Each identity's provider, and the id that it knows."""
        return names_of(self.stored)


class ServerKey(NamedTuple):
    """A key that is a user by itself: it cannot be moved, only its id and its name."""

    id: ObjectId
    name: str


class _Identity(msgspec.Struct):
    id: str
    provider_type: str
    provider_id: str = ""
    provider_data: dict[str, Any] | None = None
    data: dict[str, Any] | None = None


class _User(msgspec.Struct):
    id: Any = msgspec.field(name="_id")
    identities: list[_Identity]
    type: str = "normal"
    data: dict[str, Any] | None = None
    custom_data: dict[str, Any] | None = None
    disabled: bool = False
    confirmed: bool = True
    new: bool = False
    pending: bool = False
    creation_date: Any = None
    password_hash: str | None = None


_MEMBERS = frozenset(each.encode_name for each in msgspec.structs.fields(_User))
_MEMBERS_OF_IDENTITY = frozenset(each.encode_name for each in msgspec.structs.fields(_Identity))


def texts(source: Source) -> Iterator[tuple[str, bytes]]:
    """Yield the users of a file, each with its place: one a line, or an array of them."""
    is_array = source.peek().lstrip().startswith(b"[")
    form = formats.named("json" if is_array else "ndjson", source)
    found = source.items(form.read)
    noun = "user" if is_array else form.noun
    for item in list(found) if is_array else found:  # of an array that is cut off nobody is stored
        yield f"{noun} {item.number}", item.text


def read(text: bytes) -> Moved | ServerKey:
    """Return the user of a text; raise LineError if it is none."""
    try:
        document = bson.decode(lines.decode(text), _READ)
        user = msgspec.convert(document, _User)
    except msgspec.ValidationError as error:
        raise LineError(str(error)) from None
    user_id = _id(user.id)
    if not user.identities:
        raise LineError("it has no identities")
    if user.type == SERVER or all(each.provider_type == API_KEY for each in user.identities):
        name = (user.data or {}).get("name")
        return ServerKey(user_id, name if isinstance(name, str) else "")
    keys = sum(each.provider_type == API_KEY for each in user.identities)
    return Moved(_stored(user, user_id), user.custom_data or {}, keys, frozenset(_unknown(document)))


def write(user: User, *, with_password: bool) -> bytes:
    """Return the line of a user, from which `read` makes the same one."""
    members: dict[str, Any] = {
        "_id": user.id,
        "type": user.type,
        "identities": [_written(each) for each in user.identities],
        "data": user.data,
        "creation_date": user.created,
        "disabled": user.disabled,
        "confirmed": user.confirmed,
    }
    members |= {"new": True} if user.new else {}
    members |= {"pending": True} if user.pending else {}
    members |= {"password_hash": user.password} if with_password and user.password else {}
    return lines.encode(bson.encode(members))


def names_of(stored: dict[str, Any]) -> set[tuple[str, str]]:
    """Return each identity's provider, and the id that it knows."""
    return {(each["provider_type"], each["id"]) for each in stored["identities"]}


def address_of(stored: dict[str, Any]) -> str | None:
    """Return the name that goes with a user's password, None for who has none."""
    return next((name for provider, name in names_of(stored) if provider == EMAIL_PASSWORD), None)


def _stored(user: _User, user_id: ObjectId) -> dict[str, Any]:
    given = user.data or {}
    identities = _identities(user.identities, given)
    data = _said(user.identities) | given
    stored: dict[str, Any] = {
        "_id": user_id, "type": "normal", "identities": identities, "data": data, "disabled": user.disabled,
        "confirmed": user.confirmed, "created": _created(user.creation_date, user_id),
    }  # fmt: skip
    stored |= {"new": True} if user.new else {}
    stored |= {"pending": True} if user.pending else {}
    if user.password_hash is not None:
        if not _HASH.fullmatch(user.password_hash):
            raise LineError("'password_hash' is none of Argon2id")
        stored["password"] = user.password_hash
    if (address := address_of(stored)) is not None:
        stored["data"] = data | {"email": given.get("email", address)}
    if all(each["provider_type"] == ANONYMOUS for each in identities):
        stored["expires"] = stored["created"] + ANONYMOUS_LIFE
    return stored


def _said(identities: list[_Identity]) -> dict[str, Any]:
    """Return what providers say of the user, of which `data` is made; of what two say, the first counts."""
    said: dict[str, Any] = {}
    for each in identities:
        if each.provider_type != API_KEY:
            said = (each.provider_data or {}) | (each.data or {}) | said
    return said


def _unknown(document: dict[str, Any]) -> Iterator[str]:
    yield from document.keys() - _MEMBERS
    for identity in document["identities"]:
        yield from (f"identities.{name}" for name in identity.keys() - _MEMBERS_OF_IDENTITY)


def _identities(given: list[_Identity], data: dict[str, Any]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for each in given:
        if each.provider_type not in _PROVIDERS:
            raise LineError(f"no provider is called '{each.provider_type[:100]}'")
        if each.provider_type == API_KEY:  # what a key acts as is stored with the key
            continue
        name = _address(each, data) if each.provider_type == EMAIL_PASSWORD else each.id
        if not (is_name(name) if each.provider_type == EMAIL_PASSWORD else is_identity(name)):
            raise LineError(f"the id of {each.provider_type} is no name of a user")
        kept = {"provider_id": each.provider_id} if each.provider_id else {}
        found.setdefault((each.provider_type, name), identity_of(each.provider_type, name) | kept)
    if sum(provider == EMAIL_PASSWORD for provider, _ in found) > 1:
        raise LineError("it has two e-mail addresses with passwords, and a user has one")
    return list(found.values())


def _address(identity: _Identity, data: dict[str, Any]) -> str:
    """Return what the user logs in with: App Services has ids of its own there, and the address in the data."""
    for address in ((identity.provider_data or {}).get("email"), "@" in identity.id and identity.id, data.get("email")):
        if isinstance(address, str) and address:
            return address
    if _ID_OF_ATLAS.fullmatch(identity.id):
        raise LineError("it has a password and no e-mail address: 'data.email' is missing")
    return identity.id


def _id(value: Any) -> ObjectId:
    if not ObjectId.is_valid(value) or isinstance(value, bytes):
        raise LineError("'_id' is no id of a user: those have 24 hexadecimal digits")
    return ObjectId(value)


def _created(value: Any, user_id: ObjectId) -> datetime:
    if value is None:
        return user_id.generation_time
    try:
        created = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
        return min(created, datetime.now(UTC))  # nobody was made later
    except (TypeError, ValueError, OverflowError, OSError):
        raise LineError("'creation_date' is neither seconds since 1970 nor a date") from None


def _written(identity: dict[str, Any]) -> dict[str, Any]:
    if identity["provider_type"] == EMAIL_PASSWORD:
        return identity | {"provider_data": {"email": identity["id"]}}
    return identity
