"""`functions`: list those of the app with what they need, and run one here."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from bson.objectid import ObjectId
from rich.markup import escape

from admin.console import console
from admin.options import parsed
from admin.output import AsJSON, show_json, show_table, start_table
from admin.process import EXIT_CODES, WRONG_USAGE, NoSuchError, StoppedError, app_of, fail, note, run
from shared.app.model import App, Function
from shared.auth.accounts import Caller
from shared.documents import ejson
from shared.errors import FunctionFailedError, InvalidJSONError, InvalidSessionError
from shared.service import Service

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The function's name, as `functions list` shows it.")]
UserId = Annotated[str | None, typer.Option("--user", help="The id of the user who calls it, under the rules.")]
KeyId = Annotated[str | None, typer.Option("--key", help="The id of the API key that calls it.")]
Arguments = Annotated[str, typer.Option("--args", help="Its arguments: an array in Extended JSON.")]


@app.command("run", epilog=EXIT_CODES)
def run_(name: Name, user: UserId = None, key: KeyId = None, args: Arguments = "[]") -> None:
    """Run a function here: its console on standard error, its result on standard output, as Extended JSON.

    Without --user and --key nobody calls it, and no rules bind it, as with a trigger. What it writes is written.
    """
    if user is not None and key is not None:
        raise fail("give --user or --key", WRONG_USAGE)
    arguments = parsed(_array, "--args", args)
    typer.echo(run(lambda service: _run(service, name, (user, key), arguments), endless=True))


@app.command("list", epilog=EXIT_CODES)
def list_(as_json: AsJSON = False) -> None:
    """List the functions: who may call each, whose rights it has, and what it needs that is not there."""
    app = run(app_of)
    rows = [(each, _needs(app, each.name)) for _, each in sorted(app.functions.by_name.items())]
    if as_json:
        show_json([_as_json(function, needs) for function, needs in rows])
        return
    table = start_table("Name", "Called by", "Runs as", "Needs", elastic=("Name", "Called by", "Runs as", "Needs"))
    for function, needs in rows:
        called_by = "the app" if function.private else "everybody"
        table.add_row(escape(function.name), called_by, escape(_runs_as(function)), str(len(needs) or ""))
    show_table(table)
    out = console()
    for _, needs in rows:
        for need in needs:
            out.print(escape(need))


def _needs(app: App, name: str) -> list[str]:
    """Return what `app check` finds in a function, its script or its webhook, with file and line."""
    return [f"{each.file}: {each.sentence}" for each in app.findings if each.sentence.startswith(f"function '{name}'")]


def _runs_as(function: Function) -> str:
    if function.script:
        return "whom its script chooses"
    return "the system" if function.run_as_system else function.run_as_user_id or "who calls it"


def _as_json(function: Function, needs: Sequence[str]) -> dict[str, Any]:
    return {
        "name": function.name,
        "private": function.private,
        "run_as_system": function.run_as_system,
        "run_as_user_id": function.run_as_user_id or None,
        "run_as_user_id_script": bool(function.script),
        "needs": needs,
    }


def _array(text: bytes) -> list[Any]:
    value = ejson.value(text)
    if type(value) is not list:
        raise InvalidJSONError("it must be an array")
    return value


async def _run(service: Service, name: str, who: tuple[str | None, str | None], arguments: Sequence[Any]) -> str:
    if name not in (await app_of(service)).functions.by_name:
        raise NoSuchError(f"the app has no function '{name}'")
    caller = await caller_of(service, *who)
    import function_app  # noqa: F401, PLC0415  with it come the actions that functions ask for
    from shared.endpoint.inner_calls import call_of_operator  # noqa: PLC0415  as it is of the edge

    try:
        return await call_of_operator(service, caller, name, arguments, _say)
    except FunctionFailedError as error:
        raise StoppedError(f"{error} ({error.thrown_at})" if error.thrown_at else str(error)) from None


async def caller_of(service: Service, user: str | None, key: str | None) -> Caller | None:
    """Return who calls: None for nobody."""
    acting = user
    if key is not None:
        stored = await service.keys.find({"_id": ObjectId(key) if ObjectId.is_valid(key) else key})
        if stored is None:
            raise NoSuchError(f"there is no key {key}")
        if stored.get("system"):
            return Caller(key, "system")
        acting = str(stored.get("user_id") or key)
    if acting is None:
        return None
    try:
        return await service.credentials.acting(acting)
    except InvalidSessionError:
        raise NoSuchError(f"there is no user {acting}, or it is disabled") from None


def _say(function: str, level: str, text: str) -> None:
    note(f"{function} {level}: {text}")
