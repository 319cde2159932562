"""`app`: check an exported app before it is deployed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from admin.output import AsJSON, console, show_json
from admin.process import EXIT_CODES, WRONG_USAGE, fail
from shared import settings as environment
from shared.app.files import AppError, FileFinding
from shared.app.model import App
from shared.app.reading import load
from shared.settings import SettingsError

app = typer.Typer(no_args_is_help=True, epilog=EXIT_CODES, add_completion=False)

Folder = Annotated[Path | None, typer.Argument(metavar="FOLDER", help="The app's folder; without it APP_CONFIG_DIR.")]

_TITLES = {
    "problem": "[bold red]problem[/]",
    "warning": "[yellow]warning[/]",
    "unsupported": "[cyan]not supported[/]",
}


@app.callback()
def main() -> None:
    """Make a group of the one command."""


@app.command(epilog=EXIT_CODES)
def check(folder: Folder = None, as_json: AsJSON = False) -> None:
    """Read an app as the service would: what is wrong, and what Dozen cannot do. Exit 1 if it is wrong."""
    path, data_sources = _configured(folder)
    try:
        loaded: App | None = load(path, environment.app_secrets(), data_sources)
        findings = loaded.findings if loaded else ()
    except AppError as error:
        loaded, findings = None, error.findings
    if as_json:
        show_json({"servable": loaded is not None, "findings": [finding._asdict() for finding in findings]})
    else:
        _show(console(), findings)
    if loaded is None:
        problems = sum(finding.level == "problem" for finding in findings)
        raise fail(f"the app cannot be served: {problems} problem{'s' * (problems > 1)} to correct")
    if not as_json:
        _summarize(console(), loaded)


def _configured(folder: Path | None) -> tuple[Path, frozenset[str] | None]:
    """Return the folder, and the data sources if the service's settings are there."""
    try:
        settings = environment.read()
    except SettingsError as error:
        if folder is None:
            raise fail(f"{error}; or name the app's folder", WRONG_USAGE) from None
        return folder, None
    if folder is None and not settings.app_config_dir:
        raise fail("name the app's folder, or set APP_CONFIG_DIR", WRONG_USAGE)
    return folder or Path(settings.app_config_dir), frozenset(settings.data_sources)


def _show(out: Console, findings: tuple[FileFinding, ...]) -> None:
    for finding in findings:
        place = f"{finding.file} [dim]at[/] {escape(finding.path)}" if finding.path else finding.file
        out.print(f"{_TITLES[finding.level]} {place}\n  {escape(finding.sentence)}")


def _summarize(out: Console, loaded: App) -> None:
    providers = loaded.providers
    names = [
        name
        for name, is_on in (
            ("anon-user", providers.anonymous),
            ("api-key", providers.api_key),
            ("local-userpass", providers.email_password is not None),
            ("custom-token", providers.custom_token is not None),
        )
        if is_on
    ]
    out.print(f"[bold green]The app can be served.[/] Providers: {', '.join(names) or 'none'}.")
    for source in loaded.data_sources.values():
        default = "with default rules" if source.default else "without default rules"
        out.print(
            f"Data source '{escape(source.name)}': {len(source.rules)} collections with rules, {default}, "
            f"{len(source.schemas)} schemas."
        )
