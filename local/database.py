"""The database of a run: the one that the user names, else a mongod of our own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from pymongo import MongoClient, ReadPreference
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from admin import sample
from local import ports
from local.environment import brings_database, brought
from local.errors import LocalError
from local.mongod import Mongod
from local.steps import step
from shared.mongo.control import API_KEYS
from shared.settings import Settings

_USUAL_PORT = 27017
_REACH_S = 10
_WRONG_CREDENTIALS = {18, 8000}  # AuthenticationFailed, and what Atlas says


@dataclass(frozen=True)
class Database:
    """The database that the server uses, and what `make run` prints about it."""

    environ: dict[str, str]
    settings: Settings
    key_file: Path
    advice: str = ""  # where it does not answer
    process: Popen[bytes] | None = None  # none when the user brought the database
    loaded: int = 0


@contextmanager
def database(environ: dict[str, str], data_dir: Path) -> Iterator[Database]:
    """Give a database; a mongod of ours holds the sample data and ends with the block."""
    if brings_database(environ):
        settings, name = Settings.from_environ(environ), brought(environ)
        step(f"using {name} ({_hosts(settings.control_uri)})")
        yield Database(environ, settings, data_dir / "dev-key", advice=f"; unset {name} to get a mongod of your own")
        return
    step(f"starting mongod, whose data is in {data_dir}")
    with Mongod(data_dir / "mongod", _choose_port(data_dir / "port")) as mongod:
        (data_dir / "port").write_text(f"{mongod.port}\n")
        environ = environ | {"MONGO_DB_URI": mongod.uri}
        step("loading the sample data, where there is none")
        loaded = sample.load(mongod.uri)
        yield Database(environ, Settings.from_environ(environ), data_dir / "dev-key", "", mongod.process, loaded)


def _choose_port(remembered: Path) -> int:
    """Prefer the port of the last run, so that a connection string from then still works."""
    last = remembered.read_text().strip() if remembered.exists() else ""
    wanted = int(last) if last.isdecimal() else _USUAL_PORT
    return wanted if ports.is_free(wanted) else ports.free_port()


def _hosts(uri: str) -> str:
    """Return the hosts of a connection string, never what stands before them."""
    return re.split(r"[/?]", uri.rpartition("@")[2].rpartition("://")[2])[0]


def reach(chosen: Database) -> None:
    """Raise LocalError if a database of the user's takes no writes or lets nobody in, sooner than a call would."""
    if chosen.process is not None or chosen.settings.mongo_db_auth != "password":
        return
    uri = chosen.settings.control_uri
    try:
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=_REACH_S * 1000) as client:
            control = client.get_database(chosen.settings.dozen_database, read_preference=ReadPreference.PRIMARY)
            control[API_KEYS].find_one({}, {"_id": 1})  # each call begins so
    except ServerSelectionTimeoutError as error:
        reason = re.split(r" \(configured|, Timeout:", str(error))[0]
        raise LocalError(f"MongoDB does not answer within {_REACH_S} s, {reason}{chosen.advice}.") from None
    except OperationFailure as error:
        # from None: what MongoDB and its driver say may name the user
        raise LocalError(f"{_refused(error, uri, chosen.settings.dozen_database)}{chosen.advice}.") from None


def _refused(error: OperationFailure, uri: str, control: str) -> str:
    if error.code in _WRONG_CREDENTIALS:
        return (
            "MongoDB refuses the user or the password, or knows the user in another database, as with ?authSource=admin"
        )
    if "@" not in uri:
        return "MongoDB wants a user and its password, as in mongodb://user:password@host/"
    return f"MongoDB does not let this user read the database {control}, which holds keys and users: grant it readWrite"
