"""`app`: check an exported app before it is deployed, or write a first one."""

import shlex
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from admin import first_app
from admin.console import PlainConsole, console
from admin.first_app import FirstApp
from admin.output import AsJSON, counted, path_text, show_json
from admin.process import EXIT_CODES, WRONG_USAGE, fail, is_interactive, note
from shared import environment
from shared.app.files import AppError, FileFinding
from shared.app.model import App, Endpoint
from shared.app.reading import load
from shared.rules.report import Level
from shared.settings import DEFAULT_DATA_SOURCE, SettingsError

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

Folder = Annotated[Path | None, typer.Argument(metavar="FOLDER", help="The app's folder; without it APP_CONFIG_DIR.")]

_ACCESS = "; ".join(f"{name}: {what}" for name, what in first_app.ACCESS.items()) + "."

_INDENT = 3  # columns, for the number
_GROUPS: dict[Level, tuple[str, str, str]] = {
    "problem": ("[bold red]To correct[/], as the app is not served before", "problem", "problems"),
    "warning": ("[yellow]To look at[/], as it is seldom meant", "warning", "warnings"),
    "unsupported": ("[cyan]Not supported[/], to be replaced or done without", "unsupported", "unsupported"),
}


@app.command(epilog=EXIT_CODES)
def check(folder: Folder = None, as_json: AsJSON = False) -> None:
    """Read an app as the service would: what is wrong, and what Dozen cannot do. Exit 1 if it is wrong.

    Each finding says what it means for the app's users; of one mistake there is one.
    """
    path, data_sources, has_http = _configured(folder)
    try:
        loaded: App | None = load(path, environment.app_secrets(), data_sources, has_http=has_http)
        findings = loaded.findings if loaded else ()
    except AppError as error:
        loaded, findings = None, error.findings
    totals = {level: sum(finding.level == level for finding in findings) for level in _GROUPS}
    if as_json:
        counts = {_GROUPS[level][2]: total for level, total in totals.items()}
        ordered = [finding._asdict() for level in _GROUPS for finding in findings if finding.level == level]
        show_json({"servable": loaded is not None, **counts, "findings": ordered})
    else:
        out = console()
        _show(out, findings)
        if loaded is not None:
            _summarize(out, loaded)
        out.print(", ".join(_counted(level, total) for level, total in totals.items()))
    if loaded is None:
        raise fail(f"the app cannot be served: {_counted('problem', totals['problem'])} to correct")


class Provider(StrEnum):
    """How callers may log in."""

    API_KEY = "api-key"
    ANONYMOUS = "anon-user"
    EMAIL = "local-userpass"


class Access(StrEnum):
    """Who reads and writes the documents."""

    OWNER = "owner"
    READ_OWN = "read-own"
    READ_ALL = "read-all"
    ALL = "all"


@app.command(epilog=EXIT_CODES)
def init(  # noqa: PLR0913, PLR0917 - an option of the command each
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder, or an empty one.")],
    app_id: Annotated[str | None, typer.Option(metavar="ID", help="The app's id; without it any is taken.")] = None,
    provider: Annotated[list[Provider] | None, typer.Option(help="How callers log in; may be repeated.")] = None,
    namespace: Annotated[str | None, typer.Option(metavar="DB.COLLECTION", help="The collection; else each.")] = None,
    data_source: Annotated[str, typer.Option(metavar="NAME", help="The data source.")] = DEFAULT_DATA_SOURCE,
    access: Annotated[Access | None, typer.Option(help=_ACCESS)] = None,
    owner: Annotated[str, typer.Option(metavar="FIELD", help="The field that holds the owner's id.")] = "owner",
    as_json: AsJSON = False,
) -> None:
    """Write a first app of three files, for those who have no exported one; nothing is overwritten.

    On a terminal it asks for what no option says; elsewhere that is api-key, each collection, and owner.
    """
    chosen: dict[str, Any] = {"app_id": app_id, "providers": _names(provider), "namespace": namespace, "access": access}
    given = {name: value for name, value in chosen.items() if value is not None}
    wanted = FirstApp(data_source=data_source, owner=owner)._replace(**given)
    if wrong := wanted.refused():
        raise fail(wrong, WRONG_USAGE)
    if folder.is_dir() and any(folder.iterdir()):
        raise _not_empty(folder)
    if is_interactive():
        wanted = first_app.asked(wanted, frozenset(given))
    texts = wanted.files()
    try:
        first_app.write(folder, texts)
    except FileExistsError:
        raise _not_empty(folder) from None
    except OSError as error:
        raise fail(f"cannot write {folder}: {error.strerror}") from None
    if as_json:
        show_json({"folder": path_text(str(folder)), "files": list(texts), "remarks": wanted.remarks()})
        return
    for sentence in (*(f"wrote {folder / path}" for path in texts), *wanted.remarks()):
        note(sentence)
    note("Next, in the environment of the service and of the commands:")
    console().print(f"export APP_CONFIG_DIR={escape(shlex.quote(str(folder)))}")
    console().print("export SESSION_SECRET=$(openssl rand -hex 32)")
    note("Then start the service with them, such as by `make run`; one that runs must be started again.")


def _names(providers: list[Provider] | None) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(each.value for each in providers)) if providers else None


def _not_empty(folder: Path) -> typer.Exit:
    return fail(f"{folder} is not an empty folder, and nothing is overwritten: name a new one")


def _configured(folder: Path | None) -> tuple[Path, frozenset[str] | None, bool]:
    """Return the folder; if the service's settings are there, the data sources, and whether functions may ask hosts."""
    try:
        settings = environment.read()
    except SettingsError as error:
        if folder is None:
            raise fail(f"{error}; or name the app's folder", WRONG_USAGE) from None
        return folder, None, False
    if folder is None and not settings.app_config_dir:
        raise fail("name the app's folder, or set APP_CONFIG_DIR", WRONG_USAGE)
    return folder or Path(settings.app_config_dir), frozenset(settings.data_sources), bool(settings.http_hosts)


def _show(out: PlainConsole, findings: tuple[FileFinding, ...]) -> None:
    """Print what is to be done: what keeps the app from being served comes first."""
    for level, (title, *_) in _GROUPS.items():
        found = [finding for finding in findings if finding.level == level]
        if found:
            out.print_hanging(f"{title}:", 0)
        for number, finding in enumerate(found, 1):
            place = (
                f"{escape(finding.file)} [dim]at[/] {escape(finding.path)}" if finding.path else escape(finding.file)
            )
            out.print_hanging(f"{number}. {place}", _INDENT)
            out.print_hanging(f"{'':{_INDENT}}{escape(finding.sentence)}", _INDENT)
            out.print_hanging(f"{'':{_INDENT}}-> {escape(finding.effect)}", _INDENT + len("-> "))


def _counted(level: Level, total: int) -> str:
    _, one, many = _GROUPS[level]
    return f"{total} {one if total == 1 else many}"


def _open(endpoints: Mapping[str, Mapping[str, Endpoint]]) -> Iterator[str]:
    """Give the endpoints that ask for nothing, but perhaps for what `can_evaluate` says."""
    for route, methods in sorted(endpoints.items()):
        for method, each in methods.items():
            if not each.needs_credentials and each.validation == "NO_VALIDATION":
                yield f"{method} {route or '/'}"


def _summarize(out: PlainConsole, loaded: App) -> None:
    providers = loaded.providers
    names = [
        name
        for name, is_on in (
            ("anon-user", providers.anonymous),
            ("api-key", providers.api_key),
            ("local-userpass", providers.email_password is not None),
            ("custom-token", providers.custom_token is not None),
            *((name, True) for name in providers.openid),
        )
        if is_on
    ]
    out.print(f"[bold green]The app can be served.[/] Providers: {', '.join(names) or 'none'}.")
    if loaded.administer is not None and loaded.administer.constant is not False:
        whom = "Every caller" if loaded.administer.constant else "Callers for whom 'administer' in dozen.json holds"
        out.print(f"{whom} may administer the collections of which a role allows everything.")
    if loaded.functions.by_name:
        out.print(f"Functions: {escape(', '.join(sorted(loaded.functions.by_name)))}.")
    endpoints = loaded.endpoints.by_route
    if endpoints:
        answered = ", ".join(f"{method} {route or '/'}" for route, each in sorted(endpoints.items()) for method in each)
        out.print(f"Endpoints: {escape(answered)}.")
        open_to_all = ", ".join(_open(endpoints))
        if open_to_all:
            out.print(f"Anybody may call, without credentials, secret or signature: {escape(open_to_all)}.")
    triggers = [each.name for each in loaded.database_triggers] + [each.name for each in loaded.scheduled_triggers]
    if triggers:
        out.print(f"Triggers that `dozen triggers run` runs: {escape(', '.join(sorted(triggers)))}.")
    for source in loaded.data_sources.values():
        default = "with default rules" if source.default else "without default rules"
        out.print(
            f"Data source '{escape(source.name)}': {counted(len(source.rules), 'collection')} with rules, {default}, "
            f"{counted(len(source.schemas), 'schema')}."
        )
