"""The command line as operators run it, on the mongod of the tests: called here, or as a process of its own.

A process of its own costs half a second, so only what cannot be seen without one gets it: signals, kills, pipes,
terminals, memory, and that the exit code of a call is that of the process.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from typer.testing import CliRunner

from admin.__main__ import app
from local.mongod import Mongod
from tests.hosts import ROOT

type Done = subprocess.CompletedProcess[bytes]
type Told = subprocess.CompletedProcess[str]
type Process = subprocess.Popen[bytes]

RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument, unicode_decode_error_handler="replace")

_MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""  # a small process in between: a child's figure starts at that of the process it was forked from


def call(arguments: tuple[str, ...], env: Mapping[str, str], folder: Path, stdin: bytes = b"") -> Done:
    """Call the command with this environment, and no more, in this folder; what it does not expect is raised."""
    with _as_a_process(env), contextlib.chdir(folder):
        result = CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout_bytes, result.stderr_bytes)


def run(arguments: tuple[str, ...], env: Mapping[str, str], folder: Path, stdin: bytes = b"") -> Done:
    """Run the command as a process of its own, to the end."""
    command = [sys.executable, "-m", "admin", *arguments]
    return subprocess.run(command, env=env, input=stdin, capture_output=True, cwd=folder, check=False)


def told(done: Done) -> Told:
    """Return the same as text."""
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@contextlib.contextmanager
def _as_a_process(env: Mapping[str, str]) -> Iterator[None]:
    """Hold this process's environment and the event loop of the test back for a while."""
    before, loop = dict(os.environ), asyncio._get_running_loop()
    _have_environment(env)
    asyncio._set_running_loop(None)  # the command runs one of its own, in this thread, as it sets handlers of signals
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        _have_environment(before)


def _have_environment(env: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)


class Command:
    """Calls the command, or starts it as a process that may be killed."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MONGO_DB_", "APP_"))}
        self.env = kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "120"} | env

    def __call__(self, *arguments: str, **env: str) -> Done:
        return call(arguments, self.env | env, self.folder)

    def fed(self, stdin: bytes, *arguments: str, **env: str) -> Done:
        """Run the command with this in a pipe as its standard input."""
        return run(arguments, self.env | env, self.folder, stdin)

    def start(self, *arguments: str, **streams: Any) -> Process:
        """Start the command; what is said of no stream goes nowhere, but for standard error."""
        chosen: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.PIPE,
        } | streams
        started: Process = subprocess.Popen(self._command(arguments), env=self.env, cwd=self.folder, **chosen)
        return started

    def measured(self, *arguments: str, stdin: Any = subprocess.DEVNULL, stdout: Any = subprocess.DEVNULL) -> Process:
        """Start the command; the last line of its standard error is the most memory that it used, in kB."""
        wrapped = [sys.executable, "-c", _MEASURED, *self._command(arguments)]
        return subprocess.Popen(
            wrapped, env=self.env, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, cwd=self.folder
        )

    @staticmethod
    def _command(arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "admin", *arguments]


@pytest.fixture
def command(mongod: Mongod, tmp_path: Path) -> Command:
    """The command in an empty folder, with a control database of its own."""
    return Command(tmp_path, MONGO_DB_URI=mongod.uri, DOZEN_DATABASE="operated")


@pytest.fixture
async def moved(driver: AsyncMongoClient[dict[str, Any]]) -> Any:
    """The database whose collections are exported and imported, empty; its documents are their bytes."""
    for name in await driver["moved"].list_collection_names():
        await driver["moved"].drop_collection(name)
    return driver.get_database("moved", codec_options=RAW)


async def stored(collection: Any) -> list[bytes]:
    """Return all documents as MongoDB holds them, in the order of _id."""
    found = collection.find(sort={"_id": 1}, hint={"_id": 1})
    return [bytes(document.raw) async for document in found]


def killed_until_done(command: Command, checkpoint: str, *arguments: str) -> int:
    """Kill the command soon after it has come further, three times, then let it end; return how often it was killed."""
    kept, source = command.folder / checkpoint, random.Random(3)
    for kills in range(3):
        if not killed(command.start(*arguments), kept, source.random() / 10):
            return kills
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    return 3


def killed(process: Process, kept: Path, seconds: float) -> bool:
    """Kill a process when its checkpoint says more than it did and so many seconds passed; False if its work was done.

    Done is what has ended, and what has nothing left to do but to end: an export has no checkpoint any more.
    """
    before = content(kept)
    while process.poll() is None and content(kept) == before:
        time.sleep(0.002)
    time.sleep(seconds)
    process.kill()
    errors = process.communicate()[1]
    assert process.returncode in {0, -signal.SIGKILL}, errors
    return process.returncode != 0 and kept.exists()


def shown_on(terminal: int) -> bytes:
    """Return all that is shown on a terminal until nobody writes there any more: it gives 4 kB at a time."""
    shown = b""
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as screen:
        while read := screen.read(65536):
            shown += read
    return shown


def content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
