"""`python -m admin`: the command line of a deployment's operator."""

import sys

import typer

from admin import access, indexes, keys, sessions, users
from admin import app as exported
from admin.doctor import doctor
from admin.process import EXIT_CODES, unwritten
from admin.sample import command as sample
from admin.transfer.export import export
from admin.transfer.importing import import_
from shared.settings import VERSION

app = typer.Typer(
    name="python -m admin",
    help="Administer a Dozen deployment: the one whose settings are in the environment.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")
app.add_typer(sessions.app, name="sessions")
app.add_typer(exported.app, name="app")
app.add_typer(access.app, name="access")
app.add_typer(indexes.app, name="indexes")
app.add_typer(sample.app, name="sample")
app.command(epilog=EXIT_CODES)(doctor)
app.command(epilog=EXIT_CODES)(export)
app.command("import", epilog=EXIT_CODES)(import_)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback(epilog="Settings: docs/settings.md. At least MONGO_DB_URI or MONGO_DB_HOST must be set.")
def main(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """Administer a Dozen deployment: the one whose settings are in the environment."""


if __name__ == "__main__":
    try:
        app()
    except OSError as error:  # a list or a finding is printed when its work is done
        sys.exit(unwritten(error).exit_code)
