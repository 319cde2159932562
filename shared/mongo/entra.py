"""Signing in to MongoDB without a password: with a token that Microsoft Entra ID gives to this deployment."""

import logging
import time
from typing import TYPE_CHECKING, Any

from pymongo.auth_oidc import OIDCCallback, OIDCCallbackContext, OIDCCallbackResult

from shared.errors import Unavailable, UnavailableError
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

MECHANISM = "MONGODB-OIDC"

_LOGGER = logging.getLogger("dozen")
_DEFAULT_SCOPE = "/.default"
_LONGEST_SECONDS = 5.0  # of one request to the identity endpoint, which is on the same machine
_RETRIES = 2
_SHOWN = 500  # characters of what the identity library says


def options(settings: Settings) -> dict[str, Any]:
    """Return the client options that sign in with tokens. A token is a secret, so TLS unless the URI refuses it."""
    return {
        "authMechanism": MECHANISM,
        "authMechanismProperties": {"OIDC_CALLBACK": EntraToken(settings)},
        "tls": True,
    }


def scope(audience: str) -> str:
    """Return the scope to ask for: the audience is the database's, for Azure DocumentDB or as configured in Atlas."""
    return audience if audience.endswith(_DEFAULT_SCOPE) else audience + _DEFAULT_SCOPE


class EntraToken(OIDCCallback):
    """Gives the driver a token whenever it opens its first connection or MongoDB asks for a new one.

    The driver calls it beside the event loop, for one connection at a time, and keeps the token.
    """

    def __init__(self, settings: Settings) -> None:
        """Take whose token to request, and for which database."""
        self._settings = settings
        self._credential: TokenCredential | None = None  # which caches tokens until they grow old

    def fetch(self, context: OIDCCallbackContext) -> OIDCCallbackResult:  # noqa: ARG002  the driver's signature
        """Return a token; raise UnavailableError, once the reason is in the log."""
        try:
            if self._credential is None:
                self._credential = _credential(self._settings)
            token = self._credential.get_token(scope(self._settings.mongo_db_token_audience))
        except Exception as error:  # noqa: BLE001  azure-identity lets errors of its transport and parsers through
            _LOGGER.error("%s", _advice(error))  # noqa: TRY400  a traceback says nothing that an operator can mend
            raise UnavailableError(Unavailable.NO_ENTRA_SIGN_IN) from None
        return OIDCCallbackResult(access_token=token.token, expires_in_seconds=max(0.0, token.expires_on - time.time()))


def _credential(settings: Settings) -> "TokenCredential":
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415  a quarter of a second

    limits: dict[str, Any] = {
        "connection_timeout": _LONGEST_SECONDS, "read_timeout": _LONGEST_SECONDS, "retry_total": _RETRIES
    }  # fmt: skip
    client_id = settings.azure_client_id or None
    if settings.identity_endpoint or settings.azure_federated_token_file:  # in Azure
        return ManagedIdentityCredential(client_id=client_id, **limits)
    return DefaultAzureCredential(managed_identity_client_id=client_id, **limits)


def _advice(error: Exception) -> str:
    said = " ".join(str(error).split())[:_SHOWN]
    return (
        "no token from Microsoft Entra ID: give the app a managed identity, name it in AZURE_CLIENT_ID if it is"
        " user-assigned, and make it a user of the database; outside Azure, sign in with the Azure CLI"
        f" ({type(error).__name__}: {said})"
    )
