"""What `doctor` checks besides databases: the settings, native code, Valkey and the exported app."""

import asyncio
from pathlib import Path

from admin.doctor.findings import Finding, Findings
from admin.output import counted
from shared.app.files import AppError
from shared.cache.store import address
from shared.documents.transcoder import Transcoder
from shared.errors import UnavailableError
from shared.service import Service
from shared.settings import Settings, SettingsError, shown

_FEWEST_DIFFERENT = 8


async def of_settings(settings: Settings) -> Findings:
    yield Finding(
        "settings", "ok", f"can be used; data sources: {', '.join(sorted(map(shown, settings.data_sources)))}"
    )
    for name, uri in settings.data_sources.items():
        if weak := [each for each in ("w=1", "journal=false") if f"{each}&" in f"{uri.partition('?')[2].lower()}&"]:
            sentence = f"data source {shown(name)} has {' and '.join(weak)}: an acknowledged write may be lost"
            yield Finding("settings", "warning", sentence, "leave it out: the majority's journal is the default")
    secret = settings.session_secret
    if not secret:
        advice = "set SESSION_SECRET to 32 random characters or more, the same in every process"
        yield Finding("settings", "warning", "SESSION_SECRET is not set: nobody can log in, keys work", advice)
    elif len(set(secret)) < _FEWEST_DIFFERENT:
        yield Finding("settings", "problem", "SESSION_SECRET can be guessed", "make it of random characters")
    else:
        yield Finding("settings", "ok", "SESSION_SECRET is set")


async def of_native_code(transcoder: Transcoder) -> Findings:
    state = transcoder.state
    if transcoder.writer is not None:
        yield Finding("native code", "ok", f"version {state} writes replies and reads documents")
    elif state == "off":
        yield Finding("native code", "ok", "is off: Python writes replies")
    else:
        advice = "install the dozen-transcode of this release: see docs/deploying.md; replies are the same without it"
        yield Finding(
            "native code", "warning", f"cannot be used ({state}): Python writes replies, in more time", advice
        )


async def of_valkey(settings: Settings) -> Findings:
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


async def of_mail(service: Service) -> Findings:
    post = service.mail.post
    if post is None:
        return
    try:
        service.mail.check()
    except SettingsError as error:
        yield Finding("mail", "problem", str(error), "see docs/settings.md; no mail is sent before")
    for missing in await asyncio.to_thread(_missing_pages, service):
        yield Finding("mail", "warning", f"the app has no {missing} for the link", "set it in auth/providers.json")
    try:
        yield Finding("mail", "ok", f"the mail server takes letters {await post.greet()}")
    except UnavailableError as error:  # the text of its cause may hold the user
        sentence = f"the mail server takes no letters ({type(error.__cause__).__name__})"
        yield Finding("mail", "problem", sentence, "check MAIL_SMTP_URL: host, port, user, password, certificate")


def _missing_pages(service: Service) -> list[str]:
    """Return the members of the app without which mails have no link; an app that is wrong is another finding."""
    try:
        provider = service.exported.providers.email_password
    except AppError:
        return []
    if provider is None:
        return []
    wanted = {
        "emailConfirmationUrl": provider.auto_confirm
        or provider.confirmation_function is not None
        or provider.confirmation_url,
        "resetPasswordUrl": provider.reset_function is not None or provider.reset_url,
    }
    return [name for name, page in wanted.items() if not page]


async def of_app(service: Service) -> Findings:
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
        yield Finding("app", "problem", str(error), "dozen app check")
        return
    findings = loaded.findings if loaded else ()
    yield Finding("app", "ok", "can be served")
    if findings:
        first = findings[0]
        sentence = f"{counted(len(findings), 'note')}, the first on {first.file}: {first.sentence}"
        yield Finding("app", "warning", sentence, "dozen app check")
