"""The sets of keys that issuers publish to verify their tokens with: fetched seldom, and cached."""

import asyncio
import time
from collections.abc import Mapping
from math import inf
from typing import Any, NamedTuple

import orjson

from shared.admission import aside
from shared.auth.outgoing import Outgoing
from shared.errors import Unavailable, UnavailableError

_LARGEST = 1024 * 1024
_FETCH_SECONDS = 5.0
_BETWEEN_FETCHES = 60.0  # however many tokens name a key that is not there
_AFTER_FAILURE = 5.0  # an issuer that is away is not asked by every token that comes
_FRESH_SECONDS = 3_600.0  # after which a set is fetched again: a key that is not in it any more is of no use
_LONGEST_SECONDS = 86_400.0  # for which a set goes on while its issuer is away


type _Source = tuple[str, str]
"""The address of a set, and the algorithm for which its keys are read."""


class _KeySet(NamedTuple):
    fetched: float
    keys: Mapping[str, Any]


class KeySets:
    """The key sets that this process has fetched, by their addresses, which settings or the app name."""

    def __init__(self) -> None:
        """Know no keys yet."""
        self._sets: dict[_Source, _KeySet] = {}
        self._failed: dict[_Source, float] = {}
        self._fetching: dict[_Source, asyncio.Lock] = {}
        self._outgoing = Outgoing(Unavailable.NO_SIGNING_KEYS, _FETCH_SECONDS)

    async def key(self, uri: str, kid: str, algorithm: str) -> Any:
        """Return the key of an id, None if there is none; raise UnavailableError if the keys cannot be fetched.

        A set without it is fetched again, but seldom, and once for all who wait.
        """
        source = uri, algorithm
        if self._is_due(source, kid):
            async with aside(), self._fetching.setdefault(source, asyncio.Lock()):
                if self._is_due(source, kid):
                    await self._renew(source, kid)
        return self._sets[source].keys.get(kid)

    def _is_due(self, source: _Source, kid: str) -> bool:
        found = self._sets.get(source)
        if found is None:
            return True
        return found.fetched + (_FRESH_SECONDS if kid in found.keys else _BETWEEN_FETCHES) < time.monotonic()

    async def _renew(self, source: _Source, kid: str) -> None:
        """Fetch a set; if its issuer is away, the one that has the key goes on for a day."""
        try:
            self._sets[source] = await self._fetched(source)
        except UnavailableError:
            known = self._sets.get(source)
            if known is None or kid not in known.keys or known.fetched + _LONGEST_SECONDS < time.monotonic():
                raise

    async def _fetched(self, source: _Source) -> _KeySet:
        uri, algorithm = source
        if self._failed.get(source, -inf) + _AFTER_FAILURE > time.monotonic():
            raise UnavailableError(Unavailable.NO_SIGNING_KEYS)
        try:
            keys = await asyncio.to_thread(_read, await self._outgoing.get(uri, _LARGEST), algorithm)
        except (UnavailableError, ValueError, KeyError, TypeError) as error:
            self._failed[source] = time.monotonic()
            raise UnavailableError(Unavailable.NO_SIGNING_KEYS) from (error.__cause__ or error)
        return _KeySet(time.monotonic(), keys)


def _read(text: bytes, algorithm: str) -> dict[str, Any]:
    """Return the keys of a set with which signatures by an algorithm are verified, by their ids."""
    import jwt  # noqa: PLC0415  only the process that logs somebody in pays for it

    keys: dict[str, Any] = {}
    for each in list(orjson.loads(text)["keys"]):
        try:
            if each.get("use", "sig") == "sig" and "d" not in each:  # a private key that is published is anybody's
                keys[str(each.get("kid", ""))] = jwt.PyJWK(each, algorithm=algorithm).key
        except (jwt.PyJWTError, AttributeError, ValueError, TypeError):  # a key of a kind that is not used here
            continue
    return keys
