"""`triggers`: run those of the app, see how they do, resume what was suspended."""

import asyncio
import signal
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer
from rich.markup import escape

from admin.console import console
from admin.output import AsJSON, show_json, show_table, start_table, tell
from admin.process import EXIT_CODES, NoSuchError, StoppedError, app_of, run
from admin.stored import genuine
from shared.app.model import App, DatabaseTrigger, ScheduledTrigger
from shared.service import Service
from shared.telemetry.log import LOGGER, log_to_stdout
from shared.triggers.leases import Stored
from shared.triggers.left_over import tell_until
from shared.triggers.records import Records
from shared.triggers.runner import Runner, Trigger

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The trigger's name, as `triggers list` shows it.")]
OneName = Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one, with its last failures.")]
FromNow = Annotated[bool, typer.Option("--from-now", help="Leave out what changed since it was suspended.")]


@app.command("run", epilog=EXIT_CODES)
def run_() -> None:
    """Run the app's database and scheduled triggers until SIGTERM. Each runs in one process, however many there are.

    It tells authentication triggers, too, what processes of the service have left over.
    The log goes to standard output. Functions that run get 25 seconds to end.
    """
    run(_run, endless=True)


@app.command("list", epilog=EXIT_CODES)
def list_(as_json: AsJSON = False) -> None:
    """List the triggers that are not disabled: name, type, when, and the function."""
    rows = [{"name": name, "type": kind, "when": when, "function": function} for name, kind, when, function in _rows()]
    if as_json:
        show_json(rows)
        return
    table = start_table("Name", "Type", "When", "Function", elastic=("Name", "When", "Function"))
    for row in rows:
        table.add_row(*(escape(cell) for cell in row.values()))
    show_table(table)


@app.command(epilog=EXIT_CODES)
def status(name: OneName = None, as_json: AsJSON = False) -> None:
    """Show which triggers run, how far they are, and what failed. Exit 1 if one is suspended.

    `runs`: a process has it. `waits`: none has, so start one. `suspended`: it does not go on by itself.
    """
    found = run(lambda service: _status(service, name))
    if as_json:
        show_json([_as_json(each, stored) for each, stored in found])
    else:
        _show(found, with_failures=name is not None)
    if any(stored.get("suspended") for _, stored in found):
        raise typer.Exit(1)


@app.command(epilog=EXIT_CODES)
def resume(name: Name, from_now: FromNow = False, as_json: AsJSON = False) -> None:
    """Let a suspended trigger run again, behind the last change that it handled.

    Where MongoDB no longer has the changes since, it begins with those from now on.
    """
    run(lambda service: _resume(service, name, from_now=from_now))
    told = {"name": name, "from_now": from_now}
    tell(f"the trigger '{name}' runs again as soon as a process has it", told, as_json=as_json)


async def _run(service: Service) -> None:
    app = await app_of(service)
    triggers = _background(app)
    if not triggers and not app.authentication_triggers:
        raise StoppedError("the app has no trigger to run: none that is not disabled")
    log_to_stdout()
    LOGGER.setLevel(service.settings.log_level)
    import function_app  # noqa: F401, PLC0415  with it come the actions that functions ask for
    from shared.endpoint.inner_calls import call_of_trigger, tell_left_over_once  # noqa: PLC0415  they are the edge's

    runner = Runner(service.control, service.clients, service.settings, partial(call_of_trigger, service))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, runner.stop.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runner.run(triggers))
        if app.authentication_triggers:
            tasks.create_task(tell_until(runner.stop, partial(tell_left_over_once, service)))


def _background(app: App) -> Sequence[Trigger]:
    return [*app.database_triggers, *app.scheduled_triggers]


def _rows() -> list[tuple[str, str, str, str]]:
    app = run(app_of)
    rows = [(each.name, "DATABASE", _watched(each), each.function) for each in app.database_triggers]
    rows += [(each.name, "SCHEDULED", each.text, each.function) for each in app.scheduled_triggers]
    for each in app.authentication_triggers:
        rows.append((each.name, "AUTHENTICATION", ", ".join(sorted(each.operations)), each.function))
    return sorted(rows)


def _watched(trigger: DatabaseTrigger) -> str:
    if not trigger.database:
        return "every database"
    return f"{trigger.database}.{trigger.collection or '*'}"


async def _status(service: Service, name: str | None) -> list[tuple[Trigger, Stored]]:
    triggers = [each for each in _background(await app_of(service)) if name in (None, each.name)]
    if name is not None and not triggers:
        raise _no_such(name)
    raw = await Records(service.control).raw([each.name for each in triggers])
    stored = {each["_id"]: each for each in genuine("trigger", raw)}
    return [(each, stored.get(each.name, {})) for each in sorted(triggers, key=lambda each: each.name)]


async def _resume(service: Service, name: str, *, from_now: bool) -> None:
    if name not in {each.name for each in _background(await app_of(service))}:
        raise _no_such(name)
    if not await Records(service.control).resume(name, from_now=from_now):
        raise StoppedError(f"the trigger '{name}' is not suspended")


def _no_such(name: str) -> NoSuchError:
    return NoSuchError(f"the app has no database or scheduled trigger '{name}' that is not disabled")


def _state(stored: Stored) -> str:
    if stored.get("suspended"):
        return "suspended"
    return "runs" if stored.get("runs") else "waits"


def _as_json(trigger: Trigger, stored: Stored) -> dict[str, Any]:
    return {
        "name": trigger.name,
        "type": "SCHEDULED" if isinstance(trigger, ScheduledTrigger) else "DATABASE",
        "state": _state(stored),
        "suspended": stored.get("suspended"),
        "stored": stored.get("stored"),
        "failed": stored.get("failed", 0),
        "failures": stored.get("failures", []),
    }


def _show(found: Sequence[tuple[Trigger, Stored]], *, with_failures: bool) -> None:
    table = start_table("Name", "State", "Last stored", "Failed", elastic=("Name",), numbers=("Failed",))
    colours = {"suspended": "[red]suspended[/]", "runs": "[green]runs[/]", "waits": "[yellow]waits[/]"}
    for trigger, stored in found:
        at = stored.get("stored")
        last = "" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
        table.add_row(escape(trigger.name), colours[_state(stored)], last, str(stored.get("failed", 0)))
    show_table(table)
    out = console()
    for trigger, stored in found:
        if suspended := stored.get("suspended"):
            out.print(f"{escape(trigger.name)}: {escape(suspended['reason'])}; `triggers resume` lets it go on")
        for failure in stored.get("failures", []) if with_failures else []:
            out.print(f"{failure['at']:%Y-%m-%d %H:%M:%S} {escape(failure['function'])}: {escape(failure['error'])}")
