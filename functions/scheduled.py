"""Scheduled triggers of the app, where Azure's host keeps the time: each minute those that are due."""

from functools import partial

import azure.functions as func

from shared import settings
from shared.endpoint.http import current_service


def blueprint() -> func.Blueprint:
    """Return the timer, if it is asked for: the host takes one only where it has a storage account."""
    bp = func.Blueprint()
    if settings.has_timer():
        bp.timer_trigger(arg_name="timer", schedule="0 * * * * *", use_monitor=False)(scheduled)
    return bp


async def scheduled(timer: func.TimerRequest) -> None:  # noqa: ARG001  the worker passes it
    """Run what is due, as far as no other process does."""
    from shared.endpoint.inner_calls import call_of_trigger  # noqa: PLC0415  only a timer needs these
    from shared.triggers.runner import Runner  # noqa: PLC0415

    service = current_service()
    if service.app is None:
        return
    runner = Runner(service.control, service.clients, service.settings, partial(call_of_trigger, service))
    await runner.run_due(service.app.scheduled_triggers)
