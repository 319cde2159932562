"""`dozen`, or `python -m admin`: the command line of a deployment's operator."""

import sys
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

try:
    import typer
    from typer._completion_classes import completion_init
    from typer.completion import install_callback, show_callback
    from typer.core import TyperCommand, TyperGroup
    from typer.main import get_command
except ModuleNotFoundError as missing:
    if __name__ != "__main__":
        raise
    sys.exit(f"this Python lacks {missing.name}: call ./dozen, which finds the one that has it, after `make run`")

PROGRAM = "dozen"
MODULE = "python -m admin"

_COMMANDS = {
    "doctor": (
        "admin.doctor.command",
        "Look at settings, data sources, permissions, indexes, clocks, Valkey, mail and the app, and say what to do.",
    ),
    "export": (
        "admin.transfer.export",
        "Write a collection to a file: one document a line, in canonical Extended JSON, in the order of _id.",
    ),
    "import": (
        "admin.transfer.importing",
        "Store the documents of a file: lines or an array of Extended JSON, CSV with types, or BSON of mongodump.",
    ),
    "keys": ("admin.keys", "Make and revoke the API keys that callers send."),
    "users": ("admin.users", "Make, list, show, move, disable and delete the users who log in."),
    "sessions": ("admin.sessions", "List and end the sessions of a user."),
    "logins": ("admin.logins", "Let in again who failed to log in too often."),
    "app": ("admin.app", "Check the exported app that says who may do what."),
    "functions": ("admin.functions", "List the app's functions, and run one here."),
    "triggers": ("admin.triggers", "Run the app's triggers, see how they do, and resume what was suspended."),
    "access": ("admin.access", "Explain what the rules decide."),
    "collections": (
        "admin.collections",
        "List collections: documents, sizes, indexes, rules and schemas.",
    ),
    "calls": (
        "admin.calls",
        "Count the calls in a log: by whom or of what, how fast, how many failed. It asks no server.",
    ),
    "replay": (
        "admin.replay.command",
        "Send recorded calls of an old program to this deployment, and compare the replies with the recorded ones.",
    ),
    "indexes": ("admin.indexes", "List, make and drop the indexes of a collection."),
    "openapi": ("admin.openapi", "Print the document of the API, OpenAPI 3.1: for everybody, a user or a key."),
    "connector": ("admin.connector", "Print a custom connector of Power Platform for a collection."),
    "postman": ("admin.postman", "Print a Postman collection: every call with its examples."),
    "sample": ("admin.sample.command", "Load the sample data."),
}


class LazyCommand(TyperCommand):
    """A command, or a group of them, whose module is imported when it is invoked or its own help is asked for."""

    def __init__(self, name: str, module: str, summary: str) -> None:
        super().__init__(name=name, help=summary)
        self._module = module

    def load(self) -> Any:
        """Return the command that the module's `app` describes."""
        command = get_command(import_module(self._module).app)
        if isinstance(command, TyperGroup):
            command.help = self.help
        return command

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        """Parse the arguments as the module's command does, which is the one that is invoked."""
        return self.load().make_context(*arguments, **extra)


class LazyGroup(TyperGroup):
    """All commands, none of them imported."""

    def __init__(self, **attributes: Any) -> None:
        commands = {name: LazyCommand(name, *described) for name, described in _COMMANDS.items()}
        super().__init__(**attributes | {"commands": commands})


app = typer.Typer(
    name=MODULE,
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from shared.settings import VERSION  # noqa: PLC0415  no other option needs the settings

        typer.echo(VERSION)
        raise typer.Exit


class Shell(StrEnum):
    """A shell that can complete commands."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def _for_shell(act: Callable[..., None]) -> Callable[..., None]:
    """Return the callback of an option that takes the name of a shell."""

    def call(context: typer.Context, parameter: typer.CallbackParam, value: Shell | None) -> None:
        if value and context.find_root().info_name != PROGRAM:
            raise typer.BadParameter(f"shells complete a command, which `python -m admin` is not: call {PROGRAM}")
        act(context, parameter, value)

    return call


_SHOW = typer.Option(
    "--show-completion",
    callback=_for_shell(show_callback),
    is_eager=True,
    metavar="SHELL",
    help="Print what lets bash, zsh or fish complete commands and options.",
)
_INSTALL = typer.Option(
    "--install-completion",
    callback=_for_shell(install_callback),
    is_eager=True,
    metavar="SHELL",
    help="Write the same where bash, zsh or fish reads it.",
)


@app.callback(epilog="Settings: docs/settings.md. At least MONGO_DB_URI or MONGO_DB_HOST must be set.")
def main(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
    show: Annotated[Shell | None, _SHOW] = None,
    install: Annotated[Shell | None, _INSTALL] = None,
) -> None:
    """Administer a Dozen deployment: the one whose settings are in the environment."""


def start(program: str) -> int:
    """Run the command of the command line, under the name by which it was called; return the exit code."""
    completion_init()
    try:
        app(prog_name=program)
    except OSError as error:  # a list or a finding is printed when its work is done
        from admin.process import output_failed  # noqa: PLC0415  no help needs it

        return output_failed(error).exit_code
    return 0


if __name__ == "__main__":
    sys.exit(start(MODULE))
