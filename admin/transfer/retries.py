"""How long processes that may take hours wait for a MongoDB that is away."""

import asyncio

from admin.process import note
from shared.errors import DeadlinePassedError, UnavailableError, UnconfirmedWriteError
from shared.mongo.refusals import translated

TRANSIENT = (UnavailableError, DeadlinePassedError, UnconfirmedWriteError)
"""What may be better soon: another primary, a network that is back."""

_ATTEMPTS = 7
_FIRST_WAIT = 0.5  # seconds; it doubles each time, to half a minute altogether


async def wait_or_raise(error: Exception, failures: int) -> None:
    """Wait after so many failures in a row, or raise what this one means if it is not transient."""
    late = DeadlinePassedError("MongoDB does not answer")
    meant = late if isinstance(error, TimeoutError) else translated(error)
    if failures >= _ATTEMPTS or not isinstance(meant, TRANSIENT):
        raise meant from error
    note(f"{meant}; trying again")
    await asyncio.sleep(_FIRST_WAIT * 2 ** (failures - 1))
