"""A run: what is wrong is said first, then come a database, a server, a key and a first request, until Ctrl-C."""

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from subprocess import Popen
from types import FrameType

from pymongo.errors import PyMongoError
from rich.console import Console

from admin import sample
from admin.output import counted
from local import lock, ports
from local.database import Database, database, reach
from local.environment import brings_database, read_environment
from local.errors import LocalError
from local.request import Request, first_request
from local.service import refuse_taken, server
from shared.app.exported import ExportedApp
from shared.app.files import AppError
from shared.app.model import App
from shared.environment import app_secrets
from shared.settings import Settings, SettingsError

_POLL_S = 0.2
_TO_COME = {"MONGO_DB_URI": f"mongodb://{ports.LOOPBACK}/"}  # stands for the mongod that is not started yet
_NEW_KEY = "keys create --name development --system --expires 7d"
_SIGNED = "export SESSION_SECRET=$(openssl rand -hex 32)   # then start it again"
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# soft_wrap: a command that the terminal's width cut in pieces cannot be pasted
_console = Console(emoji=False, highlight=False, markup=False, soft_wrap=True)
_errors = Console(emoji=False, highlight=False, markup=False, soft_wrap=True, stderr=True)


def main() -> int:
    """Run until a signal comes (0, or 128 and its number before it serves) or something fails (1)."""
    _on_signals(_give_up)
    try:
        _run(_data_dir())
    except (LocalError, SettingsError, AppError, PyMongoError) as error:
        _errors.print(f"Dozen cannot run: {error}", style="red")
    except OSError as error:
        _errors.print(f"Dozen cannot run: {error.filename or 'the system says'}: {error.strerror}", style="red")
    return 1


def _data_dir() -> Path:
    parser = argparse.ArgumentParser(prog="python -m local", description="Serve Dozen here, until Ctrl-C.")
    parser.add_argument("--data-dir", type=Path, default=Path(".data"), help="data, key and logs (default: .data)")
    return Path(parser.parse_args().data_dir)


def _on_signals(act: Callable[[int, FrameType | None], None]) -> None:
    for number in _STOPPING:
        signal.signal(number, act)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Leave every block in order, the server's before mongod's."""
    _ignore_signals()
    sys.exit(0)


def _give_up(number: int, _frame: FrameType | None) -> None:
    """Do so while it starts."""
    _ignore_signals()
    _errors.print("\nstopped; run make run again to go on")
    sys.exit(128 + number)


def _ignore_signals() -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not cut mongod's shutdown short


def _run(data_dir: Path) -> None:
    environ = {"LISTEN_HOST": ports.LOOPBACK, "EXPLORER": "on"} | read_environment()
    planned = Settings.from_environ(environ if brings_database(environ) else environ | _TO_COME)
    app = ExportedApp(planned, app_secrets(environ)).app
    address = f"http://{ports.LOOPBACK}:{planned.listen_port}"
    # what serves a database of the user's keeps nothing there
    with nullcontext() if brings_database(environ) else lock.exclusive(data_dir, address):
        refuse_taken(planned.listen_port)
        _serve(environ, data_dir, None if app is None or planned.session_secret else app)


def _serve(environ: dict[str, str], data_dir: Path, without_logins: App | None) -> None:
    with database(environ, data_dir) as chosen:
        reach(chosen)
        with server(chosen.environ, chosen.settings.listen_port, chosen.advice) as (process, show_log):
            _on_signals(_stop)
            _present(chosen, data_dir, without_logins)
            show_log()
            try:
                _watch({"server": process} | ({"mongod": chosen.process} if chosen.process else {}))
            finally:
                _console.print("\nStopping.")


def _present(chosen: Database, data_dir: Path, without_logins: App | None) -> None:
    _introduce(chosen, data_dir)
    if without_logins is not None and _has_users(without_logins):
        _say("Nobody can log in, as SESSION_SECRET is not set; keys work. To mend it:", _SIGNED)
    _console.print("\nCtrl-C stops it all; data and key stay.", style="dim")


def _has_users(app: App) -> bool:
    logins = app.providers
    return bool(logins.anonymous or logins.email_password or logins.custom_token or logins.openid)


def _introduce(chosen: Database, data_dir: Path) -> None:
    _console.print(f"\nDozen serves on {_root(chosen)}", style="bold green")
    _console.print(_about(chosen, data_dir))
    if chosen.process is None:
        _say("Make a key with full access, in a terminal with the same settings:", f"KEY=$({_admin(_NEW_KEY)})")
        if chosen.settings.explorer == "on":
            _say(
                "See your data in a browser, and sign in with what this prints:", f"{_root(chosen)}/explorer\necho $KEY"
            )
        _say("Try it, with names of your own:", Request(chosen.settings).curl)
        return
    request, response = first_request(chosen)
    if chosen.settings.explorer == "on":
        _say("See it in a browser, and sign in with the key:", f"{_root(chosen)}/explorer\n{request.key}")
    _say("Try it:", request.curl)
    _say("It answers:" if response.is_success else f"It answers {response.status_code}:", response.text)
    setting = f"MONGO_DB_URI='{chosen.settings.control_uri}'"
    _say("Manage keys in a second terminal:", f"{setting} {_admin('keys list')}")


def _root(chosen: Database) -> str:
    return f"http://{ports.LOOPBACK}:{chosen.settings.listen_port}"


def _about(chosen: Database, data_dir: Path) -> str:
    if chosen.process is None:
        return "It uses your database: nothing was written there, neither sample data nor a key."
    samples = (
        f"{counted(chosen.loaded, 'sample document')} loaded" if chosen.loaded else "The sample data is as you left it"
    )
    return f"{samples} ({sample.FILMS}, {sample.SHOP}).\nmongod stores everything in {data_dir}."


def _admin(command: str) -> str:
    program = Path(__file__).resolve().parent.parent / "dozen"
    here = f"./{program.name}" if program.parent == Path.cwd() else shlex.quote(str(program))
    return f"{here} {command}"


def _say(title: str, text: str) -> None:
    _console.print(f"\n{title}\n", style="bold")
    _console.print(text)


def _watch(children: dict[str, Popen[bytes]]) -> None:
    while True:
        for name, process in children.items():
            if process.poll() is not None:
                raise LocalError(f"The {name} stopped by itself (exit code {process.returncode}).")
        time.sleep(_POLL_S)
