"""`doctor`: look at everything that a deployment needs, and say what to do about what is wrong."""

import asyncio
from typing import Annotated

import typer
from rich.markup import escape

from admin.console import console
from admin.doctor import checks, databases
from admin.doctor.findings import Finding, gathered
from admin.output import AsJSON, counted, show_json
from admin.process import EXIT_CODES, run
from shared import environment
from shared.service import Service
from shared.settings import SettingsError, shown

app = typer.Typer(add_completion=False)

Seconds = Annotated[float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long each check may take.")]

_COLORS = {"ok": "green", "warning": "yellow", "problem": "bold red"}
_INDENT = 9  # columns, for the level
_REACH = (
    "check host, port, firewall, user, password and roles in MONGO_DB_URI or MONGO_DB_HOST, _PORT, _USER, _PASSWORD"
)


@app.command(epilog=EXIT_CODES)
def doctor(timeout: Seconds = 10.0, as_json: AsJSON = False) -> None:
    """Look at settings, data sources, permissions, indexes, clocks, Valkey, mail and the app, and say what to do.

    Exit 0 if there is no problem (warnings are none), 1 if there is one. Nothing is changed.
    """
    findings = _wrong_settings() or run(lambda service: _found(service, timeout), endless=True)
    problems = sum(finding.level == "problem" for finding in findings)
    if as_json:
        show_json({"problems": problems, "findings": [finding._asdict() for finding in findings]})
    else:
        _show(findings, problems)
    if problems:
        raise typer.Exit(1)


def _show(findings: list[Finding], problems: int) -> None:
    out = console()
    for finding in findings:
        color = _COLORS[finding.level]
        text = f"[{color}]{finding.level:8}[/] {escape(finding.check)}: {escape(finding.sentence)}"
        out.print_hanging(text, _INDENT)
        if finding.advice and finding.level != "ok":
            out.print_hanging(f"{'':{_INDENT}}[dim]->[/] {escape(finding.advice)}", _INDENT + len("-> "))
    warnings = sum(finding.level == "warning" for finding in findings)
    out.print(f"\n{counted(problems, 'problem')}, {counted(warnings, 'warning')}")


def _wrong_settings() -> list[Finding]:
    try:
        environment.read()
    except SettingsError as error:
        return [Finding("settings", "problem", str(error), "see docs/settings.md; nothing else can be checked before")]
    return []


async def _found(service: Service, seconds: float) -> list[Finding]:
    settings = service.settings
    checked = [
        ("settings", checks.of_settings(settings), ""),
        ("native code", checks.of_native_code(service.transcoder), ""),
        *(
            (f"data source {shown(name)}", databases.of_data_source(service, name), _REACH)
            for name in settings.data_sources
        ),
        (
            f"control database {settings.dozen_database}",
            databases.of_control_database(service),
            "see the first data source above",
        ),
        ("Valkey", checks.of_valkey(settings), "check REDIS_URL; without it each process counts alone"),
        ("mail", checks.of_mail(service), "check MAIL_SMTP_URL"),
        ("app", checks.of_app(service), "dozen app check"),
    ]
    gathering = [gathered(check, findings, seconds, advice) for check, findings, advice in checked]
    return [finding for findings in await asyncio.gather(*gathering) for finding in findings]
