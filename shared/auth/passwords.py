"""Passwords, as Argon2id hashes; the work is done beside the event loop, a few at a time."""

import asyncio
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from shared.errors import BadRequestError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 6, 128
_AT_ONCE = 2  # each takes tens of megabytes
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415  only the process that logs somebody in pays for it

    return PasswordHasher()


@cache
def _nobody() -> str:
    """A hash that no password is compared with in earnest: an unknown user costs as much as a wrong password."""
    return _hasher().hash("nobody has this password")


async def hashed(password: str) -> str:
    """Return what is stored of a password; raise BadRequestError if it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadRequestError(f"password must be between {SHORTEST} and {LONGEST} characters")
    async with _slot():
        return await asyncio.to_thread(_hasher().hash, password.encode(errors="surrogatepass"))


async def verified(password: str, stored: str | None) -> bool:
    """Tell whether a password is the stored one; without one the answer takes as long, and is no."""
    async with _slot():
        return await asyncio.to_thread(_verify, password[: LONGEST + 1], stored)


def _verify(password: str, stored: str | None) -> bool:
    from argon2.exceptions import VerificationError  # noqa: PLC0415

    try:
        _hasher().verify(stored or _nobody(), password.encode(errors="surrogatepass"))
    except VerificationError:
        return False
    return stored is not None


def _slot() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    found = _slots.get(loop)
    if found is None:
        found = _slots[loop] = asyncio.Semaphore(_AT_ONCE)
    return found
