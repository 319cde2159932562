"""Credentials of a request -> its Caller, by the app's users and providers and the deployment's API keys."""

from shared.auth.caller import Caller
from shared.auth.credentials import authenticate
from shared.auth.keys import API_KEYS, forget_cached_keys, new_key

__all__ = ["API_KEYS", "Caller", "authenticate", "forget_cached_keys", "new_key"]
