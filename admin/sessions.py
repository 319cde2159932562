"""`sessions`: end what is logged in."""

from typing import Annotated

import typer

from admin.process import EXIT_CODES, object_id, run

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

UserId = Annotated[str, typer.Argument(metavar="ID", help="The user's id, as `users list` shows it.")]


@app.callback()
def main() -> None:
    """Make a group of the one command."""


@app.command(epilog=EXIT_CODES)
def revoke(user_id: UserId) -> None:
    """End all sessions of a user and print how many there were; their access tokens end with them."""
    user = str(object_id(user_id, "user"))
    typer.echo(run(lambda service: service.sessions.revoke(user)))
