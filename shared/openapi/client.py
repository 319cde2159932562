"""The client API: its functions with the types of their requests and replies."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from shared.documents.ejson import Document

_OK, _CREATED = HTTPStatus.OK, HTTPStatus.CREATED


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """An object of a request: members that nobody knows are ignored."""


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object of a reply, of which every member is known."""


class Location(Known, frozen=True):
    """Where the app is."""

    deployment_model: str
    location: str
    hostname: str
    ws_hostname: str


class Login(Struct, frozen=True):
    """What a provider asks for: `username` and `password`, `key`, `token`, `id_token`, or nothing."""

    username: str | UnsetType = UNSET
    password: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    id_token: str | UnsetType = UNSET


class LoggedIn(Known, frozen=True):
    """The tokens of a session."""

    access_token: str
    refresh_token: str
    user_id: str
    device_id: str


class Renewed(Known, frozen=True):
    """Another access token."""

    access_token: str


class Done(Known, frozen=True):
    """Nothing is to be said."""


class Profile(Known, frozen=True):
    """The user whose access token it is."""

    user_id: str
    domain_id: str
    identities: list[Document]
    data: Document
    type: str


class Registration(Struct, frozen=True):
    """An e-mail address and a password."""

    email: str
    password: str


class Address(Struct, frozen=True):
    """An e-mail address."""

    email: str


class Confirmation(Struct, frozen=True):
    """What a letter brought, or the app's function."""

    token: str
    tokenId: str  # noqa: N815  as it is sent


class NewPassword(Confirmation, frozen=True):
    """The same with another password."""

    password: str


class FunctionReset(Registration, frozen=True):
    """Another password, on which the app's function decides."""

    arguments: list[Any] | UnsetType = UNSET


class KeyName(Struct, frozen=True):
    """The name of an API key."""

    name: str


class APIKey(Known, frozen=True):
    """An API key without its secret."""

    _id: str
    name: str
    disabled: bool


class MadeAPIKey(APIKey, frozen=True):
    """An API key with its secret, which is shown this once."""

    key: str


class FunctionCall(Struct, frozen=True):
    """A function of the app with its arguments, or, with `service`, a method of a data source."""

    name: str
    arguments: list[Any] | UnsetType = UNSET
    service: str | UnsetType = UNSET


class Operation(NamedTuple):
    """What one method of a path does: `session` says which of its tokens it takes."""

    name: str
    method: str
    path: str
    summary: str
    reply: Any
    body: Any = None
    success: HTTPStatus = _OK
    session: str = ""
    query: Mapping[str, str] = MappingProxyType({})
    """The members of the query."""
    streams: bool = False
    """Whether it goes on as long as the caller listens, and needs a server of its own."""


_APP = "app/{app_id}/"
_USERPASS = _APP + "auth/providers/local-userpass/"
_KEYS = "auth/api_keys"
_KEY = _KEYS + "/{key_id}"

_WATCH = {
    "baas_request": 'In base64, `{"name": "watch", "service": "mongodb-atlas", "arguments": [{"database":'
    ' "shop", "collection": "orders"}]}`, where `ids` or `filter` chooses documents.',
    "baas_at": "The access token, for those who cannot send a header.",
}
_EMAIL, _PASSWORD = "ann@shop.example", "a long password"
_OF_LETTER = {"token": "of the letter", "tokenId": "of the letter"}
EXAMPLES: Mapping[Any, Mapping[str, Any]] = {
    Login: {"username": _EMAIL, "password": _PASSWORD},
    Registration: {"email": _EMAIL, "password": _PASSWORD},
    Address: {"email": _EMAIL},
    Confirmation: _OF_LETTER,
    NewPassword: _OF_LETTER | {"password": _PASSWORD},
    FunctionReset: {"email": _EMAIL, "password": _PASSWORD, "arguments": []},
    KeyName: {"name": "phone"},
    FunctionCall: {"name": "greet", "arguments": ["Ann"]},
}
"""A body of each type."""

OPERATIONS = (
    Operation("location", "get", _APP + "location", "Where is the app?", Location),
    Operation("login", "post", _APP + "auth/providers/{provider}/login", "Logs in.", LoggedIn, Login),
    Operation("session", "post", "auth/session", "Renews the access token.", Renewed, session="refresh"),
    Operation("session", "delete", "auth/session", "Logs out.", Done, session="refresh"),
    Operation("appSession", "post", _APP + "auth/session", "Renews the access token.", Renewed, session="refresh"),
    Operation("appSession", "delete", _APP + "auth/session", "Logs out.", Done, session="refresh"),
    Operation("profile", "get", "auth/profile", "Who is logged in?", Profile, session="access"),
    Operation("deleteUser", "delete", "auth/delete", "Deletes oneself.", Done, session="access"),
    Operation("register", "post", _USERPASS + "register", "Registers a user.", Done, Registration, _CREATED),
    Operation("confirm", "post", _USERPASS + "confirm", "Confirms an address.", Done, Confirmation),
    Operation("confirmSend", "post", _USERPASS + "confirm/send", "Sends the letter again.", Done, Address),
    Operation("confirmCall", "post", _USERPASS + "confirm/call", "Asks the app's function again.", Done, Address),
    Operation("resetSend", "post", _USERPASS + "reset/send", "Sends a letter for another password.", Done, Address),
    Operation("reset", "post", _USERPASS + "reset", "Takes another password.", Done, NewPassword),
    Operation("resetCall", "post", _USERPASS + "reset/call", "Has the app's function decide.", Done, FunctionReset),
    Operation("apiKeys", "get", _KEYS, "Lists one's API keys.", list[APIKey], session="refresh"),
    Operation("apiKeys", "post", _KEYS, "Makes an API key.", MadeAPIKey, KeyName, _CREATED, session="refresh"),
    Operation("apiKey", "get", _KEY, "Shows an API key.", APIKey, session="refresh"),
    Operation("apiKey", "delete", _KEY, "Deletes an API key.", Done, session="refresh"),
    Operation("enableApiKey", "put", _KEY + "/enable", "Enables an API key.", Done, session="refresh"),
    Operation("disableApiKey", "put", _KEY + "/disable", "Disables an API key.", Done, session="refresh"),
    Operation("functionsCall", "post", _APP + "functions/call", "Has it run.", Any, FunctionCall, session="access"),
    Operation("watch", "get", _APP + "functions/call", "Streams the changes of a collection.", str, session="access",
              query=_WATCH, streams=True),
)  # fmt: skip

PARAMETERS: Mapping[str, str] = {
    "app_id": "The Client App ID: `APP_ID`, or any where that is not set.",
    "version": "The version of the Data API.",
    "provider": "The provider, such as `local-userpass`, `api-key`, `anon-user`, `custom-token` or `custom-function`.",
    "key_id": "The id of an API key.",
}
"""What the parameters in paths are."""
