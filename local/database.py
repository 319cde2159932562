"""The database of a run: the one that the user names, else a mongod of our own."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from admin import sample
from local import ports
from local.environment import brings_database
from local.mongod import Mongod
from local.steps import step
from shared.settings import Settings

_USUAL_PORT = 27017


@dataclass(frozen=True)
class Database:
    """The database that the server uses, and what `make run` prints about it."""

    environ: dict[str, str]
    settings: Settings
    key_file: Path
    process: Popen[bytes] | None = None  # none when the user brought the database
    loaded: int = 0


@contextmanager
def database(environ: dict[str, str], data_dir: Path) -> Iterator[Database]:
    """Give a database; a mongod of ours holds the sample data and ends with the block."""
    if brings_database(environ):
        settings = Settings.from_environ(environ)
        yield Database(environ, settings, _key_file(settings, data_dir))
        return
    step(f"starting mongod, whose data is in {data_dir}")
    with Mongod(data_dir / "mongod", _choose_port(data_dir / "port")) as mongod:
        (data_dir / "port").write_text(f"{mongod.port}\n")
        environ = environ | {"MONGO_DB_URI": mongod.uri}
        step("loading the sample data, where there is none")
        loaded = sample.load(mongod.uri)
        yield Database(environ, Settings.from_environ(environ), data_dir / "dev-key", mongod.process, loaded)


def _choose_port(remembered: Path) -> int:
    """Prefer the port of the last run, so that a connection string from then still works."""
    last = remembered.read_text().strip() if remembered.exists() else ""
    wanted = int(last) if last.isdecimal() else _USUAL_PORT
    return wanted if ports.is_free(wanted) else ports.free_port()


def _key_file(settings: Settings, data_dir: Path) -> Path:
    """Name a file for each database, so that switching between databases reuses its key."""
    place = f"{settings.control_uri} {settings.dozen_database}"
    return data_dir / f"dev-key.{hashlib.sha256(place.encode()).hexdigest()[:12]}"
