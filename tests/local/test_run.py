"""`python -m local` as its user meets it: one command, a request that works, an end that leaves nothing running."""

import importlib.metadata
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from admin import first_app
from admin.first_app import FirstApp
from local import ports
from local.mongod import Mongod
from tests import leaks

ROOT = Path(__file__).parents[2]
LAST_LINE = "Ctrl-C stops it all"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the children are found in /proc")


class Run:
    """A `python -m local` in a directory of its own."""

    def __init__(self, directory: Path, **environ: str) -> None:
        self.data_dir = directory / ".data"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MONGO_DB_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local"],
            cwd=directory,
            env=inherited | {"PYTHONPATH": str(ROOT), "LISTEN_PORT": str(ports.free_port())} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def key(self) -> str:
        made = (self.data_dir / "dev-key").read_text().strip()
        leaks.secret(made, "the key of make run")
        return made

    def read(self, last_line: str = LAST_LINE) -> str:
        """Return what it prints up to the line that starts so; all of it when there is no such line."""
        assert self.process.stdout
        printed = ""
        for line in self.process.stdout:
            printed += line
            if line.startswith(last_line):
                break
        # the key is printed for the developer to try, but not in the service's own lines
        leaks.output("make run", "".join(re.findall(r"^{.*$", printed, re.MULTILINE)))
        return printed

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.read(last_line="nothing starts so")
        return self.process.wait(60)

    def children(self) -> dict[str, int]:
        """Return the process ids of the server and of mongod."""
        own = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in own}
        return {"mongod" if b"mongod\0" in command else "server": int(pid) for pid, command in commands.items()}


def start_in(directory: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(**environ: str) -> Run:
        runs.append(Run(directory, **environ))
        return runs[-1]

    (directory / ".data").mkdir()
    (directory / ".data" / "port").write_text(str(ports.free_port()))  # not 27017, which may be a developer's
    yield start
    for started in runs:
        started.end(signal.SIGTERM)
        assert started.process.stdout
        started.process.stdout.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start runs in one directory of this test."""
    yield from start_in(tmp_path)


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    """Start runs in one directory of the tests that only look."""
    yield from start_in(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def served(shared_run: Callable[..., Run]) -> tuple[Run, str]:
    """Give a run that serves, and what it printed."""
    started = shared_run()
    return started, started.read()


def part(printed: str, title: str) -> str:
    """Return what stands below a title."""
    return printed.split(f"{title}\n\n")[1].split("\n\n", maxsplit=1)[0]


def are_gone(pids: dict[str, int], *, within_s: float = 0) -> bool:
    deadline = time.monotonic() + within_s
    while any(is_running(pid) for pid in pids.values()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_running(pid: int) -> bool:
    # a process that ended and that nobody waits for is a zombie (Z) for ever in a container without an init
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_printed_command_gives_the_printed_answer(served: tuple[Run, str]) -> None:
    _, printed = served

    pasted = subprocess.run(["sh", "-c", part(printed, "Try it:")], capture_output=True, text=True, check=True)

    assert pasted.stdout.strip() == part(printed, "It answers:").strip()
    assert '"The Lamplighter of Porto"' in pasted.stdout


def test_the_printed_admin_command_works(served: tuple[Run, str]) -> None:
    _, printed = served
    command = part(printed, "Manage keys in a second terminal:")

    listed = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "development" in listed.stdout


def test_it_says_when_each_step_begins(served: tuple[Run, str]) -> None:
    _, printed = served

    steps = re.findall(
        r"^\d\d:\d\d:\d\d  (starting|loading) (mongod|the sample data|the server)", printed, re.MULTILINE
    )
    assert steps == [("starting", "mongod"), ("loading", "the sample data"), ("starting", "the server")]


def test_nothing_of_the_log_stands_before_what_to_do(served: tuple[Run, str]) -> None:
    started, printed = served
    httpx.get(re.findall(r"Dozen serves on (\S+)", printed)[0] + "/nothing", trust_env=False)  # which is logged
    assert started.process.stdout
    later = started.process.stdout.readline()

    assert re.findall(r"^\{.{8}", printed, re.MULTILINE) == ['{"documen']
    assert later.startswith('{"time"')


def test_what_is_to_be_pasted_fits_80_columns(served: tuple[Run, str]) -> None:
    _, printed = served

    assert [line for line in part(printed, "Try it:").splitlines() if len(line) > 80] == []


def test_only_its_owner_can_read_the_key(served: tuple[Run, str]) -> None:
    started, printed = served

    assert started.key in part(printed, "Try it:")
    assert stat.S_IMODE((started.data_dir / "dev-key").stat().st_mode) == 0o600


def test_two_runs_do_not_share_a_directory(served: tuple[Run, str], shared_run: Callable[..., Run]) -> None:
    first, _ = served

    second = shared_run()

    said = second.read()
    assert f"Another run uses .data, process {first.process.pid} for http://127.0.0.1:" in said
    assert f"`kill {first.process.pid}`" in said
    assert second.process.wait(20) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order_and_leaves_nothing_outside(
    run: Callable[..., Run], number: signal.Signals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    started = run(HOME=str(home), TMPDIR=str(home))
    started.read()
    children = started.children()

    assert started.end(number) == 0
    assert sorted(children) == ["mongod", "server"]
    assert are_gone(children)
    assert list(home.iterdir()) == []


def test_ctrl_c_while_it_starts_leaves_nothing(run: Callable[..., Run]) -> None:
    started = run()
    deadline = time.monotonic() + 20
    while not (started.data_dir / "mongod" / "mongod.log").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    children = started.children()

    started.process.send_signal(signal.SIGINT)
    assert started.read().endswith("\nstopped; run make run again to go on\n")
    assert started.process.wait(60) == 130
    assert are_gone(children, within_s=10)  # a child just being started ends by its parent's death


def test_a_second_run_keeps_data_and_key(run: Callable[..., Run]) -> None:
    first = run()
    first.read()
    key = first.key
    first.end(signal.SIGINT)

    printed = run().read()

    assert "The sample data is as you left it" in printed
    assert key in part(printed, "Try it:")


def test_a_key_that_is_unknown_is_replaced(run: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / ".data" / "dev-key").write_text("from another database")

    started = run()
    printed = started.read()

    assert started.key in part(printed, "Try it:")
    assert "Lamplighter" in part(printed, "It answers:")


@pytest.mark.parametrize("name", ["server", "mongod"])
def test_it_says_when_a_child_dies(run: Callable[..., Run], name: str) -> None:
    started = run()
    started.read()
    children = started.children()

    os.kill(children[name], signal.SIGKILL)

    assert f"The {name} stopped by itself (exit code -9)" in started.read()
    assert started.process.wait(60) == 1
    assert are_gone(children)


def test_its_children_end_when_it_is_killed(run: Callable[..., Run]) -> None:
    started = run()
    started.read()
    children = started.children()

    started.process.kill()

    assert are_gone(children, within_s=20)


def test_a_busy_port_is_named(run: Callable[..., Run]) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        port = other.getsockname()[1]

        started = run(LISTEN_PORT=str(port))

        assert f"Port {port} is in use" in started.read()
        assert started.process.wait(60) == 1


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"LISTEN_PORT": "abc"}, "LISTEN_PORT is not usable: expected a whole number from 1 to 65535"),
        ({"APP_CONFIG_DIR": "nowhere"}, "nowhere: this folder does not exist"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(
    run: Callable[..., Run], environ: dict[str, str], sentence: str
) -> None:
    started = run(**environ)
    said = started.read()

    assert said.startswith(f"Dozen cannot run: {sentence}")
    assert started.process.wait(60) == 1
    assert not (started.data_dir / "mongod").exists()


def test_a_database_of_the_users_gets_no_data_and_no_key(run: Callable[..., Run], tmp_path: Path) -> None:
    mongod = Mongod(tmp_path / "theirs").start()
    (tmp_path / ".env").write_text(f"MONGO_DB_URI={mongod.uri}\n")
    first_app.write(tmp_path / "app", FirstApp(providers=("local-userpass",)).files())

    started = run(APP_CONFIG_DIR="app")
    printed = started.read()
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        databases = set(client.list_database_names())
    children = started.children()
    make = part(printed, "Make a key with full access, in a terminal with the same settings:").strip()
    explorer = part(printed, "See your data in a browser, and sign in with what this prints:").split("\n")[0]
    page = httpx.get(explorer).text
    pasted = f"cd {ROOT}; {make}; {part(printed, 'Try it, with names of your own:')}"
    answer = subprocess.run(
        ["sh", "-c", pasted],
        env=os.environ | {"MONGO_DB_URI": mongod.uri}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    started.end(signal.SIGTERM)
    mongod.kill()

    assert f"using MONGO_DB_URI of .env (127.0.0.1:{mongod.port})" in printed
    assert mongod.uri not in printed
    assert "Nobody can log in, as SESSION_SECRET is not set" in printed
    assert databases == {"admin", "config", "local"}
    assert answer.stdout == '{"document":null}'
    assert "<title>" in page
    assert list(children) == ["server"]
    assert not (started.data_dir / "lock").exists()


def test_the_readme_says_what_the_packages_take() -> None:
    names = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-run.txt").read_text(), re.MULTILINE)
    files = [file for name in names for of in importlib.metadata.distributions(name=name) for file in of.files or ()]
    taken = sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).exists())

    assert "take 0.5 GB of disk" in (ROOT / "README.md").read_text()
    assert 0.15e9 < taken < 0.45e9  # beside them are pip, the clone and .data: 0.07 GB at first
