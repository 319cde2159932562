"""Scheduled triggers of the app, where Azure's host keeps the time: each minute those that are due."""

import asyncio
from functools import partial

import azure.functions as func

from shared import environment
from shared.endpoint.http import current_service

RUN_SECONDS = 180
"""How long a run may take here: the host ends the whole process at the `functionTimeout` of host.json."""


def blueprint() -> func.Blueprint:
    """Return the timer, if it is asked for: the host takes one only where it has a storage account."""
    bp = func.Blueprint()
    if environment.has_timer():
        bp.timer_trigger(arg_name="timer", schedule="0 * * * * *", use_monitor=False)(scheduled)
    return bp


async def scheduled(timer: func.TimerRequest) -> None:  # noqa: ARG001  the worker passes it
    """Run what is due, as far as no other process does."""
    from shared.endpoint.inner_calls import call_of_trigger  # noqa: PLC0415  only a timer needs these
    from shared.triggers.runner import Runner  # noqa: PLC0415

    service = current_service()
    if service.app is None:
        return
    call = partial(call_of_trigger, service, run_ms=RUN_SECONDS * 1000)
    runner = Runner(service.control, service.clients, service.settings, call)
    end = asyncio.get_running_loop().call_later(RUN_SECONDS, runner.stop.set)  # of waiting for MongoDB, too
    try:
        await runner.run_due(service.app.scheduled_triggers)
    finally:
        end.cancel()
