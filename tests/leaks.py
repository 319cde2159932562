"""What no log may hold: collected while the tests run, and looked for in everything logged when they are over.

The processes that tests start log to files, which are named here; what this process logs is kept in memory. Secrets
are what tests send as credentials and get as such, the settings that hold some, and the marker PLANTED that tests put
into documents, filters and wherever else a caller can put a text.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

PLANTED = "planted-secret"

_SHORTEST = 10  # what is shorter stands in a log by chance
_CREDENTIALS = {"apikey", "api-key", "authorization", "jwttokenstring", "password"}
_MEMBERS = {"access_token", "key", "password", "refresh_token", "token"}
_CLIENT_API = "/api/client/"
_SECRET_SETTINGS = re.compile(r"MONGO_DB_PASSWORD|SESSION_SECRET|APP_SECRET_.+|APPLICATIONINSIGHTS_CONNECTION_STRING")
_OTHERS = ("httpx", "httpcore", "hypothesis")  # the tests' own tools

_secrets: dict[str, str] = {PLANTED: "planted"}
_files: dict[Path, None] = {}
_texts: list[tuple[str, str]] = []


def secret(value: str, kind: str) -> None:
    """Have a text looked for, in clear and as it stands in JSON."""
    if len(value) >= _SHORTEST:
        _secrets.setdefault(value, kind)


def log(file: Path) -> None:
    """Have a file looked through, which may grow until the end."""
    _files[file] = None


def output(source: str, text: str) -> None:
    """Have what a process printed looked through."""
    _texts.append((source, text))


def environment(env: Mapping[str, str]) -> None:
    """Take the secrets among settings."""
    for name, value in env.items():
        if _SECRET_SETTINGS.fullmatch(name):
            secret(value, name)
        elif name.startswith("MONGO_DB_URI") or name.endswith("_URL"):
            secret(unquote(urlsplit(value).password or ""), name)
            secret(value, name)


def exchange(url: str, headers: Mapping[str, str] | None, body: bytes, reply: bytes) -> None:
    """Take the secrets of a request and of its reply."""
    for name, value in (headers or {}).items():
        if name.lower() in _CREDENTIALS:
            secret(value.strip().rpartition(" ")[2], f"the header {name}")
    if url.startswith(_CLIENT_API):
        for text in (body, reply):
            for name, value in _members(text):
                secret(value, f"the member {name}")


def _members(text: bytes) -> Iterator[tuple[str, str]]:
    try:
        parsed = json.loads(text)
    except ValueError:
        return
    waiting: list[Any] = [parsed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from ((name, each) for name, each in value.items() if name in _MEMBERS and isinstance(each, str))
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


class _Memory(logging.Handler):
    """Keeps what this process logs as a handler would print it that knows nothing of our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_OTHERS):
            output(f"the logger {record.name}", self.format(record))


def found() -> list[str]:
    """Return one sentence for each secret and place where it was logged; never the secret itself."""
    texts = [*_texts, *((str(file), file.read_text(errors="replace")) for file in _files)]
    merged: dict[str, list[str]] = {}
    for source, text in texts:
        merged.setdefault(source, []).append(text)
    whole = {source: "\n".join(parts) for source, parts in merged.items()}
    return [
        f"{source} holds {kind}: …{whole[source][max(0, at - 60) : at]}…"
        for value, kind in _secrets.items()
        for source in whole
        if (at := _position(whole[source], value)) >= 0
    ]


def _position(text: str, value: str) -> int:
    escaped = json.dumps(value)[1:-1]
    return max(text.find(value), text.find(escaped) if escaped != value else -1)


def pytest_configure() -> None:
    """Listen from the first line on."""
    logging.getLogger().addHandler(_Memory())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if anything leaked: servers have ended by now, so their logs are whole."""
    if not _files and not _texts:
        return
    session.config.stash[_FOUND] = found()
    if session.config.stash[_FOUND] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was looked through, and what was found."""
    leaked = config.stash.get(_FOUND, None)
    if leaked is None:
        return
    looked = f"{len(_files)} files and {len(_texts)} other texts were looked through for {len(_secrets)} secrets"
    terminalreporter.write_sep("=", f"{len(leaked)} secrets in logs: {looked}", red=bool(leaked), green=not leaked)
    for sentence in leaked:
        terminalreporter.write_line(sentence)


_FOUND = pytest.StashKey[list[str]]()
