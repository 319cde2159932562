"""Passwords, as Argon2id hashes; the work is done beside the event loop, a few at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from shared.admission import WAITING, Places, aside
from shared.errors import BadRequestError, Unavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 6, 128
_AT_ONCE = 2  # each takes tens of megabytes
_WAIT_SECONDS = 15.0  # a class of pupils registers at once


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self) -> None:
        """Let a few be hashed at once."""
        self._turns = Places(_AT_ONCE, WAITING, _WAIT_SECONDS, Unavailable.TOO_MANY_PASSWORDS)

    @staticmethod
    def refuse_unusable(password: str) -> None:
        """Raise BadRequestError for one that is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise BadRequestError(f"password must be between {SHORTEST} and {LONGEST} characters")

    @property
    def shed(self) -> int:
        """How many calls got no turn so far."""
        return self._turns.shed

    async def hashed(self, password: str) -> str:
        """Return what is stored of a password; raise BadRequestError if it is too short or too long."""
        self.refuse_unusable(password)
        async with self._turn():
            return await asyncio.to_thread(self._hash, password)

    async def verified(self, password: str, stored: str | None) -> bool:
        """Tell whether a password is the stored one; without one the answer takes as long, and is no."""
        async with self._turn():
            return await asyncio.to_thread(self._verify, password[: LONGEST + 1], stored)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Have a turn, without the place of the call: those who log in keep no others from MongoDB."""
        async with aside():
            await self._turns.enter()
            try:
                yield
            finally:
                self._turns.leave()

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from argon2 import PasswordHasher  # noqa: PLC0415  only the process that logs somebody in pays for it

        return PasswordHasher()

    @cached_property
    def _nobody(self) -> str:
        """A hash that no password is compared with in earnest: an unknown user costs as much as a wrong password."""
        return self._hasher.hash("nobody has this password")

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password.encode(errors="surrogatepass"))

    def _verify(self, password: str, stored: str | None) -> bool:
        from argon2.exceptions import VerificationError  # noqa: PLC0415

        try:
            self._hasher.verify(stored or self._nobody, password.encode(errors="surrogatepass"))
        except VerificationError:
            return False
        return stored is not None
