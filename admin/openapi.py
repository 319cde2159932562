"""`openapi`: prints the document of the API, as everybody gets it, or a user or a key."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from admin.functions import caller_of
from admin.output import show_json
from admin.process import EXIT_CODES, WRONG_USAGE, fail, run
from shared.auth.accounts import Caller
from shared.service import Service

app = typer.Typer(add_completion=False)

UserId = Annotated[str | None, typer.Option("--user", metavar="ID", help="As far as the rules open it to this user.")]
KeyId = Annotated[str | None, typer.Option("--key", metavar="ID", help="As far as they open it to this API key.")]


@app.command(epilog=EXIT_CODES)
def openapi(user: UserId = None, key: KeyId = None) -> None:
    """Print the document of the API, OpenAPI 3.1: for everybody, a user or a key.

    It is what GET /openapi.json answers.
    """
    show_json(described(user, key)[0])


def described(user: str | None, key: str | None, other: Caller | None = None) -> tuple[dict[str, Any], str]:
    """Return the document that a user or a key gets, without either another or everybody, with APP_ID."""
    if user is not None and key is not None:
        raise fail("give --user or --key", WRONG_USAGE)
    return run(lambda service: _described(service, (user, key), other))


async def _described(
    service: Service, who: tuple[str | None, str | None], other: Caller | None
) -> tuple[dict[str, Any], str]:
    from shared.openapi import document, told  # noqa: PLC0415  as below

    caller = await caller_of(service, *who) or other
    if caller is None:
        return document.document(_actions()), service.settings.app_id
    from shared.endpoint.request_view import NO_REQUEST, PlainHead, RequestView  # noqa: PLC0415  as it is of the edge

    def of_endpoint(method: str, route: str) -> RequestView:
        return RequestView(PlainHead(method), "", "", route)

    known = await told.told_of(service, _groups(), told.Asking(caller, NO_REQUEST.of, of_endpoint, None))
    return document.document(_actions(), known), service.settings.app_id


def _groups() -> Iterable[Any]:
    import function_app  # noqa: PLC0415  with it come the actions

    return (*function_app.ACTIONS, *function_app.CATALOG)


def _actions() -> Mapping[str, Any]:
    return {name: action for group in _groups() for name, action in group.by_name.items()}
