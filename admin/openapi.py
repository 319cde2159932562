"""`openapi`: prints the document of the API, as everybody gets it, or a user or a key."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import typer

from admin.functions import caller_of
from admin.output import show_json
from admin.process import EXIT_CODES, WRONG_USAGE, fail, run
from shared.auth.accounts import Caller
from shared.service import Service
from shared.settings import DEFAULT_DATA_SOURCE

app = typer.Typer(add_completion=False)

UserId = Annotated[str | None, typer.Option("--user", metavar="ID", help="As far as the rules open it to this user.")]
KeyId = Annotated[str | None, typer.Option("--key", metavar="ID", help="As far as they open it to this API key.")]


@app.command(epilog=EXIT_CODES)
def openapi(user: UserId = None, key: KeyId = None) -> None:
    """Print the document of the API, OpenAPI 3.1: for everybody, a user or a key.

    It is what GET /openapi.json answers.
    """
    show_json(described(user, key)[0])


class Described(NamedTuple):
    """A document with what else is known of where it is served."""

    document: dict[str, Any]
    app_id: str
    data_source: str
    """The app's own name of a data source."""


def described(
    user: str | None, key: str | None, other: Caller | None = None, data_source: str = DEFAULT_DATA_SOURCE
) -> Described:
    """Return the document that a user or a key gets, without either another or everybody.

    Exit 1 if there is no data source of a name, nor one that has it in the app.
    """
    if user is not None and key is not None:
        raise fail("give --user or --key", WRONG_USAGE)
    return run(lambda service: _described(service, (user, key), other, data_source))


async def _described(
    service: Service, who: tuple[str | None, str | None], other: Caller | None, data_source: str
) -> Described:
    from shared.openapi import document, told  # noqa: PLC0415  as below

    caller = await caller_of(service, *who) or other
    if caller is None:
        return Described(document.document(_actions()), service.settings.app_id, data_source)
    from shared.endpoint.request_view import NO_REQUEST, PlainHead, RequestView  # noqa: PLC0415  as it is of the edge

    def of_endpoint(method: str, route: str) -> RequestView:
        return RequestView(PlainHead(method), "", "", route)

    known = await told.told_of(service, _groups(), told.Asking(caller, NO_REQUEST.of, of_endpoint, None))
    return Described(document.document(_actions(), known), service.settings.app_id, _own_name(service, data_source))


def _own_name(service: Service, name: str) -> str:
    """Return the name that the app itself has for a data source, which requests may name by its cluster, too."""
    app, connections = service.app, service.settings.data_sources
    source = None if app is None else app.data_source(name, is_only=len(connections) == 1)
    if service.settings.data_source_uri(name) is None or (source is None and app is not None):
        raise fail(f"there is no data source {name!r}")
    return name if source is None else source.name


def _groups() -> Iterable[Any]:
    import function_app  # noqa: PLC0415  with it come the actions

    return (*function_app.ACTIONS, *function_app.CATALOG)


def _actions() -> Mapping[str, Any]:
    return {name: action for group in _groups() for name, action in group.by_name.items()}
