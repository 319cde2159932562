"""What no log may hold: collected while the tests run, and looked for in everything logged when they are over.

The processes that tests start log to files, which are named here; what this process logs is kept in memory. Secrets
are what tests send as credentials and get as such, the settings that hold some, and the marker PLANTED that tests put
into documents, filters and wherever else a caller can put a text.

Each worker of a parallel run looks through the logs of its own servers for the secrets of its own tests, and hands over
what it found; one that ended without a word fails the run, because nobody looked.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

PLANTED = "planted-secret"

_SHORTEST = 10  # what is shorter stands in a log by chance
_CREDENTIALS = {"apikey", "api-key", "authorization", "jwttokenstring", "password"}
_MEMBERS = {"access_token", "accessToken", "id_token", "key", "password", "refresh_token", "token"}
_CLIENT_API = "/api/client/"
_SECRET_SETTINGS = re.compile(
    r"MONGO_DB_PASSWORD|SESSION_SECRET|METRICS_KEY|APP_SECRET_.+|APPLICATIONINSIGHTS_CONNECTION_STRING"
)
_OTHERS = ("httpx", "httpcore", "hypothesis", "mail.log")  # the tests' own tools

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
    except (ValueError, RecursionError):  # the service refuses it, too
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


class _Looked(NamedTuple):
    """What was looked through, how many secrets were looked for, and what was found."""

    files: int = 0
    texts: int = 0
    secrets: int = 0
    found: tuple[str, ...] = ()

    def and_(self, other: "_Looked") -> "_Looked":
        return _Looked(
            self.files + other.files, self.texts + other.texts, self.secrets + other.secrets, self.found + other.found
        )


_LOOKED = pytest.StashKey[_Looked]()


@pytest.hookimpl(specname="pytest_configure")
def pytest_listen() -> None:
    """Keep what is logged from the first line on."""
    logging.getLogger().addHandler(_Memory())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker found."""
    output = getattr(node, "workeroutput", None) or {}  # a worker that crashed has none
    nobody = f"{node.gateway.id} ended before its logs were looked through"
    _gather(node.config, _Looked(*output["leaks"]) if "leaks" in output else _Looked(found=(nobody,)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if anything leaked: servers have ended by now, so their logs are whole."""
    if _files or _texts:
        _gather(session.config, _Looked(len(_files), len(_texts), len(_secrets), tuple(found())))
    looked = session.config.stash.get(_LOOKED, _Looked())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["leaks"] = tuple(looked)
    if looked.found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _gather(config: pytest.Config, looked: _Looked) -> None:
    config.stash[_LOOKED] = config.stash.get(_LOOKED, _Looked()).and_(looked)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was looked through, and what was found."""
    looked = config.stash.get(_LOOKED, None)
    if looked is None:
        return
    through = f"{looked.files} files and {looked.texts} other texts were looked through for {looked.secrets} secrets"
    leaked = bool(looked.found)
    terminalreporter.write_sep("=", f"{len(looked.found)} secrets in logs: {through}", red=leaked, green=not leaked)
    for sentence in looked.found:
        terminalreporter.write_line(sentence)
