"""`postman`: prints a collection of Postman."""

from typing import Annotated

import typer

from admin.openapi import KeyId, UserId, described
from admin.output import show_json
from admin.process import EXIT_CODES
from shared.openapi.postman import postman as collection_of

app = typer.Typer(add_completion=False)

Url = Annotated[str, typer.Option("--url", metavar="URL", help="Where the service is.")]


@app.command(epilog=EXIT_CODES)
def postman(url: Url = "http://127.0.0.1:7071", user: UserId = None, key: KeyId = None) -> None:
    """Print a Postman collection: every call with its examples.

    The key is a variable, which you fill in.
    """
    show_json(collection_of(described(user, key)[0], url))
