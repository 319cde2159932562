"""The first request of a run: a key, a command to paste, and its real answer."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from admin import sample
from admin.sample import films
from local import ports
from local.database import Database
from local.errors import LocalError
from shared.settings import DEFAULT_DATA_SOURCE, Settings

_FIND_A_FILM = {
    "database": sample.FILMS,
    "collection": "films",
    "filter": {"title": films.FEATURED},
    "projection": {"_id": 0, "title": 1, "year": 1, "genres": 1, "plot": 1},
}


@dataclass(frozen=True)
class Request:
    """A findOne on the sample films, to paste and to send."""

    settings: Settings
    key: str = ""

    @property
    def url(self) -> str:
        app_id = self.settings.app_id or "dozen"
        return f"http://{ports.LOOPBACK}:{self.settings.listen_port}/app/{app_id}/endpoint/data/v1/action/findOne"

    @property
    def body(self) -> bytes:
        return orjson.dumps(self._members)

    @property
    def _members(self) -> dict[str, Any]:
        known = self.settings.data_source_uri(DEFAULT_DATA_SOURCE)
        source = DEFAULT_DATA_SOURCE if known else next(iter(self.settings.data_sources))
        return {"dataSource": source} | _FIND_A_FILM

    @property
    def curl(self) -> str:
        lines = (
            f"curl -sS {self.url}",
            "-H \"apiKey: $KEY\" -H 'Content-Type: application/json'",
            f"-d {shlex.quote(self._body_in_lines)}",
        )
        known = f"KEY={self.key}\n" if self.key else ""  # on a line of its own, as it has 64 letters
        return known + " \\\n  ".join(lines)

    @property
    def _body_in_lines(self) -> str:
        """A line for each member, so that a terminal of 80 columns breaks none."""
        members = (
            f"{orjson.dumps(name).decode()}:{orjson.dumps(value).decode()}" for name, value in self._members.items()
        )
        return "{" + ",\n    ".join(members) + "}"

    def send(self) -> httpx.Response:
        headers = {"apiKey": self.key, "Content-Type": "application/json"}
        return httpx.post(self.url, content=self.body, headers=headers, timeout=30, trust_env=False)


def first_request(database: Database) -> tuple[Request, httpx.Response]:
    """Send it with the stored key; with a new one when there is none or it is refused."""
    key_file = database.key_file
    if key_file.exists():
        request = Request(database.settings, key_file.read_text().strip())
        if (response := request.send()).status_code not in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            return request, response
    request = Request(database.settings, _make_key(database.environ, key_file))
    return request, request.send()


def _make_key(environ: dict[str, str], key_file: Path) -> str:
    command = [sys.executable, "-m", "admin", "keys", "create", "--system", "--name", "development"]
    made = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    key = made.stdout.strip()
    if made.returncode or not key:
        raise LocalError(f"No development key could be made: {made.stderr.strip() or 'the admin tool gave none'}")
    _write_secret(key_file, f"{key}\n")
    return key


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # the mode below counts for a new file only
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
