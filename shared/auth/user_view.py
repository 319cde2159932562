"""`%%user`: what rules see of an account, the same whatever its credential was."""

from collections.abc import Mapping
from typing import Any

from shared.auth.accounts import SERVER, Caller, User


def user_view(user: User, custom_data: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `%%user`; both spellings of an identity's provider are documented."""
    identities = [{**each, "providerType": each["provider_type"]} for each in user.identities]
    view = {"id": user.id, "type": user.type, "data": user.data, "identities": identities}
    return view if custom_data is None else view | {"custom_data": dict(custom_data)}


def caller(user: User, custom_data: Mapping[str, Any] | None) -> Caller:
    """Return a user as the caller of a call."""
    return Caller(user.id, "server" if user.type == SERVER else "normal", user_view(user, custom_data))
