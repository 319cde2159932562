"""What processes of the service have left over of telling authentication triggers: told now and then."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.telemetry.log import event
from shared.triggers.calls import reason_of
from shared.triggers.waiting import comes

type Tell = Callable[[], Awaitable[bool]]
"""Tells one of them, if there is one; returns whether there was."""

_SECONDS = 60.0


async def tell_until(stop: asyncio.Event, tell: Tell) -> None:
    """Tell all that there is, once a minute, until the process is to end; whatever is wrong, triggers go on."""
    while not stop.is_set():
        try:
            while await tell():
                if stop.is_set():
                    return
        except Exception as error:  # noqa: BLE001  the process has others to run
            event(logging.WARNING, "left over triggers wait", reason=reason_of(error), seconds=_SECONDS)
        await comes(stop, _SECONDS)
