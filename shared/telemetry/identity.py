"""The managed identity that signs telemetry in where Application Insights takes no keys: disableLocalAuth."""

from typing import Any

from azure.identity import ManagedIdentityCredential


def credential(authentication: str) -> Any:
    """Return azure-identity's credential for `Authorization=AAD` or `ClientId=…;Authorization=AAD`; raise ValueError.

    It is Azure's own format, so that the host and the worker read the same setting.
    """
    members = dict(member.partition("=")[::2] for member in authentication.strip().rstrip(";").split(";"))
    given = {name.strip().lower(): value.strip() for name, value in members.items()}
    if given.get("authorization") != "AAD":
        raise ValueError("Authorization must be AAD")

    client_id = given.get("clientid")
    return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
