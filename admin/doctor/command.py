"""`doctor`: look at everything that a deployment needs, and say what to do about what is wrong."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from admin.doctor import databases
from admin.doctor.findings import Finding, Findings, gathered
from admin.output import AsJSON, console, show_json
from admin.process import EXIT_CODES, run
from shared import settings as environment
from shared.app.files import AppError
from shared.cache.store import address
from shared.service import Service
from shared.settings import Settings, SettingsError

app = typer.Typer(add_completion=False)

Seconds = Annotated[float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long each check may take.")]

_COLORS = {"ok": "green", "warning": "yellow", "problem": "bold red"}
_FEWEST_DIFFERENT = 8
_REACH = "check host, port, firewall and credentials in MONGO_DB_URI or MONGO_DB_HOST, _PORT, _USER, _PASSWORD"


@app.command(epilog=EXIT_CODES)
def doctor(timeout: Seconds = 10.0, as_json: AsJSON = False) -> None:
    """Look at settings, data sources, permissions, indexes, clocks, Valkey and the app, and say what to do.

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
        out.print(f"[{color}]{finding.level:8}[/] {escape(finding.check)}: {escape(finding.sentence)}")
        if finding.advice and finding.level != "ok":
            out.print(f"         [dim]->[/] {escape(finding.advice)}")
    warnings = sum(finding.level == "warning" for finding in findings)
    out.print(f"\n{problems} problems, {warnings} warnings")


def _wrong_settings() -> list[Finding]:
    try:
        environment.read()
    except SettingsError as error:
        return [Finding("settings", "problem", str(error), "see docs/settings.md; nothing else can be checked before")]
    return []


async def _found(service: Service, seconds: float) -> list[Finding]:
    settings = service.settings
    checks = [gathered("settings", _settings(settings), seconds, "")]
    checks += [
        gathered(f"data source {name}", databases.data_source(service, name), seconds, _REACH)
        for name in settings.data_sources
    ]
    control = f"control database {settings.dozen_database}"
    in_control = databases.control_database(service)
    checks.append(gathered(control, in_control, seconds, "see the first data source above"))
    alone = "check REDIS_URL; without it each process counts alone"
    checks.append(gathered("Valkey", _valkey(settings), seconds, alone))
    checks.append(gathered("app", _app(service), seconds, "python -m admin app check"))
    return [finding for findings in await asyncio.gather(*checks) for finding in findings]


async def _settings(settings: Settings) -> Findings:
    yield Finding("settings", "ok", f"can be used; data sources: {', '.join(sorted(settings.data_sources))}")
    for name, uri in settings.data_sources.items():
        if weak := [each for each in ("w=1", "journal=false") if f"{each}&" in f"{uri.partition('?')[2].lower()}&"]:
            sentence = f"data source {name} has {' and '.join(weak)}: an acknowledged write may be lost"
            yield Finding("settings", "warning", sentence, "leave it out: the majority's journal is the default")
    secret = settings.session_secret
    if not secret:
        advice = "set SESSION_SECRET to 32 random characters or more, the same in every process"
        yield Finding("settings", "warning", "SESSION_SECRET is not set: nobody can log in, keys work", advice)
    elif len(set(secret)) < _FEWEST_DIFFERENT:
        yield Finding("settings", "problem", "SESSION_SECRET can be guessed", "make it of random characters")
    else:
        yield Finding("settings", "ok", "SESSION_SECRET is set")


async def _valkey(settings: Settings) -> Findings:
    if not settings.redis_url:
        return
    from redis.asyncio import Redis  # noqa: PLC0415  only a deployment that has one pays for it
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        client = Redis.from_url(address(settings.redis_url), socket_timeout=5, socket_connect_timeout=5)
    except ValueError:  # its text may hold the password
        yield Finding("Valkey", "problem", "REDIS_URL cannot be used", "see docs/settings.md; there is no cache")
        return
    try:
        await client.ping()
        version = (await client.info("server")).get("redis_version", "of unknown version")
        yield Finding("Valkey", "ok", f"answers, speaks Redis {version}")
    except (RedisError, OSError) as error:  # its text may hold the address with the password
        sentence = f"does not answer ({type(error).__name__})"
        yield Finding("Valkey", "problem", sentence, "check REDIS_URL; without it each process counts alone")
    finally:
        await client.aclose()


async def _app(service: Service) -> Findings:
    if not service.settings.app_config_dir:
        advice = "set APP_CONFIG_DIR if callers without --system shall do anything"
        yield Finding("app", "warning", "there is none: only keys made with --system may do anything", advice)
        return
    if not await asyncio.to_thread(Path(service.settings.app_config_dir).is_dir):
        yield Finding("app", "problem", "APP_CONFIG_DIR is no folder", "name the folder of the exported app")
        return
    try:
        loaded = await asyncio.to_thread(lambda: service.app)
    except AppError as error:
        yield Finding("app", "problem", str(error), "python -m admin app check")
        return
    findings = loaded.findings if loaded else ()
    yield Finding("app", "ok", "can be served")
    if findings:
        first = findings[0]
        sentence = f"{len(findings)} notes, the first on {first.file}: {first.sentence}"
        yield Finding("app", "warning", sentence, "python -m admin app check")
