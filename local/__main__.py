"""`python -m local`: a database, a server, a key and a first request, until Ctrl-C."""

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path
from subprocess import Popen
from types import FrameType

from pymongo.errors import PyMongoError
from rich.console import Console

from admin import sample
from admin.output import counted
from local import lock, ports
from local.database import Database, database
from local.environment import read_environment
from local.errors import LocalError
from local.request import first_request
from local.service import server
from shared.settings import SettingsError

_POLL_S = 0.2
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# soft_wrap: a command that the terminal's width cut in pieces cannot be pasted
_console = Console(emoji=False, highlight=False, markup=False, soft_wrap=True)
_errors = Console(emoji=False, highlight=False, markup=False, soft_wrap=True, stderr=True)


def main() -> int:
    """Run until a signal comes (0) or something fails (1)."""
    for number in _STOPPING:
        signal.signal(number, _stop)
    try:
        with lock.exclusive(data_dir := _data_dir()):
            _run(data_dir)
    except (LocalError, SettingsError, PyMongoError) as error:
        _errors.print(f"Dozen cannot run: {error}", style="red")
    return 1


def _data_dir() -> Path:
    parser = argparse.ArgumentParser(prog="python -m local", description="Serve Dozen here, until Ctrl-C.")
    parser.add_argument("--data-dir", type=Path, default=Path(".data"), help="data, key and logs (default: .data)")
    return Path(parser.parse_args().data_dir)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Leave every block in order, the server's before mongod's."""
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not cut mongod's shutdown short
    sys.exit(0)


def _run(data_dir: Path) -> None:
    environ = {"LISTEN_HOST": ports.LOOPBACK, "EXPLORER": "on"} | read_environment()
    with database(environ, data_dir) as chosen, server(chosen.environ, chosen.settings.listen_port) as process:
        _introduce(chosen, data_dir)
        try:
            _watch({"server": process} | ({"mongod": chosen.process} if chosen.process else {}))
        finally:
            _console.print("\nStopping.")


def _introduce(chosen: Database, data_dir: Path) -> None:
    request, response = first_request(chosen)
    _console.print(f"\nDozen serves on {_root(chosen)}", style="bold green")
    _console.print(_about(chosen, data_dir))
    if chosen.settings.explorer == "on":
        _say("See it in a browser, and sign in with the key:", f"{_root(chosen)}/explorer\n{request.key}")
    _say("Try it:", request.curl)
    _say("It answers:" if response.is_success else f"It answers {response.status_code}:", response.text)
    _say("Manage keys in a second terminal:", _admin(chosen))
    _console.print("\nCtrl-C stops it all; data and key stay.", style="dim")


def _root(chosen: Database) -> str:
    return f"http://{ports.LOOPBACK}:{chosen.settings.listen_port}"


def _about(chosen: Database, data_dir: Path) -> str:
    if chosen.process is None:
        return (
            "It uses your database: no mongod was started and no sample data is written there. So the request below"
            f" finds nothing until you put your own names into it. Its key is in {chosen.key_file}."
        )
    samples = (
        f"{counted(chosen.loaded, 'sample document')} loaded" if chosen.loaded else "The sample data is as you left it"
    )
    return f"{samples} ({sample.FILMS}, {sample.SHOP}). mongod stores everything in {data_dir}."


def _admin(chosen: Database) -> str:
    program = Path(__file__).resolve().parent.parent / "dozen"
    here = f"./{program.name}" if program.parent == Path.cwd() else shlex.quote(str(program))
    command = " ".join((here, "keys", "list"))
    # the address of a database of the user's may hold a password: it is not printed
    setting = "" if chosen.process is None else f"MONGO_DB_URI='{chosen.settings.control_uri}' "
    return setting + command


def _say(title: str, text: str) -> None:
    _console.print(f"\n{title}\n", style="bold")
    _console.print(text)


def _watch(children: dict[str, Popen[bytes]]) -> None:
    while True:
        for name, process in children.items():
            if process.poll() is not None:
                raise LocalError(f"The {name} stopped by itself (exit code {process.returncode}).")
        time.sleep(_POLL_S)


if __name__ == "__main__":
    sys.exit(main())
